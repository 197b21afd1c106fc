"""Runs a traced rule on NumPy, block by block, with no array to spare.

A block is small enough that the buffers of a rule's program stay in the cache between its calls. The
blocks of a large array are spread over threads.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from ..device.machine import available
from ..device.threads import run_all
from .graph import Graph
from .operations import OPERATIONS
from .program import Program
from .rule import Call

# Bytes of one array in a block, measured at 1e7 parameters. Threads take turns at the interpreter lock, so
# where they share the blocks a call must be long; they do so only for arrays of THREAD_BYTES or more.
BLOCK_BYTES = 2**19
SHARED_BLOCK_BYTES = 2**20
THREAD_BYTES = 2**22

_ARRAY: Any = np.ndarray  # for `isinstance`, without narrowing to a type of unknown parameters


def uniform_values(
    graph: Graph, wanted: Sequence[int], scalars: Mapping[str, Any], dtype: np.dtype[Any]
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
                value = getattr(np, OPERATIONS[node.operation].ufunc)(*arguments)
                if not isinstance(value, np.ndarray):
                    value = bool(value) if node.boolean else float(value)
            values[number] = value
        return values[number]

    return [
        value.astype(dtype) if isinstance(value, _ARRAY) and value.dtype != bool else value
        for value in map(evaluate, wanted)
    ]


def call(
    program: Program,
    arrays: Sequence[np.ndarray[Any, Any]],
    outputs: Sequence[np.ndarray[Any, Any]],
    uniforms: Mapping[int, Any],
) -> Call:
    """What runs `program` on `arrays`, into `outputs`, all of one dtype; with uniform nodes' values."""
    first = outputs[0]
    # NumPy takes an array of no dimension in half the time that it needs for a Python number
    numbers = [
        np.array(value, first.dtype) if type(value) is float else value
        for value in [uniforms[number] for number in program.uniforms]
    ]
    values = (*arrays, *outputs, *numbers)
    if first.nbytes <= BLOCK_BYTES:
        return program.run, values
    return _run_blocks, (program, values, first)


def _run_blocks(program: Program, values: Sequence[Any], first: Any) -> None:
    state = np.geterr()

    def compute(block: tuple[slice, ...]) -> None:
        with np.errstate(**state):  # those of this thread
            program.run(*[part_of(value, block, first.ndim) for value in values])

    threads = available() if first.nbytes >= THREAD_BYTES else 1
    most = BLOCK_BYTES if threads == 1 else SHARED_BLOCK_BYTES
    blocks = blocks_of(first.shape, most // first.itemsize)
    run_all([functools.partial(compute, block) for block in blocks], threads)


def blocks_of(shape: tuple[int, ...], most: int) -> Iterator[tuple[slice, ...]]:
    """Slices that cover an array of `shape`, of at least one axis, each of at most `most` elements."""
    length, rest = shape[0], shape[1:]
    row = math.prod(rest)
    if row > most:
        for index in range(length):
            for block in blocks_of(rest, most):
                yield (slice(index, index + 1), *block)
        return
    rows = max(1, most // max(row, 1))
    for start in range(0, length, rows):
        yield (slice(start, start + rows),)


def part_of(value: Any, block: tuple[slice, ...], ndim: int) -> Any:
    """The part of `value` that broadcasts against `block` of an array of `ndim` dimensions."""
    if not isinstance(value, _ARRAY) or value.ndim == 0:
        return value
    own = block[ndim - value.ndim :]
    return value[
        tuple(cut if length > 1 else slice(None) for cut, length in zip(own, value.shape, strict=False))
    ]
