"""Cross-entropy, and its kin: of probabilities, or of the logits that they are made of."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass
from types import MappingProxyType

from .. import checks
from ..device.arrays import Array, Namespace, Units
from ..layers.activation import UNIT
from ..layers.activations import IDENTITY, SIGMOID, SOFTMAX
from .base import Divergence, over_units


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
        value = xp.log(xp.squeeze(total, axis=-2)) - over_units(xp, z * targets)
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
        return over_units(xp, value), y


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

    >>> from xpnet import CrossEntropy, Dense, EmpiricalRisk, Network
    >>> X, labels = [[0.0], [1.0], [2.0]], [0, 1, 1]
    >>> network = Network(1, Dense(2, "softmax"))
    >>> logits = Network(1, Dense(2, "identity"))
    >>> w = network.initialize(dtype="float64")
    >>> first = EmpiricalRisk(network, CrossEntropy(), X, labels, dtype="float64")
    >>> second = EmpiricalRisk(logits, CrossEntropy(from_logits=True), X, labels, dtype="float64")
    >>> float(first.value(w)) == float(second.value(w))
    True
    """

    targets = "distribution"
    normalized = True
    logits = MappingProxyType({SOFTMAX: SoftmaxCrossEntropy()})

    def _value(self, xp: Namespace, outputs: Units, targets: Units) -> Array:
        return -over_units(xp, _times_log(xp, targets, outputs))

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
        return -over_units(xp, _times_log(xp, targets, outputs)) - _entropy(xp, targets)

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
        return -over_units(xp, hit + miss)

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
    return -over_units(xp, _times_log(xp, targets, targets))
