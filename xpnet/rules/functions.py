"""The functions that compiled rules call, as straight lines of text that a compiler makes vectors of.

Each reduces its argument to a short interval and takes a polynomial there: that of the least largest error,
found by Remez' exchange of extrema (E. Remez, 1934) in 60 digits. `T` is the dtype, `I` the integers of its
size, and `fma(a, b, c)` is `a b + c`, rounded once where the processor can. What is not here is the C
library's.

Largest errors in units in the last place, where the result is a normal number, against longer numbers (the
tests measure them): the first figure with `fma` rounded once, the second with it rounded twice.

              float32       float64     reduction
    exp     0.98  0.97    0.97  0.95    Cody and Waite, Software Manual for the Elementary Functions, 1980
    expm1   1.42  1.48    1.83  1.96    the same; then 2^n q + (2^n - 1)
    log     0.83  0.84    0.83  0.82    fdlibm's e_log.c, Sun Microsystems, 1993
    log1p   1.44  1.44    1.44  1.44    log(u) + (x - (u - 1)) / u with u = 1 + x, as HP's calculators did
    tanh    1.49  1.49    1.49  1.49    u / (u + 2) with u = expm1(2 |x|); near 0 a polynomial

All keep NaN, are exact at 0 with its sign, and are right where they overflow and at infinity.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Mapping, Sequence

# By dtype: the names in the text. `exp(r) = 1 + r + r^2 P(r)` for |r| <= log(2) / 2 and a little more;
# `tanh(x) = x + x z Q(z)` with z = x^2 for |x| <= 1/4 and a little more; `L` is fdlibm's.
_NUMBERS: Mapping[str, Mapping[str, float]] = {
    "float32": {
        "ROUND": 1.5 * 2.0**23,  # added to a small number, it leaves the nearest integer in the last bits
        "LOG2_HIGH": 0.693359375,  # few bits, so that a multiple is exact
        "LOG2_LOW": -2.12194440e-4,
        "LOG2_FIRST": 6.9313812256e-01,
        "LOG2_REST": 9.0580006145e-06,
        "LEAST": -104.0,  # exp is 0 below,
        "MOST": 89.0,  # and infinite above
        "NORMAL": 1.17549435e-38,
        "FLAT": 20.0,  # twice the number from which tanh is 1
    },
    "float64": {
        "ROUND": 1.5 * 2.0**52,
        "LOG2_HIGH": 6.93145751953125e-1,
        "LOG2_LOW": 1.42860682030941723212e-6,
        "LOG2_FIRST": 6.93147180369123816490e-01,
        "LOG2_REST": 1.90821492927058770002e-10,
        "LEAST": -746.0,
        "MOST": 710.0,
        "NORMAL": 2.2250738585072014e-308,
        "FLAT": 44.0,
    },
}
_INTEGERS: Mapping[str, Mapping[str, int]] = {
    "float32": {"DIGITS": 23, "BIAS": 127, "ROUND_BITS": 0x4B400000, "ROOT": 0x3F3504F3},
    "float64": {"DIGITS": 52, "BIAS": 1023, "ROUND_BITS": 0x4338000000000000, "ROOT": 0x3FE6A09E667F3BCD},
}
_POLYNOMIALS: Mapping[str, Mapping[str, Sequence[float]]] = {  # from the constant upwards
    "float32": {
        "P": (
            *(0.500000004924, 0.166666668256, 0.0416663421046),
            *(0.00833327076592, 0.0013942047867, 0.000199155490789),
        ),
        "Q": (-0.333332406126, 0.133242635391, -0.0514331042149),
        "L": (0.66666662693, 0.40000972152, 0.28498786688, 0.24279078841),
    },
    "float64": {
        "P": (
            *(0.49999999999999999984, 0.16666666666666677625, 0.04166666666666670489),
            *(0.0083333333333206569554, 0.0013888888888865058692, 0.00019841269888866765733),
            *(0.00002480158736410182664, 2.7557241170461426151e-6, 2.7557239711484199086e-7),
            *(2.511017664483951444e-8, 2.0925388759662059276e-9),
        ),
        "Q": (
            *(-0.33333333333332805469, 0.13333333333117078714, -0.053968253668454423156),
            *(0.021869468812426690483, -0.0088625402535561185915, 0.003578606301946314611),
            -0.0013181930087526341451,
        ),
        "L": (
            *(6.666666666666735130e-01, 3.999999999940941908e-01, 2.857142874366239149e-01),
            *(2.222219843214978396e-01, 1.818357216161805012e-01, 1.531383769920937332e-01),
            1.479819860511658591e-01,
        ),
    },
}

_TEXTS: Mapping[str, str] = {
    "fma": """
@intrinsic
def fma(context, a, b, c):
    def generate(context, builder, signature, values):
        kind = values[0].type
        whole = ir.FunctionType(kind, [kind] * 3)
        return builder.call(builder.module.declare_intrinsic("llvm.fmuladd", [kind], whole), values)
    return a(a, a, a), generate
""",
    "in_any_order": """
@intrinsic
def in_any_order(context, total, term):  # total + term, which a loop may make of several totals
    def generate(context, builder, signature, values):
        return builder.fadd(*values, flags=("reassoc",))
    return total(total, term), generate
""",
    "bits": """
@njit(**INLINE)
def bits(x):
    return T(x).view(I)
""",
    "floating": """
@njit(**INLINE)
def floating(i):
    return I(i).view(T)
""",
    "power": """
@njit(**INLINE)
def power(n):  # 2^n
    return floating(I(n + BIAS) << DIGITS)
""",
    "exp": """
@njit(**INLINE)
def exp(x):
    y = MOST if x > MOST else (LEAST if x < LEAST else x)
    t = fma(y, T(1.4426950408889634), ROUND)
    k = t - ROUND
    r = fma(k, -LOG2_LOW, fma(k, -LOG2_HIGH, y))
    p = fma(r * r, P(r), r) + T(1)
    n = I(bits(t) - ROUND_BITS)
    half = I(n >> I(1))  # 2^n alone may be too large, or too small
    return p * power(half) * power(n - half)
""",
    "expm1": """
@njit(**INLINE)
def expm1(x):
    y = MOST if x > MOST else (LEAST if x < LEAST else x)
    t = fma(y, T(1.4426950408889634), ROUND)
    k = t - ROUND
    r = fma(k, -LOG2_LOW, fma(k, -LOG2_HIGH, y))
    q = fma(r * r, P(r), r)
    n = I(bits(t) - ROUND_BITS)
    half = floating(I(I(n - I(1) + BIAS) if n > -BIAS else I(0)) << DIGITS)
    z = fma(half, q, half - T(0.5)) * T(2)
    return z if n != I(0) else math.copysign(q, x)
""",
    "log": """
@njit(**INLINE)
def log(x):
    small = x < NORMAL
    i = bits(x * T(2.0**54) if small else x)
    e = I(I(i - ROOT) >> DIGITS)
    f = floating(I(i - I(e << DIGITS))) - T(1)
    k = T(e) - (T(54) if small else T(0))
    s = f / (T(2) + f)
    z = s * s
    h = T(0.5) * f * f
    r = fma(k, LOG2_FIRST, f - (h - fma(s, fma(z, L(z), h), k * LOG2_REST)))
    r = r if x < T(np.inf) else x
    return r if x > T(0) else (T(-np.inf) if x == T(0) else (T(np.nan) if x < T(0) else x))
""",
    "log1p": """
@njit(**INLINE)
def log1p(x):
    u = x + T(1)
    r = log(u)
    r = r + (x - (u - T(1))) / u if (u > T(0)) & (u < T(np.inf)) else r
    return r if x != T(0) else x
""",
    "tanh": """
@njit(**INLINE)
def tanh(x):
    a = abs(x)
    z = a * a
    near = fma(a * z, Q(z), a)
    y = FLAT if a + a > FLAT else a + a
    t = fma(y, T(1.4426950408889634), ROUND)
    k = t - ROUND
    r = fma(k, -LOG2_LOW, fma(k, -LOG2_HIGH, y))
    q = fma(r * r, P(r), r)
    e = power(I(bits(t) - ROUND_BITS))
    u = fma(e, q, e - T(1))
    return math.copysign(near if a <= T(0.2555) else u / (u + T(2)), x)
""",
}

FUNCTIONS = ("exp", "expm1", "log", "log1p", "tanh")
"""What rules may call by these names; the others are for these."""

_HEAD = """import math
import numpy as np
from llvmlite import ir
from numba import njit, types
from numba.core import cgutils
from numba.extending import intrinsic

T, I = np.{dtype}, np.{integer}
INLINE = dict(forceinline=True, error_model="numpy", no_cpython_wrapper=True, no_cfunc_wrapper=True)
"""


@functools.cache
def text(dtype: str) -> str:
    """The start of a module in which the functions can be called, for "float32" or "float64"."""
    body = "".join(_TEXTS.values())
    for name, coefficients in _POLYNOMIALS[dtype].items():
        body = re.sub(rf"\b{name}\((\w)\)", lambda match, c=coefficients: _horner(c, match[1]), body)
    head = _HEAD.format(dtype=dtype, integer=dtype.replace("float", "int"))
    numbers = [f"{name} = T({value!r})\n" for name, value in _NUMBERS[dtype].items()]
    integers = [f"{name} = I({value})\n" for name, value in _INTEGERS[dtype].items()]
    return head + "".join(numbers + integers) + body


def called(lines: Sequence[str]) -> frozenset[str]:
    """Which of the functions here some lines call."""
    return frozenset(re.findall(r"(?<![\w.])(\w+)\(", "\n".join(lines))) & frozenset(_TEXTS)


def _horner(coefficients: Sequence[float], x: str) -> str:
    *rest, value = [f"T({c!r})" for c in coefficients]
    for coefficient in reversed(rest):
        value = f"fma({value}, {x}, {coefficient})"
    return value
