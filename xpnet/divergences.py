"""Divergences of a network's outputs from their targets.

Each is a sum over the output units of one sample; the empirical risk takes the mean over samples. Outputs
are `(..., units, samples)`, targets `(units, samples)`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, ClassVar

_NONE: Mapping[str, Any] = MappingProxyType({})


class Divergence(ABC):
    """`Div(y, d)` of outputs `y` from targets `d`.

    Attributes:
        targets: what targets may be: "real" numbers, "unit" numbers in [0, 1], or a "distribution"
            over the units of each sample. Class labels become one-hot targets whichever it is.
        logits: for output activations `f` by name, the divergence `Div(f(z), d)` as a function of
            the logits `z`, where it can be had without overflow.
    """

    targets: ClassVar[str] = "real"
    logits: ClassVar[Mapping[str, Divergence]] = _NONE

    @abstractmethod
    def value(self, xp: Any, outputs: Any, targets: Any) -> Any:
        """The divergence of each sample, `(..., samples)`."""

    @abstractmethod
    def value_and_gradient(self, xp: Any, outputs: Any, targets: Any) -> tuple[Any, Any]:
        """The same, and its gradient with respect to the outputs, a new array of their shape.

        What keeps to the operations of `xpnet.samplewise` is one launch on CuPy.
        """

    def __repr__(self) -> str:
        return f"{type(self).__name__}()"


def _over_units(xp: Any, values: Any) -> Any:
    return xp.sum(values, axis=-2)


class SquaredError(Divergence):
    """`1/2 sum_i (y_i - d_i)^2`."""

    def value(self, xp: Any, outputs: Any, targets: Any) -> Any:
        error = outputs - targets
        return 0.5 * _over_units(xp, error * error)

    def value_and_gradient(self, xp: Any, outputs: Any, targets: Any) -> tuple[Any, Any]:
        error = outputs - targets
        return 0.5 * _over_units(xp, error * error), error


class SoftmaxCrossEntropy(Divergence):
    """`-sum_i d_i log y_i` with `y = softmax(z)`, of the logits `z`; the gradient is `y - d`.

    `d` sums to one, so the value is `log sum_i exp(z_i) - sum_i d_i z_i`, evaluated at `z - max z`.
    """

    targets = "distribution"

    def value(self, xp: Any, outputs: Any, targets: Any) -> Any:
        return self.value_and_gradient(xp, outputs, targets)[0]

    def value_and_gradient(self, xp: Any, outputs: Any, targets: Any) -> tuple[Any, Any]:
        z = outputs - xp.max(outputs, axis=-2, keepdims=True)
        y = xp.exp(z)
        total = xp.sum(y, axis=-2, keepdims=True)
        value = xp.log(xp.squeeze(total, axis=-2)) - _over_units(xp, z * targets)
        y /= total
        y -= targets
        return value, y


class SoftmaxKullbackLeibler(Divergence):
    """`sum_i d_i log(d_i / y_i)` with `y = softmax(z)`, of the logits `z`."""

    targets = "distribution"

    def value(self, xp: Any, outputs: Any, targets: Any) -> Any:
        return self.value_and_gradient(xp, outputs, targets)[0]

    def value_and_gradient(self, xp: Any, outputs: Any, targets: Any) -> tuple[Any, Any]:
        value, gradient = SoftmaxCrossEntropy().value_and_gradient(xp, outputs, targets)
        return value - _entropy(xp, targets), gradient


class SigmoidBinaryCrossEntropy(Divergence):
    """`-sum_i d_i log y_i + (1 - d_i) log(1 - y_i)` with `y = sigmoid(z)`, of the logits `z`.

    Evaluated as `max(z, 0) - d z + log(1 + exp(-|z|))`; the gradient is `y - d`.
    """

    targets = "unit"

    def value(self, xp: Any, outputs: Any, targets: Any) -> Any:
        return self.value_and_gradient(xp, outputs, targets)[0]

    def value_and_gradient(self, xp: Any, outputs: Any, targets: Any) -> tuple[Any, Any]:
        small = xp.exp(-xp.abs(outputs))
        value = xp.maximum(outputs, 0.0) - outputs * targets + xp.log1p(small)
        y = xp.where(outputs >= 0.0, xp.ones_like(small), small) / (1.0 + small)
        y -= targets
        return _over_units(xp, value), y


class CrossEntropy(Divergence):
    """`-sum_i d_i log y_i` (with softmax: evaluated from the logits, gradient `y - d`)."""

    targets = "distribution"
    logits = MappingProxyType({"softmax": SoftmaxCrossEntropy()})

    def value(self, xp: Any, outputs: Any, targets: Any) -> Any:
        return -_over_units(xp, _times_log(xp, targets, outputs))

    def value_and_gradient(self, xp: Any, outputs: Any, targets: Any) -> tuple[Any, Any]:
        return self.value(xp, outputs, targets), -_ratio(xp, targets, outputs)


class KullbackLeibler(Divergence):
    """`sum_i d_i log(d_i / y_i)` (with softmax: evaluated from the logits, gradient `y - d`)."""

    targets = "distribution"
    logits = MappingProxyType({"softmax": SoftmaxKullbackLeibler()})

    def value(self, xp: Any, outputs: Any, targets: Any) -> Any:
        return -_over_units(xp, _times_log(xp, targets, outputs)) - _entropy(xp, targets)

    def value_and_gradient(self, xp: Any, outputs: Any, targets: Any) -> tuple[Any, Any]:
        return self.value(xp, outputs, targets), -_ratio(xp, targets, outputs)


class BinaryCrossEntropy(Divergence):
    """`-sum_i d_i log y_i + (1 - d_i) log(1 - y_i)`.

    With sigmoid it is evaluated from the logits, gradient `y - d`.
    """

    targets = "unit"
    logits = MappingProxyType({"sigmoid": SigmoidBinaryCrossEntropy()})

    def value(self, xp: Any, outputs: Any, targets: Any) -> Any:
        hit = _times_log(xp, targets, outputs)
        miss = _times_log(xp, 1.0 - targets, 1.0 - outputs)
        return -_over_units(xp, hit + miss)

    def value_and_gradient(self, xp: Any, outputs: Any, targets: Any) -> tuple[Any, Any]:
        hit = _ratio(xp, targets, outputs)
        miss = _ratio(xp, 1.0 - targets, 1.0 - outputs)
        return self.value(xp, outputs, targets), miss - hit


def _times_log(xp: Any, factor: Any, values: Any) -> Any:
    """`factor log(values)`, and 0 where `factor` is 0."""
    return xp.log(xp.where(factor != 0.0, values, 1.0)) * factor


def _ratio(xp: Any, factor: Any, values: Any) -> Any:
    """`factor / values`, and 0 where `factor` is 0."""
    return xp.divide(factor, xp.where(factor != 0.0, values, 1.0))


def _entropy(xp: Any, targets: Any) -> Any:
    return -_over_units(xp, _times_log(xp, targets, targets))
