"""Which class a classifier with two inputs gives to each point of the plane, and how clearly."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from .. import checks
from ..device.arrays import Array, Vector
from ..device.select import backend, backend_of
from ..network import Network

MARGIN = 0.1  # of the samples' extent, left free around them


@dataclass(frozen=True, eq=False, repr=False)
class Regions:
    """The outputs of a network with two inputs on a grid, and the classes that they stand for.

    Attributes:
        x, y: the grid: of the first input `(columns,)`, of the second `(rows,)`, ascending.
        outputs: of the network there, `(rows, columns, outputs)`, in float64.
        labels: the class, `(rows, columns)`, integers: the largest output; of a network with one output 1
            where it is above `threshold` and 0 elsewhere.
        classes: how many there can be.
        threshold: of a network with one output, otherwise None.
    """

    x: Array
    y: Array
    outputs: Array
    labels: Array
    classes: int
    threshold: float | None

    @property
    def leads(self) -> Array:
        """How far each class is ahead, `(rows, columns, outputs)`, 0 on its boundary: its output less the
        largest of the others; of a network with one output that less the threshold."""
        if self.threshold is not None:
            return self.outputs - self.threshold
        xp = backend("numpy").xp
        ordered = xp.sort(self.outputs, axis=-1)
        first, second = ordered[..., -1:], ordered[..., -2:-1]
        own = xp.arange(self.classes) == self.labels[..., None]
        return self.outputs - xp.where(own, second, first)

    def __repr__(self) -> str:
        return f"Regions({self.classes} classes, {self.x.size} x {self.y.size} points)"


def decision_regions(
    network: Network,
    w: Vector,
    limits: tuple[tuple[float, float], tuple[float, float]] | None = None,
    *,
    X: Any = None,
    points: int = 201,
    threshold: float | None = None,
) -> Regions:
    """The classes that a network gives to a grid of `points` by `points` of its two inputs.

    A linear unit, such as the `w` of a `ThresholdUnit` with two features, is `Network(2, Dense(1))`.

    Args:
        network: with two inputs.
        w: its parameters, `(P,)`.
        limits: `((x0, x1), (y0, y1))`; if not given, what holds the samples `X` with a margin.
        X: samples, `(samples, 2)`.
        points: along each axis, at least 2.
        threshold: of a network with one output; by default 0.5 where that is a sigmoid, otherwise 0.

    Raises:
        TypeError, ValueError: an argument of the wrong kind, shape or range; a network that has not two
            inputs; not one of limits and samples; a threshold where there are several outputs; `w` not
            finite.
        MemoryError: so many points would not fit.

    >>> import numpy as np
    >>> from xpnet import Dense, Network
    >>> from xpnet.analysis import decision_regions
    >>> unit = Network(2, Dense(1))
    >>> decision_regions(unit, np.array([1.0, 1.0, -1.0]), ((0, 1), (0, 1)), points=2).labels.tolist()
    [[0, 0], [0, 1]]
    """
    checks.instance("network", network, Network, "a Network")
    if network.inputs != 2:
        raise ValueError(f"network must have 2 inputs for a picture, got {network.inputs}")
    there = backend_of(w)
    network.layout.check(w)
    if w.ndim != 1:
        raise ValueError(f"w must be (P,), one network, got shape {tuple(w.shape)}")
    count = checks.count("points", points, 2)
    if network.outputs > 1 and threshold is not None:
        raise ValueError(f"threshold must be left out where there are {network.outputs} outputs")
    if threshold is not None:
        threshold = checks.number("threshold", threshold)
    elif network.outputs == 1:
        threshold = 0.5 if str(network.activation) == "sigmoid" else 0.0
    pairs = _limits(limits, X)
    host = backend("numpy")
    host.require_room("points", count, (3 * network.outputs + 5) * count * count)
    xp = host.xp
    x, y = xp.linspace(*pairs[0], count), xp.linspace(*pairs[1], count)
    grid = xp.reshape(xp.stack(xp.meshgrid(x, y, indexing="xy"), axis=-1), (-1, 2))
    outputs = host.asarray(there.to_numpy(network.predict(w, grid)), "float64")
    outputs = xp.reshape(outputs, (count, count, network.outputs))
    checks.finite(xp, "the outputs within limits", outputs)
    if threshold is not None:
        return Regions(x, y, outputs, xp.astype(outputs[..., 0] > threshold, xp.int64), 2, threshold)
    return Regions(x, y, outputs, xp.argmax(outputs, axis=-1), network.outputs, None)


def _limits(limits: Any, X: Any) -> list[tuple[float, float]]:
    if (limits is None) == (X is None):
        got = "None" if X is None else "both"
        raise ValueError(f"limits must be given, or samples X that they are to hold, got {got}")
    if limits is not None:
        return [*checks.rectangle("limits", limits)]
    host = backend("numpy")
    xp, samples = host.xp, host.asarray(X, "float64", name="X")
    if samples.ndim != 2 or samples.shape[1] != 2 or not samples.size:
        raise ValueError(f"X must be (samples, 2) and not empty, got shape {tuple(samples.shape)}")
    checks.finite(xp, "X", samples)
    ends = [(float(xp.min(samples[:, k])), float(xp.max(samples[:, k]))) for k in (0, 1)]
    free = [MARGIN * ((high - low) or 1.0) for low, high in ends]
    return [(low - own, high + own) for (low, high), own in zip(ends, free, strict=True)]
