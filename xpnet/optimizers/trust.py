"""Methods that minimize a model of the function and trust it as far as it has been right.

The gain ratio compares what a step brought with what the model promised. If it is good the step is
taken; if not, the step is made shorter, by a smaller radius or a larger damping, at the same point.
"""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import array_api_compat

from .. import checks, linear
from ..device.arrays import Array, host
from ..device.backend import Backend
from ..device.select import backend_of
from ..linear import dot
from ..objectives import Objective, Offers
from ..objectives.base import require
from .base import Optimizer, Record, State
from .newton import eigen, forcing
from .outcome import Ending, Outcome
from .searches import NON_FINITE, STATIONARY

GAIN = 1e-4  # the least gain ratio of a step that is taken
ROUNDED = Ending("no lower value within reach: as far as rounding lets it go", Outcome.CONVERGED)

# from radii or dampings (R,) to steps (..., P), and promised decreases and lengths (R,) on the host
Propose = Callable[[Any], tuple[Array, Any, Any]]


class GainRatio(Optimizer):
    """A method whose steps depend on one number, its radius or damping, for each replica.

    A subclass defines the model and how that number changes.
    """

    trials: int

    @abstractmethod
    def memory(self, backend: Backend, objective: Objective, w: Array) -> tuple[State, float]:
        """What the method remembers, and the radius or damping at the start."""

    @abstractmethod
    def model(
        self, objective: Objective, w: Array, state: State
    ) -> tuple[Array, Array, Propose, tuple[Ending | None, ...]]:
        """Value and gradient at `w`, how to propose steps, and what problems there are."""

    @abstractmethod
    def adjust(self, control: Any, ratio: Any, length: Any) -> Any:
        """The radius or damping after a step of this gain ratio and length, all `(R,)`."""

    @abstractmethod
    def exhausted(self, control: Any) -> Any:
        """Whether a radius or damping is beyond its limit."""

    def begin(self, backend: Backend, objective: Objective, w: Array) -> State:
        rows = (w.shape[0] if w.ndim > 1 else 1,)
        memory, control = self.memory(backend, objective, w)
        state = {"step": 0, "control": host.full(rows, control), "active": host.ones(rows, dtype=bool)}
        return state | memory

    def resume(self, backend: Backend, objective: Objective, w: Array, state: State) -> None:
        pass

    def advance(self, backend: Backend, objective: Objective, w: Array, state: State) -> Record:
        xp, step = backend.xp, state["step"]
        eps = float(xp.finfo(w.dtype).eps)
        value, gradient, propose, found = self.model(objective, w, state)
        values = backend.to_numpy(value).reshape(-1)
        control, pending = state["control"], state["active"] & host.isfinite(values)
        problems = list(found) or [None] * len(values)
        pending = pending & host.array([problem is None for problem in problems])
        taken = xp.zeros_like(w)
        used = control
        fallen = host.zeros(len(values), dtype=bool)  # met values that are not finite
        for _ in range(self.trials):
            if not pending.any():
                break
            p, promised, length = propose(control)
            trial = backend.to_numpy(objective.value(w + p)).reshape(-1)
            fallen |= pending & ~host.isfinite(trial)
            with host.errstate(all="ignore"):
                ratio = host.where(host.isfinite(trial), (values - trial) / promised, -math.inf)
            ratio = host.where(promised > 0.0, ratio, -math.inf)
            # the model promises nothing that rounding would not hide: one last step, if it does no harm
            least = eps * abs(values)
            last = pending & (promised >= 0.0) & (promised <= least)
            good = pending & host.where(last, trial <= values + least, ratio > GAIN)
            rows = backend.asarray(good)
            taken = xp.where(rows[:, None] if w.ndim > 1 else rows, p, taken)
            used = host.where(pending, control, used)
            control = host.where(pending, self.adjust(control, ratio, length), control)
            over = pending & (last | (self.exhausted(control) & ~good))
            for r in host.nonzero(over)[0]:
                rounded = STATIONARY if promised[r] == 0.0 else ROUNDED
                problems[r] = NON_FINITE if fallen[r] else rounded
            pending = pending & ~good & ~over
        w += taken
        for r in host.nonzero(pending)[0]:
            problems[r] = Ending(f"no good step in {self.trials} trials")
        state["control"], state["step"] = control, step + 1
        state["active"] = state["active"] & host.array([problem is None for problem in problems])
        rate = used[:, None] if w.ndim > 1 else float(used[0])
        return Record(step, value, gradient, rate, tuple(problems) if any(problems) else ())


SUBPROBLEMS = ("exact", "cg")


@dataclass(frozen=True)
class TrustRegion(GainRatio):
    """Newton's method in a trust region: `p` minimizes `g'p + p'Hp/2` for `|p| <= radius`.

    "exact": by the eigenvalues of the whole `H` (More, Sorensen 1983). "cg": by conjugate gradients up to
    the region's boundary, with products only (Steihaug 1983). Both use negative curvature rather than
    suffer from it.

    Attributes:
        subproblem: "exact" or "cg".
        radius: at the start; it is quartered from the length of the step where the gain ratio is below
            1/4, and doubled where it is above 3/4 and the step ends on the boundary.
        largest: the largest radius.
        trials: the most evaluations in a step.

    Raises:
        TypeError, ValueError: a setting outside its range; an objective without `hessian_product`.
        MemoryError: in the first step, if `H` would not fit; the message gives its size.
    """

    subproblem: str = "exact"
    radius: float = 1.0
    largest: float = 1e10
    trials: int = 60

    def __post_init__(self) -> None:
        checks.choice("subproblem", self.subproblem, SUBPROBLEMS)
        checks.number("radius", self.radius, 0.0, open="(")
        checks.number("largest", self.largest, self.radius)
        checks.count("trials", self.trials)

    def memory(self, backend: Backend, objective: Objective, w: Array) -> tuple[State, float]:
        require(objective, Offers.HESSIAN_PRODUCT, "TrustRegion")
        return {}, self.radius

    def model(
        self, objective: Objective, w: Array, state: State
    ) -> tuple[Array, Array, Propose, tuple[Ending | None, ...]]:
        backend = backend_of(w)
        value, gradient = objective.value_and_gradient(w)

        def truncated(radii: Any) -> tuple[Array, Any, Any]:
            radius = backend.asarray(radii[:, None] if w.ndim > 1 else radii, w.dtype)
            solution = linear.conjugate_gradient(
                lambda v: objective.hessian_product(w, v),
                -gradient,
                tolerance=forcing(backend.xp, gradient),
                radius=radius,
            )
            length = backend.to_numpy(dot(backend.xp, solution.x, solution.x)).reshape(-1) ** 0.5
            return solution.x, backend.to_numpy(solution.decrease).reshape(-1), length

        if self.subproblem == "cg":
            return value, gradient, truncated, ()
        eigenvalues, vectors, problems = eigen(backend, "Hessian", objective.hessian(w))
        parts = (gradient[..., None, :] @ vectors)[..., 0, :]
        rows = w.shape[0] if w.ndim > 1 else 1
        curvatures = backend.to_numpy(eigenvalues).reshape(rows, -1).astype(float)
        slopes = backend.to_numpy(parts).reshape(rows, -1).astype(float)
        slopes = host.where(host.isfinite(slopes), slopes, 0.0)

        def exact(radii: Any) -> tuple[Array, Any, Any]:
            steps = host.stack([_in_ball(*row) for row in zip(curvatures, slopes, radii, strict=True)])
            promised = -((slopes + 0.5 * curvatures * steps) * steps).sum(axis=1)
            q = backend.asarray(steps if w.ndim > 1 else steps[0], w.dtype)
            return (vectors @ q[..., None])[..., 0], promised, host.sqrt((steps * steps).sum(axis=1))

        return value, gradient, exact, problems

    def adjust(self, control: Any, ratio: Any, length: Any) -> Any:
        wider = (ratio > 0.75) & (length > 0.99 * control)
        grown = host.where(wider, host.minimum(2.0 * control, self.largest), control)
        return host.where(ratio < 0.25, 0.25 * host.minimum(length, control), grown)

    def exhausted(self, control: Any) -> Any:
        return control < 1e-100


def _in_ball(curvatures: Any, slopes: Any, radius: float) -> Any:
    """The minimum of `sum_i s_i q_i + c_i q_i^2 / 2` over `|q| <= radius`, `c` ascending.

    It is `q_i = -s_i / (c_i + t)` with the `t >= max(0, -c_0)` for which `|q| = radius`, found by Newton's
    method on `1 / |q| - 1 / radius` (More, Sorensen 1983).
    """
    lowest = max(0.0, -curvatures[0])
    scale = max(abs(curvatures[0]), abs(curvatures[-1]), 1e-300)

    def at(t: float) -> Any:
        below = curvatures + t
        small = below <= 1e-15 * scale
        # where both vanish there is no slope to follow: the hard case, see below
        with host.errstate(all="ignore"):
            return host.where(
                small, host.where(slopes == 0.0, 0.0, -host.sign(slopes) * math.inf), -slopes / below
            )

    q = at(lowest)
    length = math.hypot(*q)
    if length <= radius:
        if curvatures[0] < 0.0:  # the hard case: the rest of the way along the lowest curvature
            q = q.copy()
            q[0] += math.sqrt(max(0.0, radius * radius - length * length))
        return q
    low, high = lowest, lowest + math.hypot(*slopes) / radius
    t = high if not math.isfinite(length) else lowest
    for _ in range(100):
        q = at(t)
        length = math.hypot(*q)
        if abs(length - radius) <= 1e-10 * radius or high - low <= 1e-16 * high:
            break
        low, high = (t, high) if length > radius else (low, t)
        with host.errstate(all="ignore"):
            slope = float(host.nansum(q * q / (curvatures + t)))
        t = t + length * length / slope * (length - radius) / radius if math.isfinite(slope) else low
        if not low < t < high:
            t = math.sqrt(low * high) if low > 0.0 else 0.5 * (low + high)
    return q


SCALINGS = ("diagonal", "identity")


@dataclass(frozen=True)
class LevenbergMarquardt(GainRatio):
    """`(G + lambda D) p = -g` with the Gauss-Newton matrix `G`; `J'J` for least squares.

    Levenberg 1944, Marquardt 1963; for networks Hagan, Menhaj 1994. `lambda` is multiplied by `factor`, and
    the step tried again, if it does not lower the value; it is divided by it after a step that brings at
    least 3/4 of what the model promised, and left alone otherwise. The customary constants are 1e-3 and 10;
    on NIST's regression problems these take a third fewer evaluations and solve one more
    (ci/results/nist.txt).

    Attributes:
        damping: lambda at the start.
        factor: see above.
        largest: the lambda at which it gives up.
        scaling: `D`: the "diagonal" of `G`, the largest so far of each (More 1978), which makes the steps
            independent of the parameters' units; or the "identity".
        matrix_free: solve by conjugate gradients with products rather than with `G` whole; only with
            scaling "identity".

    Raises:
        TypeError, ValueError: a setting outside its range; an objective without `gauss_newton_product`.
        MemoryError: in the first step, if `G` would not fit; the message gives its size.
    """

    damping: float = 1e-2
    factor: float = 4.0
    largest: float = 1e10
    scaling: str = "diagonal"
    matrix_free: bool = False
    trials: int = 60

    def __post_init__(self) -> None:
        checks.number("damping", self.damping, 0.0, open="(")
        checks.number("factor", self.factor, 1.0, open="(")
        checks.number("largest", self.largest, self.damping)
        checks.choice("scaling", self.scaling, SCALINGS)
        checks.count("trials", self.trials)
        if self.matrix_free and self.scaling != "identity":
            raise ValueError(
                f"scaling must be 'identity' where matrix_free is true, got {self.scaling!r}: "
                "the diagonal is not known"
            )

    def memory(self, backend: Backend, objective: Objective, w: Array) -> tuple[State, float]:
        require(objective, Offers.GAUSS_NEWTON_PRODUCT, "LevenbergMarquardt")
        xp = array_api_compat.array_namespace(w)
        return ({"scale": xp.zeros_like(w)} if self.scaling == "diagonal" else {}), self.damping

    def model(
        self, objective: Objective, w: Array, state: State
    ) -> tuple[Array, Array, Propose, tuple[Ending | None, ...]]:
        backend = backend_of(w)
        xp = backend.xp

        def column(damping: Any) -> Array:
            return backend.asarray(damping[:, None] if w.ndim > 1 else damping, w.dtype)

        def result(p: Array, damping: Array, D: Array | float) -> tuple[Array, Any, Any]:
            # as (G + lambda D) p = -g, the decrease -g'p - p'Gp/2 is (lambda p'Dp - g'p) / 2
            promised = 0.5 * (damping * dot(xp, p, D * p) - dot(xp, gradient, p))
            return p, backend.to_numpy(promised).reshape(-1), None

        def free(dampings: Any) -> tuple[Array, Any, Any]:
            damping = column(dampings)
            solution = linear.conjugate_gradient(
                lambda v: objective.gauss_newton_product(w, v) + damping * v,
                -gradient,
                tolerance=forcing(xp, gradient),
            )
            p = solution.x
            promised = solution.decrease + 0.5 * (damping * dot(xp, p, p))[..., 0]
            return p, backend.to_numpy(promised).reshape(-1), None

        if self.matrix_free:
            value, gradient = objective.value_and_gradient(w)
            return value, gradient, free, ()
        if Offers.NORMAL_EQUATIONS in objective.offers:
            value, gradient, matrix = objective.normal_equations(w)
        else:
            value, gradient = objective.value_and_gradient(w)
            matrix = objective.gauss_newton(w)
        D = xp.ones_like(w)
        if self.scaling == "diagonal":
            state["scale"] = xp.maximum(state["scale"], xp.linalg.diagonal(matrix))
            D = xp.where(state["scale"] > 0.0, state["scale"], 1.0)
        # in units in which D is the identity, which also makes the solution more exact
        root = D**0.5
        scaled = matrix / (root[..., :, None] * root[..., None, :])
        eye = xp.eye(w.shape[-1], dtype=w.dtype, device=backend.device)

        def whole(dampings: Any) -> tuple[Array, Any, Any]:
            damping = column(dampings)
            q = _solve(scaled + damping[..., None] * eye, -gradient / root)
            return result(q / root, damping, D)

        return value, gradient, whole, ()

    def adjust(self, control: Any, ratio: Any, length: Any) -> Any:
        smaller = host.maximum(control / self.factor, 1e-20)
        return host.where(ratio > GAIN, host.where(ratio > 0.75, smaller, control), control * self.factor)

    def exhausted(self, control: Any) -> Any:
        return control > self.largest


def _solve(matrix: Array, b: Array) -> Array:
    """`matrix^-1 b`; NaN for a replica whose matrix is singular."""
    xp = array_api_compat.array_namespace(b)
    try:
        return xp.linalg.solve(matrix, b[..., None])[..., 0]
    except ValueError:  # NumPy's LinAlgError is one
        if b.ndim == 1:
            return xp.full_like(b, math.nan)
        return xp.stack([_solve(matrix[r, ...], b[r, ...]) for r in range(b.shape[0])])
