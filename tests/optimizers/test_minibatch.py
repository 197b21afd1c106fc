"""Incremental updates, and the perceptron rule."""

from __future__ import annotations

import copy

import numpy as np
import pytest
from conftest import assert_array_equal, assert_resumes
from oracles import NETWORK, OPTIMIZERS, risk

import xpnet
from xpnet import (
    LBFGS,
    Adam,
    CrossEntropy,
    EmpiricalRisk,
    GradientDescent,
    Minibatch,
    Momentum,
    Network,
    Perceptron,
    Quadratic,
    ThresholdUnit,
    after,
    evaluations,
    iterate,
    minimize,
)
from xpnet.testing import check_gradient


@pytest.mark.parametrize("optimizer", OPTIMIZERS, ids=str)
@pytest.mark.parametrize("size", [40, 1000])
def test_a_batch_of_all_samples_is_the_full_gradient_bit_for_bit(optimizer, size, device):
    objective = risk(device, "float32")
    w = NETWORK.initialize(0, device)
    other = w.copy()
    for one, two, _ in zip(
        iterate(objective, Minibatch(optimizer, size), w),
        iterate(objective, optimizer, other),
        range(10),
        strict=False,
    ):
        assert one.value == two.value
        assert w.tobytes() == other.tobytes()


@pytest.mark.parametrize("size", [1, 7, 20])
def test_an_epoch_sees_every_sample_once(size):
    objective = risk()
    seen = []

    class Spy(EmpiricalRisk):
        def subset(self, samples):
            seen.append(np.array(samples))
            return objective.subset(samples)

    spy = copy.copy(objective)
    spy.__class__ = Spy
    w = NETWORK.initialize(0, "numpy", "float64")
    steps = iterate(spy, Minibatch(GradientDescent(0.1), size, seed=3), w)
    batches = -(-40 // size)
    for _ in range(2 * batches):
        next(steps)
    first, second = np.concatenate(seen[:batches]), np.concatenate(seen[batches:])
    assert sorted(first) == sorted(second) == list(range(40))
    assert not np.array_equal(first, second)
    assert {len(batch) for batch in seen} <= {size, 40 % size}


def test_a_batch_is_the_risk_on_its_samples():
    X, labels = (
        np.random.default_rng(0).standard_normal((40, 4)),
        np.random.default_rng(1).integers(0, 3, 40),
    )
    weights = np.random.default_rng(2).uniform(0.5, 2, 40)
    options = {"backend": "numpy", "dtype": "float64", "penalty": xpnet.L2(0.1)}
    whole = EmpiricalRisk(NETWORK, CrossEntropy(), X, labels, sample_weight=weights, **options)
    chosen = np.array([5, 3, 17, 30])
    want = EmpiricalRisk(
        NETWORK, CrossEntropy(), X[chosen], labels[chosen], sample_weight=weights[chosen], **options
    )
    w = NETWORK.initialize(0, "numpy", "float64")
    part = whole.subset(chosen)
    assert part.samples == 4
    for got, expected in zip(part.value_and_gradient(w), want.value_and_gradient(w), strict=True):
        np.testing.assert_allclose(got, expected, rtol=1e-13)
    value, _ = whole.value_and_gradient(w)  # which is not disturbed
    assert value == EmpiricalRisk(
        NETWORK, CrossEntropy(), X, labels, sample_weight=weights, **options
    ).value(w)


def test_seeds_choose_the_order():
    points = []
    for seed in (0, 0, 1):
        w = NETWORK.initialize(0, "numpy", "float64")
        minimize(risk(), Minibatch(Momentum(0.1), 8, seed), w, stop=after(12))
        points.append(w)
    np.testing.assert_array_equal(points[0], points[1])
    assert not np.array_equal(points[0], points[2])


def test_every_backend_takes_the_same_steps(backend, dtype, tolerance):
    points = []
    for own in (backend, xpnet.backend("numpy")):
        w = NETWORK.initialize(0, own, dtype, replicas=2)
        minimize(risk(own, dtype), Minibatch(Adam(0.01), 16), w, stop=after(8))
        points.append(own.to_numpy(w))
    np.testing.assert_allclose(points[0], points[1], atol=10 * tolerance)


def test_snapshot_and_resume_bit_for_bit(device):
    w = NETWORK.initialize(0, device, "float64")
    assert_resumes(risk(device), Minibatch(Adam(0.01), 16), w)


def test_replicas_equal_single_runs():
    objective, method = risk(), Minibatch(Momentum(0.1), 16)
    w = NETWORK.initialize(0, "numpy", "float64", replicas=3)
    run = minimize(objective, method, w, stop=after(9))
    for r in range(3):
        own = NETWORK.initialize(r, "numpy", "float64")
        alone = minimize(objective, method, own, stop=after(9))
        np.testing.assert_allclose(w[r], own, rtol=1e-12, atol=1e-14)
        np.testing.assert_allclose(run.history.value[:, r], alone.history.value, rtol=1e-12)


def test_evaluations_are_counted_and_the_best_batch_is_no_best_point(device):
    objective = risk(device)
    w = NETWORK.initialize(0, device, "float64")
    run = minimize(objective, Minibatch(GradientDescent(0.5), 4), w, stop=evaluations(30) | after(100))
    assert sum(run.evaluations.values()) == 30
    assert run.best_value >= min(run.history.value)
    held = minimize(objective, Minibatch(GradientDescent(0.5), 4), w, stop=after(30), held_out=objective)
    assert held.best_value == pytest.approx(float(objective.value(held.best_w)), rel=1e-12)


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: Minibatch(LBFGS()), TypeError, "optimizer must be one of first order such as"),
        (lambda: Minibatch(Adam(), 0), ValueError, "size must be at least 1, got 0"),
        (lambda: Minibatch(Adam(), seed=-1), ValueError, "seed must be at least 0, got -1"),
        (
            lambda: minimize(Quadratic(np.eye(2), backend="numpy"), Minibatch(Adam()), np.ones(2)),
            TypeError,
            "objective must have a subset for Minibatch; Quadratic has none",
        ),
    ],
)
def test_what_cannot_be_done_is_refused(make, error, message):
    with pytest.raises(error, match=message):
        make()


def lecture_points(t, backend="numpy", dtype="float64"):
    X = [[1.0, 0.0], [0.0, 1.0], [-1.0, 0.0], [0.0, -float(t)]]
    return ThresholdUnit(X, [1, 1, -1, 1], backend=backend, dtype=dtype)


@pytest.mark.parametrize(("t", "updates"), [(10, 14), (100, 104), (1000, 1004)])
def test_updates_of_the_perceptron_on_the_lecture_s_points(t, updates, backend, dtype):
    """Row 5, with the bound of Novikoff, which the widest margin (2, 0, 1) makes 5 (t^2 + 1)."""
    unit = lecture_points(t, backend, dtype)
    w = backend.asarray(np.zeros(3), dtype)
    run = minimize(unit, Perceptron(), w, stop=after(20_000))
    assert run.steps - 1 == updates  # the last step finds no mistake
    assert run.reason == f"step {updates}: every sample is on its own side"
    assert run.converged
    assert int(unit.mistakes(run.w)) == 0
    assert updates <= unit.mistake_bound(run.w)
    assert unit.mistake_bound(backend.asarray([2.0, 0.0, 1.0], dtype)) == pytest.approx(5 * (t * t + 1))


def test_replicas_of_the_perceptron_equal_single_runs(device):
    unit = lecture_points(20, device)
    starts = device.asarray(np.random.default_rng(0).standard_normal((4, 3)))
    many = minimize(unit, Perceptron(), starts.copy(), stop=after(3000))
    for r in range(4):
        one = minimize(unit, Perceptron(), starts[r].copy(), stop=after(3000))
        assert_array_equal(many.w[r], one.w)
        assert many.reason[r] == one.reason


def test_snapshot_and_resume_of_the_perceptron():
    unit, w = lecture_points(100), np.zeros(3)
    state = Perceptron().initialize(unit, w)
    for _ in range(50):
        Perceptron().step(unit, w, state)
    later, later_state = copy.deepcopy((w, state))
    run = minimize(unit, Perceptron(), w, stop=after(1000), state=state)
    again = minimize(unit, Perceptron(), later, stop=after(1000), state=later_state)
    assert w.tobytes() == later.tobytes()
    assert run.steps == again.steps == 104 - 50 + 1


def test_the_perceptron_never_ends_where_it_cannot():
    unit = ThresholdUnit([[0.0], [0.0]], [1, -1], backend="numpy")
    run = minimize(unit, Perceptron(), np.zeros(2), stop=after(200))
    assert run.reason == "200 steps taken"
    with pytest.raises(ValueError, match=r"w must be \(P,\) and separate the samples"):
        unit.mistake_bound(run.w)


def test_the_criterion_s_gradient(device):
    random = np.random.default_rng(0)
    unit = ThresholdUnit(random.standard_normal((30, 3)), random.choice([-1, 1], 30), backend=device)
    check_gradient(unit, device.asarray(random.standard_normal(4)))
    check_gradient(unit, device.asarray(random.standard_normal((2, 4))))


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: ThresholdUnit([[1.0]], [0]), ValueError, r"targets must be -1 or \+1, got 0"),
        (lambda: ThresholdUnit([[1.0]], [1, 1]), ValueError, r"targets must be \(1,\), got shape \(2,\)"),
        (
            lambda: ThresholdUnit([1.0], [1]),
            ValueError,
            r"X must be \(samples, features\), got shape \(1,\)",
        ),
        (lambda: ThresholdUnit([[np.nan]], [1]), ValueError, "X contains NaN"),
        (lambda: ThresholdUnit([["a"]], [1]), TypeError, "X must hold real numbers"),
        (
            lambda: lecture_points(3).value(np.zeros(4)),
            ValueError,
            r"w must be \(3,\) or \(R, 3\), got shape \(4,\)",
        ),
        (
            lambda: minimize(risk(), Perceptron(), Network(4, *NETWORK.layers).initialize(0, "numpy")),
            TypeError,
            "objective must be a ThresholdUnit for the perceptron rule",
        ),
    ],
)
def test_bad_units(make, error, message):
    with pytest.raises(error, match=message):
        make()
