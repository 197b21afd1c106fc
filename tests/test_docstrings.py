"""The examples in docstrings run, and print what they say."""

from __future__ import annotations

import doctest
import importlib
import pkgutil

import pytest

import xpnet

MODULES = sorted(module.name for module in pkgutil.walk_packages(xpnet.__path__, "xpnet."))
# what a newcomer meets first, each with an example of its own
SHOWN = [
    "Network",
    "EmpiricalRisk",
    "minimize",
    "iterate",
    "Quadratic",
    "Formula",
    "LeastSquares",
    "Scaled",
    "SumOfSquares",
    "ThresholdSquaredError",
    "ThresholdUnit",
    "ElementwiseActivation",
    "elementwise",
    "Layer",
    "Layout",
    "Minibatch",
    "CrossEntropy",
    "Projected",
    "difference_hessian",
    "training.rule.Rule",
    "distributed.communicator",
    "linear.conjugate_gradient",
    "linear.extreme_eigenvalues",
    "linear.trace",
    "analysis.axes",
    "analysis.condition_number",
    "analysis.convergence_rates",
    "analysis.linear_network",
    "analysis.optimal_rate",
    "schedules.Cosine",
    "schedules.Restarts",
    "schedules.WarmUp",
    "schedules.Plateau",
    "testing.check_activation",
    "testing.check_divergence",
    "testing.check_gradient",
    "testing.check_layer",
]


@pytest.mark.parametrize("name", ["xpnet", *MODULES])
def test_examples_run(name, monkeypatch):
    if name == "xpnet.__main__":
        return
    if name.startswith("xpnet.sklearn"):
        pytest.importorskip("sklearn.base", reason="scikit-learn is not installed")
    if name.startswith("xpnet.plotting"):
        pytest.importorskip("matplotlib", reason="matplotlib is not installed")
    monkeypatch.setenv("XPNET_BACKEND", "numpy")
    module = importlib.import_module(name)
    flags = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE
    assert doctest.testmod(module, optionflags=flags).failed == 0


@pytest.mark.parametrize("name", SHOWN)
def test_what_a_newcomer_meets_has_an_example(name):
    importlib.import_module("xpnet.testing")
    found = xpnet
    for part in name.split("."):
        found = getattr(found, part)
    assert doctest.DocTestFinder(recurse=False).find(found, name)[0].examples
