"""Inputs as scikit-learn takes them: sparse, in files, of other libraries, in any units."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest

pytest.importorskip("sklearn.base", reason="scikit-learn is not installed")
import sklearn
from scipy import sparse
from sklearn.datasets import load_iris
from sklearn.preprocessing import StandardScaler

import xpnet
from xpnet.sklearn import NetworkClassifier, NetworkRegressor
from xpnet.sklearn.inputs import moments, rows, standardized

X, Y = load_iris(return_X_y=True)


@pytest.fixture(autouse=True)
def on_numpy(monkeypatch):
    monkeypatch.setenv("XPNET_BACKEND", "numpy")


@pytest.fixture
def dispatch(monkeypatch):
    monkeypatch.setenv("SCIPY_ARRAY_API", "1")
    with sklearn.config_context(array_api_dispatch=True):
        yield


def test_moments_are_scikit_learn_s(backend, dtype):
    random = np.random.default_rng(0)
    samples = (random.normal(size=(40, 6)) * 10.0 ** np.arange(6) + 1e3).astype(dtype)
    samples[:, 2] = 7
    weights = random.integers(0, 4, 40).astype(float)
    scaler = StandardScaler().fit(samples.astype(float), sample_weight=weights)
    mean, scale = moments("X", backend.asarray(samples), weights, backend)
    assert backend.owns(mean)
    rough = 1e-4 if backend.accumulator == backend.xp.float32 else 1e-6
    np.testing.assert_allclose(backend.to_numpy(mean), scaler.mean_, rtol=rough)
    np.testing.assert_allclose(backend.to_numpy(scale), scaler.scale_, rtol=50 * rough)
    np.testing.assert_allclose(
        backend.to_numpy(standardized(backend.asarray(samples), mean, scale)),
        scaler.transform(samples),
        atol=100 * rough,
    )


def test_a_variance_that_overflows_is_said():
    samples = np.array([[1e200], [-1e200]])
    with pytest.raises(ValueError, match="the variance of X contains infinity"):
        moments("X", samples, np.ones(2), xpnet.backend("numpy"))


@pytest.mark.parametrize("kind", ["csr_array", "csc_matrix", "coo_array"])
@pytest.mark.parametrize("early", [False, True])
def test_sparse_is_dense(kind, early):
    samples = np.where(X > 2, X, 0.0)
    options = {"hidden": (4,), "tol": 1e-3, "early_stopping": early, "random_state": 0}
    for estimator in (NetworkClassifier(**options), NetworkRegressor(**options)):
        want = estimator.fit(samples, Y).predict(samples)
        rows = getattr(sparse, kind)(samples)
        np.testing.assert_allclose(estimator.fit(rows, Y).predict(rows), want, rtol=1e-6)


def test_sparse_samples_go_to_the_device(device):
    options = {"hidden": (4,), "tol": 1e-3, "random_state": 0}
    want, got = (
        NetworkClassifier(backend=place, **options).fit(sparse.csr_array(X), Y).predict_proba(X)
        for place in ("numpy", device)
    )
    np.testing.assert_allclose(got, want, rtol=1e-4)


def test_memory_does_not_grow_with_sparse_samples():
    """Of 12,000 samples of 3,000 features, which dense would take 288 MB."""
    peaks, features = [], 3000
    for samples in (3_000, 12_000):
        columns, starts = np.arange(4 * samples) * 7919 % features, np.arange(samples + 1) * 4
        values = sparse.csr_array((np.ones(len(columns)), columns, starts), (samples, features))
        labels = columns[::4] > features // 2
        classifier = NetworkClassifier((2,), stop=xpnet.value_below(1.0), random_state=0)
        tracemalloc.start()
        classifier.fit(values, labels).predict(values)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
        assert classifier.n_iter_ < 5
    assert peaks[1] < 2 * peaks[0]  # and not four times


def test_a_part_of_what_is_read_part_by_part_is_too():
    part = rows(standardized(sparse.csr_array(X), X.mean(axis=0), X.std(axis=0)), np.array([5, 140, 7]))
    assert sparse.issparse(part.X)
    np.testing.assert_allclose(part[1:3], ((X - X.mean(axis=0)) / X.std(axis=0))[[140, 7]])


def test_files_are_read_part_by_part(tmp_path):
    mapped = np.memmap(tmp_path / "X", float, "w+", shape=X.shape)
    mapped[...] = X
    options = {"hidden": (4,), "random_state": 0}
    want = NetworkClassifier(**options).fit(X, Y)
    got = NetworkClassifier(**options).fit(mapped, Y)
    np.testing.assert_allclose(got.predict_proba(mapped), want.predict_proba(X), rtol=1e-6)


def test_tensors_without_dispatch_become_numpy_s(torch):
    got = NetworkClassifier((4,), random_state=0).fit(torch.asarray(X), torch.asarray(Y))
    assert type(got.predict(torch.asarray(X))) is np.ndarray
    assert got.score(torch.asarray(X), Y) > 0.95


def test_arrays_stay_on_their_device(backend, dispatch):
    """With scikit-learn's `array_api_dispatch`: results and attributes are where the data was."""
    dtype = "float32" if backend.accumulator == backend.xp.float32 else "float64"
    samples, labels = backend.asarray(X, dtype), backend.asarray(Y)
    got = NetworkClassifier((4,), random_state=0).fit(samples, labels)
    for array in (got.predict(samples), got.predict_proba(samples), got.w_, got.X_mean_, got.classes_):
        assert backend.owns(array)
    assert (backend.to_numpy(got.predict(samples)) == Y).mean() > 0.95
    stopped = NetworkRegressor((4,), early_stopping=True, random_state=0).fit(samples, labels)
    assert backend.owns(stopped.predict(samples))
    if backend.name != "numpy":
        with pytest.raises(ValueError, match=r"NetworkClassifier.predict\(\) must use the same namespace"):
            got.predict(X)
