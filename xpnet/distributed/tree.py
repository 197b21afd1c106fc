"""Sums in an order that does not depend on how many processes make them: by halves, like a binary tree."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any


def added(arrays: Sequence[Any]) -> Any:
    """The sum of `arrays`, the first half's and the second half's, each made so too; in their memory."""
    count = len(arrays)
    if count == 1:
        return arrays[0]
    total = added(arrays[: count // 2])
    total += added(arrays[count // 2 :])
    return total


def halves(spans: Sequence[tuple[int, int]], count: int) -> list[tuple[int, int]]:
    """`count` spans that cover these, which follow one another: cut in two, and each half so too.

    Where there are several they are cut between two of them, and one in its middle. So the sums over what
    is in them, added by `added`, are those of `spans`, where `count` is a power of two.
    """
    if count == 1:
        return [(spans[0][0], spans[-1][1])]
    low, number = count // 2, len(spans)
    if number > 1:
        at = max(1, number * low // count)
        return halves(spans[:at], low) + halves(spans[at:], count - low)
    start, stop = spans[0]
    middle = start + (stop - start) * low // count
    return halves([(start, middle)], low) + halves([(middle, stop)], count - low)
