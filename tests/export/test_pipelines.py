"""Pipelines with estimators of xpnet's, as onnxruntime computes them."""

from __future__ import annotations

import numpy as np
import pytest

import xpnet
from xpnet import Dropout, LayerNorm
from xpnet.export import register_skl2onnx

estimators = pytest.importorskip("xpnet.sklearn", reason="there are no estimators", exc_type=ImportError)
onnxruntime = pytest.importorskip("onnxruntime", reason="onnxruntime, the oracle, is not installed")
skl2onnx = pytest.importorskip("skl2onnx", reason="skl2onnx is not installed")

pytestmark = pytest.mark.filterwarnings("ignore")  # of converters, and of runs that are cut short

RANDOM = np.random.default_rng(0)
X = (3.0 * RANDOM.standard_normal((60, 4)) + 5.0).astype("float32")
LABELS = (X[:, 0] > 5).astype(int) + (X[:, 1] > 6)
HIDDEN = (5, Dropout(0.2), LayerNorm())
SIGMOID = {"output": "sigmoid", "divergence": xpnet.BinaryCrossEntropy()}


def computed(estimator, samples, **options):
    """What onnxruntime makes of `samples`."""
    model = skl2onnx.to_onnx(estimator, samples[:1], **options)
    return onnxruntime.InferenceSession(model.SerializeToString()).run(None, {"X": samples})


def alone_and_in_a_pipeline(estimator, y, dtype):
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import MinMaxScaler, StandardScaler

    estimator.fit(X.astype(dtype), y)
    yield estimator
    yield make_pipeline(StandardScaler(), MinMaxScaler(), estimator).fit(X.astype(dtype), y)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(
    ("y", "settings"),
    [
        (LABELS, {}),
        (LABELS * 10 - 3, {"standardize": False}),
        (np.array(["a", "bb", "\u00fc"])[LABELS], {}),
        (LABELS > 0, {}),
        (LABELS, SIGMOID),
        (np.stack([LABELS > 0, LABELS > 1], 1).astype(int), {}),
    ],
    ids=["numbers", "numbers as they come", "words", "truth", "sigmoid", "several"],
)
def test_classifiers_are_converted(y, settings, dtype):
    register_skl2onnx()
    estimator = estimators.NetworkClassifier(hidden=HIDDEN, max_iter=30, random_state=0, **settings)
    for fitted in alone_and_in_a_pipeline(estimator, y, dtype):
        samples = X.astype(dtype)
        label, probabilities = computed(fitted, samples, options={"zipmap": False})
        np.testing.assert_array_equal(label, fitted.predict(samples))
        room = 2e-6 if dtype == "float32" else 1e-12
        np.testing.assert_allclose(probabilities, fitted.predict_proba(samples), rtol=0, atol=room)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("y", [100.0 * X[:, 0] + 5.0, 2.0 * X[:, :2]], ids=["one", "several"])
def test_regressors_are_converted(y, dtype):
    register_skl2onnx()
    estimator = estimators.NetworkRegressor(hidden=HIDDEN, max_iter=30, random_state=0)
    for fitted in alone_and_in_a_pipeline(estimator, y, dtype):
        samples = X.astype(dtype)
        (got,) = computed(fitted, samples)
        want = fitted.predict(samples)
        room = 2e-6 if dtype == "float32" else 1e-12
        np.testing.assert_allclose(got.reshape(want.shape), want, rtol=room, atol=room * abs(want).max())


def test_whole_numbers_are_taken_and_labels_are_keys():
    register_skl2onnx()
    samples = np.round(X).astype("int64")
    fitted = estimators.NetworkClassifier(max_iter=30, random_state=0).fit(
        samples.astype("float32"), LABELS
    )
    label, probabilities = computed(fitted, samples)
    want = fitted.predict_proba(samples.astype("float32"))
    np.testing.assert_array_equal(label, fitted.predict(samples.astype("float32")))
    np.testing.assert_allclose([[row[k] for k in range(3)] for row in probabilities], want, atol=2e-6)
