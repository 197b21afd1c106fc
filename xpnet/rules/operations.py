"""The one list of what a rule may use, and what each operation is on every target.

It is the elementwise functions of the Python array API standard on real floating-point arrays, with
`where`, `clip` and the functions that make arrays like others. A plain call of a rule asks the array
library for them; the NumPy kernel takes the ufunc, the CUDA kernel the text, the compiled loop on the host
its own, and dual numbers the differentials given here, written with functions of this list so that they can
be differentiated again.

Two of the standard's are left out: `nextafter`, whose result depends on the dtype, while the numbers of a
rule are combined in double precision whatever it is; and what is for integers or complex numbers alone.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

OfOne: TypeAlias = Callable[[Any, Any, Any, Any], Any]  # from xp, d, x and y
OfTwo: TypeAlias = Callable[[Any, Any, Any, Any, Any], Any]


@dataclass(frozen=True)
class Operation:
    """A function of arrays, element by element.

    Attributes:
        name: in the array API.
        count: the number of arguments.
        takes: "numbers"; "conditions", results of comparisons; or "choice", a condition and two numbers.
        condition: whether the result is one.
        ufunc: in NumPy, which takes `out`.
        text: a C++ expression of the arguments `{0}`, `{1}`, ..., names or constants, of type `T`.
        loop: a Python expression of the same, for Numba; it may call what `functions.py` has.
        differentials: for each argument what its change `d` changes the result `y` by, to first order:
            `differential(xp, d, *arguments, y)`. With none the result does not change but in jumps.
        first: a condition, of the arguments, under which the result is the first of two, else it is the
            second; this stands for the differentials.
        composed: `composed(xp, *arguments)`, of other operations or numbers; this stands for ufunc and
            texts, and for differentials.
    """

    name: str
    count: int
    takes: Literal["numbers", "conditions", "choice"] = "numbers"
    condition: bool = False
    ufunc: str = ""
    text: str = ""
    loop: str = ""
    differentials: tuple[OfOne | OfTwo, ...] = ()
    first: Callable[[Any, Any], Any] | None = None
    composed: Callable[..., Any] | None = None


def _unary(
    name: str, differential: OfOne | None, text: str = "", loop: str = "", ufunc: str = ""
) -> Operation:
    text, loop, ufunc = text or f"{name}({{0}})", loop or f"math.{name}({{0}})", ufunc or name
    return Operation(name, 1, "numbers", False, ufunc, text, loop, (differential,) if differential else ())


def _binary(name: str, text: str, *differentials: OfTwo, loop: str = "") -> Operation:
    return Operation(name, 2, "numbers", False, name, text, loop or text, differentials)


def _comparison(name: str, symbol: str) -> Operation:
    text = f"{{0}} {symbol} {{1}}"
    return Operation(name, 2, "numbers", True, name, text, text)


def _test(name: str, loop: str) -> Operation:
    return Operation(name, 1, "numbers", True, name, f"{name}({{0}})", loop)


def _logical(name: str, count: int, text: str, loop: str) -> Operation:
    return Operation(name, count, "conditions", True, name, text, loop)


def _composed(name: str, count: int, function: Callable[..., Any]) -> Operation:
    return Operation(name, count, composed=function)


def _clip(xp: Any, x: Any, /, min: Any = None, max: Any = None) -> Any:
    x = x if min is None else xp.maximum(x, min)
    return x if max is None else xp.minimum(x, max)


def _same(xp: Any, x: Any, /) -> Any:
    return x


def _zeros(xp: Any, x: Any, /) -> Any:
    return 0.0


def _ones(xp: Any, x: Any, /) -> Any:
    return 1.0


def _full(xp: Any, x: Any, /, fill_value: Any) -> Any:
    return fill_value


def _abs(xp: Any, d: Any, x: Any, y: Any) -> Any:
    # at 0 the slope from the right: with a slope of 0, sigmoid would have no derivative there
    return xp.where(x < 0.0, -d, d)


def _asinh(xp: Any, d: Any, x: Any, y: Any) -> Any:
    return d / xp.hypot(x, xp.ones_like(x))  # the square of x may overflow


def _acosh(xp: Any, d: Any, x: Any, y: Any) -> Any:
    return d / xp.sqrt(x - 1.0) / xp.sqrt(x + 1.0)


def _asin(xp: Any, d: Any, x: Any, y: Any) -> Any:
    return d / xp.sqrt((x + 1.0) * (1.0 - x))


def _base(xp: Any, d: Any, x: Any, p: Any, y: Any) -> Any:
    """The change of `x^p` with `x`: none where `p` is 0, at 0 too, where `p x^(p - 1)` would be NaN."""
    if isinstance(p, int | float):
        return d * (p * x ** (p - 1)) if p else xp.zeros_like(d)
    below = xp.pow(x, p - 1.0)
    return d * xp.where((p == 0.0) & xp.isinf(below), 0.0, below * p)


def _exponent(xp: Any, d: Any, x: Any, p: Any, y: Any) -> Any:
    """The change of `x^p` with `p`: none where `x` is 0 and `p` not negative; NaN where `x` is negative."""
    x = xp.full_like(y, x) if isinstance(x, int | float) else x
    return d * xp.where((x == 0.0) & (p >= 0.0), 0.0, xp.log(x) * y)


def _copysign(xp: Any, d: Any, x: Any, sign: Any, y: Any) -> Any:
    return xp.where(xp.signbit(y) == xp.signbit(x), d, -d)


def _nothing(xp: Any, d: Any, a: Any, b: Any, y: Any) -> Any:
    return xp.zeros_like(d)


_REMAINDER = "fmod({0}, {1})"
_AWAY = f"({_REMAINDER} != (T)0 && ({_REMAINDER} < (T)0) != ({{1}} < (T)0))"  # signs differ
_QUOTIENT = f"rint(({{0}} - {_REMAINDER}) / {{1}} - (T){_AWAY})"
_LEFT = "np.fmod({0}, {1})"  # the same, for Numba
_PAST = f"({_LEFT} != T(0)) & (({_LEFT} < T(0)) != ({{1}} < T(0)))"
_WHOLE = f"np.rint(({{0}} - {_LEFT}) / {{1}} - T({_PAST}))"

_TABLE = (
    _unary("negative", lambda xp, d, x, y: -d, "-{0}", "-{0}"),
    _unary("abs", _abs, "fabs({0})", "abs({0})", "absolute"),
    # NaN goes through, as the array API asks of sign, maximum and minimum
    _unary(
        "sign",
        None,
        "({0} != {0}) ? {0} : (T)(({0} > (T)0) - ({0} < (T)0))",
        "{0} if {0} != {0} else T({0} > T(0)) - T({0} < T(0))",
    ),
    _unary("square", lambda xp, d, x, y: d * (2.0 * x), "{0} * {0}", "{0} * {0}"),
    _unary("reciprocal", lambda xp, d, x, y: -d * y * y, "(T)1 / {0}", "T(1) / {0}"),
    _unary("sqrt", lambda xp, d, x, y: d * 0.5 / y),
    _unary("exp", lambda xp, d, x, y: d * y, loop="exp({0})"),
    _unary("expm1", lambda xp, d, x, y: d * xp.exp(x), loop="expm1({0})"),
    _unary("log", lambda xp, d, x, y: d / x, loop="log({0})"),
    _unary("log1p", lambda xp, d, x, y: d / (x + 1.0), loop="log1p({0})"),
    _unary("log2", lambda xp, d, x, y: d / (x * math.log(2.0))),
    _unary("log10", lambda xp, d, x, y: d / (x * math.log(10.0))),
    _unary("sin", lambda xp, d, x, y: d * xp.cos(x)),
    _unary("cos", lambda xp, d, x, y: -d * xp.sin(x)),
    _unary("tan", lambda xp, d, x, y: d * (y * y + 1.0)),
    _unary("asin", _asin),
    _unary("acos", lambda xp, d, x, y: -_asin(xp, d, x, y)),
    _unary("atan", lambda xp, d, x, y: d / (x * x + 1.0)),
    _unary("sinh", lambda xp, d, x, y: d * xp.cosh(x)),
    _unary("cosh", lambda xp, d, x, y: d * xp.sinh(x)),
    _unary("tanh", lambda xp, d, x, y: d * (1.0 - y * y), loop="tanh({0})"),
    _unary("asinh", _asinh),
    _unary("acosh", _acosh),
    _unary("atanh", lambda xp, d, x, y: d / ((x + 1.0) * (1.0 - x))),
    _unary("ceil", None, loop="np.ceil({0})"),
    _unary("floor", None, loop="np.floor({0})"),
    _unary("round", None, "rint({0})", "np.rint({0})", "rint"),
    _unary("trunc", None, loop="np.trunc({0})"),
    _binary("add", "{0} + {1}", lambda xp, d, a, b, y: d, lambda xp, d, a, b, y: d),
    _binary("subtract", "{0} - {1}", lambda xp, d, a, b, y: d, lambda xp, d, a, b, y: -d),
    _binary("multiply", "{0} * {1}", lambda xp, d, a, b, y: d * b, lambda xp, d, a, b, y: d * a),
    _binary("divide", "{0} / {1}", lambda xp, d, a, b, y: d / b, lambda xp, d, a, b, y: -d * y / b),
    _binary("pow", "pow({0}, {1})", _base, _exponent, loop="{0} ** {1}"),
    _binary(
        "atan2",
        "atan2({0}, {1})",
        lambda xp, d, a, b, y: d * xp.divide(b, xp.hypot(a, b)) / xp.hypot(a, b),
        lambda xp, d, a, b, y: -d * xp.divide(a, xp.hypot(a, b)) / xp.hypot(a, b),
        loop="math.atan2({0}, {1})",
    ),
    _binary(
        "hypot",
        "hypot({0}, {1})",
        lambda xp, d, a, b, y: d * xp.divide(a, y),
        lambda xp, d, a, b, y: d * xp.divide(b, y),
        loop="math.hypot({0}, {1})",
    ),
    _binary(
        "logaddexp",
        f"({{0}} == {{1}}) ? {{0}} + (T){math.log(2.0)!r} : ({{0}} > {{1}}) ? "
        "{0} + log1p(exp({1} - {0})) : {1} + log1p(exp({0} - {1}))",
        lambda xp, d, a, b, y: d * xp.exp(xp.subtract(a, y)),
        lambda xp, d, a, b, y: d * xp.exp(xp.subtract(b, y)),
        loop=f"{{0}} + T({math.log(2.0)!r}) if {{0}} == {{1}} else "
        "({0} if {0} > {1} else {1}) + log1p(exp(-abs({0} - {1})))",
    ),
    _binary("copysign", "copysign({0}, {1})", _copysign, _nothing, loop="math.copysign({0}, {1})"),
    _binary(
        "remainder",  # of the sign of the divisor
        f"({_REMAINDER} == (T)0) ? copysign((T)0, {{1}}) : {_AWAY} ? {_REMAINDER} + {{1}} : {_REMAINDER}",
        lambda xp, d, a, b, y: d,
        lambda xp, d, a, b, y: -d * xp.floor_divide(a, b),
        loop=f"math.copysign(T(0), {{1}}) if {_LEFT} == T(0) else {_LEFT} + {{1}} if {_PAST} else {_LEFT}",
    ),
    _binary(
        "floor_divide",
        f"({{1}} == (T)0) ? {{0}} / {{1}} : ({_QUOTIENT} == (T)0) ? copysign((T)0, {{0}} / {{1}}) "
        f": {_QUOTIENT}",
        loop=f"{{0}} / {{1}} if {{1}} == T(0) else "
        f"math.copysign(T(0), {{0}} / {{1}}) if {_WHOLE} == T(0) else {_WHOLE}",
    ),
    # at a tie the slope of the second
    Operation(
        "maximum",
        2,
        ufunc="maximum",
        text="({0} >= {1} || {0} != {0}) ? {0} : {1}",
        loop="{0} if ({0} >= {1}) | ({0} != {0}) else {1}",
        first=lambda a, b: a > b,
    ),
    Operation(
        "minimum",
        2,
        ufunc="minimum",
        text="({0} <= {1} || {0} != {0}) ? {0} : {1}",
        loop="{0} if ({0} <= {1}) | ({0} != {0}) else {1}",
        first=lambda a, b: a < b,
    ),
    _comparison("less", "<"),
    _comparison("less_equal", "<="),
    _comparison("greater", ">"),
    _comparison("greater_equal", ">="),
    _comparison("equal", "=="),
    _comparison("not_equal", "!="),
    _test("isnan", "{0} != {0}"),
    _test("isinf", "abs({0}) == T(np.inf)"),
    _test("isfinite", "abs({0}) < T(np.inf)"),
    _test("signbit", "math.copysign(T(1), {0}) < T(0)"),
    _logical("logical_and", 2, "{0} && {1}", "{0} & {1}"),
    _logical("logical_or", 2, "{0} || {1}", "{0} | {1}"),
    _logical("logical_xor", 2, "{0} != {1}", "{0} != {1}"),
    _logical("logical_not", 1, "!{0}", "not {0}"),
    Operation("where", 3, "choice", ufunc="where", text="{0} ? {1} : {2}", loop="{1} if {0} else {2}"),
    _composed("positive", 1, _same),
    _composed("clip", 3, _clip),
    _composed("zeros_like", 1, _zeros),
    _composed("ones_like", 1, _ones),
    _composed("full_like", 2, _full),
)

OPERATIONS: Mapping[str, Operation] = {operation.name: operation for operation in _TABLE}
CONSTANTS: Mapping[str, float] = {"pi": math.pi, "e": math.e, "inf": math.inf, "nan": math.nan}

REDUCTIONS = ("sum", "prod", "max", "min")  # over the units of a sample, in samplewise rules
SAMPLEWISE = (*REDUCTIONS, "squeeze")
