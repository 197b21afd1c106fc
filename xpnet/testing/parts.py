"""The checks of activations and divergences.

First derivatives are compared with differences of values. Second ones, which Hessian products are made
of, come from the same code run on dual numbers, and are compared with differences of first ones.
"""

from __future__ import annotations

import math
from typing import Any

from .. import checks
from ..device.arrays import Array, Namespace, host_generator
from ..device.backend import Backend
from ..device.select import backend
from ..divergences import Divergence
from ..dual import Dual
from ..dual import Namespace as DualNamespace
from ..layers import Activation, ElementwiseActivation
from .differences import close, compare_gradient, require, tolerance_for
from .duals import (
    compare_duals,
    copied,
    directions,
    freeze,
    frozen,
    largest,
    matrix,
    only_reads,
    require_kind,
)

MARGIN = 2e-5  # of outputs from the ends of their domain
LARGE = 30.0  # times the inputs: where a range is looked at too


def check_divergence(
    divergence: Divergence, outputs: Any, targets: Any, *, tolerance: float | None = None
) -> None:
    """Checks a divergence on `outputs` and `targets`, both `(units, samples)`, in float64.

    Its gradient by differences of values, and the gradient's own derivatives, by dual numbers, by
    differences of gradients.

    Args:
        divergence: what to check.
        outputs, targets: arrays or nested lists of finite numbers; outputs in the divergence's `domain`.
        tolerance: the largest error, relative to the largest entry; 1e-7 if not given.

    Raises:
        AssertionError: a derivative or a shape is wrong, or an argument is written to.
        TypeError, ValueError: arguments of the wrong kind.

    >>> from xpnet import SquaredError
    >>> from xpnet.testing import check_divergence
    >>> check_divergence(SquaredError(), [[0.2, 0.4], [0.1, -2.0]], [[1.0, 0.0], [0.0, 1.0]])
    """
    require_kind("divergence", divergence, Divergence, "SquaredError()")
    place = backend("numpy")
    host = place.host
    y, d = matrix("outputs", outputs), matrix("targets", targets)
    if y.shape != d.shape:
        raise ValueError(f"targets must be {y.shape}, as outputs, got shape {d.shape}")
    low, high = divergence.domain
    least, most = float(host.min(y)), float(host.max(y))
    if not divergence.from_logits and not (low <= least and most <= high):
        raise ValueError(
            f"outputs must lie in [{low:g}, {high:g}], the domain of {divergence!r}, "
            f"got values from {least:g} to {most:g}"
        )
    if not divergence.from_logits and not (low <= least - MARGIN and most + MARGIN <= high):
        raise ValueError(
            f"outputs must lie within [{low:g}, {high:g}] by {MARGIN:g}, as differences are taken, "
            f"got values from {least:g} to {most:g}"
        )
    allowed = tolerance_for(host.float64, tolerance)
    with place.quiet():
        _check_divergence(place, divergence, y, d, allowed)


def _check_divergence(place: Backend, divergence: Divergence, y: Array, d: Array, allowed: float) -> None:
    xp, host = place.xp, place.host
    with only_reads("the divergence"):
        value, gradient = divergence.value_and_gradient(xp, y, d)
        again = divergence.value(xp, y, d)
    samples = int(y.shape[1])
    require(tuple(value.shape) == (samples,), f"value has shape {value.shape}, not ({samples},)")
    require(gradient.shape == y.shape, f"gradient has shape {gradient.shape}")
    require(host.all(host.isfinite(value)), "value is not finite at these outputs and targets")
    require(close(host, again, value), "value and value_and_gradient give different values")

    def total(x: Array) -> Array:
        return host.sum(divergence.value(xp, x, d))

    compare_gradient(host, "gradient", total, y, gradient, allowed)

    tangents = directions(host, 1, y)

    def moved(step: float, k: int) -> tuple[Array, ...]:
        own = divergence.value_and_gradient(xp, y + step * tangents[0][k], d)
        return own[0], own[1]

    dual: Any = Dual(y, tangents[0])
    with only_reads("the divergence, on dual numbers,"):
        results = divergence.value_and_gradient(DualNamespace(xp), dual, d)
    names = ("derivative of the value by dual numbers", "second derivative by dual numbers")
    compare_duals(host, names, moved, results, (value, gradient), allowed, size=largest(host, y))


def check_activation(
    activation: Activation, z: Any = None, *, seed: int = 0, tolerance: float | None = None
) -> None:
    """Checks an activation at `z`, `(units, samples)`, in float64; at random numbers if none are given.

    Its derivative by differences of values, the derivative's own, by dual numbers, by differences of
    derivatives, and that outputs lie in its `range`, if it states one, and sum to 1 over the units where it
    says that they are a `distribution`. An elementwise one is also traced, so that it is known to run on
    CuPy.

    Args:
        activation: what to check.
        z: an array or nested lists of finite numbers, away from kinks.
        seed: of the random numbers.
        tolerance: the largest error, relative to the largest entry; 1e-7 if not given.

    Raises:
        AssertionError: a derivative is wrong, or outputs are out of range, or no distribution.
        TraceError: it cannot become a kernel.
        TypeError, ValueError: arguments of the wrong kind.

    >>> from xpnet import leaky_relu
    >>> from xpnet.testing import check_activation
    >>> check_activation(leaky_relu(0.2))
    """
    require_kind("activation", activation, Activation, "leaky_relu()")
    place = backend("numpy")
    xp, host = place.xp, place.host
    random = host_generator(checks.seed("seed", seed))
    at = frozen(host, random.standard_normal((5, 7))) if z is None else matrix("z", z)
    allowed = tolerance_for(host.float64, tolerance)
    weights = frozen(host, random.standard_normal(at.shape))
    bias = frozen(host, 0.1 * random.standard_normal((at.shape[0], 1)))
    if isinstance(activation, ElementwiseActivation):
        activation.check_traceable()
    _check_range(place, activation, at)

    def passes(namespace: Namespace, z: Any, b: Any, weights: Any) -> tuple[Any, Any]:
        outputs, cache = activation.forward(namespace, z, b)
        freeze(cache)
        with only_reads("backward"):
            return outputs, activation.backward(namespace, cache, weights)

    for b in (None, bias):
        results = passes(xp, copied(host, at), b, weights)

        def total(x: Array, b: Any = b) -> Array:
            return host.sum(activation.forward(xp, copied(host, x), b)[0] * weights)

        compare_gradient(host, "derivative", total, at, results[1], allowed)

        tangents = directions(host, 2, at, bias, weights)

        def moved(step: float, k: int, b: Any = b, tangents: Any = tangents) -> tuple[Array, ...]:
            own = [x + step * tangent[k] for x, tangent in zip((at, bias, weights), tangents, strict=True)]
            return passes(xp, own[0], None if b is None else own[1], own[2])

        duals = passes(
            DualNamespace(xp),
            Dual(copied(host, at), tangents[0]),
            None if b is None else Dual(bias, tangents[1]),
            Dual(weights, tangents[2]),
        )
        names = ("derivative of the outputs by dual numbers", "second derivative by dual numbers")
        compare_duals(host, names, moved, duals, results, allowed, size=largest(host, at, weights))


def _check_range(place: Backend, activation: Activation, z: Array) -> None:
    host, (low, high) = place.host, activation.range or (-math.inf, math.inf)
    with place.quiet():
        for own in (z, LARGE * z):
            y = activation.forward(place.xp, copied(host, own), None)[0]
            outside = host.any((y < low) | (y > high))
            require(not outside, f"outputs are not all in its range, [{low:g}, {high:g}]")
            off = host.any(host.abs(host.sum(y, axis=-2) - 1.0) > 1e-6)
            require(not (activation.distribution and off), "outputs do not sum to 1 over the units")
