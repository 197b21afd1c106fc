"""Rules that say when training is over; `a | b` stops at the first, `a & b` when both hold.

A rule is a frozen setting. `start()` gives a check for one run, a function of `Progress` that may
remember; it returns True, or for replicas an array with one truth value each.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from .. import checks
from ..device.arrays import host

Check = Callable[["Progress"], Any]


@dataclass(frozen=True)
class Progress:
    """What a rule sees of a step: numbers on the host, arrays `(R,)` where there are replicas.

    `held_out` is None at steps at which the held-out risk was not evaluated. `steps` counts the steps
    taken, this one included.
    """

    steps: int
    value: Any
    gradient_norm: Any
    seconds: float
    held_out: Any = None
    evaluations: int = 0


class Rule(ABC):
    """A stopping rule."""

    @abstractmethod
    def start(self) -> Check:
        """The check of one run."""

    @abstractmethod
    def __str__(self) -> str:
        """Why a run stopped that this rule stopped."""

    def due(self, steps: int) -> bool:
        """Whether the rule must be checked after `steps` steps, whatever the device has computed."""
        if isinstance(self, _Any | _All):
            return any(rule.due(steps) for rule in self.rules)
        return isinstance(self, after) and steps >= self.steps

    def parts(self) -> tuple[Rule, ...]:
        """The rules of which any one suffices."""
        return self.rules if isinstance(self, _Any) else (self,)

    def __or__(self, other: Rule) -> Rule:
        return _Any((*self.parts(), *_rule(other).parts()))

    def __and__(self, other: Rule) -> Rule:
        return _All((self, _rule(other)))


@dataclass(frozen=True)
class _Any(Rule):
    rules: tuple[Rule, ...]

    def start(self) -> Check:
        started = [rule.start() for rule in self.rules]

        def check(progress: Progress) -> Any:
            # every check sees every step: one that remembers must not miss any
            return host.any(host.stack(_same_shape([c(progress) for c in started])), axis=0)

        return check

    def __str__(self) -> str:
        return " or ".join(map(str, self.rules))


@dataclass(frozen=True)
class _All(Rule):
    rules: tuple[Rule, ...]

    def start(self) -> Check:
        started = [rule.start() for rule in self.rules]

        def check(progress: Progress) -> Any:
            return host.all(host.stack(_same_shape([c(progress) for c in started])), axis=0)

        return check

    def __str__(self) -> str:
        return " and ".join(map(str, self.rules))


def _same_shape(truths: list[Any]) -> list[Any]:
    return host.broadcast_arrays(*map(host.asarray, truths))


def _rule(value: Any) -> Rule:
    if not isinstance(value, Rule):
        raise TypeError(f"stop must be made of rules such as after(100), got {value!r}")
    return value


@dataclass(frozen=True)
class after(Rule):
    """Stops when `steps` steps have been taken."""

    steps: int

    def __post_init__(self) -> None:
        checks.count("steps", self.steps)

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

    limit: int

    def __post_init__(self) -> None:
        checks.count("limit", self.limit, 2)

    def start(self) -> Check:
        return lambda progress: progress.evaluations >= self.limit

    def __str__(self) -> str:
        return f"{self.limit} evaluations made"


@dataclass(frozen=True)
class time_limit(Rule):
    """Stops when `seconds` have passed."""

    seconds: float

    def __post_init__(self) -> None:
        checks.number("seconds", self.seconds, 0.0)

    def start(self) -> Check:
        return lambda progress: progress.seconds >= self.seconds

    def __str__(self) -> str:
        return f"{self.seconds:g} seconds passed"


@dataclass(frozen=True)
class value_below(Rule):
    """Stops when the value is at most `limit`."""

    limit: float

    def __post_init__(self) -> None:
        checks.number("limit", self.limit)

    def start(self) -> Check:
        return lambda progress: progress.value <= self.limit

    def __str__(self) -> str:
        return f"value at most {self.limit:g}"


@dataclass(frozen=True)
class gradient_below(Rule):
    """Stops when the Euclidean norm of the gradient is at most `limit`."""

    limit: float

    def __post_init__(self) -> None:
        checks.number("limit", self.limit, 0.0)

    def start(self) -> Check:
        return lambda progress: progress.gradient_norm <= self.limit

    def __str__(self) -> str:
        return f"gradient norm at most {self.limit:g}"


@dataclass(frozen=True)
class change_below(Rule):
    """Stops when the value has changed by at most `limit` since the step before."""

    limit: float

    def __post_init__(self) -> None:
        checks.number("limit", self.limit, 0.0)

    def start(self) -> Check:
        before: list[Any] = []

        def check(progress: Progress) -> Any:
            changed = abs(progress.value - before.pop()) if before else float("inf")
            before.append(progress.value)
            return changed <= self.limit

        return check

    def __str__(self) -> str:
        return f"value changed by at most {self.limit:g}"


@dataclass(frozen=True)
class patience(Rule):
    """Stops when the held-out risk has not improved at `evaluations` evaluations in a row.

    It has improved if it is below the least so far by more than `threshold`.
    """

    evaluations: int
    threshold: float = 0.0

    def __post_init__(self) -> None:
        checks.count("evaluations", self.evaluations)
        checks.number("threshold", self.threshold, 0.0)

    def start(self) -> Check:
        best: Any = float("inf")
        stale: Any = 0

        def check(progress: Progress) -> Any:
            nonlocal best, stale
            if progress.held_out is not None:
                better = progress.held_out < best - self.threshold
                best = host.where(better, progress.held_out, best)
                stale = host.where(better, 0, stale + 1)
            return stale >= self.evaluations

        return check

    def __str__(self) -> str:
        return f"no better held-out risk in {self.evaluations} evaluations"


def needs_held_out(rule: Rule) -> bool:
    """Whether `rule` can only be checked where a held-out risk is given."""
    if isinstance(rule, _Any | _All):
        return any(map(needs_held_out, rule.rules))
    return isinstance(rule, patience)
