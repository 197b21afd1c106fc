"""A network as Python text: one file that needs NumPy and nothing else."""

from __future__ import annotations

import base64
import keyword
import math
from typing import Any

from .. import checks
from ..device.arrays import DTypeLike, Vector
from ..network import Network
from ..rules.graph import Graph
from ..rules.operations import OPERATIONS, REDUCTIONS
from .steps import HostArray, Step, constant, steps, wanted

_HEAD = '''"""A network of xpnet's, as NumPy computes it: predict(X)."""

import base64

import numpy as np

T = np.{dtype}


def _array(text, *shape):
    return np.frombuffer(base64.b64decode(text), "<{kind}").astype(T).reshape(shape)

'''
_PREDICT = '''

@np.errstate(all="ignore")
def {name}(X):
    """The outputs (samples, {outputs}) of X (samples, {inputs})."""
    y = np.asarray(X, T)
    if y.ndim != 2 or y.shape[1] != {inputs}:
        raise ValueError(f"X must be (samples, {inputs}), got shape {{y.shape}}")
'''
_REDUCED = {"sum": "sum", "prod": "prod", "max": "max", "min": "min"}


def to_numpy_source(
    network: Network, w: Vector, *, dtype: DTypeLike | None = None, name: str = "predict"
) -> str:
    """The text of a Python module with a function `predict(X)`, which needs NumPy 2 only.

    It takes `X` `(samples, inputs)` and returns `(samples, outputs)`, as `Network.predict` does. The
    parameters are in the text, bit for bit.

    Args:
        network: of dense, normalization and dropout layers; activations may be your own.
        w: its parameters, `(P,)`.
        dtype: "float32" or "float64", in which it computes; by default that of `w`.
        name: of the function.

    Raises:
        TypeError: a layer that cannot be written, or an activation that cannot be traced.
        ValueError: `w` of replicas, of another size, or not finite; a name that is none.

    >>> from xpnet import Dense, Network
    >>> from xpnet.export import to_numpy_source
    >>> network = Network(2, Dense(3, "tanh"), Dense(1))
    >>> w = network.initialize(seed=0)
    >>> module = {}
    >>> exec(to_numpy_source(network, w), module)
    >>> bool((abs(module["predict"]([[0.5, -1.0]]) - network.predict(w, [[0.5, -1.0]])) < 1e-6).all())
    True
    """
    _identifier(name)
    found, kind = steps(network, w, dtype)
    arrays: list[str] = []
    body: list[str] = []
    for number, step in enumerate(found):
        body.append(f"    # {' '.join(step.text.split())}")
        body += _product(step, number, arrays)
        if step.rule is not None:
            body += _rule(step.rule, number, step, arrays)
    head = _HEAD.format(dtype=kind, kind=f"f{4 if kind == 'float32' else 8}")
    start = _PREDICT.format(name=name, inputs=network.inputs, outputs=network.outputs)
    return head + "\n".join(arrays) + start + "\n".join([*body, "    return np.asarray(y, T)", ""])


def _product(step: Step, number: int, arrays: list[str]) -> list[str]:
    if step.weights is None:
        return []
    text = f"y @ {_array(f'W{number}', step.weights, arrays)}.T"
    if step.bias is not None:
        text += f" + {_array(f'b{number}', step.bias, arrays)}"
    return [f"    y = {text}"]


def _rule(rule: Graph, number: int, step: Step, arrays: list[str]) -> list[str]:
    """The lines that compute a rule of `y`, with the units on the last axis."""
    given = ["y", *(_array(f"a{number}_{k}", array, arrays) for k, array in enumerate(step.arrays, 1))]

    def name(node_number: int) -> str:
        node = rule.nodes[node_number]
        if node.operation == "array":
            return given[int(node.value)]
        return _number(constant(rule, node_number)) if node.uniform else f"t{node_number}"

    lines: list[str] = []
    end = rule.outputs[0]
    for node_number in wanted(rule, [end]):
        node = rule.nodes[node_number]
        names = ", ".join(map(name, node.arguments))
        if node.operation in REDUCTIONS:
            text = f"np.{_REDUCED[node.operation]}({names}, axis=-1, keepdims=True)"
        else:
            text = f"np.{OPERATIONS[node.operation].ufunc}({names})"
        lines.append(f"    t{node_number} = {text}")
    last = name(end)
    return [*lines, f"    y = np.full_like(y, {last})" if rule.nodes[end].uniform else f"    y = {last}"]


def _array(name: str, array: HostArray, arrays: list[str]) -> str:
    """`name`, under which `array` is written down."""
    data = base64.b64encode(array.astype(array.dtype.newbyteorder("<")).tobytes()).decode()
    lines = [f'    "{data[start : start + 88]}"' for start in range(0, len(data), 88)]
    shape = ", ".join(map(str, array.shape))
    lines[-1] += ","
    arrays.append("\n".join([f"{name} = _array(", *lines, f"    {shape},", ")"]))
    return name


def _number(value: float | bool) -> str:
    if isinstance(value, bool):
        return str(value)
    return f"T({value!r})" if math.isfinite(value) else f'T("{value}")'


def _identifier(name: Any) -> None:
    if not checks.text("name", name).isidentifier() or name.startswith("_") or keyword.iskeyword(name):
        raise ValueError(f"name must be one of a function, got {name!r}")
