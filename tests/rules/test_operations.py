"""Every operation of the table on every target: the array library, the NumPy kernel, CuPy."""

from __future__ import annotations

import array_api_compat.numpy as xp
import numpy as np
import pytest
from oracles import numbers, one_operation

from xpnet.dual import Dual, Namespace
from xpnet.rules import OPERATIONS, elementwise

# the elementwise functions of the standard, version 2024.12, that are there for real floating-point arrays
STANDARD = set(
    """abs acos acosh add asin asinh atan atan2 atanh ceil clip copysign cos cosh divide equal exp expm1
    floor floor_divide greater greater_equal hypot isfinite isinf isnan less less_equal log log1p log2 log10
    logaddexp logical_and logical_not logical_or logical_xor maximum minimum multiply negative not_equal
    positive pow reciprocal remainder round sign signbit sin sinh square sqrt subtract tan tanh trunc where
    zeros_like ones_like full_like""".split()  # noqa: SIM905
)


def test_the_table_is_that_of_the_standard():
    assert set(OPERATIONS) == STANDARD
    for name in OPERATIONS:
        assert hasattr(xp, name)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", OPERATIONS)
def test_the_numpy_kernel_gives_the_bits_of_the_reference(name, dtype):
    rule = one_operation(name)
    a, b = numbers(dtype)
    with np.errstate(all="ignore"):
        want = np.broadcast_to(rule(xp, a, b), a.shape)
        got = rule.compute(xp, a, b)
        into = a.copy()
        rule.write(xp, (into,), into, b)
    for found in (got, into):
        assert found.dtype == dtype
        np.testing.assert_array_equal(found, want)
        assert np.array_equal(np.signbit(found), np.signbit(want)) or name in ("maximum", "minimum", "clip")


@pytest.mark.parametrize("name", OPERATIONS)
def test_operations_run_on_every_backend(name, backend, dtype):
    rule = one_operation(name)
    a, b = numbers(dtype)
    with np.errstate(all="ignore"):
        want = np.broadcast_to(rule(xp, a, b), a.shape)
        got = rule.compute(backend.xp, backend.asarray(a, dtype), backend.asarray(b, dtype))
    # a range where the emulated and the real device may flush to zero, or round at the brink of overflow
    np.testing.assert_allclose(
        backend.to_numpy(got), want, rtol=1e-5 if dtype == "float32" else 1e-12, atol=np.finfo(dtype).tiny
    )


@pytest.mark.parametrize("name", OPERATIONS)
def test_dual_numbers_have_the_values_of_the_reference(name):
    rule = one_operation(name)
    a, b = numbers("float64")
    with np.errstate(all="ignore"):
        want = np.broadcast_to(rule(xp, a, b), a.shape)
        once = Dual(a, np.ones_like(a)), Dual(b, np.ones_like(b))
        twice = tuple(Dual(x, Dual(np.ones_like(a), np.zeros_like(a))) for x in once)
        got = rule.compute(Namespace(xp), *once)
        again = rule.compute(Namespace(Namespace(xp)), *twice)
    got = got.value if isinstance(got, Dual) else got
    again = again.value.value if isinstance(again, Dual) else again
    for found in (got, again):
        np.testing.assert_array_equal(np.broadcast_to(found, a.shape), want)


@elementwise
def operators(xp, a, b):
    c = +a // b + a % b - 2.0 % b + 3.0 // b + a**b - 2.0**b + abs(a)
    odd = (a > 0.0) ^ (b > 0.0)
    same = (a > 0.5) == (b > 0.5)
    other = xp.astype((a < b) != odd, a.dtype)
    return xp.where(odd & same, c, other) + xp.pi * xp.clip(a, max=b) - xp.e * xp.clip(a, 0.5, None)


def test_operators_and_constants(device):
    a, b = (np.random.default_rng(k).uniform(0.1, 2, 50) * [[1.0], [1.0]] for k in range(2))
    want = operators(xp, a, b)
    got = operators.compute(device.xp, device.asarray(a), device.asarray(b))
    np.testing.assert_allclose(device.to_numpy(got), want, rtol=1e-13)
    dual = operators.compute(Namespace(xp), Dual(a, a), b)
    np.testing.assert_allclose(dual.value, want, rtol=1e-13)


def test_infinity_and_nan_are_constants():
    rule = elementwise(lambda xp, a: xp.where(a > 0.0, xp.full_like(a, xp.inf), xp.full_like(a, xp.nan)))
    np.testing.assert_array_equal(rule.compute(xp, np.array([1.0, -1.0])), [np.inf, np.nan])


def test_a_closure_may_hold_numbers_of_numpy():
    factor = np.float32(0.5)
    rule = elementwise(lambda xp, a: a * factor)
    assert rule.compute(xp, np.ones(2)).tolist() == [0.5, 0.5]
