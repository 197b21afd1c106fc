"""Runs a list of calls without the interpreter: as one call that does not hold its lock.

The calls are of kernels of `cache.py`, and of NumPy's functions with the place where the result belongs.
What is lowered gives the bits that the calls give. A call for which that is not sure stays as it is, made
by the interpreter between the stretches that are lowered.
"""

from __future__ import annotations

import functools
import logging
from collections.abc import Callable, Sequence
from typing import Any, cast

import numpy as np

from . import entries
from .cache import STORE
from .lowered_numpy import Step, address, numpy_steps
from .rule import Call

logger = logging.getLogger("xpnet")


class _Run(functools.partial[Any]):
    """A call, and what has to live as long, as compiled code knows it by its address only."""

    kept: Any


class Lowered:
    """A list of calls on fixed arrays, which are kept alive. One thread at a time may run it.

    Attributes:
        run: makes the calls.
        left: how many of them the interpreter makes.
    """

    def __init__(self, calls: Sequence[Call]) -> None:
        self._calls = [*calls]
        self.left = 0
        steps: list[Step] = []
        parts: list[tuple[int, int] | Call] = []  # stretches of steps, and what is not lowered
        for call in self._calls:
            own, first = _steps(*call), len(steps)
            if own is None:
                self.left += 1
                parts.append(call)
                continue
            steps += own
            if parts and isinstance(parts[-1][0], int):
                first = parts.pop()[0]
            parts.append((cast(int, first), len(steps)))
        objects = [array for _, arrays, _ in steps for array in arrays]
        places = np.array([id(array) for array in objects], np.int64)  # where CPython has it
        self._numbers = np.array([number for _, _, numbers in steps for number in numbers], np.float64)
        self._functions = np.array([entry for entry, _, _ in steps], np.int64)
        self._arrays = _starts(places, [len(arrays) for _, arrays, _ in steps])
        self._given = _starts(self._numbers, [len(numbers) for _, _, numbers in steps])
        made = [self._part(*part) for part in parts]
        self.run = made[0] if len(made) == 1 else _Run(_in_turn, made)
        self.run.kept = objects, places, self._numbers, self._calls

    @property
    def program(self) -> tuple[int, int, int, int]:
        """Where entries, arrays and numbers of the calls are, one after the other, and how many calls."""
        return address(self._functions), address(self._arrays), address(self._given), len(self._functions)

    def _part(self, first: Any, last: Any) -> _Run:
        if isinstance(last, tuple):
            return _Run(first, *last)
        runner: Any = STORE.kernel("run", entries.RUN)
        return _Run(runner, *[own[first:last] for own in (self._functions, self._arrays, self._given)])

    @property
    def numbers(self) -> list[float]:
        """The numbers that lowered kernels get, in the order of the calls; they may be set to others."""
        return self._numbers.tolist()

    @numbers.setter
    def numbers(self, values: Sequence[float]) -> None:
        self._numbers[...] = values


def lower(calls: Sequence[Call]) -> Lowered | None:
    """The calls as one, for the very arrays that they name; None where nothing can be compiled."""
    try:
        return None if STORE.kernel("run", entries.RUN) is None else Lowered(calls)
    except Exception as error:  # of Numba, of which there are many kinds
        logger.warning("calls are left to the interpreter, as they cannot be compiled: %s", error)
        return None


def _in_turn(parts: Sequence[Callable[[], Any]]) -> None:
    for part in parts:
        part()


def _starts(items: Any, lengths: Sequence[int]) -> Any:
    """The addresses of the first of each part of `items`, 8 bytes each, of these lengths."""
    each = np.array(lengths, np.int64)
    return address(items) + 8 * (np.cumsum(each) - each)


def _steps(function: Callable[..., Any], arguments: Sequence[Any]) -> list[Step] | None:
    """What does the call, if it can be lowered."""
    entry = STORE.entry(function)
    if entry is None:
        return numpy_steps(function, arguments)
    arrays = [own for own in arguments if type(own) is np.ndarray]
    return [(entry, arrays, [*arguments[len(arrays) :]])]
