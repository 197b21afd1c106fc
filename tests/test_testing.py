"""The public checks pass what is right and name what is wrong."""

from __future__ import annotations

import numpy as np
import pytest

from xpnet import (
    CrossEntropy,
    Dense,
    ElementwiseActivation,
    Objective,
    Quadratic,
    SquaredError,
    TraceError,
)
from xpnet.layers import ACTIVATIONS
from xpnet.testing import check_activation, check_divergence, check_gradient, check_layer


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


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_activations(name):
    check_activation(ACTIVATIONS[name])
    check_layer(Dense(3, name), 4)
    check_layer(Dense(3, name, bias=False), 4)


def swish(xp, z):
    return z / (1.0 + xp.exp(-z))


def swish_derivative(xp, z):
    y = 1.0 / (1.0 + xp.exp(-z))
    return y * (1.0 + z * (1.0 - y))


def test_own_activations():
    check_activation(ElementwiseActivation("swish", swish, swish_derivative))
    check_layer(Dense(3, ElementwiseActivation("swish", swish, swish_derivative)), 4)
    wrong = ElementwiseActivation("wrong", swish, lambda xp, z: 1.0 / (1.0 + xp.exp(-z)))
    with pytest.raises(AssertionError, match="derivative at"):
        check_activation(wrong)
    with pytest.raises(AssertionError, match="gradient of weights at"):
        check_layer(Dense(3, wrong), 4)
    untraceable = ElementwiseActivation("sorted", lambda xp, z: xp.sort(z), lambda xp, z: z)
    with pytest.raises(TraceError, match=r"xp\.sort"):
        check_activation(untraceable)
    with pytest.raises(ValueError, match="of must be 'input' or 'output', got 'both'"):
        ElementwiseActivation("swish", swish, swish_derivative, of="both")


class Twice:
    """Passes on twice the bias's gradient."""

    def __init__(self, accumulate):
        self.accumulate = accumulate
        self.add_product = accumulate.add_product

    def add_sum(self, name, values):
        self.accumulate.add_sum(name, 2 * values)


class WrongDense(Dense):
    def backward(self, xp, parameters, cache, gradient, accumulate, *, input_gradient=True):
        return super().backward(
            xp, parameters, cache, gradient, Twice(accumulate), input_gradient=input_gradient
        )


def test_a_wrong_layer_is_named():
    with pytest.raises(AssertionError, match="gradient of bias at"):
        check_layer(WrongDense(3, "tanh"), 4)


def test_divergences():
    random = np.random.default_rng(0)
    y, d = 0.2 + 0.8 * random.random((3, 5)), random.random((3, 5))
    check_divergence(SquaredError(), y, d)
    check_divergence(CrossEntropy(), y, d)

    class Wrong(SquaredError):
        def value_and_gradient(self, xp, outputs, targets):
            return self.value(xp, outputs, targets), targets - outputs

    with pytest.raises(AssertionError, match="gradient at"):
        check_divergence(Wrong(), y, d)
