"""Makes one CuPy kernel of a traced rule: an `ElementwiseKernel`, or a `ReductionKernel` for its sum.

Numbers that go into a rule are combined on the host in double precision, so that `1 - decay` keeps its
digits in a float32 kernel, and arrive as arguments of the kernel; parameters that are arrays stay on the
device and are combined inside it.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from .graph import Graph
from .numpy import uniform_values
from .operations import OPERATIONS, REDUCTIONS
from .rule import Launch

_KINDS = {"r": "raw T", "u": "int64", "w": "int64"}


@dataclass(frozen=True)
class Source:
    """The parameters and the text of a kernel, as CuPy takes them.

    Arrays are called `a0`; or `r0` where the kernel indexes them itself, which then knows the number of
    `units` and the `width`, that of samples. Scalars that are arrays are called `s0`, numbers from the
    host `h0`, outputs `o0`.
    """

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
        return ", ".join(
            f"{next(letters) if name[0] == 's' else _KINDS.get(name[0], 'T')} {name}"
            for name in self.inputs
        )

    @property
    def output_parameters(self) -> str:
        kind = "raw T" if "units" in self.inputs else "T"
        return ", ".join(f"{kind} {name}" for name in self.outputs)


class _Writer:
    """The text of a graph's nodes; the scalars in `device_scalars` are arrays, the others numbers."""

    def __init__(self, graph: Graph, device_scalars: frozenset[str] = frozenset()) -> None:
        self.graph = graph
        self.on_host: list[bool] = []  # uniform, and made of numbers alone
        for node in graph.nodes:
            number = node.operation == "constant" or (
                node.operation == "scalar" and node.value not in device_scalars
            )
            made = bool(node.arguments) and all(self.on_host[argument] for argument in node.arguments)
            self.on_host.append(number or made)
        self.host_values: list[int] = []

    def name(self, number: int) -> str:
        """What stands for a node where it is read."""
        node = self.graph.nodes[number]
        if node.operation == "array":
            return f"a{node.value}"
        if node.operation == "constant" and math.isfinite(node.value):
            return f"(T){node.value!r}" if node.value >= 0 else f"((T){node.value!r})"
        if self.on_host[number]:  # infinity and NaN too: the compiler of CUDA has no names for them
            if number not in self.host_values:
                self.host_values.append(number)
            return f"h{number}" if not node.boolean else f"(h{number} != (T)0)"
        if node.operation == "scalar":
            return f"(T)s{self.graph.scalars.index(node.value)}"
        return f"t{number}"

    def line(self, number: int) -> str:
        """The line that computes a node."""
        node = self.graph.nodes[number]
        kind = "bool" if node.boolean else "T"
        text = OPERATIONS[node.operation].text.format(*map(self.name, node.arguments))
        return f"const {kind} t{number} = {text};"

    def computed(self, number: int) -> bool:
        """Whether a node has a line of its own."""
        return bool(self.graph.nodes[number].arguments) and not self.on_host[number]

    def source(self, inputs: list[str], lines: list[str]) -> Source:
        inputs = inputs + [f"h{number}" for number in self.host_values]
        outputs = tuple(f"o{k}" for k in range(len(self.graph.outputs)))
        return Source(
            self.graph.identifier, tuple(inputs), outputs, "\n".join(lines), tuple(self.host_values)
        )


def source(graph: Graph, device_scalars: frozenset[str] = frozenset()) -> Source:
    """The kernel of `graph`; the scalars in `device_scalars` are arrays, the others numbers."""
    writer = _Writer(graph, device_scalars)
    lines = [writer.line(number) for number in range(len(graph.nodes)) if writer.computed(number)]
    # outputs last: an output may lie on an input, which may be an output too
    for number in sorted(set(graph.outputs)):
        if graph.nodes[number].operation == "array":
            lines.append(f"const T t{number} = a{graph.nodes[number].value};")
    lines += [
        f"o{k} = {writer.name(number) if graph.nodes[number].uniform else f't{number}'};"
        for k, number in enumerate(graph.outputs)
    ]
    inputs = [f"a{position}" for position in range(len(graph.arrays))]
    inputs += [f"s{graph.scalars.index(name)}" for name in graph.scalars if name in device_scalars]
    return writer.source(inputs, lines)


_STEP = {
    "sum": "t{0} += {1};",
    "prod": "t{0} = (u == 0) ? {1} : t{0} * {1};",
    # NaN goes through, and stays
    "max": "t{0} = (u == 0 || {1} > t{0} || {1} != {1}) ? {1} : t{0};",
    "min": "t{0} = (u == 0 || {1} < t{0} || {1} != {1}) ? {1} : t{0};",
}


def samplewise_source(graph: Graph) -> Source:
    """The kernel of a rule with sums or maxima over the units: a thread for each sample.

    Reductions that wait for no other share a loop over the units; values between them that belong to a
    unit are computed again in each loop that needs them, so that nothing is kept in memory.
    """
    writer, nodes = _Writer(graph), graph.nodes
    stage: list[int] = []  # how many loops must be over before a node can be computed
    for node in nodes:
        before = max((stage[argument] for argument in node.arguments), default=0)
        stage.append(before + (node.operation in REDUCTIONS))
    reductions = [number for number, node in enumerate(nodes) if node.operation in REDUCTIONS]
    written = {k: number for k, number in enumerate(graph.outputs) if not nodes[number].per_sample}

    def loop(wanted: list[int], ends: list[str]) -> list[str]:
        """A loop over the units that computes the nodes `wanted` of each, and does `ends` with them."""
        needed, todo = set[int](), list(wanted)
        while todo:
            number = todo.pop()
            if number not in needed and not nodes[number].per_sample:
                needed.add(number)
                todo += nodes[number].arguments
        loads = [nodes[number].value for number in sorted(needed) if nodes[number].operation == "array"]
        body = [f"const T a{position} = r{position}[k];" for position in loads]
        body += [writer.line(number) for number in sorted(needed) if writer.computed(number)]
        opening = "for (long long u = 0, k = first; u < units; ++u, k += width) {"
        return [opening, *("    " + line for line in body + ends), "}"]

    lines = ["const long long first = i / width * units * width + i % width;"]
    for round_ in range(1, max(stage, default=0) + 1):
        now = [number for number in reductions if stage[number] == round_]
        lines += [f"T t{number} = (T)0;" for number in now]
        sources = [nodes[number].arguments[0] for number in now]
        ends = [
            _STEP[nodes[number].operation].format(number, writer.name(source))
            for number, source in zip(now, sources, strict=True)
        ]
        lines += loop(sources, ends)
        lines += [
            writer.line(number)
            for number, node in enumerate(nodes)
            if node.per_sample and stage[number] == round_ and number not in now
        ]
    if written:
        lines += loop(list(written.values()), [f"o{k}[k] = {writer.name(n)};" for k, n in written.items()])
    lines += [f"o{k}[i] = t{n};" for k, n in enumerate(graph.outputs) if nodes[n].per_sample]
    inputs = [f"r{position}" for position in range(len(graph.arrays))]
    return writer.source([*inputs, "units", "width"], lines)


def _cupy() -> Any:
    import cupy

    return cupy


@functools.cache
def _kernel(made: Source) -> Any:
    cupy = _cupy()
    return cupy.ElementwiseKernel(made.input_parameters, made.output_parameters, made.text, made.name)


@functools.cache
def _sum_kernel(made: Source) -> Any:
    cupy = _cupy()
    name = f"{made.name}_sum"
    arguments = ", ".join(f"const T {argument}" for argument in made.inputs)
    term = f"template <typename T> __device__ T term({arguments}) {{\nT o0;\n{made.text}\nreturn o0;\n}}"
    return cupy.ReductionKernel(
        f"{made.input_parameters}, float64 factor",
        "float64 total",
        f"term<T>({', '.join(made.inputs)})",
        "a + b",
        "total = a * factor",
        "0",
        name,
        reduce_type="double",
        preamble=term,
    )


def host_numbers(graph: Graph, made: Source, scalars: Mapping[str, Any], dtype: Any) -> list[Any]:
    """What the kernel takes as its last inputs."""
    values = uniform_values(graph, made.host_values, scalars, np.dtype(dtype))
    return [dtype.type(value) for value in values]


def run(
    graph: Graph,
    made: Source,
    arrays: Sequence[Any],
    outputs: Sequence[Any],
    scalars: Mapping[str, Any],
    launch: Launch,
) -> None:
    """Launches the kernel once, on `arrays`, into `outputs`; in it numbers of the host are NumPy's."""
    on_device = [scalars[name] for name in graph.scalars if not isinstance(scalars[name], float)]
    numbers = host_numbers(graph, made, scalars, outputs[0].dtype)
    launch((_kernel(made), (*arrays, *on_device, *numbers, *outputs)))


def run_samplewise(
    graph: Graph,
    made: Source,
    arrays: Sequence[Any],
    shape: tuple[int, ...],
    scalars: Mapping[str, float],
) -> list[Any]:
    """Launches the kernel once, on `arrays`, which broadcast to `shape`.

    Results that belong to a sample lack the axis of units.
    """
    cupy = _cupy()
    dtype = arrays[0].dtype
    units, width = shape[-2:]
    samples = (*shape[:-2], width)
    outputs: list[Any] = [
        cupy.empty(samples if graph.nodes[number].per_sample else shape, dtype) for number in graph.outputs
    ]
    arrays = [array if array.shape == shape else cupy.broadcast_to(array, shape) for array in arrays]
    numbers = host_numbers(graph, made, scalars, dtype)
    _kernel(made)(*arrays, units, width, *numbers, *outputs, size=math.prod(samples))
    return outputs


def run_sum(
    graph: Graph, made: Source, arrays: Sequence[Any], scalars: Mapping[str, float], factor: float
) -> Any:
    """`factor` times the sum of the rule's result over the last axis, by one launch, in float64."""
    numbers = host_numbers(graph, made, scalars, arrays[0].dtype)
    return _sum_kernel(made)(*arrays, *numbers, factor, axis=-1)
