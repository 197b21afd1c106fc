"""Writes the loops of a rule that looks at all units of a sample, for a compiler on the host (Numba)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from .axes import Argument, Axes
from .functions import FUNCTIONS
from .graph import Graph, Node
from .loops import Writer, indented
from .operations import OPERATIONS, REDUCTIONS

_BLOCK = 512  # the samples that are taken at a time, at most


def block(units: int, samples: int) -> int:
    """The samples that are taken at a time."""
    return min(samples, _BLOCK, max(64, 16 * _BLOCK // max(1, units)))


def kept(graph: Graph) -> list[int]:
    """The nodes whose values are kept for a block: a kernel wants an array `(units, block)` for each."""
    return [*_plan(graph).kept]


def samplewise_text(
    graph: Graph, arguments: Sequence[Argument], dtype: str, *, summed: bool = False
) -> str:
    """The module whose kernel writes the results of a samplewise rule into the arguments `O0`, `O1`, ...

    If it is `summed`, the last of them, which has units, is added up over the samples into `total`.

    A block of samples at a time, and over it loops over the units with the samples inside. Reductions that
    wait for no other share a loop; what is dear and needed in a later loop again is kept for the block, in
    the arguments `K3` for node 3, and so on.
    """
    writer, nodes = Writer(graph, [f"A{k}" for k in range(len(graph.arrays))], None), graph.nodes
    axes = Axes(arguments, apart=2)
    lead = len(axes.groups) - 2
    stage, rounds, reductions, results, kept = _plan(graph)

    def loop(round_: int, ends: list[str]) -> list[str]:
        wanted = [nodes[n].arguments[0] for n in reductions if stage[n] == round_]
        own = wanted if round_ < rounds else [*results.values()]
        here = _of_units(nodes, own, {n for n, first in kept.items() if first < round_})
        outer, inner = list[str](), list[str]()
        for number in sorted(here):
            node, name = nodes[number], writer.name(number)
            if node.operation == "array":
                argument = f"A{node.value}"
                if axes.arguments[argument].mask[-1] == "1":
                    outer.append(f"p{number} = {_row(axes, argument, lead)}")
                    inner.append(f"{name} = {axes.along(argument, f'p{number}')}")
                else:
                    outer.append(f"{name} = {axes.index(argument)}")
            elif node.per_sample:
                inner.append(f"{name} = S{number}[j]")
            elif number in kept and kept[number] < round_:
                outer.append(f"k{number} = i{lead} * size")
                inner.append(f"{name} = K{number}[k{number} + j]")
            elif writer.computed(number):
                inner.append(writer.line(number))
                if number in kept:
                    outer.append(f"k{number} = i{lead} * size")
                    inner.append(f"K{number}[k{number} + j] = {name}")
        after = list[str]()
        if round_ == rounds:
            outer += [f"o{k} = {_row(axes, f'O{k}', lead)}" for k in results]
            if summed:
                outer.append("added = D(0.0)")
                inner_sum = f"added = in_any_order(added, D({writer.name(graph.outputs[-1])}))"
                ends = [*ends, inner_sum]
                place = axes.index("total")
                after.append(f"{place} = T(added if first == 0 else {place} + added)")
        return [
            f"for i{lead} in range(n{lead}):",
            *indented(outer),
            "    for j in range(n):",
            *indented(inner + ends, 2),
            *indented(after),
        ]

    body: list[str] = []
    for round_ in range(1, rounds):
        now = [n for n in reductions if stage[n] == round_]
        starts = [f"    S{n}[j] = T({_START[nodes[n].operation]})" for n in now]
        body += ["for j in range(n):", *starts]  # an assignment to a part takes long to compile
        ends: list[str] = []
        for n in now:
            step = _STEP[nodes[n].operation].format(f"s{n}", writer.name(nodes[n].arguments[0]))
            ends += [f"s{n} = S{n}[j]", f"S{n}[j] = {step}"]
        body += loop(round_, ends)
        made = [
            n for n, node in enumerate(nodes) if node.per_sample and stage[n] == round_ and n not in now
        ]
        if made:
            read = sorted({a for n in made for a in nodes[n].arguments if nodes[a].per_sample} - {*made})
            body += ["for j in range(n):", *[f"    t{n} = S{n}[j]" for n in read]]
            body += [f"    {part}" for n in made for part in (writer.line(n), f"S{n}[j] = t{n}")]
    written = {k: axes.along(f"O{k}", f"o{k}") for k in range(len(graph.outputs))}
    if results:
        body += loop(rounds, [f"{written[k]} = {writer.name(n)}" for k, n in results.items()])
    single = {k: n for k, n in enumerate(graph.outputs) if nodes[n].per_sample}
    body += [f"o{k} = {_row(axes, f'O{k}', lead)}" for k in single]
    if single:
        body += ["for j in range(n):", *[f"    {written[k]} = S{n}[j]" for k, n in single.items()]]
    lines = [f"width = n{lead + 1}"]
    lines.append(f"size = min(width, {_BLOCK}, max(64, {16 * _BLOCK} // max(1, n{lead})))")
    lines += [f"S{n} = room({_BLOCK}, T)" for n, node in enumerate(nodes) if node.per_sample]
    for depth in range(lead):
        lines += indented([f"for i{depth} in range(n{depth}):"], depth)
    block = ["for first in range(0, width, size):", "    n = min(size, width - first)", *indented(body)]
    return writer.source(axes, dtype, (), lines + indented(block, lead), kept)


class _Plan(NamedTuple):
    stage: list[int]  # of each node, how many loops must be over before it can be computed
    rounds: int
    reductions: list[int]
    results: dict[int, int]  # output, node; those of a unit
    kept: dict[int, int]  # node, the loop that computes it


def _plan(graph: Graph) -> _Plan:
    """Which loops there are."""
    nodes, stage = graph.nodes, list[int]()
    for node in nodes:
        before = max((stage[argument] for argument in node.arguments), default=0)
        stage.append(before + (node.operation in REDUCTIONS))
    rounds = max(stage, default=0) + 1
    reductions = [n for n, node in enumerate(nodes) if node.operation in REDUCTIONS]
    results = {k: n for k, n in enumerate(graph.outputs) if not nodes[n].per_sample}
    needed: dict[int, set[int]] = {}  # by loop: the nodes of a unit
    for round_ in range(1, rounds + 1):
        wanted = [nodes[n].arguments[0] for n in reductions if stage[n] == round_]
        needed[round_] = _of_units(nodes, wanted if round_ < rounds else [*results.values()])
    kept = {
        number: next(r for r in needed if number in needed[r])
        for number, node in enumerate(nodes)
        if not node.uniform and _is_dear(node) and sum(number in own for own in needed.values()) > 1
    }
    return _Plan(stage, rounds, reductions, results, kept)


_START = {"sum": "0", "prod": "1", "max": "-np.inf", "min": "np.inf"}
_STEP = {
    "sum": "{0} + {1}",
    "prod": "{0} * {1}",
    # NaN goes through, and stays
    "max": "{1} if ({1} > {0}) | ({1} != {1}) else {0}",
    "min": "{1} if ({1} < {0}) | ({1} != {1}) else {0}",
}


def _row(axes: Axes, name: str, lead: int) -> str:
    """Where the samples of a block, of one unit, begin in an argument."""
    return axes.place(name, **{f"i{lead + 1}": "first"})


def _of_units(nodes: Sequence[Node], wanted: Sequence[int], kept: set[int] | None = None) -> set[int]:
    """The nodes that a loop over units needs for `wanted`, where it can read those `kept`."""
    found, todo = set[int](), [*wanted]
    while todo:
        number = todo.pop()
        if number not in found:
            found.add(number)
            if not nodes[number].per_sample and number not in (kept or ()):
                todo += nodes[number].arguments
    return found


def _is_dear(node: Node) -> bool:
    """Whether it is better to keep a node's value than to compute it twice."""
    return node.operation in FUNCTIONS or "math." in getattr(OPERATIONS.get(node.operation), "loop", "")
