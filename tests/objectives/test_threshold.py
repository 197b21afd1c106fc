"""One threshold unit: the perceptron criterion, mistakes, what it says of new samples, what it refuses."""

from __future__ import annotations

import copy
import pickle

import numpy as np
import pytest

from xpnet import ThresholdUnit
from xpnet.testing import check_gradient


def unit(backend="numpy", dtype="float64"):
    random = np.random.default_rng(0)
    return ThresholdUnit(
        random.standard_normal((30, 3)), random.choice([-1, 1], 30), backend=backend, dtype=dtype
    )


def test_the_criterion_s_gradient(device):
    random = np.random.default_rng(1)
    check_gradient(unit(device), device.asarray(random.standard_normal(4)))
    check_gradient(unit(device), device.asarray(random.standard_normal((2, 4))))


def test_mistakes_rank_points_where_the_criterion_does_not():
    """On XOR the criterion is 0 at w = 0, where all four are wrong; no w has fewer than one wrong."""
    xor = ThresholdUnit([[0, 0], [0, 1], [1, 0], [1, 1]], [-1, 1, 1, -1], backend="numpy")
    zero, three = np.zeros(3), np.array([1.0, 1.0, -0.5])
    assert float(xor.value(zero)) == 0.0 < float(xor.value(three))
    assert int(xor.mistakes(zero)) == 4
    assert int(xor.mistakes(three)) == 1
    np.testing.assert_array_equal(xor.mistakes(np.stack([zero, three])), [4, 1])


def test_predictions(backend, dtype):
    own = unit(backend, dtype)
    random = np.random.default_rng(2)
    X, w = random.standard_normal((7, 3)), random.standard_normal((2, 4))
    want = np.where(X @ w[0, :3] + w[0, 3] > 0, 1, -1)
    got = own.predict(backend.asarray(w[0], dtype), X)
    np.testing.assert_array_equal(backend.to_numpy(got), want)
    many = backend.to_numpy(own.predict(backend.asarray(w, dtype), X))
    assert many.shape == (2, 7)
    np.testing.assert_array_equal(many[0], want)
    # a boundary is on the side of -1, as `mistakes` has it for +1
    assert (backend.to_numpy(own.predict(backend.asarray(np.zeros(4), dtype), X)) == -1).all()


def test_what_it_says_and_its_mistakes_agree():
    random = np.random.default_rng(0)
    X, targets = random.standard_normal((30, 3)), random.choice([-1, 1], 30)
    for w in random.standard_normal((20, 4)):
        own = ThresholdUnit(X, targets, backend="numpy")
        assert int(own.mistakes(w)) == int((own.predict(w, X) != targets).sum())


def test_the_bound_needs_a_separating_point():
    points = ThresholdUnit([[1.0, 0], [0, 1], [-1, 0], [0, -10]], [1, 1, -1, 1], backend="numpy")
    assert points.mistake_bound(np.array([2.0, 0.0, 1.0])) == pytest.approx(505)
    with pytest.raises(ValueError, match="w must separate the samples, .* got one with a margin of"):
        points.mistake_bound(np.zeros(3))


def test_its_name():
    assert repr(unit()) == "ThresholdUnit(samples=30, features=3, backend='numpy', dtype='float64')"


def test_copies():
    own, w = unit(), np.array([1.0, -1.0, 0.5, 0.1])
    others = [copy.copy(own), copy.deepcopy(own), pickle.loads(pickle.dumps(own))]
    for other in others:
        assert other.value(w) == own.value(w)
        assert repr(other) == repr(own)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(
    ("targets", "error", "message"),
    [
        ([0, 1], ValueError, r"targets must be -1 or \+1, got 0; -1 stands for 0"),
        ([1, 1 + 1e-9], ValueError, r"targets must be -1 or \+1, got 1.000000001"),
        ([1, 2**32 + 1], ValueError, r"targets must be -1 or \+1, got 4294967297"),
        (np.array([1, 255], "uint8"), ValueError, r"targets must be -1 or \+1, got 255"),
        (
            np.array([1, 2**64 - 1], "uint64"),
            ValueError,
            r"targets must be -1 or \+1, got 18446744073709551615",
        ),
        ([1, 1e308], ValueError, r"targets must be -1 or \+1, got 1e\+308"),
        ([1.0, np.nan], ValueError, r"targets must be -1 or \+1, got nan"),
        ([True, False], TypeError, r"targets must be -1 or \+1, got True and False; \+1 stands for True"),
        ([1j, 1], TypeError, "targets must hold real numbers"),
        (["a", "b"], TypeError, "targets must hold real numbers"),
        ([[1], [1]], ValueError, r"targets must be \(2,\), as X has 2 samples, got shape \(2, 1\)"),
        ([1], ValueError, r"targets must be \(2,\), as X has 2 samples, got shape \(1,\)"),
    ],
)
def test_wrong_targets(targets, error, message, dtype):
    with pytest.raises(error, match=message):
        ThresholdUnit([[1.0], [2.0]], targets, backend="numpy", dtype=dtype)


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (
            lambda: ThresholdUnit([1.0], [1]),
            ValueError,
            r"X must be \(samples, features\), got shape \(1,\)",
        ),
        (lambda: ThresholdUnit([[np.nan]], [1]), ValueError, "X contains NaN"),
        (lambda: ThresholdUnit([["a"]], [1]), TypeError, "X must hold real numbers"),
        (lambda: unit().value(np.zeros(3)), ValueError, r"w must be \(\.\.\., 4\), got shape"),
        (
            lambda: unit().predict(np.zeros(4), [[1.0, 2.0]]),
            ValueError,
            "X must be .samples, 3., as the unit",
        ),
        (
            lambda: unit().predict(np.zeros(4), [1.0, 2.0, 3.0]),
            ValueError,
            r"X must be \(samples, features\)",
        ),
        (lambda: unit().predict(np.zeros(4, "float32"), np.ones((1, 3))), TypeError, "w must be float64"),
    ],
)
def test_bad_use(make, error, message):
    with pytest.raises(error, match=message):
        make()


def test_targets_of_other_kinds_are_taken():
    for targets in ([1, -1], [1.0, -1.0], np.array([1, -1], "int8"), np.array([1, -1], "float32")):
        own = ThresholdUnit([[1.0], [2.0]], targets, backend="numpy")
        np.testing.assert_array_equal(own.signed, [[1.0, 1.0], [-2.0, -1.0]])
