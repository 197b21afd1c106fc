"""What every optimizer offers, and what a step reports."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any, ClassVar

import array_api_compat

from .. import checks
from ..backend import Array, Namespace
from ..objectives import Objective
from ..schedules import Rate, checked_schedule

State = dict[str, Any]


@dataclass(frozen=True)
class Problem:
    """Why an optimizer cannot go on; `sound` if only because rounding does not let it get any lower."""

    text: str
    sound: bool = False


@dataclass(frozen=True)
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
        problems: empty; or for each replica (one, where there are none) None or why it did not move.
    """

    step: int
    value: Array
    gradient: Array
    rate: Any
    problems: tuple[Problem | None, ...] = ()


class Optimizer(ABC):
    """A method that moves `w`, `(P,)` or `(R, P)`, in place towards a minimum.

    Attributes:
        waits: whether a step reads the device, so that looking at it once more costs little.
    """

    waits: ClassVar[bool] = True

    @abstractmethod
    def initialise(self, objective: Objective, w: Array) -> State:
        """The state before the first step: numbers and arrays by name, to be kept by the caller."""

    @abstractmethod
    def step(self, objective: Objective, w: Array, state: State) -> Record:
        """Takes one step: moves `w` and updates `state`, both in place."""


class FirstOrder(Optimizer):
    """A method whose step is one gradient and one elementwise rule.

    A subclass has a `rate` and defines what it remembers and how it moves. The gradient is taken at
    `state["ahead"]` where there is such an entry, at `w` otherwise.
    """

    waits = False
    rate: Rate

    @abstractmethod
    def memory(self, xp: Namespace, w: Array) -> State:
        """What the method remembers from step to step, at the start."""

    @abstractmethod
    def update(self, xp: Namespace, w: Array, record: Record, state: State) -> None:
        """Moves `w` and updates `state` by one rule, given the record of the step."""

    def initialise(self, objective: Objective, w: Array) -> State:
        checks.per_replica("rate", self.rate, w)
        xp = array_api_compat.array_namespace(w)
        return {"step": 0} | checked_schedule(self.rate).initialise(w) | self.memory(xp, w)

    def step(self, objective: Objective, w: Array, state: State) -> Record:
        schedule, step = checked_schedule(self.rate), state["step"]
        value, gradient = objective.value_and_gradient(state.get("ahead", w))
        record = Record(step, value, gradient, schedule.rate(step, state))
        self.update(array_api_compat.array_namespace(w), w, record, state)
        schedule.observe(value, state)
        state["step"] = step + 1
        return record
