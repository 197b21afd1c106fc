"""Dense matrices of an objective: whether they fit in memory, and how they follow from products.

With the checks of points, directions and results that all objectives share.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from .. import checks
from ..device.arrays import Array, Matrix, Vector
from ..device.backend import Backend
from ..device.select import backend_of

MEMORY_FRACTION = 0.5  # of the free memory that dense matrices may take
SMALL = 2**24  # bytes that there are always, so that nothing is asked
BLOCK = 2**22  # numbers in a block of directions whose products are taken at once


def require_memory(backend: Backend, name: str, w: Array, *shape: int, copies: int = 2) -> None:
    """Raises MemoryError if `copies` arrays of `shape`, for each replica of `w`, would not fit."""
    size = w.shape[0] if w.ndim > 1 else 1
    for length in shape:
        size *= length
    needed = copies * size * (8 if w.dtype == backend.xp.float64 else 4)
    if needed <= SMALL:
        return
    free = backend.free_memory()
    if needed > MEMORY_FRACTION * free:
        raise MemoryError(
            f"the {name}, {' x '.join(map(str, shape))}, needs {needed / 1e9:.3g} GB with what is needed "
            f"to work on it, more than {MEMORY_FRACTION:g} of the {free / 1e9:.3g} GB that are free; "
            "matrix-free methods such as NewtonCG or LBFGS do without it"
        )


def dense(backend: Backend, name: str, product: Callable[[Vector, Vector], Vector], w: Vector) -> Matrix:
    """The symmetric matrix whose products with vectors `product(w, v)` gives, of all replicas of `w`.

    Raises:
        MemoryError: it would not fit.
        TypeError, ValueError: a product that is not like its `v`.
    """
    size = w.shape[-1]
    require_memory(backend, name, w, size, size)
    xp = backend.xp
    with backend.working():
        matrix = xp.empty((size, *w.shape), dtype=w.dtype, device=backend.device)
        step = max(1, BLOCK // w.size)
        for start in range(0, size, step):
            count = min(step, size - start)
            rows = xp.eye(count, size, k=start, dtype=w.dtype, device=backend.device)
            if w.ndim > 1:
                rows = xp.broadcast_to(rows[:, None, :], (count, *w.shape))
            found = product(w, rows)
            check_result(backend, f"a product with the {name}", found, tuple(rows.shape), w.dtype)
            matrix[start : start + count, ...] = found
        return symmetric(backend, matrix, w)


def symmetric(backend: Backend, matrix: Matrix, w: Vector) -> Matrix:
    """`matrix`, its rows first, with the replicas of `w` in front, and made symmetric."""
    matrix = matrix if w.ndim == 1 else backend.xp.moveaxis(matrix, 0, 1)
    return 0.5 * (matrix + matrix.mT)


def point_backend(w: Any, own: Backend | None = None) -> Backend:
    """Where `w` lives, `own` if it is there.

    Raises:
        TypeError, ValueError: `w` is no array, `(P,)` or `(R, P)`, in single or double precision.
    """
    backend = backend_of(w, own)
    if w.dtype not in (backend.xp.float32, backend.xp.float64):
        raise TypeError(f"w must be float32 or float64, got {w.dtype}")
    check_point(backend, w, w.dtype)
    return backend


def check_point(backend: Backend, w: Any, dtype: Any, size: int | None = None) -> None:
    """Raises unless `w` is `(P,)` or `(R, P)`, on the backend and of `dtype`, with P = `size` if given."""
    backend.check("w", w, dtype)
    if w.ndim not in (1, 2) or (size is not None and w.shape[-1] != size) or not w.size:
        count = size or "P"
        raise ValueError(f"w must be ({count},) or (R, {count}), got shape {tuple(w.shape)}")


def check_points(backend: Backend, w: Any, dtype: Any, size: int | None = None, name: str = "w") -> None:
    """Raises unless `w` is `(..., P)`, points on axes of any number, as `check_point`."""
    backend.check(name, w, dtype)
    if not w.ndim or (size is not None and w.shape[-1] != size) or not w.size:
        raise ValueError(f"{name} must be (..., {size or 'P'}), got shape {tuple(w.shape)}")


def on_grid(
    backend: Backend, function: Callable[[Vector], Array], w: Vector, dtype: Any, work: int
) -> Array:
    """`function`, of one point or of replicas, at points on a grid, `(..., P)`: some rows at a time.

    Args:
        work: numbers that a row takes to be evaluated.
    """
    if len(checks.shape_of(w) or ()) <= 2:
        return function(w)
    check_points(backend, w, dtype)
    xp, lead = backend.xp, tuple(w.shape[:-1])
    rows = xp.reshape(w, (-1, w.shape[-1]))
    step = max(1, BLOCK // work)
    starts, count = range(0, rows.shape[0], step), rows.shape[0]
    parts = [function(rows[k : min(k + step, count), ...]) for k in starts]
    return xp.reshape(xp.concat(parts), lead)


def check_direction(backend: Backend, w: Vector, v: Vector, name: str = "v") -> None:
    """Raises unless `v` is like `w`, or several such, on one more axis in front."""
    backend.check(name, v, w.dtype)
    shape, own = tuple(w.shape), tuple(v.shape)
    if own != shape and (own[1:] != shape or not own[0]):
        raise ValueError(f"{name} must be {shape} like w, or (K, *{shape}), got shape {own}")


def check_result(backend: Backend, name: str, array: Any, shape: tuple[int, ...], dtype: Any) -> None:
    """Raises unless `array`, what a method gave back, is of `shape` and `dtype` and on the backend."""
    if hasattr(array, "shape") and tuple(array.shape) != shape:
        raise ValueError(f"{name} must have shape {shape}, got {tuple(array.shape)}")
    if not backend.owns(array) or array.dtype != dtype:
        own = getattr(array, "dtype", None)
        got = type(array).__name__ if own is None else f"{type(array).__name__} of {checks.dtype_name(own)}"
        raise TypeError(
            f"{name} must be an array of backend {backend.name!r} on {backend.device} and "
            f"{checks.dtype_name(dtype)}, got {got}"
        )
