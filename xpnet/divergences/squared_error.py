"""The squared error."""

from __future__ import annotations

from dataclasses import dataclass

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
