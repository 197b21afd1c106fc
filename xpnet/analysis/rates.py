"""What the curvature at a point says of step sizes: the best rates, and the condition number."""

from __future__ import annotations

import math
from typing import Any, Literal

from .. import checks
from ..device.arrays import Array, Vector
from ..device.backend import Backend
from ..device.select import backend as choose_backend
from ..linear.spectrum import extreme_eigenvalues
from ..linear.vectors import dot, norm
from ..objectives import Objective, Offers
from ..objectives.base import require
from ..objectives.matrices import BLOCK, check_direction, check_result, point_backend

DENSE = 1000  # parameters up to which the Hessian is made whole


def optimal_rate(
    objective: Objective, w: Vector, direction: Vector | Literal["gradient"] | None = None
) -> Any:
    """`1 / E''`: the rate with which a step reaches the minimum of the parabola at `w`.

    Without a `direction` it is that of each axis, `1 / H_ii`, to be used as a rate for each parameter: of a
    diagonal quadratic it makes one step of gradient descent. Along a direction `v` it is `v'v / v'Hv`;
    along the gradient it is the rate of the exact line search. Infinite where the curvature is not
    positive, as there is no minimum then.

    Costs P products with the Hessian, of which none is kept; along a direction one.

    Args:
        objective: one with Hessian products.
        w: `(P,)` or `(R, P)`.
        direction: like `w`, or "gradient".

    Returns:
        Of the axes an array like `w`; along a direction a float, or `(R, 1)`, as a rate may be.

    Raises:
        TypeError, ValueError: an objective without Hessian products; a point or direction of another kind
            or shape, or not finite; a direction of zero.

    >>> import numpy as np
    >>> from xpnet import Quadratic
    >>> from xpnet.analysis import optimal_rate
    >>> quadratic, w = Quadratic([[4.0, 0.0], [0.0, 2.0]]), np.ones(2)
    >>> optimal_rate(quadratic, w).tolist(), optimal_rate(quadratic, w, np.array([0.0, 3.0]))
    ([0.25, 0.5], 0.5)
    """
    backend = _point(objective, w, "optimal_rate")
    xp = backend.xp
    if direction is None:
        with backend.working():
            return _inverse(backend, _diagonal(backend, objective, w))
    if isinstance(direction, str):
        checks.choice("direction", direction, ("gradient",))
        _, direction = objective.value_and_gradient(w)
    check_direction(backend, w, direction, "direction")
    if direction.ndim != w.ndim:
        raise ValueError(f"direction must be {tuple(w.shape)} like w, got {tuple(direction.shape)}")
    with backend.working():
        checks.finite(xp, "direction", direction)
        size = norm(xp, direction)
        if not bool(xp.all(size > 0.0)):
            raise ValueError("direction must not be zero" + (", in any row" if w.ndim > 1 else ""))
        unit = direction / size
        curvature = dot(xp, unit, _product(backend, objective, w, unit))
        rate = _inverse(backend, curvature)
        return rate if w.ndim > 1 else float(rate[0])


def condition_number(matrix: Any, w: Vector | None = None) -> float:
    """The condition number of a matrix, or of the Hessian of an objective at `w`.

    The largest over the smallest magnitude of an eigenvalue: `lambda_max / lambda_min` where all are
    positive, the ratio of the largest best rate to the smallest. Of a matrix that is not symmetric those of
    its singular values, as `numpy.linalg.cond` has it. Infinite where the matrix is singular.

    A Hessian of more than 1000 parameters is not made: the ends of its spectrum are found by Lanczos's
    method (`xpnet.linear.extreme_eigenvalues`), to 1e-8 of the larger. They tell the smallest magnitude
    only where all eigenvalues are of one sign, and one that is within that error of 0 counts as 0.

    Args:
        matrix: `(P, P)`; or an objective with Hessian products, at a point `w`, `(P,)`.

    Raises:
        TypeError, ValueError: neither; another shape; NaN or infinity; an objective of more than 1000
            parameters whose Hessian has eigenvalues of both signs.

    >>> from xpnet.analysis import condition_number
    >>> condition_number([[50.0, 0.0], [0.0, 0.5]])
    100.0
    """
    if not isinstance(matrix, Objective):
        if w is not None:
            raise TypeError(f"matrix must be an Objective where w is given, got {checks.shown(matrix)}")
        host = choose_backend("numpy")
        whole = host.asarray(matrix, "float64", name="matrix")
        if whole.ndim != 2 or whole.shape[0] != whole.shape[1] or not whole.size:
            raise ValueError(f"matrix must be (P, P), got shape {tuple(whole.shape)}")
        checks.finite(host.xp, "matrix", whole)
        with host.working():
            return _ratio([float(size) for size in host.xp.linalg.svdvals(whole)])
    backend = _point(matrix, w, "condition_number")
    assert w is not None
    if w.ndim != 1:
        raise ValueError(f"w must be (P,), got shape {tuple(w.shape)}")
    with backend.working():
        if w.shape[0] <= DENSE:
            hessian = matrix.hessian(w)
            check_result(backend, "the Hessian", hessian, (*w.shape, w.shape[0]), w.dtype)
            checks.finite(backend.xp, "the Hessian", hessian)
            values = backend.to_numpy(backend.xp.linalg.eigvalsh(hessian))
            return _ratio(abs(values).tolist())
        ends = extreme_eigenvalues(lambda v: matrix.hessian_product(w, v), backend.xp.ones_like(w))
    least, most = ends.smallest, ends.largest
    small = min(abs(least), abs(most))
    if small <= max(ends.bounds):
        return math.inf
    if least < 0.0 < most:
        raise ValueError(
            f"matrix must have a Hessian of one sign at w where it has more than {DENSE} parameters, got "
            f"eigenvalues from {least:.3g} to {most:.3g}; condition_number(objective.hessian(w)) makes it"
        )
    return max(abs(least), abs(most)) / small


def _point(objective: Any, w: Any, what: str) -> Backend:
    """Where `w` lives; raises unless it is a finite point, and the objective has Hessian products."""
    checks.instance("objective", objective, Objective, "an Objective")
    require(objective, Offers.HESSIAN_PRODUCT, what)
    backend = point_backend(w, objective.backend)
    checks.finite(backend.xp, "w", w)
    return backend


def _product(backend: Backend, objective: Objective, w: Vector, v: Vector) -> Array:
    found = objective.hessian_product(w, v)
    check_result(backend, "a product with the Hessian", found, tuple(v.shape), w.dtype)
    return found


def _diagonal(backend: Backend, objective: Objective, w: Vector) -> Array:
    """The diagonal of the Hessian, like `w`, from products with some axes at a time."""
    xp, size = backend.xp, w.shape[-1]
    found: list[Array] = []
    step = max(1, BLOCK // w.size)
    for start in range(0, size, step):
        count = min(step, size - start)
        rows = xp.eye(count, size, k=start, dtype=w.dtype, device=backend.device)
        if w.ndim > 1:
            rows = xp.broadcast_to(rows[:, None, :], (count, *w.shape))
        found.append(xp.sum(_product(backend, objective, w, rows) * rows, axis=-1))
    return xp.moveaxis(xp.concat(found, axis=0), 0, -1)


def _inverse(backend: Backend, curvature: Array) -> Array:
    """`1 / curvature`, and infinity where it is not positive; NaN stays so."""
    xp = backend.xp
    good = (curvature > 0.0) | xp.isnan(curvature)
    return xp.where(good, 1.0 / xp.where(good, curvature, 1.0), math.inf)


def _ratio(sizes: list[float]) -> float:
    least, most = min(sizes), max(sizes)
    return most / least if least > 0.0 else math.inf
