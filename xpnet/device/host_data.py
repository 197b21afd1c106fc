"""Numbers on the host: arrays of any library there, and files and sparse matrices, read part by part."""

from __future__ import annotations

import mmap
from typing import Any

import numpy as np

from .arrays import compat
from .plain import HostArray, is_masked, is_sparse, is_table, plain_array, require_numbers


def on_host(values: Any) -> bool:
    """Whether `values` are better read in parts: a memory map, a sparse matrix, or sliced like an array.

    The last have `shape`, `dtype`, and `values[start:stop]`, as the data sets of h5py and zarr have.
    """
    if isinstance(values, np.ndarray):
        return mapping_of(values) is not None and not is_masked(values)
    if is_sparse(values):
        return len(values.shape) == 2
    if is_table(values) or compat.is_array_api_obj(values):
        return False
    try:
        np.dtype(values.dtype)
        return isinstance(values.shape, tuple) and hasattr(values, "__getitem__")
    except (AttributeError, TypeError):
        return False


def require_kind(values: Any, name: str) -> None:
    """Raises TypeError unless what is `on_host` holds real numbers; nothing is read."""
    require_numbers(np.empty(0, values.dtype), name)


def by_rows(values: Any) -> Any:
    """What is `on_host` in a form that gives rows fast: of a sparse matrix, SciPy's compressed rows."""
    if not is_sparse(values):
        return values
    on_device = type(values).__module__.startswith("cupyx")
    return (values.get() if on_device else values).tocsr()


class Rows:
    """Some of the samples of what is read in parts, to be read in parts."""

    def __init__(self, source: Any, part: slice) -> None:
        self.source, self.start = source, part.start
        self.shape, self.dtype = (part.stop - part.start, *source.shape[1:]), source.dtype

    def __getitem__(self, part: slice) -> Any:
        return self.source[self.start + part.start : self.start + part.stop]


def rows_of(values: Any, part: slice, axis: int = 0) -> Any:
    """The samples `part`, along `axis`, of an array, or what is `on_host`; for axis 0 that is not read."""
    if compat.is_array_api_obj(values) or is_sparse(values):
        return values[(slice(None),) * axis + (part,)] if axis else values[part]
    return Rows(values, part) if not axis else values[0 : values.shape[0]][(slice(None),) * axis + (part,)]


def read(name: str, source: Any, part: slice, rows: HostArray) -> None:
    """Writes the samples `part` of what lies on the host into `rows`.

    A memory map's pages are let go of at once, so that it takes no more memory than what is asked of it.
    """
    values = source[part.start : part.stop]
    values = values.toarray() if is_sparse(values) else plain_array(values, name)
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


def take(name: str, source: Any, numbers: HostArray) -> HostArray:
    """The samples of these numbers, of what lies on the host; neighbours are read together."""
    whole: Any = source
    if is_sparse(source):
        return whole[numbers].toarray()
    if isinstance(source, np.ndarray) and mapping_of(source) is None:
        return whole[numbers]
    order = np.argsort(numbers, kind="stable")
    rows: HostArray = np.empty((len(numbers), *whole.shape[1:]), whole.dtype)
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
