"""Gradient descent, and its two variants with a momentum."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import array_api_compat

from .. import checks
from ..backend import Array
from ..objectives import Objective
from ..schedules import Rate, as_schedule
from . import rules
from .base import Optimizer, Record, State


@dataclass(frozen=True)
class GradientDescent(Optimizer):
    """`w -= eta g`.

    Attributes:
        rate: `eta`, a number, an `(R, 1)` array, a schedule, or a callable of the step.

    Raises:
        TypeError, ValueError: a rate that is not positive and finite.
    """

    rate: Rate = 0.1

    def __post_init__(self) -> None:
        as_schedule(self.rate)

    def initialise(self, objective: Objective, w: Array) -> State:
        return _start(self.rate, w)

    def step(self, objective: Objective, w: Array, state: State) -> Record:
        value, gradient = objective.value_and_gradient(w)
        rate = _rate(self.rate, state)
        rules.gradient_descent.write(_xp(w), (w,), w, gradient, rate=rate)
        return _record(self.rate, state, value, gradient, rate)


@dataclass(frozen=True)
class Momentum(Optimizer):
    """`v = beta v - eta g`, `w += v`: the heavy ball (Polyak 1964).

    The rate is inside the velocity, so a rate that changes acts on what is added from then on. PyTorch's
    SGD keeps it outside; the two agree as long as the rate is constant.

    Attributes:
        rate: `eta`, a number, an `(R, 1)` array, a schedule, or a callable of the step.
        momentum: `beta`, in [0, 1), or an `(R, 1)` array.

    Raises:
        TypeError, ValueError: a rate that is not positive and finite; a momentum outside [0, 1).
    """

    rate: Rate = 0.1
    momentum: Any = 0.9

    def __post_init__(self) -> None:
        as_schedule(self.rate)
        _check_momentum(self.momentum)

    def initialise(self, objective: Objective, w: Array) -> State:
        checks.per_replica("momentum", self.momentum, w)
        return _start(self.rate, w) | {"velocity": _xp(w).zeros_like(w)}

    def step(self, objective: Objective, w: Array, state: State) -> Record:
        value, gradient = objective.value_and_gradient(w)
        rate, velocity = _rate(self.rate, state), state["velocity"]
        rules.momentum.write(
            _xp(w), (w, velocity), w, gradient, velocity, rate=rate, momentum=self.momentum
        )
        return _record(self.rate, state, value, gradient, rate)


@dataclass(frozen=True)
class Nesterov(Optimizer):
    """`w += beta v`, gradient there, `w -= eta g`, `v = beta v - eta g` (Nesterov 1983).

    The point `w + beta v`, where the gradient is taken, is kept as state; a record describes it. It is
    the iterate of PyTorch's SGD(nesterov=True), as long as the rate is constant.

    Attributes:
        rate: `eta`, a number, an `(R, 1)` array, a schedule, or a callable of the step.
        momentum: `beta`, in [0, 1), or an `(R, 1)` array.

    Raises:
        TypeError, ValueError: a rate that is not positive and finite; a momentum outside [0, 1).
    """

    rate: Rate = 0.1
    momentum: Any = 0.9

    def __post_init__(self) -> None:
        as_schedule(self.rate)
        _check_momentum(self.momentum)

    def initialise(self, objective: Objective, w: Array) -> State:
        checks.per_replica("momentum", self.momentum, w)
        xp = _xp(w)
        return _start(self.rate, w) | {
            "velocity": xp.zeros_like(w),
            "ahead": xp.asarray(w, copy=True),
        }

    def step(self, objective: Objective, w: Array, state: State) -> Record:
        ahead, velocity = state["ahead"], state["velocity"]
        value, gradient = objective.value_and_gradient(ahead)
        rate = _rate(self.rate, state)
        rules.nesterov.write(
            _xp(w),
            (w, velocity, ahead),
            ahead,
            gradient,
            velocity,
            rate=rate,
            momentum=self.momentum,
        )
        return _record(self.rate, state, value, gradient, rate)


def _xp(w: Array) -> Any:
    return array_api_compat.array_namespace(w)


def _check_momentum(momentum: Any) -> None:
    if getattr(momentum, "ndim", 0) > 0:
        xp = array_api_compat.array_namespace(momentum)
        if momentum.ndim != 2 or momentum.shape[1] != 1:
            raise ValueError(f"momentum must be a number or (R, 1), got shape {tuple(momentum.shape)}")
        if not bool(xp.all((momentum >= 0) & (momentum < 1))):
            raise ValueError("momentum must be in [0, 1), got an array with others")
    else:
        checks.number("momentum", momentum, 0.0, 1.0, open=")")


def _start(rate: Rate, w: Array) -> State:
    checks.per_replica("rate", rate, w)
    return {"step": 0} | as_schedule(rate).initialise(w)


def _rate(rate: Rate, state: State) -> Any:
    return as_schedule(rate).rate(state["step"], state)


def _record(rate: Rate, state: State, value: Array, gradient: Array, used: Any) -> Record:
    as_schedule(rate).observe(value, state)
    record = Record(state["step"], value, gradient, used)
    state["step"] += 1
    return record
