"""The line search of More and Thuente, for a step that satisfies the strong Wolfe conditions.

`phi(t) = f(w + t d)`. Wanted is a `t` with sufficient decrease, `phi(t) <= phi(0) + c1 t phi'(0)`, and a
small slope, `|phi'(t)| <= c2 |phi'(0)|`. The search keeps the two ends of an interval that holds such
points, `x` the better of the two, and moves to the minimum of a cubic or quadratic through what is known.
J. J. More, D. J. Thuente, "Line search algorithms with guaranteed sufficient decrease", ACM Trans. Math.
Software 20:286, 1994; constants as in their program.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from .. import checks
from .line_search import Line, LineSearch, Walk
from .searches import NON_FINITE, NOT_LOWER
from .settings import keep

SHORTEST, LONGEST = 1e-100, 1e100
WIDTH = 1e-14  # of the interval, relative to its end, at which the search gives up
LOW, HIGH = 1.1, 4.0  # how far a step may go beyond, while there is no interval yet


@dataclass(frozen=True)
class StrongWolfe(LineSearch):
    """More and Thuente's search.

    Where rounding hides how `phi(t)` differs from `phi(0)`, what the slopes say of the difference is taken
    in its place, `t (phi'(0) + phi'(t)) / 2`: they are more precise there. Sufficient decrease then is the
    approximate condition of Hager, Zhang 2005, `phi'(t) <= (2 c1 - 1) phi'(0)`.

    Attributes:
        decrease: c1.
        curvature: c2, above c1.
        trials: the most evaluations.

    Raises:
        TypeError, ValueError: a setting outside its range.
    """

    decrease: float = 1e-4
    curvature: float = 0.9
    trials: int = 30

    needs_gradient = True

    def __post_init__(self) -> None:
        decrease = checks.number("decrease", self.decrease, 0.0, 1.0, open="()")
        keep(
            self,
            decrease=decrease,
            curvature=checks.number("curvature", self.curvature, decrease, 1.0, open="()"),
            trials=checks.count("trials", self.trials),
        )

    def walk(self, line: Line) -> Walk:
        start = _End(0.0, line.value, line.slope)
        x, y = start, start
        bracketed = lifted = False
        t, longest = line.first, LONGEST
        low, high = 0.0, t + HIGH * t
        width = before = math.inf
        best, ending = start, NOT_LOWER
        for _ in range(self.trials):
            value, slope = yield t
            if not (math.isfinite(value) and math.isfinite(slope)):
                longest = high = t
                ending = NON_FINITE
                t = x.t + 0.1 * (t - x.t)
                continue
            if value < best.value:
                best = _End(t, value, slope)
            here = _End(t, _told_apart(line, t, value, slope), slope)
            value = here.value
            ceiling = line.value + self.decrease * t * line.slope
            flat = abs(slope) <= self.curvature * -line.slope
            if flat and value <= ceiling:
                return t, None
            if bracketed and (not low < t < high or high - low <= WIDTH * high):
                break  # rounding errors keep it from going on
            if t == longest and value <= ceiling:
                return t, None
            if not lifted and value <= ceiling and slope >= 0.0:
                lifted = True
            if not lifted and value <= x.value and value > ceiling:
                # the function less the line of sufficient decrease has the minimum wanted
                tilt = self.decrease * line.slope
                x, y, t, bracketed = _next(
                    x.less(tilt), y.less(tilt), here.less(tilt), bracketed, low, high
                )
                x, y = x.less(-tilt), y.less(-tilt)
            else:
                x, y, t, bracketed = _next(x, y, here, bracketed, low, high)
            if bracketed:
                if abs(y.t - x.t) >= 0.66 * before:
                    t = x.t + 0.5 * (y.t - x.t)
                before, width = width, abs(y.t - x.t)
                low, high = min(x.t, y.t), max(x.t, y.t)
            else:
                low, high = t + LOW * (t - x.t), t + HIGH * (t - x.t)
            if not math.isfinite(t):
                t = 0.5 * (low + high)
            t = min(max(t, SHORTEST), longest)
            if bracketed and (not low < t < high or high - low <= WIDTH * high):
                break
        lower = best.value < line.value
        return (best.t, None) if lower else (0.0, ending)


@dataclass(frozen=True)
class _End:
    """What is known of `phi` at `t`."""

    t: float
    value: float
    slope: float

    def less(self, tilt: float) -> _End:
        """The same of `phi(t) - tilt t`."""
        return _End(self.t, self.value - tilt * self.t, self.slope - tilt)


def _told_apart(line: Line, t: float, value: float, slope: float) -> float:
    """The value at `t`; as the slopes tell it, where it differs from that at 0 by no more than rounding."""
    if abs(value - line.value) > line.rounding:
        return value
    change = 0.5 * t * (line.slope + slope)
    return line.value + min(max(change, -line.rounding), line.rounding)


def _over(a: float, b: float) -> float:
    """`a / b`, infinite or NaN where `b` is zero."""
    return a / b if b != 0.0 else a * math.inf


def _next(
    x: _End, y: _End, new: _End, bracketed: bool, low: float, high: float
) -> tuple[_End, _End, float, bool]:
    """The interval with the trial `new` in it, and where to go from there: section 4 of the paper."""
    opposite = new.slope * math.copysign(1.0, x.slope) < 0.0
    if new.value > x.value:
        # 1: higher, so a minimum lies between
        cubic, quadratic = _cubic(x, new), _quadratic(x, new)
        near = abs(cubic - x.t) < abs(quadratic - x.t)
        t = cubic if near else cubic + 0.5 * (quadratic - cubic)
        bracketed = True
    elif opposite:
        # 2: lower, and the slope has turned
        cubic, secant = _cubic(new, x), _secant(new, x)
        t = cubic if abs(cubic - new.t) > abs(secant - new.t) else secant
        bracketed = True
    elif abs(new.slope) < abs(x.slope):
        # 3: lower, and the slope decreases
        cubic, secant = _cubic_beyond(new, x, low, high), _secant(new, x)
        if bracketed:
            t = cubic if abs(cubic - new.t) < abs(secant - new.t) else secant
            limit = new.t + 0.66 * (y.t - new.t)
            t = min(limit, t) if new.t > x.t else max(limit, t)
        else:
            t = cubic if abs(cubic - new.t) > abs(secant - new.t) else secant
            t = min(max(t, low), high)
    elif bracketed:
        # 4: lower, and the slope does not decrease
        t = _cubic(new, y)
    else:
        t = high if new.t > x.t else low
    if new.value > x.value:
        return x, new, t, bracketed
    return new, (x if opposite else y), t, bracketed


def _cubic_terms(a: _End, b: _End) -> tuple[float, float, float]:
    """`theta`, the radicand (scaled), and the scale, of the cubic with the values and slopes at both."""
    theta = 3.0 * (a.value - b.value) / (b.t - a.t) + a.slope + b.slope
    scale = max(abs(theta), abs(a.slope), abs(b.slope))
    scale = scale or 1.0
    return theta, (theta / scale) ** 2 - (a.slope / scale) * (b.slope / scale), scale


def _cubic(a: _End, b: _End) -> float:
    """The minimum of the cubic through `a` and `b`."""
    theta, radicand, scale = _cubic_terms(a, b)
    gamma = math.copysign(scale * math.sqrt(max(0.0, radicand)), b.t - a.t)
    p = (gamma - a.slope) + theta
    q = ((gamma - a.slope) + gamma) + b.slope
    return a.t + _over(p, q) * (b.t - a.t)


def _cubic_beyond(a: _End, b: _End, low: float, high: float) -> float:
    """The same, if it lies beyond `a` seen from `b`; else the limit in that direction."""
    theta, radicand, scale = _cubic_terms(a, b)
    gamma = math.copysign(scale * math.sqrt(max(0.0, radicand)), b.t - a.t)
    p = (gamma - a.slope) + theta
    q = (gamma + (b.slope - a.slope)) + gamma
    r = p / q if q != 0.0 else 0.0
    if r < 0.0 and gamma != 0.0:
        return a.t + r * (b.t - a.t)
    return high if a.t > b.t else low


def _quadratic(a: _End, b: _End) -> float:
    """The minimum of the parabola with the value and slope at `a` and the value at `b`."""
    return a.t + _over(a.slope, (a.value - b.value) / (b.t - a.t) + a.slope) / 2.0 * (b.t - a.t)


def _secant(a: _End, b: _End) -> float:
    """Where the line through the slopes at both is zero."""
    return a.t + _over(a.slope, a.slope - b.slope) * (b.t - a.t)
