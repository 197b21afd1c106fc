"""How a run, or one replica of it, can end."""

from __future__ import annotations

import enum
from dataclasses import dataclass


class Outcome(enum.Enum):
    """How a run ended; for each replica one.

    Only `CONVERGED` says that a test of convergence held: that of a stopping rule such as
    `gradient_below`, or the optimizer's own.
    """

    CONVERGED = "converged"
    BUDGET_SPENT = "budget spent"  # steps, evaluations, or seconds
    STALLED = "stalled"  # nothing that was tried lowers the value, and it is not known to be a minimum
    DIVERGED = "diverged"  # not finite, or grown beyond a multiple of the start
    HELD_OUT_WORSE = "held-out risk got worse"
    STOPPED = "stopped by a callback"
    INTERRUPTED = "interrupted"

    def __repr__(self) -> str:
        return f"Outcome.{self.name}"


@dataclass(frozen=True)
class Ending:
    """Why an optimizer cannot go on: in words, and as an outcome."""

    text: str
    outcome: Outcome = Outcome.STALLED
