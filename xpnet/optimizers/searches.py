"""How far to go along a direction: what a search is, and those that need no trial."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any, ClassVar

from .. import checks
from ..device.arrays import Scalar, Vector
from ..device.backend import Backend
from ..glossary import Hinted
from ..linear.vectors import dot, norm, unit
from ..objectives import Objective, Offers
from ..objectives.base import require
from .outcome import Ending, Outcome
from .replicas import Numbers, lowest, numbers
from .schedules import Rate, as_schedule, checked_rate, checked_schedule
from .schedules.rates import usable
from .settings import Settings, keep

ROUNDED = Ending(
    "no lower value found along the gradient: as far as rounding lets it go", Outcome.CONVERGED
)
NOT_LOWER = Ending("no lower value found along the gradient")
JUMPS = Ending("no lower value found along the gradient, which jumps there")
NON_FINITE = Ending("no lower value found, and some that were tried were not finite")
STATIONARY = Ending("the gradient is zero", Outcome.CONVERGED)
NOT_CONVEX = Ending("no minimum along the direction, where the curvature is not positive")


@dataclass(frozen=True)
class Start:
    """Where a search begins, and along what.

    Attributes:
        w, value, gradient: the point, and the objective there.
        direction: along which to go.
        values: `value` on the host.
        slopes: the inner products of `gradient` and `direction`; of the right sign, and near it in size,
            where they over- or underflow.
        first: the lengths to try first.
        active: whose replicas are to move; the others stay.
    """

    w: Vector
    value: Scalar
    gradient: Vector
    direction: Vector
    values: Numbers
    slopes: Numbers
    first: Numbers
    active: Numbers


@dataclass(frozen=True)
class Move:
    """Where a search went: the lengths and endings on the host; `value`, `gradient` if they are known."""

    w: Vector
    lengths: Numbers
    endings: tuple[Ending | None, ...]
    value: Scalar | None = None
    gradient: Vector | None = None


class Search(Hinted, ABC):
    """A way to go from a point along a direction.

    Attributes:
        descends: whether it needs a direction along which the value falls.
    """

    descends: ClassVar[bool] = True

    @abstractmethod
    def initialize(self, backend: Backend, objective: Objective, w: Vector) -> dict[str, Any]:
        """What it remembers from step to step."""

    @abstractmethod
    def along(self, backend: Backend, objective: Objective, start: Start, state: dict[str, Any]) -> Move:
        """The point reached from `start`."""


def check_search(search: Any) -> None:
    """Raises TypeError unless `search` is one along a direction."""
    checks.instance("search", search, Search, "a Search such as StrongWolfe()")


def slopes(backend: Backend, gradient: Vector, direction: Vector) -> Numbers:
    """Their inner products, of the right sign even where they over- or underflow."""
    xp, host = backend.xp, backend.host
    info = xp.finfo(gradient.dtype)
    found = numbers(backend, dot(xp, gradient, direction))
    low, high = lowest(info), float(info.max)
    if all(low < abs(slope) < high for slope in found):
        return found
    steep, long = norm(xp, gradient), norm(xp, direction)
    g, d = gradient / xp.where(steep > 0.0, steep, 1.0), direction / xp.where(long > 0.0, long, 1.0)
    cosine = numbers(backend, dot(xp, g, d))
    exact = cosine * numbers(backend, steep) * numbers(backend, long)
    return host.where((exact == 0.0) & (cosine != 0.0), host.copysign(5e-324, cosine), exact)


@dataclass(frozen=True, eq=False, repr=False)
class Fixed(Settings, Search):
    """Goes `rate` times the direction, whatever comes.

    Attributes:
        rate: a number, an `(R, 1)` or `(P,)` array, a schedule, or a callable of the step. With a rate for
            each parameter the record tells their mean.

    Raises:
        TypeError, ValueError: no rate.
    """

    rate: Rate = 1.0

    descends = False

    def __post_init__(self) -> None:
        keep(self, rate=checked_rate(self.rate))

    def initialize(self, backend: Backend, objective: Objective, w: Vector) -> dict[str, Any]:
        return as_schedule(self.rate).initialize(backend, w)

    def along(self, backend: Backend, objective: Objective, start: Start, state: dict[str, Any]) -> Move:
        schedule = checked_schedule(self.rate)
        schedule.observe(backend, start.value, state)
        rate = usable(backend, start.w, state["step"], schedule.rate(state["step"], state))
        replicas = len(start.active)
        length = backend.xp.mean(rate) if getattr(rate, "ndim", 0) == 1 else rate
        lengths = backend.host.broadcast_to(numbers(backend, length), (replicas,))
        factor = rate if isinstance(rate, float) else backend.xp.astype(rate, start.w.dtype)
        return Move(start.w + factor * start.direction, lengths, (None,) * replicas)


@dataclass(frozen=True)
class Exact(Search):
    """`t = -g'd / d'Hd`: the minimum along the direction, if the objective is quadratic.

    Where the curvature along the direction is not positive there is no such minimum, and it says so.
    """

    def initialize(self, backend: Backend, objective: Objective, w: Vector) -> dict[str, Any]:
        require(objective, Offers.HESSIAN_PRODUCT, "the exact search")
        return {}

    def along(self, backend: Backend, objective: Objective, start: Start, state: dict[str, Any]) -> Move:
        xp = backend.xp
        size = unit(xp, start.direction)
        d = start.direction / size
        slope = dot(xp, start.gradient, d)
        curvature = dot(xp, d, objective.hessian_product(start.w, d))
        good = (curvature > 0.0) & (slope < 0.0)
        t = xp.where(good, -slope / xp.where(good, curvature, 1.0), 0.0)
        endings = tuple(
            None if length > 0.0 or not active else NOT_CONVEX
            for length, active in zip(numbers(backend, t), start.active, strict=True)
        )
        return Move(start.w + t * d, numbers(backend, t / size), endings)
