"""The regressor: one target or several, in units of their own."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("sklearn.base", reason="scikit-learn is not installed")
from sklearn.datasets import load_diabetes, load_linnerud

from xpnet import L1, L2, BinaryCrossEntropy, SquaredError
from xpnet.sklearn import NetworkRegressor

X, Y = load_diabetes(return_X_y=True)


@pytest.fixture(autouse=True)
def on_numpy(monkeypatch):
    monkeypatch.setenv("XPNET_BACKEND", "numpy")


def test_units_do_not_matter():
    """Neither those of the inputs nor those of the targets: the same predictions, in the other units."""
    want = NetworkRegressor((4,), random_state=0).fit(X, Y).predict(X)
    scales = 10.0 ** np.arange(-5, 5)
    got = NetworkRegressor((4,), random_state=0).fit(scales * X + 3 * scales, 1e6 * Y - 1e7)
    np.testing.assert_allclose(got.predict(scales * X + 3 * scales), 1e6 * want - 1e7, rtol=0.05)


def test_several_targets():
    samples, targets = load_linnerud(return_X_y=True)
    got = NetworkRegressor((3,), random_state=0).fit(samples, targets)
    assert got.predict(samples).shape == targets.shape
    assert got.n_outputs_ == 3
    np.testing.assert_allclose(got.y_mean_, targets.mean(axis=0))
    with pytest.raises(ValueError, match="warm_start needs y of 3 outputs"):
        NetworkRegressor((3,), warm_start=True).fit(samples, targets).fit(samples, targets[:, 0])


def test_a_column_is_a_vector():
    with pytest.warns(match="A column-vector y was passed"):
        got = NetworkRegressor((3,), random_state=0).fit(X, Y[:, None])
    assert got.predict(X).shape == (len(X),)


def test_constant_columns_and_targets():
    samples = np.column_stack([X, np.full(len(X), 1e9)])
    got = NetworkRegressor((3,), random_state=0).fit(samples, np.full(len(X), 7.0))
    assert got.X_scale_[-1] == 1
    np.testing.assert_allclose(got.predict(samples), 7, atol=0.05)


def test_without_standardizing():
    got = NetworkRegressor((3,), standardize=False, random_state=0, tol=1e-3).fit(X, Y / 100)
    assert got.X_mean_ is None is got.y_mean_
    np.testing.assert_array_equal(got.predict(X), got.network_.predict(got.w_, X)[:, 0])


def test_a_bounded_output_takes_the_targets_as_they_are():
    shares = (Y - Y.min()) / np.ptp(Y)
    for options in ({"output": "sigmoid"}, {"divergence": BinaryCrossEntropy()}):
        got = NetworkRegressor((3,), random_state=0, **options).fit(X, shares)
        assert got.network_.activation.name == "sigmoid"
        assert got.y_mean_ is None
        assert 0 < got.predict(X).min() < got.predict(X).max() < 1
        assert got.score(X, shares) > 0.4


def test_penalties():
    kinds = (None, 0, 3.0, L2(0.01), L1(0.01), [L1(0.001), L2(0.001)])
    sizes = []
    for penalty in kinds:
        got = NetworkRegressor((4,), penalty=penalty, random_state=0, tol=1e-4).fit(X, Y)
        sizes.append(float(np.abs(got.w_).sum()))
    assert sizes[0] == sizes[1] > max(sizes[2:])
    mean = NetworkRegressor((4,), penalty=L2(3.0 / len(X)), random_state=0, tol=1e-4).fit(X, Y)
    np.testing.assert_array_equal(
        mean.w_, NetworkRegressor((4,), penalty=3.0, random_state=0, tol=1e-4).fit(X, Y).w_
    )


def test_targets_are_checked():
    for values, error, message in [
        (np.full(len(X), np.nan), ValueError, "NaN"),
        (["a"] * len(X), ValueError, "could not convert|Unable to convert|dtype"),
        (np.ma.array(Y, mask=np.arange(len(Y)) == 5), ValueError, r"y\[5\] is masked"),
        (Y[:-1], ValueError, "inconsistent numbers of samples"),
    ]:
        with pytest.raises(error, match=message):
            NetworkRegressor().fit(X, values)
    with pytest.raises(ValueError, match=r"X\[0, 0\] is masked, and so are 9 more"):
        NetworkRegressor().fit(np.ma.array(X, mask=np.arange(X.size).reshape(X.shape) < 10), Y)
    fitted = NetworkRegressor((2,), divergence=SquaredError(), random_state=0).fit(X, Y)
    with pytest.raises(ValueError, match=r"X\[3, 1\] is masked"):
        fitted.predict(np.ma.array(X, mask=np.arange(X.size).reshape(X.shape) == 31))
