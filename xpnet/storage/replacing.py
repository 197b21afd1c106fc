"""Files that are whole: written beside the old one, brought to the disk, and put in its place at once."""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
from collections.abc import Generator
from typing import BinaryIO


@contextlib.contextmanager
def replacing(path: str) -> Generator[BinaryIO]:
    """A new file, open for writing, which takes the place of `path` at the end of the block.

    Whenever the process is killed, `path` is the old file or the new one, whole. Until the end the new one
    is called `.xpnet-....tmp`, in the same directory; an exception in the block removes it.

    Raises:
        OSError: the directory is not there or cannot be written to; the disk is full.
    """
    target = os.path.realpath(path)  # a link goes on leading there
    directory = os.path.dirname(target)
    temporary = os.path.join(directory, f".xpnet-{secrets.token_hex(8)}.tmp")
    try:
        with open(temporary, "xb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        with contextlib.suppress(OSError):  # the rights of the old one, where there is one
            shutil.copymode(target, temporary)
        os.replace(temporary, target)
    except BaseException:
        with contextlib.suppress(OSError):
            os.remove(temporary)
        raise
    if os.name == "posix":  # the name too; elsewhere directories cannot be opened
        with contextlib.suppress(OSError):
            number = os.open(directory, os.O_RDONLY)
            try:
                os.fsync(number)
            finally:
                os.close(number)
