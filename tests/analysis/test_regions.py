"""What classifiers whose boundaries are known decide."""

from __future__ import annotations

import numpy as np
import pytest

from xpnet import Dense, Network
from xpnet.analysis import decision_regions

UNIT = Network(2, Dense(1))
SQUARE = ((-1, 1), (-2, 2))


def test_a_linear_unit():
    w = np.array([1.0, -2.0, 0.25])
    found = decision_regions(UNIT, w, SQUARE, points=11)
    x, y = np.meshgrid(np.linspace(-1, 1, 11), np.linspace(-2, 2, 11))
    np.testing.assert_allclose(found.leads[..., 0], x - 2 * y + 0.25, atol=1e-14)
    np.testing.assert_array_equal(found.labels, x - 2 * y + 0.25 > 0)
    assert (found.classes, found.threshold) == (2, 0.0)


def test_a_sigmoid_changes_its_mind_where_its_logit_does():
    w = np.array([1.0, -2.0, 0.25])
    found = decision_regions(Network(2, Dense(1, "sigmoid")), w, SQUARE, points=11)
    np.testing.assert_array_equal(found.labels, decision_regions(UNIT, w, SQUARE, points=11).labels)
    assert found.threshold == 0.5
    assert decision_regions(Network(2, Dense(1, "sigmoid")), w, SQUARE, threshold=0.9).labels.mean() < 0.3


def test_three_classes():
    network = Network(2, Dense(3, "softmax"))
    w = np.array([1.0, 0.0, 0.0, 1.0, -1.0, -1.0, 0.0, 0.0, 0.0])
    found = decision_regions(network, w, SQUARE, points=9)
    x, y = np.meshgrid(np.linspace(-1, 1, 9), np.linspace(-2, 2, 9))
    np.testing.assert_array_equal(found.labels, np.argmax(np.stack([x, y, -x - y]), axis=0))
    assert found.outputs.shape == (9, 9, 3)
    others = np.stack([np.delete(found.outputs, k, axis=-1).max(axis=-1) for k in range(3)], axis=-1)
    np.testing.assert_array_equal(found.leads, found.outputs - others)


def test_limits_hold_the_samples():
    found = decision_regions(UNIT, np.ones(3), X=[[0.0, 1.0], [10.0, 1.0]], points=2)
    np.testing.assert_allclose([found.x, found.y], [[-1, 11], [0.9, 1.1]])


def test_on_every_library(backend):
    w = backend.asarray(np.array([1.0, -2.0, 0.25], np.float32))
    found = decision_regions(UNIT, w, SQUARE, points=5)
    assert type(found.labels) is np.ndarray
    assert (
        found.labels.tolist()
        == decision_regions(UNIT, np.array([1, -2, 0.25]), SQUARE, points=5).labels.tolist()
    )


@pytest.mark.parametrize(
    ("ask", "message"),
    [
        (lambda: decision_regions(Network(3, Dense(1)), np.ones(4), SQUARE), "network must have 2 inputs"),
        (lambda: decision_regions(UNIT, np.ones(4), SQUARE), "w must have 3 parameters"),
        (lambda: decision_regions(UNIT, np.ones((2, 3)), SQUARE), r"w must be \(P,\), one network"),
        (lambda: decision_regions(UNIT, np.full(3, np.nan), SQUARE), "w contains NaN"),
        (lambda: decision_regions(UNIT, np.ones(3)), "limits must be given, or samples X"),
        (lambda: decision_regions(UNIT, np.ones(3), SQUARE, X=[[1, 2]]), "hold, got both"),
        (lambda: decision_regions(UNIT, np.ones(3), X=[[1, 2, 3]]), r"X must be \(samples, 2\)"),
        (lambda: decision_regions(UNIT, np.ones(3), SQUARE, points=10**8), "points must be smaller"),
        (lambda: decision_regions(UNIT, np.ones(3), SQUARE, threshold="x"), "threshold must be a number"),
        (
            lambda: decision_regions(Network(2, Dense(2)), np.ones(6), SQUARE, threshold=0.5),
            "threshold must be left out where there are 2 outputs",
        ),
    ],
)
def test_bad_input_is_named(ask, message):
    with pytest.raises((TypeError, ValueError, MemoryError), match=message):
        ask()
