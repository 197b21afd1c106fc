"""The dense layer: every output unit sees every input unit."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from .. import checks
from ..device.arrays import Array, Namespace, Units
from ..parameters import INITIALIZERS, Initializer, InitializerName
from ..rules.products import matmul
from .activation import Activation, ElementwiseActivation
from .activations import ACTIVATIONS, ActivationName
from .base import Accumulate, Layer


@dataclass(frozen=True, init=False)
class Dense(Layer):
    """`z = W y + b`, `outputs = f(z)`.

    Attributes:
        units: the number of output units.
        activation: `f`, by name ("identity", "sigmoid", "tanh", "relu", "leaky_relu", "softplus",
            "softmax") or as an `Activation`; kept as an `Activation`.
        bias: whether there is a `b`; it starts at zero.
        initializer: of the weights, by name ("glorot", "he", "lecun", "zeros"), as an `Initializer`
            such as `uniform(0.1)`, or None for the one that suits the activation; kept as an
            `Initializer`.

    Parameters: "weights" `(units, inputs)`, and "bias" `(units,)`. Backward (Rumelhart, Hinton, Williams
    1986): `dz = J_f(z)' dy`, `dW = dz y'`, `db = dz`, summed over samples, and `W' dz` for the layer
    below.

    Raises:
        ValueError: `units` below 1; an unknown activation or initializer.
        TypeError: `units` that are no integer, `bias` that is neither True nor False.
    """

    # narrower than of any layer, which is sound in what is frozen
    units: int  # pyright: ignore[reportIncompatibleVariableOverride]
    activation: Activation  # pyright: ignore[reportIncompatibleVariableOverride]
    bias: bool
    initializer: Initializer

    def __init__(
        self,
        units: int,
        activation: Activation | ActivationName = "identity",
        bias: bool = True,
        initializer: Initializer | InitializerName | None = None,
    ) -> None:
        if not isinstance(activation, Activation):
            activation = ACTIVATIONS[checks.choice("activation", activation, ACTIVATIONS)]
        if not isinstance(initializer, Initializer):
            name = activation.initializer if initializer is None else initializer
            initializer = INITIALIZERS[checks.choice("initializer", name, INITIALIZERS)]
        object.__setattr__(self, "units", checks.count("units", units))
        object.__setattr__(self, "activation", activation)
        object.__setattr__(self, "bias", checks.flag("bias", bias))
        object.__setattr__(self, "initializer", initializer)

    def __repr__(self) -> str:
        text = f"{self.units}, {self.activation!r}{'' if self.bias else ', bias=False'}"
        if self.initializer != INITIALIZERS.get(self.activation.initializer):
            text += f", initializer={self.initializer!r}"
        return f"Dense({text})"

    def shapes(self, inputs: int) -> dict[str, tuple[int, ...]]:
        weights: dict[str, tuple[int, ...]] = {"weights": (self.units, inputs)}
        return weights | {"bias": (self.units,)} if self.bias else weights

    def initialize(self, random: Any, inputs: int) -> dict[str, Any]:
        return {"weights": self.initializer.draw(random, (self.units, inputs))}

    def forward(self, xp: Namespace, parameters: Mapping[str, Array], inputs: Units) -> tuple[Units, Any]:
        z = matmul(xp, parameters["weights"], inputs)
        bias = parameters["bias"][..., None] if self.bias else None
        outputs, cache = self.activation.forward(xp, z, bias)
        return outputs, (inputs, cache)

    def backward(
        self,
        xp: Namespace,
        parameters: Mapping[str, Array],
        cache: Any,
        gradient: Units,
        accumulate: Accumulate,
        *,
        input_gradient: bool = True,
    ) -> Units | None:
        inputs, activation_cache = cache
        total = None
        if self.bias and isinstance(self.activation, ElementwiseActivation):
            dz, total = self.activation.backward_with_sum(xp, activation_cache, gradient)
        else:
            dz = self.activation.backward(xp, activation_cache, gradient)
        accumulate.add_product("weights", dz, inputs.mT)
        if self.bias:
            accumulate.add_sum("bias", dz, total)
        if not input_gradient:
            return None
        weights = parameters["weights"].mT
        return (
            weights * dz if self.units == 1 else matmul(xp, weights, dz)
        )  # outer products are slow in BLAS
