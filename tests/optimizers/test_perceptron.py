"""The perceptron rule: its updates, its end, and the unit that it is for."""

from __future__ import annotations

import copy

import numpy as np
import pytest
from conftest import assert_array_equal
from oracles import NETWORK, risk

from xpnet import Outcome, Perceptron, ThresholdUnit, iterate


def lecture_points(t, backend="numpy", dtype="float64"):
    X = [[1.0, 0.0], [0.0, 1.0], [-1.0, 0.0], [0.0, -float(t)]]
    return ThresholdUnit(X, [1, 1, -1, 1], backend=backend, dtype=dtype)


def by_hand(X, targets, updates):
    """The rule as the book has it: round after round, one sample after the other."""
    X = np.hstack([np.asarray(X, float), np.ones((len(X), 1))])
    w, made = np.zeros(X.shape[1]), 0
    while made < updates and not (targets * (X @ w) > 0).all():
        for x, d in zip(X, targets, strict=True):
            if d * (x @ w) <= 0 and made < updates:
                w, made = w + d * x, made + 1
    return w, made


@pytest.mark.parametrize(("t", "updates"), [(10, 14), (100, 104), (1000, 1004)])
def test_the_steps_are_the_updates(t, updates, backend, dtype):
    """Row 5: 14, 104 and 1004, with the bound of Novikoff."""
    unit, w = lecture_points(t, backend, dtype), backend.asarray(np.zeros(3), dtype)
    state = Perceptron().initialize(unit, w)
    for _ in range(updates):
        assert Perceptron().step(unit, w, state).endings == ()
    assert state["step"] == updates
    assert int(unit.mistakes(w)) == 0
    before = backend.to_numpy(w).copy()
    record = Perceptron().step(unit, w, state)
    # nothing is left to do, so this is no step
    assert record.endings[0].text == "every sample is on its own side"
    assert record.endings[0].outcome is Outcome.CONVERGED
    assert state["step"] == updates
    np.testing.assert_array_equal(backend.to_numpy(w), before)


def test_it_is_the_rule_of_the_book(device):
    random = np.random.default_rng(3)
    X = random.standard_normal((40, 3))
    targets = np.where(X @ [1.0, -2.0, 0.5] + 0.3 > 0, 1.0, -1.0)
    unit, w = ThresholdUnit(X, targets, backend=device), device.asarray(np.zeros(4))
    records = list(iterate(unit, Perceptron(), w))
    want, made = by_hand(X, targets, 10_000)
    assert len(records) == made + 1
    np.testing.assert_allclose(device.to_numpy(w), want, rtol=1e-12, atol=1e-12)


def test_replicas_equal_single_runs(device):
    unit = lecture_points(20, device)
    starts = device.asarray(np.random.default_rng(0).standard_normal((4, 3)))
    many = starts.copy()
    count = len(list(iterate(unit, Perceptron(), many)))
    counts = []
    for r in range(4):
        one = starts[r].copy()
        counts.append(len(list(iterate(unit, Perceptron(), one))))
        assert_array_equal(many[r], one)
    assert count == max(counts)


def test_it_goes_on_where_it_stopped():
    unit, w = lecture_points(100), np.zeros(3)
    state = Perceptron().initialize(unit, w)
    for _ in range(50):
        Perceptron().step(unit, w, state)
    later, later_state = copy.deepcopy((w, state))
    first = list(iterate(unit, Perceptron(), w, state=state))
    again = list(iterate(unit, Perceptron(), later, state=later_state))
    assert w.tobytes() == later.tobytes()
    assert len(first) == len(again) == 104 - 50 + 1


def test_it_is_for_a_threshold_unit():
    class Margins(type(risk())):
        def margins(self, w):
            return w

    w = NETWORK.initialize(0, "numpy", "float64")
    for objective in (risk(), copy.copy(risk())):
        with pytest.raises(TypeError, match="objective must be a ThresholdUnit for the perceptron rule"):
            Perceptron().initialize(objective, w)
    pretender = copy.copy(risk())
    pretender.__class__ = Margins
    with pytest.raises(TypeError, match="objective must be a ThresholdUnit"):
        Perceptron().initialize(pretender, w)
