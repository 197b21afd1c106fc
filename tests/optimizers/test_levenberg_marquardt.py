"""Levenberg-Marquardt."""

from __future__ import annotations

import pytest
from conftest import to_numpy
from oracles import (
    REGRESSION,
    regression,
)

from xpnet import (
    LevenbergMarquardt,
    after,
    minimize,
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
