"""What an optimizer asks of the function it minimizes."""

from __future__ import annotations

from abc import ABC, abstractmethod

from ..backend import Array


class Objective(ABC):
    """A differentiable function of `w`, `(P,)`; or of `R` replicas at once, `(R, P)`.

    A subclass defines `value` and `value_and_gradient`, which `xpnet.testing.check_gradient` tests; and
    the products with second derivatives, if it has them.
    """

    @abstractmethod
    def value(self, w: Array) -> Array:
        """The value at `w`: 0-d, or `(R,)`."""

    @abstractmethod
    def value_and_gradient(self, w: Array) -> tuple[Array, Array]:
        """The value at `w`, and the gradient, a new array of the shape and dtype of `w`."""

    def hessian_product(self, w: Array, v: Array) -> Array:
        """`H v` with the Hessian `H` at `w`; `v` has the shape of `w`, or one more axis in front.

        Raises:
            NotImplementedError: the objective has no such product.
        """
        raise NotImplementedError(f"{type(self).__name__} has no hessian_product")

    def gauss_newton_product(self, w: Array, v: Array) -> Array:
        """`J' H_L J v`: `J` the Jacobian of the outputs, `H_L` the Hessian of the divergence in them.

        Raises:
            NotImplementedError: the objective has no such product.
        """
        raise NotImplementedError(f"{type(self).__name__} has no gauss_newton_product")
