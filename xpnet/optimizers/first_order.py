"""Gradient descent, and its two variants with a momentum."""

from __future__ import annotations

from dataclasses import dataclass

from .. import checks
from ..device.arrays import Array, Namespace, Vector
from ..device.backend import Backend
from ..objectives import Objective
from . import rules
from .base import FirstOrder, LooksAhead, Record, State
from .schedules import Rate, checked_rate, checked_schedule
from .settings import keep, numbers


@dataclass(frozen=True, eq=False, repr=False)
class GradientDescent(FirstOrder):
    """`w -= eta g`.

    Attributes:
        rate: `eta`, a number, an `(R, 1)` or `(P,)` array, a schedule, or a callable of the step.

    Raises:
        TypeError, ValueError: a rate that is not positive and finite.
    """

    rate: Rate = 0.1

    def __post_init__(self) -> None:
        keep(self, rate=checked_rate(self.rate))

    def memory(self, backend: Backend, objective: Objective, w: Vector) -> State:
        return {}

    def update(self, xp: Namespace, w: Vector, record: Record, state: State) -> None:
        rules.gradient_descent.write(xp, (w,), w, record.gradient, rate=record.rate)


@dataclass(frozen=True, eq=False, repr=False)
class Momentum(FirstOrder):
    """`v = beta v - eta (1 - dampening) g`, `w += v`: the heavy ball (Polyak 1964).

    Attributes:
        rate: `eta`, a number, an `(R, 1)` or `(P,)` array, a schedule, or a callable of the step.
        momentum: `beta`, in [0, 1), or an `(R, 1)` or `(P,)` array.
        rate_inside: whether a rate that changes acts on what is added to the velocity from then on; or,
            as in PyTorch's SGD, on the whole velocity, `v = beta v - g`, `w += eta v`. At a constant rate
            it is the same.
        dampening: in [0, 1]; the first step, with no velocity yet, is not dampened, as in PyTorch's SGD.

    Raises:
        TypeError, ValueError: a rate that is not positive and finite; a momentum outside [0, 1); a
            dampening outside [0, 1].
    """

    rate: Rate = 0.1
    momentum: float | Array = 0.9
    rate_inside: bool = True
    dampening: float = 0.0

    def __post_init__(self) -> None:
        keep(
            self,
            rate=checked_rate(self.rate),
            momentum=numbers("momentum", self.momentum, 0.0, 1.0, open=")"),
            rate_inside=checks.flag("rate_inside", self.rate_inside),
            dampening=checks.number("dampening", self.dampening, 0.0, 1.0),
        )

    def memory(self, backend: Backend, objective: Objective, w: Vector) -> State:
        checks.per_replica("momentum", self.momentum, w)
        return {"velocity": backend.xp.zeros_like(w)}

    def update(self, xp: Namespace, w: Vector, record: Record, state: State) -> None:
        velocity = state["velocity"]
        into, arrays = (w, velocity), (w, record.gradient, velocity)
        share = 1.0 - self.dampening if self.dampening and record.step else 1.0
        if self.rate_inside:
            rate = record.rate if share == 1.0 else record.rate * share
            rules.momentum.write(xp, into, *arrays, rate=rate, momentum=self.momentum)
        else:
            rules.momentum_outside.write(
                xp, into, *arrays, rate=record.rate, momentum=self.momentum, share=share
            )


@dataclass(frozen=True, eq=False, repr=False)
class Nesterov(FirstOrder, LooksAhead):
    """`w += beta v`, gradient there, `w -= eta g`, `v = beta v - eta g` (Nesterov 1983).

    The point `w + beta v`, where the gradient is taken, is kept in the state as "ahead"; a record
    describes it. It is the iterate of PyTorch's SGD(nesterov=True) and of scikit-learn's "sgd". Who moves
    `w` between steps must move it too, or `resume`, which takes the next gradient where `w` is then.

    On a quadratic of curvatures from mu to L, k = L / mu, the best constants are `eta = 4 / (3 L + mu)` and
    `beta = (sqrt(3 k + 1) - 2) / (sqrt(3 k + 1) + 2)` (Lessard, Recht, Packard 2016).

    Attributes:
        rate: `eta`, a number, an `(R, 1)` or `(P,)` array, a schedule, or a callable of the step.
        momentum: `beta`, in [0, 1), or an `(R, 1)` or `(P,)` array.
        rate_inside: as for `Momentum`.

    Raises:
        TypeError, ValueError: a rate that is not positive and finite; a momentum outside [0, 1).
    """

    rate: Rate = 0.1
    momentum: float | Array = 0.9
    rate_inside: bool = True

    def __post_init__(self) -> None:
        keep(
            self,
            rate=checked_rate(self.rate),
            momentum=numbers("momentum", self.momentum, 0.0, 1.0, open=")"),
            rate_inside=checks.flag("rate_inside", self.rate_inside),
        )

    def memory(self, backend: Backend, objective: Objective, w: Vector) -> State:
        checks.per_replica("momentum", self.momentum, w)
        return {"velocity": backend.xp.zeros_like(w), "ahead": backend.xp.asarray(w, copy=True)}

    def look_ahead(self, backend: Backend, w: Vector, state: State) -> Vector:
        last = max(0, state["step"] - 1)
        rate = 1.0 if self.rate_inside else checked_schedule(self.rate).rate(last, state)
        return rules.look_ahead.compute(backend.xp, w, state["velocity"], rate=rate, momentum=self.momentum)

    def update(self, xp: Namespace, w: Vector, record: Record, state: State) -> None:
        ahead, velocity = state["ahead"], state["velocity"]
        rule = rules.nesterov if self.rate_inside else rules.nesterov_outside
        rule.write(
            xp,
            (w, velocity, ahead),
            ahead,
            record.gradient,
            velocity,
            rate=record.rate,
            momentum=self.momentum,
        )
