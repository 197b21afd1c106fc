"""One run of `minimize`: steps, what is asked at the point where each begins, and the last point."""

from __future__ import annotations

import copy
import dataclasses
import logging
import math
from collections.abc import Callable, Mapping
from typing import Any

from ..device.arrays import Scalar, Vector
from ..objectives import Objective, Offers
from ..optimizers import Outcome, Record
from ..run import Run
from .asking import Asking
from .ends import Ends, some
from .journal import Journal
from .loop import Loop
from .metrics import Metric, Metrics
from .replicas import differ
from .rule import Progress, Rule
from .telling import Audience
from .watch import OutOfBudget

logger = logging.getLogger("xpnet")


class Stop(Exception):
    """No replica goes on: the step is broken off where it began."""


class Session:
    """A run under way.

    Args:
        loop: the steps.
        stop: a rule; `held_out`, `held_out_every`, `diverged_at`, `keep_path`: as for `minimize`.
        resumed: the run that this one goes on from, if there is one; `loop` is where that ended.
        metrics: functions by name, as for `minimize`.
        score: what says which point is best, where it is neither the value nor the held-out risk.
    """

    def __init__(
        self,
        loop: Loop,
        stop: Rule,
        held_out: Objective | None,
        held_out_every: int,
        diverged_at: float,
        score: Callable[[Vector], Scalar] | None,
        metrics: Mapping[str, Metric],
        resumed: Run | None = None,
        *,
        keep_path: bool = False,
    ) -> None:
        self.loop, self.watch, self.host, self.ends = loop, loop.watch, loop.backend.host, Ends(loop)
        self.held_out, self.held_out_every = held_out, held_out_every
        self.diverged_at, self.score = diverged_at, score
        self.metrics = Metrics(metrics, loop, held_out)
        self.watch.keeps_best = held_out is None and score is None
        self.watch.judge = self.judge
        if resumed is not None:
            loop.restore(resumed)
            self.ends.restore(resumed)
        self.begun = loop.steps
        self.journal = Journal(loop, keep_path, resumed, self.ends.going)
        self.audience = Audience(loop.communicator)
        self.asking = asking = Asking(stop, loop.check_every)
        if asking.budget is not None:
            self.watch.limit = asking.budget.limit - 1  # the last one is for the final point
        self.selects = Offers.SELECT_REPLICAS in loop.objective.offers

        self.single = self.ends.single
        self.ceiling: Any = None  # a value above it has diverged
        self.held: Any = None  # the held-out risk where this step begins
        for progress in self.journal.earlier():
            self.bound(progress.value)
            for _, check in self.asking.tests:
                check(progress)

    def run(self) -> Run:
        """Takes all steps; an interrupt ends them, and a second one the evaluation of the last point."""
        try:
            try:
                self.steps()
            except KeyboardInterrupt:
                self.cut_short(f"interrupted at step {self.loop.steps}")
            return self.result()
        except KeyboardInterrupt:
            self.cut_short(f"interrupted at step {self.loop.steps}")
            return self.result(failure="interrupted in the evaluation of the last point")

    def broken(self, error: BaseException) -> Run:
        """The run so far, where `error` has ended it; the objective may still tell the value there."""
        self.loop.communicator.require_common(error)
        reason = f"{type(error).__name__} at step {self.loop.steps}: {error}"
        self.cut_short(reason)
        self.fail(reason)
        try:
            return self.result()
        except BaseException:
            return self.result(failure=reason)

    def steps(self) -> None:
        """Takes steps while any replica goes on."""
        loop, ends, held_out, asking = self.loop, self.ends, self.held_out, self.asking
        first, take = self.journal.first, loop.take
        self.ask_limits()
        try:
            while ends.going:
                k = loop.steps
                look = asking.looks_at(k)
                if held_out is not None and (k == 0 or (k + first) % self.held_out_every == 0):
                    look = True
                    self.evaluate_held_out(held_out)
                record = take(look=look)
                if look:
                    self.journal.note(record.step, record.rate)
                if record.endings:
                    self.finish(record, look)
                if ends.points is not None and not self.selects:
                    loop.put(ends.points, ~self.watch.active)  # as they go on being evaluated
                if look and self.audience.listening:
                    self.tell()
                if asking.limited(loop.steps):
                    self.ask_limits()
            return
        except Stop:
            noted = self.journal.note_unfinished()
        except OutOfBudget:
            noted = self.out_of_budget()
        if noted and self.audience.listening:
            self.tell()

    def tell(self) -> None:
        """Tells callbacks of the last look; ends what they want to be ended."""
        for found, name in self.audience.tell(self.loop, self.journal, self.snapshot):
            self.ends.end(found, f"stopped by {name} at step {self.loop.steps}", Outcome.STOPPED)

    def ask_limits(self) -> None:
        """Ends the run where a limit of steps or seconds is reached."""
        for rule, check in self.asking.limits:
            if check(Progress(self.loop.steps, math.nan, math.nan, self.journal.seconds)):
                self.ends.end(True, str(rule), rule.ending())

    def evaluate_held_out(self, held_out: Objective) -> None:
        """Evaluates the held-out risk where the next step begins, and tells a schedule that waits."""
        loop = self.loop
        due = (loop.steps + self.journal.first) % self.held_out_every == 0
        self.held = loop.evaluate(held_out, tell=due)
        self.watch.keep_best(loop.point, self.held)

    def judge(self) -> None:
        """Ends replicas where the step that is looked at begins; raises Stop if none is left."""
        loop, watch, ends, k = self.loop, self.watch, self.ends, self.loop.steps
        loop.communicator.look()
        values, held, self.held = watch.values, self.held, None
        made = watch.made()
        found = self.metrics.read(held_out=held is not None)
        self.journal.see(loop.begin, values, watch.norm, held, made, found)
        if self.score is not None:
            watch.keep_best(loop.begin, watch.read(self.score(loop.begin)))
        bad = not watch.finite if self.single else watch.active & ~watch.finite
        if some(bad):
            problem = loop.problem()
            ends.end(bad, problem, Outcome.DIVERGED, loop.last, loop.last_value)
            logger.warning("%s; that point is left for the last finite one", problem)
        value = values if watch.whole else ends.nothing
        if held is not None:
            bad = (
                not math.isfinite(held) if self.single else self.host.logical_not(self.host.isfinite(held))
            )
            reason = f"non-finite held-out risk at step {k}"
            ends.end(bad, reason, Outcome.DIVERGED, loop.begin, value)
        if self.ceiling is None:
            self.bound(values)
        grown = values > self.ceiling
        if some(grown):
            ends.end(grown, self.growth(k), Outcome.DIVERGED, loop.begin, value)
        if self.asking.tests:
            moved: Any = True
            if self.asking.compares and k == self.begun:
                moved = self.journal.moved_since_before(values, watch.norm)
            elif self.asking.compares:
                moved = differ(loop.backend, loop.begin, loop.last)
            progress = Progress(k, values, watch.norm, self.journal.seconds, held, made, moved)
            for rule, check in self.asking.tests:
                found = check(progress)
                if some(found):
                    seen = "" if watch.whole or not rule.looks() else ", on this step's batch or draw"
                    ends.end(found, f"{rule}{seen}", rule.ending(), loop.begin, value)
        if not ends.going:
            raise Stop
        loop.accept(value)

    def bound(self, values: Any) -> None:
        """Takes the first of all values for the measure of those that have diverged."""
        if self.ceiling is None:
            one = self.host.asarray(1.0)
            size = max(abs(values), 1.0) if self.single else self.host.maximum(abs(values), one)
            self.ceiling = values + self.diverged_at * size

    def growth(self, k: int) -> str:
        """Why a replica ends whose value has grown."""
        return f"value grown by more than {self.diverged_at:g} times that of the start, at step {k}"

    def finish(self, record: Record, look: bool) -> None:
        """Ends the replicas that cannot go on; a step in which nothing moved is not counted."""
        loop, host, ends = self.loop, self.host, self.ends
        rows = host.reshape(self.watch.active, (-1,))
        moved = differ(loop.backend, loop.w, loop.last) if look else host.ones(ends.size, dtype=host.bool)
        here = ~host.reshape(host.asarray(moved), (-1,))
        for r, found in enumerate(record.endings):
            if found is not None:
                mine = rows[0] if ends.single else host.arange(ends.size) == r
                value = loop.last_value if here[r] else None
                ends.end(mine, f"step {record.step}: {found.text}", found.outcome, None, value)
        if not ends.going and bool(host.all(here | ~rows)):
            loop.steps -= 1

    def out_of_budget(self) -> bool:
        """Ends the run, perhaps in the midst of a search, at the best point; says if that noted a look."""
        loop, watch, host = self.loop, self.watch, self.host
        active = watch.active
        loop.undo(active)
        noted = self.journal.note_unfinished()
        better = active & host.isfinite(host.asarray(watch.best_value))
        loop.put(watch.best, better)
        value = host.where(better, watch.best_value, math.nan) if watch.keeps_best else None
        self.ends.end(active, str(self.asking.budget), Outcome.BUDGET_SPENT, None, value)
        return noted

    def cut_short(self, reason: str) -> None:
        """Ends the run where the step began that was under way."""
        self.loop.undo(self.watch.active)
        self.journal.note_unfinished()
        self.ends.end(True, reason, Outcome.INTERRUPTED)

    def result(self, *, failure: str | None = None) -> Run:
        """The run, with the last point looked at; or with what is known, if `failure` forbids that."""
        loop, watch, host, ends = self.loop, self.watch, self.host, self.ends
        if failure is None:
            self.journal.gather()
        watch.looking, watch.limit, watch.objective = False, None, loop.objective
        watch.active = everyone = host.ones(watch.rows, dtype=host.bool)
        if ends.points is not None:
            loop.put(ends.points, everyone)
        value = host.asarray(ends.values)
        if failure is None:
            value = self.evaluated(value)
        else:
            self.fail(failure)
        sound = host.isfinite(value) & watch.sound(loop.w)
        if not bool(host.all(sound)):
            if failure is None:
                reason = f"non-finite value at step {loop.steps}"
                ends.say(~sound & ~ends.are(Outcome.DIVERGED), reason, Outcome.DIVERGED)
            loop.put(loop.last, ~sound)
            value = host.where(sound, value, loop.last_value)
            value = self.evaluated(value) if failure is None else value
        if self.ceiling is not None:
            grown = (value > self.ceiling) & ~ends.are(Outcome.DIVERGED)
            ends.say(grown, self.growth(loop.steps), Outcome.DIVERGED)
        if watch.keeps_best:
            watch.keep_best(loop.w, float(value) if self.single else value)
        elif self.score is not None and failure is None:
            watch.keep_best(loop.w, watch.read(self.score(loop.w)))
        return self.described(value)

    def described(self, value: Any) -> Run:
        """The run as it stands, with this value at `w`."""
        loop, watch, ends = self.loop, self.watch, self.ends
        converged = ends.are(Outcome.CONVERGED)
        return Run(
            w=loop.w,
            value=float(value) if self.single else value,
            best_w=watch.best,
            best_value=watch.best_value,
            reason=ends.reasons[0] if self.single else tuple(ends.reasons),
            outcome=ends.outcomes[0] if self.single else tuple(ends.outcomes),
            converged=bool(converged) if self.single else converged,
            history=self.journal.history(),
            steps=loop.steps,
            seconds=self.journal.seconds,
            evaluations=dict(watch.counts),
            state=loop.state,
            kernels=loop.backend.kernels,
        )

    def snapshot(self) -> Run:
        """A copy of the run so far, from which another can go on; replicas that go on are INTERRUPTED."""
        ends, loop = self.ends, self.loop
        found = self.described(ends.values)
        if ends.points is not None:
            rows = loop.backend.xp.asarray(self.watch.active, device=loop.backend.device)[:, None]
            found = dataclasses.replace(found, w=loop.backend.xp.where(rows, loop.w, ends.points))
        return copy.deepcopy(found)

    def fail(self, reason: str) -> None:
        """Says why the value at the last point is not known, where it is not."""
        unknown = self.host.isnan(self.host.asarray(self.ends.values))
        self.ends.say(unknown & ~self.ends.are(Outcome.INTERRUPTED), reason, Outcome.INTERRUPTED)

    def evaluated(self, value: Any) -> Any:
        """`value`, with the objective at `w` where it is not known."""
        unknown = self.host.isnan(value)
        if not some(unknown):
            return value
        return self.host.where(unknown, self.loop.backend.to_numpy(self.watch.value(self.loop.w)), value)
