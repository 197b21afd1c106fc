"""The backend: which array library computes, and on which device.

A `Backend` is a frozen value that says where arrays live and moves data there and back. It is passed
to whatever needs it and never ambient: two backends can be used side by side in one program. NumPy and
CuPy are named in this package and in `rules/`, and nowhere else.
"""

from __future__ import annotations

import contextlib
import functools
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import array_api_compat
import numpy as np

from .. import checks
from . import host_data
from .arrays import Array, Namespace
from .blas import hold_blas
from .machine import free_host_memory, processor
from .threads import ahead
from .upload import upload


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
        host_data.refuse_half(values, name)
        if array_api_compat.is_cupy_array(values) and self.name != "cupy":
            values = values.get()
        if not array_api_compat.is_array_api_obj(values):
            values = host_data.host_array(values, name)
        elif array_api_compat.is_numpy_array(values):
            host_data.require_numbers(values, name)
        with self.quiet():
            xp_dtype = None if dtype is None else self.dtype(dtype)
            foreign = not isinstance(values, np.ndarray) and (
                array_api_compat.array_namespace(values) is not self.xp
            )
            if foreign:
                values = host_data.host_array(values, name)
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
        host_data.refuse_half(values, name)
        if host_data.on_host(values):
            host_data.require_numbers(values, name)
            return values
        if array_api_compat.is_cupy_array(values) and self.name != "cupy":
            values = values.get()
        own = bool(array_api_compat.is_array_api_obj(values))
        if own and array_api_compat.array_namespace(values) is self.xp:
            self.check(name, values, values.dtype)
            return self.asarray(values, name=name)
        return host_data.host_array(values, name)

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

    def check(self, name: str, array: Any, dtype: Any) -> None:
        """Raises TypeError unless `array` lives here and has `dtype`; both are named."""
        if not self.owns(array):
            kind = type(array)
            place = f"on {array.device}" if hasattr(array, "device") else ""
            raise TypeError(
                f"{name} must be an array of backend {self.name!r} on {self.device}, got a "
                f"{kind.__module__.split('.')[0]}.{kind.__name__} {place}".rstrip()
                + "; move it with backend.asarray"
            )
        if array.dtype != dtype:
            wanted, got = checks.dtype_name(dtype), checks.dtype_name(array.dtype)
            raise TypeError(f"{name} must be {wanted}, as the data, got {got}")

    def free_memory(self) -> int:
        """The bytes that can still be allocated: of the host, or of a CUDA device with its pool's."""
        if self.name != "cupy":
            return free_host_memory()
        with self.quiet():
            cupy = import_cupy()
            return cupy.cuda.runtime.memGetInfo()[0] + cupy.get_default_memory_pool().free_bytes()

    def describe(self) -> str:
        """The backend and its device in words, such as "numpy on AMD EPYC (2 cores)"."""
        if self.name == "numpy":
            return f"numpy {np.__version__} on {processor()} ({os.cpu_count()} cores)"
        if self.name == "cupy":
            cupy = import_cupy()
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
            return upload(import_cupy(), self.quiet, sources, parts, np.dtype(dtype))

        def fetch(part: slice) -> list[Array]:
            arrays = []
            for name, source in sources.items():
                rows = np.empty((part.stop - part.start, *source.shape[1:]), checks.dtype_name(dtype))
                host_data.read(name, source, part, rows)
                arrays.append(self.asarray(rows))
            return arrays

        return ahead(fetch, parts)

    @property
    def host(self) -> Namespace:
        """The host's namespace, for the few numbers that are kept there; only the standard's functions."""
        import array_api_compat.numpy

        return array_api_compat.numpy

    def working(self) -> contextlib.AbstractContextManager[Any]:
        """`quiet`, with the host's BLAS held to one thread, so that bits do not depend on its number."""
        return self.quiet() if self.name == "cupy" else _both(self.quiet(), hold_blas())

    def quiet(self) -> contextlib.AbstractContextManager[Any]:
        """A context on the device, without the host's floating-point warnings: for all that computes."""
        warnings = np.errstate(all="ignore")
        return _both(self.device, warnings) if self.name == "cupy" else warnings


@contextlib.contextmanager
def _both(first: Any, second: Any) -> Iterator[None]:
    with first, second:
        yield


def import_cupy() -> Any:
    try:
        import cupy
    except ImportError as error:
        raise BackendError(
            "the cupy backend needs CuPy, which cannot be imported: install it with "
            "'pip install xpnet[cuda13]' or 'pip install xpnet[cuda12]', for your CUDA version"
        ) from error
    return cupy
