"""What an activation is; and one that acts on each unit alone, from its function and its derivative.

An elementwise activation is two elementwise rules. From them come the two kernels that a layer runs:
bias and function in one, and the derivative times the gradient that comes back in the other.
"""

from __future__ import annotations

import functools
import math
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, field, fields
from typing import Any, Literal, NamedTuple

from .. import checks
from ..device.arrays import Namespace, Units
from ..parameters import INITIALIZERS, InitializerName
from ..rules import Elementwise, elementwise

Range = tuple[float, float]

REAL: Range = (-math.inf, math.inf)
POSITIVE: Range = (0.0, math.inf)
UNIT: Range = (0.0, 1.0)


class Activation(ABC):
    """The function `y = f(z + bias)` at the end of a layer; `z` is `(..., units, samples)`.

    Attributes:
        name: how it is called in tables and messages.
        initializer: the weights' initializer that suits it, by name.
        range: the least and the largest that an output may be, both included; None where it is not
            known. A divergence such as `BinaryCrossEntropy` takes outputs of a known range only.
        distribution: whether the outputs of a sample sum to 1 over the units, as those of softmax do. A
            divergence of distributions such as `CrossEntropy` takes no others.
    """

    name: str
    initializer: InitializerName = "glorot"
    range: Range | None = None
    distribution: bool = False

    @abstractmethod
    def forward(self, xp: Namespace, z: Units, bias: Units | None) -> tuple[Units, Any]:
        """`f(z + bias)` and what `backward` needs; may overwrite `z`.

        `bias` is `(..., units, 1)`, or None for none.
        """

    @abstractmethod
    def backward(self, xp: Namespace, cache: Any, gradient: Units) -> Units:
        """The gradient with respect to `z`: the Jacobian's transpose times `gradient`."""

    def __str__(self) -> str:
        return self.name


class Rules(NamedTuple):
    """The elementwise rules of an activation: `(z)`, `(z, bias)`, and `(cache, gradient)`."""

    plain: Elementwise
    biased: Elementwise
    backward: Elementwise


@dataclass(frozen=True, repr=False)
class ElementwiseActivation(Activation):
    """An activation that acts on each unit alone.

    Attributes:
        name: how it is called in tables and messages.
        function: `f(xp, z)`, a function that `@elementwise` can trace.
        derivative: `f'` as a function `(xp, z)` of the input or `(xp, y)` of the output.
        of: "input" or "output": what `derivative` takes. "output" saves memory and is often shorter.
        initializer: the weights' initializer that suits it: "glorot", "he", "lecun" or "zeros".
        range: the least and the largest that an output may be, both included, such as `(0.0, 1.0)`;
            None if it is not known: then it cannot be the last activation below a divergence that
            takes outputs of some range only, such as `BinaryCrossEntropy`.

    A user's own activation:

    >>> from xpnet import Dense
    >>> from xpnet.testing import check_activation
    >>> def function(xp, z):
    ...     return z / (1.0 + xp.exp(-z))
    >>> def derivative(xp, z):
    ...     y = 1.0 / (1.0 + xp.exp(-z))
    ...     return y * (1.0 + z * (1.0 - y))
    >>> swish = ElementwiseActivation("swish", function, derivative)
    >>> check_activation(swish)
    >>> layer = Dense(20, swish)

    Activations are equal if their settings are, functions being equal to themselves only: one that is
    called "sigmoid" is not the library's. To be pickled, the functions must be those of a module.

    Raises:
        TypeError: a name that is no string, functions that cannot be called, a range that is no pair
            of numbers.
        ValueError: an unknown `of` or `initializer`, an empty name or range.
    """

    name: str
    function: Callable[[Any, Any], Any]
    derivative: Callable[[Any, Any], Any]
    of: Literal["input", "output"] = field(default="input", kw_only=True)
    initializer: InitializerName = field(default="glorot", kw_only=True)
    range: Range | None = field(default=None, kw_only=True)
    _text: str = field(default="", init=False, compare=False)  # how it is written, if not by its settings

    def __post_init__(self) -> None:
        object.__setattr__(self, "name", checks.text("name", self.name))
        for name in ("function", "derivative"):
            checks.function(name, getattr(self, name), "xp and an array")
        if not isinstance(self.of, str) or self.of not in ("input", "output"):
            raise ValueError(f"of must be 'input' or 'output', got {checks.shown(self.of)}")
        initializer = checks.choice("initializer", self.initializer, INITIALIZERS)
        object.__setattr__(self, "initializer", initializer)
        if self.range is not None:
            object.__setattr__(self, "range", _interval("range", self.range))

    @functools.cached_property
    def rules(self) -> Rules:
        """The elementwise rules that `forward` without and with a bias and `backward` run."""
        forward, backward = f"{self.name}_forward", f"{self.name}_backward"
        return Rules(
            elementwise(_Forward(forward, self.function, self.of)),
            elementwise(_BiasedForward(forward, self.function, self.of)),
            elementwise(_Backward(backward, self.derivative)),
        )

    def check_traceable(self) -> None:
        """Raises TraceError unless function and derivative can become kernels."""
        for rule in self.rules:
            rule.graph  # noqa: B018

    def forward(self, xp: Namespace, z: Units, bias: Units | None) -> tuple[Units, Any]:
        rules = self.rules
        rule, arrays = (rules.plain, (z,)) if bias is None else (rules.biased, (z, bias))
        if self.of == "output":
            y = rule.reuse(xp, *arrays)
            return y, y
        return rule.compute(xp, *arrays)

    def backward(self, xp: Namespace, cache: Any, gradient: Units) -> Units:
        return self.rules.backward.compute(xp, cache, gradient)

    def backward_with_sum(self, xp: Namespace, cache: Any, gradient: Units) -> tuple[Units, Any]:
        """As `backward`, with its sum over the samples; None for that if it is no by-product."""
        return self.rules.backward.compute_with_sum(xp, cache, gradient)

    def __getstate__(self) -> dict[str, Any]:
        return {own.name: getattr(self, own.name) for own in fields(self)}  # without the rules

    def __repr__(self) -> str:
        if self._text:
            return self._text
        functions = [getattr(f, "__name__", repr(f)) for f in (self.function, self.derivative)]
        text = ", ".join([repr(self.name), *functions])
        for name, usual in (("of", "input"), ("initializer", "glorot"), ("range", None)):
            if getattr(self, name) != usual:
                text += f", {name}={getattr(self, name)!r}"
        return f"ElementwiseActivation({text})"


def written(text: str, activation: ElementwiseActivation) -> ElementwiseActivation:
    """`activation`, which has just been made, with `text` for its representation."""
    object.__setattr__(activation, "_text", text)
    return activation


@dataclass(frozen=True)
class _Named:
    """A rule's function that calls another; it can be compared and pickled as that can."""

    name: str
    function: Callable[[Any, Any], Any]

    @property
    def __name__(self) -> str:
        return self.name


@dataclass(frozen=True)
class _Forward(_Named):
    of: str

    def __call__(self, xp: Any, z: Any) -> Any:
        y = self.function(xp, z)
        return y if self.of == "output" else (y, z)


@dataclass(frozen=True)
class _BiasedForward(_Named):
    of: str

    def __call__(self, xp: Any, z: Any, bias: Any) -> Any:
        z = z + bias
        y = self.function(xp, z)
        return y if self.of == "output" else (y, z)


@dataclass(frozen=True)
class _Backward(_Named):
    def __call__(self, xp: Any, cache: Any, gradient: Any) -> Any:
        return gradient * self.function(xp, cache)


def _interval(name: str, value: Any) -> Range:
    """`value` as the ends of an interval, which may be infinite."""
    ends: list[Any] = list(value) if type(value) in (tuple, list) else []
    if len(ends) != 2:
        raise TypeError(f"{name} must be a pair of numbers such as (0.0, 1.0), got {checks.shown(value)}")
    low, high = (checks.number(f"each end of {name}", end, infinite=True) for end in ends)
    if not low < high:
        raise ValueError(f"{name} must go from the least to the largest output, got {checks.shown(value)}")
    return low, high
