"""What a stopping rule is, and how rules are joined: `a | b` stops at the first, `a & b` when both hold.

A rule is a frozen setting. `start()` gives a check for one run, a function of `Progress` that may
remember; it returns True, or for replicas an array with one truth value each.
"""

from __future__ import annotations

import functools
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple

from .. import checks
from ..glossary import Hinted
from ..optimizers import Outcome

Check = Callable[["Progress"], Any]


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


class Rule(Hinted, ABC):
    """A stopping rule.

    Attributes:
        outcome: how a run ends that it stops.
        budget: whether it is a limit of steps or seconds, which asks nothing of a point.
        judges: whether it looks at the value or gradient that a step sees.

    >>> from xpnet import after, gradient_below, value_below
    >>> print((after(300) | gradient_below(1e-6)) & value_below(0.1))
    (300 steps taken or gradient norm at most 1e-06) and value at most 0.1
    """

    outcome: ClassVar[Outcome] = Outcome.CONVERGED
    budget: ClassVar[bool] = False
    judges: ClassVar[bool] = False

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
        """Whether it is made of limits of steps or seconds only."""
        return all(rule.budget for rule in self.leaves())

    def looks(self) -> bool:
        """Whether any of it looks at the value or gradient that a step sees."""
        return any(rule.judges for rule in self.leaves())

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


@dataclass(frozen=True, repr=False)
class _Any(Rule):
    rules: tuple[Rule, ...]

    def start(self) -> Check:
        return _joined(lambda left, right: left | right, self.rules)

    def __str__(self) -> str:
        return " or ".join(map(str, self.rules))

    def __repr__(self) -> str:
        return " | ".join(map(repr, self.rules))


@dataclass(frozen=True, repr=False)
class _All(Rule):
    rules: tuple[Rule, ...]

    def start(self) -> Check:
        return _joined(lambda left, right: left & right, self.rules)

    def __str__(self) -> str:
        return " and ".join(f"({rule})" if isinstance(rule, _Any) else str(rule) for rule in self.rules)

    def __repr__(self) -> str:
        left, right = self.rules
        whole = f"({left!r})" if isinstance(left, _Any) else repr(left)
        return f"{whole} & " + (f"({right!r})" if isinstance(right, _Any | _All) else repr(right))


def _joined(join: Callable[[Any, Any], Any], rules: tuple[Rule, ...]) -> Check:
    """A check of several; each sees every point, as one that remembers must not miss any."""
    started = [rule.start() for rule in rules]
    return lambda progress: functools.reduce(join, [own(progress) for own in started])


def _rule(value: Any) -> Rule:
    return checks.instance("stop", value, Rule, "made of rules such as after(100)")
