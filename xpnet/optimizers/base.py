"""What every optimizer offers, and what a step reports."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any, ClassVar

from .. import checks
from ..device.arrays import Array, Namespace, Scalar, Vector
from ..device.backend import Backend
from ..device.select import backend_of
from ..glossary import Hinted
from ..objectives import Objective
from ..objectives.matrices import point_backend
from .outcome import Ending
from .schedules import Rate, as_schedule, checked_schedule
from .schedules.rates import usable
from .settings import Settings

State = dict[str, Any]
Endings = tuple[Ending | None, ...]  # one for each replica; or empty, where all go on


@dataclass(frozen=True, eq=False)
class Record:
    """One step, described at the point where the gradient was taken, *before* the move.

    For most optimizers that point is `w` as it was; for Nesterov it is the look-ahead point. The
    arrays live on the device: only reading one, as by `float(record.value)`, waits for it.

    Attributes:
        step: 0 for the first.
        value: the objective there: 0-d, or `(R,)`.
        gradient: its gradient there, `(P,)` or `(R, P)`.
        rate: the learning rate of the step, or the length of the step along its direction, or the radius
            or damping that it was found with; a number or an array.
        endings: empty; or for each replica (one, where there are none) None or why it cannot go on.
        held_out: the held-out risk there, on the host, where `iterate` has evaluated it; else None.
    """

    step: int
    value: Array
    gradient: Array
    rate: Any
    endings: Endings = ()
    held_out: Any = None

    __repr__ = checks.described


class Optimizer(Hinted, ABC):
    """A method that moves `w`, `(P,)` or `(R, P)`, in place towards a minimum.

    A subclass defines `begin` and `advance`, which are handed the backend that `w` lives on:
    the objective's, where that is known.

    Attributes:
        waits: whether a step reads the device, so that looking at it once more costs little.
    """

    waits: ClassVar[bool] = True

    def initialize(self, objective: Objective, w: Vector) -> State:
        """The state before the first step: numbers and arrays by name, to be kept by the caller."""
        checks.instance("objective", objective, Objective, "an Objective")
        return self.begin(point_backend(w, objective.backend), objective, w)

    def step(self, objective: Objective, w: Vector, state: State) -> Record:
        """Takes one step: moves `w` and updates `state`, both in place."""
        checks.instance("objective", objective, Objective, "an Objective")
        backend = backend_of(w, objective.backend)
        checks.writeable("w", w)
        if not isinstance(state, dict) or "step" not in state:
            raise TypeError(f"state must be what initialize has returned, got {checks.shown(state)}")
        # methods of first order make no products but the objective's, which sees to its own
        with backend.working() if self.waits else backend.quiet():
            return self.advance(backend, objective, w, state)

    @abstractmethod
    def begin(self, backend: Backend, objective: Objective, w: Vector) -> State:
        """As `initialize`; raises whatever can be known to be wrong before the first step."""

    @abstractmethod
    def resume(self, backend: Backend, objective: Objective, w: Vector, state: State) -> None:
        """Makes a state that an earlier run left fit `w` and `objective`, where either may have changed.

        What it knows of the point or the objective is kept only if it still holds, so that the first value
        is that of `objective` at `w`; and going on without a change is bit for bit as if never stopped.
        """

    @abstractmethod
    def advance(self, backend: Backend, objective: Objective, w: Vector, state: State) -> Record:
        """As `step`."""


def evaluate(backend: Backend, objective: Objective, w: Vector) -> tuple[Scalar, Vector]:
    """Value and gradient, as arrays of their own: an objective may fill the same ones at each call."""
    value, gradient = objective.value_and_gradient(w)
    return backend.xp.asarray(value, copy=True), backend.xp.asarray(gradient, copy=True)


class LooksAhead(ABC):
    """What a method of first order is too that takes its gradient at `state["ahead"]`, not at `w`."""

    @abstractmethod
    def look_ahead(self, backend: Backend, w: Vector, state: State) -> Vector:
        """The point ahead of `w` that follows from the rest of the state."""


class Constrained(ABC):
    """What an optimizer is too that keeps `w` in a set."""

    @abstractmethod
    def free_gradient(self, backend: Backend, w: Vector, gradient: Vector) -> Vector:
        """The part of the gradient at `w` that the set leaves free to descend; zero at a minimum in it."""


class FirstOrder(Optimizer, Settings):
    """A method whose step is one gradient and one elementwise rule.

    A subclass has a `rate` and defines what it remembers and how it moves. The gradient is taken at `w`; at
    `state["ahead"]` if the method `LooksAhead`.
    """

    waits = False
    rate: Rate

    @abstractmethod
    def memory(self, backend: Backend, objective: Objective, w: Vector) -> State:
        """What the method remembers from step to step, at the start."""

    @abstractmethod
    def update(self, xp: Namespace, w: Vector, record: Record, state: State) -> None:
        """Moves `w` and updates `state` by one rule, given the record of the step."""

    def begin(self, backend: Backend, objective: Objective, w: Vector) -> State:
        memory = as_schedule(self.rate).initialize(backend, w)
        return {"step": 0} | memory | self.memory(backend, objective, w)

    def resume(self, backend: Backend, objective: Objective, w: Vector, state: State) -> None:
        state["step"] = checks.count("state['step']", state["step"], 0)
        if isinstance(self, LooksAhead):
            # where `w` has moved, the next gradient is taken at `w`; elsewhere the bits are kept, which
            # depend on the kernel
            xp, kept, ahead = backend.xp, state["ahead"], self.look_ahead(backend, w, state)
            room = 8.0 * xp.finfo(w.dtype).eps * (xp.abs(w) + xp.abs(ahead))
            still = xp.all(xp.abs(kept - ahead) <= room, axis=-1, keepdims=True)
            kept[...] = xp.where(still, kept, w)

    def advance(self, backend: Backend, objective: Objective, w: Vector, state: State) -> Record:
        step, rate = state["step"], self.rate
        value, gradient = objective.value_and_gradient(state.get("ahead", w))
        if type(rate) is not float:  # which was checked before
            schedule = checked_schedule(rate)
            schedule.observe(backend, value, state)
            rate = usable(backend, w, step, schedule.rate(step, state))
        record = Record(step, value, gradient, rate)
        self.update(backend.xp, w, record, state)
        state["step"] = step + 1
        return record
