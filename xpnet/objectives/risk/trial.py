"""A network and a divergence asked once, when a risk is made: what a user's own parts give back.

Broadcasting takes a result of the wrong shape without a word, and what a layer forgets to add stays as the
memory was. Two samples, all parameters and inputs at one half, show both before there is a number.
"""

from __future__ import annotations

import math
from typing import Any, cast

from ... import checks
from ...device.arrays import Array
from ...device.backend import Backend
from ...divergences import Divergence
from ...network import Network
from ..matrices import check_result


class _Recorder:
    """An `Accumulate` that looks at names and shapes only."""

    def __init__(self, where: str, shapes: dict[str, tuple[int, ...]]) -> None:
        self.where, self.shapes, self.left = where, shapes, {*shapes}

    def add(self, name: str, value: Array | float) -> None:
        self._take(name, tuple(getattr(value, "shape", self.shapes.get(name, ()))))

    def add_product(self, name: str, left: Array, right: Array) -> None:
        self._take(name, (*left.shape[:-1], right.shape[-1]))

    def add_sum(self, name: str, values: Array, total: Array | None = None) -> None:
        self._take(name, tuple((values[..., 0] if total is None else total).shape))

    def end(self) -> None:
        if self.left:
            names = ", ".join(map(repr, sorted(self.left)))
            raise ValueError(f"{self.where}.backward adds no gradient of {names}; add 0.0 if there is none")

    def _take(self, name: str, shape: tuple[int, ...]) -> None:
        if name not in self.shapes:
            raise ValueError(f"{self.where}.backward adds to {name!r}, but has {[*self.shapes]}")
        if shape != self.shapes[name]:
            raise ValueError(
                f"{self.where}.backward adds a gradient of shape {shape} to {name!r} "
                f"of shape {self.shapes[name]}"
            )
        self.left.discard(name)


def check_parts(backend: Backend, network: Network, divergence: Divergence, dtype: Any) -> None:
    """Raises unless layers and divergence give new arrays of the right shapes, and of `dtype`.

    Raises:
        TypeError, ValueError: they do not; the message names the layer or the divergence.
    """
    xp = backend.xp
    with backend.working():
        w = xp.full((network.size,), 0.5, dtype=dtype, device=backend.device)
        parameters, caches = network.parameters(w, xp), list[Any]()
        samples = next(number for number in (2, 3) if network.outputs != number)
        carried = xp.full((network.inputs, samples), 0.5, dtype=dtype, device=backend.device)
        widths: list[int] = []
        for number, layer in enumerate(network.layers):
            where, before = f"layers[{number}], {type(layer).__name__}", xp.asarray(carried, copy=True)
            pair = _pair(f"{where}.forward", layer.forward(xp, parameters[number], carried))
            if not bool(xp.all(carried == before)):
                raise ValueError(f"{where}.forward must not write to its inputs")
            widths.append(int(carried.shape[0]))
            shape = (widths[-1] if layer.units is None else layer.units, samples)
            check_result(backend, f"the outputs of {where}", pair[0], shape, dtype)
            carried = pair[0]
            caches.append(pair[1])
        _check_divergence(backend, divergence, tuple(carried.shape), dtype)
        gradient: Any = xp.full(tuple(carried.shape), 0.5, dtype=dtype, device=backend.device)
        for number in reversed(range(len(network.layers))):
            layer, own = network.layers[number], parameters[number]
            where = f"layers[{number}], {type(layer).__name__}"
            recorder = _Recorder(where, {name: tuple(part.shape) for name, part in own.items()})
            gradient = layer.backward(xp, own, caches.pop(), gradient, recorder, input_gradient=number > 0)
            recorder.end()
            if number:
                shape = (widths[number], samples)
                check_result(backend, f"the gradient by {where}.backward", gradient, shape, dtype)


def _check_divergence(backend: Backend, divergence: Divergence, shape: tuple[int, ...], dtype: Any) -> None:
    xp, (low, high) = backend.xp, divergence.domain
    inside = 0.5 * (low + high) if math.isfinite(low + high) else max(low, min(high, 0.5))
    y = xp.full(shape, inside, dtype=dtype, device=backend.device)
    t = xp.zeros(shape, dtype=dtype, device=backend.device)
    t[0, :] = 1.0
    name, values = type(divergence).__name__, shape[1:]
    alone = divergence.value(xp, y, t)
    check_result(backend, f"the value of each sample by {name}.value", alone, values, dtype)
    name += ".value_and_gradient"
    value, gradient = _pair(name, divergence.value_and_gradient(xp, y, t))
    check_result(backend, f"the value of each sample by {name}", value, values, dtype)
    check_result(backend, f"the gradient by {name}", gradient, shape, dtype)
    if any(gradient is given or getattr(gradient, "base", None) is given for given in (y, t)):
        raise ValueError(f"the gradient by {name} must be a new array, got outputs or targets themselves")


def _pair(name: str, result: Any) -> tuple[Any, Any]:
    if not isinstance(result, tuple) or len(cast("tuple[Any, ...]", result)) != 2:
        raise TypeError(f"{name} must return a pair, got {checks.shown(result)}")
    return cast("tuple[Any, Any]", result)
