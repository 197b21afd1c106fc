"""The activations of the library."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

from .. import checks
from ..device.arrays import Namespace, Units
from ..glossary import hinted
from ..parameters import InitializerName
from ..rules import samplewise
from .activation import POSITIVE, REAL, UNIT, Activation, ElementwiseActivation, Range, written

ActivationName = Literal["identity", "sigmoid", "tanh", "relu", "leaky_relu", "softplus", "softmax"]


@dataclass(frozen=True, repr=False)
class Identity(Activation):
    """`y = z`."""

    name = "identity"
    initializer = "lecun"
    range = REAL

    def __repr__(self) -> str:
        return repr(self.name)  # as a layer takes it

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
    distribution = True

    def __repr__(self) -> str:
        return repr(self.name)

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
class Leaky:
    slope: float

    def __call__(self, xp: Any, z: Any) -> Any:
        return xp.maximum(z, self.slope * z)


@dataclass(frozen=True)
class LeakySlope:
    slope: float

    def __call__(self, xp: Any, y: Any) -> Any:
        return xp.where(y > 0.0, xp.ones_like(y), self.slope)


@dataclass(frozen=True)
class SigmoidSlopeWithOffset:
    offset: float

    def __call__(self, xp: Any, y: Any) -> Any:
        return y * (1.0 - y) + self.offset


@hinted
def leaky_relu(slope: float = 0.01) -> ElementwiseActivation:
    """`max(z, slope z)` with `0 < slope < 1` (Maas, Hannun, Ng 2013).

    Raises:
        TypeError: `slope` is no number.
        ValueError: `slope` outside (0, 1).
    """
    slope = checks.number("slope", slope, 0.0, 1.0, open="()")
    usual = slope == 0.01
    text = f"leaky_relu({slope!r})"
    own = ElementwiseActivation(
        "leaky_relu" if usual else text,
        Leaky(slope),
        LeakySlope(slope),
        of="output",
        initializer="he",
        range=REAL,
    )
    return written("'leaky_relu'" if usual else text, own)


def sigmoid_with_offset(offset: float = 0.1) -> ElementwiseActivation:
    """The sigmoid with `y (1 - y) + offset` for its derivative (Fahlman 1988).

    Saturated units go on learning; the gradient is not that of the risk any more.

    Raises:
        TypeError: `offset` is no number.
        ValueError: `offset` negative or not finite.
    """
    offset = checks.number("offset", offset, 0.0)
    text = f"sigmoid_with_offset({offset!r})"
    slope = SigmoidSlopeWithOffset(offset)
    return written(text, ElementwiseActivation(text, sigmoid, slope, of="output", range=UNIT))


def _named(
    name: ActivationName,
    function: Callable[[Any, Any], Any],
    derivative: Callable[[Any, Any], Any],
    initializer: InitializerName,
    range: Range,
) -> ElementwiseActivation:
    own = ElementwiseActivation(
        name, function, derivative, of="output", initializer=initializer, range=range
    )
    return written(repr(name), own)


IDENTITY, SOFTMAX = Identity(), Softmax()
SIGMOID = _named("sigmoid", sigmoid, sigmoid_slope, "glorot", UNIT)

ACTIVATIONS: dict[str, Activation] = {
    activation.name: activation
    for activation in (
        IDENTITY,
        SIGMOID,
        _named("tanh", tanh, tanh_slope, "glorot", (-1.0, 1.0)),
        _named("relu", relu, relu_slope, "he", POSITIVE),
        leaky_relu(),
        _named("softplus", softplus, softplus_slope, "he", POSITIVE),
        SOFTMAX,
    )
}
