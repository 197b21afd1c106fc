"""A stopping rule as one run asks it: what is a limit, what a test, and where the device is to be read."""

from __future__ import annotations

from . import stopping
from .rule import Check, Rule
from .stopping import ALIKE


class Asking:
    """The parts of `stop`, each with the check of this run.

    Attributes:
        budget: the least limit of evaluations, which is kept inside a step too; else None.
        limits: those of steps and seconds, which are asked after a step; `timed` says whether they must be
            after each, and else the numbers of steps in `marks` suffice.
        tests: those that are asked at the point where a step begins; `compares` says whether any compares
            points that follow one another.
    """

    def __init__(self, stop: Rule | None, check_every: int) -> None:
        parts = stop.parts() if stop is not None else ()
        leaves = [leaf for rule in parts for leaf in rule.leaves()]
        budgets = [rule for rule in parts if isinstance(rule, stopping.evaluations)]
        self.budget = min(budgets, key=lambda rule: rule.limit, default=None)
        started: list[tuple[Rule, Check]] = [(rule, rule.start()) for rule in parts if rule not in budgets]
        self.limits = [(rule, check) for rule, check in started if rule.spends()]
        self.tests = [(rule, check) for rule, check in started if not rule.spends()]
        own = [leaf for rule, _ in self.limits for leaf in rule.leaves()]
        self.timed = any(not isinstance(leaf, stopping.after) for leaf in own)
        self.marks = {leaf.steps for leaf in leaves if isinstance(leaf, stopping.after)}
        self.compares = any(isinstance(leaf, stopping.change_below) for leaf in leaves)
        self._every = check_every

    def looks_at(self, k: int) -> bool:
        """Whether the device is to be read at step `k`."""
        every = self._every
        # a limit of steps, and the step before it; and points that are to be compared
        return (
            k % every == 0
            or k in self.marks
            or k + 1 in self.marks
            or (self.compares and -k % every <= ALIKE)
        )

    def limited(self, steps: int) -> bool:
        """Whether the limits are to be asked once so many steps have been taken."""
        return self.timed or steps in self.marks
