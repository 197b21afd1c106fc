"""Critical points: where the gradient vanishes, be it a minimum, a saddle or a maximum."""

from __future__ import annotations

from dataclasses import dataclass

from .. import checks
from ..device.arrays import Array, Matrix, Namespace, Vector
from ..device.backend import Backend
from ..device.select import backend as choose_backend
from ..device.select import backend_of
from ..objectives import Objective, Offers, SumOfSquares
from ..objectives.base import require
from ..objectives.matrices import require_memory
from ..optimizers import LevenbergMarquardt
from ..training import minimize
from ..training.stopping import after, value_below

AT_ONCE = 2**23  # so many numbers at most have the Hessians of the starts that are run at once


class _Gradient(SumOfSquares):
    """`1/2 |g|^2` of another objective: its residuals are `g`, their Jacobian is the Hessian."""

    backend: Backend

    def __init__(self, backend: Backend, objective: Objective) -> None:
        self.backend, self.objective = backend, objective
        self.communicator = objective.communicator
        if Offers.SELECT_REPLICAS not in objective.offers:
            self.lacks = Offers.SELECT_REPLICAS

    def residuals(self, w: Vector) -> Vector:
        return self.objective.value_and_gradient(w)[1]

    def jacobian(self, w: Vector) -> Matrix:
        return self.objective.hessian(w)

    def select_replicas(self, rows: list[int]) -> Objective:
        return _Gradient(self.backend, self.objective.select_replicas(rows))


@dataclass(frozen=True, eq=False, repr=False)
class CriticalPoints:
    """Points at which the gradient vanishes, those of the least value first; on the host, in float64.

    Attributes:
        points: `(K, P)`.
        values: of the objective, `(K,)`.
        gradient_norms: `(K,)`, none above the tolerance.
        eigenvalues: of the Hessian at each, ascending, `(K, P)`.
        negative: how many of them count as below zero, `(K,)`.
        counts: how many starts led to each, `(K,)`.
        starts: how many there were; those that led to no critical point are not in `counts`.
    """

    points: Array
    values: Array
    gradient_norms: Array
    eigenvalues: Array
    negative: Array
    counts: Array
    starts: int

    @property
    def index(self) -> Array:
        """The share of negative eigenvalues of each, `(K,)`: 0 at a minimum, 1 at a maximum."""
        return self.negative / self.points.shape[-1]

    def __len__(self) -> int:
        return len(self.values)

    def __repr__(self) -> str:
        if not len(self):
            return f"CriticalPoints(none, from {self.starts} starts)"
        low, high = float(self.values[0]), float(self.values[-1])
        least = [int(count) for count in self.negative].count(0)
        which = f"{least} without negative curvature, values from {low:.4g} to {high:.4g}"
        return f"CriticalPoints({len(self)} from {self.starts} starts: {which})"


def critical_points(
    objective: Objective,
    starts: Vector,
    tolerance: float = 1e-8,
    *,
    steps: int = 300,
    distance: float = 1e-4,
    flat: float = 1e-7,
) -> CriticalPoints:
    """Critical points of every kind, found by lowering `1/2 |g|^2` with Levenberg-Marquardt.

    Its Gauss-Newton steps are Newton's, damped, which go to saddles and maxima as readily as to minima;
    some starts end where `|g|` is least nearby and not zero, and lead to no point. All starts are run at
    once, as replicas, as far as their Hessians fit. Which points are found depends on the starts: one that
    is not found may still be there.

    Args:
        objective: one that has Hessian products.
        starts: `(R, P)`, or one, `(P,)`.
        tolerance: the largest norm of a gradient that counts as zero.
        steps: the most for each start.
        distance: points nearer to each other than this part of 1 or their norm, if that is more, are one
            and the same. Where points are not isolated, as in networks whose layers can be rescaled, or in
            which units can be exchanged, a set of such points counts once for each place it was reached.
        flat: an eigenvalue is negative where it is below minus this part of the largest absolute one.

    Raises:
        TypeError, ValueError: an argument of the wrong kind, shape or range; starts that are not finite;
            an objective without `hessian_product`.
        MemoryError: one Hessian would not fit.

    >>> import numpy as np
    >>> from xpnet import Quadratic
    >>> from xpnet.analysis import critical_points
    >>> found = critical_points(Quadratic(np.diag([5.0, -1.0]), b=[5.0, 0.0]), np.ones((4, 2)))
    >>> found.points.round(6).tolist(), found.eigenvalues.tolist(), found.index.tolist()
    ([[-1.0, 0.0]], [[-1.0, 5.0]], [0.5])
    """
    checks.instance("objective", objective, Objective, "an Objective")
    require(objective, Offers.HESSIAN_PRODUCT, "critical_points")
    tolerance = checks.number("tolerance", tolerance, 0.0, open="(")
    steps = checks.count("steps", steps)
    distance = checks.number("distance", distance, 0.0)
    flat = checks.number("flat", flat, 0.0, 1.0)
    backend = backend_of(starts) if objective.backend is None else objective.backend
    many = backend.asarray(starts, name="starts")
    if many.dtype not in (backend.xp.float32, backend.xp.float64):
        many = backend.asarray(many, "float64")
    if many.ndim not in (1, 2) or not many.size:
        raise ValueError(f"starts must be (P,) or (R, P), one or more, got shape {tuple(many.shape)}")
    many = many if many.ndim == 2 else many[None, :]
    with backend.quiet():
        checks.finite(backend.xp, "starts", many)
    count, size = (int(length) for length in many.shape)
    require_memory(backend, "Hessian", many[0, :], size, size)
    part = max(1, AT_ONCE // size**2)
    ends = [
        _ends(backend, objective, many, range(first, min(first + part, count)), tolerance, steps)
        for first in range(0, count, part)
    ]
    xp = choose_backend("numpy").xp
    return _merged(xp, [xp.concat(own) for own in zip(*ends, strict=True)], tolerance, distance, flat)


def _ends(
    backend: Backend, objective: Objective, starts: Vector, rows: range, tolerance: float, steps: int
) -> tuple[Array, ...]:
    """Where the starts in `rows` lead: points, values, norms of gradients and eigenvalues, on the host."""
    xp, of = backend.xp, objective
    if len(rows) < starts.shape[0] and Offers.SELECT_REPLICAS in objective.offers:
        of = objective.select_replicas([*rows])
    stop = value_below(0.5 * tolerance**2) | after(steps)
    start = starts[rows.start : rows.stop, :]
    w = minimize(_Gradient(backend, of), LevenbergMarquardt(), start, stop=stop).w
    value, gradient = of.value_and_gradient(w)
    with backend.working():
        found = (w, value, xp.linalg.vector_norm(gradient, axis=-1), xp.linalg.eigvalsh(of.hessian(w)))
    host = choose_backend("numpy")
    return tuple(host.asarray(backend.to_numpy(own), "float64") for own in found)


def _merged(
    xp: Namespace, ends: list[Array], tolerance: float, distance: float, flat: float
) -> CriticalPoints:
    """The ends at which the gradient vanishes, each place once."""
    points, values, norms, eigenvalues = ends
    starts, counts = int(values.shape[0]), dict[int, int]()
    order: list[int] = xp.argsort(values, stable=True).tolist()
    for row in order:
        if not bool(norms[row] <= tolerance) or not bool(xp.isfinite(values[row])):
            continue
        point, kept = points[row, :], [*counts]
        reach = distance * max(1.0, float(xp.linalg.vector_norm(point)))
        far = xp.linalg.vector_norm(points[kept, :] - point, axis=-1) if kept else None
        same = None if far is None or float(xp.min(far)) > reach else kept[int(xp.argmin(far))]
        counts[row if same is None else same] = counts.get(row if same is None else same, 0) + 1
    rows = [*counts]
    spectra = eigenvalues[rows, :]
    floor = -flat * xp.max(xp.abs(spectra), axis=-1, keepdims=True) if rows else 0.0
    below = xp.sum(spectra < floor, axis=-1, dtype=xp.int64)
    many = xp.asarray([*counts.values()], dtype=xp.int64)
    return CriticalPoints(points[rows, :], values[rows], norms[rows], spectra, below, many, starts)
