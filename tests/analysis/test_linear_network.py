"""The closed form of a linear network's error surface: critical points, their values, the one minimum."""

from __future__ import annotations

import copy
import pickle

import numpy as np
import pytest
from conftest import assert_allclose, to_numpy

import xpnet
from xpnet import Dense, EmpiricalRisk, Network, SquaredError, after, gradient_below, minimize
from xpnet.analysis import linear_network

RANDOM = np.random.default_rng(0)
X = RANDOM.standard_normal((200, 8)) * np.geomspace(2, 0.5, 8)
Y = X @ RANDOM.standard_normal((8, 8)) + 0.1 * RANDOM.standard_normal((200, 8))


def network(features=8, p=3, outputs=8, bias=False):
    return Network(features, Dense(p, "identity", bias=bias), Dense(outputs, "identity", bias=bias))


def risk(own, X, Y, backend="numpy"):
    return EmpiricalRisk(own, SquaredError(), X, Y, backend=backend, dtype="float64")


@pytest.mark.parametrize("targets", [X, Y], ids=["autoencoder", "regression"])
def test_all_56_critical_points(targets):
    """Row 12."""
    found, own = linear_network(X, targets, 3), network()
    objective = risk(own, X, targets)
    assert len(found.subsets) == 56
    minima = 0
    for subset, value in zip(found.subsets, found.values, strict=True):
        w = found.point(own, subset, backend="numpy")
        at, gradient = objective.value_and_gradient(w)
        assert at == pytest.approx(value, rel=1e-12)
        assert np.linalg.norm(gradient) < 1e-12
        values = np.linalg.eigvalsh(objective.hessian(w))
        minima += values[0] > -1e-10
        assert (values[0] > -1e-10) == (subset == (0, 1, 2))
    assert minima == 1
    assert found.minimum == found.values.min() == found.value((2, 0, 1))


def test_an_autoencoder_s_minimum_is_what_the_other_eigenvalues_leave():
    found = linear_network(X, X, 3)
    values = np.linalg.eigvalsh(X.T @ X / 200)
    assert found.rest == pytest.approx(0.0, abs=1e-25)
    assert found.minimum == pytest.approx(0.5 * values[:5].sum(), rel=1e-12)
    np.testing.assert_allclose(found.eigenvalues, values[::-1], rtol=1e-12)


def test_runs_end_at_the_minimum(device):
    found, own = linear_network(X, X, 3), network()
    w = own.initialize(0, device, "float64", replicas=10)
    run = minimize(risk(own, X, X, device), "lbfgs", w, stop=after(2000) | gradient_below(1e-8))
    np.testing.assert_allclose(run.value, found.minimum, rtol=1e-11)


def test_fewer_eigenvectors_are_saddles_too():
    found, own = linear_network(X, Y, 3), network()
    for subset in ((), (0,), (1, 0)):
        w = found.point(own, subset, backend="numpy")
        value, gradient = risk(own, X, Y).value_and_gradient(w)
        assert np.linalg.norm(gradient) < 1e-12
        assert value == pytest.approx(found.value(subset), rel=1e-12)
        assert np.linalg.eigvalsh(risk(own, X, Y).hessian(w))[0] < -1e-3


@pytest.mark.parametrize(("features", "p", "outputs"), [(8, 5, 2), (8, 2, 1), (4, 4, 8), (8, 9, 8)])
def test_networks_of_other_shapes(features, p, outputs):
    """More units than outputs; fewer features than outputs, where the rank is less."""
    x, y = X[:, :features], Y[:, :outputs]
    found, own = linear_network(x, y, p), network(features, p, outputs)
    w = found.point(own, backend="numpy")
    value, gradient = risk(own, x, y).value_and_gradient(w)
    assert value == pytest.approx(found.minimum, rel=1e-11)
    assert np.linalg.norm(gradient) < 1e-11
    if p >= min(features, outputs):
        best = np.linalg.lstsq(x, y, rcond=None)[0]
        assert found.minimum == pytest.approx(0.5 * np.sum((y - x @ best) ** 2) / 200, rel=1e-11)


def test_with_biases_where_means_are_zero(device):
    x, y = X - X.mean(axis=0), Y - Y.mean(axis=0)
    found, own = linear_network(x, y, 3), network(bias=True)
    w = found.point(own, (0, 4, 5), backend=device)
    _, gradient = risk(own, x, y, device).value_and_gradient(w)
    assert np.linalg.norm(to_numpy(gradient)) < 1e-12
    first, second = found.weights((0, 4, 5))
    assert_allclose(own.predict(w, x), x @ first.T @ second.T, rtol=1e-10, atol=1e-10)


def test_it_can_be_kept():
    found = linear_network(X, Y[:, 0], 1)
    for same in (copy.copy(found), copy.deepcopy(found), pickle.loads(pickle.dumps(found))):
        np.testing.assert_array_equal(same.values, found.values)
    assert repr(linear_network(X, X, 3)).endswith("critical points=56)")


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: linear_network(X, Y, 0), ValueError, "p must be at least 1, got 0"),
        (lambda: linear_network(X[:5], Y, 2), ValueError, "Y must have as many samples as X, 5, got shape"),
        (lambda: linear_network(X[:, 0], Y, 2), ValueError, r"X must be \(samples, features\), got shape"),
        (
            lambda: linear_network(X[:5], Y[:5], 2),
            ValueError,
            "X must have linearly independent features, got rank",
        ),
        (lambda: linear_network(X * np.nan, Y, 2), ValueError, "X contains NaN"),
        (lambda: linear_network(X, X, 3).value([0, 0]), ValueError, "subset must be at most 3 different"),
        (lambda: linear_network(X, X, 3).value([8]), ValueError, "each of subset must be at most 7, got 8"),
        (
            lambda: linear_network(X, X, 3).weights("012"),
            TypeError,
            "subset must be numbers of eigenvectors",
        ),
        (lambda: linear_network(X, X, 3).point(3), TypeError, "network must be a Network, got 3"),
        (
            lambda: linear_network(X, X, 3).point(network(p=4)),
            ValueError,
            r"network must be of two layers with weights \[\(3, 8\), \(8, 3\)\], got \[\(4, 8\)",
        ),
        (lambda: linear_network(np.eye(60), np.eye(60), 30), MemoryError, "p"),
    ],
)
def test_bad_use(call, error, message):
    with pytest.raises(error, match=message):
        call()


def test_it_is_public():
    assert xpnet.analysis.linear_network is linear_network
