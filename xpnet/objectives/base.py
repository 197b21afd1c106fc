"""What an optimizer asks of the function it minimizes."""

from __future__ import annotations

from abc import ABC, abstractmethod

from ..backend import Array


class Objective(ABC):
    """A differentiable function of `w`, `(P,)`; or of `R` replicas at once, `(R, P)`.

    A subclass defines the two methods below; `xpnet.testing.check_gradient` tests them.
    """

    @abstractmethod
    def value(self, w: Array) -> Array:
        """The value at `w`: 0-d, or `(R,)`."""

    @abstractmethod
    def value_and_gradient(self, w: Array) -> tuple[Array, Array]:
        """The value at `w`, and the gradient, a new array of the shape and dtype of `w`."""
