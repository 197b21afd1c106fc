"""The backend: which array library computes, and on which device.

A `Backend` is a frozen value that says where arrays live and moves data there and back. It is passed
to whatever needs it and never ambient: two backends can be used side by side in one program. NumPy and
CuPy are named in this package and in `rules/`, and nowhere else.
"""

from __future__ import annotations

import contextlib
import functools
import importlib
import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib import metadata
from typing import Any, Literal, TypeAlias, cast

import numpy as np

from .. import checks
from . import host_data
from .arrays import Array, Namespace, compat
from .blas import hold_blas
from .machine import free_host_memory, processor
from .plain import HostArray, has_another_meaning, plain_array, refuse_half
from .threads import ahead
from .upload import upload

Kernels: TypeAlias = Literal["numpy", "numba", "cuda"]
"""What runs rules: NumPy's functions, loops that Numba compiles, or CUDA kernels."""


class BackendError(RuntimeError):
    """The backend asked for is unknown, not installed, or has no such device."""


@dataclass(frozen=True, eq=False)
class Backend:
    """An array library and a device of it.

    Two are equal where the library has the same name, the device the same number or name, and the kernels
    are the same. A pickled one is found by these again, and so needs that library, that device, and Numba,
    if it makes the kernels, where it is read.

    Attributes:
        name: "numpy" or "cupy".
        xp: the library's namespace, following the Python array API standard.
        device: the device in the library's own terms ("cpu", `cupy.cuda.Device(0)`).

    Raises:
        TypeError, ValueError: a name that is no string, or empty.
    """

    name: str
    xp: Namespace
    device: Any

    def __post_init__(self) -> None:
        object.__setattr__(self, "name", checks.text("name", self.name))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Backend) and self._key == other._key

    def __hash__(self) -> int:
        return hash(self._key)

    def __reduce__(self) -> tuple[Any, ...]:
        if self.name in ("numpy", "cupy"):
            name = f"{self.name}:{self.device.id}" if self.name == "cupy" else self.name
            return _selected, (name, self.kernels)
        return _imported, (self.name, self.xp.__name__, self.device)

    def __repr__(self) -> str:
        if self.name == "numpy":
            return f"backend('numpy', kernels={self.kernels!r})"
        return f"backend('{self.name}:{getattr(self.device, 'id', self.device)}')"

    @functools.cached_property
    def _key(self) -> tuple[Any, ...]:
        if self.name == "numpy":
            return self.name, self.kernels
        return self.name, getattr(self.device, "id", str(self.device))

    @functools.cached_property
    def kernels(self) -> Kernels:
        """What runs rules here. Rules read it from `xp`, which says so where they are compiled."""
        return "cuda" if self.name == "cupy" else getattr(self.xp, "kernels", "numpy")

    def asarray(self, values: Any, dtype: Any = None, *, name: str = "values") -> Array:
        """`values` as an array of this backend, of `dtype` if one is given.

        Takes arrays of NumPy or CuPy, nested sequences, data frames, and whatever offers `__array__` or
        DLPack. Nothing is copied when `values` is such an array already.

        Raises:
            TypeError: `values` are not numbers (objects, strings), or in half precision; the message
                says `name`.
            ValueError: some are masked or missing.
        """
        xp_dtype = None if dtype is None else self.dtype(dtype)
        with self.quiet():
            if self._is_own(values):
                self._require_numbers(values, name)
            else:
                values = self._plain(values, name)
                if xp_dtype is None and values.dtype in (np.float64, np.longdouble):
                    xp_dtype = self.accumulator  # as near to it as the device has
            if self.name == "cupy":
                return self.xp.asarray(values, dtype=xp_dtype)
            return self.xp.asarray(values, dtype=xp_dtype, device=self.device)

    def admit(self, values: Any, *, name: str = "values") -> Any:
        """`values`, where they are: as an array of this backend, one of the host, or what `on_host` names.

        Raises:
            TypeError: `values` are not numbers, or lie on another device; the message says `name`.
            ValueError: some are masked or missing.
        """
        if host_data.on_host(values):
            host_data.require_kind(values, name)
            return host_data.by_rows(values)
        if self._is_own(values):
            self.check(name, values, values.dtype)
            return self.asarray(values, name=name)
        return self._plain(values, name)

    def _is_own(self, values: Any) -> bool:
        """Whether `values` are an array of this library, other than NumPy."""
        return (
            self.name != "numpy"
            and compat.is_array_api_obj(values)
            and compat.array_namespace(values) is self.xp
        )

    def _plain(self, values: Any, name: str) -> HostArray:
        return plain_array(values.get() if compat.is_cupy_array(values) else values, name)

    def _require_numbers(self, array: Array, name: str) -> None:
        refuse_half(array.dtype, name)
        if not self.xp.isdtype(array.dtype, ("bool", "integral", "real floating")):
            got = checks.dtype_name(array.dtype)
            raise TypeError(f"{name} must hold real numbers, got an array of complex numbers ({got})")

    def to_numpy(self, array: Any) -> HostArray:
        """A NumPy array with the values of `array`; waits until they have been computed."""
        if isinstance(array, np.ndarray | np.generic | float | int | bool):
            return np.asarray(array)
        if compat.is_cupy_array(array):
            return array.get()
        if not hasattr(type(cast(object, array)), "__dlpack__"):
            raise TypeError(f"array must be an array of any library, got {checks.shown(array)}")
        return np.array(np.from_dlpack(array, device="cpu"))

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
            raise ValueError(f"dtype must be 'float32' or 'float64', got {checks.shown(dtype)}")
        return getattr(self.xp, name)

    @functools.cached_property
    def accumulator(self) -> Any:
        """The dtype that losses accumulate in: float64 wherever the device has it."""
        info = self.xp.__array_namespace_info__()
        kinds = info.dtypes(device=self.device, kind="real floating")
        return kinds.get("float64", self.xp.float32)

    def owns(self, array: Any) -> bool:
        """Whether `array` is an array of this backend, on its device."""
        if self.name == "numpy":
            return isinstance(array, np.ndarray) and not has_another_meaning(cast(object, array))
        return compat.is_array_api_obj(array) and (
            compat.array_namespace(array) is self.xp and compat.device(array) == self.device
        )

    def check(self, name: str, array: Any, dtype: Any) -> None:
        """Raises TypeError unless `array` lives here and has `dtype`; both are named."""
        if not self.owns(array):
            kind = type(cast(object, array))
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

    def require_room(self, name: str, value: int, numbers: int) -> None:
        """Raises MemoryError unless as many `numbers` fit in memory as the argument `name` asks for."""
        free = self.free_memory()
        if 8 * numbers > free:
            raise MemoryError(
                f"{name} must be smaller, got {value:,}: it asks for {8 * numbers / 1e9:.3g} GB, "
                f"more than the {free / 1e9:.3g} GB that are free"
            )

    def describe(self) -> str:
        """The backend and its device in words, such as "numpy on AMD EPYC (2 cores)"."""
        if self.name == "numpy":
            rules = f" with numba {metadata.version('numba')}" if self.kernels == "numba" else ""
            return f"numpy {np.__version__}{rules} on {processor()} ({os.cpu_count()} cores)"
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
            arrays: list[Array] = []
            for name, source in sources.items():
                rows = np.empty((part.stop - part.start, *source.shape[1:]), checks.dtype_name(dtype))
                host_data.read(name, source, part, rows)
                arrays.append(self.asarray(rows))
            return arrays

        return ahead(fetch, parts)

    @functools.cached_property
    def host(self) -> Namespace:
        """The host's namespace, for the few numbers that are kept there; only the standard's functions."""
        return importlib.import_module("array_api_compat.numpy")

    def working(self) -> contextlib.AbstractContextManager[Any]:
        """`quiet`, with the host's BLAS held to one thread, so that bits do not depend on its number."""
        return self.quiet() if self.name == "cupy" else _Both(self.quiet(), hold_blas())

    def quiet(self) -> contextlib.AbstractContextManager[Any]:
        """A context on the device, without the host's floating-point warnings: for all that computes."""
        warnings = np.errstate(all="ignore")
        return _Both(self.device, warnings) if self.name == "cupy" else warnings


class _Both:
    """A context in another; entered in every step, so it costs no generator."""

    __slots__ = ("_first", "_second")

    def __init__(self, first: Any, second: Any) -> None:
        self._first, self._second = first, second

    def __enter__(self) -> None:
        self._first.__enter__()
        try:
            self._second.__enter__()
        except BaseException:
            self._first.__exit__(*sys.exc_info())
            raise

    def __exit__(self, *error: Any) -> None:
        try:
            self._second.__exit__(*error)
        finally:
            self._first.__exit__(*error)


def _selected(name: str, kernels: Kernels | None = None) -> Backend:
    from .select import backend

    return backend(name, kernels=None if kernels == "cuda" else kernels)


def _imported(name: str, namespace: str, device: Any) -> Backend:
    return Backend(name, importlib.import_module(namespace), device)


def import_cupy() -> Any:
    try:
        import cupy
    except ImportError as error:
        raise BackendError(
            "the cupy backend needs CuPy, which cannot be imported: "
            f"{checks.installing('cuda13')}, or cuda12, for your CUDA version"
        ) from error
    return cupy
