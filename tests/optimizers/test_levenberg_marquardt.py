"""Levenberg-Marquardt."""

from __future__ import annotations

import numpy as np
import pytest
from conftest import to_numpy
from oracles import REGRESSION, regression

from xpnet import (
    PROBLEMS,
    Dense,
    EmpiricalRisk,
    LevenbergMarquardt,
    Network,
    SquaredError,
    after,
    minimize,
    uniform,
)


def test_levenberg_marquardt_reaches_what_scipy_reaches(device):
    optimize = pytest.importorskip("scipy.optimize", reason="SciPy, the oracle, is not installed")
    objective, start = regression(device), REGRESSION.initialize(4, device, "float64")
    run = minimize(objective, LevenbergMarquardt(), start.copy(), stop=after(500))
    found = optimize.least_squares(
        lambda w: to_numpy(objective.residuals(device.asarray(w))),
        to_numpy(start),
        jac=lambda w: to_numpy(objective.jacobian(device.asarray(w))),
        method="lm",
        xtol=1e-15,
        ftol=1e-15,
        gtol=1e-15,
    )
    assert run.value == pytest.approx(found.cost, rel=1e-10)
    assert "as far as rounding lets it go" in run.reason
    assert run.converged


def test_a_first_step_is_not_cut_short_until_rounding_hides_it(device):
    """Row 25 in float32, where a step of ten norms of `w`, 1e-4, brings 1e-6 of the value."""
    random = np.random.default_rng(0)
    X, y = random.standard_normal((400, 2)), 2000 + random.uniform(-0.5, 0.5, 400)
    small = uniform(1e-4)
    network = Network(2, Dense(5, "tanh", initializer=small), Dense(1, initializer=small))
    risk = EmpiricalRisk(network, SquaredError(), X, y, backend=device)
    run = minimize(risk, LevenbergMarquardt(), network.initialize(0, device))
    assert run.history.value[0] > 1e6
    assert run.value < 0.05


@pytest.mark.parametrize(
    ("name", "factor", "value"), [("jennrich-sampson", 10, 259.58019), ("brown almost-linear", 100, 0)]
)
def test_a_bad_start_does_not_damp_for_good(name, factor, value):
    """The diagonal of the start, 1e60 of what it is at the end, is beside what dampings are small."""
    problem = next(problem for problem in PROBLEMS if problem.name == name)
    run = minimize(
        problem.objective("numpy"), "levenberg-marquardt", np.array(problem.start) * factor, stop=after(300)
    )
    assert run.value == pytest.approx(value, abs=1e-8, rel=1e-6)
    assert run.converged
