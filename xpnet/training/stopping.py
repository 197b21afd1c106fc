"""The stopping rules, which say when training is over; they are joined by `|` and `&`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import array_api_compat

from .. import checks
from ..optimizers import Outcome
from .rule import Check, Progress, Rule

ALIKE = 2  # steps in a row that must have changed the value little


@dataclass(frozen=True)
class after(Rule):
    """Stops when `steps` steps have been taken."""

    outcome = Outcome.BUDGET_SPENT
    budget = True

    steps: int

    def __post_init__(self) -> None:
        object.__setattr__(self, "steps", checks.count("steps", self.steps))

    def start(self) -> Check:
        return lambda progress: progress.steps >= self.steps

    def __str__(self) -> str:
        return f"{self.steps} steps taken"


@dataclass(frozen=True)
class evaluations(Rule):
    """Stops before the objective is evaluated more than `limit` times, in the midst of a step if need be.

    Values, gradients and products with second derivatives count alike, and the value at the final point
    is one of them. `w` is then the best point that was evaluated. Joined to another rule by `&`, it is
    looked at after each step only.
    """

    outcome = Outcome.BUDGET_SPENT

    limit: int

    def __post_init__(self) -> None:
        object.__setattr__(self, "limit", checks.count("limit", self.limit, 2))

    def start(self) -> Check:
        return lambda progress: progress.evaluations >= self.limit

    def __str__(self) -> str:
        return f"{self.limit} evaluations made"


@dataclass(frozen=True)
class time_limit(Rule):
    """Stops when `seconds` have passed."""

    outcome = Outcome.BUDGET_SPENT
    budget = True

    seconds: float

    def __post_init__(self) -> None:
        object.__setattr__(self, "seconds", checks.number("seconds", self.seconds, 0.0))

    def start(self) -> Check:
        return lambda progress: progress.seconds >= self.seconds

    def __str__(self) -> str:
        return f"{self.seconds:g} seconds passed"


@dataclass(frozen=True)
class value_below(Rule):
    """Stops when the value is at most `limit`."""

    judges = True

    limit: float

    def __post_init__(self) -> None:
        object.__setattr__(self, "limit", checks.number("limit", self.limit))

    def start(self) -> Check:
        return lambda progress: progress.value <= self.limit

    def __str__(self) -> str:
        return f"value at most {self.limit:g}"


@dataclass(frozen=True)
class gradient_below(Rule):
    """Stops when the Euclidean norm of the gradient is at most `limit`."""

    judges = True

    limit: float

    def __post_init__(self) -> None:
        object.__setattr__(self, "limit", checks.number("limit", self.limit, 0.0))

    def start(self) -> Check:
        return lambda progress: progress.gradient_norm <= self.limit

    def __str__(self) -> str:
        return f"gradient norm at most {self.limit:g}"


@dataclass(frozen=True)
class change_below(Rule):
    """Stops when each of the last two steps that moved has changed the value by at most `limit`.

    Steps in which a method only turns round, and leaves the parameters where they are, are no evidence.
    It means the same however seldom the device is looked at: points that follow one another are compared.
    """

    judges = True

    limit: float

    def __post_init__(self) -> None:
        object.__setattr__(self, "limit", checks.number("limit", self.limit, 0.0))

    def start(self) -> Check:
        before: Progress | None = None
        small: Any = 0  # moving steps in a row with a small change

        def check(progress: Progress) -> Any:
            nonlocal before, small
            last, before = before, progress
            if last is None or last.steps != progress.steps - 1:
                small = 0
                return False
            below = abs(progress.value - last.value) <= self.limit
            small = progress.moved * below * (small + 1) + (1 - progress.moved) * small
            return small >= ALIKE

        return check

    def __str__(self) -> str:
        return f"value changed by at most {self.limit:g}"


@dataclass(frozen=True)
class patience(Rule):
    """Stops when the held-out risk has not improved at `evaluations` evaluations in a row.

    It has improved if it is below the least so far by more than `threshold`.
    """

    outcome = Outcome.HELD_OUT_WORSE

    evaluations: int
    threshold: float = 0.0

    def __post_init__(self) -> None:
        object.__setattr__(self, "evaluations", checks.count("evaluations", self.evaluations))
        object.__setattr__(self, "threshold", checks.number("threshold", self.threshold, 0.0))

    def start(self) -> Check:
        best: Any = float("inf")
        stale: Any = 0

        def check(progress: Progress) -> Any:
            nonlocal best, stale
            found = progress.held_out
            if found is not None:
                better = found < best - self.threshold
                best = _where(better, found, best)
                stale = (stale + 1) * (1 - better)
            return stale >= self.evaluations

        return check

    def __str__(self) -> str:
        return f"no better held-out risk in {self.evaluations} evaluations"


def _where(truth: Any, this: Any, that: Any) -> Any:
    if isinstance(truth, bool):
        return this if truth else that
    return array_api_compat.array_namespace(truth).where(truth, this, that)
