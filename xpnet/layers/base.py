"""What every kind of layer offers."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any, Protocol

from ..device.arrays import Array, Namespace, Units
from ..glossary import Hinted
from .activation import Activation


class Accumulate(Protocol):
    """Where a layer's `backward` leaves the gradients of its parameters, summed over the samples.

    Each parameter is given once in a pass, by one of these. Which of them is used matters: the last two
    are told of the samples, so that a risk can also keep each sample's own gradient, for a Jacobian, and
    sum faster than the layer could.
    """

    def add(self, name: str, value: Array) -> None:
        """`value`, of the parameter's shape, is the gradient of the parameter `name`."""
        ...

    def add_product(self, name: str, left: Units, right: Array) -> None:
        """`left @ right` is: `left` is `(..., units, samples)`, `right` `(..., samples, n)`."""
        ...

    def add_sum(self, name: str, values: Units, total: Array | None = None) -> None:
        """The sum of `values`, `(..., n, samples)`, over the last axis is; `total` if it is known."""
        ...


class Layer(Hinted, ABC):
    """One layer of a network; its settings only, no arrays.

    `inputs` and outputs are `(..., units, samples)`; a leading axis, where there is one, counts
    replicas. A layer never writes to an array that it was given: caches are read again, and parameters
    are views into `w`. It uses the functions of `xp` and the operators of arrays, counts axes from the
    last, and looks at no value of an array: then it runs on every backend and on dual numbers, which is
    how Hessian products are made. `xpnet.testing.check_layer` checks all that.

    A layer of one's own is a frozen dataclass of its settings, so that networks can be compared, hashed
    and pickled:

    >>> from dataclasses import dataclass
    >>> @dataclass(frozen=True)
    ... class Scale(Layer):
    ...     def shapes(self, inputs):
    ...         return {"scale": (inputs,)}
    ...
    ...     def initialize(self, random, inputs):
    ...         return {"scale": 1.0}
    ...
    ...     def forward(self, xp, parameters, inputs):
    ...         return parameters["scale"][..., None] * inputs, inputs
    ...
    ...     def backward(self, xp, parameters, cache, gradient, accumulate, *, input_gradient=True):
    ...         accumulate.add_sum("scale", gradient * cache)
    ...         return parameters["scale"][..., None] * gradient if input_gradient else None
    >>> from xpnet.testing import check_layer
    >>> check_layer(Scale(), inputs=3)

    Attributes:
        units: the number of output units; None for as many as there are inputs.
        activation: the one that the outputs come from, None where there is none. It says whether the
            layer may be the last below a divergence. A layer that has one has it as a field, for
            `dataclasses.replace(layer, activation=...)`.
    """

    units: int | None = None
    activation: Activation | None = None

    @abstractmethod
    def shapes(self, inputs: int) -> dict[str, tuple[int, ...]]:
        """The shape of each parameter of the layer on `inputs` input units.

        Penalties leave out those that are called "bias" and "scale", unless they are told not to.
        """

    @abstractmethod
    def initialize(self, random: Any, inputs: int) -> dict[str, Any]:
        """Values for parameters, drawn from `random`, a host generator with NumPy's interface.

        For each an array of its shape, or one number for all of it; those left out start at 0.
        """

    @abstractmethod
    def forward(self, xp: Namespace, parameters: Mapping[str, Array], inputs: Units) -> tuple[Units, Any]:
        """The outputs, and whatever `backward` needs of this pass: arrays, in tuples, lists and dicts."""

    @abstractmethod
    def backward(
        self,
        xp: Namespace,
        parameters: Mapping[str, Array],
        cache: Any,
        gradient: Units,
        accumulate: Accumulate,
        *,
        input_gradient: bool = True,
    ) -> Units | None:
        """Carries `gradient`, with respect to the outputs, back through the layer.

        Gives `accumulate` the gradient of each parameter, summed over the samples. Returns the gradient
        with respect to the inputs, or None if `input_gradient` is false.
        """


class RandomLayer(Layer):
    """A layer that draws something for each sample while a network is trained, such as dropout's mask."""

    @abstractmethod
    def draws(
        self, xp: Namespace, inputs: int, samples: Any, dtype: Any, *, place: int, draw: int
    ) -> dict[str, Array]:
        """What is drawn for some samples, by name; `forward` finds it among the parameters.

        `forward` is also called without, where the network is not being trained. What is drawn depends
        on the arguments and the layer's settings alone: not on chunks, threads, or the backend.

        Args:
            xp: the namespace.
            inputs: the number of input units.
            samples: the numbers of the samples, `(samples,)`, uint32.
            dtype: of what is drawn.
            place: of the layer in its network.
            draw: the number of the draw.
        """
