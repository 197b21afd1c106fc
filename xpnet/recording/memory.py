"""Memory for what is recorded: buffers that are used again as soon as nothing refers to them.

While something is recorded Python itself says when: what it would free when the functions run is free for
what is recorded next. So recordings of the same thing lie in the same buffers, and stay in the cache.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ..rules.rule import Call

_ALIGNED = 64  # bytes, a line of the cache


class Memory:
    """Buffers, of which one thread records and replays at a time.

    Attributes:
        bytes: in all buffers.
    """

    def __init__(self) -> None:
        self.bytes = 0
        self._free: list[Any] = []
        self._views: dict[Any, Any] = {}
        self._calls: dict[Any, Call] = {}

    def empty(self, shape: tuple[int, ...], dtype: Any) -> tuple[Any, Buffer]:
        """An array that no living one overlaps with, and what its memory belongs to."""
        wanted = np.dtype(dtype)
        count = max(1, math.prod(shape)) * wanted.itemsize
        fitting = [raw for raw in self._free if count <= raw.size <= 2 * count + 4096]
        if fitting:
            raw = min(fitting, key=len)
            self._free = [other for other in self._free if other is not raw]
        else:
            raw = _aligned(count)
            self.bytes += raw.size
        return raw[: math.prod(shape) * wanted.itemsize].view(wanted).reshape(shape), Buffer(self, raw)

    def release(self, raw: Any) -> None:
        """Takes a buffer back."""
        self._free.append(raw)

    def kept(self, call: Call) -> Call:
        """`call`, or an equal one that is kept already: what is done again and again is kept once."""
        values, key = list[Any](), list[Any]([call[0]])
        for value in call[1]:
            if type(value) is np.ndarray:
                place = (value.__array_interface__["data"], value.shape, value.strides, value.dtype.str)
                value = self._views.setdefault(place, value)
            number = type(value) in (float, int, bool, str)
            key.append((type(value), repr(value)) if number else id(value))
            values.append(value)
        return self._calls.setdefault(tuple(key), (call[0], tuple(values)))


class Buffer:
    """Owns a piece of memory, for as long as anything refers to this."""

    __slots__ = ("_memory", "_raw")

    def __init__(self, memory: Memory, raw: Any) -> None:
        self._memory, self._raw = memory, raw

    def __del__(self) -> None:
        self._memory.release(self._raw)


def _aligned(count: int) -> Any:
    whole = np.empty(count + _ALIGNED, np.uint8)
    start = -whole.ctypes.data % _ALIGNED
    return whole[start : start + count]
