"""Checks of derivatives, for the layers, activations, divergences and objectives that users write.

Each compares an analytic derivative with central differences `(f(x + h) - f(x - h)) / 2h`, with
`h = eps^(1/3) (1 + |x|)`, in float64 on the host, and raises an AssertionError that names the worst
coordinate. Functions with a kink, such as relu at 0, must be checked away from it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from .device.arrays import Array, host, host_generator
from .device.select import backend, backend_of
from .divergences import Divergence
from .layers import Activation, ElementwiseActivation, Layer
from .objectives import Objective

STEP = float(host.finfo(host.float64).eps) ** (1 / 3)


def check_gradient(objective: Objective, w: Array, *, tolerance: float = 1e-7) -> None:
    """Checks `objective.value_and_gradient` at `w`, `(P,)` or `(R, P)`.

    Also that `value` agrees with it, that the gradient is a new array of the shape and dtype of `w`,
    and that `w` is left alone.

    Raises:
        AssertionError: something does not hold.
    """
    place = backend_of(w)
    before = host.array(place.to_numpy(w))
    value, gradient = objective.value_and_gradient(w)
    _require(host.array_equal(place.to_numpy(w), before), "w was written to")
    _require(tuple(gradient.shape) == tuple(w.shape), f"gradient has shape {gradient.shape}")
    _require(gradient.dtype == w.dtype, f"gradient is {gradient.dtype}, w {w.dtype}")
    _require(gradient is not w, "gradient is w itself")
    _require(tuple(value.shape) == tuple(w.shape[:-1]), f"value has shape {tuple(value.shape)}")
    _require(
        host.allclose(place.to_numpy(objective.value(w)), place.to_numpy(value), rtol=1e-12),
        "value and value_and_gradient give different values",
    )
    analytic = place.to_numpy(gradient)

    def at(x: Any) -> Any:
        return place.to_numpy(objective.value(place.asarray(x, w.dtype)))

    _compare("gradient", at, before, analytic, tolerance, per_row=True)


def check_divergence(
    divergence: Divergence, outputs: Any, targets: Any, *, tolerance: float = 1e-7
) -> None:
    """Checks a divergence on `outputs` and `targets`, both `(units, samples)`.

    Raises:
        AssertionError: the gradient or a shape is wrong, or an argument is written to.
    """
    xp = backend("numpy").xp
    outputs, targets = _frozen(outputs), _frozen(targets)
    value, gradient = divergence.value_and_gradient(xp, outputs, targets)
    samples = outputs.shape[1]
    _require(value.shape == (samples,), f"value has shape {value.shape}, not ({samples},)")
    _require(gradient.shape == outputs.shape, f"gradient has shape {gradient.shape}")
    _require(
        host.allclose(divergence.value(xp, outputs, targets), value, rtol=1e-12),
        "value and value_and_gradient give different values",
    )

    def at(x: Any) -> Any:
        return host.sum(divergence.value(xp, x, targets))

    _compare("gradient", at, outputs, gradient, tolerance)


def check_activation(
    activation: Activation, z: Any = None, *, seed: int = 0, tolerance: float = 1e-7
) -> None:
    """Checks an activation at `z`, `(units, samples)`; at random numbers if none are given.

    An elementwise one is also traced, so that it is known to run on CuPy.

    Raises:
        AssertionError: the derivative is wrong.
        TraceError: it cannot become a kernel.
    """
    xp = backend("numpy").xp
    random = host_generator(seed)
    z = _frozen(random.standard_normal((5, 7)) if z is None else z)
    weights = random.standard_normal(z.shape)
    bias = 0.1 * random.standard_normal((z.shape[0], 1))
    if isinstance(activation, ElementwiseActivation):
        activation.check_traceable()
    for b in (None, bias):
        _, cache = activation.forward(xp, host.array(z), b)
        analytic = activation.backward(xp, cache, _frozen(weights))

        def at(x: Any, b: Any = b) -> Any:
            return host.sum(activation.forward(xp, host.array(x), b)[0] * weights)

        _compare("derivative", at, z, analytic, tolerance)


def check_layer(
    layer: Layer, inputs: int, *, samples: int = 6, seed: int = 0, tolerance: float = 1e-7
) -> None:
    """Checks a layer on `inputs` input units, with random parameters and inputs.

    The gradients with respect to each parameter and to the inputs; that parameters and inputs are not
    written to; that `input_gradient=False` changes nothing else; that two replicas give what each
    gives alone.

    Raises:
        AssertionError: something does not hold.
    """
    xp = backend("numpy").xp
    random = host_generator(seed)
    shapes = layer.shapes(inputs)
    many = {name: _frozen(random.standard_normal((2, *shape))) for name, shape in shapes.items()}
    parameters = {name: _frozen(values[0]) for name, values in many.items()}
    x = _frozen(random.standard_normal((inputs, samples)))
    units = layer.units or inputs
    weights = random.standard_normal((units, samples))

    def gradients(own: dict[str, Any], **options: bool) -> dict[str, Any]:
        found: dict[str, Any] = {}
        outputs, cache = layer.forward(xp, own, x)
        found["inputs"] = layer.backward(
            xp, own, cache, _frozen(host.broadcast_to(weights, outputs.shape)),
            _Collect(found), **options,
        )  # fmt: skip
        found["outputs"] = outputs
        return found

    found = gradients(parameters)
    _require(found["outputs"].shape == (units, samples), "outputs are (units, samples)")
    _require(set(shapes) <= set(found), f"no gradient of {set(shapes) - set(found)}")

    def loss(own: dict[str, Any], x: Any) -> Any:
        return host.sum(layer.forward(xp, own, x)[0] * weights)

    for name in shapes:
        _compare(
            f"gradient of {name}",
            lambda value, name=name: loss(parameters | {name: value}, x),
            parameters[name],
            found[name],
            tolerance,
        )
    _compare(
        "gradient of the inputs",
        lambda value: loss(parameters, value),
        x,
        found["inputs"],
        tolerance,
    )
    without = gradients(parameters, input_gradient=False)
    _require(without["inputs"] is None, "input_gradient=False still returns a gradient")
    replicas = gradients(many)
    for name in shapes:
        _require(
            host.allclose(without[name], found[name], rtol=1e-12),
            f"gradient of {name} depends on input_gradient",
        )
        _require(
            host.allclose(replicas[name][0], found[name], rtol=1e-12, atol=1e-14),
            f"gradient of {name} is another one among replicas",
        )


class _Collect:
    """What a layer's `backward` leaves, by name."""

    def __init__(self, found: dict[str, Any]) -> None:
        self.found = found

    def add(self, name: str, value: Any) -> None:
        _require(name not in self.found, f"the gradient of {name} is given twice")
        self.found[name] = host.array(value)

    def add_product(self, name: str, left: Any, right: Any) -> None:
        self.add(name, left @ right)

    def add_sum(self, name: str, values: Any) -> None:
        self.add(name, host.sum(values, axis=-1))


def _compare(
    what: str,
    function: Callable[[Any], Any],
    x: Any,
    analytic: Any,
    tolerance: float,
    *,
    per_row: bool = False,
) -> None:
    """Compares `analytic` with central differences of `function` at `x`.

    With `per_row` the function gives one value for each row of a matrix, and depends on that row only.
    """
    columns = x.shape[-1:] if per_row else x.shape
    numeric = host.empty(x.shape)
    for index in host.ndindex(*columns):
        place = (..., *index)
        step = STEP * (1 + host.abs(x[place]))
        above, below = host.array(x), host.array(x)
        above[place] += step
        below[place] -= step
        numeric[place] = (function(above) - function(below)) / (2 * step)
    error = host.abs(analytic - numeric) / max(1e-12, float(host.max(host.abs(numeric))))
    worst = host.unravel_index(int(host.argmax(error)), error.shape)
    _require(
        bool(host.all(error <= tolerance)),  # not so for NaN
        f"{what} at {tuple(map(int, worst))}: {analytic[worst]!r}, by differences "
        f"{numeric[worst]!r}; relative error {error[worst]:.1e}, allowed {tolerance:.1e}",
    )


def _frozen(values: Any) -> Any:
    copy = host.array(values, dtype=host.float64)
    copy.flags.writeable = False
    return copy


def _require(condition: Any, message: str) -> None:
    if not condition:
        raise AssertionError(message)
