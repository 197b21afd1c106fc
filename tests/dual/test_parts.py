"""Who reads tangents gets zeros where nothing depends on the direction."""

from __future__ import annotations

import array_api_compat.numpy as xp
import numpy as np
import pytest

import xpnet
from xpnet import Dense, Divergence, EmpiricalRisk, LeastSquares, Network, testing
from xpnet.dual import Dual, tangent_of


class AbsoluteError(Divergence):
    """`sum_i |y_i - d_i|`."""

    def value(self, xp, outputs, targets):
        return xp.sum(xp.abs(outputs - targets), axis=-2)

    def value_and_gradient(self, xp, outputs, targets):
        return self.value(xp, outputs, targets), xp.sign(outputs - targets)


class Pinball(Divergence):
    """The error whose minimum is the quantile of 0.3."""

    def value(self, xp, outputs, targets):
        error = targets - outputs
        return xp.sum(xp.maximum(0.3 * error, -0.7 * error), axis=-2)

    def value_and_gradient(self, xp, outputs, targets):
        slope = xp.where(targets > outputs, xp.full_like(outputs, -0.3), 0.7)
        return self.value(xp, outputs, targets), slope


@pytest.mark.parametrize("directions", [(), (3,)], ids=str)
@pytest.mark.parametrize("layers", [[Dense(2)], [Dense(5, "tanh"), Dense(2)]], ids=len)
@pytest.mark.parametrize("divergence", [AbsoluteError(), Pinball()], ids=repr)
def test_divergences_with_constant_slopes_have_both_products(divergence, layers, directions, device):
    random = np.random.default_rng(0)
    network = Network(4, *layers)
    X, targets = random.standard_normal((30, 4)), random.standard_normal((30, 2))
    risk = EmpiricalRisk(network, divergence, X, targets, backend=device, dtype="float64", chunk=7)
    w = network.initialize(0, device, "float64")
    v = random.standard_normal((*directions, network.size))
    got = device.to_numpy(risk.hessian_product(w, device.asarray(v)))
    for index in np.ndindex(*directions):
        step = device.asarray(1e-6 * v[index])
        sides = [device.to_numpy(risk.value_and_gradient(w + s * step)[1]) for s in (1, -1)]
        np.testing.assert_allclose(got[index], (sides[0] - sides[1]) / 2e-6, atol=1e-8)
    product = device.to_numpy(risk.gauss_newton_product(w, device.asarray(v)))
    np.testing.assert_array_equal(product, np.zeros_like(v))


def test_newton_runs_on_an_absolute_error():
    random = np.random.default_rng(0)
    network = Network(2, Dense(3, "tanh"), Dense(1))
    risk = EmpiricalRisk(network, AbsoluteError(), random.random((20, 2)), random.random(20))
    w = network.initialize(0)
    run = xpnet.minimize(risk, xpnet.NewtonCG(), w, stop=xpnet.after(3))
    assert run.history.value[-1] < run.history.value[0]


def test_a_sum_of_squares_with_residuals_that_are_constant(backend, dtype):
    def function(xp, w):
        return [xp.sign(w[..., 0]), w[..., 1] ** 2, 0.0 * w[..., 2] + 1.0]

    objective = LeastSquares(function, backend=backend, dtype=dtype)
    w = backend.asarray([0.5, 3.0, 1.0], dtype)
    value, gradient = objective.value_and_gradient(w)
    assert float(value) == 41.5
    assert backend.to_numpy(gradient).tolist() == [0.0, 54.0, 0.0]
    assert backend.to_numpy(objective.hessian_product(w, w)).tolist() == [0.0, 162.0, 0.0]
    signs = LeastSquares(lambda xp, w: xp.sign(w), backend=backend, dtype=dtype)
    assert not backend.to_numpy(signs.hessian_product(w, w)).any()
    assert not backend.to_numpy(signs.jacobian(w)).any()


@pytest.mark.parametrize(
    "function",
    [
        lambda xp, w: w[..., 0:1] ** w[..., 1:2],
        lambda xp, w: 2 ** w[..., 0:3],
        lambda xp, w: xp.pow(w, 3.0),
        lambda xp, w: xp.square(w) * xp.pi,
        lambda xp, w: [xp.mean(w, axis=-1), xp.log10(w[..., 1])],
        lambda xp, w: xp.clip(w, 0.9, 1.6),
        lambda xp, w: xp.cosh(w),
        lambda xp, w: xp.atan2(w[..., :2], w[..., 1:]),
        lambda xp, w: xp.concat([w[..., :1], w * w], axis=-1),
    ],
)
def test_what_users_of_least_squares_missed(function):
    objective = LeastSquares(function, backend="numpy")
    w = np.array([0.7, 1.3, 2.1])
    testing.check_gradient(objective, w)
    H = np.stack([objective.hessian_product(w, v) for v in np.eye(3)])
    sides = [
        np.stack([objective.value_and_gradient(w + s * v)[1] for v in 1e-6 * np.eye(3)]) for s in (1, -1)
    ]
    np.testing.assert_allclose(H, (sides[0] - sides[1]) / 2e-6, rtol=1e-6, atol=1e-7)


def test_zeros_for_the_directions_of_another():
    w = Dual(np.ones(2, "float32"), np.ones((5, 2), "float32"))
    got = tangent_of(xp, np.ones((3, 4)), w)
    assert (got.shape, got.dtype) == ((5, 3, 4), np.float32)
