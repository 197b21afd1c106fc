"""The classifier: labels of every kind, weights, probabilities."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("sklearn.base", reason="scikit-learn is not installed")
from sklearn.datasets import load_digits, load_iris, make_multilabel_classification
from sklearn.neural_network import MLPClassifier

import xpnet
from xpnet import BinaryCrossEntropy, CrossEntropy, KullbackLeibler, SquaredError
from xpnet.sklearn import NetworkClassifier

X, Y = load_iris(return_X_y=True)
SMALL = {"hidden": (5,), "random_state": 0}


@pytest.fixture(autouse=True)
def on_numpy(monkeypatch):
    monkeypatch.setenv("XPNET_BACKEND", "numpy")


@pytest.mark.parametrize(
    "names",
    [
        [3, 7, -1],
        [0.0, 1.0, 2.0],
        ["b", "a", "c"],
        np.array(["b", "a", "c"], object),
        np.array([5, 1, 2], ">i2"),
    ],
    ids=str,
)
def test_classes_of_every_kind(names):
    names = np.asarray(names)
    labels = names[Y]
    got = NetworkClassifier(**SMALL).fit(X, labels)
    np.testing.assert_array_equal(got.classes_, np.unique(names))
    assert got.predict(X).dtype == got.classes_.dtype
    assert (got.predict(X) == labels).mean() > 0.95
    proba = got.predict_proba(X)
    np.testing.assert_array_equal(got.classes_[proba.argmax(axis=1)], got.predict(X))
    np.testing.assert_allclose(np.exp(got.predict_log_proba(X)), proba)


def test_two_classes_by_truth_values():
    got = NetworkClassifier(**SMALL).fit(X, Y == 1)
    assert got.predict(X).dtype == bool
    assert got.score(X, Y == 1) > 0.95


def test_one_class_is_refused():
    with pytest.raises(ValueError, match="y must hold at least 2 classes, got 1 class"):
        NetworkClassifier().fit(X, np.zeros(len(X)))
    with pytest.raises(ValueError, match="Unknown label type"):
        NetworkClassifier().fit(X, X[:, 0])


def test_weights_of_classes_are_weights_of_their_samples():
    options = {"tol": 1e-7, **SMALL}
    factors = np.array([1.0, 3.0, 0.5])
    by_class = NetworkClassifier(class_weight={"a": 1.0, "b": 3.0, "c": 0.5}, **options)
    by_class.fit(X, np.array(["a", "b", "c"])[Y])
    by_sample = NetworkClassifier(**options, standardize=True).fit(X, Y, sample_weight=np.ones(len(X)))
    by_sample.set_params(standardize=False)
    Z = (X - X.mean(axis=0)) / X.std(axis=0)
    by_sample.fit(Z, Y, sample_weight=factors[Y])
    np.testing.assert_allclose(by_class.predict_proba(X), by_sample.predict_proba(Z), atol=1e-5)


def test_balanced_classes_find_the_rare_one():
    random = np.random.default_rng(0)
    few = np.arange(400) < 20
    samples = random.normal(size=(400, 2)) + 1.2 * few[:, None]
    plain, balanced = (
        NetworkClassifier(class_weight=weight, **SMALL).fit(samples, few).predict(samples)[few].mean()
        for weight in (None, "balanced")
    )
    assert balanced > plain + 0.3


def test_a_weight_of_two_is_a_sample_twice():
    twice = np.concatenate([X, X[::3]]), np.concatenate([Y, Y[::3]])
    weights = np.where(np.arange(len(X)) % 3 == 0, 2.0, 1.0)
    got = NetworkClassifier(**SMALL).fit(X, Y, sample_weight=weights)
    np.testing.assert_allclose(
        got.predict_proba(X), NetworkClassifier(**SMALL).fit(*twice).predict_proba(X)
    )


@pytest.mark.parametrize(
    ("weights", "error", "message"),
    [
        (np.zeros(150), ValueError, "sample_weight must not be negative, and not all zero"),
        (-np.ones(150), ValueError, "sample_weight must not be negative"),
        (np.full(150, np.nan), ValueError, "sample_weight contains NaN"),
        (np.ones(149), ValueError, r"sample_weight must be \(150,\)"),
        (["a"] * 150, TypeError, "sample_weight must hold real numbers"),
    ],
    ids=["zero", "negative", "NaN", "too few", "words"],
)
def test_weights_are_checked(weights, error, message):
    with pytest.raises(error, match=message):
        NetworkClassifier().fit(X, Y, sample_weight=weights)


def test_several_labels():
    samples, labels = make_multilabel_classification(200, 8, n_classes=3, random_state=0)
    got = NetworkClassifier(**SMALL).fit(samples, labels)
    assert got.network_.activation.name == "sigmoid"
    assert got.predict_proba(samples).shape == (200, 3)
    np.testing.assert_array_equal(got.predict(samples), got.predict_proba(samples) > 0.5)
    assert (got.predict(samples) == labels).mean() > 0.85
    halves = NetworkClassifier(class_weight="balanced", early_stopping=True, **SMALL).fit(samples, labels)
    assert (halves.predict(samples) == labels).mean() > 0.8


@pytest.mark.parametrize(
    ("divergence", "output"),
    [
        (CrossEntropy(), "softmax"),
        (SquaredError(), "softmax"),
        (KullbackLeibler(), "softmax"),
        (BinaryCrossEntropy(), "sigmoid"),
    ],
    ids=str,
)
def test_the_last_activation_suits_the_divergence(divergence, output):
    got = NetworkClassifier(divergence=divergence, **SMALL).fit(X, Y)
    assert got.network_.activation.name == output
    assert got.score(X, Y) > 0.9
    np.testing.assert_allclose(got.predict_proba(X).sum(axis=1), 1)


def test_the_last_activation_may_be_said():
    got = NetworkClassifier(divergence=SquaredError(), output="sigmoid", **SMALL).fit(X, Y)
    assert got.network_.activation.name == "sigmoid"
    with pytest.raises(ValueError, match=r"output must be an activation in \[0, 1\].*got 'tanh'"):
        NetworkClassifier(divergence=SquaredError(), output="tanh").fit(X, Y)
    with pytest.raises(ValueError, match="the network ends in 'identity'"):
        NetworkClassifier(output="identity").fit(X, Y)
    with pytest.raises(ValueError, match="takes logits"):
        NetworkClassifier(divergence=CrossEntropy(from_logits=True)).fit(X, Y)


def test_layers_of_every_kind():
    hidden = (12, xpnet.LayerNorm(), xpnet.Dense(6, "relu"), xpnet.Dropout(0.1))
    got = NetworkClassifier(hidden, "softplus", random_state=0).fit(X, Y)
    assert [type(layer).__name__ for layer in got.network_.layers] == [
        *("Dense", "LayerNorm", "Dense", "Dropout", "Dense")
    ]
    assert got.score(X, Y) > 0.9
    assert NetworkClassifier(hidden=(), random_state=0).fit(X, Y).network_.size == 15
    assert NetworkClassifier(hidden=3, random_state=0).fit(X, Y).network_.layers[0].units == 3


def test_batches():
    got = NetworkClassifier(optimizer="adam", rate=0.01, batch_size=20, max_iter=30, random_state=0)
    with pytest.warns(match="240 steps taken"):
        got.fit(X, Y)
    assert got.n_iter_ == 30
    assert got.score(X, Y) > 0.95
    stopped = NetworkClassifier(
        optimizer="adam", rate=0.01, batch_size=20, early_stopping=True, random_state=0
    )
    stopped.fit(X, Y)
    assert len(stopped.validation_curve_) >= stopped.n_iter_


def test_it_beats_a_peer_s_defaults_on_digits():
    samples, labels = load_digits(return_X_y=True)
    train, test = slice(0, None, 2), slice(1, None, 2)
    ours = NetworkClassifier(random_state=0).fit(samples[train], labels[train])
    theirs = MLPClassifier((32,), random_state=0, max_iter=400).fit(samples[train], labels[train])
    assert ours.score(samples[test], labels[test]) > theirs.score(samples[test], labels[test]) - 0.01
