"""The Hessian in blocks: which parameters belong together, and the blocks along its diagonal."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Literal, TypeAlias, cast

from .. import checks
from ..device.arrays import Array, Matrix, Vector
from ..device.backend import Backend
from ..objectives import Objective
from ..objectives.matrices import BLOCK, check_result, require_memory
from ..parameters import Layout

Kind = Literal["layer", "unit"]
Blocks: TypeAlias = Kind | tuple[range | tuple[int, ...], ...]
Groups: TypeAlias = list[list[list[int]]]
"""Blocks of one size together: the numbers of their parameters."""


def checked_blocks(blocks: Any) -> Blocks | None:
    """`blocks` as they are kept: None, a word, or a tuple of ranges and of tuples of numbers.

    Raises:
        TypeError, ValueError: neither; an empty block, a negative number.
    """
    if blocks is None or isinstance(blocks, str):
        return None if blocks is None else checks.choice("blocks", blocks, Kind)
    if not isinstance(blocks, Iterable) or checks.shape_of(blocks) is not None:
        raise TypeError(f"blocks must be 'layer', 'unit' or ranges, got {checks.shown(blocks)}")
    found = tuple(_block(block) for block in cast("Iterable[Any]", blocks))
    if not found:
        raise ValueError("blocks must be one or more, got none")
    return found


def _block(block: Any) -> range | tuple[int, ...]:
    if isinstance(block, slice):
        own = cast("slice[Any, Any, Any]", block)
        block = own if own.stop is None else range(own.start or 0, own.stop, own.step or 1)
    if not isinstance(block, range | list | tuple):
        wanted = "ranges, slices with an end, or lists of parameters' numbers"
        raise TypeError(f"blocks must be {wanted}, got {checks.shown(block)}")
    if not len(cast("list[Any]", block)):
        raise ValueError(f"each of blocks must hold a parameter, got {checks.shown(block)}")
    numbers = [checks.count("each number in blocks", number, 0) for number in cast("list[Any]", block)]
    return block if isinstance(block, range) else tuple(numbers)


def numbered(backend: Backend, blocks: Blocks, layout: Layout | None, size: int) -> Array:
    """The number of the block that each of `size` parameters is in, `(P,)` on the host.

    Raises:
        TypeError: words where there is no layout.
        ValueError: not every parameter is in one block.
    """
    if isinstance(blocks, str):
        if layout is None:
            raise TypeError(
                f"objective must have a layout, as an EmpiricalRisk has, for blocks={blocks!r}; "
                "without one, blocks must be ranges of parameters"
            )
        places: dict[Any, int] = {}
        keys = _of_layers(layout) if blocks == "layer" else _of_units(layout)
        return backend.host.asarray([places.setdefault(key, len(places)) for key in keys])
    found = [-1] * size
    for number, block in enumerate(blocks):
        for place in block:
            if place >= size or found[place] >= 0:
                problem = f"parameter {place} of {size}" if place >= size else f"parameter {place} twice"
                raise ValueError(f"blocks must hold each of the {size} parameters of w once, got {problem}")
            found[place] = number
    if -1 in found:
        raise ValueError(
            f"blocks must hold each of the {size} parameters of w once, "
            f"got parameter {found.index(-1)} in none"
        )
    return backend.host.asarray(found)


def _layer(name: str) -> str:
    return name.rpartition(".")[0] or name


def _of_layers(layout: Layout) -> list[str]:
    places = {name: layout.slice(name) for name in layout.shapes}
    return [_layer(name) for name, own in places.items() for _ in range(own.start, own.stop)]


def _of_units(layout: Layout) -> list[tuple[str, int]]:
    """Layer and unit of each parameter; a unit has a row of each array, where all have as many rows."""
    rows: dict[str, set[int]] = {}
    for name, shape in layout.shapes.items():
        rows.setdefault(_layer(name), set()).add(shape[0] if shape else 1)
    found: list[tuple[str, int]] = []
    for name, shape in layout.shapes.items():
        place = layout.slice(name)
        width = (place.stop - place.start) // (shape[0] if shape else 1)
        key = _layer(name) if len(rows[_layer(name)]) == 1 else name
        found += [(key, number // width) for number in range(place.stop - place.start)]
    return found


def grouped(numbers: Any) -> Groups:
    """The blocks that `numbers` stands for, those of one size together."""
    blocks: dict[int, list[int]] = {}
    for place, number in enumerate(numbers.tolist()):
        blocks.setdefault(number, []).append(place)
    sizes: dict[int, list[list[int]]] = {}
    for block in blocks.values():
        sizes.setdefault(len(block), []).append(block)
    return list(sizes.values())


def diagonal_blocks(backend: Backend, objective: Objective, w: Vector, members: list[list[int]]) -> Matrix:
    """The blocks, of m parameters each, along the diagonal of the Hessian: `(..., B, m, m)`.

    Made of B m products with the Hessian, of which only what belongs to the blocks is kept.

    Raises:
        MemoryError: they would not fit; the message gives their size.
    """
    xp, size, count, m = backend.xp, w.shape[-1], len(members), len(members[0])
    require_memory(backend, "blocks of the Hessian", w, count, m, m)
    device = backend.device
    indices = xp.asarray(members, dtype=xp.int64, device=device)
    flat, places = xp.reshape(indices, (-1,)), xp.arange(size, dtype=xp.int64, device=device)
    parts: list[Array] = []
    step = max(1, BLOCK // w.size)
    for start in range(0, count * m, step):
        stop = min(start + step, count * m)
        rows = xp.astype(places[None, :] == flat[start:stop, None], w.dtype)
        own = [number // m for number in range(start, stop)]
        columns = xp.take(indices, xp.asarray(own, dtype=xp.int64, device=device), axis=0)
        if w.ndim > 1:
            rows = xp.broadcast_to(rows[:, None, :], (stop - start, *w.shape))
            columns = xp.broadcast_to(columns[:, None, :], (stop - start, w.shape[0], m))
        found = objective.hessian_product(w, rows)
        check_result(backend, "a product with the Hessian", found, tuple(rows.shape), w.dtype)
        parts.append(xp.take_along_axis(found, columns, axis=-1))
    matrix = xp.reshape(xp.concat(parts), (count, m, *w.shape[:-1], m))
    matrix = xp.moveaxis(matrix, 2, 0) if w.ndim > 1 else matrix
    return 0.5 * (matrix + matrix.mT)
