"""Incremental updates: batches of samples, one after another."""

from __future__ import annotations

import copy

import numpy as np
import pytest
from conftest import assert_resumes, to_numpy
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
    Quadratic,
    after,
    evaluations,
    iterate,
    minimize,
)


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


def test_a_batch_is_the_risk_on_its_samples_by_the_weights_of_all():
    """Weights are relative to those of all samples, so that gradients average to the full one."""
    X, labels = (
        np.random.default_rng(0).standard_normal((40, 4)),
        np.random.default_rng(1).integers(0, 3, 40),
    )
    weights = np.random.default_rng(2).uniform(0.5, 2, 40)
    options = {"backend": "numpy", "dtype": "float64"}
    whole = EmpiricalRisk(
        NETWORK, CrossEntropy(), X, labels, sample_weight=weights, penalty=xpnet.L2(0.1), **options
    )
    chosen = np.array([5, 3, 17, 30])
    own = EmpiricalRisk(
        NETWORK, CrossEntropy(), X[chosen], labels[chosen], sample_weight=weights[chosen], **options
    )
    plain = EmpiricalRisk(NETWORK, CrossEntropy(), X, labels, sample_weight=weights, **options)
    w = NETWORK.initialize(0, "numpy", "float64")
    part = whole.subset(chosen)
    assert part.samples == 4
    value, gradient = whole.value_and_gradient(w)
    share = weights[chosen].mean() / weights.mean()
    alone, data = own.value_and_gradient(w), plain.value_and_gradient(w)
    for got, all_of_it, batch, full in zip(
        part.value_and_gradient(w), (value, gradient), alone, data, strict=True
    ):
        np.testing.assert_allclose(got, share * batch + (all_of_it - full), rtol=1e-12, atol=1e-15)
    again = EmpiricalRisk(
        NETWORK, CrossEntropy(), X, labels, sample_weight=weights, penalty=xpnet.L2(0.1), **options
    )
    assert whole.value(w) == again.value(w)  # which is not disturbed


@pytest.mark.parametrize("size", [1, 2, 8])
@pytest.mark.parametrize("weights", ["some are 0", "all alike", "uneven"])
def test_the_gradients_of_an_epoch_average_to_the_full_one(size, weights, device):
    weights = {
        "some are 0": np.repeat([0.0, 3.0, 0.0, 1.0], 10),
        "all alike": np.full(40, 7.0),
        "uneven": np.random.default_rng(2).uniform(0, 2, 40) ** 8,
    }[weights]
    X = np.random.default_rng(0).standard_normal((40, 4))
    labels = np.random.default_rng(1).integers(0, 3, 40)
    objective = EmpiricalRisk(
        NETWORK, CrossEntropy(), X, labels, sample_weight=weights, backend=device, dtype="float64"
    )
    w = NETWORK.initialize(0, device, "float64")
    method = Minibatch(GradientDescent(1e-300), size)  # which stays where it is
    state = method.initialize(objective, w)
    records = [method.step(objective, w, state) for _ in range(40 // size)]
    value, gradient = map(to_numpy, objective.value_and_gradient(w))
    np.testing.assert_allclose(np.mean([to_numpy(r.value) for r in records]), value, rtol=1e-12)
    mean = np.mean([to_numpy(record.gradient) for record in records], axis=0)
    np.testing.assert_allclose(mean, gradient, rtol=1e-10, atol=1e-14)


@pytest.mark.parametrize("size", [1, 2, 8])
def test_weights_count_alike_whatever_the_size_of_a_batch(size):
    """Targets 0 of weight 1 and 1 of weight 9: the best bias is .9, not .50, .70 and .88."""
    targets = np.repeat([0.0, 1.0], 500)
    network = Network(1, xpnet.Dense(1))
    objective = EmpiricalRisk(
        network,
        xpnet.SquaredError(),
        np.zeros((1000, 1)),
        targets,
        sample_weight=np.repeat([1.0, 9.0], 500),
        backend="numpy",
        dtype="float64",
    )
    w = network.initialize(0, "numpy", "float64")
    rate = xpnet.schedules.LinearDecay(1.0)  # which makes the point the average of the samples
    run = minimize(objective, Minibatch(GradientDescent(rate), size), w, stop=after(4 * 1000 // size))
    assert run.w[-1] == pytest.approx(0.9, abs=0.02)


def test_a_batch_of_weight_0_has_only_the_penalty_s_gradient():
    weights = np.zeros(40)
    weights[:3] = 1.0
    X = np.random.default_rng(0).standard_normal((40, 4))
    labels = np.random.default_rng(1).integers(0, 3, 40)
    objective = EmpiricalRisk(
        NETWORK, CrossEntropy(), X, labels, sample_weight=weights, backend="numpy", dtype="float64"
    )
    w = NETWORK.initialize(0, "numpy", "float64")
    value, gradient = objective.subset(np.array([10, 20])).value_and_gradient(w)
    assert value == 0
    np.testing.assert_array_equal(gradient, 0)
    value_at_start = float(objective.value(w))
    run = minimize(objective, Minibatch(Momentum(0.1), 8), w, stop=after(50))
    assert run.steps == 50
    assert objective.value(run.w) < value_at_start


def test_seeds_choose_the_order():
    points = []
    for seed in (0, 0, 1):
        w = NETWORK.initialize(0, "numpy", "float64")
        points.append(minimize(risk(), Minibatch(Momentum(0.1), 8, seed), w, stop=after(12)).w)
    np.testing.assert_array_equal(points[0], points[1])
    assert not np.array_equal(points[0], points[2])


def test_every_backend_takes_the_same_steps(backend, dtype, tolerance):
    points = []
    for own in (backend, xpnet.backend("numpy")):
        w = NETWORK.initialize(0, own, dtype, replicas=2)
        run = minimize(risk(own, dtype), Minibatch(Adam(0.01), 16), w, stop=after(8))
        points.append(own.to_numpy(run.w))
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
        np.testing.assert_allclose(run.w[r], alone.w, rtol=1e-12, atol=1e-14)
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


def test_an_optimizer_of_first_order_may_be_named():
    assert xpnet.Minibatch("adam") == xpnet.Minibatch(xpnet.Adam())
    assert xpnet.Minibatch("gradient descent", 7).optimizer == xpnet.GradientDescent()
    with pytest.raises(ValueError, match="unknown optimizer 'lbfgs'"):  # it compares values of one function
        xpnet.Minibatch("lbfgs")
