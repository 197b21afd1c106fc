"""What each sample adds to a risk, as rules that are one launch each on CuPy."""

from __future__ import annotations

from typing import Any

from ...device.arrays import Array, Namespace
from ...divergences import Divergence
from ...rules import Samplewise, elementwise, samplewise


class Terms:
    """The rules of a divergence, made once for a risk and all of its subsets.

    Attributes:
        divergence: theirs.
        biased: whether they add the bias of the last layer.
        value: the divergence of each sample.
        gradient: it, with its gradient times `scale` and the sample's weight; both as `divergence_rules`
            has them.
    """

    def __init__(self, divergence: Divergence, labels: bool, weighted: bool, biased: bool) -> None:
        self.divergence, self.biased = divergence, biased
        self._settings = (divergence, labels, weighted, biased)
        self.value, self.gradient = divergence_rules(
            divergence, labels=labels, weighted=weighted, biased=biased
        )

    def __reduce__(self) -> tuple[type[Terms], tuple[Divergence, bool, bool, bool]]:
        return Terms, self._settings


def divergence_rules(
    divergence: Divergence, *, labels: bool, weighted: bool, biased: bool = False
) -> tuple[Samplewise, Samplewise]:
    """The divergence of each sample; and it, with its gradient times `scale` and the sample's weight.

    Both take outputs, a bias `(outputs, 1)` that is added to them if they are `biased`, targets, and
    `classes`; with `labels` the targets are the numbers of classes, `(1, samples)`, and `classes` all of
    them, `(outputs, 1)`. The second takes `weights` too, which count if `weighted`.
    """

    def expected(xp: Any, outputs: Any, targets: Any, classes: Any) -> Any:
        return one_hot(xp, targets, classes, outputs.dtype) if labels else targets

    def value(xp: Any, outputs: Any, bias: Any, targets: Any, classes: Any) -> Any:
        outputs = outputs + bias if biased else outputs
        return divergence.value(xp, outputs, expected(xp, outputs, targets, classes))

    def gradient(
        xp: Any, outputs: Any, bias: Any, targets: Any, classes: Any, weights: Any, *, scale: Any
    ) -> Any:
        outputs = outputs + bias if biased else outputs
        targets = expected(xp, outputs, targets, classes)
        values, change = divergence.value_and_gradient(xp, outputs, targets)
        change *= scale * weights if weighted else scale
        return values, change

    for rule in (value, gradient):
        rule.__name__ = f"{type(divergence).__name__}_{rule.__name__}"
    return samplewise(value), samplewise(gradient)


def one_hot(xp: Namespace, labels: Any, classes: Any, dtype: Any) -> Any:
    """1 for the class of each sample, 0 for the others: `(outputs, samples)`."""
    return xp.astype(labels == classes, dtype)


@elementwise
def total(xp: Namespace, values: Array) -> Array:
    return values


@elementwise
def weighted_total(xp: Namespace, values: Array, weights: Array) -> Any:
    return values * weights
