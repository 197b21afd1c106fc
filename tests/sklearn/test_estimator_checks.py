"""All of scikit-learn's own checks of an estimator, without an exception."""

from __future__ import annotations

import os

import pytest

pytest.importorskip("sklearn.base", reason="scikit-learn is not installed")
FLAG = "SCIPY_ARRAY_API"
given = os.environ.get(FLAG)
os.environ[FLAG] = "1"  # without which 1.6 does not import its checks where array-api-compat is installed
try:
    from sklearn.utils.estimator_checks import estimator_checks_generator
finally:
    os.environ.pop(FLAG) if given is None else os.environ.update({FLAG: given})

from xpnet.sklearn import NetworkClassifier, NetworkRegressor  # noqa: E402


@pytest.fixture(autouse=True)
def on_numpy(monkeypatch):
    monkeypatch.setenv("XPNET_BACKEND", "numpy")
    monkeypatch.setenv(FLAG, "1")  # else the checks with arrays of other libraries are skipped


def each():
    """Each check of each estimator."""
    for estimator in (NetworkClassifier(), NetworkRegressor()):
        for _, check in estimator_checks_generator(estimator):
            name = getattr(check, "func", check).__name__
            options = ",".join(f"{k}={v}" for k, v in getattr(check, "keywords", {}).items())
            yield pytest.param(estimator, check, id=f"{type(estimator).__name__}-{name}({options})")


@pytest.mark.filterwarnings("ignore")  # what the library warns of itself is its own affair
@pytest.mark.parametrize(("estimator", "check"), list(each()))
def test_all_of_scikit_learn_s_checks(estimator, check):
    check(estimator)
