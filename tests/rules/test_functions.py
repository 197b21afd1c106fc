"""The functions of compiled rules: their error over the whole range, and what they are at its ends."""

from __future__ import annotations

import json

import numpy as np
import pytest
from oracles import one_operation, run_program

import xpnet
from xpnet.rules.functions import FUNCTIONS

pytest.importorskip("numba", reason="Numba is not installed")
LONG = np.finfo(np.longdouble).nmant >= 63  # long enough to say what float64 should be

# Where each function is neither flat nor beyond what a dtype holds.
RANGES = {
    "exp": {"float32": (-104, 89), "float64": (-746, 710)},
    "expm1": {"float32": (-20, 89), "float64": (-40, 710)},
    "tanh": {"float32": (-10, 10), "float64": (-23, 23)},
}


def points(name, dtype, count=300_000):
    """Numbers all over the range, of every magnitude, and many where a function is hard."""
    random, limits = np.random.default_rng(0), np.finfo(dtype)
    least, most = np.log(float(limits.tiny)), np.log(float(limits.max))
    spread = np.exp(random.uniform(least, most - 1e-3, count))
    if name in RANGES:
        low, high = RANGES[name][dtype]
        signed = spread * random.choice([-1, 1], count)
        some = [random.uniform(low, high, count), random.uniform(-2, 2, count), signed]
    elif name == "log":
        some = [spread, random.uniform(0.5, 2, count), 1 + random.uniform(-1e-3, 1e-3, count)]
    else:
        some = [spread, random.uniform(-1, 3, count), -np.minimum(spread, 1 - 1e-7)]
    return np.concatenate(some).astype(dtype)


def errors(name, dtype):
    """The largest error in units in the last place of the right answer: of normal, of subnormal results."""
    backend = xpnet.backend("numpy", kernels="numba")
    x = points(name, dtype)
    x = np.concatenate([x, subnormal(dtype)])
    with np.errstate(all="ignore"):
        want = getattr(np, name)(x.astype(np.longdouble))
        got = one_operation(name).compute(backend.xp, x, x)
        rounded = want.astype(dtype)
        finite = np.isfinite(rounded)
        assert not np.isfinite(got[~finite]).any()
        normal = finite & (np.abs(rounded) >= np.finfo(dtype).tiny)
        error = np.abs(got.astype(np.longdouble) - want) / np.spacing(np.abs(rounded))
    return float(error[normal].max()), float(error[finite & ~normal].max(initial=0))


def subnormal(dtype):
    limits = np.finfo(dtype)
    return (limits.smallest_subnormal * np.random.default_rng(1).integers(1, 2**20, 1000)).astype(dtype)


@pytest.mark.parametrize(
    "dtype",
    [
        "float32",
        pytest.param(
            "float64",
            marks=pytest.mark.skipif(not LONG, reason="there are no longer numbers to compare with"),
        ),
    ],
)
@pytest.mark.parametrize("name", FUNCTIONS)
def test_errors(name, dtype):
    normal, rest = errors(name, dtype)
    assert normal < 2
    assert rest < 1


OLD = """
import json
from test_functions import FUNCTIONS, errors
print(json.dumps({name: errors(name, dtype) for name in FUNCTIONS for dtype in ("float32", "float64")}))
"""


@pytest.mark.slow
@pytest.mark.skipif(not LONG, reason="there are no longer numbers to compare with")
def test_errors_without_fused_operations(monkeypatch, tmp_path):
    monkeypatch.setenv("NUMBA_CPU_NAME", "x86-64")
    monkeypatch.setenv("XPNET_CACHE", str(tmp_path))
    here = __file__.rpartition("/")[0]
    program = f"import sys; sys.path[:0] = [{here!r}, {here!r} + '/..']" + OLD
    for normal, rest in json.loads(" ".join(run_program(program))).values():
        assert normal < 2
        assert rest < 1


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", FUNCTIONS)
def test_ends(name, dtype):
    backend, limits = xpnet.backend("numpy", kernels="numba"), np.finfo(dtype)
    x = [0.0, -0.0, np.inf, -np.inf, np.nan, limits.max, -limits.max, limits.tiny, -limits.tiny, 1.0, -1.0]
    x += [
        limits.smallest_subnormal,
        -limits.smallest_subnormal,
        -2.0,
        88.8,
        -104.0,
        709.9,
        -746.0,
        0.25,
        -0.25,
    ]
    x = np.array([*x, 9.1, -9.1, 22.1, -22.1], dtype)
    with np.errstate(all="ignore"):
        want = getattr(np, name)(x)
    got = one_operation(name).compute(backend.xp, x, x)
    np.testing.assert_allclose(got, want, rtol=1e-6 if dtype == "float32" else 1e-15)
    numbers = ~np.isnan(want)
    np.testing.assert_array_equal(np.signbit(got[numbers]), np.signbit(want[numbers]))
    np.testing.assert_array_equal(got[:5], want[:5])


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", FUNCTIONS)
def test_a_number_comes_out_the_same_wherever_it_lies(name, dtype):
    """In a vector, in what is left over beside vectors, and alone."""
    backend, rule = xpnet.backend("numpy", kernels="numba"), one_operation(name)
    x = points(name, dtype, 2000)
    want = rule.compute(backend.xp, x, x)
    assert rule.compute(backend.xp, x[::-1], x[::-1])[::-1].tobytes() == want.tobytes()
    for start in range(40):
        part = x[start : 3 * start + 1].copy()
        assert rule.compute(backend.xp, part, part).tobytes() == want[start : 3 * start + 1].tobytes()
