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


def _places(epsilon: float, inside: bool) -> dict[str, float]:
    return {"inside": epsilon, "outside": 0.0} if inside else {"inside": 0.0, "outside": epsilon}


@dataclass(frozen=True, eq=False)
class RMSprop(FirstOrder):
    """`s = decay s + (1 - decay) g^2`, `w -= eta g / (sqrt(s) + epsilon)` (Tieleman, Hinton 2012).

    Attributes:
        rate: `eta`, a number, an `(R, 1)` or `(P,)` array, a schedule, or a callable of the step.
        decay: of the mean square, in [0, 1); .9 as in the lecture that introduced it, where PyTorch
            has .99.
        epsilon, epsilon_inside: see above.

    Raises:
        TypeError, ValueError: a setting outside its range.
    """

    rate: Rate = 0.01
    decay: float = 0.9
    epsilon: float = 1e-8
    epsilon_inside: bool = False

    def __post_init__(self) -> None:
        keep(
            self,
            rate=checked_rate(self.rate),
            decay=checks.number("decay", self.decay, 0.0, 1.0, open=")"),
            epsilon=checks.number("epsilon", self.epsilon, 0.0),
            epsilon_inside=checks.flag("epsilon_inside", self.epsilon_inside),
        )

    def memory(self, backend: Backend, objective: Objective, w: Vector) -> State:
        return {"square": backend.xp.zeros_like(w)}

    def update(self, xp: Namespace, w: Vector, record: Record, state: State) -> None:
        rules.rmsprop.write(
            xp,
            (w, state["square"]),
            w,
            record.gradient,
            state["square"],
            rate=record.rate,
            decay=self.decay,
            **_places(self.epsilon, self.epsilon_inside),
        )


@dataclass(frozen=True, eq=False)
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
            **_places(self.epsilon, self.epsilon_inside),
        )


@dataclass(frozen=True, eq=False)
class Adam(FirstOrder):
    """Adam (Kingma, Ba 2015); with `decay` AdamW (Loshchilov, Hutter 2019).

    `m = beta1 m + (1 - beta1) g`, `s = beta2 s + (1 - beta2) g^2`, and at step k = 1, 2, ...
    `w -= eta (decay w + (m / (1 - beta1^k)) / (sqrt(s / (1 - beta2^k)) + epsilon))`.

    Attributes:
        rate: `eta`, a number, an `(R, 1)` or `(P,)` array, a schedule, or a callable of the step.
        beta1, beta2: in [0, 1).
        decay: of the weights, decoupled from the gradient; 0 for none. A penalty in the objective is
            the other way, that of PyTorch's Adam(weight_decay=...).
        epsilon, epsilon_inside: see above.
        epsilon_hat: whether `epsilon` is added to `sqrt(s)` before that is divided by
            `sqrt(1 - beta2^k)`, as in scikit-learn, where it is the paper's epsilon-hat.

    Raises:
        TypeError, ValueError: a setting outside its range.
    """

    rate: Rate = 0.001
    beta1: float = 0.9
    beta2: float = 0.999
    decay: float = 0.0
    epsilon: float = 1e-8
    epsilon_inside: bool = False
    epsilon_hat: bool = False

    def __post_init__(self) -> None:
        keep(
            self,
            rate=checked_rate(self.rate),
            beta1=checks.number("beta1", self.beta1, 0.0, 1.0, open=")"),
            beta2=checks.number("beta2", self.beta2, 0.0, 1.0, open=")"),
            decay=checks.number("decay", self.decay, 0.0),
            epsilon=checks.number("epsilon", self.epsilon, 0.0),
            epsilon_inside=checks.flag("epsilon_inside", self.epsilon_inside),
            epsilon_hat=checks.flag("epsilon_hat", self.epsilon_hat),
        )
        if self.epsilon_hat and self.epsilon_inside:
            raise ValueError("epsilon_hat must be False where epsilon_inside is True, got True")

    def memory(self, backend: Backend, objective: Objective, w: Vector) -> State:
        return {"mean": backend.xp.zeros_like(w), "square": backend.xp.zeros_like(w)}

    def update(self, xp: Namespace, w: Vector, record: Record, state: State) -> None:
        mean, square, k = state["mean"], state["square"], record.step + 1
        seen2 = 1.0 - self.beta2**k
        epsilon = self.epsilon / seen2**0.5 if self.epsilon_hat else self.epsilon
        rules.adam.write(
            xp,
            (w, mean, square),
            w,
            record.gradient,
            mean,
            square,
            rate=record.rate,
            beta1=self.beta1,
            beta2=self.beta2,
            decay=self.decay,
            seen1=1.0 - self.beta1**k,
            seen2=seen2,
            **_places(epsilon, self.epsilon_inside),
        )


@dataclass(frozen=True, eq=False)
class Adadelta(FirstOrder):
    """`s = decay s + (1 - decay) g^2`, `d = sqrt(u + epsilon) / sqrt(s + epsilon) g`, `w -= eta d`,
    `u = decay u + (1 - decay) d^2` (Zeiler 2012).

    Attributes:
        rate: `eta`, a number, an `(R, 1)` or `(P,)` array, a schedule, or a callable of the step;
            1 in the paper.
        decay: in [0, 1).
        epsilon: what `d` starts from, positive.

    Raises:
        TypeError, ValueError: a setting outside its range.
    """

    rate: Rate = 1.0
    decay: float = 0.9
    epsilon: float = 1e-6

    def __post_init__(self) -> None:
        keep(
            self,
            rate=checked_rate(self.rate),
            decay=checks.number("decay", self.decay, 0.0, 1.0, open=")"),
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
            decay=self.decay,
            epsilon=self.epsilon,
        )
