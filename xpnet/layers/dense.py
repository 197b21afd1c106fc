"""The dense layer: every output unit sees every input unit."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from .. import checks
from ..parameters import INITIALIZERS, Initializer
from .activations import ACTIVATIONS, Activation
from .base import Accumulate, Layer


@dataclass(frozen=True)
class Dense(Layer):
    """`z = W y + b`, `outputs = f(z)`.

    Attributes:
        units: the number of output units.
        activation: `f`, by name ("identity", "sigmoid", "tanh", "relu", "leaky_relu", "softplus",
            "softmax") or as an `Activation`.
        bias: whether there is a `b`; it starts at zero.
        initializer: of the weights, by name ("glorot", "he", "lecun", "zeros"), as an `Initializer`
            such as `uniform(0.1)`, or None for the one that suits the activation.

    Backward (Rumelhart, Hinton, Williams 1986): `dz = J_f(z)' dy`, `dW = dz y'`, `db = dz`, summed
    over samples, and `W' dz` for the layer below.

    Raises:
        ValueError: `units` below 1; an unknown activation or initializer.
        TypeError: `units` or `activation` of another type.
    """

    units: int
    activation: Any = "identity"
    bias: bool = True
    initializer: Any = None

    def __post_init__(self) -> None:
        checks.count("units", self.units)
        activation, initializer = self.activation, self.initializer
        if not isinstance(activation, Activation):
            activation = ACTIVATIONS[checks.choice("activation", activation, ACTIVATIONS)]
            object.__setattr__(self, "activation", activation)
        if not isinstance(initializer, Initializer):
            name = checks.choice("initializer", initializer or activation.initializer, INITIALIZERS)
            object.__setattr__(self, "initializer", INITIALIZERS[name])

    def shapes(self, inputs: int) -> dict[str, tuple[int, ...]]:
        weights = {"weights": (self.units, inputs)}
        return weights | {"bias": (self.units,)} if self.bias else weights

    def initialize(self, random: Any, inputs: int) -> dict[str, Any]:
        return {"weights": self.initializer.draw(random, (self.units, inputs))}

    def forward(self, xp: Any, parameters: Mapping[str, Any], inputs: Any) -> tuple[Any, Any]:
        z = parameters["weights"] @ inputs
        bias = parameters["bias"][..., None] if self.bias else None
        outputs, cache = self.activation.forward(xp, z, bias)
        return outputs, (inputs, cache)

    def backward(
        self,
        xp: Any,
        parameters: Mapping[str, Any],
        cache: Any,
        gradient: Any,
        accumulate: Accumulate,
        *,
        input_gradient: bool = True,
    ) -> Any:
        inputs, activation_cache = cache
        dz = self.activation.backward(xp, activation_cache, gradient)
        accumulate.add_product("weights", dz, inputs.mT)
        if self.bias:
            accumulate.add_sum("bias", dz)
        if not input_gradient:
            return None
        weights = parameters["weights"].mT
        return weights * dz if self.units == 1 else weights @ dz  # outer products are slow in BLAS
