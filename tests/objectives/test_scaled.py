"""A change of variables: what is handed through, and gradient descent on scaled axes."""

from __future__ import annotations

import numpy as np
import pytest
from conftest import assert_allclose, to_numpy
from oracles import REGRESSION, quadratic

import xpnet
from xpnet import (
    L1,
    EmpiricalRisk,
    Formula,
    GradientDescent,
    Minibatch,
    Newton,
    Offers,
    Quadratic,
    Scaled,
    SquaredError,
    after,
    iterate,
    minimize,
)
from xpnet.testing import check_gradient

RANDOM = np.random.default_rng(0)
SIZE = 13
MATRIX = np.eye(SIZE) + 0.1 * RANDOM.standard_normal((SIZE, SIZE))
DIAGONAL = np.geomspace(0.5, 2.0, SIZE)


def risk(backend="numpy", **options):
    X, targets = RANDOM.standard_normal((20, 2)), RANDOM.standard_normal((20, 1))
    options = {"backend": backend, "dtype": "float64"} | options
    return EmpiricalRisk(REGRESSION, SquaredError(), X, targets, **options)


def whole(S):
    return np.diag(S) if S.ndim == 1 else S


@pytest.mark.parametrize("replicas", [(), (3,)], ids=["one", "replicas"])
@pytest.mark.parametrize("S", [DIAGONAL, MATRIX], ids=["diagonal", "matrix"])
def test_all_offers_are_handed_through(S, replicas, device):
    objective = risk(device)
    scaled, M = Scaled(objective, S), np.linalg.inv(whole(S))
    w, v = RANDOM.standard_normal((2, *replicas, SIZE))
    w, v = device.asarray(w), device.asarray(v)
    u = scaled.to(w)
    assert scaled.offers == objective.offers
    assert scaled.samples == objective.samples
    assert_allclose(scaled.back(u), w, rtol=1e-12, atol=1e-13)
    assert_allclose(u, to_numpy(w) @ whole(S).T, rtol=1e-12, atol=1e-13)

    def close(got, want):
        assert_allclose(got, want, rtol=1e-10, atol=1e-11)

    close(scaled.value(u), objective.value(w))
    value, gradient = map(to_numpy, objective.value_and_gradient(w))
    found = scaled.value_and_gradient(u)
    close(found[0], value)
    close(found[1], gradient @ M)
    along = device.asarray(to_numpy(v) @ M.T)
    for name in ("hessian_product", "gauss_newton_product"):
        close(getattr(scaled, name)(u, v), to_numpy(getattr(objective, name)(w, along)) @ M)
    for name in ("hessian", "gauss_newton"):
        close(getattr(scaled, name)(u), M.T @ to_numpy(getattr(objective, name)(w)) @ M)
    close(scaled.residuals(u), objective.residuals(w))
    close(scaled.jacobian(u), to_numpy(objective.jacobian(w)) @ M)
    ours, theirs = scaled.normal_equations(u), objective.normal_equations(w)
    close(ours[1], to_numpy(theirs[1]) @ M)
    close(ours[2], M.T @ to_numpy(theirs[2]) @ M)
    close(scaled.subset([1, 2]).value(u), objective.subset([1, 2]).value(w))
    close(scaled.select_replicas([0]).value(u), objective.value(w))


@pytest.mark.parametrize("S", [DIAGONAL, MATRIX], ids=["diagonal", "matrix"])
def test_derivatives_by_differences(S):
    check_gradient(Scaled(risk(), S), RANDOM.standard_normal(SIZE))


@pytest.mark.parametrize("kappa", [10, 1000])
def test_gradient_descent_on_round_axes_is_newton_s_step(kappa, device):
    """Row 20: with S = A^(1/2) the Hessian is the identity, the steps are `w - eta A^-1 g`."""
    objective, w = quadratic(kappa, backend=device)
    A = to_numpy(objective.A)
    values, vectors = np.linalg.eigh(A)
    S = vectors * np.sqrt(values) @ vectors.T
    scaled = Scaled(objective, S)
    assert_allclose(scaled.hessian(scaled.to(w)), np.eye(len(A)), atol=1e-12)
    u, own = scaled.to(w), to_numpy(w).copy()
    steps = iterate(scaled, GradientDescent(0.3), u)
    for _ in range(20):
        next(steps)
        own -= 0.3 * np.linalg.solve(A, A @ own)
        assert_allclose(scaled.back(u), own, rtol=1e-12, atol=1e-12 * kappa**0.5 / 10)


def test_the_scaled_linear_term_is_that_of_the_lecture():
    A, b = np.array([[5.0, 2.0], [2.0, 3.0]]), np.array([1.0, -2.0])
    values, vectors = np.linalg.eigh(A)
    S = vectors * np.sqrt(values) @ vectors.T
    _, gradient = Scaled(Quadratic(A, b, backend="numpy"), S).value_and_gradient(np.zeros(2))
    np.testing.assert_allclose(gradient, np.linalg.inv(S) @ b, rtol=1e-13)


def test_scaling_twice_is_scaling_by_the_product():
    """Row 44: diagonal first, then `A^(1/2)`."""
    objective, w = quadratic(100)
    D = np.geomspace(1, 9, 8)
    M = np.eye(8) + 0.1 * RANDOM.standard_normal((8, 8))
    twice, once = Scaled(Scaled(objective, D), M), Scaled(objective, M * D)
    u = once.to(w)
    np.testing.assert_allclose(twice.objective.back(twice.back(u)), w, rtol=1e-12)
    np.testing.assert_allclose(twice.hessian(u), once.hessian(u), rtol=1e-11, atol=1e-12)


def test_a_diagonal_is_a_rate_for_each_parameter():
    objective, w = quadratic(10)
    D = np.geomspace(1, 3, 8)
    scaled = Scaled(objective, D)
    run = minimize(scaled, GradientDescent(0.1), scaled.to(w), stop=after(20))
    want = minimize(objective, GradientDescent(0.1 / D**2), w, stop=after(20))
    np.testing.assert_allclose(scaled.back(run.w), want.w, rtol=1e-12)


def test_newton_does_not_see_the_axes():
    bowl = Formula(lambda xp, w: xp.sum(xp.cosh(w), axis=-1) + w[..., 0] * w[..., 1], backend="numpy")
    w, scaled = np.array([0.7, -0.2]), Scaled(bowl, [[3.0, 1.0], [0.0, 0.5]])
    newton = Newton(search=xpnet.Fixed(1.0))
    run = minimize(scaled, newton, scaled.to(w), stop=after(2))
    np.testing.assert_allclose(scaled.back(run.w), minimize(bowl, newton, w, stop=after(2)).w, rtol=1e-10)


def test_what_is_lacking_stays_so():
    scaled = Scaled(risk(penalty=L1(0.1)), DIAGONAL)
    assert Offers.RESIDUALS not in scaled.offers
    with pytest.raises(NotImplementedError, match="L1"):
        scaled.residuals(np.ones(SIZE))
    minimize(scaled, Minibatch("adam", 5), np.zeros(SIZE), stop=after(3))
    minimize(Scaled(risk(), DIAGONAL), "levenberg-marquardt", np.ones(SIZE), stop=after(3))


def test_single_precision_and_grids(device):
    objective = Scaled(Quadratic(np.eye(2), backend=device, dtype="float32"), [2.0, 4.0])
    w = device.xp.ones((3, 5, 2), dtype=device.xp.float32)
    found = objective.value(w)
    assert found.shape == (3, 5)
    assert_allclose(found, 0.5 * (0.25 + 0.0625))
    assert objective.back(w).dtype == device.xp.float32


@pytest.mark.parametrize(
    ("S", "message"),
    [
        (np.ones((2, 3)), r"S must be \(P,\) or \(P, P\), got shape \(2, 3\)"),
        (np.ones((2, 2)), "S must be a matrix that can be inverted, .* from .* to 2"),
        ([1.0, 0.0], "S must be a matrix that can be inverted, .* from 0 to 1"),
        ([1.0, np.nan], "S contains NaN"),
        (3.0, r"S must be \(P,\) or \(P, P\)"),
    ],
)
def test_what_is_no_change_of_variables(S, message):
    with pytest.raises(ValueError, match=message):
        Scaled(Quadratic(np.eye(2), backend="numpy"), S)


def test_bad_use():
    with pytest.raises(TypeError, match="objective must be an Objective, got 3"):
        Scaled(3, [1.0])
    scaled = Scaled(Quadratic(np.eye(2), backend="numpy"), [1.0, 2.0])
    with pytest.raises(ValueError, match=r"w must be \(\.\.\., 2\), got shape \(3,\)"):
        scaled.value(np.ones(3))
    with pytest.raises(ValueError, match=r"u must be \(\.\.\., 2\), got shape \(3,\)"):
        scaled.back(np.ones(3))
    assert repr(scaled).startswith("Scaled(Quadratic(")
