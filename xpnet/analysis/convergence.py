"""How fast gradient descent converges: measured rates, bounds, and what a step size does to each axis."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

from .. import checks
from ..device.arrays import Array
from ..device.select import backend

ROUNDING = 1e-12  # how near to 0 or -1 a factor counts as it
FLAT = 1e-9  # up to this change in a step the curvature counts as 0

Regime: TypeAlias = Literal["monotone", "optimal", "oscillating", "cycling", "divergent", "flat"]


def convergence_rates(values: Any, minimum: float = 0.0) -> Array:
    """`R_k = |f_{k+1} - f*| / |f_k - f*|` of the values of a run, `(steps - 1,)` or `(steps - 1, R)`.

    Convergence is linear where they stay below a number less than 1, and faster where they fall to 0. NaN
    where the minimum was reached already, and where a replica had stopped.

    Args:
        values: such as `run.history.value`, `(steps,)` or `(steps, R)`; NaN only
            where a replica had stopped.
        minimum: `f*`.

    Raises:
        TypeError, ValueError: values of another kind or shape, or infinite; NaN before a number.

    >>> from xpnet.analysis import convergence_rates
    >>> convergence_rates([8.0, 4.0, 2.0, 1.0]).tolist()
    [0.5, 0.5, 0.5]
    """
    minimum = checks.number("minimum", minimum)
    host = backend("numpy")
    xp = host.xp
    numbers = host.asarray(values, "float64", name="values")
    if numbers.ndim not in (1, 2) or numbers.size == 0:
        shape = tuple(numbers.shape)
        raise ValueError(f"values must be (steps,) or (steps, R), one or more, got shape {shape}")
    known = ~xp.isnan(numbers)
    checks.finite(xp, "values", xp.where(known, numbers, 0.0))
    if not bool(xp.all(known[0, ...]) & xp.all(known[:-1, ...] | ~known[1:, ...])):
        raise ValueError("values must be NaN only where a replica had stopped, got NaN before a number")
    with host.quiet():
        errors = xp.abs(numbers - minimum)
        return errors[1:, ...] / xp.where(errors[:-1, ...] > 0.0, errors[:-1, ...], math.nan)


def sublinear_bound(distance: float, rate: float, steps: int) -> Array:
    """`|w_0 - w*|^2 / (2 eta k)` for k = 1, ..., `steps`: above `f_k - f*` of gradient descent.

    It holds where the function is convex and its curvature nowhere above `1 / eta` (Nesterov 2004).

    Args:
        distance: `|w_0 - w*|`.
        rate: `eta`.
        steps: the number of steps.

    Raises:
        TypeError, ValueError: a negative distance, a rate that is not positive, no steps; a bound that is
            beyond all numbers.
    """
    distance = checks.number("distance", distance, 0.0)
    rate = checks.number("rate", rate, 0.0, open="(")
    steps = checks.count("steps", steps)
    first = distance / rate * distance / 2.0
    if not math.isfinite(first):
        raise ValueError(f"distance must have a finite bound at rate {rate:g}, got {distance:g}")
    host = backend("numpy")
    host.require_room("steps", steps, 2 * steps)
    xp = host.xp
    return first / xp.arange(1, steps + 1, dtype=xp.float64)


@dataclass(frozen=True)
class Axis:
    """What gradient descent does along one axis of a quadratic.

    Attributes:
        curvature: `a`, the second derivative along the axis.
        optimum: `1 / a`, the rate that reaches the minimum in one step; infinite where there is no minimum,
            as the curvature is flat or negative.
        factor: `1 - eta a`, by which each step multiplies the distance from the minimum.
        regime: "monotone" (eta below the optimum), "optimal", "oscillating" (up to twice the optimum),
            "cycling" (at twice the optimum), "divergent" (beyond; or negative curvature), "flat" (`eta |a|`
            at most 1e-9, so that a step does not tell the curvature from 0).
    """

    curvature: float
    optimum: float
    factor: float
    regime: Regime

    @property
    def converges(self) -> bool:
        """Whether the distance from the minimum goes to zero."""
        return self.regime in ("monotone", "optimal", "oscillating")


def axes(curvatures: Any, rate: float) -> tuple[Axis, ...]:
    """What gradient descent with the rate `eta` does along each axis of `1/2 w'Aw + b'w + c`.

    Args:
        curvatures: the diagonal of `A` where it is diagonal, its eigenvalues otherwise; of a function that
            is not quadratic, the eigenvalues of its Hessian, for steps near the minimum; `(P,)`.
        rate: `eta`.

    Raises:
        TypeError, ValueError: another shape, none, or not finite; a rate that is not positive.

    >>> from xpnet.analysis import axes
    >>> [axis.regime for axis in axes([5.0, 10.0, 15.0, 30.0, 0.0, -1.0], rate=0.1)]
    ['monotone', 'optimal', 'oscillating', 'divergent', 'flat', 'divergent']
    """
    rate = checks.number("rate", rate, 0.0, open="(")
    host = backend("numpy")
    numbers = host.asarray(curvatures, "float64", name="curvatures")
    if numbers.ndim != 1 or not numbers.size:
        raise ValueError(f"curvatures must be (P,), one or more, got shape {tuple(numbers.shape)}")
    checks.finite(host.xp, "curvatures", numbers)
    return tuple(_axis(float(a), rate) for a in numbers)


def _axis(a: float, rate: float) -> Axis:
    factor = 1.0 - rate * a
    regime: Regime
    if abs(rate * a) <= FLAT:
        regime = "flat"
    elif abs(factor) <= ROUNDING:
        regime = "optimal"
    elif abs(factor + 1.0) <= ROUNDING:
        regime = "cycling"
    elif abs(factor) > 1.0:
        regime = "divergent"
    else:
        regime = "monotone" if factor > 0.0 else "oscillating"
    return Axis(a, 1.0 / a if a > 0.0 and regime != "flat" else math.inf, factor, regime)
