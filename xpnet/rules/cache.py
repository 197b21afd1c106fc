"""Makes kernels of the text of loops with Numba (the extra `fast`), and keeps them for later processes.

A kernel is kept as machine code: a file whose name says text, versions and processor, so that what is out
of date is never read; with a checksum, so that what is damaged is made anew; renamed into place when it is
whole, so that processes do not disturb each other. A later process loads it without Numba. Where nothing
can be kept, kernels live as long as the process.
"""

from __future__ import annotations

import contextlib
import hashlib
import importlib
import inspect
import logging
import os
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from importlib import metadata
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from . import machine_code

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


class _Place(NamedTuple):
    """What kernels depend on beside their text."""

    processor: str
    features: str
    versions: str


def _place() -> _Place | None:
    """This processor and these versions; None if there can be no kernels."""
    try:
        binding: Any = importlib.import_module("llvmlite.binding")
        machine_code.require_layout()
        name = os.environ.get("NUMBA_CPU_NAME", "")
        features = os.environ.get("NUMBA_CPU_FEATURES")
        if features is None:
            features = "" if name else binding.get_host_cpu_features().flatten()
        versions = (
            *(metadata.version(package) for package in ("numba", "llvmlite")),
            *(binding.llvm_version_info, np.__version__, sys.version),
            inspect.getsource(machine_code),  # which is in every kernel
        )
    except Exception as error:  # of a broken installation, or one too old or new
        _refuse(error)
        return None
    return _Place(name or binding.get_host_cpu_name(), features, str(versions))


def _refuse(error: Exception) -> None:
    logger.warning("rules run on NumPy, as Numba cannot be used: %s", error)


class Store:
    """Makes kernels of texts, each text once, by one thread at a time."""

    def __init__(self) -> None:
        self._lock = threading.RLock()
        at_fork: Any = getattr(os, "register_at_fork", None)  # not on every system
        if at_fork is not None:  # no child is to find kernels that are half made
            take, leave = self._lock.acquire, self._lock.release
            at_fork(before=take, after_in_parent=leave, after_in_child=leave)
        self._kernels: dict[str, Kernel] = {}
        self._entries: dict[Kernel, int] = {}
        self._seconds = 0.0  # spent on compiling
        self._said = False
        self._place: _Place | None = None
        self._looked = False

    def kernel(self, name: str, text: str) -> Kernel | None:
        """The function `kernel` of a module with this text; `name` is for people who look for it.

        None where Numba cannot be used at all, which the log says once.

        Raises:
            Exception: Numba cannot compile the text.
        """
        with self._lock:
            kernel = self._kernels.get(text)
            if kernel is None:
                self._look()
                if self._place is None:
                    return None
                digest = hashlib.sha256(f"{text}\n{self._place}".encode()).hexdigest()[:24]
                try:
                    code = self._code(f"{name[:60]}_{digest}", text, self._place)
                except ImportError as error:
                    _refuse(error)
                    self._place = None
                    return None
                kernel, entry = machine_code.load(digest, code)
                self._kernels[text], self._entries[kernel] = kernel, entry
            return kernel

    def entry(self, function: Callable[..., Any]) -> int | None:
        """The address of a kernel as `void entry(PyObject **arrays, double *numbers)`; None of another.

        The arrays and the numbers are those that the kernel takes; it needs no interpreter lock.
        """
        return self._entries.get(function)

    def features(self) -> str:
        """What of the processor kernels make use of, such as "+avx2,-avx512f"; "" where there are none."""
        with self._lock:
            self._look()
            return self._place.features if self._place else ""

    def _look(self) -> None:
        if not self._looked:
            self._place, self._looked = _place(), True

    def _code(self, name: str, text: str, place: _Place) -> bytes:
        """The machine code, kept or made."""
        try:
            whole = (directory() / f"{name}.o").read_bytes()
            if hashlib.sha256(whole[32:]).digest() == whole[:32]:
                return whole[32:]
        except (OSError, RuntimeError, ValueError):  # also without a home, or with an odd name
            pass
        if self._seconds > 1 and not self._said:
            self._said = True
            logger.warning(
                "rules are being compiled for this processor; they are kept in %s for the next time",
                directory(),
            )
        began = time.perf_counter()
        try:
            code = machine_code.made(name.rpartition("_")[2], text, place.processor, place.features)
        finally:
            self._seconds += time.perf_counter() - began
        _keep(name, code)
        return code


STORE = Store()
"""The kernels of this process."""


def _keep(name: str, code: bytes) -> None:
    """Puts the machine code where a later process finds it, if that is possible."""
    try:
        root = directory()
        root.mkdir(parents=True, exist_ok=True)
        number, new = tempfile.mkstemp(prefix=".new-", dir=root)
        try:
            with os.fdopen(number, "wb") as file:
                file.write(hashlib.sha256(code).digest() + code)
            Path(new).replace(root / f"{name}.o")
        except BaseException:
            with contextlib.suppress(OSError):
                Path(new).unlink()
            raise
    except (OSError, RuntimeError, ValueError) as error:
        logger.debug("the kernel %s cannot be kept: %s", name, error)
