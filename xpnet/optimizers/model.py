"""What is known of an objective around a point, and the steps that follow from it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass

from ..device.arrays import Scalar, Vector
from .base import Endings
from .replicas import Numbers


@dataclass(frozen=True)
class Proposal:
    """A step that a model proposes.

    Attributes:
        move: the step.
        promised: by how much the model falls.
        length: of the step, in the norm of the method.
        control: the radius or damping that it was found with.
    """

    move: Vector
    promised: Numbers
    length: Numbers
    control: Numbers


class Model(ABC):
    """What is known of the objective around a point, and what steps follow from it.

    Attributes:
        value, gradient: of the objective at the point.
        endings: as in `Record`: why there is no model.
        takes_gradients: whether a trial evaluates the gradient too, as the next model begins with it.
    """

    value: Scalar
    gradient: Vector
    endings: Endings = ()
    takes_gradients: bool = True

    @abstractmethod
    def propose(self, control: Numbers) -> Proposal:
        """The step for these radii or dampings."""

    @abstractmethod
    def unrestricted(self) -> tuple[Vector, Numbers]:
        """The step without radius or damping, and by how much it falls; infinity if for ever."""
