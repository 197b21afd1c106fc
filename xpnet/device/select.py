"""Which backend: the argument, else `XPNET_BACKEND`, else the best there is."""

from __future__ import annotations

import contextlib
import difflib
import functools
import logging
import os
from typing import Any

from .. import checks
from .arrays import compat
from .backend import Backend, BackendError, import_cupy
from .machine import keep_freed_memory

logger = logging.getLogger("xpnet")


def backend(name: str | Backend | None = None, device: int | None = None) -> Backend:
    """The backend called `name`, else the one that `XPNET_BACKEND` names, else the best there is.

    Args:
        name: "numpy"; "cupy" (the current device) or "cupy:1" (that device); "auto": CuPy if it is
            installed and finds a device, else NumPy. The environment is read at each call.
        device: the number of a CUDA device, instead of the current one or that in the environment.

    Raises:
        BackendError: unknown name, package or driver missing, no such device.
    """
    if device is not None:
        device = checks.count("device", device, 0)
    if isinstance(name, Backend):
        if device is not None and getattr(name.device, "id", None) != device:
            raise BackendError(f"device={device}, but name is a backend on {name.device}")
        return name
    source = "name"
    if name is None:
        name, source = os.environ.get("XPNET_BACKEND", "").strip() or "auto", "XPNET_BACKEND"
    if not isinstance(name, str):
        got = checks.shown(name)
        raise BackendError(f"{source} must be a string such as 'numpy' or 'cupy:1', got {got}")
    kind, colon, number = name.strip().lower().partition(":")
    if kind == "auto" and not colon:
        return _automatic() if device is None else _cupy_backend(device)
    if kind == "numpy" and not colon:
        if device is not None:
            raise BackendError(
                f"device={device} is the number of a CUDA device; {source}={name!r} has none"
            )
        keep_freed_memory()
        return _numpy_backend()
    if kind == "cupy":
        if colon and not number.isdecimal():
            raise BackendError(f"{source}={name!r}: the device must be a number, as in 'cupy:1'")
        if colon and source == "name" and device not in (None, int(number)):
            raise BackendError(f"name={name!r} and device={device} are two devices; give one of them")
        return _cupy_backend(int(number) if colon and device is None else device)
    close = difflib.get_close_matches(kind, ["auto", "numpy", "cupy"], n=3, cutoff=0.4)
    hint = f"; did you mean {' or '.join(map(repr, close))}?" if close else ""
    raise BackendError(f"{source}={name!r} is no backend: use 'auto', 'numpy', 'cupy' or 'cupy:1'{hint}")


def backends() -> list[Backend]:
    """NumPy, and CuPy on each CUDA device that there is."""
    found = [backend("numpy")]
    with contextlib.suppress(BackendError):  # no CuPy, no driver, or no device of that number
        while True:
            found.append(_cupy_backend(len(found) - 1))
    return found


def backend_of(array: Any, *, name: str = "w") -> Backend:
    """The backend, device included, that `array` lives on.

    Raises:
        TypeError: `array` is not an array.
    """
    if _numpy_backend().owns(array):
        return _numpy_backend()
    if compat.is_numpy_array(array) or not compat.is_array_api_obj(array):
        raise TypeError(
            f"{name} must be an array, such as network.initialize() returns, got {type(array).__name__}"
        )
    xp = compat.array_namespace(array)
    kind = "cupy" if compat.is_cupy_array(array) else xp.__name__
    return Backend(kind, xp, compat.device(array))


@functools.cache
def _numpy_backend() -> Backend:
    import array_api_compat.numpy  # brings all of NumPy with it, so not before it is needed

    return Backend("numpy", array_api_compat.numpy, "cpu")


@functools.cache
def _said_automatic(choice: str) -> None:
    logger.info("backend 'auto' chose %s", choice)


def _automatic() -> Backend:
    try:
        chosen = _cupy_backend(None)
    except BackendError as error:
        _said_automatic(f"numpy ({error})")
        return backend("numpy")
    _said_automatic(chosen.describe())
    return chosen


def _cupy_backend(number: int | None) -> Backend:
    cupy = import_cupy()
    import array_api_compat.cupy

    try:
        count = cupy.cuda.runtime.getDeviceCount()
    except cupy.cuda.runtime.CUDARuntimeError as error:
        raise BackendError(
            f"the cupy backend found no CUDA driver or device ({error}): "
            "check the driver with 'nvidia-smi', or set XPNET_BACKEND=numpy"
        ) from error
    if number is None:
        number = int(cupy.cuda.runtime.getDevice())
    if number >= count:
        raise BackendError(f"there is no CUDA device {number}: this machine has {count}, numbered from 0")
    return Backend("cupy", array_api_compat.cupy, cupy.cuda.Device(number))
