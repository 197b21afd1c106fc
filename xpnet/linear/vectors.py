"""Inner products and norms of the rows of vectors, as `(..., 1)`, so that rows are divided by theirs.

And the product of a matrix, or one for each row, with vectors.
"""

from __future__ import annotations

from ..device.arrays import Array, Matrix, Namespace, Vector


def dot(xp: Namespace, x: Vector, y: Vector) -> Array:
    """The inner products of the rows of `x` and `y`, `(..., 1)`."""
    return xp.vecdot(x, y)[..., None]


def unit(xp: Namespace, v: Vector) -> Array:
    """What to divide the rows of `v` by before squares of them are summed, `(..., 1)`.

    It is 1 where neither the squares nor the products with other such vectors can over- or underflow, and
    otherwise the largest magnitude, so that ordinary vectors keep their bits.
    """
    info = xp.finfo(v.dtype)
    size = xp.max(xp.abs(v), axis=-1, keepdims=True)
    extreme = (size < float(info.smallest_normal) ** 0.25) | (size > float(info.max) ** 0.25)
    return xp.where(extreme & (size > 0.0) & xp.isfinite(size), size, 1.0)


def norm(xp: Namespace, v: Vector) -> Array:
    """The Euclidean norms of the rows of `v`, `(..., 1)`, which over- and underflow only if they must."""
    size = unit(xp, v)
    scaled = v / size
    return size * xp.sqrt(dot(xp, scaled, scaled))


def times(matrix: Matrix, v: Vector) -> Vector:
    """The products of `(..., N, P)` with the rows of `v`, `(..., N)`."""
    return (matrix @ v[..., None])[..., 0]
