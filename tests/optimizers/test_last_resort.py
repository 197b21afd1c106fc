"""Where runs end, and where they must not: what is tried before an end is declared."""

from __future__ import annotations

import numpy as np
import pytest
from oracles import Function, example, quadratic

import xpnet
from xpnet import (
    BFGS,
    LBFGS,
    Backtracking,
    EmpiricalRisk,
    LeastSquares,
    NonlinearCG,
    Quadratic,
    SteepestDescent,
    after,
    iterate,
    minimize,
)

WAYS = [SteepestDescent(), NonlinearCG(), NonlinearCG("HZ"), BFGS(), SteepestDescent(Backtracking())]


@pytest.mark.parametrize("method", WAYS, ids=str)
def test_a_curvature_that_single_precision_hides(method):
    """Fault 46: in float32 with curvature 1e-10 a step of length 1 moves nothing."""
    tiny = np.float32(1e-10)
    objective = Function(lambda w: tiny * (w * w).sum() / 2, lambda w: tiny * w, np.ones(2, "f4"))
    run = minimize(objective, method, np.array([1.0, 0.7], "f4"), stop=after(30))
    assert run.value < 0.01 * run.history.value[0]


@pytest.mark.parametrize("method", ["cg", "bfgs", "lbfgs", "steepest descent"])
def test_rat43_is_not_left_where_the_gradient_is_large(method):
    """Fault 46: each ended as converged, cg with a value of 235,537 at a gradient of 6.9e4."""
    nist = example("nist")
    objective, start = nist.objective("Rat43"), np.array(nist.SETS["Rat43"]["starts"][0])
    run = minimize(objective, method, start.copy(), stop=after(1000))
    if method == "cg":
        assert run.value == pytest.approx(8786.404908 / 2, rel=1e-6)
    if run.steps < 1000:
        first, last = (np.linalg.norm(objective.value_and_gradient(w)[1]) for w in (start, run.w))
        assert last < 1e-6 * first


def lorentzian(scales):
    x = np.linspace(0, 1, 60)
    y = 2.3 / (1 + ((x - 0.55) / 0.13) ** 2) + 0.01 * np.random.default_rng(0).standard_normal(60)

    def residuals(xp, w):
        a = [w[..., k : k + 1] * scales[k] for k in range(3)]
        return (1 + a[0]) / (1 + ((x - 0.5 - 0.3 * a[1]) / (0.1 + 0.1 * a[2])) ** 2) - y

    return LeastSquares(residuals, backend="numpy")


def test_scales_that_differ_by_nine_orders_do_not_end_a_run():
    """Fault 25: where SciPy's CG says that it failed, at .518; ours said that it had converged there."""
    for scales in ((60, 6e7, 0.02), (0.02, 60, 6e7)):
        objective = lorentzian(scales)
        run = minimize(objective, BFGS(), np.zeros(3), stop=after(400))
        assert run.value == pytest.approx(0.00219252, rel=1e-5)
        run = minimize(objective, NonlinearCG(), np.zeros(3), stop=after(400))
        assert run.steps == 400 or run.value < 0.0022


@pytest.mark.parametrize("method", [SteepestDescent(), NonlinearCG(), BFGS(), LBFGS()], ids=str)
def test_a_plateau_is_left_though_no_value_shows_it(method):
    """Fault 25: near a saddle float32 hides every change of the value, and the gradient tells the way."""

    def value(w):
        x, y, z = w[..., 0], w[..., 1], w[..., 2]
        return np.float32(1) + (z * z - x * y) / 2 + (x * x + y * y) ** 2 / 16

    def gradient(w):
        x, y, z = w
        r = (x * x + y * y) / 4
        return np.stack([r * x - y / 2, r * y - x / 2, z])

    objective = Function(value, gradient, np.zeros(3, "f4"))
    start = np.array([1e-5, 3e-5, 1e-4], "f4")
    run = minimize(objective, method, start, stop=after(200))
    assert run.value == pytest.approx(0.75, abs=1e-6)


def test_what_cannot_be_lowered_is_stalled_and_what_is_minimal_converged():
    def kink(w):
        return abs(w[..., 0]) + np.float64(3) * abs(w[..., 1] - w[..., 0])

    def slope(w):
        x, y = w
        side = 3 * np.sign(y - x)
        return np.stack([np.sign(x) - side, side])

    record = last_record(Function(kink, slope, np.zeros(2)), SteepestDescent(), np.array([2.0, 1.1]))
    assert record.endings[0].outcome is xpnet.Outcome.STALLED
    assert record.endings[0].text == "no lower value found along the gradient, which jumps there"
    objective, w = quadratic(100)
    record = last_record(Quadratic(objective.A, np.ones(8), 5.0, backend="numpy"), BFGS(), w)
    assert record.endings[0].outcome is xpnet.Outcome.CONVERGED
    flat = Function(lambda w: 0.0 * w.sum() + 1, lambda w: 0.0 * w, np.zeros(2))
    record = last_record(flat, NonlinearCG(), np.ones(2))
    assert record.endings[0].text == "the gradient is zero"
    assert record.step == 0


def last_record(objective, method, w):
    *_, record = iterate(objective, method, w)
    return record


@pytest.mark.parametrize("method", ["bfgs", "lbfgs", "cg", "newton-cg"])
def test_a_solved_problem_is_a_success_in_single_precision(method):
    """Fault 32: XOR to a value of 1e-30 and less ended as not finite."""
    X, d = np.array([[0, 0], [0, 1], [1, 0], [1, 1]]), np.array([[0], [1], [1], [0]])
    network = xpnet.Network(2, xpnet.Dense(4, "tanh"), xpnet.Dense(1))
    objective = EmpiricalRisk(network, xpnet.SquaredError(), X, d, backend="numpy", dtype="float32")
    for seed in range(6):
        *_, record = iterate(objective, method, network.initialize(seed, "numpy", "float32"))
        if float(record.value) < 1e-10:
            assert record.endings[0].outcome is xpnet.Outcome.CONVERGED
