"""Adam and its descendants: a running mean of the gradient, by the root of one of its squares."""

from __future__ import annotations

from dataclasses import dataclass

from .. import checks
from ..device.arrays import Namespace, Vector
from ..device.backend import Backend
from ..objectives import Objective
from . import rules
from .adaptive import places
from .base import FirstOrder, Record, State
from .schedules import Rate, checked_rate
from .settings import keep


@dataclass(frozen=True, eq=False, repr=False)
class Adam(FirstOrder):
    """Adam (Kingma, Ba 2015); with `weight_decay` AdamW (Loshchilov, Hutter 2019).

    `m = beta1 m + (1 - beta1) g`, `s = beta2 s + (1 - beta2) g^2`, and at step k = 1, 2, ...
    `w -= eta (weight_decay w + (m / (1 - beta1^k)) / (sqrt(s / (1 - beta2^k)) + epsilon))`. With `amsgrad`
    the largest `s` so far takes the place of `s` (Reddi, Kale, Kumar 2018).

    Attributes:
        rate: `eta`, a number, an `(R, 1)` or `(P,)` array, a schedule, or a callable of the step.
        beta1, beta2: in [0, 1).
        weight_decay: decoupled from the gradient; 0 for none. A penalty in the objective is the other
            way, that of PyTorch's Adam(weight_decay=...).
        epsilon, epsilon_inside: as for `RMSprop`.
        epsilon_hat: whether `epsilon` is added to `sqrt(s)` before that is divided by
            `sqrt(1 - beta2^k)`, as in scikit-learn, where it is the paper's epsilon-hat.
        amsgrad: see above.

    Raises:
        TypeError, ValueError: a setting outside its range.
    """

    rate: Rate = 0.001
    beta1: float = 0.9
    beta2: float = 0.999
    weight_decay: float = 0.0
    epsilon: float = 1e-8
    epsilon_inside: bool = False
    epsilon_hat: bool = False
    amsgrad: bool = False

    def __post_init__(self) -> None:
        keep(
            self,
            rate=checked_rate(self.rate),
            beta1=checks.number("beta1", self.beta1, 0.0, 1.0, open=")"),
            beta2=checks.number("beta2", self.beta2, 0.0, 1.0, open=")"),
            weight_decay=checks.number("weight_decay", self.weight_decay, 0.0),
            epsilon=checks.number("epsilon", self.epsilon, 0.0),
            epsilon_inside=checks.flag("epsilon_inside", self.epsilon_inside),
            epsilon_hat=checks.flag("epsilon_hat", self.epsilon_hat),
            amsgrad=checks.flag("amsgrad", self.amsgrad),
        )
        if self.epsilon_hat and self.epsilon_inside:
            raise ValueError("epsilon_hat must be False where epsilon_inside is True, got True")

    def memory(self, backend: Backend, objective: Objective, w: Vector) -> State:
        names = ["mean", "square"] + ["square_max"] * self.amsgrad
        return {name: backend.xp.zeros_like(w) for name in names}

    def update(self, xp: Namespace, w: Vector, record: Record, state: State) -> None:
        memory, k = [state["mean"], state["square"]], record.step + 1
        seen2 = 1.0 - self.beta2**k
        epsilon = self.epsilon / seen2**0.5 if self.epsilon_hat else self.epsilon
        if self.amsgrad:
            memory.append(state["square_max"])
        rule = rules.amsgrad if self.amsgrad else rules.adam
        rule.write(
            xp,
            (w, *memory),
            w,
            record.gradient,
            *memory,
            rate=record.rate,
            beta1=self.beta1,
            beta2=self.beta2,
            weight_decay=self.weight_decay,
            seen1=1.0 - self.beta1**k,
            seen2=seen2,
            **places(epsilon, self.epsilon_inside),
        )


@dataclass(frozen=True, eq=False, repr=False)
class NAdam(FirstOrder):
    """Adam with Nesterov's momentum (Dozat 2016), as PyTorch's NAdam.

    With `m` and `s` of Adam, `beta_k = beta1 (1 - .96^(k momentum_decay) / 2)` and the product `p_k` of
    these up to step k = 1, 2, ...:
    `w -= eta (weight_decay w + ((1 - beta_k) / (1 - p_k) g + beta_(k+1) / (1 - p_(k+1)) m)
    / (sqrt(s / (1 - beta2^k)) + epsilon))`.

    Attributes:
        rate: `eta`, a number, an `(R, 1)` or `(P,)` array, a schedule, or a callable of the step.
        beta1, beta2: in [0, 1).
        weight_decay: decoupled from the gradient; 0 for none.
        epsilon: not negative.
        momentum_decay: not negative; how soon the momentum nears beta1.

    Raises:
        TypeError, ValueError: a setting outside its range.
    """

    rate: Rate = 0.002
    beta1: float = 0.9
    beta2: float = 0.999
    weight_decay: float = 0.0
    epsilon: float = 1e-8
    momentum_decay: float = 0.004

    def __post_init__(self) -> None:
        keep(
            self,
            rate=checked_rate(self.rate),
            beta1=checks.number("beta1", self.beta1, 0.0, 1.0, open=")"),
            beta2=checks.number("beta2", self.beta2, 0.0, 1.0, open=")"),
            weight_decay=checks.number("weight_decay", self.weight_decay, 0.0),
            epsilon=checks.number("epsilon", self.epsilon, 0.0),
            momentum_decay=checks.number("momentum_decay", self.momentum_decay, 0.0),
        )

    def memory(self, backend: Backend, objective: Objective, w: Vector) -> State:
        zeros = {name: backend.xp.zeros_like(w) for name in ("mean", "square")}
        return zeros | {"product": 1.0}

    def update(self, xp: Namespace, w: Vector, record: Record, state: State) -> None:
        mean, square, k = state["mean"], state["square"], record.step + 1
        now, ahead = self._momentum(k), self._momentum(k + 1)
        product = state["product"] * now
        rules.nadam.write(
            xp,
            (w, mean, square),
            w,
            record.gradient,
            mean,
            square,
            rate=record.rate,
            beta1=self.beta1,
            beta2=self.beta2,
            weight_decay=self.weight_decay,
            now=(1.0 - now) / (1.0 - product),
            ahead=ahead / (1.0 - product * ahead),
            seen2=1.0 - self.beta2**k,
            epsilon=self.epsilon,
        )
        state["product"] = product

    def _momentum(self, k: int) -> float:
        return self.beta1 * (1.0 - 0.5 * 0.96 ** (k * self.momentum_decay))


@dataclass(frozen=True, eq=False, repr=False)
class RAdam(FirstOrder):
    """Adam that waits until its mean square can be trusted (Liu et al. 2020), as PyTorch's RAdam.

    With `m` and `s` of Adam, `rho = 2 / (1 - beta2) - 1` and `rho_k = rho - 2 k beta2^k / (1 - beta2^k)` at
    step k = 1, 2, ...: `w -= eta (weight_decay w + m / (1 - beta1^k) r)`, where `r` is 1 while `rho_k <= 5`
    and `sqrt((rho_k - 4) (rho_k - 2) rho / ((rho - 4) (rho - 2) rho_k)) sqrt(1 - beta2^k) / (sqrt(s) +
    epsilon)` from then on.

    Attributes:
        rate: `eta`, a number, an `(R, 1)` or `(P,)` array, a schedule, or a callable of the step.
        beta1, beta2: in [0, 1).
        weight_decay: decoupled from the gradient; 0 for none.
        epsilon: not negative.

    Raises:
        TypeError, ValueError: a setting outside its range.
    """

    rate: Rate = 0.001
    beta1: float = 0.9
    beta2: float = 0.999
    weight_decay: float = 0.0
    epsilon: float = 1e-8

    def __post_init__(self) -> None:
        keep(
            self,
            rate=checked_rate(self.rate),
            beta1=checks.number("beta1", self.beta1, 0.0, 1.0, open=")"),
            beta2=checks.number("beta2", self.beta2, 0.0, 1.0, open=")"),
            weight_decay=checks.number("weight_decay", self.weight_decay, 0.0),
            epsilon=checks.number("epsilon", self.epsilon, 0.0),
        )

    def memory(self, backend: Backend, objective: Objective, w: Vector) -> State:
        return {name: backend.xp.zeros_like(w) for name in ("mean", "square")}

    def update(self, xp: Namespace, w: Vector, record: Record, state: State) -> None:
        mean, square, k = state["mean"], state["square"], record.step + 1
        seen1, seen2 = 1.0 - self.beta1**k, 1.0 - self.beta2**k
        most = 2.0 / (1.0 - self.beta2) - 1.0
        length = most - 2.0 * k * (1.0 - seen2) / seen2
        plain, scaled = 1.0 / seen1, 0.0
        if length > 5.0:
            grown = (length - 4.0) * (length - 2.0) * most / ((most - 4.0) * (most - 2.0) * length)
            plain, scaled = 0.0, (grown * seen2) ** 0.5 / seen1
        rules.radam.write(
            xp,
            (w, mean, square),
            w,
            record.gradient,
            mean,
            square,
            rate=record.rate,
            beta1=self.beta1,
            beta2=self.beta2,
            weight_decay=self.weight_decay,
            plain=plain,
            scaled=scaled,
            # where nothing is divided by it, it only keeps 0 / 0 away
            epsilon=self.epsilon if scaled else 1.0,
        )


@dataclass(frozen=True, eq=False, repr=False)
class Lion(FirstOrder):
    """`w -= eta (weight_decay w + sign(beta1 m + (1 - beta1) g))`, `m = beta2 m + (1 - beta2) g`
    (Chen et al. 2023).

    Attributes:
        rate: `eta`, a number, an `(R, 1)` or `(P,)` array, a schedule, or a callable of the step.
        beta1, beta2: in [0, 1).
        weight_decay: decoupled from the gradient; 0 for none.

    Raises:
        TypeError, ValueError: a setting outside its range.
    """

    rate: Rate = 0.0001
    beta1: float = 0.9
    beta2: float = 0.99
    weight_decay: float = 0.0

    def __post_init__(self) -> None:
        keep(
            self,
            rate=checked_rate(self.rate),
            beta1=checks.number("beta1", self.beta1, 0.0, 1.0, open=")"),
            beta2=checks.number("beta2", self.beta2, 0.0, 1.0, open=")"),
            weight_decay=checks.number("weight_decay", self.weight_decay, 0.0),
        )

    def memory(self, backend: Backend, objective: Objective, w: Vector) -> State:
        return {"mean": backend.xp.zeros_like(w)}

    def update(self, xp: Namespace, w: Vector, record: Record, state: State) -> None:
        mean = state["mean"]
        rules.lion.write(
            xp,
            (w, mean),
            w,
            record.gradient,
            mean,
            rate=record.rate,
            beta1=self.beta1,
            beta2=self.beta2,
            weight_decay=self.weight_decay,
        )
