"""The squared error, and the one that asks for no more than the target."""

from __future__ import annotations

from dataclasses import dataclass

from .. import checks
from ..device.arrays import Array, Namespace, Units
from .base import Divergence, over_units


@dataclass(frozen=True)
class SquaredError(Divergence):
    """`1/2 sum_i (y_i - d_i)^2`."""

    def value(self, xp: Namespace, outputs: Units, targets: Units) -> Array:
        error = outputs - targets
        return 0.5 * over_units(xp, error * error)

    def value_and_gradient(self, xp: Namespace, outputs: Units, targets: Units) -> tuple[Array, Units]:
        error = outputs - targets
        return 0.5 * over_units(xp, error * error), error


@dataclass(frozen=True)
class ThresholdSquaredError(Divergence):
    """`1/2 sum_i e_i^2` with no error beyond the target: "threshold LMS" (Sontag, Sussmann 1991).

    A target above `middle` is to be reached from below, `e = min(y - d, 0)`; any other from above,
    `e = max(y - d, 0)`. So a sample that is classified well beyond its target pulls at nothing, and where
    the classes can be separated the minimum is 0; with the plain squared error gradient descent may stop
    at a boundary that misses some (Brady, Raghavan, Slawny 1989). For class labels with targets of .9 and
    .1, say, hand over these targets, as labels become 1 and 0, beyond which no sigmoid is.

    Attributes:
        middle: between the targets of the two classes: .5 for a sigmoid's outputs, 0 for those of tanh.

    Raises:
        TypeError, ValueError: a `middle` that is no finite number.

    >>> import numpy as np
    >>> from xpnet import ThresholdSquaredError
    >>> outputs, targets = np.array([[0.95, 0.7, 0.3, 0.05]]), np.array([[0.9, 0.9, 0.1, 0.1]])
    >>> ThresholdSquaredError().value(np, outputs, targets).round(3).tolist()
    [0.0, 0.02, 0.02, 0.0]
    """

    middle: float = 0.5

    def __post_init__(self) -> None:
        object.__setattr__(self, "middle", checks.number("middle", self.middle))

    def value(self, xp: Namespace, outputs: Units, targets: Units) -> Array:
        return self.value_and_gradient(xp, outputs, targets)[0]

    def value_and_gradient(self, xp: Namespace, outputs: Units, targets: Units) -> tuple[Array, Units]:
        error = outputs - targets
        error = xp.where(targets > self.middle, xp.minimum(error, 0.0), xp.maximum(error, 0.0))
        return 0.5 * over_units(xp, error * error), error
