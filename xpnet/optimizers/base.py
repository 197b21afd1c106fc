"""What every optimizer offers, and what a step reports."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any

from ..backend import Array
from ..objectives import Objective

State = dict[str, Any]


@dataclass(frozen=True)
class Record:
    """One step, described at the point where the gradient was taken, *before* the move.

    For most optimizers that point is `w` as it was; for Nesterov it is the look-ahead point. The
    arrays live on the device: only reading one, as by `float(record.value)`, waits for it.

    Attributes:
        step: 0 for the first.
        value: the objective there: 0-d, or `(R,)`.
        gradient: its gradient there, `(P,)` or `(R, P)`.
        rate: the learning rate of the step, a number or an array.
    """

    step: int
    value: Array
    gradient: Array
    rate: Any


class Optimizer(ABC):
    """A method that moves `w`, `(P,)` or `(R, P)`, in place towards a minimum."""

    @abstractmethod
    def initialise(self, objective: Objective, w: Array) -> State:
        """The state before the first step: numbers and arrays by name, to be kept by the caller."""

    @abstractmethod
    def step(self, objective: Objective, w: Array, state: State) -> Record:
        """Takes one step: moves `w` and updates `state`, both in place."""
