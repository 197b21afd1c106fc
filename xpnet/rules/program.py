"""Writes the NumPy program of a traced rule: a list of ufunc calls on one block.

The graph of a rule becomes the text of a Python function, one ufunc call with an `out` a line. A result
is written into the output itself as soon as nothing needs the input that lies there, and into one of a
few block-sized buffers until then.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from .graph import Graph, Node
from .operations import OPERATIONS

_NEUTRAL = {"add": 0.0, "subtract": 0.0, "multiply": 1.0, "divide": 1.0}  # on the right of any number


@dataclass(frozen=True)
class Program:
    """A rule for one pattern of outputs that lie on inputs.

    `run(*arrays, *outputs, *uniforms)` computes one block; `uniforms` are the graph nodes whose values it
    takes as its last arguments; `text` is its source.
    """

    run: Callable[..., None]
    uniforms: tuple[int, ...]
    text: str


@dataclass(frozen=True)
class Call:
    """One line of the text: `function(*sources)` into `target`."""

    function: str
    sources: tuple[str, ...]
    target: str

    def __str__(self) -> str:
        if self.function == "copyto":
            return f"copyto({self.target}, {self.sources[0]})"
        return f"{self.function}({', '.join(self.sources)}, out={self.target})"

    def reads_late(self, name: str) -> bool:
        """Whether `name` is still read after the target has been written to."""
        return self.function == "where" and name == self.sources[2]

    def renamed(self, old: str, new: str) -> Call:
        sources = tuple([new if source == old else source for source in self.sources])
        return Call(self.function, sources, new if self.target == old else self.target)


def wanted_uniforms(graph: Graph) -> tuple[int, ...]:
    """The nodes, no constants, that are the same for every element and go into what is not."""
    nodes = graph.nodes
    read = [argument for node in nodes if not node.uniform for argument in node.arguments]
    found = [number for number in (*read, *graph.outputs) if nodes[number].uniform]
    return tuple(dict.fromkeys(number for number in found if nodes[number].operation != "constant"))


def without_idle(graph: Graph, values: Mapping[int, float]) -> Graph:
    """`graph` without the operations that change nothing, as some uniform nodes have these `values`.

    So a decay of 0, or a small number to be added elsewhere, costs no pass over the arrays.
    """
    same = list(range(len(graph.nodes)))
    nodes: list[Node] = []
    for number, node in enumerate(graph.nodes):
        arguments = tuple([same[argument] for argument in node.arguments])
        if node.operation in _NEUTRAL and not node.uniform:
            neutral = _NEUTRAL[node.operation]
            if values.get(arguments[1]) == neutral:
                same[number] = arguments[0]
            elif values.get(arguments[0]) == neutral and node.operation in ("add", "multiply"):
                same[number] = arguments[1]
        idle = same[number] != number
        nodes.append(Node("none", uniform=True) if idle else replace(node, arguments=arguments))
    outputs = tuple([same[number] for number in graph.outputs])
    return Graph(graph.name, graph.arrays, graph.scalars, nodes, outputs)


def compile_program(graph: Graph, aliases: Sequence[tuple[int, ...]]) -> Program:
    """Writes the calls of `graph`; `aliases[k]` are the inputs that output `k` overwrites."""
    nodes = graph.nodes
    last_use = dict.fromkeys(range(len(nodes)), -1)
    for number, node in enumerate(nodes):
        if not node.uniform:
            for argument in node.arguments:
                last_use[argument] = number
    for number in graph.outputs:
        last_use[number] = len(nodes)

    place: dict[int, str] = {}  # where the value of a node lies
    uniforms = wanted_uniforms(graph)
    for number, node in enumerate(nodes):
        if node.operation == "array":
            place[number] = f"a{node.value}"
        elif node.operation == "constant":
            place[number] = f"({node.value!r})" if np.isfinite(node.value) else f"float('{node.value}')"
    place |= {number: f"u{k}" for k, number in enumerate(uniforms)}

    buffers = {False: _Buffers("t", "dtype"), True: _Buffers("b", "bool")}
    calls: list[Call] = []
    written: set[int] = set()
    for number, node in enumerate(nodes):
        if node.uniform or node.operation == "array":
            continue
        target = _free_output(graph, aliases, number, node, last_use, written)
        sources = [place[argument] for argument in node.arguments]
        dying = [argument for argument in node.arguments if last_use[argument] == number]
        filling: list[str] = []
        if node.operation in ("maximum", "minimum"):
            # NumPy is three times slower with a number here than with an array of it
            for k, argument in enumerate(node.arguments):
                if nodes[argument].uniform:
                    filled = buffers[False].take()
                    calls.append(Call("copyto", (sources[k],), filled))
                    filling.append(filled)
                    sources[k] = filled
        # `where` reads its last choice after it has begun to write
        kept = node.arguments[2:] if node.operation == "where" else ()
        for argument in dying:
            if argument not in kept:
                buffers[nodes[argument].boolean].release(place[argument])
        if target is not None:
            written.add(target)
            place[number] = f"o{target}"
        else:
            place[number] = buffers[node.boolean].take()
        for argument in dying:
            if argument in kept:
                buffers[nodes[argument].boolean].release(place[argument])
        for filled in filling:
            buffers[False].release(filled)
        if node.operation == "where" and sources[1:] == ["(1.0)", "(0.0)"]:
            calls.append(Call("copyto", (sources[0],), place[number]))
        else:
            calls.append(Call(OPERATIONS[node.operation].ufunc, tuple(sources), place[number]))
    overwritten = {position for positions in aliases for position in positions}
    for number in set(graph.outputs):  # an input that is an output, and may be overwritten as one
        if nodes[number].operation == "array" and nodes[number].value in overwritten:
            kept = buffers[False].take()
            calls.append(Call("copyto", (place[number],), kept))
            place[number] = kept
    calls += [
        Call("copyto", (place[number],), f"o{k}")
        for k, number in enumerate(graph.outputs)
        if place[number] != f"o{k}"
    ]
    calls = _buffers_in_outputs(calls, buffers[False].names, aliases)
    lines = [str(call) for call in calls]

    arguments = [f"a{k}" for k in range(len(graph.arrays))]
    arguments += [f"o{k}" for k in range(len(graph.outputs))]
    arguments += [f"u{k}" for k in range(len(uniforms))]
    used = {name for call in calls for name in (*call.sources, call.target)}
    made = [line for buffer in buffers.values() for line in buffer.made(used)]
    if made:
        lines = ["shape, dtype = o0.shape, o0.dtype", *made, *lines]
    text = f"def block({', '.join(arguments)}):\n    " + "\n    ".join(lines) + "\n"
    names: dict[str, Any] = {
        name: getattr(np, name) for name in {call.function for call in calls} - {"where"}
    }
    names |= {"where": _where, "empty": np.empty}
    exec(compile(text, f"<rule {graph.identifier}>", "exec"), names)
    return Program(names["block"], uniforms, text)


class _Buffers:
    """Names of block-sized buffers, handed out and taken back."""

    def __init__(self, prefix: str, dtype: str) -> None:
        self.prefix, self.dtype = prefix, dtype
        self.names: list[str] = []
        self.free: list[str] = []

    def take(self) -> str:
        if not self.free:
            self.names.append(f"{self.prefix}{len(self.names)}")
            self.free.append(self.names[-1])
        return self.free.pop()

    def release(self, name: str) -> None:
        if name in self.names and name not in self.free:
            self.free.append(name)

    def made(self, used: set[str]) -> list[str]:
        return [f"{name} = empty(shape, {self.dtype})" for name in self.names if name in used]


def _buffers_in_outputs(
    calls: list[Call], names: Sequence[str], aliases: Sequence[tuple[int, ...]]
) -> list[Call]:
    """`calls` with an output in the place of each buffer whose work is over before it is needed."""
    for k, positions in enumerate(aliases):
        output, under = f"o{k}", [f"a{position}" for position in positions]
        ends = [i for i, call in enumerate(calls) if call.target == output]
        reads = [i for i, call in enumerate(calls) if not set(under).isdisjoint(call.sources)]
        last_read = max(reads, default=-1)
        for name in names:
            uses = [i for i, call in enumerate(calls) if name == call.target or name in call.sources]
            if not uses or not ends or uses[-1] > ends[0] or uses[0] < last_read:
                continue
            if calls[ends[0]].reads_late(name) or any(map(calls[uses[0]].reads_late, under)):
                continue
            calls = [call.renamed(name, output) for call in calls]
            calls = [call for call in calls if (call.function, call.sources) != ("copyto", (call.target,))]
            break
    return calls


def _free_output(
    graph: Graph,
    aliases: Sequence[tuple[int, ...]],
    number: int,
    node: Node,
    last_use: Mapping[int, int],
    written: set[int],
) -> int | None:
    """The output that node `number` may be written into at once, if there is one."""
    for k, output in enumerate(graph.outputs):
        if output != number or k in written:
            continue
        # the first nodes of a graph are its arrays
        if any(last_use[position] > number for position in aliases[k]):
            continue
        if node.operation == "where" and node.arguments[2] in aliases[k]:
            continue
        return k
    return None


def _where(condition: Any, first: Any, second: Any, out: np.ndarray[Any, Any]) -> None:
    """`where` on the bits of the numbers; NumPy's own takes ten times as long on mixed conditions."""
    integer = np.int32 if out.itemsize == 4 else np.int64
    first, second = _bits(first, out.dtype, integer), _bits(second, out.dtype, integer)
    mask = np.negative(
        np.asarray(condition).view(np.int8), dtype=integer, casting="unsafe"
    )  # all bits or none
    bits = out.view(integer)
    np.bitwise_xor(first, second, out=bits)
    np.bitwise_and(bits, mask, out=bits)
    np.bitwise_xor(bits, second, out=bits)


def _bits(value: Any, dtype: np.dtype[Any], integer: type) -> np.ndarray[Any, Any]:
    return np.asarray(value, dtype).view(integer)
