"""A formula's residuals: what they may be, what their derivatives take, and no warnings."""

from __future__ import annotations

import warnings

import numpy as np
import pytest

import xpnet
from xpnet import PROBLEMS, LeastSquares
from xpnet.objectives import matrices


def line(xp, w):
    return [w[..., 0] * t + w[..., 1] - t**2 for t in range(5)]


def exponential(xp, w):
    return xp.exp(w)


def make(function=line, **options):
    return LeastSquares(function, **({"backend": "numpy"} | options))


def test_overflow_is_a_number_and_no_warning():
    w = np.array([1000.0, 400.0])
    objective = make(exponential)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert objective.value(w) == np.inf
        value, gradient = objective.value_and_gradient(w)
        assert value == np.inf
        assert gradient[0] == np.inf
        objective.hessian_product(w, w)
        objective.gauss_newton_product(w, w)
        objective.normal_equations(w)


def asked(objective, w):
    return {
        "value_and_gradient": lambda: objective.value_and_gradient(w),
        "hessian_product": lambda: objective.hessian_product(w, w),
        "gauss_newton_product": lambda: objective.gauss_newton_product(w, w),
        "jacobian": lambda: objective.jacobian(w),
        "normal_equations": lambda: objective.normal_equations(w),
        "hessian": lambda: objective.hessian(w),
    }


@pytest.mark.parametrize("name", asked(None, None))
def test_the_guard_counts_what_is_made(name, monkeypatch):
    """Of 300 parameters and 1000 residuals: 2.4 MB for one Jacobian, of which a few are made at once."""

    def many(xp, w):
        t = xpnet.backend("numpy").xp.arange(1000) / 1000
        return w[..., 0:1] * t + w[..., 1:2] - 1.0

    monkeypatch.setattr(matrices, "SMALL", 0)
    objective, w = make(many), np.ones(300)
    monkeypatch.setattr(xpnet.Backend, "free_memory", lambda self: 200_000_000)
    asked(objective, w)[name]()
    monkeypatch.setattr(xpnet.Backend, "free_memory", lambda self: 12_000_000)
    with pytest.raises(MemoryError, match=r"Jacobian, 1000 x 300, needs 0.0\d+ GB"):
        asked(objective, w)[name]()
    assert objective.value(w) > 0  # which makes no derivatives


def test_derivatives_that_cannot_fit_are_refused():
    with pytest.raises(MemoryError, match=r"Jacobian, 1000000 x 1000000, needs 3.2e\+04 GB"):
        make(lambda xp, w: 1.0 * w).value_and_gradient(np.ones(10**6))


@pytest.mark.parametrize("replicas", [None, 3])
@pytest.mark.parametrize(
    ("function", "error", "message"),
    [
        (
            lambda xp, w: w[..., 0],
            ValueError,
            r"function must return residuals \(.*N.*, got shape",
        ),
        (lambda xp, w: w[..., None], ValueError, "function must return residuals .* got shape"),
        (lambda xp, w: None, ValueError, "function must return residuals .* got NoneType"),
        (lambda xp, w: [], ValueError, "function must return at least one residual, got none"),
        (lambda xp, w: [w[..., 0], w], ValueError, "residuals of shape .* each, .* for number 1"),
        (lambda xp, w: xp.astype(w, xp.float32), TypeError, "residuals of float64, as w is, got float32"),
        (lambda xp, w: w * 1j, TypeError, "residuals of float64, as w is, got complex128"),
    ],
)
def test_residuals_of_a_wrong_kind(function, error, message, replicas):
    w = np.ones(2) if replicas is None else np.ones((replicas, 2))
    with pytest.raises(error, match=message):
        make(function).value(w)
    with pytest.raises((error, AttributeError)):
        make(function).value_and_gradient(w)


def test_points():
    objective = make()
    for call in (objective.value_and_gradient, objective.jacobian, objective.residuals):
        with pytest.raises(ValueError, match=r"w must be \(P,\) or \(R, P\), got shape \(1, 1, 2\)"):
            call(np.ones((1, 1, 2)))
        with pytest.raises(TypeError, match="w must be float64, as the data, got float32"):
            call(np.ones(2, "float32"))
        with pytest.raises(TypeError, match="w must be an array of backend 'numpy'"):
            call([1.0, 2.0])


def test_it_says_what_it_is():
    assert repr(make()) == "LeastSquares(line, backend='numpy', dtype='float64')"
    problem = PROBLEMS[0].objective("numpy", "float32")
    assert repr(problem) == "LeastSquares(rosenbrock, backend='numpy', dtype='float32')"


def test_directions_at_once_are_those_alone(device):
    objective, w = make(backend=device), device.asarray([0.3, -0.2])
    v = device.asarray(np.random.default_rng(0).standard_normal((3, 2)))
    for product in (objective.hessian_product, objective.gauss_newton_product):
        many = device.to_numpy(product(w, v))
        for k in range(3):
            np.testing.assert_allclose(many[k], device.to_numpy(product(w, v[k, :])), rtol=1e-13)
