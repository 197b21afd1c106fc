"""How fast gradient descent converges: measured rates, bounds, and what a step size does to each axis."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from .. import checks
from ..device.arrays import host

ROUNDING = 1e-12  # how near to 0 or 1 a factor counts as it


def convergence_rates(values: Any, minimum: float = 0.0) -> Any:
    """`R_k = |f_{k+1} - f*| / |f_k - f*|` of the values of a run, `(steps - 1,)` or `(steps - 1, R)`.

    Convergence is linear where they stay below a number less than 1, and faster where they fall to 0. NaN
    where the minimum was reached already.

    Args:
        values: such as `run.history.value`.
        minimum: `f*`.
    """
    errors = host.abs(host.asarray(values, dtype=float) - checks.number("minimum", minimum))
    with host.errstate(all="ignore"):
        return errors[1:] / host.where(errors[:-1] > 0.0, errors[:-1], host.nan)


def sublinear_bound(distance: float, rate: float, steps: int) -> Any:
    """`|w_0 - w*|^2 / (2 eta k)` for k = 1, ..., `steps`: above `f_k - f*` of gradient descent.

    It holds where the function is convex and its curvature nowhere above `1 / eta` (Nesterov 2004).

    Args:
        distance: `|w_0 - w*|`.
        rate: `eta`.
        steps: the number of steps.
    """
    checks.number("distance", distance, 0.0)
    checks.number("rate", rate, 0.0, open="(")
    return distance * distance / (2.0 * rate * host.arange(1, checks.count("steps", steps) + 1))


@dataclass(frozen=True)
class Axis:
    """What gradient descent does along one axis of a quadratic.

    Attributes:
        curvature: `a`, the second derivative along the axis.
        optimum: `1 / a`, the rate that reaches the minimum in one step; infinite where `a` is 0.
        factor: `1 - eta a`, by which each step multiplies the distance from the minimum.
        regime: "monotone" (eta below the optimum), "optimal", "oscillating" (up to twice the optimum),
            "cycling" (at twice the optimum), "divergent" (beyond; or negative curvature), "flat".
    """

    curvature: float
    optimum: float
    factor: float
    regime: str

    @property
    def converges(self) -> bool:
        """Whether the distance from the minimum goes to zero."""
        return self.regime in ("monotone", "optimal", "oscillating")


def axes(curvatures: Sequence[float] | Any, rate: float) -> tuple[Axis, ...]:
    """What gradient descent with the rate `eta` does along each axis of `1/2 w'Aw + b'w + c`.

    Args:
        curvatures: the diagonal of `A` where it is diagonal, its eigenvalues otherwise; of a function that
            is not quadratic, the eigenvalues of its Hessian, for steps near the minimum.
        rate: `eta`.

    Raises:
        TypeError, ValueError: numbers that are not finite, a rate that is not positive.
    """
    checks.number("rate", rate, 0.0, open="(")
    return tuple(_axis(checks.number("curvatures", a), rate) for a in curvatures)


def _axis(a: float, rate: float) -> Axis:
    factor = 1.0 - rate * a
    if a == 0.0:
        regime = "flat"
    elif abs(factor) <= ROUNDING:
        regime = "optimal"
    elif abs(factor + 1.0) <= ROUNDING:
        regime = "cycling"
    elif abs(factor) > 1.0:
        regime = "divergent"
    else:
        regime = "monotone" if factor > 0.0 else "oscillating"
    return Axis(a, 1.0 / a if a else float("inf"), factor, regime)
