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
    Objective,
    Outcome,
    Quadratic,
    TrustRegion,
    after,
    gradient_below,
    iterate,
    minimize,
)
from xpnet.optimizers.newton import forcing


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


class Own(Objective):
    """`x^2 - y^2 + y^4`, with matrices of its own, and products that must not be asked for."""

    def __init__(self):
        self.calls = 0

    def value(self, w):
        return w[0] ** 2 - w[1] ** 2 + w[1] ** 4

    def value_and_gradient(self, w):
        return self.value(w), np.stack([2 * w[0], 4 * w[1] ** 3 - 2 * w[1]])

    def hessian(self, w):
        self.calls += 1
        return np.diag([2.0, 12 * w[1] ** 2 - 2])

    def gauss_newton(self, w):
        self.calls += 1
        return np.diag([2.0, 1 + 12 * w[1] ** 2])

    def hessian_product(self, w, v):
        raise AssertionError("a product was asked for")

    gauss_newton_product = hessian_product


@pytest.mark.parametrize("method", [Newton(), Newton("damp"), GaussNewton()], ids=str)
def test_matrices_of_a_users_own_are_asked_for_once_a_step(method):
    """Fault 48."""
    objective, w = Own(), np.array([0.5, 0.4])
    state = method.initialize(objective, w)
    for step in range(6):
        method.step(objective, w, state)
        assert objective.calls == step + 1
    assert objective.value(w) < -0.2


def test_a_newton_that_ignores_the_signs_goes_to_the_saddle(device):
    """Row 11: the villain."""
    starts = device.asarray(np.random.default_rng(0).uniform(-0.4, 0.4, (20, 2)))
    run = minimize(Saddle(), Newton("ignore", Fixed(1.0)), starts.copy(), stop=after(50))
    assert_allclose(run.w, 0, atol=1e-8)
    w = device.asarray([0.3, 0.2])
    next(iterate(Saddle(), Newton("ignore", Fixed(1.0)), w))
    assert_allclose(w, [0, 0.2 - (0.008 - 0.2) / (0.12 - 1)], rtol=1e-12, atol=1e-15)


def test_the_forcing_term_knows_no_unit():
    """Fault 47: the number of products does not depend on the unit of the value."""
    assert_allclose(forcing(np, np.array([3.0, 4.0]), 500.0), [0.1])
    assert_allclose(forcing(np, np.array([3e-30, 4e-30], "f4"), np.array([5e-28])), [0.1], rtol=1e-6)
    assert_allclose(forcing(np, np.array([3.0, 4.0]), 5.0), [0.5])
    assert_allclose(forcing(np, np.zeros(2), 5.0), [0.0])
    products = []
    for unit in (1.0, 2.0**-30, 2.0**30):
        objective = Quadratic(unit * quadratic(1e4)[0].A, unit * np.ones(8), backend="numpy")
        run = minimize(objective, NewtonCG(), np.zeros(8), stop=after(6))
        products.append(run.evaluations["product"])
    assert len(set(products)) == 1


def test_a_residual_of_zero_is_a_success(device):
    """Fault 32: at a solution, or one step before it, with a matrix that is singular there or not."""

    def line(xp, w):
        return [w[..., 0] + w[..., 1] * x - y for x, y in ((0.0, 1.0), (1.0, 3.0), (2.0, 5.0))]

    def square(xp, w):
        return [(w[..., 0] - 1.0) * 2.0, (w[..., 1] * w[..., 1]) / 3.0]

    cases = (line, [0.0, 0.0]), (line, [1.0, 2.0]), (square, [1.0, 0.0]), (square, [3.0, 1.0])
    for function, start in cases:
        objective = LeastSquares(function, backend=device)
        for method in (GaussNewton(), GaussNewton(matrix_free=True)):
            *_, record = iterate(objective, method, device.asarray(start))
            assert record.endings[0].outcome is Outcome.CONVERGED, (function, start, method, record)


def test_settings_are_kept_as_plain_numbers():
    """Faults 16 and 38."""
    assert type(NewtonCG(np.int64(3)).iterations) is int
    assert type(Newton(damping=np.float32(0.25)).damping) is float
    assert Newton(damping=np.float32(0.25)) == Newton(damping=0.25)
