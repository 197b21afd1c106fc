"""Spectra of matrices that are known, by all eigenvalues, by Lanczos's method, and their density."""

from __future__ import annotations

import pickle

import numpy as np
import pytest
from conftest import to_numpy
from oracles import NETWORK, Bowl, risk

from xpnet import Quadratic
from xpnet.analysis import hessian_density, hessian_spectrum

RANDOM = np.random.default_rng(0)
Q = np.linalg.qr(RANDOM.standard_normal((60, 60)))[0]
VALUES = np.concatenate([[-3.0, -2.0], np.linspace(0.0, 0.1, 56), [7.0, 10.0]])
OBJECTIVE = Quadratic(Q @ np.diag(VALUES) @ Q.T, backend="numpy")
W = np.zeros(60)


def test_all_eigenvalues_of_a_small_hessian():
    found = hessian_spectrum(OBJECTIVE, W)
    np.testing.assert_allclose(found.eigenvalues, VALUES, atol=1e-13)
    assert found.exact
    assert found.size == 60


def test_the_ends_of_a_large_one():
    found = hessian_spectrum(OBJECTIVE, W, exact=False, steps=20)
    assert not found.exact
    assert len(found.eigenvalues) < 60
    np.testing.assert_allclose(found.eigenvalues[[0, 1, -2, -1]], VALUES[[0, 1, -2, -1]], atol=1e-9)
    distance = np.abs(found.eigenvalues[:, None] - VALUES).min(axis=1)
    assert (distance <= found.bounds + 1e-12).all()
    assert (found.bounds <= 1e-3 * 10).all()


def test_ends_that_are_not_known_well_have_bounds_that_say_so():
    found = hessian_spectrum(OBJECTIVE, W, exact=False, steps=2, tolerance=0.0)
    distance = np.abs(found.eigenvalues[:, None] - VALUES).min(axis=1)
    assert len(found.eigenvalues) == 2
    assert (distance <= found.bounds).all()
    assert found.bounds.max() > 0.1


def test_an_eigenvalue_that_occurs_often_is_found_once():
    found = hessian_spectrum(
        Quadratic(np.diag([1.0, 1.0, 1.0, 4.0]), backend="numpy"), np.zeros(4), exact=False
    )
    np.testing.assert_allclose(found.eigenvalues, [1, 4])


@pytest.mark.parametrize("curvature", ["hessian", "gauss-newton"])
def test_the_spectrum_of_a_network(curvature):
    objective, w = risk(), NETWORK.initialize(0, "numpy", "float64")
    matrix = objective.hessian(w) if curvature == "hessian" else objective.gauss_newton(w)
    wanted = np.linalg.eigvalsh(matrix)
    for exact in (True, False):
        found = hessian_spectrum(objective, w, curvature=curvature, exact=exact)
        assert found.curvature == curvature
        np.testing.assert_allclose(found.eigenvalues[[0, -1]], wanted[[0, -1]], atol=1e-10)


def test_the_density_has_the_moments_of_the_eigenvalues():
    found = hessian_density(OBJECTIVE, W, count=200, steps=30)
    mass = np.trapezoid(found.density, found.grid)
    mean = np.trapezoid(found.density * found.grid, found.grid)
    assert mass == pytest.approx(1.0, abs=1e-4)
    assert mean == pytest.approx(VALUES.mean(), abs=0.05)
    one, same = (hessian_density(OBJECTIVE, W, seed=1).density for _ in range(2))
    np.testing.assert_array_equal(one, same)


def test_on_every_library(backend):
    full = "float64" in backend.xp.__array_namespace_info__().dtypes(device=backend.device)
    kind, near = ("float64", 1e-9) if full else ("float32", 1e-4)
    objective = Quadratic(np.diag([-1.0, 2.0, 5.0]), backend=backend, dtype=kind)
    w = backend.asarray(np.zeros(3), kind)
    for exact in (True, False):
        found = hessian_spectrum(objective, w, exact=exact)
        assert type(found.eigenvalues) is np.ndarray
        np.testing.assert_allclose(found.eigenvalues, [-1, 2, 5], atol=near)
    assert type(hessian_density(objective, w).density) is np.ndarray
    assert to_numpy(w).tolist() == [0, 0, 0]


def test_results_can_be_kept():
    found = hessian_spectrum(OBJECTIVE, W)
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(found)).eigenvalues, found.eigenvalues)


@pytest.mark.parametrize(
    ("ask", "message"),
    [
        (lambda: hessian_spectrum(np.sum, W), "objective must be an Objective"),
        (lambda: hessian_spectrum(Bowl(), np.ones(3)), "Bowl has none"),
        (lambda: hessian_spectrum(OBJECTIVE, W, curvature="newton"), "unknown curvature 'newton'"),
        (lambda: hessian_spectrum(OBJECTIVE, np.zeros((2, 60))), r"w must be \(P,\), one point"),
        (lambda: hessian_spectrum(OBJECTIVE, np.full(60, np.nan)), "w contains NaN"),
        (lambda: hessian_spectrum(OBJECTIVE, W, exact=1), "exact must be True or False"),
        (lambda: hessian_spectrum(OBJECTIVE, W, steps=0), "steps must be at least 1"),
        (lambda: hessian_spectrum(OBJECTIVE, W, tolerance=-1), r"tolerance must be in \[0, inf\)"),
        (lambda: hessian_density(OBJECTIVE, W, count=0), "count must be at least 1"),
        (lambda: hessian_density(OBJECTIVE, W, points=3), "points must be at least 24"),
    ],
)
def test_bad_input_is_named(ask, message):
    with pytest.raises((TypeError, ValueError), match=message):
        ask()
