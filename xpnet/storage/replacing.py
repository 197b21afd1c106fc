"""Files that are whole: written beside the old one, brought to the disk, and put in its place at once."""

from __future__ import annotations

import contextlib
import errno
import os
import secrets
import shutil
import stat
import sys
import time
from collections.abc import Generator
from typing import BinaryIO


def directory_of(path: str) -> str:
    """The directory of a file that is to be written.

    Raises:
        FileNotFoundError: it is not there.
    """
    directory = os.path.dirname(os.path.abspath(path))
    if not os.path.isdir(directory):
        raise FileNotFoundError(errno.ENOENT, "there is no such directory", directory)
    return directory


@contextlib.contextmanager
def replacing(path: str) -> Generator[BinaryIO]:
    """A new file, open for writing, which takes the place of `path` at the end of the block.

    Whenever the process is killed, `path` is the old file or the new one, whole. Until the end the new one
    is called `.xpnet-....tmp`, in the same directory; an exception in the block removes it.

    Raises:
        OSError: the directory is not there or cannot be written to; the disk is full.
    """
    target = os.path.realpath(path)  # a link goes on leading there
    directory = directory_of(target)
    temporary = os.path.join(directory, f".xpnet-{secrets.token_hex(8)}.tmp")
    try:
        with open(temporary, "xb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        with contextlib.suppress(OSError):  # the rights of the old one, where there is one
            shutil.copymode(target, temporary)
        _put(temporary, target)
    except BaseException:
        with contextlib.suppress(OSError):
            os.chmod(temporary, stat.S_IWRITE)  # what may not be written, Windows does not remove
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


def _put(temporary: str, target: str) -> None:
    """Renames; on Windows again for a second, where it is refused while somebody has the old file open."""
    for pause in (0.01, 0.03, 0.1, 0.3, 0.6) if sys.platform == "win32" else ():
        try:
            os.replace(temporary, target)
        except PermissionError:
            time.sleep(pause)
        else:
            return
    os.replace(temporary, target)
