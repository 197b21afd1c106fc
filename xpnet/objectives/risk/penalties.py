"""Penalties on the size of the parameters, added to a risk."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass

from ... import checks
from ...device.arrays import Array, Namespace
from ...rules import elementwise


@elementwise
def _l2(xp, w, mask):
    return mask * w * w


@elementwise
def _l1(xp, w, mask):
    return mask * xp.abs(w)


@elementwise
def _l2_gradient(xp, gradient, w, mask, *, strength):
    return gradient + strength * mask * w


@elementwise
def _l1_gradient(xp, gradient, w, mask, *, strength):
    return gradient + strength * mask * xp.sign(w)


class Penalty(ABC):
    """A term added to a risk; `mask` is 1 for the parameters it concerns and 0 for the others."""

    strength: float
    biases: bool

    @abstractmethod
    def value(self, xp: Namespace, w: Array, mask: Array, accumulator: object) -> Array:
        """The penalty, `(...)` for `w` of `(..., P)`, summed in the dtype `accumulator`."""

    @abstractmethod
    def add_gradient(self, xp: Namespace, gradient: Array, w: Array, mask: Array) -> None:
        """Adds the penalty's gradient to `gradient`, in place."""

    @abstractmethod
    def hessian_product(self, v: Array, mask: Array) -> Array | float:
        """The penalty's Hessian times `v`."""


@dataclass(frozen=True)
class L2(Penalty):
    """`strength / 2 * sum_i w_i^2` over the weights, and biases and scales too if `biases`.

    Raises:
        ValueError: `strength` is negative or not finite.
    """

    strength: float
    biases: bool = False

    def __post_init__(self) -> None:
        checks.number("strength", self.strength, 0.0)

    def value(self, xp: Namespace, w: Array, mask: Array, accumulator: object) -> Array:
        return _l2.sum(xp, w, mask, factor=0.5 * self.strength, dtype=accumulator)

    def add_gradient(self, xp: Namespace, gradient: Array, w: Array, mask: Array) -> None:
        _l2_gradient.write(xp, (gradient,), gradient, w, mask, strength=self.strength)

    def hessian_product(self, v: Array, mask: Array) -> Array | float:
        return self.strength * mask * v


@dataclass(frozen=True)
class L1(Penalty):
    """`strength * sum_i |w_i|` over the weights, and biases and scales too if `biases`.

    The gradient at `w_i = 0` is taken to be 0, the smallest of the subgradients.

    Raises:
        ValueError: `strength` is negative or not finite.
    """

    strength: float
    biases: bool = False

    def __post_init__(self) -> None:
        checks.number("strength", self.strength, 0.0)

    def value(self, xp: Namespace, w: Array, mask: Array, accumulator: object) -> Array:
        return _l1.sum(xp, w, mask, factor=self.strength, dtype=accumulator)

    def add_gradient(self, xp: Namespace, gradient: Array, w: Array, mask: Array) -> None:
        _l1_gradient.write(xp, (gradient,), gradient, w, mask, strength=self.strength)

    def hessian_product(self, v: Array, mask: Array) -> Array | float:
        return 0.0
