"""The last call of a rule, to be made again without the checks that it has passed.

What they would find is known where all arrays are of one shape and dtype, contiguous, each an object of its
own with memory of its own, and the numbers are floats: then arrays overlap only where they are the same
object. All of this is read afresh; a call that is in any way another is left to the checks.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from .layouts import SOUND
from .rule import Call

_WRITEABLE = 0x400  # of NumPy's C interface
_ARRAY: Any = np.ndarray
_FLOAT = {float}


class Again(NamedTuple):
    """A call that has been made.

    Attributes:
        places: for each output the position of the array that it is, -1 if it is none.
        needed: the flags of the arrays and of the outputs that are none of them.
        names: of the numbers.
        kernel: takes these arrays, these outputs, and the numbers.
    """

    xp: Any
    places: tuple[int, ...]
    needed: tuple[int, ...]
    names: tuple[str, ...]
    shape: tuple[int, ...]
    dtype: Any
    kernel: Any

    def taken(
        self, xp: Any, into: tuple[Any, ...], arrays: tuple[Any, ...], scalars: dict[str, Any]
    ) -> list[Any] | None:
        """What the kernel takes for a call that is like this one; None for another."""
        own, places, needed, names, shape, dtype, _ = self
        if xp is not own or type(into) is not tuple or len(into) != len(places):
            return None
        passed = [*arrays]
        for target, place in zip(into, places, strict=True):
            if place < 0:
                passed.append(target)
            elif place >= len(arrays) or target is not arrays[place]:
                return None
        if len(passed) != len(needed) or len(set(map(id, passed))) != len(needed):
            return None
        for array, flags in zip(passed, needed, strict=True):
            if (
                type(array) is not _ARRAY
                or array.shape != shape
                or array.dtype is not dtype
                or array.flags.num & flags != flags
                or array.base is not None
            ):
                return None
        if len(scalars) != len(names):
            return None
        if names:
            try:
                numbers = [scalars[name] for name in names]
            except KeyError:
                return None
            if set(map(type, numbers)) != _FLOAT:
                return None
            passed += numbers
        return passed


def remembered(
    xp: Any,
    call: Call,
    names: tuple[str, ...],
    into: tuple[Any, ...],
    arrays: tuple[Any, ...],
    scalars: dict[str, Any],
) -> Again | None:
    """The call that a rule of the numbers `names` has made; None if one like it need not be the same."""
    places = tuple([next((k for k, array in enumerate(arrays) if array is own), -1) for own in into])
    count = len(arrays) + places.count(-1)
    written = {*places, *range(len(arrays), count)}
    needed = tuple([SOUND | _WRITEABLE * (k in written) for k in range(count)])
    made = Again(xp, places, needed, names, into[0].shape, into[0].dtype, call[0])
    taken = made.taken(xp, into, arrays, scalars)
    if taken is None or len(taken) != len(call[1]):
        return None
    return made if all(a is b for a, b in zip(taken, call[1], strict=True)) else None
