"""Which class a network puts a sample in, and which is its own: what an error rate counts."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from ...device.arrays import Array, Namespace, Units
from ...distributed import Communicator
from ...divergences import Divergence
from ...network import Network
from .data import Data


@dataclass(frozen=True)
class Wrong:
    """Whether each sample is put in another class than its own: `(..., samples)`.

    Attributes:
        exclusive: whether the class is the largest of several units; else each is on one side of a line.
        output, target: those lines, which belong to the lower side.
    """

    exclusive: bool
    output: float
    target: float

    def __call__(self, xp: Namespace, outputs: Units, targets: Units) -> Array:
        if self.exclusive:
            return xp.argmax(outputs, axis=-2) != xp.argmax(targets, axis=-2)
        return xp.any((outputs > self.output) != (targets > self.target), axis=-2)


def wrong(
    network: Network,
    divergence: Divergence,
    logits: bool,
    data: Data,
    walk: Sequence[slice],
    communicator: Communicator,
) -> Wrong:
    """The classes of `data`, which have that `divergence`; with `logits` outputs are those.

    `communicator` are the processes that have them together.

    Raises:
        ValueError: one output, and nothing says where its classes part.
    """
    if network.outputs > 1 and (data.named or divergence.targets != "unit"):
        return Wrong(True, 0.0, 0.0)
    if divergence.targets != "real":
        return Wrong(False, 0.0 if logits else 0.5, 0.5)
    bounds = network.activation.range if network.activation is not None else None
    if bounds is None or not math.isfinite(sum(bounds)):
        bounds = _two_values(data, walk, communicator)
    low, high = bounds
    return Wrong(False, 0.5 * (low + high), 0.5 * (low + high))


def _two_values(data: Data, walk: Sequence[slice], communicator: Communicator) -> tuple[float, float]:
    xp = data.backend.xp

    def ends() -> list[float]:
        return [float(end(own.targets)) for own in data.walk(walk) for end in (xp.min, xp.max)]

    def between() -> bool:
        inside: Any = [xp.any((own.targets > low) & (own.targets < high)) for own in data.walk(walk)]
        return any(map(bool, inside))

    found = [end for own in communicator.each(ends) for end in own]
    low, high = min(found), max(found)
    if low == high or any(communicator.each(between)):
        with communicator.together():  # which says that it comes in all
            raise ValueError(
                "targets must be labels of classes, or of two values, for an error rate of a network whose "
                f"output has no bounds, got numbers from {low:g} to {high:g}"
            )
    return low, high
