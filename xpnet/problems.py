"""Classic test problems of unconstrained minimization.

All but one are sums of squares from More, Garbow, Hillstrom, "Testing Unconstrained Optimization
Software", ACM Trans. Math. Software 7:17, 1981, with the numbers, starting points and minima given there;
`value` is `sum_i f_i^2` as in that paper. `PROBLEMS` holds them all.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, cast

from . import checks
from .device.arrays import Array, DTypeLike
from .device.backend import Backend
from .device.select import backend_of
from .dual import value_of
from .objectives.least_squares import LeastSquares


@dataclass(frozen=True, repr=False)
class Problem:
    """A classic test problem.

    Attributes:
        name: in lower case.
        function: from `xp` and `w` to the `f_i`.
        start: the customary starting point.
        minima: the values of the minima known, the least first.

    Raises:
        TypeError, ValueError: a name that is no string, a function that cannot be called, a start or minima
            that are not finite numbers.
    """

    name: str
    function: Callable[[Any, Any], Any]
    start: tuple[float, ...]
    minima: tuple[float, ...] = (0.0,)

    def __post_init__(self) -> None:
        object.__setattr__(self, "name", checks.text("name", self.name))
        checks.function("function", self.function, "xp and w")
        for name in ("start", "minima"):
            object.__setattr__(self, name, _numbers(name, getattr(self, name)))

    def __repr__(self) -> str:
        name = getattr(self.function, "__name__", f"{self.function!r:.100}")
        return f"Problem({self.name!r}, {name}, {checks.brief(self.start)}, {checks.brief(self.minima)})"

    def objective(self, backend: Backend | str | None = None, dtype: DTypeLike = "float64") -> LeastSquares:
        """The objective `sum_i f_i^2`."""
        return LeastSquares(_Residuals(self.function), backend=backend, dtype=dtype)

    def solved(self, value: float) -> bool:
        """Whether `value` is a known minimum, to 1e-8 of it or of 1.

        Raises:
            TypeError, ValueError: `value` is no number, or not finite.
        """
        value = checks.number("value", value)
        return any(-1e-5 <= (value - known) / max(1.0, abs(known)) <= 1e-8 for known in self.minima)


def _numbers(name: str, values: Any) -> tuple[float, ...]:
    if not isinstance(values, tuple | list) or not values:
        raise TypeError(f"{name} must be numbers in a tuple, one or more, got {checks.shown(values)}")
    return tuple(checks.number(f"each of {name}", value) for value in cast("list[Any]", values))


@dataclass(frozen=True, repr=False)
class _Residuals:
    """`sqrt(2) f_i`, as a LeastSquares takes half of the sum."""

    function: Callable[[Any, Any], Any]

    def __call__(self, xp: Any, w: Any) -> Any:
        f, root = self.function(xp, w), math.sqrt(2.0)
        return [root * part for part in cast("list[Any]", f)] if isinstance(f, list) else root * f

    def __repr__(self) -> str:
        return self.function.__name__


def rosenbrock(xp: Any, w: Any) -> list[Any]:
    """1: a curved valley; also the extended one, 21, on pairs of parameters."""
    pairs = range(0, w.shape[-1], 2)
    return [10.0 * (w[..., k + 1] - w[..., k] ** 2) for k in pairs] + [1.0 - w[..., k] for k in pairs]


def freudenstein_roth(xp: Any, w: Any) -> list[Any]:
    """2."""
    x, y = w[..., 0], w[..., 1]
    return [x + ((5.0 - y) * y - 2.0) * y - 13.0, x + ((y + 1.0) * y - 14.0) * y - 29.0]


def powell_badly_scaled(xp: Any, w: Any) -> list[Any]:
    """3."""
    x, y = w[..., 0], w[..., 1]
    return [1e4 * x * y - 1.0, xp.exp(-x) + xp.exp(-y) - 1.0001]


def brown_badly_scaled(xp: Any, w: Any) -> list[Any]:
    """4."""
    x, y = w[..., 0], w[..., 1]
    return [x - 1e6, y - 2e-6, x * y - 2.0]


def beale(xp: Any, w: Any) -> list[Any]:
    """5."""
    x, y = w[..., 0], w[..., 1]
    return [x * (1.0 - y ** (k + 1)) - d for k, d in enumerate((1.5, 2.25, 2.625))]


def jennrich_sampson(xp: Any, w: Any) -> list[Any]:
    """6, with 10 terms."""
    x, y = w[..., 0], w[..., 1]
    return [-xp.exp(k * x) - xp.exp(k * y) + (2.0 + 2.0 * k) for k in range(1, 11)]


def helical_valley(xp: Any, w: Any) -> list[Any]:
    """7."""
    x, y, z = w[..., 0], w[..., 1], w[..., 2]
    turns = xp.atan(y / x) / (2.0 * math.pi)
    turns = xp.where(x < 0.0, turns + 0.5, turns)
    return [10.0 * (z - 10.0 * turns), 10.0 * (xp.sqrt(x * x + y * y) - 1.0), z]


def bard(xp: Any, w: Any) -> Any:
    """8."""
    y = [0.14, 0.18, 0.22, 0.25, 0.29, 0.32, 0.35, 0.39, 0.37, 0.58, 0.73, 0.96, 1.34, 2.10, 4.39]
    a, b, c = w[..., 0:1], w[..., 1:2], w[..., 2:3]
    u = _data(w, range(1, 16))
    v = _data(w, range(15, 0, -1))
    least = _data(w, [min(k, 16 - k) for k in range(1, 16)])
    return xp.divide(u, b * v + c * least) + a - _data(w, y)


def gaussian(xp: Any, w: Any) -> Any:
    """9."""
    half = [0.0009, 0.0044, 0.0175, 0.0540, 0.1295, 0.2420, 0.3521]
    y, t = _data(w, [*half, 0.3989, *half[::-1]]), _data(w, [(8 - k) / 2 for k in range(1, 16)])
    a, b, c = w[..., 0:1], w[..., 1:2], w[..., 2:3]
    return a * xp.exp(-0.5 * b * (c - t) ** 2) - y


def box(xp: Any, w: Any) -> Any:
    """12, with 10 terms."""
    t = _data(w, [k / 10 for k in range(1, 11)])
    a, b, c = w[..., 0:1], w[..., 1:2], w[..., 2:3]
    known = _data(w, [math.exp(-k / 10) - math.exp(-k) for k in range(1, 11)])
    return xp.exp(-(a * t)) - xp.exp(-(b * t)) - c * known


def powell_singular(xp: Any, w: Any) -> list[Any]:
    """13: the Hessian at the minimum is singular; also the extended one, 22, on fours of parameters."""
    parts: list[Any] = []
    for k in range(0, w.shape[-1], 4):
        a, b, c, d = w[..., k], w[..., k + 1], w[..., k + 2], w[..., k + 3]
        parts += [
            a + 10.0 * b,
            math.sqrt(5.0) * (c - d),
            (b - 2.0 * c) ** 2,
            math.sqrt(10.0) * (a - d) ** 2,
        ]
    return parts


def wood(xp: Any, w: Any) -> list[Any]:
    """14."""
    a, b, c, d = w[..., 0], w[..., 1], w[..., 2], w[..., 3]
    valleys = [10.0 * (b - a**2), 1.0 - a, math.sqrt(90.0) * (d - c**2), 1.0 - c]
    return [*valleys, math.sqrt(10.0) * (b + d - 2.0), (b - d) / math.sqrt(10.0)]


def kowalik_osborne(xp: Any, w: Any) -> Any:
    """15."""
    y = [0.1957, 0.1947, 0.1735, 0.1600, 0.0844, 0.0627, 0.0456, 0.0342, 0.0323, 0.0235, 0.0246]
    u = _data(w, [4.0, 2.0, 1.0, 0.5, 0.25, 0.167, 0.125, 0.1, 0.0833, 0.0714, 0.0625])
    a, b, c, d = w[..., 0:1], w[..., 1:2], w[..., 2:3], w[..., 3:4]
    return a * (b * u + u * u) / (c * u + d + u * u) - _data(w, y)


def brown_dennis(xp: Any, w: Any) -> Any:
    """16, with 20 terms."""
    times = [k / 5 for k in range(1, 21)]
    t, growth = _data(w, times), _data(w, [math.exp(k) for k in times])
    sine, cosine = _data(w, [math.sin(k) for k in times]), _data(w, [math.cos(k) for k in times])
    a, b, c, d = w[..., 0:1], w[..., 1:2], w[..., 2:3], w[..., 3:4]
    return (b * t + a - growth) ** 2 + (d * sine + c - cosine) ** 2


def biggs_exp6(xp: Any, w: Any) -> Any:
    """18, with 13 terms."""
    times = [k / 10 for k in range(1, 14)]
    t = _data(w, times)
    y = _data(w, [math.exp(-k) - 5 * math.exp(-10 * k) + 3 * math.exp(-4 * k) for k in times])
    a, b, c, d, e, f = (w[..., k : k + 1] for k in range(6))
    return c * xp.exp(-(a * t)) - d * xp.exp(-(b * t)) + f * xp.exp(-(e * t)) - y


def watson(xp: Any, w: Any) -> list[Any]:
    """20."""
    size = w.shape[-1]
    parts: list[Any] = []
    for i in range(1, 30):
        t = i / 29
        slope: Any = -1.0
        height: Any = w[..., 0]
        for j in range(1, size):
            slope = w[..., j] * (j * t ** (j - 1)) + slope
            height = w[..., j] * t**j + height
        parts.append(slope - height**2)
    return [*parts, w[..., 0], w[..., 1] - w[..., 0] ** 2 - 1.0]


def penalty_one(xp: Any, w: Any) -> list[Any]:
    """23."""
    parts = [w[..., k] for k in range(w.shape[-1])]
    return [*[math.sqrt(1e-5) * (x - 1.0) for x in parts], sum(x**2 for x in parts) - 0.25]


def penalty_two(xp: Any, w: Any) -> list[Any]:
    """24."""
    size, root = w.shape[-1], math.sqrt(1e-5)
    x = [w[..., k] for k in range(size)]
    e = [xp.exp(part / 10.0) for part in x]
    parts = [x[0] - 0.2]
    for k in range(1, size):
        parts.append(root * (e[k] + e[k - 1] - (math.exp((k + 1) / 10) + math.exp(k / 10))))
    parts += [root * (e[k] - math.exp(-0.1)) for k in range(1, size)]
    return [*parts, sum((size - k) * x[k] ** 2 for k in range(size)) - 1.0]


def variably_dimensioned(xp: Any, w: Any) -> list[Any]:
    """25."""
    parts = [w[..., k] - 1.0 for k in range(w.shape[-1])]
    total = sum((k + 1.0) * part for k, part in enumerate(parts))
    return [*parts, total, total**2]


def trigonometric(xp: Any, w: Any) -> list[Any]:
    """26."""
    x = [w[..., k] for k in range(w.shape[-1])]
    cosines = sum(xp.cos(part) for part in x)
    return [len(x) - cosines + (k + 1.0) * (1.0 - xp.cos(part)) - xp.sin(part) for k, part in enumerate(x)]


def brown_almost_linear(xp: Any, w: Any) -> list[Any]:
    """27."""
    x = [w[..., k] for k in range(w.shape[-1])]
    total, product = sum(x), math.prod(x)
    return [*[part + total - (len(x) + 1.0) for part in x[:-1]], product - 1.0]


def broyden_tridiagonal(xp: Any, w: Any) -> list[Any]:
    """30."""
    x = [w[..., k] for k in range(w.shape[-1])]
    parts: list[Any] = []
    for k, own in enumerate(x):
        part = (3.0 - 2.0 * own) * own + 1.0
        part = part - x[k - 1] if k > 0 else part
        parts.append(part - 2.0 * x[k + 1] if k + 1 < len(x) else part)
    return parts


def himmelblau(xp: Any, w: Any) -> list[Any]:
    """Four minima of equal value (Himmelblau 1972)."""
    x, y = w[..., 0], w[..., 1]
    return [x * x + y - 11.0, x + y * y - 7.0]


def _data(w: Any, values: Any) -> Array:
    """`values` as an array like `w`, whatever dual numbers it is made of."""
    while value_of(w) is not w:
        w = value_of(w)
    return backend_of(w).asarray([float(value) for value in values], w.dtype)


PROBLEMS = (
    Problem("rosenbrock", rosenbrock, (-1.2, 1.0)),
    Problem("freudenstein-roth", freudenstein_roth, (0.5, -2.0), (0.0, 48.984253679240)),
    Problem("powell badly scaled", powell_badly_scaled, (0.0, 1.0)),
    Problem("brown badly scaled", brown_badly_scaled, (1.0, 1.0)),
    Problem("beale", beale, (1.0, 1.0)),
    Problem("jennrich-sampson", jennrich_sampson, (0.3, 0.4), (124.36218235562,)),
    Problem("helical valley", helical_valley, (-1.0, 0.0, 0.0)),
    Problem("bard", bard, (1.0, 1.0, 1.0), (8.2148773065790e-3, 17.428692633)),
    Problem("gaussian", gaussian, (0.4, 1.0, 0.0), (1.1279327696e-8,)),
    Problem("box", box, (0.0, 10.0, 20.0)),
    Problem("powell singular", powell_singular, (3.0, -1.0, 0.0, 1.0)),
    Problem("wood", wood, (-3.0, -1.0, -3.0, -1.0)),
    Problem("kowalik-osborne", kowalik_osborne, (0.25, 0.39, 0.415, 0.39), (3.0750560385e-4,)),
    Problem("brown-dennis", brown_dennis, (25.0, 5.0, -5.0, -1.0), (85822.201626356,)),
    Problem("biggs exp6", biggs_exp6, (1.0, 2.0, 1.0, 1.0, 1.0, 1.0), (0.0, 5.6556499254e-3)),
    Problem("watson", watson, (0.0,) * 6, (2.2876700535e-3,)),
    Problem("extended rosenbrock", rosenbrock, (-1.2, 1.0) * 5),
    Problem("extended powell singular", powell_singular, (3.0, -1.0, 0.0, 1.0) * 3),
    Problem("penalty one", penalty_one, tuple(map(float, range(1, 11))), (7.0876514671e-5,)),
    Problem("penalty two", penalty_two, (0.5,) * 4, (9.3762930074e-6,)),
    Problem("variably dimensioned", variably_dimensioned, tuple(1 - k / 10 for k in range(1, 11))),
    Problem("trigonometric", trigonometric, (0.1,) * 10, (0.0, 2.79505612188e-5)),
    Problem("brown almost-linear", brown_almost_linear, (0.5,) * 10, (0.0, 1.0)),
    Problem("broyden tridiagonal", broyden_tridiagonal, (-1.0,) * 10),
    Problem("himmelblau", himmelblau, (0.0, 0.0)),
)
