"""How arrays of several shapes lie in one buffer of bytes, and which part of it each process adds up."""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np

from .. import checks
from .base import Place
from .tree import added

LINE = 16  # numbers; parts of the buffer begin at multiples of it


class Layout:
    """The body, of all arrays of the largest one's dtype; then the other arrays, and `header` numbers.

    Everything beside the body is in double precision. Each process adds up a part of the body, and the
    last one the rest too.

    Attributes:
        bytes: of the whole.
        sizes: the bytes of each process's part.
    """

    def __init__(self, places: Sequence[Place], size: int, header: int) -> None:
        kinds = [np.dtype(checks.dtype_name(dtype)) for _, dtype in places]
        counts = [math.prod(shape) for shape, _ in places]
        self._dtype = kinds[max(range(len(places)), key=counts.__getitem__)]
        self._shapes = [shape for shape, _ in places]
        self._inside = [kind == self._dtype for kind in kinds]
        ends = [0, 0]  # of the body, and of the rest, in numbers
        self._starts: list[int] = []
        for inside, count in zip(self._inside, counts, strict=True):
            self._starts.append(ends[not inside])
            ends[not inside] += count
        self._counts, self._body = counts, ends[0]
        self._tail = -(-ends[0] * self._dtype.itemsize // 8) * 8  # where the rest begins, in bytes
        self._header = slice(ends[1], ends[1] + header)
        self.bytes = self._tail + 8 * (ends[1] + header)
        cuts = [ends[0] * r // size // LINE * LINE for r in range(size)] + [ends[0]]
        self._parts = [slice(*pair) for pair in pairwise(cuts)]
        starts = [part.start * self._dtype.itemsize for part in self._parts] + [self.bytes]
        self.sizes = [stop - start for start, stop in pairwise(starts)]

    def packed(self, arrays: Sequence[Any], header: Sequence[float]) -> Any:
        """A new buffer with these arrays of the host; with zeros where there are none."""
        buffer = np.empty(self.bytes, np.uint8)
        if not arrays:
            buffer[...] = 0
        for place, array in zip(self._views(buffer), arrays, strict=bool(arrays)):
            place[...] = array
        self._rest(buffer)[self._header] = header
        return buffer

    def unpacked(self, buffer: Any) -> tuple[list[Any], list[float]]:
        """The arrays in `buffer`, views of it; and the header."""
        return self._views(buffer), self._rest(buffer)[self._header].tolist()

    def added(self, came: Any, rank: int | None = None) -> Any:
        """The sum of what came from each process: the part of `rank`, or the whole; in their memory."""
        rows = came.reshape(len(self.sizes), -1)
        part = slice(0, self._body) if rank is None else self._parts[rank]
        length = (part.stop - part.start) * self._dtype.itemsize
        added([row[:length].view(self._dtype) for row in rows])
        if rank is None or rank == len(self.sizes) - 1:
            rest = self.bytes - self._tail
            added([row[-rest:].view(np.float64) for row in rows])
        return rows[0]

    def _views(self, buffer: Any) -> list[Any]:
        body = buffer[: self._body * self._dtype.itemsize].view(self._dtype)
        rest = self._rest(buffer)
        found = zip(self._inside, self._starts, self._counts, self._shapes, strict=True)
        return [
            (body if inside else rest)[start : start + count].reshape(shape)
            for inside, start, count, shape in found
        ]

    def _rest(self, buffer: Any) -> Any:
        return buffer[self._tail :].view(np.float64)


@functools.lru_cache(maxsize=64)
def layout(places: tuple[Place, ...], size: int, header: int) -> Layout:
    """The layout of arrays of these places, for so many processes."""
    return Layout(places, size, header)
