"""Levenberg-Marquardt: the damped Gauss-Newton method, with the matrix whole or by its products."""

from __future__ import annotations

import math
from abc import abstractmethod
from dataclasses import dataclass
from typing import Literal

from .. import checks
from ..device.arrays import Matrix, Namespace, Vector
from ..device.backend import Backend
from ..objectives import Objective, Offers
from ..objectives.base import require
from . import truncated
from .base import State, evaluate
from .gain_ratio import GAIN, GainRatio, rounding
from .model import Model, Proposal
from .outcome import Ending
from .promise import unrestricted
from .replicas import Numbers, column, inner, merged, numbers, row_norms
from .settings import keep

Scaling = Literal["diagonal", "identity"]
SCALINGS: tuple[Scaling, ...] = ("diagonal", "identity")
NOT_FINITE = Ending("the Gauss-Newton matrix is not finite")
REACH = 10.0  # of the first step, in norms of `w`; More (1978) has .1 to 100
SEEN = 250.0  # what a first step that is cut short still promises, in units of the value's rounding
LEAST = 1e-20  # of a damping, beside the least entry of the diagonal in units of `D`


@dataclass(frozen=True)
class LevenbergMarquardt(GainRatio):
    """`(G + lambda D) p = -g` with the Gauss-Newton matrix `G`; `J'J` for least squares.

    Levenberg 1944, Marquardt 1963; for networks Hagan, Menhaj 1994. `lambda` is multiplied by `factor`, and
    the step tried again, if it does not lower the value; it is divided by it after a step that brings at
    least 3/4 of what the model promised, and left alone otherwise. The first step is damped until it is at
    most 10 times as long as `w`, in the norm of `D` (More 1978), but not until rounding hides what it
    brings. The customary constants are 1e-3 and 10; on NIST's regression problems, of which both solve as
    many, these take a third fewer evaluations in all (ci/results/nist.txt).

    Attributes:
        damping: lambda at the start.
        factor: see above.
        largest: the lambda at which it gives up.
        scaling: `D`: the "diagonal" of `G`, the largest so far of each (More 1978), which makes the steps
            independent of the parameters' units; or the "identity" times the largest entry of the
            diagonal, so that lambda does not depend on the unit of the value.
        matrix_free: solve by conjugate gradients with products rather than with `G` whole; only with
            scaling "identity", and the curvature along the gradient in the place of the diagonal.
        trials: the most evaluations in a step.

    Raises:
        TypeError, ValueError: a setting outside its range; an objective without `gauss_newton_product`.
        MemoryError: in the first step, if `G` would not fit; the message gives its size.
    """

    damping: float = 1e-2
    factor: float = 4.0
    largest: float = 1e30
    scaling: Scaling = "diagonal"
    matrix_free: bool = False
    trials: int = 60

    def __post_init__(self) -> None:
        damping = checks.number("damping", self.damping, 0.0, open="(")
        keep(
            self,
            damping=damping,
            factor=checks.number("factor", self.factor, 1.0, open="("),
            largest=checks.number("largest", self.largest, damping),
            scaling=checks.choice("scaling", self.scaling, SCALINGS),
            matrix_free=checks.flag("matrix_free", self.matrix_free),
            trials=checks.count("trials", self.trials),
        )
        if self.matrix_free and self.scaling != "identity":
            raise ValueError(
                f"scaling must be 'identity' where matrix_free is true, got {self.scaling!r}: "
                "the diagonal is not known"
            )

    @property
    def start(self) -> float:
        return self.damping

    def memory(self, backend: Backend, objective: Objective, w: Vector) -> State:
        require(objective, Offers.GAUSS_NEWTON_PRODUCT, "LevenbergMarquardt")
        if self.matrix_free:
            return truncated.memory(backend, w)
        return {"scale": backend.xp.zeros_like(w)} if self.scaling == "diagonal" else {}

    def model(self, backend: Backend, objective: Objective, w: Vector, state: State) -> Model:
        at_once = not self.matrix_free and Offers.NORMAL_EQUATIONS in objective.offers
        if not at_once and "gradient" not in state:
            state["value"], state["gradient"] = evaluate(backend, objective, w)
        if self.matrix_free:
            return _Products(self, backend, objective, w, state)
        return _Whole(self, backend, objective, w, state, at_once)

    def adjust(self, backend: Backend, control: Numbers, ratio: Numbers, length: Numbers) -> Numbers:
        host = backend.host
        smaller = host.maximum(control / self.factor, host.full_like(control, 1e-300))
        return host.where(ratio > GAIN, host.where(ratio > 0.75, smaller, control), control * self.factor)

    def exhausted(self, control: Numbers) -> Numbers:
        return control > self.largest

    def forget(self, backend: Backend, state: State, rows: Numbers) -> None:
        if self.scaling == "diagonal":
            scale = state["scale"]
            state["scale"] = merged(backend, rows, backend.xp.zeros_like(scale), scale)


class _Damped(Model):
    """What both ways to solve have in common: the first step is damped until it is short enough."""

    def __init__(self, method: LevenbergMarquardt, backend: Backend, w: Vector, state: State) -> None:
        self.method, self.backend, self.w, self.state = method, backend, w, state
        self.least: Numbers = LEAST

    def scale(self, measured: Vector) -> Vector:
        """`D` from what was measured, 1 where that is zero; it tells how far the first step may go."""
        xp = self.backend.xp
        D = xp.where((measured > 0.0) & xp.isfinite(measured), measured, 1.0)
        host, size = self.backend.host, REACH * row_norms(self.backend, D**0.5 * self.w)
        self.reach = host.where(self.state["fresh"], host.where(size > 0.0, size, REACH), math.inf)
        return D

    def propose(self, control: Numbers) -> Proposal:
        host, method = self.backend.host, self.method
        seen = SEEN * method.factor * rounding(self.backend, self.w, self.value)
        control = host.maximum(control, host.zeros_like(control) + self.least)
        while True:
            proposal = self.step(control)
            long = (proposal.length > self.reach) & (proposal.promised > seen)
            if not host.any(long := long & (control < method.largest)):
                return proposal
            control = host.where(long, control * method.factor, control)

    @abstractmethod
    def step(self, control: Numbers) -> Proposal:
        """The step with this damping, however long; its length is that in the norm of `D`."""


class _Whole(_Damped):
    """With the whole Gauss-Newton matrix, in units in which `D` is the identity: that is more exact too."""

    def __init__(
        self,
        method: LevenbergMarquardt,
        backend: Backend,
        objective: Objective,
        w: Vector,
        state: State,
        at_once: bool,
    ) -> None:
        super().__init__(method, backend, w, state)
        xp, self.takes_gradients = backend.xp, not at_once
        if at_once:
            self.value, gradient, matrix = objective.normal_equations(w)
            self.gradient = xp.asarray(gradient, copy=True)
        else:
            self.value, self.gradient = state["value"], state["gradient"]
            matrix = objective.gauss_newton(w)
        diagonal = xp.linalg.diagonal(matrix)
        finite = numbers(backend, xp.all(xp.isfinite(diagonal), axis=-1)) > 0.0
        if not backend.host.all(finite):
            self.endings = tuple(None if sound else NOT_FINITE for sound in finite)
        if method.scaling == "identity":
            diagonal = xp.max(diagonal, axis=-1, keepdims=True)
        else:
            here = xp.where(xp.isfinite(diagonal), diagonal, 0.0)
            diagonal = xp.maximum(state["scale"], here)
            state["scale"] = diagonal
            # where `D` has grown in a bad start, dampings that are small beside it are large beside `G`
            shares = xp.where(here > 0.0, here / xp.where(diagonal > 0.0, diagonal, 1.0), 1.0)
            self.least = LEAST * numbers(backend, xp.min(shares, axis=-1))
        self.root = self.scale(diagonal) ** 0.5
        self.matrix: Matrix = matrix
        self.scaled: Matrix = matrix / (self.root[..., :, None] * self.root[..., None, :])
        self.slope: Vector = self.gradient / self.root
        self.eye: Matrix = xp.eye(w.shape[-1], dtype=w.dtype, device=backend.device)

    def step(self, control: Numbers) -> Proposal:
        backend = self.backend
        damping = column(backend, control, self.w, self.w.dtype)
        q = _solve(backend.xp, self.scaled + damping[..., None] * self.eye, -self.slope)
        qq = inner(backend, q, q)
        # as (G + lambda) q = -g, the decrease -g'q - q'Gq/2 is (lambda q'q - g'q) / 2
        promised = 0.5 * (control * qq - inner(backend, self.slope, q))
        return Proposal(q / self.root, promised, backend.host.sqrt(qq), control)

    def unrestricted(self) -> tuple[Vector, Numbers]:
        return unrestricted(self.backend, self.matrix, self.gradient)


class _Products(_Damped):
    """With products only; `D` is the curvature along the gradient."""

    def __init__(
        self, method: LevenbergMarquardt, backend: Backend, objective: Objective, w: Vector, state: State
    ) -> None:
        super().__init__(method, backend, w, state)
        self.value, self.gradient = state["value"], state["gradient"]
        self.objective, xp = objective, backend.xp
        truncated.remember(backend, self.gradient, state)
        largest = xp.max(xp.abs(self.gradient), axis=-1, keepdims=True)
        along = self.gradient / xp.where(largest > 0.0, largest, 1.0)
        curvature = xp.vecdot(along, self.product(along))[..., None]
        square = xp.vecdot(along, along)[..., None]
        self.D = self.scale(curvature / xp.where(square > 0.0, square, 1.0))

    def product(self, v: Vector) -> Vector:
        return self.objective.gauss_newton_product(self.w, v)

    def step(self, control: Numbers) -> Proposal:
        backend = self.backend
        damping = column(backend, control, self.w, self.w.dtype) * self.D

        def damped(v: Vector) -> Vector:
            return self.product(v) + damping * v

        p, promised, length, _ = truncated.solve(backend, damped, self.gradient, self.state)
        length = length * backend.host.sqrt(numbers(backend, self.D[..., 0]))
        return Proposal(p, promised + 0.5 * control * length * length, length, control)

    def unrestricted(self) -> tuple[Vector, Numbers]:
        p, promised, *_ = truncated.solve(self.backend, self.product, self.gradient, self.state)
        return p, promised


def _solve(xp: Namespace, matrix: Matrix, b: Vector) -> Vector:
    """`matrix^-1 b`; NaN for a replica whose matrix is singular."""
    try:
        return xp.linalg.solve(matrix, b[..., None])[..., 0]
    except ValueError:  # NumPy's LinAlgError is one
        if b.ndim == 1:
            return xp.full_like(b, math.nan)
        return xp.stack([_solve(xp, matrix[r, ...], b[r, ...]) for r in range(b.shape[0])])
