"""Makes one CuPy `ElementwiseKernel` of a traced rule.

Numbers that go into a rule are combined on the host in double precision, so that `1 - decay` keeps its
digits in a float32 kernel, and arrive as arguments of the kernel; parameters that are arrays stay on the
device and are combined inside it.
"""

from __future__ import annotations

import functools
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from .host import uniform_values
from .trace import Graph

_TEXT = {
    "add": "{0} + {1}",
    "subtract": "{0} - {1}",
    "multiply": "{0} * {1}",
    "divide": "{0} / {1}",
    "pow": "pow({0}, {1})",
    "negative": "-{0}",
    "exp": "exp({0})",
    "expm1": "expm1({0})",
    "log": "log({0})",
    "log1p": "log1p({0})",
    "sqrt": "sqrt({0})",
    "tanh": "tanh({0})",
    "abs": "fabs({0})",
    # NaN goes through, as the array API asks of sign, maximum and minimum
    "sign": "({0} != {0}) ? {0} : (T)(({0} > (T)0) - ({0} < (T)0))",
    "maximum": "({0} >= {1} || {0} != {0}) ? {0} : {1}",
    "minimum": "({0} <= {1} || {0} != {0}) ? {0} : {1}",
    "less": "{0} < {1}",
    "less_equal": "{0} <= {1}",
    "greater": "{0} > {1}",
    "greater_equal": "{0} >= {1}",
    "equal": "{0} == {1}",
    "not_equal": "{0} != {1}",
    "logical_and": "{0} && {1}",
    "logical_or": "{0} || {1}",
    "logical_not": "!{0}",
    "where": "{0} ? {1} : {2}",
}


@dataclass(frozen=True)
class Source:
    """The parameters and the text of a kernel, as `cupy.ElementwiseKernel` takes them."""

    name: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    text: str
    host_values: tuple[int, ...]  # graph nodes computed on the host, passed as the last inputs

    @property
    def input_parameters(self) -> str:
        """The inputs with their types; a parameter that is an array may be of another dtype.

        CuPy takes a single letter for the type of whatever it is given, and longer names as dtypes.
        """
        letters = iter("ABCDEFGHIJKLMNOPQRSUVWXYZ")
        return ", ".join(f"{next(letters) if name[0] == 's' else 'T'} {name}" for name in self.inputs)

    @property
    def output_parameters(self) -> str:
        return ", ".join(f"T {name}" for name in self.outputs)


def source(graph: Graph, device_scalars: frozenset[str] = frozenset()) -> Source:
    """The kernel of `graph`; the scalars in `device_scalars` are arrays, the others numbers."""
    on_host: list[bool] = []  # uniform, and made of numbers alone
    for node in graph.nodes:
        number = node.operation == "constant" or (
            node.operation == "scalar" and node.value not in device_scalars
        )
        made = bool(node.arguments) and all(on_host[argument] for argument in node.arguments)
        on_host.append(number or made)

    inputs = [f"a{position}" for position in range(len(graph.arrays))]
    inputs += [f"s{graph.scalars.index(name)}" for name in graph.scalars if name in device_scalars]
    host_values: list[int] = []
    lines: list[str] = []

    def text(number: int) -> str:
        node = graph.nodes[number]
        if node.operation == "array":
            return f"a{node.value}"
        if node.operation == "constant" and math.isfinite(node.value):
            return f"(T){node.value!r}" if node.value >= 0 else f"((T){node.value!r})"
        if on_host[number]:  # infinity and NaN too: the compiler of CUDA has no names for them
            if number not in host_values:
                host_values.append(number)
            return f"h{number}" if not node.boolean else f"(h{number} != (T)0)"
        if node.operation == "scalar":
            return f"(T)s{graph.scalars.index(node.value)}"
        return f"t{number}"

    for number, node in enumerate(graph.nodes):
        if node.arguments and not on_host[number]:
            kind = "bool" if node.boolean else "T"
            expression = _TEXT[node.operation].format(*map(text, node.arguments))
            lines.append(f"const {kind} t{number} = {expression};")
    # outputs last: an output may lie on an input, which may be an output too
    for number in sorted(set(graph.outputs)):
        if graph.nodes[number].operation == "array":
            lines.append(f"const T t{number} = a{graph.nodes[number].value};")
    outputs = [f"o{k}" for k in range(len(graph.outputs))]
    lines += [
        f"{name} = {text(number) if graph.nodes[number].uniform else f't{number}'};"
        for name, number in zip(outputs, graph.outputs, strict=True)
    ]
    inputs += [f"h{number}" for number in host_values]
    return Source(graph.name, tuple(inputs), tuple(outputs), "\n".join(lines), tuple(host_values))


@functools.cache
def _kernel(made: Source) -> Any:
    import cupy

    return cupy.ElementwiseKernel(
        made.input_parameters,
        made.output_parameters,
        made.text,
        re.sub(r"\W", "_", f"xpnet_{made.name}"),
    )


def run(
    graph: Graph,
    made: Source,
    arrays: Sequence[Any],
    outputs: Sequence[Any],
    scalars: Mapping[str, Any],
) -> None:
    """Launches the kernel once, on `arrays`, into `outputs`."""
    dtype = outputs[0].dtype
    on_device = [scalars[name] for name in graph.scalars if not isinstance(scalars[name], float)]
    numbers = [
        dtype.type(value) for value in uniform_values(graph, made.host_values, scalars, np.dtype(dtype))
    ]
    _kernel(made)(*arrays, *on_device, *numbers, *outputs)
