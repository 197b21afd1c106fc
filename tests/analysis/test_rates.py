"""Best rates and condition numbers, against NumPy and what gradient descent makes of them."""

from __future__ import annotations

import math

import numpy as np
import pytest
from conftest import assert_allclose, to_numpy
from oracles import NETWORK, quadratic, risk

import xpnet
from xpnet import Exact, Formula, GradientDescent, Quadratic, SteepestDescent, after, minimize
from xpnet.analysis import axes, condition_number, optimal_rate
from xpnet.analysis import rates as module


@pytest.mark.parametrize("replicas", [(), (3,)], ids=["one", "replicas"])
def test_the_rates_of_the_axes_are_one_over_the_diagonal(replicas, device, monkeypatch):
    monkeypatch.setattr(module, "BLOCK", 200)  # some axes at a time
    objective = risk(device)
    w = NETWORK.initialize(0, "numpy", "float64")
    w = device.asarray(np.broadcast_to(w, (*replicas, w.size)) * np.ones((*replicas, 1)))
    found = optimal_rate(objective, w)
    slopes = np.diagonal(to_numpy(objective.hessian(w)), axis1=-2, axis2=-1)
    assert_allclose(found, np.where(slopes > 0, 1 / slopes, np.inf), rtol=1e-9)
    assert found.shape == w.shape


def test_they_solve_a_diagonal_quadratic_in_one_step(device):
    """Row 41."""
    curvatures = np.array([100.0, 3.0, 0.01])
    objective = Quadratic(np.diag(curvatures), [1.0, -2.0, 0.5], backend=device)
    w = device.xp.ones(3)
    run = minimize(objective, GradientDescent(optimal_rate(objective, w)), w, stop=after(1))
    assert_allclose(run.w, [-0.01, 2 / 3, -50], rtol=1e-12)
    assert [axis.optimum for axis in axes(curvatures, 0.1)] == to_numpy(optimal_rate(objective, w)).tolist()


def test_along_the_gradient_it_is_the_exact_line_search(device):
    objective, w = quadratic(30, backend=device)
    rate = optimal_rate(objective, w, "gradient")
    assert isinstance(rate, float)
    run = minimize(objective, SteepestDescent(Exact()), w, stop=after(1))
    assert rate == pytest.approx(run.history.rate[0], rel=1e-12)
    both = device.xp.stack([w, 2 * w])
    own = optimal_rate(objective, both, "gradient")
    assert own.shape == (2, 1)
    minimize(objective, GradientDescent(own), both, stop=after(1))  # which takes it
    assert_allclose(own, [[rate], [rate]], rtol=1e-12)


def test_one_dimension_is_one_over_the_second_derivative():
    """Row 18."""
    cosh = Formula(lambda xp, w: xp.cosh(w[..., 0]), backend="numpy")
    assert optimal_rate(cosh, np.array([0.7]))[0] == pytest.approx(1 / math.cosh(0.7), rel=1e-14)


def test_where_there_is_no_minimum_the_rate_is_infinite():
    saddle, w = Quadratic(np.diag([2.0, 0.0, -1.0]), backend="numpy"), np.ones(3)
    assert optimal_rate(saddle, w).tolist() == [0.5, math.inf, math.inf]
    assert optimal_rate(saddle, w, np.array([0.0, 0.0, 1.0])) == math.inf


@pytest.mark.parametrize("kappa", [1.0, 10.0, 1e6])
def test_condition_numbers_are_numpy_s(kappa, device):
    """Row 43."""
    objective, w = quadratic(kappa, backend=device)
    A = to_numpy(objective.A)
    assert condition_number(A) == pytest.approx(np.linalg.cond(A), rel=1e-12)
    assert condition_number(objective, w) == pytest.approx(np.linalg.cond(A), rel=1e-9)
    skew = np.random.default_rng(0).standard_normal((5, 5))
    assert condition_number(skew) == pytest.approx(np.linalg.cond(skew), rel=1e-12)


def test_it_is_the_ratio_of_the_best_rates():
    objective = Quadratic(np.diag([50.0, 2.0, 0.5]), backend="numpy")
    rates = optimal_rate(objective, np.ones(3))
    assert condition_number(objective, np.ones(3)) == rates.max() / rates.min() == 100.0
    assert condition_number([[1.0, 0.0], [0.0, -4.0]]) == 4.0
    assert condition_number([[1.0, 1.0], [1.0, 1.0]]) > 1e15
    assert condition_number(np.zeros((2, 2))) == math.inf


def test_a_large_hessian_is_not_made(monkeypatch):
    monkeypatch.setattr(module, "DENSE", 5)
    monkeypatch.setattr(Quadratic, "hessian", lambda *arguments: pytest.fail("a Hessian was made"))
    objective, w = quadratic(100.0)
    assert condition_number(objective, w) == pytest.approx(100.0, rel=1e-4)
    assert condition_number(-objective, w) == pytest.approx(100.0, rel=1e-4)
    assert condition_number(Quadratic(np.diag([1.0] * 7 + [0.0]), backend="numpy"), w) == math.inf
    with pytest.raises(ValueError, match=r"matrix must have a Hessian of one sign .* from -1 to 2; cond"):
        condition_number(Quadratic(np.diag([2.0] * 7 + [-1.0]), backend="numpy"), w)


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda f, w: optimal_rate(3, w), TypeError, "objective must be an Objective, got 3"),
        (lambda f, w: optimal_rate(f, [1.0]), TypeError, "w must be an array"),
        (lambda f, w: optimal_rate(f, w * np.nan), ValueError, "w contains NaN"),
        (lambda f, w: optimal_rate(f, w, "newton"), ValueError, "unknown direction 'newton'; use one of"),
        (lambda f, w: optimal_rate(f, w, 0 * w), ValueError, "direction must not be zero"),
        (lambda f, w: optimal_rate(f, w, np.stack([w, w])), ValueError, r"direction must be \(8,\) like w"),
        (lambda f, w: condition_number(np.eye(2), w), TypeError, "matrix must be an Objective where w"),
        (lambda f, w: condition_number(np.ones((2, 3))), ValueError, r"matrix must be \(P, P\)"),
        (lambda f, w: condition_number([[np.inf]]), ValueError, "matrix contains infinity"),
        (lambda f, w: condition_number(f), TypeError, "w must be an array"),
        (lambda f, w: condition_number(f, np.stack([w, w])), ValueError, r"w must be \(P,\)"),
        (
            lambda f, w: optimal_rate(xpnet.ThresholdUnit([[1.0]], [1], backend="numpy"), w),
            TypeError,
            "hessian_product for optimal_rate; ThresholdUnit has none",
        ),
    ],
)
def test_bad_use(call, error, message):
    with pytest.raises(error, match=message):
        call(*quadratic(10))
