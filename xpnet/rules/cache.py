"""Compiles the text of loops with Numba (the extra `fast`), and keeps what came out for later processes.

Each kernel is a folder of its own in the cache directory: the text as a module, what Numba made of it, and
a checksum. It is made elsewhere and renamed into place when it is whole, and never written to again, so
that processes do not disturb each other. What is out of date has another name, as the name says text,
versions and processor; what is damaged is made anew. Where nothing can be kept, kernels live as long as
the process.
"""

from __future__ import annotations

import contextlib
import hashlib
import importlib
import logging
import os
import shutil
import sys
import tempfile
import threading
import time
import types
from collections.abc import Callable, Generator
from pathlib import Path
from typing import Any

import numpy as np

logger = logging.getLogger("xpnet")

Kernel = Callable[..., None]


def directory() -> Path:
    """Where kernels are kept: `XPNET_CACHE`, else the user's cache directory."""
    own = os.environ.get("XPNET_CACHE", "").strip()
    if own:
        return Path(own).expanduser()
    if sys.platform == "win32":
        base = Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local")
    elif sys.platform == "darwin":
        base = Path.home() / "Library" / "Caches"
    else:
        base = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return base / "xpnet" / "kernels"


def _environment() -> str:
    """What kernels depend on beside their text: versions and processor; "" if there can be none."""
    try:
        numba: Any = importlib.import_module("numba")
        binding: Any = importlib.import_module("llvmlite.binding")
    except Exception as error:  # of a broken installation, or one too old or new for this NumPy
        logger.warning("rules run on NumPy, as Numba cannot be imported: %s", error)
        return ""
    config = numba.config
    if config.DISABLE_JIT:
        logger.warning("rules run on NumPy, as NUMBA_DISABLE_JIT is set")
        return ""
    name = config.CPU_NAME or binding.get_host_cpu_name()
    versions = (numba.__version__, binding.llvm_version_info, np.__version__, sys.version)
    return f"{versions} {config.OPT} {name} {features()}"


def features() -> str:
    """What of the processor Numba makes use of, such as "+avx2,-avx512f".

    With another processor named by `NUMBA_CPU_NAME` they are still those of this one; `NUMBA_CPU_FEATURES`
    takes them away.
    """
    asked: str | None = importlib.import_module("numba").config.CPU_FEATURES
    if asked is not None:
        return asked
    return importlib.import_module("llvmlite.binding").get_host_cpu_features().flatten()


class Store:
    """Makes kernels of texts, each text once, by one thread at a time."""

    def __init__(self) -> None:
        self._lock = threading.RLock()
        at_fork: Any = getattr(os, "register_at_fork", None)  # not on every system
        if at_fork is not None:  # no child is to find modules or kernels that are half made
            take, leave = self._lock.acquire, self._lock.release
            at_fork(before=take, after_in_parent=leave, after_in_child=leave)
        self._kernels: dict[str, Kernel] = {}
        self._seconds = 0.0  # spent on compiling
        self._said = False
        self._environment: str | None = None  # not yet known

    def kernel(self, name: str, text: str) -> Kernel | None:
        """The function `kernel` of a module with this text; `name` is for people who look for it.

        None where Numba cannot be used at all, which the log says once.

        Raises:
            Exception: Numba cannot compile the text.
        """
        with self._lock:
            kernel = self._kernels.get(text)
            if kernel is None:
                if self._environment is None:
                    self._environment = _environment()
                if not self._environment:
                    return None
                digest = hashlib.sha256(f"{text}\n{self._environment}".encode()).hexdigest()[:24]
                kernel = self._kernels[text] = self._found(f"{name[:60]}_{digest}", text)
            return kernel

    def _found(self, name: str, text: str) -> Kernel:
        try:
            place = directory() / name
            if _is_whole(place, text):
                with _beside_its_text():
                    return _load(name, text, place, keep=True)
        except Exception as error:  # whatever Numba makes of what it finds there
            logger.debug("the kernel %s is made anew: %s", name, error)
        began = time.perf_counter()
        if self._seconds > 1 and not self._said:
            self._said = True
            logger.warning(
                "rules are being compiled for this processor; they are kept in %s for the next time",
                directory(),
            )
        try:
            return _made(name, text)
        finally:
            self._seconds += time.perf_counter() - began


STORE = Store()
"""The kernels of this process."""


def _made(name: str, text: str) -> Kernel:
    """Compiles, and keeps the result if that is possible."""
    try:
        root = directory()
        root.mkdir(parents=True, exist_ok=True)
        new = Path(tempfile.mkdtemp(prefix=".new-", dir=root))
    except (OSError, RuntimeError, ValueError) as error:  # also without a home, or with an odd name
        logger.debug("kernels cannot be kept: %s", error)
        return _load(name, text, None, keep=False)
    try:
        (new / _FILE).write_text(text, encoding="utf-8")
        with _beside_its_text():
            kernel = _load(name, text, new, keep=True)
        (new / _SUM).write_text(_checksum(new), encoding="utf-8")
        place = root / name
        if place.exists() and not _is_whole(place, text):
            place.rename(new / "damaged")
        if not place.exists():
            new.rename(place)
        return kernel
    except (OSError, RuntimeError) as error:  # RuntimeError: of Numba, where it finds no place
        logger.debug("the kernel %s cannot be kept: %s", name, error)
        return _load(name, text, None, keep=False)
    finally:
        shutil.rmtree(new, ignore_errors=True)
        shutil.rmtree(root / name / "damaged", ignore_errors=True)


_FILE, _SUM = "kernel.py", "checksum"


def _checksum(place: Path) -> str:
    whole = hashlib.sha256()
    for path in sorted(place.rglob("*")):
        if path.suffix in (".py", ".nbi", ".nbc"):
            whole.update(f"{path.name} ".encode() + path.read_bytes())
    return whole.hexdigest()


def _is_whole(place: Path, text: str) -> bool:
    try:
        whole = (place / _SUM).read_text(encoding="utf-8") == _checksum(place)
        return whole and (place / _FILE).read_text(encoding="utf-8") == text
    except (OSError, ValueError):
        return False


def _load(name: str, text: str, place: Path | None, *, keep: bool) -> Kernel:
    """Runs the text as a module, which must be known by its name, as Numba looks for it there."""
    path = "<xpnet kernel>" if place is None else str(place / _FILE)
    module = types.ModuleType(f"xpnet_kernel_{name}")
    module.__dict__.update(__file__=path, CACHE=keep)
    sys.modules[module.__name__] = module
    exec(compile(text, path, "exec"), module.__dict__)
    return module.__dict__["kernel"]


@contextlib.contextmanager
def _beside_its_text() -> Generator[None]:
    """Numba keeps what it compiles beside the text, whatever `NUMBA_CACHE_DIR` says."""
    config: Any = importlib.import_module("numba").config
    before, config.CACHE_DIR = config.CACHE_DIR, ""
    try:
        yield
    finally:
        config.CACHE_DIR = before
