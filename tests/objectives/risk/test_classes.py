"""The error rate of a risk: which classes outputs and targets mean, each sample counting by its weight."""

from __future__ import annotations

import numpy as np
import pytest
from conftest import assert_allclose

from xpnet import (
    BinaryCrossEntropy,
    CrossEntropy,
    Dense,
    EmpiricalRisk,
    Network,
    SquaredError,
    ThresholdUnit,
)

RANDOM = np.random.default_rng(0)
X, LABELS = RANDOM.standard_normal((53, 4)), RANDOM.integers(0, 3, 53)
WEIGHTS = RANDOM.integers(0, 4, 53).astype(float)
HALVES = (LABELS > 0).astype(float)


def ending(outputs, activation):
    return Network(4, Dense(5, "tanh"), Dense(outputs, activation))


CLASSIFIERS = {
    "softmax": (ending(3, "softmax"), CrossEntropy(), LABELS, lambda y: y.argmax(-1)),
    "logits": (ending(3, "identity"), CrossEntropy(from_logits=True), LABELS, lambda y: y.argmax(-1)),
    "one-hot": (ending(3, "identity"), SquaredError(), np.eye(3)[LABELS], lambda y: y.argmax(-1)),
    "sigmoid": (ending(1, "sigmoid"), BinaryCrossEntropy(), HALVES, lambda y: y[..., 0] > 0.5),
    "logit": (
        ending(1, "identity"),
        BinaryCrossEntropy(from_logits=True),
        HALVES,
        lambda y: y[..., 0] > 0,
    ),
    "squared": (ending(1, "sigmoid"), SquaredError(), HALVES, lambda y: y[..., 0] > 0.5),
    "signs": (ending(1, "tanh"), SquaredError(), 2 * HALVES - 1, lambda y: y[..., 0] > 0),
    "two values": (ending(1, "identity"), SquaredError(), 4 * HALVES + 1, lambda y: y[..., 0] > 3),
}


def own_class(targets):
    if targets.ndim > 1:
        return targets.argmax(-1)
    return targets if targets.dtype.kind == "i" else targets > targets.mean()


@pytest.mark.parametrize("kind", CLASSIFIERS)
@pytest.mark.parametrize("weights", [None, WEIGHTS], ids=["", "weighted"])
@pytest.mark.parametrize("options", [{}, {"chunk": 7}, {"chunk": 7, "resident": False}], ids=str)
def test_as_scikit_learn_counts(backend, dtype, tolerance, kind, weights, options):
    metrics = pytest.importorskip("sklearn.metrics", reason="scikit-learn is the oracle")
    network, divergence, targets, chosen = CLASSIFIERS[kind]
    risk = EmpiricalRisk(
        network, divergence, X, targets, sample_weight=weights, backend=backend, dtype=dtype, **options
    )
    w = 3 * network.initialize(0, backend, dtype, replicas=4)
    got = backend.to_numpy(risk.error_rate(w))
    assert got.shape == (4,)
    assert 0 < got.min() < got.max() < 1
    for r in range(4):
        said = chosen(backend.to_numpy(network.predict(w[r, :], X)))
        want = metrics.zero_one_loss(own_class(targets), said, sample_weight=weights)
        assert_allclose(got[r], want, rtol=tolerance, atol=tolerance)
        assert_allclose(risk.error_rate(w[r, :]), want, rtol=tolerance, atol=tolerance)


def test_targets_that_name_several_classes_must_all_be_right():
    metrics = pytest.importorskip("sklearn.metrics", reason="scikit-learn is the oracle")
    network, targets = ending(3, "sigmoid"), RANDOM.integers(0, 2, (53, 3))
    w = 5 * network.initialize(0, dtype="float64")
    risk = EmpiricalRisk(network, BinaryCrossEntropy(), X, targets, dtype="float64", backend="numpy")
    want = metrics.zero_one_loss(targets, network.predict(w, X) > 0.5)
    assert 0 < want < 1
    assert_allclose(risk.error_rate(w), want)
    # labels name one
    named = EmpiricalRisk(network, BinaryCrossEntropy(), X, LABELS, dtype="float64", backend="numpy")
    assert_allclose(named.error_rate(w), np.mean(network.predict(w, X).argmax(-1) != LABELS))


def test_replicas_with_samples_of_their_own():
    own, labels = RANDOM.standard_normal((3, 20, 4)), RANDOM.integers(0, 3, (3, 20))
    weights = RANDOM.random((3, 20))
    network = CLASSIFIERS["softmax"][0]
    options = {"dtype": "float64", "backend": "numpy"}
    risk = EmpiricalRisk(network, CrossEntropy(), own, labels, sample_weight=weights, **options)
    w = network.initialize(0, dtype="float64", replicas=3)
    for r, rate in enumerate(risk.error_rate(w)):
        wrong = network.predict(w[r], own[r]).argmax(-1) != labels[r]
        assert_allclose(rate, np.average(wrong, weights=weights[r]))


@pytest.mark.parametrize("targets", [RANDOM.random(53), np.ones(53)])
def test_numbers_are_no_classes(targets):
    network = ending(1, "identity")
    risk = EmpiricalRisk(network, SquaredError(), X, targets, chunk=7)
    with pytest.raises(ValueError, match="targets must be labels of classes, or of two values"):
        risk.error_rate(network.initialize(0))


def test_the_mean_of_a_divergence_is_the_risk(backend, dtype, tolerance):
    network, divergence, targets, _ = CLASSIFIERS["softmax"]
    options = {"sample_weight": WEIGHTS, "backend": backend, "dtype": dtype, "chunk": 7}
    risk = EmpiricalRisk(network, divergence, X, targets, **options)
    w = network.initialize(0, backend, dtype, replicas=2)
    assert_allclose(risk.mean(divergence.value, w), risk.value(w), rtol=1e2 * tolerance)
    # of real outputs, and one-hot targets
    largest = risk.mean(lambda xp, y, d: xp.max(y, axis=-2) + xp.sum(d, axis=-2), w)
    y = backend.to_numpy(network.predict(w, X)).max(-1)
    assert_allclose(largest, 1 + np.average(y, axis=-1, weights=WEIGHTS), rtol=1e2 * tolerance)
    with pytest.raises(ValueError, match="what is averaged over the samples must have shape"):
        risk.mean(lambda xp, y, d: y, w)
    with pytest.raises(TypeError, match="function must be a function"):
        risk.mean("mse", w)


def test_a_threshold_unit(device):
    signs = np.where(HALVES > 0, 1, -1)
    unit = ThresholdUnit(X, signs, backend=device)
    w = device.asarray(RANDOM.standard_normal((3, 5)))
    for r in range(3):
        want = np.mean(device.to_numpy(unit.predict(w[r], X)) != signs)
        assert_allclose(unit.error_rate(w[r]), want)
        assert_allclose(unit.error_rate(w)[r], want)
