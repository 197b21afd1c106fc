"""Nonlinear conjugate gradients."""

from __future__ import annotations

from conftest import assert_allclose
from oracles import quadratic

import xpnet
from xpnet import BFGS, Exact, NonlinearCG, iterate


def test_conjugate_gradients_on_a_quadratic_are_linear_ones(device):
    objective, w = quadratic(1000, backend=device)
    for method in (NonlinearCG("PR+", Exact()), NonlinearCG("HZ", Exact()), BFGS(Exact(), scaled=False)):
        point = w.copy()
        steps = iterate(objective, method, point)
        want = xpnet.linear.conjugate_gradient(
            lambda v: objective.hessian_product(w, v), -(objective.A @ w), iterations=5
        )
        for _ in range(5):
            next(steps)
        assert_allclose(point - w, want.x, rtol=1e-6, atol=1e-8)
