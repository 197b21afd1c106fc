"""Matrix-free linear algebra against the dense kind."""

from __future__ import annotations

import numpy as np
import pytest
from conftest import assert_allclose, assert_array_equal, to_numpy

from xpnet import linear


def symmetric(values, seed=0):
    random = np.random.default_rng(seed)
    rotation, _ = np.linalg.qr(random.standard_normal((len(values), len(values))))
    return rotation * np.asarray(values) @ rotation.T


def times(A):
    """The product with `A`, or with one matrix for each row."""
    return lambda v: (A @ v[..., None])[..., 0]


def counted(product):
    def function(v):
        function.calls += 1
        return product(v)

    function.calls = 0
    return function


def test_conjugate_gradient_solves(backend, dtype, tolerance):
    A, b = symmetric(np.geomspace(1, 30, 20)), np.random.default_rng(1).standard_normal(20)
    product = counted(times(backend.asarray(A, dtype)))
    found = linear.conjugate_gradient(product, backend.asarray(b, dtype), tolerance=10 * tolerance)
    x = backend.to_numpy(found.x)
    assert found.outcome == "converged"
    assert float(found.residual) <= 10 * tolerance
    assert product.calls == found.iterations <= 25
    np.testing.assert_allclose(x, np.linalg.solve(A, b), rtol=0, atol=1e3 * tolerance)
    assert float(found.decrease) == pytest.approx(b @ x - x @ A @ x / 2, rel=1e3 * tolerance)


def test_conjugate_gradient_on_rows_equals_single_ones(device):
    matrices = [symmetric(np.geomspace(1, k, 8), k) for k in (2, 50, 1000)]
    matrices[1] = matrices[1] - 20 * np.eye(8)  # indefinite
    b = device.asarray(np.random.default_rng(0).standard_normal((3, 8)))
    many = linear.conjugate_gradient(times(device.asarray(np.stack(matrices))), b)
    for r, A in enumerate(matrices):
        one = linear.conjugate_gradient(times(device.asarray(A)), b[r])
        assert_allclose(many.x[r], one.x, rtol=1e-10)
        assert_allclose(many.decrease[r], one.decrease, rtol=1e-10)
        assert many.outcome[r] == one.outcome
    assert many.outcome[1] == "negative curvature"


def test_negative_curvature_is_found_and_shown(device):
    A = device.asarray(symmetric([-1.0, 1.0, 2.0, 3.0]))
    found = linear.conjugate_gradient(times(A), device.xp.ones(4))
    assert found.outcome == "negative curvature"
    assert found.direction @ A @ found.direction <= 0
    assert device.xp.ones(4) @ found.x > 0  # still a direction of descent
    at_once = linear.conjugate_gradient(times(-device.xp.eye(4)), device.xp.ones(4))
    assert_array_equal(at_once.x, device.xp.ones(4))
    assert at_once.iterations == 1


@pytest.mark.parametrize("values", [[1.0, 2.0, 5.0, 9.0], [-2.0, 1.0, 2.0, 4.0]])
def test_a_ball_ends_the_way(values, device):
    A, b = device.asarray(symmetric(values)), device.asarray([1.0, 2.0, -1.0, 0.5])
    for radius in (0.1, 0.3):
        found = linear.conjugate_gradient(times(A), b, radius=device.asarray(radius))
        assert found.outcome == "boundary"
        assert np.linalg.norm(to_numpy(found.x)) == pytest.approx(radius, rel=1e-12)
        assert float(found.decrease) == pytest.approx(
            float(b @ found.x - found.x @ A @ found.x / 2), rel=1e-10
        )
        cauchy = radius * b / np.linalg.norm(to_numpy(b))
        assert found.decrease >= b @ cauchy - cauchy @ A @ cauchy / 2 - 1e-12


def test_iterations_are_limited(device):
    A = device.asarray(symmetric(np.geomspace(1, 1e6, 30)))
    found = linear.conjugate_gradient(times(A), device.xp.ones(30), iterations=4)
    assert found.outcome == "iterations used up"
    assert found.iterations == 4


def test_zero_right_side(device):
    found = linear.conjugate_gradient(times(device.xp.eye(3)), device.xp.zeros(3))
    assert found.outcome == "converged"
    assert found.iterations == 0
    assert_array_equal(found.x, 0)


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
