"""The Hessian of an objective by differences of its gradients."""

from __future__ import annotations

from .. import checks
from ..device.arrays import Array, Matrix, Vector
from .base import Objective
from .matrices import check_result, point_backend, require_memory, symmetric


def difference_hessian(objective: Objective, w: Vector) -> Matrix:
    """The Hessian by central differences of gradients, `h_i = eps^(1/3) (1 + |w_i|)`: a check of the exact.

    `(P, P)` or `(R, P, P)`, made symmetric; its error is about `eps^(2/3)`.

    Raises:
        TypeError, ValueError: no objective; `w` no array `(P,)` or `(R, P)`, or not finite.
        MemoryError: it would not fit; the message gives its size.

    >>> import numpy as np
    >>> from xpnet import Quadratic, difference_hessian
    >>> difference_hessian(Quadratic([[2.0, 0.0], [0.0, 1.0]]), np.ones(2)).round(6).tolist()
    [[2.0, 0.0], [0.0, 1.0]]
    """
    checks.instance("objective", objective, Objective, "an Objective")
    backend = point_backend(w)
    xp = backend.xp
    checks.finite(xp, "w", w)
    size = w.shape[-1]
    require_memory(backend, "Hessian", w, size, size)

    def gradient(column: int, change: Array) -> tuple[Array, Vector]:
        moved = xp.asarray(w, copy=True)
        moved[..., column] += change
        _, found = objective.value_and_gradient(moved)
        check_result(backend, "the gradient", found, tuple(w.shape), w.dtype)
        return moved[..., column], found

    with backend.working():
        matrix = xp.empty((size, *w.shape), dtype=w.dtype, device=backend.device)
        steps = float(xp.finfo(w.dtype).eps) ** (1 / 3) * (1.0 + xp.abs(w))
        for column in range(size):
            high, above = gradient(column, steps[..., column])
            above = xp.asarray(above, copy=True)  # should both be the same buffer
            low, below = gradient(column, -steps[..., column])
            matrix[column, ...] = (above - below) / (high - low)[..., None]
        return symmetric(backend, matrix, w)
