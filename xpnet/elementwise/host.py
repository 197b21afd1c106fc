"""Runs a traced rule on NumPy: a list of ufunc calls, block by block, with no array to spare.

Each operation of the graph becomes one ufunc call with an `out=`. A result is written into the output
itself as soon as nothing needs the input that lies there, and into one of a few block-sized buffers
until then. A block is small enough that its buffers stay in the cache between the calls.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from .trace import Graph, Node

BLOCK = 32_768  # elements of a block; measured, see ci/results

_UFUNCS: dict[str, Callable[..., Any]] = {"abs": np.absolute, "pow": np.power}


@dataclass(frozen=True)
class Program:
    """The calls of a rule for one pattern of outputs that lie on inputs.

    A place is where a value lies: inputs first, then outputs, buffers, and uniform values.
    """

    calls: tuple[tuple[Callable[..., Any], tuple[int, ...], int], ...]
    copies: tuple[tuple[int, int], ...]  # (from, to), after the calls
    real_buffers: int
    boolean_buffers: int
    uniforms: tuple[int, ...]  # graph nodes whose values the caller supplies, in order of place


def compile_program(graph: Graph, aliases: Sequence[int | None]) -> Program:
    """Orders the calls of `graph`; `aliases[k]` is the input array that output `k` overwrites."""
    nodes, inputs, outputs = graph.nodes, len(graph.arrays), len(graph.outputs)
    last_use = dict.fromkeys(range(len(nodes)), -1)
    for number, node in enumerate(nodes):
        if not node.uniform:
            for argument in node.arguments:
                last_use[argument] = number
    for number in graph.outputs:
        last_use[number] = len(nodes)

    uniforms: list[int] = []
    place: dict[int, int] = {
        number: node.value for number, node in enumerate(nodes) if node.operation == "array"
    }
    buffers = {False: _Slots(), True: _Slots()}
    calls = []
    written: set[int] = set()

    def located(number: int) -> Any:
        if nodes[number].uniform:
            if number not in uniforms:
                uniforms.append(number)
            return ("uniform", uniforms.index(number))
        return place[number]

    for number, node in enumerate(nodes):
        if node.uniform or node.operation == "array":
            continue
        target = _free_output(graph, aliases, number, node, last_use, written)
        sources = tuple(located(argument) for argument in node.arguments)
        # `where` writes its second choice first, so the first and the condition must lie elsewhere
        blocked = node.arguments[:2] if node.operation == "where" else ()
        for argument in node.arguments:
            if last_use[argument] == number and argument not in blocked:
                buffers[nodes[argument].boolean].release(place.get(argument))
        if target is not None:
            written.add(target)
            place[number] = inputs + target
        else:
            place[number] = buffers[node.boolean].take(node.boolean)
        for argument in blocked:
            if last_use[argument] == number:
                buffers[nodes[argument].boolean].release(place.get(argument))
        calls.append((_function(node.operation), sources, place[number]))

    copies = [
        (located(number), inputs + k)
        for k, number in enumerate(graph.outputs)
        if place.get(number) != inputs + k
    ]
    real, boolean = buffers[False].count, buffers[True].count
    base = inputs + outputs

    def resolve(where: Any) -> int:
        if isinstance(where, int):
            return where
        kind, index = where
        return base + index + {"real": 0, "boolean": real, "uniform": real + boolean}[kind]

    return Program(
        tuple((f, tuple(map(resolve, sources)), resolve(to)) for f, sources, to in calls),
        tuple((resolve(source), to) for source, to in copies),
        real,
        boolean,
        tuple(uniforms),
    )


class _Slots:
    """Buffers handed out and taken back."""

    def __init__(self) -> None:
        self.count, self.free = 0, []

    def take(self, boolean: bool) -> tuple[str, int]:
        if self.free:
            return self.free.pop()
        self.count += 1
        return ("boolean" if boolean else "real", self.count - 1)

    def release(self, where: Any) -> None:
        if isinstance(where, tuple) and where not in self.free:
            self.free.append(where)


def _free_output(
    graph: Graph,
    aliases: Sequence[int | None],
    number: int,
    node: Node,
    last_use: Mapping[int, int],
    written: set[int],
) -> int | None:
    """The output that node `number` may be written into at once, if there is one."""
    for k, output in enumerate(graph.outputs):
        if output != number or k in written:
            continue
        under = aliases[k]
        if under is None:
            return k
        overwritten = next(
            n for n, other in enumerate(graph.nodes) if other == Node("array", value=under)
        )
        if last_use[overwritten] > number:
            continue
        if node.operation == "where" and overwritten in node.arguments[:2]:
            continue
        return k
    return None


def _function(operation: str) -> Callable[..., Any]:
    if operation == "where":
        return _where
    return _UFUNCS.get(operation) or getattr(np, operation)


def _where(condition: Any, first: Any, second: Any, out: np.ndarray) -> None:
    if out is not second:
        np.copyto(out, second)
    np.copyto(out, first, where=condition)


def uniform_values(
    graph: Graph, wanted: Sequence[int], scalars: Mapping[str, Any], dtype: np.dtype
) -> list[Any]:
    """The values of uniform nodes: Python floats, computed in double precision, or small arrays."""
    values: dict[int, Any] = {}

    def evaluate(number: int) -> Any:
        if number not in values:
            node = graph.nodes[number]
            if node.operation == "constant":
                value = node.value
            elif node.operation == "scalar":
                value = scalars[node.value]
            else:
                arguments = [evaluate(argument) for argument in node.arguments]
                function = np.where if node.operation == "where" else _function(node.operation)
                value = function(*arguments)
                if not isinstance(value, np.ndarray):
                    value = bool(value) if node.boolean else float(value)
            values[number] = value
        return values[number]

    return [
        value.astype(dtype) if isinstance(value, np.ndarray) and value.dtype != bool else value
        for value in map(evaluate, wanted)
    ]


def run(
    graph: Graph,
    program: Program,
    arrays: Sequence[np.ndarray],
    outputs: Sequence[np.ndarray],
    scalars: Mapping[str, Any],
) -> None:
    """Computes the rule of `graph` on `arrays` into `outputs`, all of one dtype."""
    first = outputs[0]
    uniforms = uniform_values(graph, program.uniforms, scalars, first.dtype)
    if first.size <= BLOCK:
        _run_block(program, [*arrays, *outputs], first.shape, first.dtype, uniforms)
        return
    values = [*arrays, *outputs, *uniforms]
    fixed = len(arrays) + len(outputs)
    for block in _blocks(first.shape):
        parts = [_part(value, block, first.ndim) for value in values]
        _run_block(program, parts[:fixed], parts[len(arrays)].shape, first.dtype, parts[fixed:])


def _run_block(
    program: Program,
    places: list[Any],
    shape: tuple[int, ...],
    dtype: np.dtype,
    uniforms: Sequence[Any],
) -> None:
    places += [np.empty(shape, dtype) for _ in range(program.real_buffers)]
    places += [np.empty(shape, bool) for _ in range(program.boolean_buffers)]
    places += uniforms
    for function, sources, target in program.calls:
        function(*[places[source] for source in sources], out=places[target])
    for source, target in program.copies:
        np.copyto(places[target], places[source])


def _blocks(shape: tuple[int, ...]) -> Iterator[tuple[slice, ...]]:
    """Slices that cover an array of `shape`, of at most `BLOCK` elements where rows permit."""
    if not shape:
        yield ()
        return
    row = 1
    for length in shape[1:]:
        row *= length
    if row > BLOCK and len(shape) > 1:
        for index in range(shape[0]):
            for rest in _blocks(shape[1:]):
                yield (slice(index, index + 1), *rest)
        return
    rows = max(1, BLOCK // max(row, 1))
    for start in range(0, shape[0], rows):
        yield (slice(start, start + rows),)


def _part(value: Any, block: tuple[slice, ...], ndim: int) -> Any:
    """The part of `value` that broadcasts against `block` of an array of `ndim` dimensions."""
    if not isinstance(value, np.ndarray) or value.ndim == 0:
        return value
    own = block[ndim - value.ndim :]
    return value[
        tuple(
            part if length > 1 else slice(None)
            for part, length in zip(own, value.shape, strict=False)
        )
    ]
