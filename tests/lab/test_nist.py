"""NIST's problems: the models are those certified, on every device."""

from __future__ import annotations

import numpy as np
import pytest

from xpnet.lab import nist


@pytest.mark.parametrize("name", nist.SETS)
def test_the_models_are_those_certified(name, device):
    """At the certified parameters the sum of squares is the certified one."""
    certified = nist.SETS[name]["residual_sum_of_squares"]
    w = device.asarray(nist.SETS[name]["parameters"], "float64")
    # eleven digits of the parameters leave Lanczos1's residuals of 1e-13 undetermined
    allowed = 1e-20 if name == "Lanczos1" else 1e-8 * certified
    assert 2 * float(nist.objective(name, device).value(w)) == pytest.approx(certified, abs=allowed)


@pytest.mark.parametrize("name", nist.SETS)
def test_the_models_have_right_derivatives(name):
    objective = nist.objective(name)
    w = np.array(nist.SETS[name]["starts"][1])
    J, h = objective.jacobian(w), 1e-6
    for k in range(w.size):
        step = h * abs(w[k]) * np.eye(w.size)[k]
        column = (objective.residuals(w + step) - objective.residuals(w - step)) / (2 * step[k])
        np.testing.assert_allclose(J[:, k], column, atol=1e-6 * abs(column).max())


def test_gauss_newton_products_on_every_device(device):
    for name in ("DanWood", "Nelson", "Lanczos3", "ENSO"):  # a logarithm, two inputs, sums, constants
        start = nist.SETS[name]["starts"][1]
        ours = nist.objective(name, device).gauss_newton(device.asarray(start, "float64"))
        theirs = nist.objective(name).gauss_newton(np.array(start))
        np.testing.assert_allclose(device.to_numpy(ours), theirs, rtol=1e-10, atol=1e-12 * theirs.max())


def test_right_digits_are_counted():
    best = np.array(nist.SETS["BoxBOD"]["parameters"])
    assert nist.digits("BoxBOD", best) == 11.0
    assert nist.digits("BoxBOD", best * (1.0, 1.0 + 1e-4)) == pytest.approx(4.0)
    assert nist.digits("BoxBOD", best * 3.0) == 0.0
    assert nist.digits("BoxBOD", best * np.nan) == 0.0
