"""The normalization layer: each sample's units brought to mean 0 and variance 1."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from .. import checks
from ..device.arrays import host
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
        checks.number("epsilon", self.epsilon, 0.0, open="(")

    def shapes(self, inputs: int) -> dict[str, tuple[int, ...]]:
        return {"scale": (inputs,), "bias": (inputs,)}

    def initialize(self, random: Any, inputs: int) -> dict[str, Any]:
        return {"scale": host.ones(inputs)}

    def forward(self, xp: Any, parameters: Mapping[str, Any], inputs: Any) -> tuple[Any, Any]:
        centred = inputs - _mean(xp, inputs)
        inverse = 1.0 / xp.sqrt(_mean(xp, centred * centred) + self.epsilon)
        unit = centred * inverse
        outputs = parameters["scale"][..., None] * unit + parameters["bias"][..., None]
        return outputs, (unit, inverse)

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
        unit, inverse = cache
        accumulate.add_sum("scale", gradient * unit)
        accumulate.add_sum("bias", gradient)
        if not input_gradient:
            return None
        du = gradient * parameters["scale"][..., None]
        # what the means take away again
        return (du - _mean(xp, du) - _mean(xp, du * unit) * unit) * inverse


def _mean(xp: Any, values: Any) -> Any:
    """Over the units of each sample, `(..., 1, samples)`."""
    return xp.sum(values, axis=-2, keepdims=True) / values.shape[-2]
