"""Rows 16 to 19 of the lecture: rates of convergence, and what a step size does to each axis."""

from __future__ import annotations

import numpy as np
import pytest
from oracles import NETWORK, quadratic, risk

import xpnet
from xpnet import GradientDescent, Newton, Objective, Quadratic, after, iterate, minimize
from xpnet.analysis import axes, convergence_rates, sublinear_bound
from xpnet.testing import check_gradient


def test_linear_convergence():
    """Row 16: with the best rate `R = ((kappa - 1) / (kappa + 1))^2` for the values of a quadratic."""
    objective, w = quadratic(100)
    run = minimize(objective, GradientDescent(2 / 101), w, stop=after(600))
    R = convergence_rates(run.history.value)
    assert (R <= (99 / 101) ** 2 * (1 + 1e-9)).all()
    assert R[-1] == pytest.approx((99 / 101) ** 2, rel=1e-6)
    bound = (99 / 101) ** (2 * np.arange(600)) * run.history.value[0]
    assert (run.history.value <= bound * (1 + 1e-9)).all()


def test_newton_converges_faster_than_linearly():
    run = minimize(Cosh(), Newton(), np.array([1.5]), stop=after(5))
    R = convergence_rates(run.history.value, float(Cosh().value(np.arcsinh([0.25]))))
    assert (np.diff(R[:3]) < 0).all()
    assert R[2] < 1e-3


def test_rates_of_replicas_and_of_an_end_that_is_reached():
    values = np.array([[4.0, 1.0], [2.0, 0.0], [1.0, 0.0]])
    np.testing.assert_array_equal(convergence_rates(values), [[0.5, 0], [0.5, np.nan]])


class Cosh(Objective):
    """`cosh w - w / 4`, convex, with the minimum where `sinh w = 1/4`."""

    def value(self, w):
        return (np.cosh(w) - w / 4).sum(axis=-1)

    def value_and_gradient(self, w):
        return self.value(w), np.sinh(w) - 0.25

    def hessian_product(self, w, v):
        return np.cosh(w) * v


def test_smooth_convex_functions_keep_below_the_bound():
    check_gradient(Cosh(), np.array([0.7]))
    logistic = xpnet.EmpiricalRisk(
        xpnet.Network(2, xpnet.Dense(1, "sigmoid")),
        xpnet.BinaryCrossEntropy(),
        np.random.default_rng(0).standard_normal((50, 2)),
        np.random.default_rng(1).integers(0, 2, 50),
        backend="numpy",
        dtype="float64",
    )
    flat = Quadratic(np.diag([1.0, 1e-3, 0.0]), backend="numpy")
    for objective, w in (
        (Cosh(), np.array([2.0])),
        (logistic, np.array([3.0, -2.0, 1.0])),
        (flat, np.array([1.0, 5.0, 2.0])),
    ):
        curvature = np.linalg.eigvalsh(objective.hessian(w)).max()
        rate = 1 / max(curvature, 1.5)  # 1.5: of the logistic risk anywhere
        best = minimize(objective, "newton", w.copy(), stop=after(50))
        distance = np.linalg.norm(w - best.w)
        run = minimize(objective, GradientDescent(rate), w, stop=after(200))
        errors = run.history.value[1:] - best.value
        assert (errors <= sublinear_bound(distance, rate, 199) + 1e-14).all()


@pytest.mark.parametrize(
    ("relative", "factor", "regime"),
    [
        (0.5, 0.5, "monotone"),
        (1.0, 0.0, "optimal"),
        (1.5, -0.5, "oscillating"),
        (2.0, -1.0, "cycling"),
        (2.1, -1.1, "divergent"),
    ],
)
def test_one_axis(relative, factor, regime):
    """Row 17; the steps themselves are in test_first_order."""
    (axis,) = axes([3.0], relative / 3.0)
    assert axis.optimum == 1 / 3
    assert axis.factor == pytest.approx(factor, abs=1e-12)
    assert axis.regime == regime
    assert axis.converges == (abs(factor) < 1)


@pytest.mark.parametrize("relative", [0.5, 1.0, 1.5, 2.1])
def test_a_convex_function_is_its_local_quadratic_near_the_minimum(relative):
    """Row 18: the best rate is `1 / E''`."""
    best = np.arcsinh(0.25)
    curvature = np.cosh(best)
    (axis,) = axes([curvature], relative / curvature)
    for error in (1e-4, 1e-5):
        w = np.array([best + error])
        next(iterate(Cosh(), GradientDescent(relative / curvature), w))
        assert (w[0] - best) / error == pytest.approx(axis.factor, abs=2 * error)
    # on the local quadratic of any point exactly so
    point = np.array([1.3])
    gradient = Cosh().value_and_gradient(point)[1]
    second = float(np.cosh(point[0]))
    local = Quadratic([[second]], gradient - second * point, backend="numpy")
    w, minimum = point.copy(), point - gradient / second
    (axis,) = axes([second], relative / second)
    for k in range(1, 5):
        next(iterate(local, GradientDescent(relative / second), w))
        assert w[0] - minimum[0] == pytest.approx(
            axis.factor**k * (point - minimum)[0], rel=1e-12, abs=1e-12
        )


@pytest.mark.parametrize("rate", [0.05, 0.1, 0.15, 0.2, 0.21])
def test_every_axis_has_its_factor_and_regime(rate):
    """Row 19."""
    curvatures = np.array([10.0, 5.0, 1.0, 0.1])
    b = np.array([1.0, -2.0, 0.5, 0.3])
    objective, w = Quadratic(np.diag(curvatures), b, backend="numpy"), np.array([1.0, 2.0, -1.0, 3.0])
    minimum = -b / curvatures
    found = axes(curvatures, rate)
    start = w - minimum
    steps = iterate(objective, GradientDescent(rate), w)
    for k in range(1, 21):
        next(steps)
        factors = np.array([axis.factor for axis in found])
        np.testing.assert_allclose(w - minimum, factors**k * start, rtol=1e-11, atol=1e-11)
    names = {0.05: "monotone", 0.1: "optimal", 0.15: "oscillating", 0.2: "cycling", 0.21: "divergent"}
    assert found[0].regime == names[rate]
    # it converges if and only if the rate is below twice the least of the best rates
    assert all(axis.converges for axis in found) == (rate < 2 * min(axis.optimum for axis in found))


def test_the_axes_of_a_network_s_minimum():
    """The eigenvalues of the Hessian tell the largest rate that works there."""
    objective = risk()
    w = NETWORK.initialize(0, "numpy", "float64")
    w = minimize(objective, "trust-region", w, stop=after(30)).w
    curvatures = np.linalg.eigvalsh(objective.hessian(w))
    for relative in (1.9, 2.1):
        found = axes(curvatures, relative / curvatures[-1])
        assert (found[-1].regime == "divergent") == (relative > 2)


def test_flat_and_negative_curvature():
    flat, down = axes([0.0, -1.0], 0.1)
    assert (flat.regime, flat.factor, flat.optimum, flat.converges) == ("flat", 1.0, np.inf, False)
    assert (down.regime, down.converges) == ("divergent", False)
    assert down.factor == pytest.approx(1.1)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: axes([1.0], 0), r"rate must be in \(0, inf\), got 0"),
        (lambda: axes([np.nan], 0.1), "curvatures must be finite, got nan"),
        (lambda: sublinear_bound(-1, 0.1, 3), "distance must be .* got -1"),
        (lambda: sublinear_bound(1, 0.1, 0), "steps must be at least 1, got 0"),
        (lambda: convergence_rates([1.0], np.inf), "minimum must be finite, got inf"),
    ],
)
def test_bad_input(make, message):
    with pytest.raises(ValueError, match=message):
        make()
