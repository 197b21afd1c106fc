"""Learning rates that change from step to step.

Wherever an optimizer takes a `rate`, it may be a number, an `(R, 1)` array with one rate for each
replica, a `Schedule`, or any callable from the step's number, 0 for the first, to a rate.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass, fields
from typing import Any

import array_api_compat

from .. import checks
from ..device.arrays import Array, Vector
from ..device.backend import Backend
from ..rules import elementwise

Rate = Any  # float | Array | Schedule | Callable[[int], float]


class Schedule(ABC):
    """A rate as a function of the step `k`, and of the values met so far."""

    @abstractmethod
    def initialize(self, backend: Backend, w: Vector) -> dict[str, Any]:
        """What the schedule remembers from step to step."""

    @abstractmethod
    def rate(self, step: int, memory: dict[str, Any]) -> Any:
        """The rate of step `step`: a number, 0-d, or `(R, 1)`."""

    @abstractmethod
    def observe(self, backend: Backend, value: Array, memory: dict[str, Any]) -> None:
        """Tells the value of the objective at the step just taken."""


class _Closed(Schedule):
    """A schedule that is a formula in the step."""

    def initialize(self, backend: Backend, w: Vector) -> dict[str, Any]:
        return {}

    def observe(self, backend: Backend, value: Array, memory: dict[str, Any]) -> None:
        pass


@dataclass(frozen=True)
class Constant(_Closed):
    """`eta_k = initial`."""

    initial: float

    def __post_init__(self) -> None:
        checks.number("initial", self.initial, 0.0, open="(")

    def rate(self, step: int, memory: dict[str, Any]) -> float:
        return self.initial


@dataclass(frozen=True)
class LinearDecay(_Closed):
    """`eta_k = initial / (k + 1)`."""

    initial: float

    def __post_init__(self) -> None:
        checks.number("initial", self.initial, 0.0, open="(")

    def rate(self, step: int, memory: dict[str, Any]) -> float:
        return self.initial / (step + 1)


@dataclass(frozen=True)
class QuadraticDecay(_Closed):
    """`eta_k = initial / (k + 1)^2`."""

    initial: float

    def __post_init__(self) -> None:
        checks.number("initial", self.initial, 0.0, open="(")

    def rate(self, step: int, memory: dict[str, Any]) -> float:
        return self.initial / (step + 1) ** 2


@dataclass(frozen=True)
class ExponentialDecay(_Closed):
    """`eta_k = initial exp(-decay k)`, `decay > 0`."""

    initial: float
    decay: float

    def __post_init__(self) -> None:
        checks.number("initial", self.initial, 0.0, open="(")
        checks.number("decay", self.decay, 0.0, open="(")

    def rate(self, step: int, memory: dict[str, Any]) -> float:
        xp = array_api_compat.array_namespace(step) if _is_array(step) else math
        return self.initial * xp.exp(-self.decay * step)


@dataclass(frozen=True)
class Cosine(_Closed):
    """From `initial` down to `minimum` in half a cosine of `steps` steps, and `minimum` from then on.

    `eta_k = minimum + (initial - minimum) (1 + cos(pi k / steps)) / 2` (Loshchilov, Hutter 2017).
    """

    initial: float
    steps: int
    minimum: float = 0.0

    def __post_init__(self) -> None:
        checks.number("initial", self.initial, 0.0, open="(")
        checks.count("steps", self.steps)
        checks.number("minimum", self.minimum, 0.0, self.initial)

    def rate(self, step: float, memory: dict[str, Any]) -> float:
        turn = math.cos(math.pi * min(step, self.steps) / self.steps)
        return self.minimum + 0.5 * (self.initial - self.minimum) * (1.0 + turn)


@dataclass(frozen=True)
class Restarts(_Closed):
    """`schedule` begun anew every `period` steps: warm restarts (Loshchilov, Hutter 2017).

    Each period is `growth` times as long as the one before, and `schedule` stretched with it, so that
    `Restarts(Cosine(eta, T), T, 2)` is PyTorch's CosineAnnealingWarmRestarts(T_0=T, T_mult=2).

    Attributes:
        schedule: one that is a formula in the step.
        period: the length of the first.
        growth: an integer of at least 1.
    """

    schedule: Schedule
    period: int
    growth: int = 1

    def __post_init__(self) -> None:
        if not isinstance(self.schedule, _Closed):
            raise TypeError(f"schedule must be a formula such as Cosine(0.1, 100), got {self.schedule!r}")
        checks.count("period", self.period)
        checks.count("growth", self.growth)

    def rate(self, step: int, memory: dict[str, Any]) -> Any:
        length, place = self.period, step
        if self.growth == 1:
            place = step % length
        while place >= length:
            place, length = place - length, length * self.growth
        return self.schedule.rate(place * self.period / length, memory)  # type: ignore[arg-type]


@dataclass(frozen=True)
class WarmUp(Schedule):
    """`schedule`, times `(k + 1) / steps` in the first `steps` steps (Goyal et al. 2017).

    Attributes:
        schedule: any other, or a number.
        steps: of the warm-up.
    """

    schedule: Any
    steps: int

    def __post_init__(self) -> None:
        object.__setattr__(self, "schedule", as_schedule(self.schedule))
        checks.count("steps", self.steps)

    def initialize(self, backend: Backend, w: Vector) -> dict[str, Any]:
        return self.schedule.initialize(backend, w)

    def rate(self, step: int, memory: dict[str, Any]) -> Any:
        return self.schedule.rate(step, memory) * min(1.0, (step + 1) / self.steps)

    def observe(self, backend: Backend, value: Array, memory: dict[str, Any]) -> None:
        self.schedule.observe(backend, value, memory)


@elementwise
def _plateau(xp, rate, best, stale, value, *, factor, patience, threshold, minimum):
    known = value == value  # not NaN
    better = value < best * (1.0 - threshold)
    stale = xp.where(better, 0.0, xp.where(known, stale + 1.0, stale))
    best = xp.where(better, value, best)
    reduce = stale > patience
    rate = xp.where(reduce, xp.maximum(rate * factor, minimum), rate)
    return rate, best, xp.where(reduce, 0.0, stale)


@dataclass(frozen=True)
class Plateau(Schedule):
    """The rate is multiplied by `factor` once the value has stagnated for `patience` steps.

    A value is better if it is below `(1 - threshold)` times the best so far. The rule
    runs on the device, for each replica alone, and gives the sequence of PyTorch's ReduceLROnPlateau.

    Attributes:
        initial: the rate at the start.
        factor, patience, threshold: see above.
        minimum: of the rate.
        watch: "value", the objective at each step; or "held_out", the held-out risk each time that
            `minimize` has evaluated it, so that `patience` counts those evaluations.

    Raises:
        ValueError: a setting outside its range.
    """

    initial: float
    factor: float = 0.1
    patience: int = 10
    threshold: float = 1e-4
    minimum: float = 0.0
    watch: str = "value"

    def __post_init__(self) -> None:
        checks.choice("watch", self.watch, ("value", "held_out"))
        checks.number("initial", self.initial, 0.0, open="(")
        checks.number("factor", self.factor, 0.0, 1.0, open="()")
        checks.count("patience", self.patience, 0)
        checks.number("threshold", self.threshold, 0.0)
        checks.number("minimum", self.minimum, 0.0)

    def initialize(self, backend: Backend, w: Vector) -> dict[str, Any]:
        xp, dtype = backend.xp, backend.accumulator
        shape = (w.shape[0], 1) if w.ndim > 1 else ()

        def full(value: float) -> Array:
            return xp.full(shape, value, dtype=dtype, device=backend.device)

        memory = {"rate": full(self.initial), "best": full(math.inf), "stale": full(0.0)}
        return memory | ({"held_out": full(math.nan)} if self.watch == "held_out" else {})

    def rate(self, step: int, memory: dict[str, Any]) -> Array:
        return memory["rate"]

    def observe(self, backend: Backend, value: Array, memory: dict[str, Any]) -> None:
        xp = backend.xp
        rate, best, stale = memory["rate"], memory["best"], memory["stale"]
        if self.watch == "held_out":
            value = memory["held_out"]
            memory["held_out"] = xp.full_like(value, math.nan)  # until the next evaluation
        value = xp.reshape(xp.asarray(value, dtype=rate.dtype), rate.shape)
        memory["rate"], memory["best"], memory["stale"] = _plateau.compute(
            xp,
            rate,
            best,
            stale,
            value,
            factor=self.factor,
            patience=self.patience,
            threshold=self.threshold,
            minimum=self.minimum,
        )


@dataclass(frozen=True)
class _Given(_Closed):
    """A number, an array, or a callable that the user handed over as a rate."""

    given: Any

    def rate(self, step: int, memory: dict[str, Any]) -> Any:
        if not callable(self.given):
            return self.given
        rate = self.given(step)
        return checks.number(f"rate({step})", rate, 0.0) if _is_number(rate) else rate


KINDS = (Constant, LinearDecay, QuadraticDecay, ExponentialDecay, Cosine, Restarts, WarmUp, Plateau)


def to_dict(schedule: Schedule) -> dict[str, Any]:
    """The kind and settings of a schedule, as JSON can hold them. What it remembers is in the state.

    Raises:
        TypeError: `schedule`, or one in it, is an array, a callable, or of a user's own kind.
    """
    if type(schedule) not in KINDS:
        raise TypeError(f"schedule must be one of xpnet.schedules to be serialised, got {schedule!r}")
    settings = {field.name: getattr(schedule, field.name) for field in fields(schedule)}  # type: ignore
    inner = settings.get("schedule")
    if isinstance(inner, _Given) and isinstance(inner.given, int | float):
        settings["schedule"] = inner.given
    elif inner is not None:
        settings["schedule"] = to_dict(inner)
    return {"kind": type(schedule).__name__} | settings


def from_dict(settings: dict[str, Any]) -> Schedule:
    """The schedule that `to_dict` wrote down.

    Raises:
        ValueError, TypeError: an unknown kind; settings that it does not have, or outside their range.
    """
    own = dict(settings)
    name = checks.choice("kind", own.pop("kind", None), [kind.__name__ for kind in KINDS])
    if isinstance(own.get("schedule"), dict):
        own["schedule"] = from_dict(own["schedule"])
    return next(kind for kind in KINDS if kind.__name__ == name)(**own)


def as_schedule(rate: Rate) -> Schedule:
    """`rate` as a `Schedule`.

    Raises:
        TypeError, ValueError: not a number, array, schedule, or callable; not positive; not finite.
    """
    if isinstance(rate, Schedule):
        return rate
    if _is_array(rate) and rate.ndim > 0:
        xp = array_api_compat.array_namespace(rate)
        if rate.ndim != 2 or rate.shape[1] != 1:
            raise ValueError(f"rate must be a number or (R, 1), got shape {tuple(rate.shape)}")
        checks.finite(xp, "rate", rate)
        if not bool(xp.all(rate > 0)):
            raise ValueError("rate must be positive, got an array with rates that are not")
    elif not callable(rate):
        rate = checks.number("rate", rate, 0.0, open="(")
    return checked_schedule(rate)


def checked_schedule(rate: Rate) -> Schedule:
    """`rate`, which `as_schedule` has taken before, as a `Schedule`: without looking at its numbers."""
    return rate if isinstance(rate, Schedule) else _Given(rate)


def _is_array(value: Any) -> bool:
    return array_api_compat.is_array_api_obj(value)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) or (_is_array(value) and value.ndim == 0)
