"""Activations, each from its function and its derivative.

An elementwise activation is two elementwise rules. From them come the two kernels that a layer runs:
bias and function in one, and the derivative times the gradient that comes back in the other.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any, NamedTuple

from .. import checks
from ..rules import Elementwise, elementwise, samplewise


class Activation(ABC):
    """The function `y = f(z + bias)` at the end of a layer; `z` is `(..., units, samples)`."""

    name: str
    initializer: str  # the one that suits it, by name

    @abstractmethod
    def forward(self, xp: Any, z: Any, bias: Any | None) -> tuple[Any, Any]:
        """`f(z + bias)` and what `backward` needs; may overwrite `z`.

        `bias` is `(..., units, 1)`, or None for none.
        """

    @abstractmethod
    def backward(self, xp: Any, cache: Any, gradient: Any) -> Any:
        """The gradient with respect to `z`: the Jacobian's transpose times `gradient`."""

    def __repr__(self) -> str:
        return self.name


class Rules(NamedTuple):
    """The elementwise rules of an activation: `(z)`, `(z, bias)`, and `(cache, gradient)`."""

    plain: Elementwise
    biased: Elementwise
    backward: Elementwise


class ElementwiseActivation(Activation):
    """An activation that acts on each unit alone.

    Args:
        name: how it is called in tables and messages.
        function: `f(xp, z)`, a function that `@elementwise` can trace.
        derivative: `f'` as a function `(xp, z)` of the input or `(xp, y)` of the output.
        of: "input" or "output": what `derivative` takes. "output" saves memory and is often shorter.
        initializer: the weights' initializer that suits it: "glorot", "he", "lecun" or "zeros".

    A user's own activation, checked by `xpnet.testing.check_activation(swish)`:

        def function(xp, z):
            return z / (1.0 + xp.exp(-z))

        def derivative(xp, z):
            y = 1.0 / (1.0 + xp.exp(-z))
            return y * (1.0 + z * (1.0 - y))

        swish = ElementwiseActivation("swish", function, derivative)
        Dense(20, swish)
    """

    def __init__(
        self,
        name: str,
        function: Callable[..., Any],
        derivative: Callable[..., Any],
        *,
        of: str = "input",
        initializer: str = "glorot",
    ) -> None:
        if of not in ("input", "output"):
            raise ValueError(f"of must be 'input' or 'output', got {of!r}")
        self.name, self.of, self.initializer = name, of, initializer
        self.function, self.derivative = function, derivative

        def forward(xp: Any, z: Any) -> Any:
            return function(xp, z) if of == "output" else (function(xp, z), z)

        def biased(xp: Any, z: Any, bias: Any) -> Any:
            return forward(xp, z + bias)

        def backward(xp: Any, cache: Any, gradient: Any) -> Any:
            return gradient * derivative(xp, cache)

        for rule, suffix in ((forward, "forward"), (biased, "forward"), (backward, "backward")):
            rule.__name__ = f"{name}_{suffix}"
        self._plain, self._biased = elementwise(forward), elementwise(biased)
        self._backward = elementwise(backward)

    @property
    def rules(self) -> Rules:
        """The elementwise rules that `forward` without and with a bias and `backward` run."""
        return Rules(self._plain, self._biased, self._backward)

    def check_traceable(self) -> None:
        """Raises TraceError unless function and derivative can become kernels."""
        for rule in (self._plain, self._biased, self._backward):
            rule.graph  # noqa: B018

    def forward(self, xp: Any, z: Any, bias: Any | None) -> tuple[Any, Any]:
        rule, arrays = (self._plain, (z,)) if bias is None else (self._biased, (z, bias))
        if self.of == "output":
            y = rule.reuse(xp, *arrays)
            return y, y
        return rule.compute(xp, *arrays)

    def backward(self, xp: Any, cache: Any, gradient: Any) -> Any:
        return self._backward.compute(xp, cache, gradient)


class Identity(Activation):
    """`y = z`."""

    name = "identity"
    initializer = "lecun"

    def forward(self, xp: Any, z: Any, bias: Any | None) -> tuple[Any, Any]:
        if bias is not None:
            z += bias
        return z, None

    def backward(self, xp: Any, cache: Any, gradient: Any) -> Any:
        return gradient


class Softmax(Activation):
    """`y_i = exp(z_i) / sum_j exp(z_j)` over the units of each sample."""

    name = "softmax"
    initializer = "glorot"

    def forward(self, xp: Any, z: Any, bias: Any | None) -> tuple[Any, Any]:
        y = softmax(xp, z) if bias is None else biased_softmax(xp, z, bias)
        return y, y

    def backward(self, xp: Any, cache: Any, gradient: Any) -> Any:
        return softmax_backward(xp, cache, gradient)


@samplewise
def softmax(xp, z):
    y = xp.exp(z - xp.max(z, axis=-2, keepdims=True))
    return y / xp.sum(y, axis=-2, keepdims=True)


@samplewise
def biased_softmax(xp, z, bias):
    return softmax.function(xp, z + bias)


@samplewise
def softmax_backward(xp, y, gradient):
    """The Jacobian's transpose, `diag(y) - y y'`, times `gradient`."""
    return y * (gradient - xp.sum(y * gradient, axis=-2, keepdims=True))


def sigmoid(xp: Any, z: Any) -> Any:
    """`1 / (1 + exp(-z))`, from an exponential that cannot overflow."""
    small = xp.exp(-xp.abs(z))
    return xp.where(z >= 0.0, xp.ones_like(z), small) / (1.0 + small)


def softplus(xp: Any, z: Any) -> Any:
    """`log(1 + exp(z))`, from an exponential that cannot overflow."""
    small = xp.exp(-xp.abs(z))
    whole = 1.0 + small
    # log1p(small) by its definition: NumPy's own takes thirty times as long
    # the maximum's slope at a tie is that of the second: at 0 the one from the right, as that of |z|
    return xp.maximum(0.0, z) + (xp.log(whole) + (small - (whole - 1.0)) / whole)


def leaky_relu(slope: float = 0.01) -> ElementwiseActivation:
    """`max(z, slope z)` with `0 < slope < 1` (Maas, Hannun, Ng 2013).

    Raises:
        ValueError: `slope` outside (0, 1).
    """
    slope = checks.number("slope", slope, 0.0, 1.0, open="()")
    return ElementwiseActivation(
        "leaky_relu",
        lambda xp, z: xp.maximum(z, slope * z),
        lambda xp, y: xp.where(y > 0.0, xp.ones_like(y), slope),
        of="output",
        initializer="he",
    )


def sigmoid_with_offset(offset: float = 0.1) -> ElementwiseActivation:
    """The sigmoid with `y (1 - y) + offset` for its derivative (Fahlman 1988).

    Saturated units go on learning; the gradient is not that of the risk any more.

    Raises:
        ValueError: `offset` negative or not finite.
    """
    offset = checks.number("offset", offset, 0.0)
    return ElementwiseActivation(
        "sigmoid_with_offset", sigmoid, lambda xp, y: y * (1.0 - y) + offset, of="output"
    )


ACTIVATIONS: dict[str, Activation] = {
    activation.name: activation
    for activation in (
        Identity(),
        ElementwiseActivation("sigmoid", sigmoid, lambda xp, y: y * (1.0 - y), of="output"),
        ElementwiseActivation("tanh", lambda xp, z: xp.tanh(z), lambda xp, y: 1.0 - y * y, of="output"),
        ElementwiseActivation(
            "relu",
            lambda xp, z: xp.maximum(z, 0.0),
            lambda xp, y: xp.where(y > 0.0, xp.ones_like(y), 0.0),
            of="output",
            initializer="he",
        ),
        leaky_relu(),
        ElementwiseActivation(
            "softplus", softplus, lambda xp, y: -xp.expm1(-y), of="output", initializer="he"
        ),
        Softmax(),
    )
}
