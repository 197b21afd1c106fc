"""A flat list of calls, each a function and its arguments, on arrays that stay where they are."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ..rules.lowered import Lowered, lower
from ..rules.rule import Call
from .memory import Buffer, Memory


class Tape:
    """Makes calls, and keeps them in their order to make them again.

    Attributes:
        memory: of the arrays.
        calls: functions and arguments.
        open: whether more may come.
        loops: whether they are run without the interpreter, as far as they can be.
        lowered: the closed list as one call without it, if it is one.
    """

    def __init__(self, memory: Memory, *, loops: bool = False) -> None:
        self.memory, self._loops = memory, loops
        self.calls: list[Call] = []
        self.open = True
        self.lowered: Lowered | None = None

    def empty(self, shape: tuple[int, ...], dtype: Any) -> tuple[Any, Buffer]:
        return self.memory.empty(shape, dtype)

    def call(self, call: Call) -> None:
        """Makes a call, and keeps it."""
        function, arguments = call
        function(*arguments)
        self.calls.append(self.memory.kept(call))

    def close(self) -> Callable[[], Any]:
        """What makes all calls again; no more may come."""
        self.open = False
        self.lowered = lower(self.calls) if self._loops else None
        return functools.partial(_in_turn, self.calls) if self.lowered is None else self.lowered.run


def _in_turn(calls: Sequence[Call]) -> None:
    for function, arguments in calls:
        function(*arguments)


def assign(
    function: Callable[..., Any], out: Any, values: tuple[Any, ...], options: dict[str, Any]
) -> None:
    """`function(*values, **options)`, in `out`."""
    out[...] = function(*values, **options)


def elementwise(function: np.ufunc, values: tuple[Any, ...], out: Any) -> Call:
    """The call that writes `function(*values)` into `out`."""
    if function in (np.maximum, np.minimum):  # whose third argument is to be named
        return _extreme, (function, *values, out)
    return function, (*values, out)


def _extreme(function: Any, first: Any, second: Any, out: Any) -> None:
    function(first, second, out=out)


def product(left: Any, right: Any, out: Any) -> Call:
    """The call that writes `left @ right` into `out`."""
    plain = left.ndim == right.ndim == 2 and left.dtype == right.dtype == out.dtype
    whole = plain and out.flags.c_contiguous and left.flags.forc and right.flags.forc
    long = whole and min(*left.shape, *right.shape) > 1
    return np.dot if long else np.matmul, (left, right, out)  # the same numbers, the first in less time
