"""Penalties on the size of the parameters, added to a risk."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from ... import checks
from ...device.arrays import Array, Matrix, Namespace, Scalar, Vector
from ...device.backend import Backend
from ...glossary import Hinted
from ...parameters import Layout
from ...rules import elementwise


@elementwise
def _l2(xp: Namespace, w: Array, mask: Array) -> Any:
    return mask * w * w


@elementwise
def _l1(xp: Namespace, w: Array, mask: Array) -> Any:
    return mask * xp.abs(w)


@elementwise
def _l2_gradient(xp: Namespace, gradient: Array, w: Array, mask: Array, *, strength: float) -> Any:
    return gradient + strength * mask * w


@elementwise
def _l1_gradient(xp: Namespace, gradient: Array, w: Array, mask: Array, *, strength: float) -> Any:
    return gradient + strength * mask * xp.sign(w)


class Penalty(Hinted, ABC):
    """A term added to a risk; `mask` is 1 for the parameters it concerns and 0 for the others."""

    strength: float
    biases: bool

    @abstractmethod
    def value(self, xp: Namespace, w: Vector, mask: Vector, accumulator: Any) -> Scalar:
        """The penalty, `(...)` for `w` of `(..., P)`, summed in the dtype `accumulator`."""

    @abstractmethod
    def add_gradient(self, xp: Namespace, gradient: Vector, w: Vector, mask: Vector) -> None:
        """Adds the penalty's gradient to `gradient`, in place."""

    @abstractmethod
    def hessian_product(self, v: Vector, mask: Vector) -> Vector | float:
        """The penalty's Hessian times `v`."""


@dataclass(frozen=True)
class L2(Penalty):
    """`strength / 2 * sum_i w_i^2` over the weights, and biases and scales too if `biases`.

    Raises:
        TypeError: `strength` is no number, `biases` neither True nor False.
        ValueError: `strength` is negative or not finite.
    """

    strength: float
    biases: bool = False

    def __post_init__(self) -> None:
        _check(self)

    def value(self, xp: Namespace, w: Vector, mask: Vector, accumulator: Any) -> Scalar:
        return _l2.sum(xp, w, mask, factor=0.5 * self.strength, dtype=accumulator)

    def add_gradient(self, xp: Namespace, gradient: Vector, w: Vector, mask: Vector) -> None:
        _l2_gradient.write(xp, (gradient,), gradient, w, mask, strength=self.strength)

    def hessian_product(self, v: Vector, mask: Vector) -> Vector | float:
        return self.strength * mask * v


@dataclass(frozen=True)
class L1(Penalty):
    """`strength * sum_i |w_i|` over the weights, and biases and scales too if `biases`.

    The gradient at `w_i = 0` is taken to be 0, the smallest of the subgradients.

    Raises:
        TypeError: `strength` is no number, `biases` neither True nor False.
        ValueError: `strength` is negative or not finite.
    """

    strength: float
    biases: bool = False

    def __post_init__(self) -> None:
        _check(self)

    def value(self, xp: Namespace, w: Vector, mask: Vector, accumulator: Any) -> Scalar:
        return _l1.sum(xp, w, mask, factor=self.strength, dtype=accumulator)

    def add_gradient(self, xp: Namespace, gradient: Vector, w: Vector, mask: Vector) -> None:
        _l1_gradient.write(xp, (gradient,), gradient, w, mask, strength=self.strength)

    def hessian_product(self, v: Vector, mask: Vector) -> Vector | float:
        return 0.0


def _check(penalty: Penalty) -> None:
    object.__setattr__(penalty, "strength", checks.number("strength", penalty.strength, 0.0))
    object.__setattr__(penalty, "biases", checks.flag("biases", penalty.biases))


class Penalties:
    """All penalties of one risk, each with the mask of the parameters it concerns.

    Attributes:
        items: the penalties.
    """

    def __init__(self, backend: Backend, layout: Layout, items: Sequence[Penalty], dtype: Any) -> None:
        self.backend, self.items, self._layout, self._dtype = backend, tuple(items), layout, dtype
        self._masked = [(item, _mask(backend, layout, item, dtype)) for item in items]

    def without(self) -> Penalties:
        """None of them."""
        return Penalties(self.backend, self._layout, (), self._dtype)

    def with_value(self, xp: Namespace, value: Scalar, w: Vector) -> Scalar:
        """`value` and the penalties at `w`, by the functions of `xp`."""
        for penalty, mask in self._masked:
            value = value + penalty.value(xp, w, mask, self.backend.accumulator)
        return value

    def add_gradient(self, xp: Namespace, gradient: Vector, w: Vector) -> None:
        """Adds their gradients at `w` to `gradient`, in place."""
        for penalty, mask in self._masked:
            penalty.add_gradient(xp, gradient, w, mask)

    def added(self, xp: Namespace, sums: Sequence[Any], w: Vector) -> Sequence[Any]:
        """`sums`, a value and perhaps its gradient, with theirs at `w`; the gradient in its memory."""
        if not self._masked:
            return sums
        if len(sums) > 1:
            self.add_gradient(xp, sums[1], w)
        return self.with_value(xp, sums[0], w), *sums[1:]

    def add_product(self, product: Vector, v: Vector) -> None:
        """Adds their Hessians' products with `v` to `product`, in place."""
        for penalty, mask in self._masked:
            product += penalty.hessian_product(v, mask)

    def factors(self) -> list[Vector]:
        """What `w` is times in the residuals of each, `(P,)`; all must be `L2`."""
        return [penalty.strength**0.5 * mask for penalty, mask in self._masked]

    def diagonals(self) -> list[Matrix]:
        """The derivatives of those residuals, `(P, P)` each."""
        xp = self.backend.xp
        return [
            factor * xp.eye(factor.shape[0], dtype=factor.dtype, device=self.backend.device)
            for factor in self.factors()
        ]


def _mask(backend: Backend, layout: Layout, penalty: Penalty, dtype: Any) -> Vector:
    mask = backend.xp.ones(layout.size, dtype=dtype, device=backend.device)
    if not penalty.biases:
        for name in layout.shapes:
            if name.endswith((".bias", ".scale")):
                mask[layout.slice(name)] = 0.0
    return mask
