"""Steps that stay in a ball around zero, for the minimum under a bound on the norm of the parameters."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from .. import checks
from ..device.arrays import Array, Namespace, Vector
from ..device.backend import Backend
from ..linear.vectors import dot, norm
from ..objectives import Objective
from ..objectives.matrices import point_backend
from .base import Constrained, FirstOrder, LooksAhead, Record, State
from .schedules import Rate
from .settings import is_array, keep, numbers


@dataclass(frozen=True, eq=False)
class Projected(FirstOrder, Constrained):
    """Steps of `optimizer`, each followed by the projection onto the ball `|w| <= radius`.

    `w` beyond the ball is replaced by `radius w / |w|`, the nearest point in it (Goldstein 1964; Levitin,
    Polyak 1966). What the method remembers, a velocity say, stays as it is. With gradient descent it
    converges to the minimum in the ball of any convex function, at rates below 2 / L; a method that gives
    each parameter a step size of its own, such as Adam or Rprop, may come to rest on the sphere elsewhere.

    The norm of the gradient that rules such as `gradient_below` and histories see is that of its part
    within the ball: on the sphere, where `-g` points outwards, `g - (g'w / w'w) w`. It is zero at a
    minimum under the bound, where `g` is not. A `Record` holds `g` itself.

    Attributes:
        optimizer: of first order, or the name of one with its default settings, such as "momentum"; all
            but Nesterov's, whose gradient is taken ahead of `w`. For batches write
            `Minibatch(Projected(...))`.
        radius: of the ball, positive; or `(R, 1)`, one for each replica.

    Raises:
        TypeError, ValueError: another optimizer; a radius that is not positive and finite; `w` outside the
            ball at the start (`project` moves it there).

    >>> import numpy as np
    >>> from xpnet import Projected, Quadratic, gradient_below, minimize
    >>> far = Quadratic([[1.0, 0.0], [0.0, 1.0]], [-3.0, -4.0])  # whose minimum is (3, 4)
    >>> run = minimize(far, Projected("gradient descent", 1.0), np.zeros(2), stop=gradient_below(1e-8))
    >>> run.w.round(6).tolist()
    [0.6, 0.8]
    """

    optimizer: Any
    radius: float | Array
    rate: Rate = field(init=False, repr=False)

    __repr__ = checks.described

    def __post_init__(self) -> None:
        optimizer: Any = self.optimizer
        if isinstance(optimizer, str):
            from . import NAMES  # which this room makes of all methods

            names = [name for name, own in NAMES.items() if _taken(own)]
            optimizer = NAMES[checks.choice("optimizer", optimizer, names)]
        if not _taken(optimizer):
            raise TypeError(
                "optimizer must be one of first order such as Momentum(), whose gradient is taken at w, "
                f"got {checks.shown(optimizer)}"
            )
        radius = numbers("radius", self.radius, 0.0, open="(")
        if is_array(radius) and radius.ndim == 1:
            raise ValueError(f"radius must be a number or (R, 1), got shape {tuple(radius.shape)}")
        keep(self, optimizer=optimizer, radius=radius, rate=optimizer.rate)

    def project(self, w: Vector) -> Vector:
        """The nearest point of the ball, a new array: `w`, `(P,)` or `(R, P)`, where it lies within.

        Raises:
            TypeError, ValueError: `w` is no such array, or of other replicas than the radius.
        """
        backend = point_backend(w)
        checks.per_replica("radius", self.radius, w)
        with backend.working():
            return self._inside(backend.xp, w)

    def memory(self, backend: Backend, objective: Objective, w: Vector) -> State:
        checks.per_replica("radius", self.radius, w)
        xp = backend.xp
        size, radius = norm(xp, w), self._radius(xp, w)
        if bool(xp.any(size > radius * (1.0 + _room(xp, w)))):
            beyond = float(xp.max(size))
            least = float(xp.min(radius)) if is_array(radius) else radius
            raise ValueError(
                f"w must lie in the ball of radius {least:g}, got a norm of {beyond:g}; "
                "the optimizer's project(w) moves it there"
            )
        return self.optimizer.memory(backend, objective, w)

    def update(self, xp: Namespace, w: Vector, record: Record, state: State) -> None:
        self.optimizer.update(xp, w, record, state)
        w[...] = self._inside(xp, w)

    def free_gradient(self, backend: Backend, w: Vector, gradient: Vector) -> Vector:
        xp = backend.xp
        size, radius = norm(xp, w), self._radius(xp, w)
        normal = w / xp.where(size > 0.0, size, 1.0)
        outwards = -dot(xp, gradient, normal)
        bound = (size >= radius * (1.0 - _room(xp, w))) & (outwards > 0.0)
        return gradient + xp.where(bound, outwards, 0.0) * normal

    def _inside(self, xp: Namespace, w: Vector) -> Vector:
        size, radius = norm(xp, w), self._radius(xp, w)
        return w * (radius / xp.where(size > radius, size, radius))

    def _radius(self, xp: Namespace, w: Vector) -> Any:
        radius: Any = self.radius
        return xp.astype(radius, w.dtype, copy=False) if is_array(radius) else radius


def _taken(optimizer: Any) -> bool:
    return isinstance(optimizer, FirstOrder) and not isinstance(optimizer, LooksAhead | Constrained)


def _room(xp: Namespace, w: Vector) -> float:
    """What rounding may add to a norm, relative to it."""
    return float(xp.finfo(w.dtype).eps) ** 0.75
