"""How the arrays of a compiled rule lie in memory, and parts of them."""

from __future__ import annotations

from typing import Any

import numpy as np

_ARRAY: Any = np.ndarray
_CONTIGUOUS, _ALIGNED = 0x1, 0x100  # of NumPy's C interface
SOUND = _CONTIGUOUS | _ALIGNED


def sound(arrays: list[Any]) -> tuple[list[Any], str]:
    """The arrays as loops read them, with copies of what is not aligned, and how each lies in memory.

    "" is for all contiguous; else a letter for each, as `Argument.layout` says.
    """
    common = SOUND
    for array in arrays:
        common &= array.flags.num if type(array) is _ARRAY else 0
    if common == SOUND:
        return arrays, ""
    plain = [np.asarray(array) for array in arrays]
    plain = [array if array.flags.aligned else array.copy() for array in plain]
    return plain, "".join(map(_layout, plain))


def _layout(array: Any) -> str:
    if array.flags.c_contiguous:
        return "C"
    return "R" if array.strides[-1] == array.itemsize else "S"


def parts_layout(layout: str, count: int) -> str:
    """The layout of parts along the last axis of as many arrays."""
    return layout.replace("C", "R") or "R" * count


def part_along(array: Any, cut: slice, length: int) -> Any:
    """A part along the last axis, where that is of such a length and not broadcast."""
    return array[..., cut] if array.ndim and array.shape[-1] == length else array


def broadcast_mask(own: tuple[int, ...], shape: tuple[int, ...]) -> str:
    """For each axis of `shape` "1", or "0" where an array of shape `own` is broadcast along it."""
    padded = (*[None] * (len(shape) - len(own)), *own)
    return "".join("1" if a == b else "0" for a, b in zip(padded, shape, strict=True))
