"""What every kind of layer offers."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any, Protocol


class Accumulate(Protocol):
    """Where a layer's `backward` leaves the gradients of its parameters, summed over the samples.

    Each parameter is given once, by one of these.
    """

    def add(self, name: str, value: Any) -> None:
        """`value` is the gradient of the parameter `name`."""
        ...

    def add_product(self, name: str, left: Any, right: Any) -> None:
        """`left @ right` is."""
        ...

    def add_sum(self, name: str, values: Any) -> None:
        """The sum of `values` over the last axis is."""
        ...


class Layer(ABC):
    """One layer of a network; its settings only, no arrays.

    `inputs` and outputs are `(..., units, samples)`; a leading axis, where there is one, counts
    replicas. A layer never writes to an array that it was given.
    """

    units: int | None = None  # of the output; None for as many as there are inputs

    @abstractmethod
    def shapes(self, inputs: int) -> dict[str, tuple[int, ...]]:
        """The shape of each parameter of the layer on `inputs` input units."""

    @abstractmethod
    def initialize(self, random: Any, inputs: int) -> dict[str, Any]:
        """Values for each parameter, drawn from a host generator with NumPy's interface."""

    @abstractmethod
    def forward(self, xp: Any, parameters: Mapping[str, Any], inputs: Any) -> tuple[Any, Any]:
        """The outputs, and whatever `backward` needs of this pass."""

    @abstractmethod
    def backward(
        self,
        xp: Any,
        parameters: Mapping[str, Any],
        cache: Any,
        gradient: Any,
        accumulate: Accumulate,
        *,
        input_gradient: bool = True,
    ) -> Any:
        """Carries `gradient`, with respect to the outputs, back through the layer.

        Gives `accumulate` the gradient of each parameter, summed over the samples. Returns the gradient
        with respect to the inputs, or None if `input_gradient` is false.
        """
