"""The dropout layer: in training, some units of each sample are left out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from .. import checks
from ..device.arrays import Array, Namespace, Units, host_generator
from .base import Accumulate, RandomLayer


@dataclass(frozen=True)
class Dropout(RandomLayer):
    """Outputs `y mask`; a mask holds `1 / (1 - rate)`, and 0 with probability `rate`, so its mean is 1.

    N. Srivastava, G. Hinton, A. Krizhevsky, I. Sutskever, R. Salakhutdinov, "Dropout", 2014. The mask is
    handed to `forward` among the parameters, as "mask"; without one, as in `Network.predict`, the outputs
    are the inputs.

    Whether a unit of a sample is left out depends on nothing but `seed`, the layer's place in the network,
    the numbers of the unit, the sample, and the draw: not on chunks, threads, or the backend. So a risk
    with dropout is a function of `w` like any other, which line searches and Hessian products need.
    `Minibatch` takes a new draw of the masks in each epoch.

    Attributes:
        rate: the probability that a unit is left out, in [0, 1).
        seed: of the masks.

    Raises:
        TypeError, ValueError: a setting outside its range.
    """

    rate: float = 0.5
    seed: int = 0

    def __post_init__(self) -> None:
        object.__setattr__(self, "rate", checks.number("rate", self.rate, 0.0, 1.0, open=")"))
        object.__setattr__(self, "seed", checks.seed("seed", self.seed))

    def shapes(self, inputs: int) -> dict[str, tuple[int, ...]]:
        return {}

    def initialize(self, random: Any, inputs: int) -> dict[str, Any]:
        return {}

    def draws(
        self, xp: Namespace, inputs: int, samples: Any, dtype: Any, *, place: int, draw: int
    ) -> dict[str, Array]:
        return {"mask": self.mask(xp, inputs, samples, dtype, place=place, draw=draw)}

    def mask(
        self, xp: Namespace, units: int, samples: Any, dtype: Any, *, place: int = 0, draw: int = 0
    ) -> Array:
        """The mask of some samples, `(units, samples)`.

        Args:
            xp: the namespace.
            units: the number of units.
            samples: the numbers of the samples, `(samples,)`, uint32.
            dtype: of the mask.
            place: of the layer in its network.
            draw: the number of the draw.
        """
        keys = host_generator((self.seed, place, draw)).integers(2**32, size=2)
        numbers = xp.arange(units, dtype=xp.uint32, device=samples.device)
        rows, columns = (_mix(x ^ int(key)) for x, key in zip((numbers, samples), keys, strict=True))
        kept = _mix(rows[:, None] ^ columns) >= min(round(self.rate * 2**32), 2**32 - 1)
        return xp.astype(kept, dtype) * (1.0 / (1.0 - self.rate))

    def forward(self, xp: Namespace, parameters: Mapping[str, Array], inputs: Units) -> tuple[Units, Any]:
        mask = parameters.get("mask")
        return (inputs, None) if mask is None else (inputs * mask, mask)

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
        if not input_gradient:
            return None
        return gradient if cache is None else gradient * cache


def _mix(x: Any) -> Any:
    """A permutation of the 32-bit integers that looks random (C. Wellons, "hash prospector", 2018)."""
    x = (x ^ (x >> 16)) * 0x7FEB352D
    x = (x ^ (x >> 15)) * 0x846CA68B
    return x ^ (x >> 16)
