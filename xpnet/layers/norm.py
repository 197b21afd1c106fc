"""The normalization layer: each sample's units brought to mean 0 and variance 1."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from .. import checks
from ..device.arrays import Array, Namespace, Units
from ..rules import samplewise
from .base import Accumulate, Layer


@dataclass(frozen=True)
class LayerNorm(Layer):
    """`u = (y - mean y) / sqrt(var y + epsilon)` over the units of each sample, outputs `scale u + bias`.

    J. L. Ba, J. R. Kiros, G. E. Hinton, "Layer normalization", 2016; as PyTorch's LayerNorm, with the
    variance `mean (y - mean y)^2`. `scale` starts at one and `bias` at zero, one of each for every unit;
    penalties leave both out unless they include the biases.

    There is no batch normalization: it makes a sample's output depend on all other samples, so that the
    risk is no sum over samples any more, which chunks, threads, and exact derivatives rest on. Over the
    full batch, standardising the inputs and a suitable initializer do most of what it is used for.

    Attributes:
        epsilon: keeps the root from zero, positive.

    Raises:
        TypeError, ValueError: `epsilon` is not a positive number.
    """

    epsilon: float = 1e-5

    def __post_init__(self) -> None:
        object.__setattr__(self, "epsilon", checks.number("epsilon", self.epsilon, 0.0, open="("))

    def shapes(self, inputs: int) -> dict[str, tuple[int, ...]]:
        return {"scale": (inputs,), "bias": (inputs,)}

    def initialize(self, random: Any, inputs: int) -> dict[str, Any]:
        return {"scale": 1.0}

    def forward(self, xp: Namespace, parameters: Mapping[str, Array], inputs: Units) -> tuple[Units, Any]:
        scale, bias, units = parameters["scale"][..., None], parameters["bias"][..., None], inputs.shape[-2]
        outputs, unit, inverse = layer_norm(xp, inputs, scale, bias, units=units, epsilon=self.epsilon)
        return outputs, (unit, inverse[..., None, :])

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
        unit, inverse = cache
        accumulate.add_sum("bias", gradient)
        if not input_gradient:
            accumulate.add_sum("scale", gradient * unit)
            return None
        scale, units = parameters["scale"][..., None], gradient.shape[-2]
        (back, change), total = layer_norm_backward.compute_with_sum(
            xp, unit, inverse, gradient, scale, units=units
        )
        accumulate.add_sum("scale", change, total)
        return back


@samplewise
def layer_norm(xp: Any, inputs: Any, scale: Any, bias: Any, *, units: Any, epsilon: Any) -> Any:
    """The outputs, `u`, and for each sample the inverse of the root."""
    centred = inputs - xp.sum(inputs, axis=-2, keepdims=True) / units
    inverse = 1.0 / xp.sqrt(xp.sum(centred * centred, axis=-2, keepdims=True) / units + epsilon)
    unit = centred * inverse
    return scale * unit + bias, unit, xp.squeeze(inverse, axis=-2)


@samplewise
def layer_norm_backward(xp: Any, unit: Any, inverse: Any, gradient: Any, scale: Any, *, units: Any) -> Any:
    """The gradient with respect to the inputs, and what each sample adds to that of the scale."""
    du = gradient * scale
    taken = xp.sum(du, axis=-2, keepdims=True) + unit * xp.sum(du * unit, axis=-2, keepdims=True)
    return (du - taken / units) * inverse, gradient * unit
