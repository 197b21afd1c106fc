"""Runs a list of calls without the interpreter: as one call that does not hold its lock.

The calls are of kernels of `cache.py`, and of NumPy's functions with the place where the result belongs.
What is lowered gives the bits that the calls give. A call for which that is not sure stays as it is, made
by the interpreter between the stretches that are lowered.
"""

from __future__ import annotations

import functools
import importlib
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
        parts: list[tuple[int, int] | Call] = []
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
        words = [word for _, block in steps for word in block]
        self._words = np.array([0 if type(word) is float else word for word in words], np.int64)
        self._places = [k for k, word in enumerate(words) if type(word) is float]
        self._floats = self._words.view(np.float64)
        self._floats[self._places] = [words[k] for k in self._places]
        lengths = np.array([len(block) for _, block in steps], np.int64)
        self._functions = np.array([function for function, _ in steps], np.int64)
        self._blocks = address(self._words) + 8 * (np.cumsum(lengths) - lengths)
        made = [self._part(*part) for part in parts]
        self.run = made[0] if len(made) == 1 else _Run(_in_turn, made)
        self.run.kept = self._words, self._calls

    def _part(self, first: Any, last: Any) -> _Run:
        if isinstance(last, tuple):
            return _Run(first, *last)
        runner: Any = STORE.kernel("run", entries.RUN)
        return _Run(runner, self._functions[first:last], self._blocks[first:last])

    @property
    def numbers(self) -> list[float]:
        """The numbers that lowered kernels get, in the order of the calls; they may be set to others."""
        return self._floats[self._places].tolist()

    @numbers.setter
    def numbers(self, values: Sequence[float]) -> None:
        self._floats[self._places] = values


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


def _steps(function: Callable[..., Any], arguments: Sequence[Any]) -> list[Step] | None:
    """What does the call, if it can be lowered."""
    if not isinstance(function, _kernel_type()):
        return numpy_steps(function, arguments)
    entry, kinds = _entry(function)
    words: list[int | float] = []
    for kind, value in zip(kinds, arguments, strict=True):
        if entries.is_number(kind):
            words.append(float(value))
        elif not value.flags.aligned or value.dtype.name != kind.dtype.name or value.ndim != kind.ndim:
            return None
        elif kind.layout != "C":
            words += (address(value), *value.shape, *value.strides)
        elif value.flags.c_contiguous:
            words += (address(value), *value.shape)
        else:
            return None
    return [(entry, words)]


@functools.cache
def _kernel_type() -> Any:
    return importlib.import_module("numba.core.dispatcher").Dispatcher


@functools.cache
def _entry(kernel: Any) -> tuple[int, tuple[Any, ...]]:
    """The address of a kernel's entry, and the types of its arguments."""
    (signature,) = kernel.nopython_signatures
    module = kernel.py_func.__module__
    entry: Any = STORE.kernel(
        f"entry_{module.removeprefix('xpnet_')}", entries.rule_text(module, signature.args)
    )
    return entry.address, signature.args
