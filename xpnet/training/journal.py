"""What is read in the course of a run: its looks, its points if wanted, and those of the run before."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

from ..device.arrays import Array, Vector
from ..run import History, Look, Run, history, joined
from .loop import Loop
from .rule import Progress


class Journal:
    """The looks of a run, and what launches of a graph have left in between.

    Attributes:
        looks: of this run, those steps among them; `before` are those of the run that it goes on from.
        first: the optimizer's number of the run's first step.
        point: where the last look was; valid until the next step.
    """

    def __init__(self, loop: Loop, keep_path: bool, resumed: Run | None, goes_on: bool) -> None:
        self.loop, self.host, self.rows = loop, loop.backend.host, loop.watch.rows
        self.clock = loop.communicator.clock
        self.start = self.clock() - (0.0 if resumed is None else resumed.seconds)
        self.first = int(loop.state.get("step", 0)) - loop.steps
        self.looks: list[Look] = []
        self.path: list[Array] | None = [] if keep_path else None
        self.before: History | None = None
        if resumed is not None:
            own = self.before = resumed.history
            if len(own):
                self.first = int(own.step[0])  # as a step in which nothing moved is not among those taken
            if goes_on:  # the point at which it ended is looked at again
                self.before = own.where(own.step < self.first + loop.steps)
        self.point: Vector = loop.begin
        self._nothing: Any = self.host.full(self.rows, math.nan) if self.rows else math.nan
        self._seen: tuple[Any, ...] = ()
        self._metrics: dict[str, Any] = {}  # none of them known

    @property
    def seconds(self) -> float:
        """Since the start of the run, and of those before."""
        return self.clock() - self.start

    def see(
        self, point: Vector, values: Any, norm: Any, held_out: Any, made: int, metrics: dict[str, Any]
    ) -> None:
        """Takes what was read where a step begins."""
        self._metrics = dict.fromkeys(metrics, self._nothing)
        self.gather()
        self.point = point
        self._seen = (self.loop.watch.active, values, norm, held_out, made, metrics)

    def gather(self) -> None:
        """Takes what launches have found since the last look."""
        launched = [] if self.loop.launches is None else self.loop.launches.read()
        rates: dict[int, Any] = {}  # by the identity of what they were made of, to read each array once
        for step, values, norm, rate, made in launched:
            if id(rate) not in rates:
                rates[id(rate)] = self._rate(rate)
            values, norm, held_out = self._columns(self.loop.watch.active, values, norm, None)
            own = values, norm, rates[id(rate)], held_out
            self.looks.append(Look(step, *own, self.seconds, made, False, self._metrics))

    def note(self, step: int, rate: Any) -> None:
        """Makes a look of it, once the rate is known."""
        active, values, norm, held_out, made, metrics = self._seen
        self._seen = ()
        values, norm, held_out = self._columns(active, values, norm, held_out)
        if type(rate) is not float:
            rate = self._rate(rate)
        self.looks.append(Look(step, values, norm, rate, held_out, self.seconds, made, True, metrics))
        if self.path is not None:
            self.path.append(self.host.asarray(self.loop.backend.to_numpy(self.point), copy=True))

    def _columns(self, active: Any, values: Any, norm: Any, held_out: Any) -> tuple[Any, Any, Any]:
        """The same, with NaN for what is not known and for replicas that have ended."""
        if not self.rows:
            return values, norm, math.nan if held_out is None else held_out
        host, nothing = self.host, self._nothing
        values, norm, held_out = (
            nothing if column is None else host.where(active, column, math.nan)
            for column in (values, norm, held_out)
        )
        return values, norm, held_out

    def _rate(self, rate: Any) -> Any:
        """A rate as a number, or as numbers of each replica or of each parameter, on the host."""
        axes = getattr(rate, "ndim", 0)
        if not axes:
            return float(rate)
        rates = self.loop.backend.to_numpy(rate)
        if axes == 1 and self.rows:
            return float(rates.mean())  # of rates of each parameter
        return self.host.reshape(rates, (-1,))

    def note_unfinished(self) -> bool:
        """The same, where the step has been broken off; returns whether there was anything to note."""
        if not self._seen:
            return False
        self.note(self.first + self.loop.steps, math.nan)
        return True

    def history(self) -> History:
        """All of them so far."""
        own = history(self.host, self.looks, self.rows[0] if self.rows else None, self.path)
        return joined(self.before, own)

    def earlier(self) -> Iterator[Progress]:
        """What rules saw of the run before, from which they know again what they remember."""
        before: Look | None = None
        for look in () if self.before is None else self.before.looks():
            unknown = bool(self.host.all(look.held_out != look.held_out))
            value, norm, held_out = look.value, look.gradient_norm, look.held_out
            if not self.rows:
                value, norm, held_out = float(value), float(norm), float(held_out)
            yield Progress(
                int(look.step) - self.first,
                value,
                norm,
                float(look.seconds),
                None if unknown else held_out,
                int(look.evaluations),
                self._moved(before, value, norm),
            )
            before = look

    def moved_since_before(self, values: Any, norm: Any) -> Any:
        """Whether the last step of the run before has moved `w`, judged by what is found there now."""
        looks = None if self.before is None else self.before.looks()
        return self._moved(looks[-1] if looks else None, values, norm)

    def _moved(self, before: Look | None, values: Any, norm: Any) -> Any:
        if before is None:
            return True
        found = (values != before.value) | (norm != before.gradient_norm)
        return found if self.rows else bool(found)
