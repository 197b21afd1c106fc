"""Runs compiled loops of large arrays on several threads, each for a part; the bits are the same."""

from __future__ import annotations

import functools
import math
from typing import Any

import numpy as np

from ..device.machine import available
from ..device.threads import run_all
from . import numpy as host
from .cache import Kernel
from .layouts import part_along
from .rule import Call

BLOCK_BYTES = 2**22  # of one array, that a thread takes at a time
SEGMENT = 2**17  # numbers that are added at a time


def threads(size: int) -> int:
    """How many threads share arrays of `size` bytes."""
    return available() if size >= host.THREAD_BYTES else 1


def add(
    kernel: Kernel, arrays: list[Any], total: Any, numbers: list[float], factor: float, length: int
) -> None:
    """Adds segments of `length` numbers on several threads, and then what came of them."""
    count = math.ceil(length / SEGMENT)
    parts = np.empty((count, *total.shape))

    def segment(part: int) -> None:
        cut = slice(part * SEGMENT, (part + 1) * SEGMENT)
        kernel(*[part_along(array, cut, length) for array in arrays], parts[part, ...], *numbers, 1.0)

    run_all(
        [functools.partial(segment, part) for part in range(count)],
        threads(arrays[0].dtype.itemsize * length),
    )
    total[...] = factor * np.sum(parts, axis=0)


def call(kernel: Kernel, arrays: list[Any], numbers: list[float], whole: Any) -> Call:
    """The call of the kernel, on several threads if the arrays are large."""
    if threads(whole.nbytes) == 1:
        return kernel, (*arrays, *numbers)
    return _spread, (kernel, arrays, numbers, whole)


def _spread(kernel: Kernel, arrays: list[Any], numbers: list[float], whole: Any) -> None:
    """Runs the kernel on several threads."""
    count = threads(whole.nbytes)
    blocks = host.blocks_of(whole.shape, min(BLOCK_BYTES, whole.nbytes // count + 1) // whole.itemsize)

    def compute(block: tuple[slice, ...]) -> None:
        kernel(*[host.part_of(array, block, whole.ndim) for array in arrays], *numbers)

    run_all([functools.partial(compute, block) for block in blocks], count)
