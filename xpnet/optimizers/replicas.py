"""Numbers on the host, one for each replica, by which a method decides; and the way to arrays and back."""

from __future__ import annotations

from typing import Any, TypeAlias

from ..device.arrays import Array, Scalar, Vector
from ..device.backend import Backend
from ..linear.vectors import unit

Numbers: TypeAlias = Any
"""A number for each replica, `(R,)` on the host in 64 bits; R is 1 where there are none."""

GREATEST = 1.7976931348623157e308


def numbers(backend: Backend, values: Scalar | float) -> Numbers:
    """`values`, 0-d or with one for each replica, as `(R,)` on the host."""
    host, found = backend.host, backend.to_numpy(values).reshape(-1)
    return found if found.dtype == host.float64 else found.astype(host.float64)


def inner(backend: Backend, x: Vector, y: Vector) -> Numbers:
    """The inner products of the rows, in the most precise numbers that there are."""
    xp, precise = backend.xp, backend.accumulator
    return numbers(backend, xp.vecdot(xp.astype(x, precise), xp.astype(y, precise)))


def row_norms(backend: Backend, v: Vector) -> Numbers:
    """The Euclidean norms of the rows, for numbers of any size; that of finite ones is finite."""
    xp, host = backend.xp, backend.host
    info, squares = xp.finfo(v.dtype), numbers(backend, xp.vecdot(v, v))
    low, high = lowest(info), float(info.max)
    one = len(squares) == 1  # where plain comparisons are the fastest
    if low < squares[0] < high if one else host.all((squares > low) & (squares < high)):
        return host.sqrt(squares)
    size = unit(xp, v)
    scaled = v / size
    roots = host.sqrt(numbers(backend, xp.vecdot(scaled, scaled)))
    found = numbers(backend, size) * roots
    return host.where(host.isinf(found) & host.isfinite(roots), GREATEST, found)


def lowest(info: Any) -> float:
    """From where on a sum of products has lost no digits by underflow."""
    return float(info.smallest_normal) / float(info.eps) ** 2


def column(backend: Backend, values: Numbers, w: Vector, dtype: Any = None) -> Array:
    """`values` on the device, `(R, 1)`, or `(1,)` where `w` has no replicas: to multiply it row by row."""
    values = values[:, None] if w.ndim > 1 else values
    if backend.name == "numpy":  # where they are already
        return values if dtype is None else values.astype(dtype, copy=False)
    return backend.asarray(values, dtype)


def merged(backend: Backend, rows: Numbers, new: Any, old: Any) -> Any:
    """`new` for the replicas in `rows`, `old` for the others."""
    if backend.host.all(rows):
        return new
    if not backend.host.any(rows):
        return old
    mask = backend.asarray(rows)
    return backend.xp.where(mask[:, None] if new.ndim > 1 else mask, new, old)


def solved(sizes: Numbers, most: Numbers, eps: float) -> Numbers:
    """Which magnitudes of values are nothing beside `most`, the largest met: the problem is solved."""
    return sizes <= eps ** (4 / 3) * most
