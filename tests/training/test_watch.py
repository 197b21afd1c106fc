"""What is seen of an objective: norms, and values and gradients of the wrong kind."""

from __future__ import annotations

import numpy as np
import pytest

from xpnet import (
    GradientDescent,
    LevenbergMarquardt,
    Objective,
    Quadratic,
    after,
    minimize,
)


@pytest.mark.parametrize("size", [1e-30, 1e-15, 1.0, 1e30])
def test_gradient_norms_neither_overflow_nor_vanish(size, device):
    class Slope(Objective):
        def value(self, w):
            return w.sum(axis=-1)

        def value_and_gradient(self, w):
            return self.value(w), device.xp.full_like(w, size)

    run = minimize(Slope(), GradientDescent(1e-30), device.asarray(np.ones(4), "float32"), stop=after(1))
    assert run.history.gradient_norm[0] == pytest.approx(2 * size, rel=1e-6)


@pytest.mark.parametrize("size", [1e-300, 1e-170, 1e160, 1e308])
def test_gradient_norms_in_float64(size):
    class Slope(Objective):
        def value(self, w):
            return w.sum(axis=-1)

        def value_and_gradient(self, w):
            return self.value(w), np.full_like(w, size)

    for w in (np.ones(2), np.ones((3, 2))):
        run = minimize(Slope(), GradientDescent(1e-308), w, stop=after(1))
        np.testing.assert_allclose(
            run.history.gradient_norm[0], min(np.sqrt(2) * size, np.finfo(float).max)
        )


def test_what_an_objective_overrides_is_asked_of_it():
    class Own(Quadratic):
        def hessian(self, w):
            asked.append("hessian")
            return self.A

        def gauss_newton(self, w):
            asked.append("gauss_newton")
            return self.A

    asked = []
    run = minimize(Own(np.diag([1.0, 2.0])), "newton", np.ones(2), stop=after(2))
    assert set(asked) == {"hessian"}
    assert run.evaluations["product"] == 2 * len(asked)
    minimize(Own(np.diag([1.0, 2.0])), "gauss-newton", np.ones(2), stop=after(2))
    assert "gauss_newton" in asked


def test_a_point_that_is_not_finite_is_never_the_best():
    class Falling(Objective):
        """exp(-w), which is 0 at infinity, with a slope of 0."""

        def value(self, w):
            return np.exp(-w).sum(axis=-1)

        def value_and_gradient(self, w):
            return self.value(w), -np.exp(-w)

    run = minimize(
        Falling(), GradientDescent(lambda k: 1.0 if k < 3 else 1e308), np.full(1, -3.0), stop=after(6)
    )
    assert np.isfinite(run.w).all()
    assert np.isfinite(run.best_w).all()
    assert run.best_value == float(Falling().value(run.best_w))


class Wrong(Objective):
    """`w'w / 2`, with second derivatives of the wrong kind."""

    def __init__(self, change):
        self.change = change

    def value(self, w):
        return 0.5 * (w * w).sum(axis=-1)

    def value_and_gradient(self, w):
        return self.value(w), 1.0 * w

    def hessian(self, w):
        return self.change(np.eye(w.shape[-1]))

    gauss_newton = hessian

    def hessian_product(self, w, v):
        return self.change(v)

    gauss_newton_product = hessian_product


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        (lambda m: m[:2, :2], ValueError, r"{} must have shape \(3, 3\), got \(2, 2\)"),
        (lambda m: m.astype("f4"), TypeError, "{} must be an array of .* float64, got ndarray of float32"),
        (lambda m: m.tolist(), TypeError, "{} must be an array of .*, got list"),
        (lambda m: m + np.triu(m + 1), ValueError, "{} must be symmetric, got one that is off by 1"),
    ],
)
@pytest.mark.parametrize(
    ("optimizer", "method"),
    [
        ("newton", "hessian"),
        ("trust-region", "hessian"),
        ("gauss-newton", "gauss_newton"),
        ("levenberg-marquardt", "gauss_newton"),
    ],
)
def test_matrices_are_looked_at(optimizer, method, change, error, message):
    with pytest.raises(error, match=message.format(f"the objective's {method}")):
        minimize(Wrong(change), optimizer, np.ones(3))


@pytest.mark.parametrize(
    ("optimizer", "method"),
    [
        ("newton-cg", "hessian_product"),
        ("trust-region-cg", "hessian_product"),
        (LevenbergMarquardt(scaling="identity", matrix_free=True), "gauss_newton_product"),
    ],
)
def test_products_are_looked_at(optimizer, method):
    message = rf"the objective's {method} must have shape \(3,\), got \(2,\)"
    with pytest.raises(ValueError, match=message):
        minimize(Wrong(lambda v: v[:2]), optimizer, np.ones(3))


def test_a_masked_value_is_no_number():
    class Masked(Objective):
        def value(self, w):
            return np.ma.masked

        def value_and_gradient(self, w):
            return np.ma.masked, w.copy()

    with pytest.raises(TypeError, match="the objective's value must be on 'numpy'.*MaskedConstant"):
        minimize(Masked(), GradientDescent(0.1), np.ones(2))
