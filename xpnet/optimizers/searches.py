"""How far to go along a direction.

A line search is written for one line, as a generator: it yields a trial length `t`, is sent the value and
slope of `f(w + t d)` there, and returns the length to take. `along` runs one such walk for each replica in
step, so that every evaluation is one of all replicas.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Generator
from dataclasses import dataclass
from typing import Any

from .. import checks
from ..device.arrays import Array, host
from ..device.backend import Backend
from ..device.select import backend_of
from ..linear import dot
from ..objectives import Objective, Offers
from ..objectives.base import require
from .outcome import Ending, Outcome
from .schedules import Rate, as_schedule, checked_schedule

NOT_LOWER = Ending(
    "no lower value found along the gradient: as far as rounding lets it go", Outcome.CONVERGED
)
NON_FINITE = Ending("no lower value found, and some that were tried were not finite")
STATIONARY = Ending("the gradient is zero", Outcome.CONVERGED)
NOT_CONVEX = Ending("no minimum along the direction, where the curvature is not positive")

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


@dataclass(frozen=True)
class Move:
    """Where a search went: the lengths and problems on the host; `value`, `gradient` if they are known."""

    w: Array
    lengths: Any
    problems: tuple[Ending | None, ...]
    value: Array | None = None
    gradient: Array | None = None


class Search(ABC):
    """A way to go from a point along a direction."""

    @abstractmethod
    def initialize(self, backend: Backend, objective: Objective, w: Array) -> dict[str, Any]:
        """What it remembers from step to step."""

    @abstractmethod
    def along(
        self,
        objective: Objective,
        w: Array,
        value: Array,
        gradient: Array,
        direction: Array,
        first: Any,
        state: dict[str, Any],
    ) -> Move:
        """The point reached from `w` along `direction`; replicas not `state["active"]` stay."""


class LineSearch(Search):
    """A search that tries lengths until one is good."""

    needs_gradient: bool  # whether trials need slopes

    @abstractmethod
    def walk(self, line: Line) -> Walk:
        """Yields trial lengths, is sent `(value, slope)`; returns `(length, None)` or `(0, problem)`."""

    def initialize(self, backend: Backend, objective: Objective, w: Array) -> dict[str, Any]:
        return {}

    def along(
        self,
        objective: Objective,
        w: Array,
        value: Array,
        gradient: Array,
        direction: Array,
        first: Any,
        state: dict[str, Any],
    ) -> Move:
        backend = backend_of(w)
        single = w.ndim == 1
        values = backend.to_numpy(value).reshape(-1)
        slopes = backend.to_numpy(dot(gradient, direction)).reshape(-1)
        eps = float(backend.xp.finfo(w.dtype).eps)
        lengths = host.zeros(len(values))
        problems: list[Ending | None] = [None] * len(values)
        walks: dict[int, Walk] = {}
        for r, going in enumerate(state["active"].reshape(-1)):
            if going and not slopes[r] < 0.0:
                problems[r] = STATIONARY
            elif going:
                value_r, slope = float(values[r]), float(slopes[r])
                line = Line(value_r, slope, ROUNDING * eps * abs(value_r), float(first[r]))
                walks[r] = self.walk(line)
                lengths[r] = next(walks[r])
        tried, at, known, slope = None, w, value, gradient
        while walks or not host.array_equal(lengths, tried):
            if tried is None and not walks:
                break  # nobody goes anywhere
            tried = lengths.copy()
            column = backend.asarray(tried[:, None], w.dtype)
            at = w + (column[0, :] if single else column) * direction
            if self.needs_gradient:
                known, slope = objective.value_and_gradient(at)
                slopes = backend.to_numpy(dot(slope, direction)).reshape(-1)
            else:
                known, slope = objective.value(at), None
                slopes = host.full(len(tried), math.nan)
            values = backend.to_numpy(known).reshape(-1)
            for r, walk in list(walks.items()):
                try:
                    lengths[r] = walk.send((float(values[r]), float(slopes[r])))
                except StopIteration as end:
                    lengths[r], problems[r] = end.value
                    del walks[r]
        return Move(at, lengths, tuple(problems), known, slope)


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
        checks.number("decrease", self.decrease, 0.0, 1.0, open="()")
        checks.number("shrink", self.shrink, 0.0, 1.0, open="()")
        checks.count("trials", self.trials)

    def walk(self, line: Line) -> Walk:
        t, problem = line.first, NOT_LOWER
        for _ in range(self.trials):
            value, _ = yield t
            if value <= line.value + self.decrease * t * line.slope and value < line.value:
                return t, None
            if not math.isfinite(value):
                problem = NON_FINITE
            t *= self.shrink
        return 0.0, problem


@dataclass(frozen=True)
class Fixed(Search):
    """Goes `rate` times the direction, whatever comes.

    Attributes:
        rate: a number, an `(R, 1)` array, a schedule, or a callable of the step.
    """

    rate: Rate = 1.0

    def __post_init__(self) -> None:
        as_schedule(self.rate)

    def initialize(self, backend: Backend, objective: Objective, w: Array) -> dict[str, Any]:
        checks.per_replica("rate", self.rate, w)
        return checked_schedule(self.rate).initialize(backend, w)

    def along(
        self,
        objective: Objective,
        w: Array,
        value: Array,
        gradient: Array,
        direction: Array,
        first: Any,
        state: dict[str, Any],
    ) -> Move:
        schedule = checked_schedule(self.rate)
        rate = schedule.rate(state["step"], state)
        schedule.observe(backend_of(w), value, state)
        replicas = 1 if w.ndim == 1 else w.shape[0]
        lengths = host.broadcast_to(backend_of(w).to_numpy(rate).reshape(-1), (replicas,))
        return Move(w + rate * direction, lengths, (None,) * replicas)


@dataclass(frozen=True)
class Exact(Search):
    """`t = -g'd / d'Hd`: the minimum along the direction, if the objective is quadratic.

    Where the curvature along the direction is not positive there is no such minimum, and it says so.
    """

    def initialize(self, backend: Backend, objective: Objective, w: Array) -> dict[str, Any]:
        require(objective, Offers.HESSIAN_PRODUCT, "the exact search")
        return {}

    def along(
        self,
        objective: Objective,
        w: Array,
        value: Array,
        gradient: Array,
        direction: Array,
        first: Any,
        state: dict[str, Any],
    ) -> Move:
        backend = backend_of(w)
        xp = backend.xp
        slope = dot(gradient, direction)
        curvature = dot(direction, objective.hessian_product(w, direction))
        good = (curvature > 0.0) & (slope < 0.0)
        t = xp.where(good, -slope / xp.where(good, curvature, 1.0), 0.0)
        problems = tuple(
            None if fine or not active else NOT_CONVEX if s < 0.0 else STATIONARY
            for fine, s, active in zip(
                backend.to_numpy(good).reshape(-1),
                backend.to_numpy(slope).reshape(-1),
                state["active"].reshape(-1),
                strict=True,
            )
        )
        return Move(w + t * direction, backend.to_numpy(t).reshape(-1), problems)
