"""Methods that look at the derivatives' signs and changes: Rprop and QuickProp."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Literal, get_args

from .. import checks
from ..device.arrays import Namespace, Vector
from ..device.backend import Backend
from ..objectives import Objective
from . import sign_rules as rules
from .base import FirstOrder, Record, State
from .schedules import Rate, Schedule, checked_rate
from .settings import is_array, keep, numbers

Variant = Literal["RPROP+", "RPROP-", "iRprop+", "iRprop-", "textbook"]
VARIANTS = get_args(Variant)[:4]  # those of the papers


@dataclass(frozen=True, eq=False, repr=False)
class Rprop(FirstOrder):
    """Resilient propagation (Riedmiller, Braun 1993; Igel, Huesken 2003).

    Each parameter has a step size: it grows by `up` while the sign of its derivative holds and shrinks by
    `down` when it turns, within [`smallest`, `largest`]. The step goes against the sign of the present
    derivative. When that has turned, RPROP+ takes the last step back and forgets the sign; iRprop+ does
    so only if the value has risen; RPROP- steps on; iRprop- rests for one step, as PyTorch's Rprop does.

    "textbook" is a warning: the simplified version of textbooks and lectures, read literally. The steps it
    scales and limits have signs, so that a negative one which is to shrink becomes `+smallest`: it fails on
    most rotated quadratics.

    Attributes:
        variant: "RPROP+", "RPROP-", "iRprop+", "iRprop-", or "textbook".
        rate: the step sizes at the start, a number, `(R, 1)` or `(P,)`.
        up, down, smallest, largest: see above.

    Raises:
        TypeError, ValueError: a setting outside its range.
    """

    variant: Variant = "iRprop-"
    rate: Rate = 0.1
    up: float = 1.2
    down: float = 0.5
    smallest: float = 1e-6
    largest: float = 50.0

    def __post_init__(self) -> None:
        if callable(self.rate) or isinstance(self.rate, Schedule):
            got = checks.shown(self.rate)
            raise TypeError(f"rate must be the step sizes at the start, a number or an array, got {got}")
        smallest = checks.number("smallest", self.smallest, 0.0)
        keep(
            self,
            variant=checks.choice("variant", self.variant, Variant),
            rate=numbers("rate", self.rate, 0.0, open="("),
            up=checks.number("up", self.up, 1.0),
            down=checks.number("down", self.down, 0.0, 1.0, open="()"),
            smallest=smallest,
            largest=checks.number("largest", self.largest, smallest),
        )

    def memory(self, backend: Backend, objective: Objective, w: Vector) -> State:
        rate: Any = self.rate
        first = backend.xp.astype(rate, w.dtype) if is_array(rate) else rate
        state = {"last": backend.xp.zeros_like(w)}
        if self.variant != "textbook":
            state["size"] = backend.xp.zeros_like(w) + first
        if self.variant in ("RPROP+", "iRprop+", "textbook"):
            state["move"] = backend.xp.zeros_like(w)
        if self.variant == "iRprop+":
            shape = (w.shape[0], 1) if w.ndim > 1 else ()
            state["before"] = backend.xp.full(
                shape, math.inf, dtype=backend.accumulator, device=backend.device
            )
        return state

    def update(self, xp: Namespace, w: Vector, record: Record, state: State) -> None:
        limits = {"up": self.up, "down": self.down, "smallest": self.smallest, "largest": self.largest}
        last = state["last"]
        if self.variant == "textbook":
            move = state["move"]
            arrays = (w, record.gradient, last, move)
            rules.rprop_textbook.write(xp, (w, last, move), *arrays, first=self.rate, **limits)
            return
        size = state["size"]
        if self.variant.endswith("-"):
            rule = rules.rprop_minus if self.variant == "RPROP-" else rules.irprop_minus
            rule.write(xp, (w, last, size), w, record.gradient, last, size, **limits)
            return
        move = state["move"]
        arrays = (w, record.gradient, last, size, move)
        if self.variant == "RPROP+":
            rules.rprop_plus.write(xp, (w, last, size, move), *arrays, **limits)
            return
        before = state["before"]
        value = xp.reshape(xp.asarray(record.value, dtype=before.dtype), before.shape)
        rules.irprop_plus.write(xp, (w, last, size, move), *arrays, value=value, before=before, **limits)
        state["before"] = value


@dataclass(frozen=True, eq=False, repr=False)
class QuickProp(FirstOrder):
    """QuickProp (Fahlman 1988): a secant step for each parameter, `dw = -g dw_prev / (g - g_prev)`.

    With `guards` as Fahlman has it: a step is at most `growth` times the last one, a gradient term is added
    while the slope keeps its sign, and `weight_decay w` is added to the gradient. Without, the secant only.
    His offset to the derivative of the sigmoid is `xpnet.layers.activations.sigmoid_with_offset`.

    Attributes:
        rate: of the gradient term, and of the first step.
        growth: mu, above 1.
        weight_decay: what of the weights is added to the gradient.
        guards: see above.

    Raises:
        TypeError, ValueError: a setting outside its range.
    """

    rate: Rate = 0.1
    growth: float = 1.75
    weight_decay: float = 1e-4
    guards: bool = True

    def __post_init__(self) -> None:
        keep(
            self,
            rate=checked_rate(self.rate),
            growth=checks.number("growth", self.growth, 1.0, open="("),
            weight_decay=checks.number("weight_decay", self.weight_decay, 0.0),
            guards=checks.flag("guards", self.guards),
        )

    def memory(self, backend: Backend, objective: Objective, w: Vector) -> State:
        return {"last": backend.xp.zeros_like(w), "move": backend.xp.zeros_like(w)}

    def update(self, xp: Namespace, w: Vector, record: Record, state: State) -> None:
        last, move = state["last"], state["move"]
        arrays = (w, record.gradient, last, move)
        if self.guards:
            rules.quickprop.write(
                xp,
                (w, last, move),
                *arrays,
                rate=record.rate,
                growth=self.growth,
                weight_decay=self.weight_decay,
            )
        else:
            rules.secant.write(xp, (w, last, move), *arrays, rate=record.rate)
