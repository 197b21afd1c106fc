"""Gradient descent, and its two variants with a momentum."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import array_api_compat

from .. import checks
from ..device.arrays import Namespace, Vector
from ..device.backend import Backend
from ..objectives import Objective
from . import rules
from .base import FirstOrder, Record, State
from .schedules import Rate, as_schedule


@dataclass(frozen=True)
class GradientDescent(FirstOrder):
    """`w -= eta g`.

    Attributes:
        rate: `eta`, a number, an `(R, 1)` array, a schedule, or a callable of the step.

    Raises:
        TypeError, ValueError: a rate that is not positive and finite.
    """

    rate: Rate = 0.1

    def __post_init__(self) -> None:
        as_schedule(self.rate)

    def memory(self, backend: Backend, objective: Objective, w: Vector) -> State:
        return {}

    def update(self, xp: Namespace, w: Vector, record: Record, state: State) -> None:
        rules.gradient_descent.write(xp, (w,), w, record.gradient, rate=record.rate)


@dataclass(frozen=True)
class Momentum(FirstOrder):
    """`v = beta v - eta g`, `w += v`: the heavy ball (Polyak 1964).

    Attributes:
        rate: `eta`, a number, an `(R, 1)` array, a schedule, or a callable of the step.
        momentum: `beta`, in [0, 1), or an `(R, 1)` array.
        rate_inside: whether a rate that changes acts on what is added to the velocity from then on; or,
            as in PyTorch's SGD, on the whole velocity, `v = beta v - g`, `w += eta v`. At a constant rate
            it is the same.

    Raises:
        TypeError, ValueError: a rate that is not positive and finite; a momentum outside [0, 1).
    """

    rate: Rate = 0.1
    momentum: Any = 0.9
    rate_inside: bool = True

    def __post_init__(self) -> None:
        as_schedule(self.rate)
        _check_momentum(self.momentum)

    def memory(self, backend: Backend, objective: Objective, w: Vector) -> State:
        checks.per_replica("momentum", self.momentum, w)
        return {"velocity": backend.xp.zeros_like(w)}

    def update(self, xp: Namespace, w: Vector, record: Record, state: State) -> None:
        velocity = state["velocity"]
        rule = rules.momentum if self.rate_inside else rules.momentum_outside
        rule.write(
            xp,
            (w, velocity),
            w,
            record.gradient,
            velocity,
            rate=record.rate,
            momentum=self.momentum,
        )


@dataclass(frozen=True)
class Nesterov(FirstOrder):
    """`w += beta v`, gradient there, `w -= eta g`, `v = beta v - eta g` (Nesterov 1983).

    The point `w + beta v`, where the gradient is taken, is kept in the state as "ahead"; a record
    describes it. It is the iterate of PyTorch's SGD(nesterov=True) and of scikit-learn's "sgd". Who moves
    `w` between steps must move it too.

    Attributes:
        rate: `eta`, a number, an `(R, 1)` array, a schedule, or a callable of the step.
        momentum: `beta`, in [0, 1), or an `(R, 1)` array.
        rate_inside: as for `Momentum`.

    Raises:
        TypeError, ValueError: a rate that is not positive and finite; a momentum outside [0, 1).
    """

    rate: Rate = 0.1
    momentum: Any = 0.9
    rate_inside: bool = True

    def __post_init__(self) -> None:
        as_schedule(self.rate)
        _check_momentum(self.momentum)

    def memory(self, backend: Backend, objective: Objective, w: Vector) -> State:
        checks.per_replica("momentum", self.momentum, w)
        return {"velocity": backend.xp.zeros_like(w), "ahead": backend.xp.asarray(w, copy=True)}

    def update(self, xp: Namespace, w: Vector, record: Record, state: State) -> None:
        ahead, velocity = state["ahead"], state["velocity"]
        rule = rules.nesterov if self.rate_inside else rules.nesterov_outside
        rule.write(
            xp,
            (w, velocity, ahead),
            ahead,
            record.gradient,
            velocity,
            rate=record.rate,
            momentum=self.momentum,
        )


def _check_momentum(momentum: Any) -> None:
    if getattr(momentum, "ndim", 0) > 0:
        xp = array_api_compat.array_namespace(momentum)
        if momentum.ndim != 2 or momentum.shape[1] != 1:
            raise ValueError(f"momentum must be a number or (R, 1), got shape {tuple(momentum.shape)}")
        if not bool(xp.all((momentum >= 0) & (momentum < 1))):
            raise ValueError("momentum must be in [0, 1), got an array with others")
    else:
        checks.number("momentum", momentum, 0.0, 1.0, open=")")
