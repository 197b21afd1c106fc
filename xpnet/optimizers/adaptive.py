"""Methods that scale each derivative by what it has been so far.

Where libraries differ in the place of the small number that keeps the divisor from zero, `epsilon_inside`
chooses: `sqrt(s) + epsilon` by default, as in PyTorch, or `sqrt(s + epsilon)`.

The squares of derivatives above 1e19 overflow in float32 (above 1e154 in float64). Such a parameter then
rests, as it does in PyTorch: scale the objective, or train in float64.
"""

from __future__ import annotations

from dataclasses import dataclass

from .. import checks
from ..device.arrays import Namespace, Vector
from ..device.backend import Backend
from ..objectives import Objective
from . import rules
from .base import FirstOrder, Record, State
from .schedules import Rate, checked_rate
from .settings import keep


def places(epsilon: float, inside: bool) -> dict[str, float]:
    return {"inside": epsilon, "outside": 0.0} if inside else {"inside": 0.0, "outside": epsilon}


@dataclass(frozen=True, eq=False, repr=False)
class RMSprop(FirstOrder):
    """`s = rho s + (1 - rho) g^2`, `w -= eta g / (sqrt(s) + epsilon)` (Tieleman, Hinton 2012).

    With `centred`, `s - m^2` takes the place of `s`, with `m = rho m + (1 - rho) g` (Graves 2013); with a
    momentum, `v = momentum v - g / (sqrt(s) + epsilon)`, `w += eta v`.

    Attributes:
        rate: `eta`, a number, an `(R, 1)` or `(P,)` array, a schedule, or a callable of the step.
        rho: of the mean square, in [0, 1); .9 as in the lecture that introduced it, where PyTorch's
            alpha is .99.
        epsilon, epsilon_inside: see above.
        momentum: in [0, 1).
        centred: whether the mean square is taken about the mean.

    Raises:
        TypeError, ValueError: a setting outside its range.
    """

    rate: Rate = 0.01
    rho: float = 0.9
    epsilon: float = 1e-8
    epsilon_inside: bool = False
    momentum: float = 0.0
    centred: bool = False

    def __post_init__(self) -> None:
        keep(
            self,
            rate=checked_rate(self.rate),
            rho=checks.number("rho", self.rho, 0.0, 1.0, open=")"),
            epsilon=checks.number("epsilon", self.epsilon, 0.0),
            epsilon_inside=checks.flag("epsilon_inside", self.epsilon_inside),
            momentum=checks.number("momentum", self.momentum, 0.0, 1.0, open=")"),
            centred=checks.flag("centred", self.centred),
        )

    def memory(self, backend: Backend, objective: Objective, w: Vector) -> State:
        names = ["square"]
        if self.centred:
            names += ["mean", "velocity"]
        elif self.momentum:
            names += ["velocity"]
        return {name: backend.xp.zeros_like(w) for name in names}

    def update(self, xp: Namespace, w: Vector, record: Record, state: State) -> None:
        small = places(self.epsilon, self.epsilon_inside)
        square = state["square"]
        if not self.centred and not self.momentum:
            arrays = (w, record.gradient, square)
            rules.rmsprop.write(xp, (w, square), *arrays, rate=record.rate, rho=self.rho, **small)
            return
        moving = {"rate": record.rate, "rho": self.rho, "momentum": self.momentum} | small
        velocity = state["velocity"]
        if self.centred:
            memory = (square, state["mean"], velocity)
            rules.rmsprop_centred.write(xp, (w, *memory), w, record.gradient, *memory, **moving)
        else:
            memory = (square, velocity)
            rules.rmsprop_momentum.write(xp, (w, *memory), w, record.gradient, *memory, **moving)


@dataclass(frozen=True, eq=False, repr=False)
class Adagrad(FirstOrder):
    """`s += g^2`, `w -= eta g / (sqrt(s) + epsilon)` (Duchi, Hazan, Singer 2011).

    Attributes:
        rate: `eta`, a number, an `(R, 1)` or `(P,)` array, a schedule, or a callable of the step.
        accumulator: `s` at the start, not negative; 0 as in PyTorch, where TensorFlow has .1.
        epsilon, epsilon_inside: see above.

    Raises:
        TypeError, ValueError: a setting outside its range.
    """

    rate: Rate = 0.01
    accumulator: float = 0.0
    epsilon: float = 1e-10
    epsilon_inside: bool = False

    def __post_init__(self) -> None:
        keep(
            self,
            rate=checked_rate(self.rate),
            accumulator=checks.number("accumulator", self.accumulator, 0.0),
            epsilon=checks.number("epsilon", self.epsilon, 0.0),
            epsilon_inside=checks.flag("epsilon_inside", self.epsilon_inside),
        )

    def memory(self, backend: Backend, objective: Objective, w: Vector) -> State:
        return {"square": backend.xp.full_like(w, self.accumulator)}

    def update(self, xp: Namespace, w: Vector, record: Record, state: State) -> None:
        rules.adagrad.write(
            xp,
            (w, state["square"]),
            w,
            record.gradient,
            state["square"],
            rate=record.rate,
            **places(self.epsilon, self.epsilon_inside),
        )


@dataclass(frozen=True, eq=False, repr=False)
class Adadelta(FirstOrder):
    """`s = rho s + (1 - rho) g^2`, `d = sqrt(u + epsilon) / sqrt(s + epsilon) g`, `w -= eta d`,
    `u = rho u + (1 - rho) d^2` (Zeiler 2012).

    Attributes:
        rate: `eta`, a number, an `(R, 1)` or `(P,)` array, a schedule, or a callable of the step;
            1 in the paper.
        rho: in [0, 1).
        epsilon: what `d` starts from, positive.

    Raises:
        TypeError, ValueError: a setting outside its range.
    """

    rate: Rate = 1.0
    rho: float = 0.9
    epsilon: float = 1e-6

    def __post_init__(self) -> None:
        keep(
            self,
            rate=checked_rate(self.rate),
            rho=checks.number("rho", self.rho, 0.0, 1.0, open=")"),
            epsilon=checks.number("epsilon", self.epsilon, 0.0, open="("),
        )

    def memory(self, backend: Backend, objective: Objective, w: Vector) -> State:
        return {"square": backend.xp.zeros_like(w), "moved": backend.xp.zeros_like(w)}

    def update(self, xp: Namespace, w: Vector, record: Record, state: State) -> None:
        square, moved = state["square"], state["moved"]
        rules.adadelta.write(
            xp,
            (w, square, moved),
            w,
            record.gradient,
            square,
            moved,
            rate=record.rate,
            rho=self.rho,
            epsilon=self.epsilon,
        )
