"""The axes of directions, which lead in a tangent: what an axis or an index of the value is there."""

from __future__ import annotations

from typing import Any, cast


def lifted(tangent: Any, lead: int, ndim: int) -> Any:
    """`tangent`, with `lead` axes of directions, as that of an array of at least `ndim` axes."""
    missing = ndim - (tangent.ndim - lead)
    if not lead or missing <= 0:
        return tangent
    return tangent[(slice(None),) * lead + (None,) * missing + (...,)]


def behind(lead: int, index: Any) -> tuple[Any, ...]:
    """`index` for an array with `lead` axes more in front."""
    own = cast("tuple[Any, ...]", index) if isinstance(index, tuple) else (index,)
    kinds = [not isinstance(part, slice) and part is not None and part is not ... for part in own]
    arrays = [hasattr(part, "shape") or isinstance(part, list) for part in own]
    if any(arrays):  # then single numbers count among them
        first, last = kinds.index(True), len(kinds) - 1 - kinds[::-1].index(True)
        if not all(kinds[first : last + 1]):
            raise IndexError(
                "several directions at once cannot be indexed by arrays that stand apart, as x[i, :, j]; "
                "index one axis after the other"
            )
    return (slice(None),) * lead + own


def from_last(axis: Any, ndim: int) -> Any:
    """`axis`, a number or several, counted from the last, where value and tangent have the same.

    Raises:
        IndexError: there is no such axis.
    """
    if axis is None:
        return tuple(range(-ndim, 0))
    if isinstance(axis, tuple):
        return tuple([from_last(one, ndim) for one in cast("tuple[Any, ...]", axis)])
    if not -ndim <= axis < ndim:
        raise IndexError(f"axis {axis} is out of bounds for an array of {ndim} axes")
    return axis - ndim if axis >= 0 else axis
