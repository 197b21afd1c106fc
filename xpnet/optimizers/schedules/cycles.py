"""Schedules that rise and fall, in one cycle or in many."""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass
from typing import Literal

from ... import checks
from ..settings import keep
from .base import Memory, StepFormula


@dataclass(frozen=True)
class OneCycle(StepFormula):
    """Up from `maximum / start` to `maximum`, and down to `maximum / (start end)`, in `steps` steps.

    The rise takes the share `rise` of the steps (Smith, Topin 2019), as PyTorch's OneCycleLR, which moves
    the momentum too; with `three_phase` the fall to where it began takes as many, and the rest goes on to
    the end. The rate stays at the end from then on.

    Attributes:
        maximum: of the rate.
        steps: of the whole cycle, at least 2.
        rise: in (0, 1).
        start, end: at least 1; PyTorch's `div_factor` and `final_div_factor`.
        shape: "cosine" or "linear", of each phase.
        three_phase: see above; for a `rise` of at most 1/2.

    Raises:
        TypeError, ValueError: a setting outside its range.

    >>> from xpnet.optimizers.schedules import OneCycle
    >>> [round(OneCycle(1.0, 10, shape="linear").rate(k, {}), 3) for k in (0, 1, 2, 5, 9)]
    [0.04, 0.52, 1.0, 0.571, 0.0]
    """

    maximum: float
    steps: int
    rise: float = 0.3
    start: float = 25.0
    end: float = 1e4
    shape: Literal["cosine", "linear"] = "cosine"
    three_phase: bool = False

    def __post_init__(self) -> None:
        three_phase = checks.flag("three_phase", self.three_phase)
        most = 0.5 if three_phase else 1.0
        keep(
            self,
            maximum=checks.number("maximum", self.maximum, 0.0, open="("),
            steps=checks.count("steps", self.steps, 2),
            rise=checks.number("rise", self.rise, 0.0, most, open="(" if three_phase else "()"),
            start=checks.number("start", self.start, 1.0),
            end=checks.number("end", self.end, 1.0),
            shape=checks.choice("shape", self.shape, ("cosine", "linear")),
            three_phase=three_phase,
        )
        if self.rise * self.steps <= 1.0:
            raise ValueError(f"rise must be more than 1 / steps, here 1 / {self.steps}, got {self.rise}")

    def rate(self, step: float, memory: Memory) -> float:
        low, top, peak = self.maximum / self.start, self.maximum, self.rise * self.steps - 1.0
        corners = [(0.0, low), (peak, top), (self.steps - 1.0, low / self.end)]
        if self.three_phase:
            corners.insert(2, (2.0 * self.rise * self.steps - 2.0, low))
        step = min(step, self.steps - 1.0)
        for (begin, first), (end, last) in itertools.pairwise(corners):
            if step <= end:
                part = (step - begin) / (end - begin)
                if self.shape == "linear":
                    return first + (last - first) * part
                return last + 0.5 * (first - last) * (1.0 + math.cos(math.pi * part))
        return corners[-1][1]


@dataclass(frozen=True)
class Cyclic(StepFormula):
    """Up from `minimum` to `maximum` in `up` steps, down in `down`, and again (Smith 2017).

    The height of cycle c = 0, 1, ... is `maximum - minimum`; with "halved" it is `2^-c` of that, and with
    "exponential" the rate's distance from `minimum` at step k is `factor^k` of it. As PyTorch's CyclicLR.

    Attributes:
        minimum, maximum: of the rate; `0 <= minimum <= maximum`, `0 < maximum`.
        up, down: steps; `down` is `up` if not given.
        mode: "constant", "halved" or "exponential": PyTorch's "triangular", "triangular2" and "exp_range".
        factor: in (0, 1].

    Raises:
        TypeError, ValueError: a setting outside its range.

    >>> from xpnet.optimizers.schedules import Cyclic
    >>> [Cyclic(0.0, 1.0, 2, mode="halved").rate(k, {}) for k in range(8)]
    [0.0, 0.5, 1.0, 0.5, 0.0, 0.25, 0.5, 0.25]
    """

    minimum: float
    maximum: float
    up: int = 2000
    down: int | None = None
    mode: Literal["constant", "halved", "exponential"] = "constant"
    factor: float = 1.0

    def __post_init__(self) -> None:
        maximum = checks.number("maximum", self.maximum, 0.0, open="(")
        keep(
            self,
            maximum=maximum,
            minimum=checks.number("minimum", self.minimum, 0.0, maximum),
            up=checks.count("up", self.up),
            down=None if self.down is None else checks.count("down", self.down),
            mode=checks.choice("mode", self.mode, ("constant", "halved", "exponential")),
            factor=checks.number("factor", self.factor, 0.0, 1.0, open="("),
        )

    def rate(self, step: float, memory: Memory) -> float:
        down = self.up if self.down is None else self.down
        cycle, place = divmod(step, self.up + down)
        height = place / self.up if place <= self.up else (self.up + down - place) / down
        if self.mode != "constant":
            height *= 0.5**cycle if self.mode == "halved" else self.factor**step
        return self.minimum + (self.maximum - self.minimum) * height
