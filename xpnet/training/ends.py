"""Which replicas of a run go on; where the others have ended, why, and what is known of the value there."""

from __future__ import annotations

import math
from typing import Any

from ..device.arrays import Vector
from ..optimizers import Outcome
from ..run import Run
from .loop import Loop
from .replicas import copy_rows, selected

STUCK = (Outcome.STALLED, Outcome.DIVERGED)
OVER = (Outcome.BUDGET_SPENT, Outcome.STOPPED, Outcome.INTERRUPTED)  # where all ended at once


class Ends:
    """The ends of a run, one for each replica, or one for a single `w`.

    Attributes:
        going: whether any goes on.
        reasons, outcomes: why and how each has ended.
        values: the objective where each has ended, a float or `(R,)` of the host; NaN if it is not known.
        points: where the replicas have ended; None for a single `w`, and until the first ends.
        nothing: NaN, for each.
    """

    def __init__(self, loop: Loop) -> None:
        self.loop, self.host = loop, loop.backend.host
        rows = loop.watch.rows
        self.single, self.size = not rows, rows[0] if rows else 1
        self.going = True
        self.reasons, self.outcomes = [""] * self.size, [Outcome.INTERRUPTED] * self.size
        self.nothing: Any = math.nan if self.single else self.host.full(self.size, math.nan)
        self.values: Any = self.nothing
        self.points: Vector | None = None

    def end(
        self, found: Any, reason: str, outcome: Outcome, point: Vector | None = None, value: Any = None
    ) -> None:
        """Ends those replicas that are still active and `found`: at `point`, or where they are."""
        if not self.going or not some(found):
            return
        loop, watch = self.loop, self.loop.watch
        rows, value = watch.active & found, self.nothing if value is None else value
        if self.single:
            self.values = value
            if point is not None:
                loop.put(point, rows)
        else:
            self.values = self.host.where(rows, value, self.values)
            points = loop.backend.xp.asarray(loop.w, copy=True) if self.points is None else self.points
            self.points = points
            copy_rows(loop.backend, points, loop.w if point is None else point, rows)
        self.say(rows, reason, outcome)
        watch.active = watch.active & ~rows
        self.going = some(watch.active)
        if "active" in loop.state:
            loop.state["active"] = loop.state["active"] & self.host.reshape(watch.active, (-1,))
        if self.going:
            watch.objective = selected(loop.backend, loop.objective, watch.active)

    def restore(self, run: Run) -> None:
        """Ends those that cannot go on where an earlier run was over, or that had ended before it was."""
        if not isinstance(run.outcome, tuple):
            if run.outcome in STUCK:
                self.end(True, str(run.reason), run.outcome, None, float(run.value))
            return
        for r, outcome in enumerate(run.outcome):
            if outcome not in OVER:
                rows = self.host.arange(self.size) == r
                self.end(rows, run.reason[r], outcome, None, self.host.asarray(run.value))

    def say(self, rows: Any, reason: str, outcome: Outcome) -> None:
        """Notes why and how the replicas in `rows` have ended."""
        flags = self.host.reshape(rows, (-1,))
        for r in range(self.size):
            if flags[r]:
                self.reasons[r], self.outcomes[r] = reason, outcome

    def are(self, outcome: Outcome) -> Any:
        """Which replicas have ended so."""
        found = [own is outcome for own in self.outcomes]
        return self.host.asarray(found[0] if self.single else found)


def some(found: Any) -> bool:
    """Whether any of `found`, a truth value or an array of the host with several, is true."""
    return bool(found.any()) if getattr(found, "ndim", 0) else bool(found)
