"""All of scikit-learn's own checks of an estimator, without an exception."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

checks = pytest.importorskip("sklearn.utils.estimator_checks", reason="scikit-learn is not installed")
from xpnet.sklearn import NetworkClassifier, NetworkRegressor  # noqa: E402

WHICH = "array_api and not (torch and float32)"


@pytest.fixture(autouse=True)
def on_numpy(monkeypatch):
    monkeypatch.setenv("XPNET_BACKEND", "numpy")


def each():
    """Each check of each estimator; what the library warns of itself is its own affair."""
    for estimator in (NetworkClassifier(), NetworkRegressor()):
        for _, check in checks.estimator_checks_generator(estimator):
            name = getattr(check, "func", check).__name__
            options = ",".join(f"{k}={v}" for k, v in getattr(check, "keywords", {}).items())
            yield pytest.param(estimator, check, id=f"{type(estimator).__name__}-{name}({options})")


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(("estimator", "check"), list(each()))
def test_all_of_scikit_learn_s_checks(estimator, check):
    check(estimator)


def test_arrays_of_other_libraries_pass_too():
    """The checks that scikit-learn makes only where this variable was set before SciPy was imported."""
    pytest.importorskip("array_api_strict", reason="array-api-strict is not installed")
    if os.environ.get("SCIPY_ARRAY_API"):
        pytest.skip("they have run above")
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", __file__, "-k", WHICH]
    done = subprocess.run(
        command,
        env=os.environ | {"SCIPY_ARRAY_API": "1"},
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "passed" in done.stdout
