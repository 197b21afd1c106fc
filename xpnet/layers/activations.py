"""Activations, each from its function and its derivative.

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
from ..rules import Elementwise, elementwise, samplewise

ActivationName = Literal["identity", "sigmoid", "tanh", "relu", "leaky_relu", "softplus", "softmax"]
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
            known. A divergence such as `CrossEntropy` takes outputs of a known range only.
    """

    name: str
    initializer: InitializerName = "glorot"
    range: Range | None = None

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

    def __repr__(self) -> str:
        # as a layer takes it
        return repr(self.name) if ACTIVATIONS.get(self.name) == self else f"{type(self).__name__}()"


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
            takes outputs of some range only, such as `CrossEntropy`.

    A user's own activation, checked by `xpnet.testing.check_activation(swish)`:

        def function(xp, z):
            return z / (1.0 + xp.exp(-z))

        def derivative(xp, z):
            y = 1.0 / (1.0 + xp.exp(-z))
            return y * (1.0 + z * (1.0 - y))

        swish = ElementwiseActivation("swish", function, derivative)
        Dense(20, swish)

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
    _text: str = field(default="", kw_only=True, compare=False)  # how the library's own are made

    def __post_init__(self) -> None:
        if not isinstance(self.name, str):
            raise TypeError(f"name must be a string, got {self.name!r}")
        if not self.name:
            raise ValueError("name must not be empty")
        for name in ("function", "derivative"):
            if not callable(getattr(self, name)):
                raise TypeError(
                    f"{name} must be a function of xp and an array, got {getattr(self, name)!r}"
                )
        if self.of not in ("input", "output"):
            raise ValueError(f"of must be 'input' or 'output', got {self.of!r}")
        checks.choice("initializer", self.initializer, INITIALIZERS)
        if self.range is not None:
            object.__setattr__(self, "range", _interval("range", self.range))

    @functools.cached_property
    def rules(self) -> Rules:
        """The elementwise rules that `forward` without and with a bias and `backward` run."""
        parts = (_output, _biased_output) if self.of == "output" else (_both, _biased_both)
        plain, biased = (_rule(f"{self.name}_forward", part, self.function) for part in parts)
        return Rules(plain, biased, _rule(f"{self.name}_backward", _backward, self.derivative))

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

    def __getstate__(self) -> dict[str, Any]:
        return {own.name: getattr(self, own.name) for own in fields(self)}  # without the rules

    def __repr__(self) -> str:
        if ACTIVATIONS.get(self.name) == self:
            return repr(self.name)
        if self._text:
            return self._text
        functions = [getattr(f, "__name__", repr(f)) for f in (self.function, self.derivative)]
        text = ", ".join([repr(self.name), *functions])
        for name, usual in (("of", "input"), ("initializer", "glorot"), ("range", None)):
            if getattr(self, name) != usual:
                text += f", {name}={getattr(self, name)!r}"
        return f"ElementwiseActivation({text})"


def _rule(name: str, part: Callable[..., Any], function: Callable[[Any, Any], Any]) -> Elementwise:
    rule = functools.partial(part, function)
    vars(rule)["__name__"] = name
    return elementwise(rule)


def _output(function: Callable[[Any, Any], Any], xp: Any, z: Any) -> Any:
    return function(xp, z)


def _biased_output(function: Callable[[Any, Any], Any], xp: Any, z: Any, bias: Any) -> Any:
    return function(xp, z + bias)


def _both(function: Callable[[Any, Any], Any], xp: Any, z: Any) -> Any:
    return function(xp, z), z


def _biased_both(function: Callable[[Any, Any], Any], xp: Any, z: Any, bias: Any) -> Any:
    z = z + bias
    return function(xp, z), z


def _backward(derivative: Callable[[Any, Any], Any], xp: Any, cache: Any, gradient: Any) -> Any:
    return gradient * derivative(xp, cache)


def _interval(name: str, value: Any) -> Range:
    """`value` as the ends of an interval, which may be infinite."""
    ends: list[Any] = list(value) if type(value) in (tuple, list) else []
    if len(ends) != 2:
        raise TypeError(f"{name} must be a pair of numbers such as (0.0, 1.0), got {value!r}")
    low, high = (
        end if end in (-math.inf, math.inf) else checks.number(f"each end of {name}", end) for end in ends
    )
    if not low < high:
        raise ValueError(f"{name} must go from the least to the largest output, got {value!r}")
    return low, high


@dataclass(frozen=True, repr=False)
class Identity(Activation):
    """`y = z`."""

    name = "identity"
    initializer = "lecun"
    range = REAL

    def forward(self, xp: Namespace, z: Units, bias: Units | None) -> tuple[Units, Any]:
        if bias is not None:
            z += bias
        return z, None

    def backward(self, xp: Namespace, cache: Any, gradient: Units) -> Units:
        return gradient


@dataclass(frozen=True, repr=False)
class Softmax(Activation):
    """`y_i = exp(z_i) / sum_j exp(z_j)` over the units of each sample."""

    name = "softmax"
    initializer = "glorot"
    range = UNIT

    def forward(self, xp: Namespace, z: Units, bias: Units | None) -> tuple[Units, Any]:
        y = softmax(xp, z) if bias is None else biased_softmax(xp, z, bias)
        return y, y

    def backward(self, xp: Namespace, cache: Any, gradient: Units) -> Units:
        return softmax_backward(xp, cache, gradient)


@samplewise
def softmax(xp: Any, z: Any) -> Any:
    y = xp.exp(z - xp.max(z, axis=-2, keepdims=True))
    return y / xp.sum(y, axis=-2, keepdims=True)


@samplewise
def biased_softmax(xp: Any, z: Any, bias: Any) -> Any:
    return softmax.function(xp, z + bias)


@samplewise
def softmax_backward(xp: Any, y: Any, gradient: Any) -> Any:
    """The Jacobian's transpose, `diag(y) - y y'`, times `gradient`."""
    return y * (gradient - xp.sum(y * gradient, axis=-2, keepdims=True))


def sigmoid(xp: Any, z: Any) -> Any:
    """`1 / (1 + exp(-z))`, from an exponential that cannot overflow."""
    small = xp.exp(-xp.abs(z))
    return xp.where(z >= 0.0, xp.ones_like(z), small) / (1.0 + small)


def sigmoid_slope(xp: Any, y: Any) -> Any:
    return y * (1.0 - y)


def tanh(xp: Any, z: Any) -> Any:
    return xp.tanh(z)


def tanh_slope(xp: Any, y: Any) -> Any:
    return 1.0 - y * y


def relu(xp: Any, z: Any) -> Any:
    return xp.maximum(z, 0.0)


def relu_slope(xp: Any, y: Any) -> Any:
    return xp.where(y > 0.0, xp.ones_like(y), 0.0)


def softplus(xp: Any, z: Any) -> Any:
    """`log(1 + exp(z))`, from an exponential that cannot overflow."""
    small = xp.exp(-xp.abs(z))
    whole = 1.0 + small
    # log1p(small) by its definition: NumPy's own takes thirty times as long
    # the maximum's slope at a tie is that of the second: at 0 the one from the right, as that of |z|
    return xp.maximum(0.0, z) + (xp.log(whole) + (small - (whole - 1.0)) / whole)


def softplus_slope(xp: Any, y: Any) -> Any:
    return -xp.expm1(-y)


@dataclass(frozen=True)
class _Leaky:
    slope: float

    def __call__(self, xp: Any, z: Any) -> Any:
        return xp.maximum(z, self.slope * z)


@dataclass(frozen=True)
class _LeakySlope:
    slope: float

    def __call__(self, xp: Any, y: Any) -> Any:
        return xp.where(y > 0.0, xp.ones_like(y), self.slope)


@dataclass(frozen=True)
class _SigmoidSlopeWithOffset:
    offset: float

    def __call__(self, xp: Any, y: Any) -> Any:
        return y * (1.0 - y) + self.offset


def leaky_relu(slope: float = 0.01) -> ElementwiseActivation:
    """`max(z, slope z)` with `0 < slope < 1` (Maas, Hannun, Ng 2013).

    Raises:
        TypeError: `slope` is no number.
        ValueError: `slope` outside (0, 1).
    """
    slope = checks.number("slope", slope, 0.0, 1.0, open="()")
    text = f"leaky_relu({slope!r})"
    return ElementwiseActivation(
        "leaky_relu" if slope == 0.01 else text,
        _Leaky(slope),
        _LeakySlope(slope),
        of="output",
        initializer="he",
        range=REAL,
        _text=text,
    )


def sigmoid_with_offset(offset: float = 0.1) -> ElementwiseActivation:
    """The sigmoid with `y (1 - y) + offset` for its derivative (Fahlman 1988).

    Saturated units go on learning; the gradient is not that of the risk any more.

    Raises:
        TypeError: `offset` is no number.
        ValueError: `offset` negative or not finite.
    """
    offset = checks.number("offset", offset, 0.0)
    text = f"sigmoid_with_offset({offset!r})"
    slope = _SigmoidSlopeWithOffset(offset)
    return ElementwiseActivation(text, sigmoid, slope, of="output", range=UNIT, _text=text)


IDENTITY, SOFTMAX = Identity(), Softmax()
SIGMOID = ElementwiseActivation("sigmoid", sigmoid, sigmoid_slope, of="output", range=UNIT)

ACTIVATIONS: dict[str, Activation] = {
    activation.name: activation
    for activation in (
        IDENTITY,
        SIGMOID,
        ElementwiseActivation("tanh", tanh, tanh_slope, of="output", range=(-1.0, 1.0)),
        ElementwiseActivation("relu", relu, relu_slope, of="output", initializer="he", range=POSITIVE),
        leaky_relu(),
        ElementwiseActivation(
            "softplus", softplus, softplus_slope, of="output", initializer="he", range=POSITIVE
        ),
        SOFTMAX,
    )
}
