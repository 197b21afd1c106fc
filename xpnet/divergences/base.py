"""What a divergence is, and which activations it may stand above."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping
from types import MappingProxyType
from typing import ClassVar, Literal

from ..device.arrays import Array, Namespace, Units
from ..glossary import Hinted
from ..layers.activation import REAL, Activation, Range
from ..layers.activations import ACTIVATIONS, IDENTITY

_NONE: Mapping[Activation, Divergence] = MappingProxyType({})


class Divergence(Hinted, ABC):
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


def over_units(xp: Namespace, values: Units) -> Array:
    """The sum over the output units of each sample, `(..., samples)`."""
    return xp.sum(values, axis=-2)
