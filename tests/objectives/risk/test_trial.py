"""Mistakes in a user's own parts are named when a risk is made; each gave a wrong number without a word."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest

from xpnet import Dense, Divergence, EmpiricalRisk, Layer, Network, SquaredError


def half_square(xp, y, t):
    return 0.5 * xp.sum((y - t) ** 2, axis=-2)


WRONG_RESULTS = {
    "one number": (lambda xp, y, t: xp.sum((y - t) ** 2), None, "value .* must have shape"),
    "units not summed": (lambda xp, y, t: (y - t) ** 2, None, r"must have shape \(3,\), got \(2, 3\)"),
    "the wrong axis": (lambda xp, y, t: xp.sum(y, axis=-1), None, r"must have shape \(3,\), got \(2,\)"),
    "a Python number": (None, lambda xp, y, t: 1.0, "gradient .* must be an array .* got float"),
    "summed": (None, lambda xp, y, t: xp.sum(y - t, axis=-2), r"must have shape \(2, 3\), got \(3,\)"),
    "64 bits": (None, lambda xp, y, t: xp.where(y > t, 0.3, -0.7), "float32, got ndarray of float64"),
    "complex": (None, lambda xp, y, t: 1j * (y - t), "float32, got ndarray of complex64"),
    "targets": (None, lambda xp, y, t: t, "must be a new array"),
    "outputs": (None, lambda xp, y, t: y, "must be a new array"),
}


@pytest.mark.parametrize("wrong", WRONG_RESULTS)
def test_what_a_divergence_gives_is_looked_at_when_the_risk_is_made(wrong):
    """A gradient that is the targets themselves would be scaled in place, and so the data."""
    value, gradient, message = WRONG_RESULTS[wrong]

    class Own(Divergence):
        def value(self, xp, y, t):
            return (value or half_square)(xp, y, t)

        def value_and_gradient(self, xp, y, t):
            return half_square(xp, y, t), (gradient or (lambda xp, y, t: y - t))(xp, y, t)

    network = Network(3, Dense(2))
    with pytest.raises((TypeError, ValueError), match=message):
        EmpiricalRisk(network, Own(), np.ones((4, 3)), np.ones((4, 2)), backend="numpy")


@dataclass(frozen=True)
class Affine(Layer):
    """Right, but for what is called `wrong`."""

    wrong: str = ""

    def shapes(self, inputs):
        return {"scale": (inputs,), "shift": (inputs,)}

    def initialize(self, random, inputs):
        return {"scale": 1.0}

    def forward(self, xp, parameters, inputs):
        if self.wrong == "inputs written to":
            inputs *= 2.0
        if self.wrong == "no pair":
            return inputs
        outputs = parameters["scale"][..., None] * inputs + parameters["shift"][..., None]
        return outputs[:1, :] if self.wrong == "outputs" else outputs, inputs

    def backward(self, xp, parameters, cache, gradient, accumulate, *, input_gradient=True):
        accumulate.add_sum("scale", gradient * cache)
        if self.wrong != "left out":
            accumulate.add_sum("shft" if self.wrong == "misspelt" else "shift", gradient)
        if self.wrong == "one number":
            accumulate.add("shift", xp.sum(gradient))
        if self.wrong == "summed":
            return xp.sum(gradient, axis=-1, keepdims=True)
        return parameters["scale"][..., None] * gradient if input_gradient else None


WRONG_LAYERS = {
    "inputs written to": "forward must not write to its inputs",
    "no pair": "forward must return a pair",
    "outputs": r"the outputs of layers\[1\], Affine must have shape \(3, 2\), got \(1, 2\)",
    "left out": r"layers\[1\], Affine.backward adds no gradient of 'shift'",
    "misspelt": "backward adds to 'shft', but has",
    "one number": r"backward adds a gradient of shape \(\) to 'shift' of shape \(3,\)",
    "summed": r"the gradient by layers\[1\], Affine.backward must have shape \(3, 2\), got \(3, 1\)",
}


def make(layer):
    network = Network(2, Dense(3, "tanh"), layer)
    return EmpiricalRisk(network, SquaredError(), np.ones((4, 2)), np.ones((4, 3)), backend="numpy")


@pytest.mark.parametrize("wrong", WRONG_LAYERS)
def test_what_a_layer_gives_is_looked_at_when_the_risk_is_made(wrong):
    with pytest.raises((TypeError, ValueError), match=WRONG_LAYERS[wrong]):
        make(Affine(wrong))
    make(Affine())
