"""Learning rates that change from step to step.

Wherever an optimizer takes a `rate`, it may be a number, an `(R, 1)` array with one rate for each
replica, a `Schedule`, or any callable from the step's number, 0 for the first, to a rate.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any

import array_api_compat

from . import checks
from .backend import Array, backend_of
from .elementwise import elementwise

Rate = Any  # float | Array | Schedule | Callable[[int], float]


class Schedule(ABC):
    """A rate as a function of the step `k`, and of the values met so far."""

    @abstractmethod
    def initialise(self, w: Array) -> dict[str, Any]:
        """What the schedule remembers from step to step."""

    @abstractmethod
    def rate(self, step: int, memory: dict[str, Any]) -> Any:
        """The rate of step `step`: a number, 0-d, or `(R, 1)`."""

    @abstractmethod
    def observe(self, value: Array, memory: dict[str, Any]) -> None:
        """Tells the value of the objective at the step just taken."""


class _Closed(Schedule):
    """A schedule that is a formula in the step."""

    def initialise(self, w: Array) -> dict[str, Any]:
        return {}

    def observe(self, value: Array, memory: dict[str, Any]) -> None:
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
class Linear(_Closed):
    """`eta_k = initial / (k + 1)`."""

    initial: float

    def __post_init__(self) -> None:
        checks.number("initial", self.initial, 0.0, open="(")

    def rate(self, step: int, memory: dict[str, Any]) -> float:
        return self.initial / (step + 1)


@dataclass(frozen=True)
class Quadratic(_Closed):
    """`eta_k = initial / (k + 1)^2`."""

    initial: float

    def __post_init__(self) -> None:
        checks.number("initial", self.initial, 0.0, open="(")

    def rate(self, step: int, memory: dict[str, Any]) -> float:
        return self.initial / (step + 1) ** 2


@dataclass(frozen=True)
class Exponential(_Closed):
    """`eta_k = initial exp(-decay k)`, `decay > 0`."""

    initial: float
    decay: float

    def __post_init__(self) -> None:
        checks.number("initial", self.initial, 0.0, open="(")
        checks.number("decay", self.decay, 0.0, open="(")

    def rate(self, step: int, memory: dict[str, Any]) -> float:
        return self.initial * math.exp(-self.decay * step)


@elementwise
def _plateau(xp, rate, best, stale, value, *, factor, patience, threshold, minimum):
    better = value < best * (1.0 - threshold)
    stale = xp.where(better, 0.0, stale + 1.0)
    best = xp.where(better, value, best)
    reduce = stale > patience
    rate = xp.where(reduce, xp.maximum(rate * factor, minimum), rate)
    return rate, best, xp.where(reduce, 0.0, stale)


@dataclass(frozen=True)
class Plateau(Schedule):
    """The rate is multiplied by `factor` once the value has stagnated for `patience` steps.

    A value is better if it is below `(1 - threshold)` times the best so far. The rule
    runs on the device, for each replica alone, and gives the sequence of PyTorch's ReduceLROnPlateau.

    Raises:
        ValueError: a setting outside its range.
    """

    initial: float
    factor: float = 0.1
    patience: int = 10
    threshold: float = 1e-4
    minimum: float = 0.0

    def __post_init__(self) -> None:
        checks.number("initial", self.initial, 0.0, open="(")
        checks.number("factor", self.factor, 0.0, 1.0, open="()")
        checks.count("patience", self.patience, 0)
        checks.number("threshold", self.threshold, 0.0)
        checks.number("minimum", self.minimum, 0.0)

    def initialise(self, w: Array) -> dict[str, Any]:
        backend = backend_of(w)
        xp, dtype = backend.xp, backend.accumulator
        shape = (w.shape[0], 1) if w.ndim > 1 else ()

        def full(value: float) -> Array:
            return xp.full(shape, value, dtype=dtype, device=backend.device)

        return {"rate": full(self.initial), "best": full(math.inf), "stale": full(0.0)}

    def rate(self, step: int, memory: dict[str, Any]) -> Array:
        return memory["rate"]

    def observe(self, value: Array, memory: dict[str, Any]) -> None:
        xp = array_api_compat.array_namespace(memory["rate"])
        rate, best, stale = memory["rate"], memory["best"], memory["stale"]
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
    return _Given(rate)


def _is_array(value: Any) -> bool:
    return array_api_compat.is_array_api_obj(value)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) or (_is_array(value) and value.ndim == 0)
