"""Numbers on the host, one for each replica, by which a method decides; and the way to arrays and back."""

from __future__ import annotations

from typing import Any, TypeAlias

from ..device.arrays import Scalar, Vector
from ..device.backend import Backend

Numbers: TypeAlias = Any
"""A number for each replica, `(R,)` on the host in 64 bits; R is 1 where there are none."""


def numbers(backend: Backend, values: Scalar) -> Numbers:
    """`values`, 0-d or `(R,)`, as `(R,)` on the host."""
    host = backend.host
    return host.astype(host.reshape(backend.to_numpy(values), (-1,)), host.float64)


def inner(backend: Backend, x: Vector, y: Vector) -> Numbers:
    """The inner products of the rows, in the most precise numbers that there are."""
    xp, precise = backend.xp, backend.accumulator
    return numbers(backend, xp.vecdot(xp.astype(x, precise), xp.astype(y, precise)))


def norm(backend: Backend, x: Vector) -> Numbers:
    """The Euclidean norms of the rows, for numbers of any size."""
    xp = backend.xp
    x = xp.astype(x, backend.accumulator)
    largest = xp.max(xp.abs(x), axis=-1, keepdims=True)
    scale = xp.where((largest > 0.0) & xp.isfinite(largest), largest, 1.0)
    x = x / scale
    return numbers(backend, scale[..., 0]) * numbers(backend, xp.sqrt(xp.sum(x * x, axis=-1)))


def column(backend: Backend, w: Vector, values: Numbers) -> Scalar:
    """Numbers of the host as an array that multiplies `w` row by row."""
    return backend.asarray(values[:, None] if w.ndim > 1 else values, w.dtype)


def merged(backend: Backend, rows: Numbers, new: Any, old: Any) -> Any:
    """`new` for the replicas in `rows`, `old` for the others."""
    if backend.host.all(rows):
        return new
    if not backend.host.any(rows):
        return old
    mask = backend.asarray(rows)
    return backend.xp.where(mask[:, None] if new.ndim > 1 else mask, new, old)
