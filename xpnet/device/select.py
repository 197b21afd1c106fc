"""Which backend: the argument, else `XPNET_BACKEND`, else the best there is."""

from __future__ import annotations

import contextlib
import difflib
import functools
import importlib.util
import logging
import os
import types
from typing import Any, Literal

from .. import checks, glossary
from .arrays import compat
from .backend import Backend, BackendError, Kernels, import_cupy
from .machine import keep_freed_memory

logger = logging.getLogger("xpnet")


def backend(
    name: str | Backend | None = None,
    device: int | None = None,
    *,
    kernels: Literal["auto", "numpy", "numba"] | None = None,
) -> Backend:
    """The backend called `name`, else the one that `XPNET_BACKEND` names, else the best there is.

    Args:
        name: "numpy"; "cupy" (the current device) or "cupy:1" (that device); "auto": CuPy if it is
            installed and finds a device, else NumPy. The environment is read at each call.
        device: the number of a CUDA device, instead of the current one or that in the environment.
        kernels: what runs rules on NumPy: "numba" (one compiled loop each), "numpy", or "auto": "numba"
            if it is installed; by default what `XPNET_KERNELS` says, else "auto". On CuPy they are CUDA's.

    A risk computes with the kernels of the backend that it is given, and so does an optimizer of it. What
    finds its backend by an array, such as `network.predict`, has those of the environment.

    Raises:
        BackendError: unknown name or kernels, package or driver missing, no such device.
    """
    return _found("name", name, device, kernels)


def chosen(given: str | Backend | None) -> Backend:
    """`backend(given)`, for what is called `backend` where it is handed over."""
    return _found("backend", given, None, None)


def _found(
    source: str,
    name: str | Backend | None,
    device: int | None,
    kernels: Literal["auto", "numpy", "numba"] | None,
) -> Backend:
    if kernels is not None:
        _kernels(kernels)
    if device is not None:
        device = checks.count("device", device, 0)
    if isinstance(name, Backend):
        if device is not None and getattr(name.device, "id", None) != device:
            raise BackendError(f"device={device}, but {source} is a backend on {name.device}")
        if kernels is not None and name.name == "numpy":
            return _numpy_backend(_kernels(kernels))
        return name
    if name is None:
        name, source = os.environ.get("XPNET_BACKEND", "").strip() or "auto", "XPNET_BACKEND"
    if not isinstance(name, str):
        got = checks.shown(name)
        raise BackendError(f"{source} must be a string such as 'numpy' or 'cupy:1', got {got}")
    kind, colon, number = name.strip().lower().partition(":")
    if kind == "auto" and not colon:
        return _automatic(kernels) if device is None else _cupy_backend(device)
    if kind == "numpy" and not colon:
        if device is not None:
            raise BackendError(
                f"device={device} is the number of a CUDA device; {source}={name!r} has none"
            )
        keep_freed_memory()
        return _numpy_backend(_kernels(kernels))
    if kind == "cupy":
        if colon and not number.isdecimal():
            raise BackendError(f"{source}={name!r}: the device must be a number, as in 'cupy:1'")
        if colon and source != "XPNET_BACKEND" and device not in (None, int(number)):
            raise BackendError(f"{source}={name!r} and device={device} are two devices; give one of them")
        return _cupy_backend(int(number) if colon and device is None else device)
    ours = glossary.word(kind, ("numpy", "cupy"))
    close = [ours] if ours else difflib.get_close_matches(kind, ["auto", "numpy", "cupy"], n=3, cutoff=0.4)
    hint = f"; did you mean {' or '.join(map(repr, close))}?" if close else ""
    raise BackendError(f"{source}={name!r} is no backend: use 'auto', 'numpy', 'cupy' or 'cupy:1'{hint}")


def backends() -> list[Backend]:
    """NumPy, and CuPy on each CUDA device that there is."""
    found = [backend("numpy")]
    with contextlib.suppress(BackendError):  # no CuPy, no driver, or no device of that number
        while True:
            found.append(_cupy_backend(len(found) - 1))
    return found


def backend_of(array: Any, own: Backend | None = None, *, name: str = "w") -> Backend:
    """The backend, device included, that `array` lives on: `own` if it does there.

    Otherwise its kernels are those of the environment.

    Raises:
        TypeError: `array` is not an array.
    """
    if own is not None and own.owns(array):
        return own
    if _numpy_backend("numpy").owns(array):
        return _numpy_backend(_kernels(None))
    if compat.is_numpy_array(array) or not compat.is_array_api_obj(array):
        raise TypeError(
            f"{name} must be an array, such as network.initialize() returns, got {type(array).__name__}"
        )
    xp = compat.array_namespace(array)
    kind = "cupy" if compat.is_cupy_array(array) else xp.__name__
    return Backend(kind, xp, compat.device(array))


@functools.cache
def _numpy_backend(kernels: Kernels) -> Backend:
    import array_api_compat.numpy as xp  # brings all of NumPy with it, so not before it is needed

    if kernels == "numpy":
        return Backend("numpy", xp, "cpu")
    own = types.ModuleType(xp.__name__, xp.__doc__)  # the same, and says to rules that they are compiled
    own.__dict__.update(vars(xp), kernels=kernels)
    return Backend("numpy", own, "cpu")


def _kernels(asked: str | None) -> Kernels:
    """The kernels on NumPy: those asked for, else what `XPNET_KERNELS` names, else the best there are."""
    source = "kernels"
    if asked is None:
        asked, source = os.environ.get("XPNET_KERNELS", "").strip().lower() or "auto", "XPNET_KERNELS"
    if asked == "numpy":
        return "numpy"
    if asked == "auto":
        return "numba" if has_numba() else "numpy"
    if asked != "numba":
        raise BackendError(f"{source}={asked!r} are no kernels: use 'auto', 'numpy' or 'numba'")
    if not has_numba():
        raise BackendError(
            f"{source}='numba' needs Numba, which is not installed: {checks.installing('fast')}"
        )
    return "numba"


@functools.cache
def has_numba() -> bool:
    """Whether Numba is installed."""
    return importlib.util.find_spec("numba") is not None  # which does not import it


@functools.cache
def _said_automatic(choice: str) -> None:
    logger.info("backend 'auto' chose %s", choice)


def _automatic(kernels: Literal["auto", "numpy", "numba"] | None) -> Backend:
    try:
        chosen = _cupy_backend(None)
    except BackendError as error:
        _said_automatic(f"numpy ({error})")
        return backend("numpy", kernels=kernels)
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
