"""The checks of activations and divergences pass what is right and name what is wrong."""

from __future__ import annotations

import numpy as np
import pytest

from xpnet import Activation, CrossEntropy, ElementwiseActivation, SquaredError, TraceError
from xpnet.dual import value_of
from xpnet.layers import ACTIVATIONS
from xpnet.testing import check_activation, check_divergence


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_activations(name):
    check_activation(ACTIVATIONS[name])


def swish(xp, z):
    return z / (1.0 + xp.exp(-z))


def swish_derivative(xp, z):
    y = 1.0 / (1.0 + xp.exp(-z))
    return y * (1.0 + z * (1.0 - y))


def test_own_activations():
    check_activation(ElementwiseActivation("swish", swish, swish_derivative))
    wrong = ElementwiseActivation("wrong", swish, lambda xp, z: 1.0 / (1.0 + xp.exp(-z)))
    with pytest.raises(AssertionError, match="derivative at"):
        check_activation(wrong)
    untraceable = ElementwiseActivation(
        "ranks", lambda xp, z: xp.argsort(z) + 0.0 * z, lambda xp, z: xp.zeros_like(z)
    )
    with pytest.raises(TraceError, match=r"xp\.argsort"):
        check_activation(untraceable)
    with pytest.raises(ValueError, match="of must be 'input' or 'output', got 'both'"):
        ElementwiseActivation("swish", swish, swish_derivative, of="both")


def test_divergences():
    random = np.random.default_rng(0)
    y, d = 0.2 + 0.8 * random.random((3, 5)), random.random((3, 5))
    check_divergence(SquaredError(), y, d)
    check_divergence(CrossEntropy(), y, d)

    class Wrong(SquaredError):
        def value_and_gradient(self, xp, outputs, targets):
            return self.value(xp, outputs, targets), targets - outputs

    with pytest.raises(AssertionError, match="gradient at"):
        check_divergence(Wrong(), y, d)


def test_a_hessian_that_duals_get_wrong_never_passes():
    """Comparisons of duals once compared identity: the Hessian was 1.0, by differences 5.14."""
    own = ElementwiseActivation(
        "squared relu",
        lambda xp, z: xp.where(xp.maximum(z, 0.0) == z, z * z, 0.0 * z),
        lambda xp, z: xp.where(z > 0.0, 2.0 * z, 0.0 * z),
    )
    try:
        check_activation(own)
    except AssertionError as error:
        assert "dual numbers" in str(error)  # noqa: PT017


class Forgetful(Activation):
    """The square, whose derivative forgets that it depends on `z`."""

    name = "square"

    def __init__(self, which):
        self.which = which

    def forward(self, xp, z, bias):
        z = z if bias is None else z + bias
        return (value_of(z) if self.which == "value" else z) * z, z

    def backward(self, xp, cache, gradient):
        slope = 2.0 * (value_of(cache) if self.which == "slope" else cache)
        return slope * (value_of(gradient) if self.which == "gradient" else gradient)


@pytest.mark.parametrize(
    ("which", "message"),
    [
        ("value", "derivative of the outputs by dual numbers at"),
        ("slope", "second derivative by dual numbers at"),
        ("gradient", "second derivative by dual numbers at"),
    ],
)
def test_a_wrong_second_derivative_is_named(which, message):
    check_activation(Forgetful("nothing"))
    with pytest.raises(AssertionError, match=message):
        check_activation(Forgetful(which))


def test_a_range_that_is_not_kept_is_named():
    for low, high in ((-0.1, 1.0), (-1.0, 0.9)):
        own = ElementwiseActivation(
            "tanh", lambda xp, z: xp.tanh(z), lambda xp, z: 1.0 - xp.tanh(z) ** 2, range=(low, high)
        )
        with pytest.raises(AssertionError, match=r"outputs are not all in its range, \["):
            check_activation(own)


class Overwriting(Activation):
    name = "overwriting"

    def forward(self, xp, z, bias):
        z = z if bias is None else z + bias
        return 1.0 * z, z

    def backward(self, xp, cache, gradient):
        cache *= 0.0
        return 1.0 * gradient


def test_a_cache_that_is_written_to_is_named():
    with pytest.raises(AssertionError, match="backward writes to an array that it was given"):
        check_activation(Overwriting())


class Absolute(SquaredError):
    """`sum_i |y_i - d_i|`, whose second derivative is 0."""

    def value(self, xp, outputs, targets):
        return xp.sum(xp.abs(outputs - targets), axis=-2)

    def value_and_gradient(self, xp, outputs, targets):
        return self.value(xp, outputs, targets), xp.sign(outputs - targets)


class Bent(SquaredError):
    def value_and_gradient(self, xp, outputs, targets):
        return self.value(xp, outputs, targets), value_of(outputs) - targets


def test_second_derivatives_of_divergences():
    y, d = np.random.default_rng(0).random((2, 3, 5))
    check_divergence(Absolute(), y, d)
    with pytest.raises(AssertionError, match="second derivative by dual numbers at"):
        check_divergence(Bent(), y, d)


Y = [[0.25, 0.5], [0.5, 0.25]]


@pytest.mark.parametrize(
    ("check", "arguments", "error", "message"),
    [
        (check_activation, ("tanh",), TypeError, r"activation must be an Activation such as .* got 'tanh'"),
        (check_activation, (ACTIVATIONS["tanh"], [1.0]), ValueError, r"z must be \(units, samples\)"),
        (check_activation, (ACTIVATIONS["tanh"], [[np.inf]]), ValueError, "z contains infinity"),
        (check_activation, (ACTIVATIONS["tanh"], [["a"]]), TypeError, "z must hold real numbers"),
        (check_activation, (ACTIVATIONS["tanh"], np.ones((0, 2))), ValueError, "not empty"),
        (check_divergence, (SquaredError, Y, Y), TypeError, "divergence must be a Divergence such as"),
        (
            check_divergence,
            (SquaredError(), Y, [Y[0]]),
            ValueError,
            r"targets must be \(2, 2\), as outputs",
        ),
        (check_divergence, (SquaredError(), Y, None), TypeError, "targets must hold real numbers"),
        (check_divergence, (CrossEntropy(), [[2.0, 0.5]] * 2, Y), ValueError, r"must lie in \[0, 1\]"),
    ],
)
def test_bad_arguments(check, arguments, error, message):
    with pytest.raises(error, match=message):
        check(*arguments)


@pytest.mark.parametrize("tolerance", [0.0, -1e-7, np.nan, np.inf])
def test_bad_tolerances(tolerance):
    with pytest.raises(ValueError, match="tolerance must be in "):
        check_activation(ACTIVATIONS["tanh"], tolerance=tolerance)
    with pytest.raises(ValueError, match="tolerance must be in "):
        check_divergence(SquaredError(), Y, Y, tolerance=tolerance)
    with pytest.raises(TypeError, match="seed must be an integer, got 0.5"):
        check_activation(ACTIVATIONS["tanh"], seed=0.5)
