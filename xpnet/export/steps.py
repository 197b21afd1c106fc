"""A network as steps that every exporter can write: products with weights, and traced rules."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np

from .. import checks
from ..device.select import backend_of
from ..layers import Activation, Dense, Dropout, ElementwiseActivation, Layer, LayerNorm, Softmax
from ..layers.activations import Identity, softmax
from ..network import Network
from ..rules import TraceError
from ..rules.graph import Graph
from ..rules.numpy import uniform_values
from ..rules.trace import trace

HostArray: TypeAlias = np.ndarray[Any, Any]


@dataclass(frozen=True, eq=False)
class Step:
    """`z = weights y + bias`, or `z = y` without weights; the outputs are what `rule` makes of `z`.

    Attributes:
        text: the layer, for a comment.
        units: the number of outputs.
        weights, bias: `(units, inputs)` and `(units,)`, or None.
        rule: of `z`, `(units, samples)`, and `arrays`, `(units, 1)`; or None.
        arrays: `(units,)` each.
    """

    text: str
    units: int
    weights: HostArray | None = None
    bias: HostArray | None = None
    rule: Graph | None = None
    arrays: tuple[HostArray, ...] = ()


def steps(network: Network, w: Any, dtype: Any) -> tuple[list[Step], str]:
    """The steps of `network` at `w`, and the name of their dtype, by default that of `w`.

    Raises:
        TypeError: a layer or activation that is no step or cannot be traced; `w` is no array.
        ValueError: replicas; parameters that are not finite, or not in `dtype`.
    """
    checks.instance("network", network, Network, "a Network")
    backend = backend_of(w)
    network.layout.check(w)
    if w.ndim != 1:
        raise ValueError(f"w must be (P,), as that of one replica, w[0], got shape {tuple(w.shape)}")
    wanted = backend.dtype(w.dtype if dtype is None else dtype)
    name = checks.dtype_name(wanted)
    with np.errstate(over="ignore"):
        flat = backend.to_numpy(w).astype(name)
    if not np.isfinite(flat).all():
        raise ValueError(f"w must be finite in {name}, got NaN or infinity")
    found: list[Step] = []
    units = network.inputs
    for number, (layer, own) in enumerate(zip(network.layers, network.parameters(flat), strict=True)):
        found += _steps(f"layers[{number}]", layer, units, own)
        units = units if layer.units is None else layer.units
    return found, name


def _steps(where: str, layer: Layer, inputs: int, own: Any) -> list[Step]:
    if type(layer) is Dropout:
        return []  # which does nothing where a network is not trained
    if type(layer) is LayerNorm:
        rule = trace(
            _Normalized(layer.epsilon, inputs), ("y", "scale", "bias"), (), "norm", samplewise=True
        )
        return [Step(repr(layer), inputs, rule=rule, arrays=(own["scale"], own["bias"]))]
    if type(layer) is Dense:
        rule = _rule(where, layer.activation)
        return [Step(repr(layer), layer.units, own["weights"], own.get("bias"), rule)]
    raise TypeError(
        f"{where} must be Dense, LayerNorm or Dropout to be exported, got {checks.shown(layer)}"
    )


def _rule(where: str, activation: Activation) -> Graph | None:
    if isinstance(activation, Identity):
        return None
    if isinstance(activation, Softmax):
        return softmax.graph
    if isinstance(activation, ElementwiseActivation):
        return activation.rules.plain.graph
    try:
        return trace(_Forward(activation), ("z",), (), activation.name, samplewise=True)
    except TraceError as error:
        raise TypeError(f"the activation of {where} cannot be exported: {error}") from error


@dataclass(frozen=True)
class _Forward:
    """An activation of any kind as a rule."""

    activation: Activation

    def __call__(self, xp: Any, z: Any) -> Any:
        return self.activation.forward(xp, z, None)[0]


@dataclass(frozen=True)
class _Normalized:
    """What `LayerNorm` computes, as a rule."""

    epsilon: float
    units: int

    def __call__(self, xp: Any, y: Any, scale: Any, bias: Any) -> Any:
        centred = y - xp.sum(y, axis=-2, keepdims=True) / self.units
        variance = xp.sum(centred * centred, axis=-2, keepdims=True) / self.units
        return scale * (centred * (1.0 / xp.sqrt(variance + self.epsilon))) + bias


def wanted(rule: Graph, ends: Sequence[int]) -> list[int]:
    """The nodes that `ends` need and that have to be computed, in order; numbers are not among them."""
    needed, todo = set[int](), list(ends)
    while todo:
        number = todo.pop()
        node = rule.nodes[number]
        if number not in needed and not node.uniform and node.operation != "array":
            needed.add(number)
            todo += node.arguments
    return sorted(needed)


def constant(rule: Graph, number: int) -> float | bool:
    """The value of a uniform node."""
    return uniform_values(rule, [number], {}, np.dtype("float64"))[0]
