"""The check of a layer: first derivatives by differences, second ones by dual numbers and differences."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .. import checks
from ..device.arrays import Array, Namespace, Units, host_generator
from ..device.select import backend
from ..dual import Dual
from ..dual import Namespace as DualNamespace
from ..layers import Layer, RandomLayer
from .differences import close, compare_gradient, require, tolerance_for
from .duals import compare_duals, directions, freeze, frozen, largest, only_reads, require_kind


def check_layer(
    layer: Layer, inputs: int, *, samples: int = 6, seed: int = 0, tolerance: float | None = None
) -> None:
    """Checks a layer on `inputs` input units, with random parameters and inputs, in float64.

    The gradients with respect to each parameter and to the inputs, by differences of values, and their
    own derivatives, by dual numbers, by differences of gradients; that parameters, inputs and caches are
    not written to; that `input_gradient=False` changes nothing else; that two replicas give what each
    gives alone. A `RandomLayer` is checked without and with what it draws.

    Args:
        layer: what to check.
        inputs: the number of input units.
        samples: the number of samples.
        seed: of the random numbers.
        tolerance: the largest error, relative to the largest entry; 1e-7 if not given.

    Raises:
        AssertionError: something does not hold.
        TypeError, ValueError: arguments of the wrong kind.

    >>> from xpnet import Dense
    >>> from xpnet.testing import check_layer
    >>> check_layer(Dense(3, "tanh"), inputs=4)
    """
    require_kind("layer", layer, Layer, "Dense(3)")
    inputs, samples = checks.count("inputs", inputs), checks.count("samples", samples)
    seed = checks.seed("seed", seed)
    place = backend("numpy")
    name, most = max(("inputs", inputs), ("samples", samples), key=lambda pair: pair[1])
    place.require_room(name, most, 16 * inputs * samples)
    host = place.host
    allowed = tolerance_for(host.float64, tolerance)
    _check_layer(layer, inputs, samples, seed, allowed, {})
    if isinstance(layer, RandomLayer):
        numbers = host.arange(samples, dtype=host.uint32)

        def draws(own: Array) -> dict[str, Array]:
            return layer.draws(place.xp, inputs, own, host.float64, place=0, draw=0)

        drawn, part = draws(numbers), draws(numbers[samples // 2 :])
        for name, values in drawn.items():
            same = host.all(values[..., samples // 2 :] == part[name])
            require(same, f"what is drawn as {name} depends on which samples are drawn together")
        masks = {name: frozen(host, values) for name, values in drawn.items()}
        _check_layer(layer, inputs, samples, seed, allowed, masks)


def _check_layer(
    layer: Layer, inputs: int, samples: int, seed: int, tolerance: float, drawn: dict[str, Array]
) -> None:
    place = backend("numpy")
    xp, host = place.xp, place.host
    random = host_generator(seed)
    shapes = layer.shapes(inputs)
    many = {name: frozen(host, random.standard_normal((2, *shape))) for name, shape in shapes.items()}
    parameters = {name: frozen(host, values[0, ...]) for name, values in many.items()}
    x = frozen(host, random.standard_normal((inputs, samples)))
    units = inputs if layer.units is None else layer.units
    weights = frozen(host, random.standard_normal((units, samples)))

    def passes(
        namespace: Namespace, own: Mapping[str, Any], x: Any, weights: Any, **options: bool
    ) -> tuple[Any, Any, dict[str, Any]]:
        """The outputs, and the gradients of inputs and parameters of their sum times `weights`."""
        found: dict[str, Any] = {}
        with only_reads("the layer"):
            outputs, cache = layer.forward(namespace, {**own, **drawn}, x)
            freeze(cache)
            change: Any = weights
            if namespace is xp:
                shape = tuple(outputs.shape)
                require(shape[-2:] == (units, samples), f"outputs have shape {shape}")
                change = frozen(host, host.broadcast_to(weights, outputs.shape))
            back = layer.backward(
                namespace, {**own, **drawn}, cache, change, _Collect(namespace, found), **options
            )
        return outputs, back, found

    outputs, back, found = passes(xp, parameters, x, weights)
    require(tuple(outputs.shape) == (units, samples), f"outputs have shape {tuple(outputs.shape)}")
    require(
        set(shapes) == set(found),
        f"gradients are given of {sorted(found)}, the parameters are {sorted(shapes)}",
    )
    for name, shape in shapes.items():
        require(tuple(found[name].shape) == shape, f"gradient of {name} has shape {found[name].shape}")

    def total(own: Mapping[str, Any], x: Array) -> Array:
        return host.sum(layer.forward(xp, {**own, **drawn}, x)[0] * weights)

    for name in shapes:
        compare_gradient(
            host,
            f"gradient of {name}",
            lambda value, name=name: total({**parameters, name: value}, x),
            parameters[name],
            found[name],
            tolerance,
        )
    compare_gradient(
        host, "gradient of the inputs", lambda value: total(parameters, value), x, back, tolerance
    )

    without = passes(xp, parameters, x, weights, input_gradient=False)
    require(without[1] is None, "input_gradient=False still returns a gradient")
    replicas = passes(xp, many, x, weights)
    for name, shape in shapes.items():
        same = close(host, without[2][name], found[name])
        require(same, f"gradient of {name} depends on input_gradient")
        first = host.broadcast_to(replicas[2][name], (2, *shape))[0, ...]
        require(close(host, first, found[name]), f"gradient of {name} is another one among replicas")
    first = host.broadcast_to(replicas[0], (2, units, samples))[0, ...]
    require(close(host, first, outputs), "outputs are others among replicas")

    at = [*parameters.values(), x, weights]
    tangents = directions(host, seed, *at)

    def split(arrays: list[Any]) -> tuple[dict[str, Any], Any, Any]:
        return dict(zip(shapes, arrays[:-2], strict=True)), arrays[-2], arrays[-1]

    def moved(step: float, k: int) -> tuple[Array, ...]:
        own = [frozen(host, a + step * tangent[k]) for a, tangent in zip(at, tangents, strict=True)]
        outputs, back, found = passes(xp, *split(own))
        return outputs, back, *[found[name] for name in shapes]

    duals = passes(DualNamespace(xp), *split([Dual(*pair) for pair in zip(at, tangents, strict=True)]))
    names = ["the outputs", "the gradient of the inputs", *[f"the gradient of {name}" for name in shapes]]
    compare_duals(
        host,
        tuple(f"derivative of {name} by dual numbers" for name in names),
        moved,
        (duals[0], duals[1], *[duals[2][name] for name in shapes]),
        (outputs, back, *[found[name] for name in shapes]),
        tolerance,
        size=largest(host, *at),
    )


class _Collect:
    """What a layer's `backward` leaves, by name."""

    def __init__(self, xp: Namespace, found: dict[str, Any]) -> None:
        self.xp, self.found = xp, found

    def add(self, name: str, value: Array) -> None:
        require(name not in self.found, f"the gradient of {name} is given twice")
        self.found[name] = value

    def add_product(self, name: str, left: Units, right: Array) -> None:
        self.add(name, left @ right)

    def add_sum(self, name: str, values: Units, total: Array | None = None) -> None:
        self.add(name, self.xp.sum(values, axis=-1) if total is None else total)
