"""Rules that say when training is over; `a | b` stops at the first, `a & b` when both hold.

A rule is a frozen setting. `start()` gives a check for one run, a function of `Progress` that may
remember; it returns True, or for replicas an array with one truth value each.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple

import array_api_compat

from .. import checks
from ..optimizers import Outcome

Check = Callable[["Progress"], Any]

ALIKE = 2  # steps in a row that must have changed the value little


class Progress(NamedTuple):
    """What a rule sees of the point where the next step takes its gradient, before that step is taken.

    Numbers on the host; where there are replicas `value`, `gradient_norm`, `held_out` are `(R,)`.

    Attributes:
        steps: taken so far.
        value, gradient_norm: at the point.
        seconds: since the start.
        held_out: the held-out risk at the point; None where it was not evaluated.
        evaluations: of the objective so far.
        moved: whether the step before has moved the parameters.
    """

    steps: int
    value: Any
    gradient_norm: Any
    seconds: float
    held_out: Any = None
    evaluations: int = 0
    moved: Any = True


class Rule(ABC):
    """A stopping rule.

    Attributes:
        outcome: how a run ends that it stops.

    >>> from xpnet import after, gradient_below, value_below
    >>> print((after(300) | gradient_below(1e-6)) & value_below(0.1))
    (300 steps taken or gradient norm at most 1e-06) and value at most 0.1
    """

    outcome: ClassVar[Outcome] = Outcome.CONVERGED

    @abstractmethod
    def start(self) -> Check:
        """The check of one run."""

    @abstractmethod
    def __str__(self) -> str:
        """Why a run stopped that this rule stopped."""

    def parts(self) -> tuple[Rule, ...]:
        """The rules of which any one suffices."""
        return self.rules if isinstance(self, _Any) else (self,)

    def leaves(self) -> Iterator[Rule]:
        """The rules that it is made of."""
        if isinstance(self, _Any | _All):
            for rule in self.rules:
                yield from rule.leaves()
        else:
            yield self

    def spends(self) -> bool:
        """Whether it is a limit of steps or seconds only, which asks nothing of a point."""
        return all(isinstance(rule, after | time_limit) for rule in self.leaves())

    def looks(self) -> bool:
        """Whether it looks at the value or gradient that a step sees."""
        return any(isinstance(rule, value_below | gradient_below | change_below) for rule in self.leaves())

    def ending(self) -> Outcome:
        """How a run ends that it stops: converged only where a test of convergence must have held."""
        if not isinstance(self, _Any | _All):
            return self.outcome
        found = [rule.ending() for rule in self.rules]
        order = STRENGTH if isinstance(self, _Any) else STRENGTH[::-1]
        return next((outcome for outcome in order if outcome in found), found[0])

    def __or__(self, other: Rule) -> Rule:
        return _Any((*self.parts(), *_rule(other).parts()))

    def __and__(self, other: Rule) -> Rule:
        return _All((self, _rule(other)))


STRENGTH = (Outcome.BUDGET_SPENT, Outcome.HELD_OUT_WORSE, Outcome.CONVERGED)  # the weakest first


@dataclass(frozen=True)
class _Any(Rule):
    rules: tuple[Rule, ...]

    def start(self) -> Check:
        started = [rule.start() for rule in self.rules]

        def check(progress: Progress) -> Any:
            found: Any = False
            for own in started:  # every check sees every point: one that remembers must not miss any
                found = own(progress) | found
            return found

        return check

    def __str__(self) -> str:
        return " or ".join(map(str, self.rules))


@dataclass(frozen=True)
class _All(Rule):
    rules: tuple[Rule, ...]

    def start(self) -> Check:
        started = [rule.start() for rule in self.rules]

        def check(progress: Progress) -> Any:
            found: Any = True
            for own in started:
                found = own(progress) & found
            return found

        return check

    def __str__(self) -> str:
        return " and ".join(f"({rule})" if isinstance(rule, _Any) else str(rule) for rule in self.rules)


def _rule(value: Any) -> Rule:
    if not isinstance(value, Rule):
        raise TypeError(f"stop must be made of rules such as after(100), got {value!r}")
    return value


@dataclass(frozen=True)
class after(Rule):
    """Stops when `steps` steps have been taken."""

    outcome = Outcome.BUDGET_SPENT

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
