"""What kernels refuse, before any work, with the rule's and the argument's name."""

from __future__ import annotations

import types
from decimal import Decimal
from fractions import Fraction

import array_api_compat.numpy as xp
import numpy as np
import pytest
from conftest import read_only
from oracles import everything

from xpnet.rules import elementwise


@elementwise
def axpy(xp, a, b, *, p):
    return a + p * b


@elementwise
def both(xp, a, b):
    return a + b, a - b


A, B = np.random.default_rng(0).standard_normal((2, 7, 11))


@pytest.mark.parametrize(
    ("arrays", "scalars", "message"),
    [
        ((A,), {"p": 1.0}, "axpy takes arrays a, b and scalars p; got 1 arrays"),
        ((A, B, A), {"p": 1.0}, "axpy takes arrays a, b and scalars p; got 3 arrays"),
        ((), {"p": 1.0}, "axpy takes arrays a, b and scalars p; got 0 arrays"),
        ((A, B), {}, "axpy takes arrays a, b and scalars p; got 2 arrays and none"),
        ((A, B), {"rate": 1.0}, "axpy takes arrays a, b and scalars p; got 2 arrays and rate"),
        ((A.astype(int), B), {"p": 1.0}, "axpy: a must be float32 or float64, got int64"),
        ((A, B.astype(complex)), {"p": 1.0}, "axpy: b must be float32 or float64, got complex128"),
        ((A, B > 0.0), {"p": 1.0}, "axpy: b must be float32 or float64, got bool"),
        (
            (A, B.astype("float32")),
            {"p": 1.0},
            "axpy: arrays must share one dtype, got float64 and float32",
        ),
        ((A, 1.0), {"p": 1.0}, r"axpy: b must be an array of NumPy, as xp is, got 1.0 \(float\)"),
        (("A", B), {"p": 1.0}, r"axpy: a must be an array of NumPy, as xp is, got 'A' \(str\)"),
        ((A, [1.0]), {"p": 1.0}, "axpy: b must be an array of NumPy, as xp is, got"),
        ((A, None), {"p": 1.0}, "axpy: b must be an array of NumPy, as xp is, got None"),
        ((A, np.ma.masked_array(B)), {"p": 1.0}, "axpy: b must be an array of NumPy, .*MaskedArray"),
        (
            (A, types.SimpleNamespace(shape=(2,), dtype=A.dtype)),
            {"p": 1.0},
            "axpy: b must be an array of NumPy",
        ),
        ((A, B), {"p": "1"}, r"axpy: p must be a number or an array of NumPy, as xp is, got '1' \(str\)"),
        ((A, B), {"p": None}, "axpy: p must be a number or an array of NumPy"),
        (
            (A, B),
            {"p": True},
            r"axpy: p must be a number or an array of NumPy, .*got True \(bool\)",
        ),
        ((A, B), {"p": [1.0]}, "axpy: p must be a number or an array of NumPy"),
        ((A, B), {"p": 1j}, r"axpy: p must be a number or an array of NumPy, as xp is, got 1j \(complex\)"),
        ((A, B), {"p": np.array(1j)}, "axpy: p must hold real numbers, got dtype complex128"),
        ((A, B), {"p": np.array(["1"])}, "axpy: p must hold real numbers, got dtype <U1"),
    ],
)
def test_bad_arguments_are_named(arrays, scalars, message):
    with pytest.raises(TypeError, match=message):
        axpy.compute(xp, *arrays, **scalars)
    with pytest.raises(TypeError, match=message):
        axpy.write(xp, (np.empty_like(A),), *arrays, **scalars)
    if len(arrays) == 2 and "takes" not in message:
        with pytest.raises(TypeError, match=message):
            axpy.sum(xp, *arrays, **scalars, dtype=xp.float64)


def test_shapes_and_numbers_are_named():
    with pytest.raises(ValueError, match=r"axpy: shapes that do not broadcast: a \(7, 11\), b \(3,\)"):
        axpy.compute(xp, A, np.ones(3), p=1.0)
    with pytest.raises(ValueError, match=r"do not broadcast: a \(7, 11\), b \(7, 11\), p \(3, 1\)"):
        axpy.compute(xp, A, B, p=np.ones((3, 1)))
    with pytest.raises(ValueError, match="axpy: p must be a number that a float can hold"):
        axpy.compute(xp, A, B, p=10**400)


@pytest.mark.parametrize(
    "p",
    [
        2,
        np.int64(2),
        np.float32(2),
        np.array(2),
        np.array(2.0),
        Fraction(2),
        Decimal(2),
        np.full((7, 1), 2),
    ],
)
def test_numbers_of_every_kind_are_numbers(p):
    np.testing.assert_array_equal(axpy.compute(xp, A, B, p=p), A + 2.0 * B)


def test_bad_targets_are_named_and_nothing_is_written():
    a, b = A.copy(), B.copy()
    (frozen,) = read_only(A)
    wide = np.zeros((14, 11))
    for into, message in [
        ((np.zeros(3), b), r"both yields shape \(7, 11\), got \(3,\), \(7, 11\) to write into"),
        ((a,), "both yields 2 arrays, got 1 to write into"),
        ((a, b, np.zeros_like(a)), "both yields 2 arrays, got 3 to write into"),
        ((a, frozen), "both: into must be writeable, got a read-only array"),
        ((a, a), "both: into must be different arrays, got one twice"),
        ((wide[:7], wide[6:13]), "both: into must be different arrays, got .* two that overlap"),
    ]:
        with pytest.raises(ValueError, match=message):
            both.write(xp, into, a, b)
    with pytest.raises(TypeError, match="both: arrays must share one dtype, got float64 and into float32"):
        both.write(xp, (a, b.astype("float32")), a, b)
    with pytest.raises(TypeError, match="both: into must be an array of NumPy, as xp is, got"):
        both.write(xp, (a, [1.0]), a, b)
    with pytest.raises(TypeError, match="both: into must be a tuple of arrays, got"):
        both.write(xp, a, a, b)
    np.testing.assert_array_equal(a, A)
    np.testing.assert_array_equal(b, B)
    assert not wide.any()


def test_targets_may_lie_on_inputs_but_not_across_them(device):
    store = device.asarray(np.random.default_rng(0).standard_normal((9, 11)))
    a, b = store[:7, :], device.asarray(B)
    with pytest.raises(ValueError, match="both: into must be arrays .*overlaps with a part of a"):
        both.write(device.xp, (store[2:, :], b), a, b)
    want = [device.to_numpy(part) for part in both(device.xp, a, b)]
    both.write(device.xp, (store[:7, :], device.xp.empty_like(b)), a, b)  # another view of the same place
    np.testing.assert_array_equal(device.to_numpy(a), want[0])
    apart = device.asarray(np.ones((2, 7, 11)))
    both.write(device.xp, (apart[0, ...], apart[1, ...]), a, b)  # of one owner, but apart
    np.testing.assert_allclose(device.to_numpy(apart[0, ...]), want[0] + B)


def test_another_view_of_an_input_is_that_input():
    a, b = A.copy(), B.copy()
    want = everything(xp, a, b, p=0.25, q=0.75)
    everything.write(xp, (a[:], b[:], np.empty_like(a)), a, b, p=0.25, q=0.75)
    np.testing.assert_allclose(a, want[0], rtol=1e-13)
    np.testing.assert_allclose(b, want[1], rtol=1e-13)


def test_arrays_of_the_other_library_are_refused(cupy_backend):
    a, b = cupy_backend.asarray(A), cupy_backend.asarray(B)
    with pytest.raises(TypeError, match="axpy: b must be an array of CuPy, as xp is, got numpy.ndarray"):
        axpy.compute(cupy_backend.xp, a, B, p=1.0)
    with pytest.raises(TypeError, match="axpy: b must be an array of NumPy, as xp is, got cupy.*ndarray"):
        axpy.compute(xp, A, b, p=1.0)
    with pytest.raises(TypeError, match="axpy: p must be a number or an array of CuPy, as xp is, got"):
        axpy.compute(cupy_backend.xp, a, b, p=np.ones((7, 1)))
    with pytest.raises(TypeError, match="axpy: p must be a number or an array of NumPy, as xp is, got"):
        axpy.compute(xp, A, B, p=a[0, 0])
    np.testing.assert_allclose(
        cupy_backend.to_numpy(axpy.compute(cupy_backend.xp, a, b, p=np.array(2.0))), A + 2 * B
    )


def test_other_libraries_are_counted_too(backend):
    a = backend.asarray([1.0, 2.0], "float32")
    with pytest.raises(TypeError, match="axpy takes arrays a, b and scalars p"):
        axpy.compute(backend.xp, a, p=1.0)
    with pytest.raises(ValueError, match="both yields 2 arrays, got 1"):
        both.write(backend.xp, (a,), a, a)
