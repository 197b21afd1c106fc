"""Parameters: one flat vector, seen through named views; and the numbers that it starts from.

All parameters of a network lie in one contiguous array `w` of shape `(P,)`, or `(R, P)` for `R` replicas
trained at once. A `Layout` says where each named array lies in it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from . import checks
from .device.arrays import Array, Namespace, Vector
from .device.select import backend_of

Shape = tuple[int, ...]

InitializerName = Literal["glorot", "he", "lecun", "zeros"]


class Layout:
    """Where named arrays lie in a flat vector.

    They lie there in the order of `shapes`, each in row-major order, without gaps. Layouts are equal if
    they have the same names and shapes in the same order.

    Attributes:
        shapes: the shape of each name, in order.
        size: the number of parameters, P.

    Raises:
        TypeError: `shapes` is no mapping of names to tuples of integers.
        ValueError: a name that is empty, a length below 1.

    >>> import numpy as np
    >>> from xpnet import Layout
    >>> layout = Layout({"weights": (3, 2), "bias": (3,)})
    >>> layout.size
    9
    >>> layout.views(np.arange(9.0))["bias"].tolist()
    [6.0, 7.0, 8.0]
    """

    def __init__(self, shapes: Mapping[str, Shape]) -> None:
        checks.instance("shapes", shapes, Mapping, "a mapping of names to shapes")
        self.shapes: dict[str, Shape] = {}
        self._places: dict[str, tuple[int, int, Shape]] = {}
        start = 0
        for name, given in shapes.items():
            checks.text("each name in shapes", name)
            if not isinstance(given, tuple | list):
                got = checks.shown(given)
                raise TypeError(f"shape of {name!r} must be a tuple of positive integers, got {got}")
            shape = tuple(checks.count(f"each length in the shape of {name!r}", length) for length in given)
            stop = start + math.prod(shape)
            self.shapes[name], self._places[name] = shape, (start, stop, shape)
            start = stop
        self.size = start

    def views(self, w: Vector, xp: Namespace = None) -> dict[str, Array]:
        """The named arrays in `w`, `(..., P)`: shape `(..., *shape)`, no copy.

        Writing to a view writes to `w`. `xp` is the namespace of `w`, which is found if not given.

        Raises:
            TypeError: `w` is no array.
            ValueError: the last axis of `w` is not `size` long.
        """
        self.check(w)
        if xp is None:
            xp = backend_of(w).xp
        lead = tuple(w.shape[:-1])
        return {
            name: xp.reshape(w[..., start:stop], lead + shape, copy=False)
            for name, (start, stop, shape) in self._places.items()
        }

    def check(self, w: Any, name: str = "w") -> None:
        """Raises unless `w` is an array whose last axis is `size` long.

        Raises:
            TypeError: it has no shape.
            ValueError: its shape is another.
        """
        shape = checks.shape_of(w)
        if shape is None:
            raise TypeError(f"{name} must be an array of {self.size} parameters, got {type(w).__name__}")
        if len(shape) < 1 or shape[-1] != self.size:
            raise ValueError(f"{name} must have {self.size} parameters on its last axis, got shape {shape}")

    def slice(self, name: str) -> slice:
        """The part of the flat vector that holds the array called `name`.

        Raises:
            KeyError: there is none of that name.
        """
        if not isinstance(name, str) or name not in self._places:
            names = ", ".join(self.shapes) or "none"
            raise KeyError(f"there is no parameter {checks.shown(name)}, only {names}")
        start, stop, _ = self._places[name]
        return slice(start, stop)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Layout):
            return NotImplemented
        return list(self.shapes.items()) == list(other.shapes.items())

    def __hash__(self) -> int:
        return hash(tuple(self.shapes.items()))

    def __repr__(self) -> str:
        text = f"Layout({self.shapes})"
        return (
            text if len(text) <= 240 else f"<Layout of {len(self.shapes)} parameters, {self.size} numbers>"
        )


def named_shapes(whose: str, shapes: Any) -> Mapping[str, Any]:
    """The `shapes` of a layer's parameters, by names that are strings; the layout looks at the shapes.

    Raises:
        TypeError, ValueError: something else; an empty name.
    """
    checks.instance(f"shapes of {whose}", shapes, Mapping, "a mapping of names")
    for name in shapes:
        checks.text(f"each name in the shapes of {whose}", name)
    return shapes


@dataclass(frozen=True, repr=False)
class Initializer:
    """Draws the weights that a layer starts from.

    Attributes:
        name: of it in tables; those of the library are what `Dense(initializer=...)` takes.
        draw: `draw(random, shape)`, from a generator with NumPy's interface and a shape
            `(outputs, inputs)` to an array of that shape, or to one number for all weights. To be
            pickled, it must be a function of a module.

    Raises:
        TypeError: `name` is no string, `draw` cannot be called.
    """

    name: str
    draw: Callable[[Any, Shape], Any]

    def __post_init__(self) -> None:
        object.__setattr__(self, "name", checks.text("name", self.name))
        checks.function("draw", self.draw, "a generator and a shape")

    def __str__(self) -> str:
        return self.name

    def __repr__(self) -> str:
        if INITIALIZERS.get(self.name) == self:
            return repr(self.name)
        if isinstance(self.draw, Uniform):
            return f"uniform({self.draw.limit!r})"
        return f"Initializer({self.name!r}, {getattr(self.draw, '__name__', self.draw)})"


def glorot(random: Any, shape: Shape) -> Any:
    """Uniform in +-sqrt(6 / (inputs + outputs)) (Glorot, Bengio 2010); for sigmoid, tanh, softmax."""
    outputs, inputs = shape
    return Uniform(math.sqrt(6.0 / (inputs + outputs)))(random, shape)


def he(random: Any, shape: Shape) -> Any:
    """Normal, variance 2 / inputs (He, Zhang, Ren, Sun 2015); for rectifiers."""
    return random.standard_normal(shape) * math.sqrt(2.0 / shape[1])


def lecun(random: Any, shape: Shape) -> Any:
    """Normal, variance 1 / inputs (LeCun, Bottou, Orr, Mueller 1998); for linear units."""
    return random.standard_normal(shape) * math.sqrt(1.0 / shape[1])


def zeros(random: Any, shape: Shape) -> Any:
    """All zero; for convex problems, where symmetry does no harm."""
    return 0.0 * random.random(shape)


def uniform(limit: float) -> Initializer:
    """Uniform in +-`limit`.

    Raises:
        TypeError, ValueError: `limit` is not a positive finite number.
    """
    limit = checks.number("limit", limit, 0.0, 8e307, open="(")  # twice it is a number too
    return Initializer(f"uniform({limit!r})", Uniform(limit))


@dataclass(frozen=True)
class Uniform:
    limit: float

    def __call__(self, random: Any, shape: Shape) -> Any:
        return random.uniform(-self.limit, self.limit, shape)


INITIALIZERS: dict[str, Initializer] = {
    function.__name__: Initializer(function.__name__, function) for function in (glorot, he, lecun, zeros)
}
