"""Parameters: one flat vector, seen through named views; and the numbers that it starts from.

All parameters of a network lie in one contiguous array `w` of shape `(P,)`, or `(R, P)` for `R` replicas
trained at once. A `Layout` says where each named array lies in it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import array_api_compat

from .device.arrays import Array, Namespace

Shape = tuple[int, ...]


class Layout:
    """Where named arrays lie in a flat vector.

    `Layout({"weights": (3, 2), "bias": (3,)})` lays them out in this order, each in row-major order,
    without gaps: `size` is 9.

    Attributes:
        shapes: the shape of each name, in order.
        size: the number of parameters, P.

    Raises:
        ValueError: a shape with an entry that is not a positive integer.
    """

    def __init__(self, shapes: Mapping[str, Shape]) -> None:
        self.shapes = dict(shapes)
        self._places: list[tuple[str, int, int, Shape]] = []
        start = 0
        for name, shape in self.shapes.items():
            if not all(isinstance(length, int) and length > 0 for length in shape):
                raise ValueError(f"shape of {name!r} must be positive integers, got {shape!r}")
            stop = start + math.prod(shape)
            self._places.append((name, start, stop, tuple(shape)))
            start = stop
        self.size = start

    def views(self, flat: Array, xp: Namespace = None) -> dict[str, Array]:
        """The named arrays in `flat`, `(..., P)`: shape `(..., *shape)`, no copy.

        Writing to a view writes to `flat`.

        Raises:
            ValueError: the last axis of `flat` is not `size` long.
        """
        xp = xp or array_api_compat.array_namespace(flat)
        self.check(flat)
        lead = tuple(flat.shape[:-1])
        return {
            name: xp.reshape(flat[..., start:stop], lead + shape, copy=False)
            for name, start, stop, shape in self._places
        }

    def check(self, flat: Any, name: str = "w") -> None:
        """Raises ValueError unless the last axis of `flat` is `size` long."""
        if flat.ndim < 1 or flat.shape[-1] != self.size:
            raise ValueError(
                f"{name} must have {self.size} parameters on its last axis, got shape {tuple(flat.shape)}"
            )

    def slice(self, name: str) -> slice:
        """The part of the flat vector that holds the array called `name`."""
        for own, start, stop, _ in self._places:
            if own == name:
                return slice(start, stop)
        raise KeyError(name)

    def __repr__(self) -> str:
        return f"Layout({self.shapes})"


@dataclass(frozen=True)
class Initializer:
    """Draws the weights that a layer starts from.

    Attributes:
        name: as `Dense(initializer=...)` takes it.
        draw: from a generator with NumPy's interface and a shape `(outputs, inputs)` to an array.
    """

    name: str
    draw: Callable[[Any, Shape], Any]

    def __repr__(self) -> str:
        return self.name


def glorot(random: Any, shape: Shape) -> Any:
    """Uniform in +-sqrt(6 / (inputs + outputs)) (Glorot, Bengio 2010); for sigmoid, tanh, softmax."""
    outputs, inputs = shape
    return _uniform(random, shape, math.sqrt(6.0 / (inputs + outputs)))


def he(random: Any, shape: Shape) -> Any:
    """Normal, variance 2 / inputs (He, Zhang, Ren, Sun 2015); for rectifiers."""
    return random.standard_normal(shape) * math.sqrt(2.0 / shape[1])


def lecun(random: Any, shape: Shape) -> Any:
    """Normal, variance 1 / inputs (LeCun, Bottou, Orr, Mueller 1998); for linear units."""
    return random.standard_normal(shape) * math.sqrt(1.0 / shape[1])


def uniform(limit: float) -> Initializer:
    """Uniform in +-`limit`.

    Raises:
        ValueError: `limit` is not a positive finite number.
    """
    if not (isinstance(limit, int | float) and 0 < limit < math.inf):
        raise ValueError(f"limit must be a positive number, got {limit!r}")
    return Initializer(f"uniform({limit:g})", lambda random, shape: _uniform(random, shape, limit))


def zeros(random: Any, shape: Shape) -> Any:
    """All zero; for convex problems, where symmetry does no harm."""
    return 0.0 * random.random(shape)


def _uniform(random: Any, shape: Shape, limit: float) -> Any:
    return random.uniform(-limit, limit, shape)


INITIALIZERS = {
    function.__name__: Initializer(function.__name__, function) for function in (glorot, he, lecun, zeros)
}
