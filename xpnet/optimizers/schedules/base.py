"""What every schedule offers: a rate as a function of the step, and of the values met so far."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any, TypeAlias

from ...device.arrays import Array, Scalar, Vector
from ...device.backend import Backend
from ...glossary import Hinted

Memory: TypeAlias = dict[str, Any]
"""What a schedule remembers: numbers and arrays by name, among the optimizer's own state."""


class Schedule(Hinted, ABC):
    """The rate `eta_k` of step `k`. At each step it is told the value, and then asked for the rate."""

    @abstractmethod
    def initialize(self, backend: Backend, w: Vector) -> Memory:
        """What the schedule remembers from step to step."""

    @abstractmethod
    def observe(self, backend: Backend, value: Scalar, memory: Memory) -> None:
        """Tells the value of the objective, 0-d or `(R,)`, at the point from which the step will go."""

    @abstractmethod
    def rate(self, step: int, memory: Memory) -> float | Array:
        """The rate of step `step`: a number, 0-d, `(R, 1)` or `(P,)`, not negative and finite."""


class StepFormula(Schedule):
    """A schedule that is a formula in the step."""

    def initialize(self, backend: Backend, w: Vector) -> Memory:
        return {}

    def observe(self, backend: Backend, value: Scalar, memory: Memory) -> None:
        pass
