"""Replicas that have stopped are no longer evaluated, and change nothing for the others."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from conftest import assert_array_equal
from oracles import NETWORK, regression
from oracles import seeded_risk as risk

import xpnet
from xpnet import (
    GradientDescent,
    Minibatch,
    Momentum,
    Nesterov,
    Objective,
    Quadratic,
    Rprop,
    after,
    minimize,
    value_below,
)
from xpnet.training.replicas import Selected


class Counting(Objective):
    """Counts the replicas that are evaluated."""

    def __init__(self, objective, rows=None):
        self.objective, self.rows = objective, [] if rows is None else rows

    def value(self, w):
        return self.objective.value(w)

    def value_and_gradient(self, w):
        self.rows.append(w.shape[0])
        return self.objective.value_and_gradient(w)

    def select_replicas(self, rows):
        return Counting(self.objective.select_replicas(rows), self.rows)


METHODS = [
    GradientDescent(0.2),
    Momentum(0.1),
    Nesterov(0.1),
    Rprop(),
    Minibatch(Momentum(0.1), 8),
    xpnet.LBFGS(),
    xpnet.TrustRegion(),
    xpnet.LevenbergMarquardt(),
    xpnet.Newton(),
]


def own_quadratics(count, device, first=0):
    random = np.random.default_rng(0)
    A = np.array([np.diag(1 + random.random(3)) for _ in range(count)])
    b, c = random.standard_normal((count, 3)), random.random(count)
    return Quadratic(A, b, c, backend=device)


def test_stopped_replicas_are_not_evaluated(device):
    rates = np.full((50, 1), 1.0)
    rates[7] = 0.01
    counting = Counting(Quadratic(np.eye(2), backend=device))
    stop = value_below(1e-9) | after(100)
    run = minimize(
        counting, GradientDescent(device.asarray(rates)), device.xp.ones((50, 2)), stop=stop, check_every=1
    )
    assert run.steps == 100
    assert sum(counting.rows) == 2 * 50 + 98


@pytest.mark.parametrize("method", METHODS, ids=lambda method: type(method).__name__)
def test_the_others_take_the_steps_they_take_alone(method, device):
    objective = regression(device)
    w = objective.network.initialize(3, device, "float64", replicas=6)
    middle = minimize(objective, method, w, stop=after(6), check_every=1).value
    stop = value_below(float(np.median(middle))) | after(12)
    many = minimize(objective, method, w, stop=stop, check_every=1)
    assert np.isnan(many.history.value).any()
    for r in range(6):
        one = minimize(objective, method, w[r], stop=stop, check_every=1)
        assert many.reason[r] == one.reason
        np.testing.assert_allclose(
            device.to_numpy(many.w[r]), device.to_numpy(one.w), rtol=1e-9, atol=1e-12
        )


@pytest.mark.parametrize("method", METHODS[:4], ids=lambda method: type(method).__name__)
def test_bits_do_not_depend_on_who_has_stopped(method, device):
    objective, w = risk(device), NETWORK.initialize(3, device, "float64", replicas=5)
    middle = minimize(objective, method, w, stop=after(20), check_every=1).value
    stop = value_below(float(np.median(middle))) | after(40)

    class Whole(Objective):
        samples = objective.samples

        def value(self, w):
            return objective.value(w)

        def value_and_gradient(self, w):
            return objective.value_and_gradient(w)

    left_out = minimize(objective, method, w, stop=stop, check_every=1)
    whole = minimize(Whole(), method, w, stop=stop, check_every=1)
    assert xpnet.Offers.SELECT_REPLICAS not in Whole().offers
    assert np.isnan(left_out.history.value).any()
    assert left_out.reason == whole.reason
    assert_array_equal(left_out.w, whole.w)
    assert_array_equal(left_out.history.value, whole.history.value)


def test_replicas_with_functions_of_their_own(device):
    objective, w = own_quadratics(4, device), device.xp.ones((4, 3))
    run = minimize(objective, "bfgs", w, stop=value_below(0.2) | after(9), check_every=1)
    assert_array_equal(run.value, objective.value(run.w))
    some = objective.select_replicas([2, 0])
    assert_array_equal(some.value(w[:2, ...]), objective.value(w)[device.asarray([2, 0])])


@pytest.mark.parametrize("method", ["lbfgs", "levenberg-marquardt", GradientDescent(0.1)], ids=str)
def test_a_formula_with_data_for_each_replica(method):
    """A run died where the first replica had stopped, as the formula has numbers for all of them."""
    t = np.linspace(0.0, 1.0, 12)
    y = np.exp(-np.array([[1.0], [2.0], [3.0]]) * t)

    def formula(xp, w):
        return w[..., 0:1] * xp.exp(-w[..., 1:2] * t) - y

    objective, w = xpnet.LeastSquares(formula, backend="numpy"), np.ones((3, 2))
    run = minimize(objective, method, w, stop=value_below(0.05) | after(300))
    assert run.outcome == (xpnet.Outcome.CONVERGED,) * 3
    assert_array_equal(run.value, objective.value(run.w))


def test_all_that_an_objective_offers_can_be_selected(backend, dtype):
    objective = regression(backend, dtype)
    w = objective.network.initialize(3, backend, dtype, replicas=4)
    active = np.array([True, False, True, True])
    part = Selected(backend, objective, active)
    v = w + 1.0
    there = backend.to_numpy
    for name in ("value_and_gradient", "normal_equations"):
        ours, whole = getattr(part, name)(w), getattr(objective, name)(w)
        for own, want in zip(ours, whole, strict=True):
            np.testing.assert_allclose(there(own)[active], there(want)[active], rtol=1e-5, atol=1e-6)
    for name in ("hessian_product", "gauss_newton_product"):
        for direction in (v, backend.xp.stack([v, w])):
            ours, whole = getattr(part, name)(w, direction), getattr(objective, name)(w, direction)
            np.testing.assert_allclose(
                there(ours)[..., active, :], there(whole)[..., active, :], rtol=1e-4, atol=1e-5
            )
            assert (there(ours)[..., 1, :] == 0).all()
    for name in ("hessian", "gauss_newton"):
        ours, whole = getattr(part, name)(w), getattr(objective, name)(w)
        np.testing.assert_allclose(there(ours)[active], there(whole)[active], rtol=1e-4, atol=1e-5)
        assert_array_equal(there(ours)[1], np.eye(w.shape[-1]))
    for name in ("residuals", "jacobian"):
        ours, whole = getattr(part, name)(w), getattr(objective, name)(w)
        np.testing.assert_allclose(there(ours)[active], there(whole)[active], rtol=1e-4, atol=1e-5)
    assert np.isnan(there(part.value(w))[1])


ROSENBROCK = next(problem for problem in xpnet.PROBLEMS if problem.name == "rosenbrock")


@pytest.mark.parametrize("selects", [True, False])
@pytest.mark.parametrize("name", sorted(xpnet.optimizers.NAMES.keys() - {"perceptron"}))
def test_going_on_is_bit_for_bit_where_some_have_stopped(name, selects):
    """The last begins at the minimum."""
    optimizer = xpnet.optimizers.NAMES[name]
    if isinstance(optimizer, xpnet.FirstOrder):
        optimizer = dataclasses.replace(optimizer, rate=1e-4)
    objective, w = ROSENBROCK.objective("numpy"), np.array([[-1.2, 1.0], [2.0, 2.0], [1.0, 1.0]])
    if not selects:
        objective.lacks |= xpnet.Offers.SELECT_REPLICAS
    whole = minimize(objective, optimizer, w, stop=after(12))
    for first in (1, 4):
        part = minimize(objective, optimizer, w, stop=after(first))
        rest = minimize(objective, optimizer, part.w, stop=after(12 - first), state=part.state)
        assert_array_equal(rest.w, whole.w)
