"""What a quadratic model promises where neither radius nor damping holds it back.

A method that finds nothing lower asks for it at its end: only where this is hidden by rounding as well has
it converged.
"""

from __future__ import annotations

from ..device.arrays import Matrix, Vector
from ..device.backend import Backend
from ..linear.vectors import times
from .replicas import Numbers, inner, numbers


def unrestricted(backend: Backend, matrix: Matrix, gradient: Vector) -> tuple[Vector, Numbers]:
    """The step `p` to the minimum of `g'p + p'Ap/2`, and by how much that falls: infinity if for ever.

    `A` is scaled by its diagonal, so that neither depends on the parameters' units. A singular one is no
    obstacle: directions whose curvature rounding hides are left out.
    """
    xp = backend.xp
    matrix = xp.where(xp.isfinite(matrix), matrix, 0.0)
    diagonal = xp.abs(xp.linalg.diagonal(matrix))
    root = xp.where(diagonal > 0.0, diagonal, 1.0) ** 0.5
    values, vectors = xp.linalg.eigh(matrix / (root[..., :, None] * root[..., None, :]))
    slopes = ((gradient / root)[..., None, :] @ vectors)[..., 0, :]
    greatest = xp.max(xp.abs(values), axis=-1, keepdims=True)
    floor = matrix.shape[-1] * float(xp.finfo(matrix.dtype).eps) * greatest
    parts = xp.where(values > floor, slopes / xp.where(values > floor, values, 1.0), 0.0)
    unbounded = numbers(backend, xp.any(values < -floor, axis=-1)) > 0.0
    promised = backend.host.where(unbounded, float("inf"), 0.5 * inner(backend, slopes, parts))
    return -times(vectors, parts) / root, promised
