"""The check of objectives passes what is right and names what is wrong, in float32 and float64."""

from __future__ import annotations

import doctest
import importlib

import numpy as np
import pytest

import xpnet
from xpnet import (
    L2,
    CrossEntropy,
    Dense,
    EmpiricalRisk,
    Network,
    Objective,
    Quadratic,
    SquaredError,
)
from xpnet.testing import check_gradient

DTYPES = ["float32", "float64"]


class Cubic(Objective):
    def __init__(self, slope=3.0):
        self.slope = slope

    def value(self, w):
        return (w**3).sum(axis=-1)

    def value_and_gradient(self, w):
        return self.value(w), self.slope * w**2


class Overwriting(Cubic):
    def value_and_gradient(self, w):
        value = self.value(w)
        w *= 1.5
        return value, 3 * (w / 1.5) ** 2


class Curved(Cubic):
    """With a Hessian product, `curvature` times the right one."""

    def __init__(self, curvature):
        super().__init__()
        self.curvature = curvature

    def hessian_product(self, w, v):
        return self.curvature * 6 * w * v


class Odd(Cubic):
    """Returns as its gradient whatever it is told to."""

    def __init__(self, make):
        super().__init__()
        self.make = make

    def value_and_gradient(self, w):
        return self.value(w), self.make(w)


def test_objectives():
    w = np.array([0.5, -1.0, 2.0])
    check_gradient(Cubic(), w)
    check_gradient(Cubic(), np.stack([w, 2 * w]))
    check_gradient(Quadratic([[2.0, 1.0], [1.0, 3.0]], [1.0, 0.0], backend="numpy"), w[:2])
    with pytest.raises(AssertionError, match=r"gradient at \(2,\): .*12.04.*by differences"):
        check_gradient(Cubic(3.01), w)
    with pytest.raises(AssertionError, match="w was written to"):
        check_gradient(Overwriting(), w)
    nan = Cubic(float("nan"))
    with pytest.raises(AssertionError, match="nan"):
        check_gradient(nan, w)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("replicas", [(), (3,)])
def test_the_same_defaults_tell_right_from_wrong_in_either_dtype(dtype, replicas):
    w = np.random.default_rng(0).standard_normal((*replicas, 5)).astype(dtype)
    check_gradient(Cubic(), w)
    for wrong in (Cubic(3.02), Cubic(-3.0), Odd(lambda w: 0 * w), Odd(lambda w: 3 * w**2 + 0.1)):
        with pytest.raises(AssertionError, match="gradient at"):
            check_gradient(wrong, w)
    check_gradient(Curved(1), w)
    for curvature in (1.02, -1, 0, float("nan")):
        with pytest.raises(AssertionError, match="hessian_product at"):
            check_gradient(Curved(curvature), w)


def risks(backend, dtype):
    random = np.random.default_rng(1)
    X, labels = random.standard_normal((60, 4)), random.integers(0, 3, 60)
    options = {"backend": backend, "dtype": dtype}
    for activation in ("tanh", "relu", "softplus", "softmax"):
        network = Network(4, Dense(6, activation), Dense(3, "softmax"))
        yield EmpiricalRisk(network, CrossEntropy(), X, labels, penalty=L2(0.1), **options)
        yield EmpiricalRisk(network, SquaredError(), 30 * X, X[:, :3], **options)  # bends within little
    yield EmpiricalRisk(Network(4, Dense(3)), SquaredError(), X, 1e3 * X[:, :3], **options)


@pytest.mark.parametrize("dtype", DTYPES)
def test_risks_pass_at_any_start(dtype, device):
    for risk in risks(device, dtype):
        for seed in range(3):
            check_gradient(risk, risk.network.initialize(seed, device, dtype))


class Scaled(Objective):
    """Another objective's, with one entry of the gradient off."""

    def __init__(self, objective, place, factor):
        self.objective, self.place, self.factor = objective, place, factor

    def value(self, w):
        return self.objective.value(w)

    def value_and_gradient(self, w):
        value, gradient = self.objective.value_and_gradient(w)
        gradient[..., self.place] *= self.factor
        return value, gradient


@pytest.mark.parametrize("dtype", DTYPES)
def test_one_wrong_entry_of_a_risk_s_gradient_is_found(dtype):
    # not of the last, where a value of a million hides a gradient of a thousand from float32
    for risk in list(risks("numpy", dtype))[:-1]:
        w = risk.network.initialize(0, "numpy", dtype)
        _, gradient = risk.value_and_gradient(w)
        place = int(np.argsort(np.abs(gradient))[-3])
        check_gradient(Scaled(risk, place, 1.0), w)
        with pytest.raises(AssertionError, match=rf"gradient at \({place},\)"):
            check_gradient(Scaled(risk, place, 0.9), w)


@pytest.mark.parametrize("dtype", DTYPES)
def test_a_right_gradient_passes_at_a_minimum(dtype):
    """Where the value is all rounding, and 0 by differences is not 0."""
    bowl = Quadratic([[2.0, 1.0], [1.0, 3.0]], [1.0, 0.3], 7.0, backend="numpy")
    check_gradient(bowl, np.linalg.solve([[2.0, 1.0], [1.0, 3.0]], [1.0, 0.3]))
    risk = EmpiricalRisk(
        Network(1, Dense(1)), SquaredError(), [[-1.0], [0], [1]], [0.0, 3, 0], backend="numpy", dtype=dtype
    )
    check_gradient(risk, np.array([0.0, 1.0], dtype))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda w: w, "gradient is w itself"),
        (lambda w: 1.0, "gradient must be an array, got 1.0"),
        (lambda w: w[:2], r"gradient has shape \(2,\), not \(3,\)"),
        (lambda w: w.astype("float32"), "gradient is float32, w float64"),
        (lambda w: w.astype(complex), "gradient is complex128, w float64"),
    ],
)
def test_what_is_no_gradient(make, message):
    with pytest.raises(AssertionError, match=message):
        check_gradient(Odd(make), np.array([0.5, -1.0, 2.0]))


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"objective": Cubic}, TypeError, "objective must be an Objective, got"),
        ({"w": [1.0, 2.0]}, TypeError, "w must be an array, such as"),
        ({"w": np.ones(3, int)}, TypeError, "w must be float32 or float64, got int64"),
        ({"w": np.ones((2, 2, 2))}, ValueError, r"w must be \(P,\) or \(R, P\).* got shape \(2, 2, 2\)"),
        ({"w": np.ones(0)}, ValueError, r"w must be \(P,\) or \(R, P\), got shape \(0,\)"),
        ({"w": np.array([1.0, np.nan])}, ValueError, "w contains NaN"),
        ({"tolerance": float("nan")}, ValueError, "tolerance must be in .* got nan"),
        ({"tolerance": -1.0}, ValueError, "tolerance must be in .* got -1.0"),
        ({"tolerance": "small"}, TypeError, "tolerance must be a number, got 'small'"),
    ],
)
def test_bad_arguments(arguments, error, message):
    with pytest.raises(error, match=message):
        check_gradient(**{"objective": Cubic(), "w": np.ones(3)} | arguments)


@pytest.mark.parametrize("module", ["gradients", "parts", "layers"])
def test_the_examples_of_the_docstrings_run(module):
    found = doctest.testmod(importlib.import_module(f"xpnet.testing.{module}"))
    assert found.attempted > 0
    assert found.failed == 0


def test_the_checks_are_public():
    assert set(xpnet.testing.__all__) == {
        "check_activation",
        "check_divergence",
        "check_gradient",
        "check_layer",
    }
