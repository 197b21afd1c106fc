"""The backend: which array library computes, and on which device.

A `Backend` is a frozen value that says where arrays live and moves data there and back. It is passed
to whatever needs it and never ambient: two backends can be used side by side in one program. NumPy and
CuPy are named here, in `hostdata.py`, `upload.py` and `elementwise/`, and nowhere else.
"""

from __future__ import annotations

import contextlib
import difflib
import functools
import logging
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import array_api_compat
import numpy as np

from . import checks, hostdata
from .threads import ahead
from .upload import upload

logger = logging.getLogger("xpnet")

Array = Any  # an array of any library that follows the Python array API standard
Namespace = Any  # the module of such a library, as `array_api_compat` wraps it

host: Namespace = np  # for what lives on the host whatever the backend


class BackendError(RuntimeError):
    """The backend asked for is unknown, not installed, or has no such device."""


@dataclass(frozen=True)
class Backend:
    """An array library and a device of it.

    Attributes:
        name: "numpy" or "cupy".
        xp: the library's namespace, following the Python array API standard.
        device: the device in the library's own terms ("cpu", `cupy.cuda.Device(0)`).
    """

    name: str
    xp: Namespace
    device: Any

    def asarray(self, values: Any, dtype: Any = None, *, name: str = "array") -> Array:
        """`values` as an array of this backend, of `dtype` if one is given.

        Takes arrays of NumPy or CuPy, nested sequences, and whatever offers `__array__` or DLPack.
        Nothing is copied when `values` is such an array already.

        Raises:
            TypeError: `values` are not numbers (objects, strings), or in half precision; the message
                says `name`.
        """
        hostdata.refuse_half(values, name)
        if array_api_compat.is_cupy_array(values) and self.name != "cupy":
            values = values.get()
        if not array_api_compat.is_array_api_obj(values):
            values = hostdata.host_array(values, name)
        elif array_api_compat.is_numpy_array(values):
            hostdata.require_numbers(values, name)
        with self.quiet():
            xp_dtype = None if dtype is None else self.dtype(dtype)
            foreign = not isinstance(values, np.ndarray) and (
                array_api_compat.array_namespace(values) is not self.xp
            )
            if foreign:
                values = hostdata.host_array(values, name)
            if xp_dtype is None and isinstance(values, np.ndarray) and values.dtype == np.float64:
                xp_dtype = self.accumulator  # as near to it as the device has
            if self.name == "cupy":
                return self.xp.asarray(values, dtype=xp_dtype)
            return self.xp.asarray(values, dtype=xp_dtype, device=self.device)

    def admit(self, values: Any, *, name: str = "array") -> Any:
        """`values`, where they are: as an array of this backend, one of the host, or what `on_host` names.

        Raises:
            TypeError: `values` are not numbers, or lie on another device; the message says `name`.
        """
        hostdata.refuse_half(values, name)
        if hostdata.on_host(values):
            hostdata.require_numbers(values, name)
            return values
        if array_api_compat.is_cupy_array(values) and self.name != "cupy":
            values = values.get()
        own = bool(array_api_compat.is_array_api_obj(values))
        if own and array_api_compat.array_namespace(values) is self.xp:
            checks.same_place(self, name, values, values.dtype)
            return self.asarray(values, name=name)
        return hostdata.host_array(values, name)

    def to_numpy(self, array: Array) -> np.ndarray:
        """A NumPy array with the values of `array`; waits until they have been computed."""
        if isinstance(array, np.ndarray | np.generic | float | int | bool):
            return np.asarray(array)
        if array_api_compat.is_cupy_array(array):
            return array.get()
        return np.array(np.from_dlpack(array, device="cpu"))

    def product(self, left: Array, right: Array, into: Array) -> None:
        """Writes `left @ right` into `into`, without an array between where the library can."""
        if self.name in ("numpy", "cupy"):
            self.xp.matmul(left, right, out=into)
        else:
            into[...] = left @ right

    def times(self, left: Array, right: Array, into: Array) -> None:
        """Writes `left * right` into `into`, likewise."""
        if self.name in ("numpy", "cupy"):
            self.xp.multiply(left, right, out=into)
        else:
            into[...] = left * right

    def synchronize(self) -> None:
        """Waits until the device has finished all work given to it."""
        if self.name == "cupy":
            self.device.synchronize()

    def dtype(self, dtype: Any) -> Any:
        """The namespace's floating-point dtype for "float32", "float64", or a dtype of any library.

        Raises:
            ValueError: any other dtype.
        """
        name = dtype if isinstance(dtype, str) else checks.dtype_name(dtype)
        if name not in ("float32", "float64"):
            raise ValueError(f"dtype must be 'float32' or 'float64', got {dtype!r}")
        return getattr(self.xp, name)

    @functools.cached_property
    def accumulator(self) -> Any:
        """The dtype that losses accumulate in: float64 wherever the device has it."""
        info = self.xp.__array_namespace_info__()
        kinds = info.dtypes(device=self.device, kind="real floating")
        return kinds.get("float64", self.xp.float32)

    def owns(self, array: Array) -> bool:
        """Whether `array` is an array of this backend, on its device."""
        if not array_api_compat.is_array_api_obj(array):
            return False
        if self.name == "numpy":
            return isinstance(array, np.ndarray)
        return (
            array_api_compat.array_namespace(array) is self.xp
            and array_api_compat.device(array) == self.device
        )

    def free_memory(self) -> int:
        """The bytes that can still be allocated: of the host, or of a CUDA device with its pool's."""
        if self.name != "cupy":
            return _free_host_memory()
        with self.quiet():
            cupy = _import_cupy()
            return cupy.cuda.runtime.memGetInfo()[0] + cupy.get_default_memory_pool().free_bytes()

    def describe(self) -> str:
        """The backend and its device in words, such as "numpy on AMD EPYC (2 cores)"."""
        if self.name == "numpy":
            return f"numpy {np.__version__} on {_processor()} ({os.cpu_count()} cores)"
        if self.name == "cupy":
            cupy = _import_cupy()
            name = cupy.cuda.runtime.getDeviceProperties(self.device.id)["name"].decode()
            return f"cupy {cupy.__version__} on {name} (device {self.device.id})"
        return f"{self.name} on {self.device}"

    def stream(
        self, sources: Mapping[str, Any], parts: Sequence[slice], dtype: Any
    ) -> Iterator[list[Array]]:
        """For each of `parts`, slices of samples, those of every one of `sources`, as `(samples, n)`.

        `sources`, by the names that errors give them, are `(samples, n)` and on the host: arrays, or what
        can be sliced like one. The next part is under way while one is used: on CuPy it is copied,
        elsewhere a thread reads it. Numbers that take no more room than those of `dtype` may come as they
        are. On CuPy the arrays are valid until the next are asked for.
        """
        if self.name == "cupy":
            return upload(_import_cupy(), self.quiet, sources, parts, np.dtype(dtype))

        def fetch(part: slice) -> list[Array]:
            arrays = []
            for name, source in sources.items():
                rows = np.empty((part.stop - part.start, *source.shape[1:]), checks.dtype_name(dtype))
                hostdata.read(name, source, part, rows)
                arrays.append(self.asarray(rows))
            return arrays

        return ahead(fetch, parts)

    def quiet(self) -> contextlib.AbstractContextManager[Any]:
        """A context on the device, without the host's floating-point warnings: for all that computes."""
        warnings = np.errstate(all="ignore")
        return _both(self.device, warnings) if self.name == "cupy" else warnings


@contextlib.contextmanager
def _both(first: Any, second: Any) -> Iterator[None]:
    with first, second:
        yield


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
        checks.count("device", device, 0)
    if isinstance(name, Backend):
        if device is not None and getattr(name.device, "id", None) != device:
            raise BackendError(f"device={device}, but name is a backend on {name.device}")
        return name
    source = "name"
    if name is None:
        name, source = os.environ.get("XPNET_BACKEND", "").strip() or "auto", "XPNET_BACKEND"
    if not isinstance(name, str):
        raise BackendError(f"{source} must be a string such as 'numpy' or 'cupy:1', got {name!r}")
    kind, colon, number = name.strip().lower().partition(":")
    if kind == "auto" and not colon:
        return _automatic() if device is None else _cupy_backend(device)
    if kind == "numpy" and not colon:
        if device is not None:
            raise BackendError(
                f"device={device} is the number of a CUDA device; {source}={name!r} has none"
            )
        _keep_freed_memory()
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


def backend_of(array: Array, *, name: str = "w") -> Backend:
    """The backend, device included, that `array` lives on.

    Raises:
        TypeError: `array` is not an array.
    """
    if isinstance(array, np.ndarray):
        return _numpy_backend()
    if not array_api_compat.is_array_api_obj(array):
        raise TypeError(
            f"{name} must be an array, such as network.initialise() returns, got {type(array).__name__}"
        )
    xp = array_api_compat.array_namespace(array)
    kind = "cupy" if array_api_compat.is_cupy_array(array) else xp.__name__
    return Backend(kind, xp, array_api_compat.device(array))


@functools.cache
def _numpy_backend() -> Backend:
    import array_api_compat.numpy  # brings all of NumPy with it, so not before it is needed

    return Backend("numpy", array_api_compat.numpy, "cpu")


def host_generator(seed: int | tuple[int, ...]) -> np.random.Generator:
    """The random generator of the host, from which every backend gets the same numbers."""
    return np.random.default_rng(seed)


@functools.cache
def _keep_freed_memory() -> None:
    """Makes the C library keep the memory of freed arrays for the next ones.

    By default glibc gives freed memory back to the system beyond 128 kB, and every fresh array pays for
    its pages again: a third of the time of a small network's gradient. Once a block of up to 32 MB has
    been freed it keeps twice as much (see "dynamic mmap threshold" in mallopt(3)); the block itself is
    never touched, so it costs no memory. Elsewhere this does nothing.
    """
    np.empty(2**25 - 2**16, np.uint8)


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


def _import_cupy() -> Any:
    try:
        import cupy
    except ImportError as error:
        raise BackendError(
            "the cupy backend needs CuPy, which cannot be imported: install it with "
            "'pip install xpnet[cuda13]' or 'pip install xpnet[cuda12]', for your CUDA version"
        ) from error
    return cupy


def _cupy_backend(number: int | None) -> Backend:
    cupy = _import_cupy()
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


def _free_host_memory() -> int:
    try:
        with open("/proc/meminfo") as lines:
            for line in lines:
                if line.startswith("MemAvailable:"):
                    return 1024 * int(line.split()[1])
    except OSError:
        pass
    try:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, ValueError, OSError):  # not on this system: leave it to the allocation
        return 2**62


@functools.cache
def _processor() -> str:
    try:
        with open("/proc/cpuinfo") as lines:
            for line in lines:
                if line.startswith("model name"):
                    return line.partition(":")[2].strip()
    except OSError:
        pass
    import platform

    return platform.processor() or platform.machine()
