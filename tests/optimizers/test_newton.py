"""Newton and Gauss-Newton methods."""

from __future__ import annotations

import numpy as np
import pytest
from conftest import assert_allclose, assert_array_equal, to_numpy
from oracles import (
    Saddle,
    quadratic,
)

import xpnet
import xpnet.testing
from xpnet import (
    Fixed,
    GaussNewton,
    LeastSquares,
    LevenbergMarquardt,
    Newton,
    NewtonCG,
    Quadratic,
    TrustRegion,
    after,
    gradient_below,
    iterate,
    minimize,
)


@pytest.mark.parametrize("kappa", [1, 1e6])
def test_newton_solves_a_quadratic_in_one_step(kappa, device):
    objective, w = quadratic(kappa, backend=device)
    for method in (Newton(search=Fixed(1.0)), Newton(), Newton("damp"), Newton("error")):
        point = w.copy()
        next(iterate(objective, method, point))
        assert np.linalg.norm(to_numpy(point)) <= 1e-8 * np.linalg.norm(to_numpy(w))


def test_scaling_the_axes(device):
    """Row 20: Newton's iterates are those of gradient descent where the Hessian is the identity."""
    objective, w = quadratic(100, backend=device)
    values, E = np.linalg.eigh(to_numpy(objective.A))
    root, inverse = E * np.sqrt(values) @ E.T, E / np.sqrt(values) @ E.T
    scaled = Quadratic((M := inverse @ to_numpy(objective.A) @ inverse) / 2 + M.T / 2, backend=device)
    assert_allclose(scaled.A, np.eye(8), atol=1e-12)
    w_hat = device.asarray(root @ to_numpy(w))
    ours = iterate(objective, Newton(search=Fixed(0.3)), w)
    theirs = iterate(scaled, xpnet.GradientDescent(0.3), w_hat)
    for _ in range(20):
        next(ours)
        next(theirs)
        assert_allclose(root @ to_numpy(w), w_hat, atol=1e-12)


def test_rate_above_two_diverges_for_newton(device):
    objective, start = quadratic(10, backend=device)
    for rate, grows in ((1.9, False), (2.1, True)):
        w = start.copy()
        steps = iterate(objective, Newton(search=Fixed(rate)), w)
        for _ in range(10):
            next(steps)
        assert (np.linalg.norm(to_numpy(w)) > np.linalg.norm(to_numpy(start))) == grows


def test_saddles_do_not_hold_who_uses_negative_curvature(device):
    xpnet.testing.check_gradient(Saddle(), device.asarray([0.3, 0.4]))
    starts = device.asarray(np.random.default_rng(0).uniform(-0.5, 0.5, (100, 2)))
    for method in (
        Newton("absolute"),
        Newton("damp"),
        TrustRegion(),
        TrustRegion("cg"),
        NewtonCG(),
        Newton("absolute", Fixed(1.0)),
    ):
        run = minimize(Saddle(), method, starts.copy(), stop=after(100) | gradient_below(1e-8))
        assert_allclose(run.value, -0.25, atol=1e-12, err_msg=repr(method))
    # the textbook's Newton goes to the saddle from where the curvature is negative
    bare = minimize(Saddle(), Newton("error", Fixed(1.0)), starts.copy(), stop=after(50))
    inside = abs(to_numpy(starts)[:, 1]) < 3**-0.5
    assert inside.all()
    assert all("Hessian is not positive definite: its least eigenvalue is -" in r for r in bare.reason)
    assert not bare.converged.any()
    assert_array_equal(bare.w, starts)


def test_gauss_newton_solves_a_linear_least_squares_in_one_step(device):
    def line(xp, w):
        return [w[..., 0] + w[..., 1] * x - y for x, y in ((0.0, 1.0), (1.0, 3.0), (2.0, 4.0))]

    objective, w = LeastSquares(line, backend=device), device.asarray([0.0, 0.0])
    next(iterate(objective, GaussNewton(search=Fixed(1.0)), w))
    assert_allclose(w, np.polyfit([0, 1, 2], [1, 3, 4], 1)[::-1], rtol=1e-13)


def test_a_singular_gauss_newton_matrix_ends_the_run_and_says_so(device):
    def one_equation(xp, w):
        return [w[..., 0] + w[..., 1] - 1.0]

    objective, w = LeastSquares(one_equation, backend=device), device.asarray([0.0, 0.0])
    run = minimize(objective, GaussNewton(), w, stop=after(5))
    assert "step 0: the Gauss-Newton matrix is not positive definite" in run.reason
    assert not run.converged
    assert_array_equal(run.w, 0)
    damped = minimize(objective, LevenbergMarquardt(), 0.0 * w, stop=after(50))
    assert damped.value < 1e-20
