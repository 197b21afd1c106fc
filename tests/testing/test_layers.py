"""The check of layers passes what is right and names what is wrong."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest

from xpnet import Dense, Dropout, ElementwiseActivation, Layer, LayerNorm
from xpnet.dual import value_of
from xpnet.layers import ACTIVATIONS
from xpnet.testing import check_layer


@pytest.mark.parametrize("name", ACTIVATIONS)
@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("units", [3, 1])
def test_layers(name, bias, units):
    check_layer(Dense(units, name, bias=bias), 4)


def test_own_activations():
    def swish(xp, z):
        return z / (1.0 + xp.exp(-z))

    def swish_derivative(xp, z):
        y = 1.0 / (1.0 + xp.exp(-z))
        return y * (1.0 + z * (1.0 - y))

    check_layer(Dense(3, ElementwiseActivation("swish", swish, swish_derivative)), 4)
    wrong = ElementwiseActivation("wrong", swish, lambda xp, z: 1.0 / (1.0 + xp.exp(-z)))
    with pytest.raises(AssertionError, match="gradient of weights at"):
        check_layer(Dense(3, wrong), 4)


@pytest.mark.parametrize("layer", [Dropout(0.3), LayerNorm(), LayerNorm(0.5)], ids=str)
@pytest.mark.parametrize("samples", [1, 6])
def test_the_other_layers(layer, samples):
    check_layer(layer, 5, samples=samples)


class Twice:
    """Passes on twice the bias's gradient."""

    def __init__(self, accumulate):
        self.accumulate = accumulate
        self.add_product = accumulate.add_product

    def add_sum(self, name, values, total=None):
        self.accumulate.add_sum(name, 2 * values)


class WrongDense(Dense):
    def backward(self, xp, parameters, cache, gradient, accumulate, *, input_gradient=True):
        return super().backward(
            xp, parameters, cache, gradient, Twice(accumulate), input_gradient=input_gradient
        )


def test_a_wrong_layer_is_named():
    with pytest.raises(AssertionError, match="gradient of bias at"):
        check_layer(WrongDense(3, "tanh"), 4)


@dataclass(frozen=True)
class Scale(Layer):
    """As in the docstring of `Layer`, with one mistake."""

    mistake: str = ""

    def shapes(self, inputs):
        return {"scale": (inputs,)}

    def initialize(self, random, inputs):
        return {"scale": 1.0}

    def forward(self, xp, parameters, inputs):
        scale = parameters["scale"][..., None]
        if self.mistake == "replica":
            scale = scale if scale.ndim == 2 else scale[::-1]
        if self.mistake == "parameter":
            parameters["scale"][...] = 0.0
        outputs = (value_of(scale) if self.mistake == "outputs" else scale) * inputs
        return (outputs[..., :1, :] if self.mistake == "shape" else outputs), inputs

    def backward(self, xp, parameters, cache, gradient, accumulate, *, input_gradient=True):
        own = value_of(cache) if self.mistake == "cache" else cache
        if self.mistake == "twice":
            accumulate.add_sum("scale", gradient * own)
        if self.mistake != "none":
            accumulate.add_sum("scale", gradient * own)
        if self.mistake == "overwritten":
            cache *= 2.0
        scale = parameters["scale"][..., None]
        if not input_gradient and self.mistake != "always":
            return None
        return (value_of(scale) if self.mistake == "inputs" else scale) * gradient


@pytest.mark.parametrize(
    ("mistake", "message"),
    [
        ("outputs", "derivative of the outputs by dual numbers at"),
        ("cache", "derivative of the gradient of scale by dual numbers at"),
        ("inputs", "derivative of the gradient of the inputs by dual numbers at"),
        ("replica", "outputs are others among replicas"),
        ("parameter", "writes to an array that it was given"),
        ("overwritten", "writes to an array that it was given"),
        ("shape", r"outputs have shape \(1, 6\)"),
        ("twice", "the gradient of scale is given twice"),
        ("none", r"gradients are given of \[\], the parameters are \['scale'\]"),
        ("always", "input_gradient=False still returns a gradient"),
    ],
)
def test_mistakes_are_named(mistake, message):
    with pytest.raises(AssertionError, match=message):
        check_layer(Scale(mistake), 4)


def test_the_layer_of_the_docstring_passes():
    check_layer(Scale(), 4)


class Uneven(Dropout):
    """Draws what depends on how many samples are drawn at once."""

    def draws(self, xp, inputs, samples, dtype, *, place, draw):
        return {"mask": 1.0 * xp.arange(samples.shape[0], dtype=dtype) + xp.zeros((inputs, 1))}


def test_draws_depend_on_the_samples_alone():
    with pytest.raises(AssertionError, match="mask depends on which samples are drawn together"):
        check_layer(Uneven(), 4)


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"layer": "Dense"}, TypeError, r"layer must be a Layer such as Dense\(3\), got 'Dense'"),
        ({"layer": Dense}, TypeError, "layer must be a Layer such as"),
        ({"inputs": 0}, ValueError, "inputs must be at least 1, got 0"),
        ({"inputs": 2.5}, TypeError, "inputs must be an integer, got 2.5"),
        ({"samples": -1}, ValueError, "samples must be at least 1, got -1"),
        ({"seed": "a"}, TypeError, "seed must be an integer, got 'a'"),
        ({"tolerance": np.nan}, ValueError, "tolerance must be in "),
    ],
)
def test_bad_arguments(arguments, error, message):
    with pytest.raises(error, match=message):
        check_layer(**{"layer": Dense(2), "inputs": 3} | arguments)
