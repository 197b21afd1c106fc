"""What users may hand over as a rate, and how it becomes a schedule."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeAlias

from ... import checks
from ...device.arrays import Array, Scalar, Vector
from ...device.backend import Backend
from ..settings import Settings, is_array, numbers
from .base import Memory, Schedule

Rate: TypeAlias = float | Array | Schedule | Callable[[int], Any]


@dataclass(frozen=True, eq=False, repr=False)
class Given(Schedule, Settings):
    """A number, an array, or a callable that was handed over as a rate."""

    given: Any

    def __repr__(self) -> str:
        return repr(self.given)  # as it was handed over

    def initialize(self, backend: Backend, w: Vector) -> Memory:
        if not callable(self.given):
            checks.per_replica("rate", self.given, w)
        return {}

    def observe(self, backend: Backend, value: Scalar, memory: Memory) -> None:
        pass

    def rate(self, step: int, memory: Memory) -> float | Array:
        if not callable(self.given):
            return self.given
        rate: Any = self.given(step)
        return rate if is_array(rate) else checks.number(f"rate({step})", rate, 0.0)


def checked_rate(rate: Any, name: str = "rate") -> Any:
    """`rate` as it is kept: a float, a copy of an array, or the schedule or callable itself.

    Raises:
        TypeError, ValueError: not a number, array, schedule, or callable; not positive; not finite.
    """
    if isinstance(rate, str):
        hint = "a schedule is given as itself, such as Cosine(0.1, 100)"
        raise TypeError(f"{name} must be a number, got {checks.shown(rate)}; {hint}")
    return rate if isinstance(rate, Schedule) or callable(rate) else numbers(name, rate, 0.0, open="(")


def as_schedule(rate: Any, name: str = "rate") -> Schedule:
    """`rate` as a `Schedule`.

    Raises:
        TypeError, ValueError: as `checked_rate`.
    """
    return checked_schedule(checked_rate(rate, name))


def checked_schedule(rate: Rate) -> Schedule:
    """`rate`, which `checked_rate` has taken before, as a `Schedule`: without looking at its numbers."""
    return rate if isinstance(rate, Schedule) else Given(rate)


def usable(backend: Backend, w: Vector, step: int, rate: Any) -> float | Array:
    """The `rate` that a schedule or callable has given for `step`; those on a CUDA device are not read.

    Raises:
        TypeError, ValueError: negative, not finite, no number, or of a shape that does not fit `w`; the
            message names the step.
    """
    fine = isinstance(rate, float) and 0.0 <= rate < math.inf
    return rate if fine else _looked_at(backend, w, step, rate)


def _looked_at(backend: Backend, w: Vector, step: int, rate: Any) -> float | Array:
    if not is_array(rate) or not (rate.ndim or backend.owns(rate)):
        return checks.number(f"rate({step})", rate, 0.0)
    if rate.ndim:
        checks.per_replica(f"rate({step})", rate, w)
    if backend.name != "cupy":
        good = (rate >= 0.0) & (rate < math.inf)
        if not bool(backend.xp.all(good)):
            checks.number(f"rate({step})", float(rate[~good][0]), 0.0)
    return rate
