"""The ends, the trace and the density of a spectrum against the eigenvalues themselves."""

from __future__ import annotations

import numpy as np
import pytest
from conftest import assert_allclose, to_numpy
from oracles import symmetric, times

from xpnet import linear


def test_lanczos_is_a_tridiagonalization(backend, dtype, tolerance):
    A = symmetric(np.linspace(-3, 7, 15))
    start = np.random.default_rng(0).standard_normal((2, 15))
    product = times(backend.asarray(A, dtype))
    diagonal, beside, V = linear.lanczos(product, backend.asarray(start, dtype), 10)
    for r in range(2):
        rows = backend.to_numpy(V)[r]
        np.testing.assert_allclose(rows @ rows.T, np.eye(10), atol=20 * tolerance)
        off = backend.to_numpy(beside)[r, :-1]
        T = np.diag(backend.to_numpy(diagonal)[r]) + np.diag(off, 1) + np.diag(off, -1)
        np.testing.assert_allclose(rows @ A @ rows.T, T, atol=200 * tolerance)


def test_lanczos_ends_where_the_space_is_exhausted(device):
    A = device.asarray(np.diag([1.0, 1.0, 2.0, 2.0, 2.0]))
    diagonal, beside, _ = linear.lanczos(times(A), device.xp.ones(5), 5)
    assert diagonal.shape == (2,)
    values, _ = linear.ritz(diagonal, beside)
    assert_allclose(values, [1, 2], rtol=1e-12)


@pytest.mark.parametrize("size", [5, 40, 120])
def test_extreme_eigenvalues(size, device):
    A = symmetric(np.linspace(-2, 5, size) ** 3)
    found = linear.extreme_eigenvalues(
        times(device.asarray(A)), device.asarray(np.random.default_rng(1).standard_normal(size))
    )
    values = np.linalg.eigvalsh(A)
    assert_allclose([found.smallest, found.largest], values[[0, -1]], rtol=1e-10)
    for value, vector in ((found.smallest, found.smallest_vector), (found.largest, found.largest_vector)):
        vector = to_numpy(vector)
        assert_allclose(A @ vector, value * vector, atol=1e-5)
    assert max(found.bounds) <= 1e-8 * 125


def test_extreme_eigenvalues_refuse_bad_starts():
    for start, message in (
        (np.zeros(3), "start must not be zero"),
        (np.ones((2, 3)), r"start must be \(P,\)"),
        (np.array([1.0, np.nan, 1.0]), "start contains NaN"),
    ):
        with pytest.raises(ValueError, match=message):
            linear.extreme_eigenvalues(times(np.eye(3)), start)


def test_trace_within_its_error(device):
    A = symmetric(np.linspace(1, 9, 60))
    w = device.xp.zeros(60)
    for kind in ("signs", "normal"):
        estimate, error = linear.trace(times(device.asarray(A)), linear.probes(w, 200, seed=3, kind=kind))
        assert 0 < error < 5
        assert abs(estimate - np.trace(A)) < 4 * error
    # signs are exact on a diagonal matrix
    estimate, error = linear.trace(times(device.xp.diag(device.xp.arange(60.0))), linear.probes(w, 3))
    assert estimate == pytest.approx(1770, rel=1e-14)
    assert error == pytest.approx(0, abs=1e-10)


def test_spectral_density_shows_the_spectrum(device):
    values = np.concatenate([np.zeros(70), np.full(25, 1.0), np.full(5, 4.0)])
    A = symmetric(values)
    probes = linear.probes(device.xp.zeros(100), 40, kind="normal")
    found = linear.spectral_density(times(device.asarray(A)), probes, 20, width=0.05)
    grid, density = map(to_numpy, found)
    step = grid[1] - grid[0]
    assert density.sum() * step == pytest.approx(1, rel=1e-3)
    for low, high, share in ((-0.5, 0.5, 0.70), (0.5, 1.5, 0.25), (3.5, 4.5, 0.05)):
        mass = density[(grid > low) & (grid < high)].sum() * step
        assert mass == pytest.approx(share, abs=0.05)
    moment = (density * grid).sum() * step
    assert moment == pytest.approx(np.trace(A) / 100, rel=0.2)


def test_probes_are_the_same_everywhere(backend, dtype):
    here = linear.probes(backend.asarray(np.zeros(7), dtype), 3, seed=5)
    np.testing.assert_array_equal(backend.to_numpy(here), linear.probes(np.zeros(7), 3, seed=5))
    assert set(np.unique(backend.to_numpy(here))) == {-1.0, 1.0}
    with pytest.raises(ValueError, match="unknown kind"):
        linear.probes(np.zeros(3), 2, kind="uniform")


def test_a_start_in_an_invariant_space_does_not_hide_the_ends(device):
    values = device.asarray(np.concatenate([[-0.637], np.linspace(-0.398, 3, 30), [9.0]]))
    start = device.asarray(np.r_[0.0, np.ones(30), 0.0])
    found = linear.extreme_eigenvalues(lambda v: values * v, start)
    assert found.smallest == pytest.approx(-0.637, rel=1e-8)
    assert found.largest == pytest.approx(9, rel=1e-8)
    found = linear.extreme_eigenvalues(lambda v: values * v, device.asarray(np.eye(32)[5]))
    assert found.smallest == pytest.approx(-0.637, rel=1e-8)
    assert found.largest == pytest.approx(9, rel=1e-8)


@pytest.mark.parametrize("value", [0.0, 1.0, 1e-20, -3e20])
@pytest.mark.parametrize("name", ["float32", "float64"])
def test_the_density_of_one_eigenvalue_integrates_to_one(name, value, device):
    probes = linear.probes(device.asarray(np.zeros(50), name), 4)
    found = linear.spectral_density(lambda v: value * v, probes, 5)
    grid, density = (to_numpy(array).astype("float64") for array in found)
    assert (density * np.gradient(grid)).sum() == pytest.approx(1, rel=1e-2)
    assert grid[0] < value < grid[-1]


def test_the_density_integrates_to_one_on_any_grid():
    values = np.linspace(0, 1, 40)
    for points in (24, 30, 100, 1000):
        grid, density = linear.spectral_density(
            lambda v: values * v, linear.probes(np.zeros(40), 8), 12, points=points
        )
        assert density.sum() * (grid[1] - grid[0]) == pytest.approx(1, rel=1e-3)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda A, v: linear.lanczos(A, np.zeros(3), 2), "start must not be zero"),
        (
            lambda A, v: linear.lanczos(A, np.array([[1.0, 0], [0, 0]]), 2),
            "must not be zero, in any row",
        ),
        (lambda A, v: linear.lanczos(lambda v: v * np.inf, v, 2), "product returned NaN or infinity"),
        (lambda A, v: linear.lanczos(A, v, 0), "steps must be at least 1, got 0"),
        (lambda A, v: linear.ritz(v, v[:2]), r"beside must have the shape of diagonal, \(3,\), got \(2,\)"),
        (lambda A, v: linear.ritz(v, v * np.nan), "beside contains NaN"),
        (lambda A, v: linear.extreme_eigenvalues(A, v, tolerance=np.nan), "tolerance must be .*got nan"),
        (lambda A, v: linear.extreme_eigenvalues(A, v, steps=0), "steps must be at least 1, got 0"),
        (lambda A, v: linear.extreme_eigenvalues(lambda v: v * np.nan, v), "product returned NaN"),
        (lambda A, v: linear.trace(A, v), r"vectors must be \(R, P\)"),
        (lambda A, v: linear.trace(lambda v: v * np.nan, v[None]), "product returned NaN"),
        (lambda A, v: linear.spectral_density(A, v[None], 2, width=np.nan), "width must be .*got nan"),
        (lambda A, v: linear.spectral_density(A, v[None], 2, width=-1), "width must be .*got -1"),
        (
            lambda A, v: linear.spectral_density(A, v[None], 2, width=1e-9),
            "width must be at least .*got 1e",
        ),
        (
            lambda A, v: linear.spectral_density(A, v[None], 2, points=3),
            "points must be at least 24",
        ),
        (lambda A, v: linear.probes(v, 0), "count must be at least 1, got 0"),
    ],
)
def test_arguments_are_checked(call, message):
    with pytest.raises(ValueError, match=message):
        call(lambda v: v * np.array([1.0, 2.0, 3.0])[: v.shape[-1]], np.ones(3))
