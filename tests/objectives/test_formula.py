"""A formula: its derivatives of every order, its points, and what it refuses."""

from __future__ import annotations

import math
import pickle

import numpy as np
import pytest
from conftest import assert_allclose, to_numpy

import xpnet
from xpnet import Formula, Offers, after, gradient_below, minimize
from xpnet.objectives import matrices
from xpnet.testing import check_gradient

START = np.array([0.3, 0.7, -1.2])


def curved(xp, w):
    return xp.exp(w[..., 0] * w[..., 1]) + w[..., 2] ** 4 * w[..., 0] + xp.tanh(xp.sum(w * w, axis=-1))


def double_well(xp, w):
    return (w[..., 0] ** 2 - 1.0) ** 2 + 0.3 * w[..., 0]


def make(function=curved, **options):
    return Formula(function, **({"backend": "numpy"} | options))


def complex_slopes(w):
    """The gradient by a complex step."""
    return np.imag([curved(np, w + 1e-30j * row) for row in np.eye(3)]) / 1e-30


def test_derivatives_are_exact():
    check_gradient(make(), START)
    value, gradient = make().value_and_gradient(START)
    assert value == curved(np, START)
    np.testing.assert_allclose(gradient, complex_slopes(START), rtol=1e-14)
    h = 1e-4
    hessian = np.array(
        [(complex_slopes(START + h * e) - complex_slopes(START - h * e)) / (2 * h) for e in np.eye(3)]
    )
    np.testing.assert_allclose(make().hessian(START), hessian, rtol=1e-6)


def test_derivatives_are_pytorch_s(torch):
    w = torch.tensor(START, requires_grad=True)

    def function(w):
        return torch.exp(w[0] * w[1]) + w[2] ** 4 * w[0] + torch.tanh((w * w).sum())

    (gradient,) = torch.autograd.grad(function(w), w)
    np.testing.assert_allclose(make().value_and_gradient(START)[1], gradient, rtol=1e-13)
    hessian = torch.autograd.functional.hessian(function, w)
    np.testing.assert_allclose(make().hessian(START), hessian, rtol=1e-12, atol=1e-13)


def test_on_every_backend(backend, dtype, tolerance):
    objective, w = make(backend=backend, dtype=dtype), backend.asarray(START, dtype)
    value, gradient = objective.value_and_gradient(w)
    want, slopes = make().value_and_gradient(START)
    assert value.dtype == backend.accumulator
    assert_allclose(value, want, rtol=tolerance)
    assert_allclose(gradient, slopes, rtol=10 * tolerance)
    assert_allclose(objective.hessian(w), make().hessian(START), rtol=30 * tolerance, atol=10 * tolerance)


def test_replicas_are_those_alone(device):
    w = np.stack([START, -START, 2 * START])
    objective = make(backend=device)
    there = device.asarray(w)
    value, gradient = objective.value_and_gradient(there)
    hessian = objective.hessian(there)
    for r in range(3):
        alone, slopes = make().value_and_gradient(w[r])
        assert_allclose(value[r], alone, rtol=1e-14)
        assert_allclose(gradient[r, :], slopes, rtol=1e-13)
        assert_allclose(hessian[r, ...], make().hessian(w[r]), rtol=1e-12, atol=1e-13)
    assert objective.select_replicas([0, 2]) is objective


@pytest.mark.parametrize("replicas", [(), (2,)])
def test_directions_at_once_are_those_alone(device, replicas, monkeypatch):
    monkeypatch.setattr(matrices, "BLOCK", 40)
    random = np.random.default_rng(0)
    w, v = random.standard_normal((*replicas, 3)), random.standard_normal((7, *replicas, 3))
    objective = make(backend=device)
    w, v = device.asarray(w), device.asarray(v)
    many = objective.hessian_product(w, v)
    for k in range(7):
        assert_allclose(many[k, ...], objective.hessian_product(w, v[k, ...]), rtol=1e-12)


def test_every_optimizer_takes_it():
    bowl = make(lambda xp, w: xp.sum(xp.cosh(w - 1.0), axis=-1))
    for name in ("newton", "newton-cg", "trust-region", "lbfgs", "rprop"):
        run = minimize(bowl, name, np.zeros(2), stop=after(500) | gradient_below(1e-8))
        np.testing.assert_allclose(run.w, 1.0, atol=1e-6, err_msg=name)
    with pytest.raises(TypeError, match="gauss_newton_product"):
        minimize(bowl, "gauss-newton", np.zeros(2))
    assert Offers.SELECT_REPLICAS in bowl.offers


def test_newton_on_cosh_takes_seven_steps_at_most():
    """Row 45: quadratic fits, one after the other."""
    cosh = make(lambda xp, w: xp.cosh(w[..., 0]))
    newton = xpnet.Newton(search=xpnet.Fixed(1.0))
    run = minimize(cosh, newton, np.array([1.0]), stop=after(20) | gradient_below(1e-12))
    assert run.steps <= 7
    x = 1.0
    for _ in range(run.steps):
        x -= math.tanh(x)
    np.testing.assert_allclose(run.w, x, atol=1e-12)


def test_a_function_that_does_not_move_with_w():
    objective = make(lambda xp, w: xp.zeros_like(w[..., 0]) + 2.0)
    value, gradient = objective.value_and_gradient(START)
    assert value == 2.0
    np.testing.assert_array_equal(gradient, 0.0)
    np.testing.assert_array_equal(objective.hessian(START), np.zeros((3, 3)))


def test_what_comes_back_is_new():
    objective = make(lambda xp, w: w[..., 0])
    w = np.array([[1.0, 2.0], [3.0, 4.0]])
    value = objective.value(w)
    w[...] = 0.0
    np.testing.assert_array_equal(value, [1.0, 3.0])


@pytest.mark.parametrize("replicas", [None, 3])
@pytest.mark.parametrize(
    ("function", "error", "message"),
    [
        (lambda xp, w: w, ValueError, r"function must return values \(.*\), as w is .*, got shape"),
        (lambda xp, w: None, ValueError, "function must return values .* got None"),
        (lambda xp, w: 1.0, ValueError, "function must return values .* got 1.0"),
        (lambda xp, w: xp.astype(w[..., 0], xp.float32), TypeError, "values of float64, as w is"),
        (lambda xp, w: w[..., 0] * 1j, TypeError, "values of float64, as w is, got complex128"),
    ],
)
def test_values_of_a_wrong_kind(function, error, message, replicas):
    w = np.ones(2) if replicas is None else np.ones((replicas, 2))
    with pytest.raises(error, match=message):
        make(function).value(w)
    with pytest.raises((error, AttributeError)):
        make(function).value_and_gradient(w)


def test_what_would_not_fit_is_refused():
    with pytest.raises(MemoryError, match="derivatives, 1000000 x 1000000"):
        make(lambda xp, w: w[..., 0]).value_and_gradient(np.ones(10**6))
    with pytest.raises(TypeError, match="function must be a function of a namespace and w, got 3"):
        Formula(3)


def test_it_says_what_it_is_and_pickles():
    assert repr(make()) == "Formula(curved, backend='numpy', dtype='float64')"
    same = pickle.loads(pickle.dumps(make()))
    assert same.value(START) == make().value(START)


GRID = np.stack(np.meshgrid([-1.0, 0.5], [0.0, 1.0, 2.0], indexing="ij"), axis=-1)  # (2, 3, 2)


def objectives(backend):
    network = xpnet.Network(1, xpnet.Dense(1, "sigmoid"))
    X, targets = np.linspace(-1, 1, 7)[:, None], np.linspace(0.1, 0.9, 7)
    options = {"backend": backend, "dtype": "float64"}
    risk = xpnet.EmpiricalRisk(network, xpnet.SquaredError(), X, targets, penalty=xpnet.L2(0.1), **options)
    return {
        "Formula": make(double_well, backend=backend),
        "LeastSquares": xpnet.PROBLEMS[0].objective(backend),
        "Quadratic": xpnet.Quadratic([[2.0, 1.0], [0.0, 3.0]], [1.0, 2.0], 3.0, backend=backend),
        "ThresholdUnit": xpnet.ThresholdUnit([[1.0], [-2.0]], [1, -1], backend=backend),
        "EmpiricalRisk": risk,
        "negative": -risk,
    }


@pytest.mark.parametrize("name", objectives("numpy"))
def test_values_on_a_grid(name, device, monkeypatch):
    monkeypatch.setattr(matrices, "BLOCK", 40)  # the risk is evaluated some rows at a time
    objective = objectives(device)[name]
    found = objective.value(device.asarray(GRID))
    assert found.shape == (2, 3)
    want = [[to_numpy(objective.value(device.asarray(point))) for point in row] for row in GRID]
    assert_allclose(found, want, rtol=1e-14, atol=1e-15)
    with pytest.raises(ValueError, match="w must be"):
        objective.value_and_gradient(device.asarray(GRID))


def test_every_classic_problem_has_values_on_a_grid():
    for problem in xpnet.PROBLEMS:
        objective, start = problem.objective("numpy"), np.array(problem.start)
        grid = start * np.array([[1.0, 0.5, 2.0], [0.9, -1.0, 1.1]])[..., None]
        with np.errstate(all="ignore"):
            want = [[objective.value(point) for point in row] for row in grid]
        np.testing.assert_allclose(objective.value(grid), want, rtol=1e-12, err_msg=problem.name)


def test_a_grid_for_replicas_of_their_own():
    objective = xpnet.Quadratic(np.eye(2), [[1.0, 2.0], [3.0, 4.0]], backend="numpy")
    found = objective.value(np.broadcast_to(GRID[:, :, None, :], (2, 3, 2, 2)))
    assert found.shape == (2, 3, 2)
    np.testing.assert_allclose(found[1, 2], objective.value(np.stack([GRID[1, 2]] * 2)))
    with pytest.raises(ValueError, match="as there are 2 replicas"):
        objective.value(np.ones((2, 3, 3, 2)))
