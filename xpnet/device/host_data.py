"""Numbers on the host: arrays of any library there, and files that are read part by part."""

from __future__ import annotations

import mmap
from typing import Any

import array_api_compat
import numpy as np

from .. import checks


def host_array(values: Any, name: str) -> np.ndarray:
    """`values`, of any library on the host, as a NumPy array of numbers."""
    if hasattr(values, "__dlpack__") and not hasattr(values, "__array__"):
        result = np.from_dlpack(values)
    else:
        try:
            result = np.asarray(values)
        except (ValueError, TypeError) as error:
            raise TypeError(f"{name} cannot be made an array of numbers: {error}") from error
    require_numbers(result, name)
    return result


def refuse_half(values: Any, name: str) -> None:
    dtype = checks.dtype_name(getattr(values, "dtype", None))
    if dtype in ("float16", "bfloat16"):
        raise TypeError(
            f"{name} must not be in half precision, got {dtype}: convert it to float32, which xpnet "
            "computes in, such as by .astype('float32')"
        )


def require_numbers(values: np.ndarray, name: str) -> None:
    refuse_half(values, name)
    if values.dtype.kind not in "biuf":
        kind = {"O": "objects", "U": "strings", "S": "bytes", "c": "complex numbers"}
        got = kind.get(values.dtype.kind, str(values.dtype))
        raise TypeError(f"{name} must hold real numbers, got an array of {got}")


def on_host(values: Any) -> bool:
    """Whether `values` are better read in parts: a memory map, or no array but sliced like one.

    The latter have `shape`, `dtype`, and `values[start:stop]`, as the data sets of h5py and zarr have.
    """
    if isinstance(values, np.ndarray):
        return mapping_of(values) is not None
    if array_api_compat.is_array_api_obj(values) or not hasattr(values, "__getitem__"):
        return False
    try:
        np.dtype(values.dtype)
        return isinstance(values.shape, tuple)
    except (AttributeError, TypeError):
        return False


def read(name: str, source: Any, part: slice, rows: np.ndarray) -> None:
    """Writes the samples `part` of what lies on the host into `rows`.

    A memory map's pages are let go of at once, so that it takes no more memory than what is asked of it.
    """
    values = host_array(source[part.start : part.stop], name)
    if values.shape != rows.shape:
        raise ValueError(
            f"{name}[{part.start}:{part.stop}] must have shape {rows.shape}, got {values.shape}"
        )
    with np.errstate(all="ignore"):  # what overflows is found by the checks
        rows[...] = values
    mapping = mapping_of(values)
    # a private map would lose what has been written to it
    if mapping is not None and getattr(source, "mode", "c") != "c" and hasattr(mmap, "MADV_DONTNEED"):
        low, high = np.lib.array_utils.byte_bounds(values)
        begin = np.frombuffer(mapping, np.uint8).ctypes.data
        start = (low - begin) // mmap.PAGESIZE * mmap.PAGESIZE
        mapping.madvise(mmap.MADV_DONTNEED, start, high - begin - start)


def take(name: str, source: Any, numbers: np.ndarray) -> np.ndarray:
    """The samples of these numbers, of what lies on the host; neighbours are read together."""
    if isinstance(source, np.ndarray) and mapping_of(source) is None:
        return source[numbers]
    order = np.argsort(numbers, kind="stable")
    rows = np.empty((len(numbers), *source.shape[1:]), source.dtype)
    for run in np.split(order, np.flatnonzero(np.diff(numbers[order]) > 1) + 1):
        part = slice(int(numbers[run[0]]), int(numbers[run[-1]]) + 1)
        near = np.empty((part.stop - part.start, *rows.shape[1:]), rows.dtype)
        read(name, source, part, near)
        rows[run] = near[numbers[run] - part.start]
    return rows


def mapping_of(values: Any) -> mmap.mmap | None:
    """The memory map that an array is a view of, if it is one."""
    while isinstance(values, np.ndarray):
        values = values.base
    return values if isinstance(values, mmap.mmap) else None
