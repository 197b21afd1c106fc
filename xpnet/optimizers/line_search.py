"""Searches that try lengths along a line until one is good.

A line search is written for one line, as a generator: it yields a trial length `t`, is sent the value and
slope of `f(w + t d)` there, and returns the length to take. `along` runs one such walk for each replica in
step, so that every evaluation is one of all replicas.
"""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Generator
from dataclasses import dataclass
from typing import Any, ClassVar

from .. import checks
from ..device.arrays import Vector
from ..device.backend import Backend
from ..linear.vectors import dot, norm
from ..objectives import Objective
from .outcome import Ending
from .replicas import column, lowest, numbers
from .searches import (
    NON_FINITE,
    NOT_LOWER,
    STATIONARY,
    Move,
    Search,
    Start,
)
from .settings import keep

ROUNDING = 4.0  # units in the last place by which a value may be off

Walk = Generator[float, tuple[float, float], tuple[float, Ending | None]]


@dataclass(frozen=True)
class Line:
    """What is known of `phi(t) = f(w + t d)` before a search, in numbers of the host.

    `rounding` is what a value may be off by; `first` the length to try first.
    """

    value: float
    slope: float
    rounding: float
    first: float


class LineSearch(Search):
    """A search that tries lengths until one is good."""

    needs_gradient: ClassVar[bool]  # whether trials need slopes

    @abstractmethod
    def walk(self, line: Line) -> Walk:
        """Yields trial lengths, is sent `(value, slope)`; returns `(length, None)` or `(0, ending)`."""

    def initialize(self, backend: Backend, objective: Objective, w: Vector) -> dict[str, Any]:
        return {}

    def along(self, backend: Backend, objective: Objective, start: Start, state: dict[str, Any]) -> Move:
        xp, host = backend.xp, backend.host
        w, value, gradient = start.w, start.value, start.gradient
        direction, units = _in_range(backend, start)
        falls = start.slopes if units is None else numbers(backend, dot(xp, gradient, direction))
        first = start.first if units is None else start.first * units
        info = xp.finfo(w.dtype)
        endings: list[Ending | None] = [None] * len(first)
        lengths = [0.0] * len(first)
        walks: dict[int, Walk] = {}
        for r, going in enumerate(start.active):
            if going and not falls[r] < 0.0:
                endings[r] = STATIONARY
            elif going:
                about = float(start.values[r])
                off = rounding(about, info)
                walks[r] = self.walk(Line(about, float(falls[r]), off, float(first[r])))
                lengths[r] = next(walks[r])
        tried, at = [0.0] * len(first), w
        while walks or lengths != tried:
            if not walks and not any(lengths):
                return Move(w, host.asarray(lengths), tuple(endings), start.value, start.gradient)
            tried = lengths.copy()
            at = w + column(backend, host.asarray(tried), w, w.dtype) * direction
            if self.needs_gradient:
                value, gradient = objective.value_and_gradient(at)
                falls = numbers(backend, dot(xp, gradient, direction))
            else:
                value, gradient = objective.value(at), None
            values = numbers(backend, value)
            for r, walk in list(walks.items()):
                fall = math.nan if gradient is None else float(falls[r])
                try:
                    lengths[r] = walk.send((float(values[r]), fall))
                except StopIteration as end:
                    lengths[r], endings[r] = end.value
                    del walks[r]
        went = host.asarray(lengths)
        return Move(at, went if units is None else went / units, tuple(endings), value, gradient)


def rounding(value: float, info: Any) -> float:
    """What a value in floating-point numbers of this kind may be off by."""
    return ROUNDING * (float(info.eps) * abs(value) + float(info.smallest_normal))


def _in_range(backend: Backend, start: Start) -> tuple[Vector, Any]:
    """The direction, in units of its length where a slope would over- or underflow; and these units."""
    xp, host = backend.xp, backend.host
    low = lowest(xp.finfo(start.w.dtype))
    fine = [not on or low < abs(s) < 1.0 / low for on, s in zip(start.active, start.slopes, strict=True)]
    if all(fine):
        return start.direction, None
    lengths = numbers(backend, norm(xp, start.direction))
    plain = host.asarray(fine) | ~(lengths > 0.0) | ~host.isfinite(lengths)
    units = host.where(plain, 1.0, lengths)
    return start.direction / column(backend, units, start.w, start.w.dtype), units


@dataclass(frozen=True)
class Backtracking(LineSearch):
    """Shortens the step until `phi(t) <= phi(0) + c1 t phi'(0)` (Armijo 1966).

    Attributes:
        decrease: c1.
        shrink: the factor from one length to the next.
        trials: the most evaluations.

    Raises:
        TypeError, ValueError: a setting outside its range.
    """

    decrease: float = 1e-4
    shrink: float = 0.5
    trials: int = 60

    needs_gradient = False

    def __post_init__(self) -> None:
        keep(
            self,
            decrease=checks.number("decrease", self.decrease, 0.0, 1.0, open="()"),
            shrink=checks.number("shrink", self.shrink, 0.0, 1.0, open="()"),
            trials=checks.count("trials", self.trials),
        )

    def walk(self, line: Line) -> Walk:
        t, ending = line.first, NOT_LOWER
        for _ in range(self.trials):
            value, _ = yield t
            if value <= line.value + self.decrease * t * line.slope and value < line.value:
                return t, None
            if not math.isfinite(value):
                ending = NON_FINITE
            t *= self.shrink
        return 0.0, ending
