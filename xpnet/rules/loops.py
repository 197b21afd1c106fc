"""Writes the loops of a traced rule for a compiler on the host (Numba): Python text, one pass over memory.

There is one text for each way in which the arrays broadcast and outputs lie on inputs. An output that lies
on an input is the same argument, and all arguments are told to lie apart, as a compiler that has to fear an
overlap makes no vectors. No operation may be rounded otherwise than it says: then a number comes out the
same in a vector and alone, so that bits depend neither on how arrays are cut nor on where they begin.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Sequence

import numpy as np

from .axes import Argument, Axes, parameters
from .functions import called, text
from .graph import Graph, Node
from .machine_code import KERNEL
from .operations import OPERATIONS
from .program import wanted_uniforms

LANES = 256  # partial sums, each of every 256th number; a power of 2

_ROOM = """
@intrinsic
def room(context, count, kind):  # for numbers that live as long as the call
    def generate(context, builder, signature, values):
        size = ir.Constant(ir.IntType(64), count.literal_value)
        own = context.get_value_type(kind.dtype)
        return cgutils.alloca_once(builder, own, size=size)
    if isinstance(count, types.IntegerLiteral):
        return types.CPointer(kind.dtype)(count, kind), generate
"""


class Writer:
    """The lines that compute a graph's nodes.

    `places[k]` is the argument in which array `k` lies. The scalars `numbers` come in double precision, and
    so does what is made of them alone, unless `given` says what comes instead for each uniform node that
    is wanted: "f" a number, "b" a truth value (both as a float64), "a" an array, "c" one of truth values.
    """

    def __init__(self, graph: Graph, places: Sequence[str], given: str | None) -> None:
        self.graph, self.places, self.uniforms = graph, places, wanted_uniforms(graph)
        self.given = given
        self.numbers = (
            [f"h{k}" for k in range(len(graph.scalars))]
            if given is None
            else [f"t{n}" for n, kind in zip(self.uniforms, given, strict=True) if kind in "fb"]
        )

    def name(self, number: int) -> str:
        node = self.graph.nodes[number]
        if node.operation == "constant":
            return _constant(node.value, "T")
        return f"v{self.places[node.value]}" if node.operation == "array" else f"t{number}"

    def line(self, number: int) -> str:
        node = self.graph.nodes[number]
        return f"t{number} = {OPERATIONS[node.operation].loop.format(*map(self.name, node.arguments))}"

    def load(self, argument: str, element: str) -> str:
        """The line that reads an element of an argument."""
        if argument[0] != "U":
            return f"v{argument} = {element}"
        number = int(argument[1:])
        return f"t{number} = {element}" + " != T(0)" * self.graph.nodes[number].boolean

    def computed(self, number: int) -> bool:
        """Whether a node has a line of its own in the loops."""
        node = self.graph.nodes[number]
        return not node.uniform and node.operation != "array"

    def prologue(self) -> list[str]:
        """Makes the uniform nodes, in double precision, and then numbers of the loop's dtype of them."""
        nodes = self.graph.nodes
        if self.given is not None:
            kinds = zip(self.uniforms, self.given, strict=True)
            made = {"f": "t{0} = T(t{0})", "b": "t{0} = t{0} != 0.0"}
            return [made[kind].format(n) for n, kind in kinds if kind in "fb"]
        needed = ancestors(nodes, self.uniforms)
        lines: list[str] = []
        for number in sorted(needed):
            node = nodes[number]
            if node.operation == "scalar":
                lines.append(f"d{number} = h{self.graph.scalars.index(node.value)}")
            elif node.operation != "constant":
                read = [
                    _constant(nodes[n].value, "") if nodes[n].operation == "constant" else f"d{n}"
                    for n in node.arguments
                ]
                own = re.sub(r"\bT\(", "D(", OPERATIONS[node.operation].loop.format(*read))
                lines.append(f"d{number} = {own}")
        return lines + [f"t{n} = d{n}" if nodes[n].boolean else f"t{n} = T(d{n})" for n in self.uniforms]

    def source(
        self, axes: Axes, dtype: str, extra: Sequence[str], lines: Sequence[str], kept: Iterable[int] = ()
    ) -> str:
        """The module of a kernel with these lines, which takes the arguments, then numbers.

        Between them are arrays to work in, for the nodes `kept`.
        """
        numbers, rooms = [*self.numbers, *extra], [f"K{n}" for n in kept]
        made = [*axes.prologue(), *self.prologue(), *lines]
        taken = [*parameters(axes.arguments), *parameters(rooms), *numbers]
        return (
            text(dtype)
            + _ROOM
            + f"D, SIZE = np.float64, {np.dtype(dtype).itemsize}\n"
            + f"{KERNEL}{axes.dtypes(dtype) + [dtype] * len(rooms)}, {len(numbers)}\n"
            + f"\ndef kernel({', '.join(taken)}):\n"
            + "\n".join(indented(made))
            + "\n"
        )


def folds_in_loop(graph: Graph) -> bool:
    """Whether what is made of numbers alone calls no function of `functions.py`, which are of one dtype."""
    needed = ancestors(graph.nodes, wanted_uniforms(graph))
    return not any(
        called([OPERATIONS[n.operation].loop])
        for n in map(graph.nodes.__getitem__, needed)
        if n.operation in OPERATIONS
    )


def ancestors(nodes: Sequence[Node], wanted: Sequence[int]) -> set[int]:
    """The numbers `wanted`, and of all nodes that go into them."""
    found, todo = set[int](), [*wanted]
    while todo:
        number = todo.pop()
        if number not in found:
            found.add(number)
            todo += nodes[number].arguments
    return found


def indented(lines: Sequence[str], depth: int = 1) -> list[str]:
    return ["    " * depth + line for line in lines]


def _constant(value: float, kind: str) -> str:
    number = repr(value) if math.isfinite(value) else f"np.{abs(value)!r}"
    if value == -math.inf:
        number = "-np.inf"
    return f"{kind}({number})"


def elementwise_text(
    graph: Graph,
    arguments: Sequence[Argument],
    places: Sequence[str],
    outputs: Sequence[str],
    given: str | None,
    dtype: str,
    summed: bool = False,
) -> str:
    """The module whose kernel writes the results of an elementwise rule into the arguments `outputs`.

    If `summed`, sums of the last over the last axis go into `total`, each of one loop: its bits are fixed.
    """
    writer = Writer(graph, places, given)
    axes = Axes(arguments, apart=int(summed))
    lines = list[str]()
    read = [own.name for own in arguments if own.name in places or own.name[0] == "U"]
    last = len(axes.groups)
    for depth in range(last + 1):
        loaded = [writer.load(name, axes.index(name)) for name in read if axes.depth(name) == depth]
        lines += indented(loaded, depth)
        if depth < last:
            start = ["added = D(0.0)"] * (summed and depth == last - 1)
            lines += indented([*start, f"for i{depth} in range(n{depth}):"], depth)
    body = [writer.line(n) for n in range(len(graph.nodes)) if writer.computed(n)]
    body += [f"r{k} = {writer.name(n)}" for k, n in enumerate(graph.outputs)]
    body += [f"{axes.index(name)} = r{k}" for k, name in enumerate(outputs)]
    lines += indented(body, last)
    if summed:
        lines += indented([f"added = in_any_order(added, D(r{len(outputs) - 1}))"], last)
        lines += indented([f"{axes.index('total')} = T(added)"], last - 1)
    return writer.source(axes, dtype, (), lines)


def sum_text(
    graph: Graph,
    arguments: Sequence[Argument],
    places: Sequence[str],
    given: str | None,
    dtype: str,
) -> str:
    """The module whose kernel writes `factor` times sums over the last axis into `total`, in float64.

    Number `j` goes to partial sum `j % LANES`; these are added in pairs.
    """
    writer = Writer(graph, places, given)
    axes = Axes(arguments, apart=1)
    last = len(axes.groups) - 1
    read = [own.name for own in arguments if own.name != "total"]
    along = [name for name in read if axes.arguments[name].mask[-1] == "1"]
    lines = [f"lanes = room({LANES}, D)"]
    for depth in range(last):
        lines += indented([f"for i{depth} in range(n{depth}):"], depth)
    body = [writer.line(n) for n in range(len(graph.nodes)) if writer.computed(n)]
    inner = [
        f"for j in range({LANES}):",
        "    lanes[j] = 0.0",
        *[writer.load(name, axes.index(name)) for name in read if name not in along],
        f"for first in range(0, n{last}, {LANES}):",
        f"    n = min({LANES}, n{last} - first)",
        *[f"    p{name} = {axes.place(name, **{f'i{last}': 'first'})}" for name in along],
        "    for j in range(n):",
        *indented([writer.load(name, axes.along(name, f"p{name}")) for name in along], 2),
        *indented([*body, f"lanes[j] += np.float64({writer.name(graph.outputs[0])})"], 2),
    ]
    half = LANES
    while half := half // 2:
        inner += [f"for j in range({half}):", f"    lanes[j] += lanes[{half} + j]"]
    inner.append(f"{axes.index('total')} = lanes[0] * factor")
    return writer.source(axes, dtype, ("factor",), lines + indented(inner, last))
