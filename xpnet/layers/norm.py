"""The normalization layer: each sample's units brought to mean 0 and variance 1."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from .. import checks
from ..device.arrays import Array, Namespace, Units
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
        centred = inputs - _mean(xp, inputs)
        inverse = 1.0 / xp.sqrt(_mean(xp, centred * centred) + self.epsilon)
        unit = centred * inverse
        outputs = parameters["scale"][..., None] * unit + parameters["bias"][..., None]
        return outputs, (unit, inverse)

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
        accumulate.add_sum("scale", gradient * unit)
        accumulate.add_sum("bias", gradient)
        if not input_gradient:
            return None
        du = gradient * parameters["scale"][..., None]
        # what the means take away again
        return (du - _mean(xp, du) - _mean(xp, du * unit) * unit) * inverse


def _mean(xp: Namespace, values: Units) -> Units:
    """Over the units of each sample, `(..., 1, samples)`."""
    return xp.sum(values, axis=-2, keepdims=True) / values.shape[-2]
