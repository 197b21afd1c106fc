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

    A value is better if it lies below the best so far (above it, with `mode="max"`) by more than
    `threshold` times the magnitude of that, or, with `threshold_mode="abs"`, by more than `threshold`. For
    `cooldown` looks after a reduction none counts as stagnant.
    The rule runs on the device, for each replica alone. A step has the rate that follows from the values up
    to that at its own point: the rate of PyTorch's ReduceLROnPlateau after it has been told these, if they
    are positive. (Below 0 PyTorch's takes values that rise by less than the threshold for better ones.)

    Attributes:
        initial: the rate at the start.
        factor, patience, threshold: see above; a relative threshold is below 1.
        minimum: of the rate, at most `initial`.
        watch: "value", the objective at each step; or "held_out", the held-out risk at each step before
            which `minimize` has evaluated it, so that `patience` counts those evaluations.
        cooldown, mode, threshold_mode: see above.

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
    cooldown: int = 0
    mode: Literal["min", "max"] = "min"
    threshold_mode: Literal["rel", "abs"] = "rel"

    def __post_init__(self) -> None:
        initial = checks.number("initial", self.initial, 0.0, open="(")
        most = math.inf if self.threshold_mode == "abs" else 1.0
        keep(
            self,
            initial=initial,
            factor=checks.number("factor", self.factor, 0.0, 1.0, open="()"),
            patience=checks.count("patience", self.patience, 0),
            threshold_mode=checks.choice("threshold_mode", self.threshold_mode, ("rel", "abs")),
            threshold=checks.number("threshold", self.threshold, 0.0, most, open=")"),
            minimum=checks.number("minimum", self.minimum, 0.0, initial),
            watch=checks.choice("watch", self.watch, ("value", "held_out")),
            cooldown=checks.count("cooldown", self.cooldown, 0),
            mode=checks.choice("mode", self.mode, ("min", "max")),
        )

    def initialize(self, backend: Backend, w: Vector) -> Memory:
        xp, dtype = backend.xp, backend.accumulator
        shape = (w.shape[0], 1) if w.ndim > 1 else ()

        def full(value: float) -> Array:
            return xp.full(shape, value, dtype=dtype, device=backend.device)

        memory = {"rate": self.initial, "best": math.inf, "stale": 0.0, "rest": 0.0}
        memory = {name: full(value) for name, value in memory.items()}
        return memory | ({"held_out": full(math.nan)} if self.watch == "held_out" else {})

    def observe(self, backend: Backend, value: Scalar, memory: Memory) -> None:
        xp = backend.xp
        rate, relative = memory["rate"], self.threshold_mode == "rel"
        if self.watch == "held_out":
            value = memory["held_out"]
            memory["held_out"] = xp.full_like(value, math.nan)  # until the next evaluation
        value = xp.reshape(xp.asarray(value, dtype=rate.dtype), rate.shape)
        names = ("rate", "best", "stale", "rest")
        results = rules.plateau.compute(
            xp,
            *[memory[name] for name in names],
            value,
            sign=1.0 if self.mode == "min" else -1.0,
            factor=self.factor,
            patience=self.patience,
            relative=self.threshold if relative else 0.0,
            absolute=0.0 if relative else self.threshold,
            cooldown=self.cooldown,
            minimum=self.minimum,
        )
        memory.update(zip(names, results, strict=True))

    def rate(self, step: int, memory: Memory) -> float | Array:
        return memory["rate"]
