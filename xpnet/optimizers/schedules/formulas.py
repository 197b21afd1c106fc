"""Schedules that are formulas in the step."""

from __future__ import annotations

import bisect
import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, cast

from ... import checks
from ...device.arrays import Array, Scalar, Vector
from ...device.backend import Backend
from ..settings import keep
from .base import Memory, Schedule, StepFormula
from .rates import as_schedule


@dataclass(frozen=True)
class Constant(StepFormula):
    """`eta_k = initial`."""

    initial: float

    def __post_init__(self) -> None:
        keep(self, initial=_positive("initial", self.initial))

    def rate(self, step: int, memory: Memory) -> float:
        return self.initial


@dataclass(frozen=True)
class LinearDecay(StepFormula):
    """`eta_k = initial / (k + 1)`."""

    initial: float

    def __post_init__(self) -> None:
        keep(self, initial=_positive("initial", self.initial))

    def rate(self, step: int, memory: Memory) -> float:
        return self.initial / (step + 1)


@dataclass(frozen=True)
class QuadraticDecay(StepFormula):
    """`eta_k = initial / (k + 1)^2`."""

    initial: float

    def __post_init__(self) -> None:
        keep(self, initial=_positive("initial", self.initial))

    def rate(self, step: int, memory: Memory) -> float:
        return self.initial / (step + 1) ** 2


@dataclass(frozen=True)
class ExponentialDecay(StepFormula):
    """`eta_k = initial exp(-decay k)`, `decay > 0`."""

    initial: float
    decay: float

    def __post_init__(self) -> None:
        keep(self, initial=_positive("initial", self.initial), decay=_positive("decay", self.decay))

    def rate(self, step: int, memory: Memory) -> float:
        exponent = -self.decay * step
        # a step that is counted on a device stays there
        return self.initial * (math.exp(exponent) if isinstance(exponent, float) else math.e**exponent)


@dataclass(frozen=True)
class Step(StepFormula):
    """`eta_k = initial factor^floor(k / every)`, as PyTorch's StepLR.

    >>> from xpnet.optimizers.schedules import Step
    >>> [round(Step(1.0, 2).rate(k, {}), 3) for k in range(5)]
    [1.0, 1.0, 0.1, 0.1, 0.01]
    """

    initial: float
    every: int
    factor: float = 0.1

    def __post_init__(self) -> None:
        keep(
            self,
            initial=_positive("initial", self.initial),
            every=checks.count("every", self.every),
            factor=_positive("factor", self.factor),
        )

    def rate(self, step: int, memory: Memory) -> float:
        return self.initial * self.factor ** (step // self.every)


@dataclass(frozen=True)
class MultiStep(StepFormula):
    """`initial`, times `factor` from each of the steps `milestones` on, as PyTorch's MultiStepLR.

    Attributes:
        milestones: numbers of steps, in any order; one that is there twice counts twice.

    >>> from xpnet.optimizers.schedules import MultiStep
    >>> [round(MultiStep(1.0, (1, 3)).rate(k, {}), 3) for k in range(5)]
    [1.0, 0.1, 0.1, 0.01, 0.01]
    """

    initial: float
    milestones: tuple[int, ...]
    factor: float = 0.1

    __repr__ = checks.described

    def __post_init__(self) -> None:
        given: Any = self.milestones
        if isinstance(given, str) or not isinstance(given, Iterable):
            raise TypeError(
                f"milestones must be numbers of steps such as (30, 80), got {checks.shown(given)}"
            )
        keep(
            self,
            initial=_positive("initial", self.initial),
            milestones=tuple(
                sorted(checks.count("each of milestones", step, 0) for step in cast("Iterable[Any]", given))
            ),
            factor=_positive("factor", self.factor),
        )

    def rate(self, step: int, memory: Memory) -> float:
        return self.initial * self.factor ** bisect.bisect_right(self.milestones, step)


@dataclass(frozen=True)
class Polynomial(StepFormula):
    """`eta_k = initial (1 - min(k, steps) / steps)^power`, as PyTorch's PolynomialLR.

    >>> from xpnet.optimizers.schedules import Polynomial
    >>> [Polynomial(1.0, 4).rate(k, {}) for k in range(6)]
    [1.0, 0.75, 0.5, 0.25, 0.0, 0.0]
    """

    initial: float
    steps: int
    power: float = 1.0

    def __post_init__(self) -> None:
        keep(
            self,
            initial=_positive("initial", self.initial),
            steps=checks.count("steps", self.steps),
            power=_positive("power", self.power),
        )

    def rate(self, step: float, memory: Memory) -> float:
        return self.initial * (1.0 - min(step, self.steps) / self.steps) ** self.power


@dataclass(frozen=True)
class Lambda(StepFormula):
    """`eta_k = initial function(k)`, as PyTorch's LambdaLR.

    `to_dict` refuses it, as it does all that holds a function; pickle takes one that a module defines.

    Attributes:
        function: from the number of the step to a number, not negative and finite.

    >>> from xpnet.optimizers.schedules import Lambda
    >>> Lambda(0.5, lambda k: 0.5**k).rate(2, {})
    0.125
    """

    initial: float
    function: Callable[[int], float]

    def __post_init__(self) -> None:
        checks.function("function", self.function, "the number of a step")
        keep(self, initial=_positive("initial", self.initial))

    def rate(self, step: int, memory: Memory) -> float:
        return self.initial * checks.number(f"function({step})", self.function(step), 0.0)


@dataclass(frozen=True)
class Cosine(StepFormula):
    """From `initial` down to `minimum` in half a cosine of `steps` steps, and `minimum` from then on.

    `eta_k = minimum + (initial - minimum) (1 + cos(pi k / steps)) / 2` (Loshchilov, Hutter 2017).

    >>> from xpnet.optimizers.schedules import Cosine
    >>> [round(Cosine(0.1, 4).rate(k, {}), 4) for k in range(5)]
    [0.1, 0.0854, 0.05, 0.0146, 0.0]
    """

    initial: float
    steps: int
    minimum: float = 0.0

    def __post_init__(self) -> None:
        initial = _positive("initial", self.initial)
        keep(
            self,
            initial=initial,
            steps=checks.count("steps", self.steps),
            minimum=checks.number("minimum", self.minimum, 0.0, initial),
        )

    def rate(self, step: float, memory: Memory) -> float:
        turn = math.cos(math.pi * min(step, self.steps) / self.steps)
        return self.minimum + 0.5 * (self.initial - self.minimum) * (1.0 + turn)


@dataclass(frozen=True)
class Restarts(StepFormula):
    """`schedule` begun anew every `period` steps: warm restarts (Loshchilov, Hutter 2017).

    Each period is `growth` times as long as the one before, and `schedule` stretched with it, so that
    `Restarts(Cosine(eta, T), T, 2)` is PyTorch's CosineAnnealingWarmRestarts(T_0=T, T_mult=2).

    Attributes:
        schedule: one that is a formula in the step.
        period: the length of the first.
        growth: an integer of at least 1.

    >>> from xpnet.optimizers.schedules import Cosine, Restarts
    >>> [round(Restarts(Cosine(0.1, 2), 2).rate(k, {}), 4) for k in range(5)]
    [0.1, 0.05, 0.1, 0.05, 0.1]
    """

    schedule: Schedule
    period: int
    growth: int = 1

    def __post_init__(self) -> None:
        checks.instance("schedule", self.schedule, StepFormula, "a formula such as Cosine(0.1, 100)")
        keep(self, period=checks.count("period", self.period), growth=checks.count("growth", self.growth))

    def rate(self, step: int, memory: Memory) -> float | Array:
        length, place = self.period, step
        if self.growth == 1:
            place = step % length
        while place >= length:
            place, length = place - length, length * self.growth
        stretched: Any = place * self.period / length
        return self.schedule.rate(stretched, memory)


@dataclass(frozen=True)
class WarmUp(Schedule):
    """`schedule`, times `(k + 1) / steps` in the first `steps` steps (Goyal et al. 2017).

    Attributes:
        schedule: any other, or whatever else can be a rate.
        steps: of the warm-up.

    >>> from xpnet import GradientDescent
    >>> from xpnet.optimizers.schedules import LinearDecay, WarmUp
    >>> optimizer = GradientDescent(WarmUp(LinearDecay(0.1), 10))
    """

    schedule: Any
    steps: int

    __repr__ = checks.described

    def __post_init__(self) -> None:
        keep(self, schedule=as_schedule(self.schedule, "schedule"), steps=checks.count("steps", self.steps))

    def initialize(self, backend: Backend, w: Vector) -> Memory:
        return self.schedule.initialize(backend, w)

    def observe(self, backend: Backend, value: Scalar, memory: Memory) -> None:
        self.schedule.observe(backend, value, memory)

    def rate(self, step: int, memory: Memory) -> float | Array:
        return self.schedule.rate(step, memory) * min(1.0, (step + 1) / self.steps)


def _positive(name: str, value: Any) -> float:
    return checks.number(name, value, 0.0, open="(")
