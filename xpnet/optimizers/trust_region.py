"""Newton's method in a trust region, with the Hessian whole or by its products."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from .. import checks
from ..device.arrays import Vector
from ..device.backend import Backend
from ..linear.vectors import times
from ..objectives import Objective, Offers
from ..objectives.base import require
from . import truncated
from .base import State, evaluate
from .gain_ratio import GainRatio
from .in_ball import in_ball
from .model import Model, Proposal
from .newton import eigen
from .promise import unrestricted
from .replicas import Numbers, numbers
from .settings import keep

Subproblem = Literal["exact", "cg"]
SUBPROBLEMS: tuple[Subproblem, ...] = ("exact", "cg")


@dataclass(frozen=True)
class TrustRegion(GainRatio):
    """Newton's method in a trust region: `p` minimizes `g'p + p'Hp/2` for `|p| <= radius`.

    "exact": by the eigenvalues of the whole `H` (More, Sorensen 1983), which also leaves a saddle where
    the gradient is zero. "cg": by conjugate gradients up to the region's boundary, with products only
    (Steihaug 1983). Both use negative curvature rather than suffer from it.

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

    subproblem: Subproblem = "exact"
    radius: float = 1.0
    largest: float = 1e10
    trials: int = 60

    def __post_init__(self) -> None:
        radius = checks.number("radius", self.radius, 0.0, open="(")
        keep(
            self,
            subproblem=checks.choice("subproblem", self.subproblem, SUBPROBLEMS),
            radius=radius,
            largest=checks.number("largest", self.largest, radius),
            trials=checks.count("trials", self.trials),
        )

    @property
    def start(self) -> float:
        return self.radius

    def memory(self, backend: Backend, objective: Objective, w: Vector) -> State:
        require(objective, Offers.HESSIAN_PRODUCT, "TrustRegion")
        return truncated.memory(backend, w) if self.subproblem == "cg" else {}

    def model(self, backend: Backend, objective: Objective, w: Vector, state: State) -> Model:
        if "gradient" not in state:
            state["value"], state["gradient"] = evaluate(backend, objective, w)
        return (_Exact if self.subproblem == "exact" else _Truncated)(backend, objective, w, state)

    def adjust(self, backend: Backend, control: Numbers, ratio: Numbers, length: Numbers) -> Numbers:
        host = backend.host
        length = host.where(host.isfinite(length), host.minimum(length, control), control)
        wider = (ratio > 0.75) & (length > 0.99 * control)
        grown = host.where(
            wider, host.minimum(2.0 * control, host.full_like(control, self.largest)), control
        )
        return host.where(ratio < 0.25, 0.25 * length, grown)

    def exhausted(self, control: Numbers) -> Numbers:
        return control < 1e-100

    def forget(self, backend: Backend, state: State, rows: Numbers) -> None:
        pass  # the radius is all that it learns


class _Exact(Model):
    """With the whole Hessian, by its eigenvalues; the subproblems are solved on the host."""

    def __init__(self, backend: Backend, objective: Objective, w: Vector, state: State) -> None:
        xp, host = backend.xp, backend.host
        self.backend, self.w = backend, w
        self.value, self.gradient = state["value"], state["gradient"]
        self.hessian = objective.hessian(w)
        eigenvalues, self.vectors, self.endings = eigen(backend, "Hessian", self.hessian)
        parts = (self.gradient[..., None, :] @ self.vectors)[..., 0, :]
        size = w.shape[-1]
        curvatures = host.reshape(numbers(backend, xp.reshape(eigenvalues, (-1,))), (-1, size))
        slopes = host.reshape(numbers(backend, xp.reshape(parts, (-1,))), (-1, size))
        # negative curvatures that rounding may have made are none
        tolerance = (
            size * float(xp.finfo(w.dtype).eps) * host.max(host.abs(curvatures), axis=1, keepdims=True)
        )
        rounded = (curvatures < 0.0) & (curvatures >= -tolerance)
        self.curvatures = host.where(rounded, 0.0, curvatures)
        self.slopes = host.where(host.isfinite(slopes), slopes, 0.0)
        self.tolerance = tolerance

    def propose(self, control: Numbers) -> Proposal:
        host = self.backend.host
        q = in_ball(host, self.curvatures, self.slopes, control)
        promised = -host.sum((self.slopes + 0.5 * self.curvatures * q) * q, axis=1)
        there = self.backend.asarray(q if self.w.ndim > 1 else q[0, :], self.w.dtype)
        move = times(self.vectors, there)
        return Proposal(move, promised, host.sqrt(host.sum(q * q, axis=1)), control)

    def unrestricted(self) -> tuple[Vector, Numbers]:
        return unrestricted(self.backend, self.hessian, self.gradient)


class _Truncated(Model):
    """With products only, by conjugate gradients."""

    def __init__(self, backend: Backend, objective: Objective, w: Vector, state: State) -> None:
        self.backend, self.objective, self.w, self.state = backend, objective, w, state
        self.value, self.gradient = state["value"], state["gradient"]
        truncated.remember(backend, self.gradient, state)

    def propose(self, control: Numbers) -> Proposal:
        return Proposal(*self._solve(control)[:3], control)

    def unrestricted(self) -> tuple[Vector, Numbers]:
        p, promised, _, bounded = self._solve(None)
        return p, self.backend.host.where(bounded, promised, math.inf)

    def _solve(self, radius: Numbers | None) -> tuple[Vector, Numbers, Numbers, Numbers]:
        def product(v: Vector) -> Vector:
            return self.objective.hessian_product(self.w, v)

        return truncated.solve(self.backend, product, self.gradient, self.state, radius)
