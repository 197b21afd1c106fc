"""Divergences of a network's outputs from their targets.

Each is a sum over the output units of one sample; the empirical risk takes the mean over samples. Outputs
are `(..., units, samples)`, targets `(units, samples)`. Each says which outputs it takes, and so below
which activation it may stand.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import ClassVar, Literal

from . import checks
from .device.arrays import Array, Namespace, Units
from .layers.activation import REAL, UNIT, Activation, Range
from .layers.activations import ACTIVATIONS, IDENTITY, SIGMOID, SOFTMAX

_NONE: Mapping[Activation, Divergence] = MappingProxyType({})


class Divergence(ABC):
    """`Div(y, d)` of outputs `y` from targets `d`.

    A divergence of one's own is a frozen dataclass of its settings, if it has any.

    Attributes:
        targets: what targets may be: "real" numbers, "unit" numbers in [0, 1], or a "distribution"
            over the units of each sample. Class labels become one-hot targets whichever it is.
        domain: the least and the largest that an output may be, both included. The last activation of
            the network must have a `range` within.
        normalized: whether the outputs of a sample must sum to 1 too. Then the last activation must be
            one whose outputs are a `distribution`.
        logits: for last activations `f`, the divergence `Div(f(z), d)` as a function of the logits `z`,
            where it can be had without overflow. It is used for these activations, and no others that
            are called so.
        of_logits: the one that outputs are handed to where they are logits already; None if they are
            not. Then the last activation must be "identity".
    """

    targets: ClassVar[Literal["real", "unit", "distribution"]] = "real"
    domain: ClassVar[Range] = REAL
    normalized: ClassVar[bool] = False
    logits: ClassVar[Mapping[Activation, Divergence]] = _NONE
    from_logits: bool | None = None

    @abstractmethod
    def value(self, xp: Namespace, outputs: Units, targets: Units) -> Array:
        """The divergence of each sample, `(..., samples)`."""

    @abstractmethod
    def value_and_gradient(self, xp: Namespace, outputs: Units, targets: Units) -> tuple[Array, Units]:
        """The same, and its gradient with respect to the outputs, a new array of their shape.

        What keeps to the operations of `xpnet.samplewise` is one launch on CuPy.
        """

    def on(self, activation: Activation | None) -> tuple[Divergence, bool]:
        """What to evaluate on a network whose last layer has this activation, None if it has none.

        Returns the divergence, and whether it is one of the logits below the activation, that is, of the
        outputs of `network.on_logits()`.

        Raises:
            ValueError: the activation's outputs are not known to lie in the domain; the message names
                the activations that fit.
        """
        if self.from_logits:
            if activation != IDENTITY:
                raise ValueError(
                    f"{self!r} takes logits, so the network must end in Dense(units, 'identity'), "
                    f"but it ends in {_ending(activation)}"
                )
            return next(iter(self.logits.values())), False
        for own, divergence in self.logits.items():
            if own == activation:
                return divergence, True
        low, high = self.domain
        if self._takes(activation):
            return self, False
        fitting = [repr(own.name) for own in self.logits] or [
            repr(name) for name, own in ACTIVATIONS.items() if self._takes(own)
        ]
        hint = f"end it in Dense(units, {' or '.join(fitting)})" if fitting else "end it in one that fits"
        if self.from_logits is False:
            hint += f", or in Dense(units, 'identity') with {type(self).__name__}(from_logits=True)"
        if activation is not None and activation.range is None and not self.normalized:
            hint += f"; if its outputs lie within, say so by range=({low:g}, {high:g})"
        sums = " that sum to 1 for each sample" if self.normalized else ""
        raise ValueError(
            f"{self!r} takes outputs in {_text(self.domain)}{sums}, but the network ends in "
            f"{_ending(activation)}: {hint}"
        )

    def _takes(self, activation: Activation | None) -> bool:
        """Whether the outputs of `activation` are known to lie in the domain."""
        low, high = self.domain
        if (low, high) == REAL and not self.normalized:
            return True
        if activation is None or activation.range is None:
            return False
        least, most = activation.range
        return low <= least and most <= high and (activation.distribution or not self.normalized)


def _text(interval: Range) -> str:
    low, high = interval
    return f"{'(' if low == -math.inf else '['}{low:g}, {high:g}{')' if high == math.inf else ']'}"


def _ending(activation: Activation | None) -> str:
    if activation is None:
        return "a layer without an activation"
    if activation.range is None:
        return f"{activation.name!r}, whose range is not known"
    return f"{activation.name!r}, whose outputs lie in {_text(activation.range)}"


def _over_units(xp: Namespace, values: Units) -> Array:
    return xp.sum(values, axis=-2)


@dataclass(frozen=True)
class SquaredError(Divergence):
    """`1/2 sum_i (y_i - d_i)^2`."""

    def value(self, xp: Namespace, outputs: Units, targets: Units) -> Array:
        error = outputs - targets
        return 0.5 * _over_units(xp, error * error)

    def value_and_gradient(self, xp: Namespace, outputs: Units, targets: Units) -> tuple[Array, Units]:
        error = outputs - targets
        return 0.5 * _over_units(xp, error * error), error


@dataclass(frozen=True)
class SoftmaxCrossEntropy(Divergence):
    """`-sum_i d_i log y_i` with `y = softmax(z)`, of the logits `z`; the gradient is `y - d`.

    `d` sums to one, so the value is `log sum_i exp(z_i) - sum_i d_i z_i`, evaluated at `z - max z`.
    """

    targets = "distribution"

    def value(self, xp: Namespace, outputs: Units, targets: Units) -> Array:
        return self.value_and_gradient(xp, outputs, targets)[0]

    def value_and_gradient(self, xp: Namespace, outputs: Units, targets: Units) -> tuple[Array, Units]:
        z = outputs - xp.max(outputs, axis=-2, keepdims=True)
        y = xp.exp(z)
        total = xp.sum(y, axis=-2, keepdims=True)
        value = xp.log(xp.squeeze(total, axis=-2)) - _over_units(xp, z * targets)
        y /= total
        y -= targets
        return value, y


@dataclass(frozen=True)
class SoftmaxKullbackLeibler(Divergence):
    """`sum_i d_i log(d_i / y_i)` with `y = softmax(z)`, of the logits `z`."""

    targets = "distribution"

    def value(self, xp: Namespace, outputs: Units, targets: Units) -> Array:
        return self.value_and_gradient(xp, outputs, targets)[0]

    def value_and_gradient(self, xp: Namespace, outputs: Units, targets: Units) -> tuple[Array, Units]:
        value, gradient = SoftmaxCrossEntropy().value_and_gradient(xp, outputs, targets)
        return value - _entropy(xp, targets), gradient


@dataclass(frozen=True)
class SigmoidBinaryCrossEntropy(Divergence):
    """`-sum_i d_i log y_i + (1 - d_i) log(1 - y_i)` with `y = sigmoid(z)`, of the logits `z`.

    Evaluated as `max(z, 0) - d z + log(1 + exp(-|z|))`; the gradient is `y - d`.
    """

    targets = "unit"

    def value(self, xp: Namespace, outputs: Units, targets: Units) -> Array:
        return self.value_and_gradient(xp, outputs, targets)[0]

    def value_and_gradient(self, xp: Namespace, outputs: Units, targets: Units) -> tuple[Array, Units]:
        small = xp.exp(-xp.abs(outputs))
        value = xp.maximum(outputs, 0.0) - outputs * targets + xp.log1p(small)
        y = xp.where(outputs >= 0.0, xp.ones_like(small), small) / (1.0 + small)
        y -= targets
        return _over_units(xp, value), y


@dataclass(frozen=True, repr=False)
class _OfProbabilities(Divergence):
    """A divergence of probabilities, or with `from_logits` of the logits that they are made of."""

    from_logits: bool = False  # pyright: ignore[reportIncompatibleVariableOverride]  # frozen

    domain = UNIT

    def __post_init__(self) -> None:
        object.__setattr__(self, "from_logits", checks.flag("from_logits", self.from_logits))

    @abstractmethod
    def _value(self, xp: Namespace, outputs: Units, targets: Units) -> Array:
        """`value` of probabilities."""

    @abstractmethod
    def _gradient(self, xp: Namespace, outputs: Units, targets: Units) -> Units:
        """Its gradient."""

    def value(self, xp: Namespace, outputs: Units, targets: Units) -> Array:
        if self.from_logits:
            return self.on(IDENTITY)[0].value(xp, outputs, targets)
        return self._value(xp, outputs, targets)

    def value_and_gradient(self, xp: Namespace, outputs: Units, targets: Units) -> tuple[Array, Units]:
        if self.from_logits:
            return self.on(IDENTITY)[0].value_and_gradient(xp, outputs, targets)
        return self._value(xp, outputs, targets), self._gradient(xp, outputs, targets)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({'from_logits=True' if self.from_logits else ''})"


@dataclass(frozen=True, repr=False)
class CrossEntropy(_OfProbabilities):
    """`-sum_i d_i log y_i` (with softmax: evaluated from the logits, gradient `y - d`).

    Outputs must be a distribution: in [0, 1], with a sum of 1 for each sample, as those of "softmax".

    Attributes:
        from_logits: the network ends in "identity", and the softmax of its outputs is meant by `y`. Then
            `Network.predict` gives the logits.

    Raises:
        TypeError: `from_logits` is neither True nor False.
    """

    targets = "distribution"
    normalized = True
    logits = MappingProxyType({SOFTMAX: SoftmaxCrossEntropy()})

    def _value(self, xp: Namespace, outputs: Units, targets: Units) -> Array:
        return -_over_units(xp, _times_log(xp, targets, outputs))

    def _gradient(self, xp: Namespace, outputs: Units, targets: Units) -> Units:
        return -_ratio(xp, targets, outputs)


@dataclass(frozen=True, repr=False)
class KullbackLeibler(_OfProbabilities):
    """`sum_i d_i log(d_i / y_i)` (with softmax: evaluated from the logits, gradient `y - d`).

    Outputs must be a distribution: in [0, 1], with a sum of 1 for each sample, as those of "softmax".

    Attributes:
        from_logits: the network ends in "identity", and the softmax of its outputs is meant by `y`. Then
            `Network.predict` gives the logits.

    Raises:
        TypeError: `from_logits` is neither True nor False.
    """

    targets = "distribution"
    normalized = True
    logits = MappingProxyType({SOFTMAX: SoftmaxKullbackLeibler()})

    def _value(self, xp: Namespace, outputs: Units, targets: Units) -> Array:
        return -_over_units(xp, _times_log(xp, targets, outputs)) - _entropy(xp, targets)

    def _gradient(self, xp: Namespace, outputs: Units, targets: Units) -> Units:
        return -_ratio(xp, targets, outputs)


@dataclass(frozen=True, repr=False)
class BinaryCrossEntropy(_OfProbabilities):
    """`-sum_i d_i log y_i + (1 - d_i) log(1 - y_i)`.

    With sigmoid it is evaluated from the logits, gradient `y - d`. Outputs must lie in [0, 1].

    Attributes:
        from_logits: the network ends in "identity", and the sigmoid of its outputs is meant by `y`. Then
            `Network.predict` gives the logits.

    Raises:
        TypeError: `from_logits` is neither True nor False.
    """

    targets = "unit"
    logits = MappingProxyType({SIGMOID: SigmoidBinaryCrossEntropy()})

    def _value(self, xp: Namespace, outputs: Units, targets: Units) -> Array:
        hit = _times_log(xp, targets, outputs)
        miss = _times_log(xp, 1.0 - targets, 1.0 - outputs)
        return -_over_units(xp, hit + miss)

    def _gradient(self, xp: Namespace, outputs: Units, targets: Units) -> Units:
        hit = _ratio(xp, targets, outputs)
        miss = _ratio(xp, 1.0 - targets, 1.0 - outputs)
        return miss - hit


def _times_log(xp: Namespace, factor: Units, values: Units) -> Units:
    """`factor log(values)`, and 0 where `factor` is 0."""
    return xp.log(xp.where(factor != 0.0, values, 1.0)) * factor


def _ratio(xp: Namespace, factor: Units, values: Units) -> Units:
    """`factor / values`, and 0 where `factor` is 0."""
    return xp.divide(factor, xp.where(factor != 0.0, values, 1.0))


def _entropy(xp: Namespace, targets: Units) -> Array:
    return -_over_units(xp, _times_log(xp, targets, targets))
