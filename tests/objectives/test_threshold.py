"""The threshold unit: what it takes."""

from __future__ import annotations

import numpy as np
import pytest

from xpnet import ThresholdUnit

X = np.array([[1.0, 0.0], [0.0, 1.0], [-1.0, 0.0]])


@pytest.mark.parametrize("kind", ["int8", "int64", "float32", "float64"])
def test_targets_of_any_kind(kind):
    unit = ThresholdUnit(X, np.array([1, 1, -1], kind), backend="numpy")
    assert unit.mistakes(np.zeros(3)) == 3
    assert unit.mistakes(np.array([1.0, 1.0, 0.0])) == 0


@pytest.mark.parametrize(
    "targets",
    [
        np.array([1, 1, 0]),
        np.array([1, 1, 255], "uint8"),
        np.array([1.0, 1.0, -1.0 - 1e-12]),  # as float32 it would be -1
        np.array([1, 1, 2**32 - 1]),
        np.array([1, 1, 2**64 - 1], "uint64"),
        np.array([True, True, False]),
        np.array([1.0, 1.0, np.nan]),
    ],
    ids=str,
)
def test_other_targets_are_refused_before_they_are_cast(targets):
    with pytest.raises(ValueError, match=r"targets must be -1 or \+1, got others"):
        ThresholdUnit(X, targets, backend="numpy", dtype="float32")


def test_points_and_what_it_is():
    unit = ThresholdUnit(X, [1, 1, -1], backend="numpy")
    with pytest.raises(ValueError, match=r"w must be \(3,\) or \(R, 3\), got shape \(2,\)"):
        unit.value(np.ones(2))
    with pytest.raises(TypeError, match="w must be float64, as the data, got float32"):
        unit.value_and_gradient(np.ones(3, "float32"))
    assert repr(unit) == "ThresholdUnit(samples=3, features=2, backend='numpy', dtype='float64')"
