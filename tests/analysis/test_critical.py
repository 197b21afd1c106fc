"""Critical points, against functions of which all are known."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

import xpnet
from xpnet import Dense, EmpiricalRisk, LeastSquares, Network, Quadratic, SquaredError
from xpnet.analysis import critical_points


def wells(backend="numpy"):
    """`1/2 sum (w_i^2 - 1)^2`: `-1`, 0 and 1 on each axis, 0 being a maximum along it."""
    return LeastSquares(lambda xp, w: w * w - 1.0, backend=backend)


def test_all_are_found(backend, dtype):
    if dtype == "float32":
        pytest.skip("no float64")
    starts = np.random.default_rng(0).uniform(-1.5, 1.5, (200, 3))
    found = critical_points(wells(backend), backend.asarray(starts, "float64"), 1e-10)
    assert isinstance(found.points, np.ndarray)
    assert found.points.shape == (27, 3)
    got = {tuple(row) for row in np.round(found.points).astype(int).tolist()}
    assert got == set(itertools.product((-1, 0, 1), repeat=3))
    np.testing.assert_allclose(found.points, np.round(found.points), atol=1e-9)
    zeros = (np.round(found.points) == 0).sum(axis=1)
    np.testing.assert_allclose(found.values, 0.5 * zeros, atol=1e-12)
    assert (found.values[1:] >= found.values[:-1]).all()
    assert found.negative.tolist() == zeros.tolist()
    np.testing.assert_allclose(found.index, zeros / 3)
    want = np.sort(np.where(np.round(found.points) == 0, -2.0, 4.0), axis=1)
    np.testing.assert_allclose(found.eigenvalues, want, atol=1e-8)
    assert found.gradient_norms.max() <= 1e-10
    assert found.counts.sum() <= 200 == found.starts
    assert len(found) == 27
    assert repr(found).startswith(
        "CriticalPoints(27 from 200 starts: 8 without negative curvature, values from"
    )


def test_what_ends_elsewhere_is_no_critical_point():
    # w^3 + w has none, and |g| = 3 w^2 + 1 is least at 0
    found = critical_points(
        xpnet.LeastSquares(lambda xp, w: xp.exp(w), backend="numpy"), [[0.0], [1.0]], 1e-30, steps=5
    )
    assert (len(found), found.starts) == (0, 2)
    assert found.points.shape == (0, 1)
    assert repr(found) == "CriticalPoints(none, from 2 starts)"


def test_distance_says_what_is_the_same():
    starts = np.array([[0.9], [1.1], [-0.9]])
    assert critical_points(wells(), starts).counts.tolist() in ([2, 1], [1, 2])
    assert len(critical_points(wells(), starts, distance=3.0)) == 1
    assert len(critical_points(wells(), starts, 1e-3, distance=0.0)) == 3


def test_flat_says_what_is_negative():
    bowl = Quadratic(np.diag([1.0, -1e-5]))
    assert critical_points(bowl, np.ones(2)).negative.tolist() == [1]
    assert critical_points(bowl, np.ones(2), flat=1e-4).negative.tolist() == [0]
    assert critical_points(bowl, np.ones(2)).starts == 1


def test_starts_that_do_not_fit_at_once(monkeypatch):
    starts = np.random.default_rng(1).uniform(-1.5, 1.5, (20, 3))
    whole = critical_points(wells(), starts)
    monkeypatch.setattr("xpnet.analysis.critical.AT_ONCE", 9 * 3)
    parts = critical_points(wells(), starts)
    np.testing.assert_allclose(parts.points, whole.points, atol=1e-7)
    assert parts.counts.tolist() == whole.counts.tolist()


def test_of_a_linear_network_as_baldi_and_hornik_say(backend, dtype):
    """Each critical point has half the sum of the eigenvalues that it leaves out."""
    if dtype == "float32":
        pytest.skip("no float64")
    random = np.random.default_rng(2)
    X = random.standard_normal((40, 3)) @ random.standard_normal((3, 3))
    X -= X.mean(axis=0)
    net = Network(3, Dense(1, bias=False), Dense(3, bias=False))
    risk = EmpiricalRisk(net, SquaredError(), X, X, backend=backend, dtype="float64")
    eigenvalues = np.linalg.eigvalsh(X.T @ X / 40)
    found = critical_points(risk, backend.asarray(random.standard_normal((30, 6)), "float64"), 1e-10)
    assert len(found) >= 10
    values = [0.5 * (eigenvalues.sum() - eigenvalues[k]) for k in range(3)] + [0.5 * eigenvalues.sum()]
    far = np.abs(found.values[:, None] - np.array(values)).min(axis=1)
    assert far.max() <= 1e-12 * values[-1]
    least = np.abs(found.values - min(values)) <= 1e-9
    assert ((found.negative == 0) == least).all()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((np.ones((2, 3, 4)),), "starts must be"),
        ((np.ones((0, 3)),), "starts must be"),
        ((np.full(3, np.nan),), "starts contains NaN"),
        ((np.ones(3), 0.0), "tolerance must be"),
        ((np.ones(3), "small"), "tolerance must be a number"),
    ],
)
def test_what_cannot_be(arguments, said):
    with pytest.raises((TypeError, ValueError), match=said):
        critical_points(wells(), *arguments)


def test_an_objective_without_second_derivatives_is_named():
    with pytest.raises(TypeError, match="objective must be an Objective"):
        critical_points(abs, np.ones(3))
    with pytest.raises(TypeError, match="must have a hessian_product for critical_points"):
        critical_points(xpnet.ThresholdUnit(np.eye(2), [1, -1], backend="numpy"), np.ones(3))
