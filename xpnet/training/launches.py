"""Steps between looks as launches of one recorded CUDA graph.

Looks are ordinary steps. What the others find stays on the device until the next look. What a graph needs
is decided in one place, `Steps.take`: it records when there is nothing recorded, or not for the objective,
chunk and kernels of this step, and gives up, once and for all, where something cannot be recorded, or a
launch has not the bits of an ordinary step; then the loop takes ordinary steps.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from typing import Any, NamedTuple

from ..device.arrays import Array
from ..device.backend import Backend
from ..objectives import EmpiricalRisk, Objective
from ..optimizers import FirstOrder, Record
from ..optimizers.base import State
from ..optimizers.schedules import checked_schedule
from ..optimizers.schedules.rates import usable
from ..recording import NotRecordable, Place, Ring, Rows, Slots, StepGraph
from .replicas import Selected
from .watch import Watch

logger = logging.getLogger("xpnet")

_MOST = 256  # steps whose numbers are computed ahead
_WARM = 1  # ordinary steps, beside looks, before anything is recorded


class Found(NamedTuple):
    """What a step between looks has found, on the host; `rate` may be an array of the device."""

    step: int
    value: Any
    gradient_norm: Any
    rate: Any
    evaluations: int


class Steps:
    """The steps of `optimizer` on the objective of `watch`, moving `w` and `state` in place.

    Args:
        keeps: whether what each step finds is kept, to be read.

    Attributes:
        launches: how many steps have been launches; `recordings` how many graphs have been recorded.
        gone: whether it has been given up.
    """

    def __init__(
        self,
        backend: Backend,
        watch: Watch,
        optimizer: FirstOrder,
        w: Any,
        state: State,
        check_every: int,
        *,
        keeps: bool,
    ) -> None:
        self.backend, self.watch, self.optimizer = backend, watch, optimizer
        self.w, self.state, self._length = w, state, min(check_every, _MOST)
        self.schedule = checked_schedule(optimizer.rate)
        self.launches = self.recordings = self._met = 0
        self.gone = False
        self._recorded: _Recorded | None = None
        self._rows: list[_Row] = []  # those that have been loaded, from the next on
        self._next = -1  # the step that the first of them is for
        self._ring = Ring(watch.rows, self._length) if keeps else None
        self._filed: list[tuple[int, float | Array, int]] = []  # of steps that have not been read
        self._found: list[Found] = []

    def take(self) -> Record | None:
        """The next step; None where it must be an ordinary one, and nothing has been done."""
        if self._met < _WARM:
            self._met += 1
            return None
        step = self.state["step"]
        if not self._rows or self._next != step:
            try:
                self._load(step)
            except Exception as error:
                self.gone = True
                reason = f"it takes {error}" if isinstance(error, NotRecordable) else f"{error}"
                kind = type(error).__name__
                logger.warning("steps are not launches of a graph, and take longer: %s (%s)", reason, kind)
                return None
        found = self._recorded
        if found is None or not self._rows:
            return None
        row, watch, state = self._rows[0], self.watch, self.state
        found.settle(state)
        watch.count("gradient")
        ordinary = self._ordinary(row) if found.unproven else None
        watch.fresh = False
        # no interrupt can come between a launch and what says that it has been made
        found.graph.launch()
        state["step"] = self._next = step + 1
        if self._ring is not None:
            self._filed.append((step, row.rate, watch.made()))
        state.update(row.numbers)
        del self._rows[0]
        self.launches += 1
        if ordinary is not None:
            self._prove(found, ordinary)
        return Record(step, found.value, found.gradient, row.rate)

    def _ordinary(self, row: _Row) -> dict[str, Any]:
        """What an ordinary step would make of `w`, the state's arrays, and the value."""
        copies = self._copies()
        w = copies.pop("w")
        state = self.state | copies
        value = self._step(self.backend.xp, self._objective(), w, state, row)[0]
        return {name: state[name] for name in copies} | {"w": w, "value": value}

    def _copies(self) -> dict[str, Any]:
        """Copies of `w` and of the state's arrays."""
        arrays = {name: own for name, own in self.state.items() if self.backend.owns(own)}
        return {n: self.backend.xp.asarray(own, copy=True) for n, own in (arrays | {"w": self.w}).items()}

    def _prove(self, found: _Recorded, ordinary: dict[str, Any]) -> None:
        """Gives up, with what an ordinary step has made, unless the launch has made the same bits."""
        xp, homes = self.backend.xp, found.homes | {"w": self.w, "value": found.value}
        pairs = [(homes[name], own) for name, own in ordinary.items()]
        differ = [xp.any((one != other) & ((one == one) | (other == other))) for one, other in pairs]
        found.unproven -= 1
        if bool(xp.any(xp.stack(differ))):
            self.gone = True
            for wrong, own in pairs:
                wrong[...] = own
            if self._ring is not None:
                self._filed.pop()
            logger.warning("steps are not launches of a graph: one has not the bits of an ordinary step")

    def note(self, record: Record) -> None:
        """Keeps what an ordinary step has found, before anything is recorded."""
        if self._ring is not None and not self.gone:
            self._ring.file(record.value, record.gradient, record.rate)
            self._filed.append((record.step, record.rate, self.watch.made()))

    def read(self) -> list[Found]:
        """What they have found since the last time."""
        self._empty()
        found, self._found = self._found, []
        return found

    def _empty(self) -> None:
        """Reads the ring, if there is anything in it."""
        filed, self._filed = self._filed, []
        if self._ring is not None and filed:
            columns: Iterator[Any] = zip(filed, *self._ring.read(len(filed)), strict=True)
            for (step, rate, made), value, norm, own in columns:
                if not isinstance(rate, float) and rate.size == own.size:
                    rate = own[:, None] if own.ndim else own  # as schedules give them
                self._found.append(Found(step, value, norm, rate, made))

    def _load(self, step: int) -> None:
        """Finds the numbers of the next steps, records what is not recorded for them, and loads them."""
        rows, shadow = list[_Row](), dict(self.state)
        for k in range(step, step + self._length):
            try:
                row = self._row(k, shadow)
            except NotRecordable:
                raise
            except Exception:  # of whoever gives rates: it is to come in the step that it belongs to
                break
            if rows and not row.same(rows[0]):
                break
            rows.append(row)
        self._rows, self._next = rows, step
        self._empty()  # there is room for as many steps as are loaded
        if not rows:
            return
        objective = self._objective()
        token = objective, objective.recording(self.w)
        if isinstance(token[1], str):
            raise NotRecordable(token[1])
        old = self._recorded
        if old is None or not old.holds(token, rows[0]):
            self._recorded = None  # its memory is free for the next
            self._recorded = self._record(token, rows[0])
        assert self._recorded is not None
        self._recorded.graph.load([row.values for row in rows])

    def _objective(self) -> EmpiricalRisk | Selected:
        objective = self.watch.objective
        if not isinstance(objective, EmpiricalRisk | Selected):
            raise NotRecordable(f"an objective of another kind, {type(objective).__name__}")
        return objective

    def _row(self, step: int, shadow: State) -> _Row:
        """What the host does in a step: `shadow` is the state, whose numbers change."""
        rate = usable(self.backend, self.w, step, self.schedule.rate(step, shadow))
        if not isinstance(rate, float) and rate is not self.schedule.rate(step + 1, shadow):
            raise NotRecordable("a rate that is a new array in each step")
        carrier, like = Rows(), _place(self.w)
        value: Any = Place(self.watch.rows, self.backend.accumulator)
        places = {name: _place(own) if self.backend.owns(own) else own for name, own in shadow.items()}
        namespace: Any = carrier
        try:
            self.optimizer.update(namespace, like, Record(step, value, like, rate), places)
        except Exception as error:  # of what an array without numbers cannot do, in the words of anyone
            raise error if isinstance(error, NotRecordable) else NotRecordable(str(error)) from error
        numbers = {name: own for name, own in places.items() if type(own) is float}
        shadow.update(numbers)
        return _Row(carrier.numbers, carrier.kernels, rate, numbers)

    def _record(self, token: Any, row: _Row) -> _Recorded:
        xp, objective, state = self.backend.xp, self._objective(), dict(self.state)
        homes = {name: own for name, own in state.items() if self.backend.owns(own)}
        copies = state | self._copies()
        copy, found = copies.pop("w"), _Recorded(token, row, homes)

        def rehearse(carrier: Slots) -> Any:
            return self._filing(*self._step(carrier, objective, copy, copies, row))[0]

        def work(carrier: Slots) -> Any:
            own = dict(state)
            step = self._step(carrier, objective, self.w, own, row)
            found.value, found.gradient = self._filing(*step)
            for name, home in homes.items():
                if own[name] is not home:
                    home[...] = own[name]  # what a step binds anew goes back to where it was
            return found.value

        found.graph = StepGraph(
            xp,
            rehearse,
            work,
            dtype=self.w.dtype,
            numbers=len(row.values),
            length=self._length,
        )
        if self._ring is not None:
            self._ring.clear()  # of the rehearsal
        self.recordings += 1
        return found

    def _filing(self, value: Any, gradient: Any, rate: Any) -> tuple[Any, Any]:
        if self._ring is not None:
            self._ring.file(value, gradient, rate)
        return value, gradient

    def _step(self, carrier: Any, objective: Objective, w: Any, state: State, row: _Row) -> tuple[Any, ...]:
        """As `FirstOrder.advance`, with the update's numbers in slots."""
        step, numbers = state["step"], {n: own for n, own in state.items() if type(own) in (int, float)}
        value, gradient = objective.value_and_gradient(state.get("ahead", w))
        value = self.watch.number(value)
        self.schedule.observe(self.backend, value, state)
        if any(state[name] != own for name, own in numbers.items()):
            raise NotRecordable("a schedule that keeps numbers on the host")
        rate = row.rate if isinstance(row.rate, float) else self.schedule.rate(step, state)
        self.optimizer.update(carrier, w, Record(step, value, gradient, rate), state)
        return value, gradient, rate


class _Row:
    """What the host hands over in one step: numbers, and the state's numbers after it."""

    def __init__(self, values: list[float], kernels: list[Any], rate: Any, numbers: State) -> None:
        self.values, self.kernels, self.rate, self.numbers = values, kernels, rate, numbers

    def same(self, other: _Row) -> bool:
        """Whether the same graph serves for both."""
        number = isinstance(self.rate, float)
        rates = number == isinstance(other.rate, float)
        return rates and self.kernels == other.kernels


class _Recorded:
    """A graph, what it was recorded for, and where its arrays are; so many launches are `unproven`."""

    graph: StepGraph
    value: Any
    gradient: Any
    unproven = 2  # the second too, whose numbers and point are not those of the recording

    def __init__(self, token: Any, row: _Row, homes: State) -> None:
        self.token, self.row, self.homes = token, row, homes

    def holds(self, token: tuple[Any, Any], row: _Row) -> bool:
        """Whether it is of this objective and chunk, and of the kernels of `row`."""
        return self.token[0] is token[0] and self.token[1] == token[1] and row.same(self.row)

    def settle(self, state: State) -> None:
        """Brings what an ordinary step has bound anew to where the graph expects it."""
        for name, home in self.homes.items():
            if state[name] is not home:
                home[...] = state[name]
                state[name] = home


def _place(own: Any) -> Any:
    return Place(tuple(own.shape), own.dtype)
