"""The plateau rule: a rate that falls where the value no longer does."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from ... import checks
from ...device.arrays import Array, Scalar, Vector
from ...device.backend import Backend
from .. import rules
from ..settings import keep
from .base import Memory, Schedule


@dataclass(frozen=True)
class Plateau(Schedule):
    """The rate is multiplied by `factor` once the value has stagnated for more than `patience` looks.

    A value is better if it lies below the best so far by more than `threshold` times the magnitude of that.
    The rule runs on the device, for each replica alone. A step has the rate that follows from the values up
    to that at its own point: the rate of PyTorch's ReduceLROnPlateau after it has been told these, if they
    are positive. (Below 0 PyTorch's takes values that rise by less than the threshold for better ones.)

    Attributes:
        initial: the rate at the start.
        factor, patience, threshold: see above; the threshold is below 1.
        minimum: of the rate, at most `initial`.
        watch: "value", the objective at each step; or "held_out", the held-out risk at each step before
            which `minimize` has evaluated it, so that `patience` counts those evaluations.

    Raises:
        TypeError, ValueError: a setting outside its range.

    >>> from xpnet import Momentum
    >>> from xpnet.optimizers.schedules import Plateau
    >>> optimizer = Momentum(Plateau(0.1, factor=0.5, patience=20))
    """

    initial: float
    factor: float = 0.1
    patience: int = 10
    threshold: float = 1e-4
    minimum: float = 0.0
    watch: Literal["value", "held_out"] = "value"

    def __post_init__(self) -> None:
        initial = checks.number("initial", self.initial, 0.0, open="(")
        keep(
            self,
            initial=initial,
            factor=checks.number("factor", self.factor, 0.0, 1.0, open="()"),
            patience=checks.count("patience", self.patience, 0),
            threshold=checks.number("threshold", self.threshold, 0.0, 1.0, open=")"),
            minimum=checks.number("minimum", self.minimum, 0.0, initial),
            watch=checks.choice("watch", self.watch, ("value", "held_out")),
        )

    def initialize(self, backend: Backend, w: Vector) -> Memory:
        xp, dtype = backend.xp, backend.accumulator
        shape = (w.shape[0], 1) if w.ndim > 1 else ()

        def full(value: float) -> Array:
            return xp.full(shape, value, dtype=dtype, device=backend.device)

        memory = {"rate": full(self.initial), "best": full(math.inf), "stale": full(0.0)}
        return memory | ({"held_out": full(math.nan)} if self.watch == "held_out" else {})

    def observe(self, backend: Backend, value: Scalar, memory: Memory) -> None:
        xp = backend.xp
        rate, best, stale = memory["rate"], memory["best"], memory["stale"]
        if self.watch == "held_out":
            value = memory["held_out"]
            memory["held_out"] = xp.full_like(value, math.nan)  # until the next evaluation
        value = xp.reshape(xp.asarray(value, dtype=rate.dtype), rate.shape)
        memory["rate"], memory["best"], memory["stale"] = rules.plateau.compute(
            xp,
            rate,
            best,
            stale,
            value,
            factor=self.factor,
            patience=self.patience,
            threshold=self.threshold,
            minimum=self.minimum,
        )

    def rate(self, step: int, memory: Memory) -> float | Array:
        return memory["rate"]
