"""Products of CuPy's arrays by cuBLAS, on handles and workspaces of our own.

CuPy refuses products on a stream that is being captured (`setStream` in its `cublas.pyx`), and copies the
views in a product of several matrices. cuBLAS needs neither: it is called here through ctypes, in the
library that CuPy works with, which `cuda.pathfinder`, a requirement of CuPy's, finds. (The bindings of
nvmath-python give the same bits, are documented as experimental, and would be one more package.)
A handle is that of one thread and one stream, so that no two streams share a workspace; what is captured
keeps the address of the workspace, so whoever captures keeps the `Handle`.
"""

from __future__ import annotations

import ctypes
import functools
import importlib
import logging
import os
import threading
import weakref
from typing import Any, NamedTuple

logger = logging.getLogger("xpnet")

_HOPPER, _BEFORE = 32 << 20, 4 << 20  # bytes: what cuBLAS advises from compute capability 9.0, and below
_HANDLES = 8  # of one thread, the least recently used of which are given up
_MOST = 2**31 - 1
_TF32 = 77  # CUBLAS_COMPUTE_32F_FAST_TF32
_DEFAULT = -1  # CUBLAS_GEMM_DEFAULT
# by the letter of a dtype: cudaDataType, cublasComputeType_t, and one and zero on the host
_TYPES: dict[str, tuple[int, int, Any, Any]] = {
    "f": (0, 68, ctypes.c_float(1.0), ctypes.c_float(0.0)),
    "d": (1, 70, ctypes.c_double(1.0), ctypes.c_double(0.0)),
}

_P, _I, _L = ctypes.c_void_p, ctypes.c_int, ctypes.c_longlong
_SIGNATURES: dict[str, list[Any]] = {
    "cublasCreate_v2": [_P],
    "cublasDestroy_v2": [_P],
    "cublasSetStream_v2": [_P, _P],
    "cublasSetWorkspace_v2": [_P, _P, ctypes.c_size_t],
    "cublasGemmEx": [_P, *[_I] * 5, _P, _P, _I, _I, _P, _I, _I, _P, _P, _I, _I, _I, _I],
    "cublasGemmStridedBatchedEx": [
        *[_P, *[_I] * 5, _P],
        *[_P, _I, _I, _L, _P, _I, _I, _L, _P],
        *[_P, _I, _I, _L, _I, _I, _I],
    ],
}


class _Layout(NamedTuple):
    """How cuBLAS, to which a row-major matrix is its transpose, reads one: elements between columns and
    between matrices."""

    transposed: int
    leading: int
    batch: int


class _Library:
    """The functions of cuBLAS; each raises RuntimeError if it fails."""

    def __init__(self, path: str) -> None:
        loaded = ctypes.CDLL(path)
        for name, types in _SIGNATURES.items():
            function = getattr(loaded, name)
            function.argtypes, function.restype = types, _I
            setattr(self, name, functools.partial(_called, name, function))

    def __getattr__(self, name: str) -> Any:  # those of _SIGNATURES are set
        raise AttributeError(name)


def _called(name: str, function: Any, *arguments: Any) -> None:
    status = function(*arguments)
    if status:
        raise RuntimeError(f"{name} has failed with status {status}")


class Handle:
    """A handle of cuBLAS for one stream of the current device, with its workspace."""

    def __init__(self, library: _Library, cupy: Any, stream: Any) -> None:
        self.library, self.stream = library, stream
        size = _HOPPER if int(cupy.cuda.Device().compute_capability) >= 90 else _BEFORE
        self._workspace = cupy.cuda.Memory(size)  # of no pool, which could hand it on
        made = ctypes.c_void_p()
        library.cublasCreate_v2(ctypes.addressof(made))
        self.handle = made.value
        # not at the end of the interpreter, when the device may have gone before
        weakref.finalize(self, library.cublasDestroy_v2, self.handle).atexit = False
        library.cublasSetStream_v2(self.handle, stream.ptr)
        library.cublasSetWorkspace_v2(self.handle, self._workspace.ptr, size)


class _Handles(threading.local):
    """Those of one thread, by device and stream; and by device the stream on which it records graphs."""

    def __init__(self) -> None:
        self.found: dict[tuple[int, int], Handle] = {}
        self.recording: dict[int, Any] = {}


_handles = _Handles()


@functools.cache
def _cupy() -> Any:
    import cupy

    return cupy


@functools.cache
def library() -> _Library | None:
    """cuBLAS; None where it cannot be called so, which the log says once."""
    try:
        finder: Any = importlib.import_module("cuda.pathfinder")
        return _Library(str(finder.load_nvidia_dynamic_lib("cublas").abs_path))
    except Exception as error:  # of whatever a machine lacks
        logger.warning("products are left to CuPy, and no graph is recorded: cuBLAS, %s", error)
        return None


def handle() -> Handle | None:
    """The handle for the current stream and device; None without cuBLAS."""
    found = library()
    if found is None:
        return None
    cupy, own = _cupy(), _handles.found
    stream = cupy.cuda.get_current_stream()
    key = cupy.cuda.runtime.getDevice(), stream.ptr
    try:
        return own[key]
    except KeyError:
        while len(own) >= _HANDLES:
            own.pop(next(iter(own)))
        made = own[key] = Handle(found, cupy, stream)
        return made


def recording_stream() -> Any:
    """The stream on which this thread records graphs on the current device; all share its workspace."""
    cupy, own = _cupy(), _handles.recording
    device = cupy.cuda.runtime.getDevice()
    if device not in own:
        own[device] = cupy.cuda.Stream(non_blocking=True)
    return own[device]


def matmul(left: Any, right: Any, into: Any = None) -> Any:
    """`left @ right` of CuPy's arrays, in `into` if that is given; None if CuPy is to do it.

    Views of matrices, also those of several, are read where they lie if the elements of their rows or of
    their columns are neighbours.
    """
    kind = _TYPES.get(left.dtype.char)
    if kind is None or left.ndim < 2 or right.dtype != left.dtype or not (left.size and right.size):
        return None
    vector = right.ndim == 1
    b = right[:, None] if vector else right
    lead = left.shape[:-2] if left.ndim >= b.ndim else b.shape[:-2]
    (n, k), m = left.shape[-2:], b.shape[-1]
    if len(lead) > 1 or k != b.shape[-2] or not _fit(lead, left, b):
        return None
    own = handle()
    if own is None:
        return None
    shape = (*lead, n) if vector else (*lead, n, m)
    out = _cupy().empty(shape, left.dtype) if into is None else into
    if out.shape != shape or out.dtype != left.dtype:
        return None
    target = out[..., None] if vector else out
    place = _layout(target)
    if place is None or (place.transposed and m > 1):
        out[...] = matmul(left, right)
        return out
    a, first = _readable(left)
    b, second = _readable(b)
    leading = target.strides[-2] // out.itemsize if n > 1 else m
    if max(n, m, k, leading, first.leading, second.leading) > _MOST:
        return None
    code, compute, one, zero = kind
    if code == 0 and _tf32():
        compute = _TF32
    library, alpha, beta = own.library, ctypes.addressof(one), ctypes.addressof(zero)
    start = own.handle, second.transposed, first.transposed, m, n, k, alpha
    if not lead:
        library.cublasGemmEx(
            *start,
            *(b.data.ptr, code, second.leading, a.data.ptr, code, first.leading, beta),
            *(out.data.ptr, code, leading, compute, _DEFAULT),
        )
    else:
        library.cublasGemmStridedBatchedEx(
            *start,
            *(b.data.ptr, code, second.leading, second.batch),
            *(a.data.ptr, code, first.leading, first.batch, beta),
            *(out.data.ptr, code, leading, place.batch, lead[0], compute, _DEFAULT),
        )
    return out


def _fit(lead: tuple[int, ...], *arrays: Any) -> bool:
    return all(array.shape[:-2] in ((), lead) for array in arrays)


@functools.cache
def _tf32() -> bool:
    """Whether CuPy's products of float32 are asked to be in TF32, as its variable says."""
    asked = os.environ.get("CUPY_TF32", "0") not in ("", "0")
    return asked and int(_cupy().cuda.Device().compute_capability) >= 80


def _readable(array: Any) -> tuple[Any, _Layout]:
    """The array, or a copy of it, and how cuBLAS reads it."""
    found = _layout(array)
    if found is not None:
        return array, found
    array = _cupy().ascontiguousarray(array)
    return array, _Layout(0, array.shape[-1], array.shape[-2] * array.shape[-1] if array.ndim > 2 else 0)


def _layout(array: Any) -> _Layout | None:
    """How cuBLAS reads an array where it is; None if it cannot."""
    item, (rows, columns) = array.itemsize, array.shape[-2:]
    if any(stride % item for stride in array.strides):
        return None
    down, along = array.strides[-2] // item, array.strides[-1] // item
    batch = array.strides[0] // item if array.ndim > 2 else 0
    if batch < 0:
        return None
    if columns == 1 or along == 1:
        leading = down if rows > 1 else columns
        if leading >= columns:
            return _Layout(0, leading, batch)
    if rows == 1 or down == 1:
        leading = along if columns > 1 else rows
        if leading >= rows:
            return _Layout(1, leading, batch)
    return None
