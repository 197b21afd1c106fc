"""Runs a traced rule as a compiled loop on the host, where Numba is installed (the extra `fast`).

Which loop it is depends on how the arrays of a call broadcast, and on which of them outputs lie; each is
compiled when it is first needed. What cannot be compiled is left to NumPy, and the log says so once.
"""

from __future__ import annotations

import functools
import logging
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ..device.machine import available
from ..device.threads import run_all
from . import loops
from . import numpy as host
from .arguments import Aliases
from .cache import STORE, Kernel
from .graph import Graph
from .loops import Argument
from .program import wanted_uniforms
from .samplewise_loops import samplewise_text

logger = logging.getLogger("xpnet")

_MOST = 2048  # patterns of a rule that are remembered
_ARRAY: Any = np.ndarray
_UNKNOWN: Any = object()  # not tried yet; None is what cannot be compiled


class Loops:
    """The compiled loops of one rule.

    Every method that runs one returns whether there is one, or what it computed or None.
    """

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self._uniforms = wanted_uniforms(graph)
        self._folds = loops.folds_in_loop(graph)
        self._known: dict[Any, Kernel | None] = {}
        self._arguments: dict[Aliases, tuple[list[int], list[int]]] = {}
        self._failed = False

    def write(
        self,
        arrays: Sequence[Any],
        outputs: Sequence[Any],
        scalars: dict[str, Any],
        aliases: Aliases,
        total: Any = None,
    ) -> bool:
        """Writes the results of an elementwise rule into `outputs`, which lie so on `arrays`.

        And the sum of the last over the last axis into `total`, of float64, if that is given.
        """
        given, numbers, spread = self._scalars(scalars, outputs[0].dtype)
        read, own = self._passed(aliases)
        passed = [arrays[k] for k in read]
        passed += spread
        passed += [outputs[k] for k in own]
        if total is not None:
            passed.append(total)
        whole = _sound(passed)
        first = outputs[0]
        key = (aliases, given, first.dtype.char, *[array.shape for array in whole])
        kernel = self._known.get(key, _UNKNOWN)
        if kernel is _UNKNOWN:

            def text() -> str:
                names = [*[f"A{k}" for k in read], *self._spread_names(given), *[f"O{k}" for k in own]]
                written = [f"A{group[0]}" if group else f"O{k}" for k, group in enumerate(aliases)]
                arguments = [
                    Argument(name, _mask(array.shape, first.shape), array.ndim, name in written)
                    for name, array in zip(names, whole, strict=False)
                ]
                if total is not None:
                    arguments.append(_sum_argument("total", total, first.ndim))
                under = {k: group[0] for group in aliases for k in group}
                places = [f"A{under.get(k, k)}" for k in range(len(arrays))]
                return loops.elementwise_text(
                    self.graph,
                    arguments,
                    places,
                    written,
                    given,
                    first.dtype.name,
                    summed=total is not None,
                )

            kernel = self._compile(key, text)
        if kernel is None:
            return False
        if total is None:
            _spread(kernel, whole, numbers, first)
        else:
            kernel(*whole, *numbers)
        if whole is not passed:  # a copy may have been written to
            for k, output in enumerate(outputs):
                place = read.index(aliases[k][0]) if aliases[k] else len(read) + len(spread) + own.index(k)
                if passed[place] is not whole[place]:
                    output[...] = whole[place]
        return True

    def total(
        self, arrays: Sequence[Any], scalars: dict[str, Any], shape: tuple[int, ...], factor: float
    ) -> Any:
        """`factor` times the sum over the last axis of the result of an elementwise rule, in float64."""
        if not shape or len(self.graph.outputs) != 1:
            return None
        dtype = arrays[0].dtype
        given, numbers, spread = self._scalars(scalars, dtype)
        total = np.empty(shape[:-1])
        whole = _sound([*arrays, *spread, total])
        key = ("sum", given, dtype.char, *[array.shape for array in whole])
        kernel = self._known.get(key, _UNKNOWN)
        if kernel is _UNKNOWN:

            def text() -> str:
                names = [f"A{k}" for k in range(len(arrays))]
                uniforms = self._spread_names(given)
                arguments = [
                    Argument(name, _mask(array.shape, shape), array.ndim)
                    for name, array in zip((*names, *uniforms), whole, strict=False)
                ]
                arguments.append(_sum_argument("total", total, len(shape)))
                return loops.sum_text(self.graph, arguments, names, given, dtype.name)

            kernel = self._compile(key, text)
        if kernel is None:
            return None
        kernel(*whole, *numbers, factor)
        return total[()]

    def samplewise(
        self,
        arrays: Sequence[Any],
        numbers: dict[str, Any],
        shape: tuple[int, ...],
        *,
        summed: bool = False,
    ) -> Any:
        """The results of a samplewise rule of arrays that broadcast to `shape`.

        If it is `summed`, one more: the sum of the last over the samples, in float64.
        """
        scalars = [numbers[name] for name in self.graph.scalars]
        if (
            len(shape) < 2
            or 0 in shape
            or any(type(value) is not float for value in scalars)
            or not self._folds
        ):
            return None
        dtype, nodes = arrays[0].dtype, self.graph.nodes
        samples = (*shape[:-2], shape[-1])
        outputs = [np.empty(samples if nodes[n].per_sample else shape, dtype) for n in self.graph.outputs]
        results = [*outputs, np.zeros(outputs[-1].shape[:-1])] if summed else outputs
        whole = _sound([*arrays, *results])
        key = (summed, dtype.char, *[array.shape for array in whole])
        kernel = self._known.get(key, _UNKNOWN)
        if kernel is _UNKNOWN:

            def text() -> str:
                arguments = [
                    Argument(f"A{k}", _mask(array.shape, shape), array.ndim)
                    for k, array in enumerate(whole[: len(arrays)])
                ]
                ones = "1" * (len(shape) - 2)
                for k, (n, output) in enumerate(zip(self.graph.outputs, outputs, strict=True)):
                    mask = f"{ones}01" if nodes[n].per_sample else f"{ones}11"
                    arguments.append(Argument(f"O{k}", mask, output.ndim, written=True))
                if summed:
                    arguments.append(_sum_argument("total", results[-1], len(shape)))
                return samplewise_text(self.graph, arguments, dtype.name, summed=summed)

            kernel = self._compile(key, text)
        if kernel is None:
            return None
        kernel(*whole, *scalars)
        return results

    def _scalars(
        self, scalars: dict[str, Any], dtype: np.dtype[Any]
    ) -> tuple[str | None, list[float], list[Any]]:
        """What kinds of values uniform nodes have, as `Writer` takes them, the numbers, and the arrays."""
        numbers = [scalars[name] for name in self.graph.scalars]
        if self._folds:
            for value in numbers:
                if type(value) is not float:
                    break
            else:
                return None, numbers, []
        kinds, single, spread = "", list[float](), list[Any]()
        for value in host.uniform_values(self.graph, self._uniforms, scalars, dtype):
            if isinstance(value, _ARRAY):
                kinds += "c" if value.dtype == bool else "a"
                spread.append(value.astype(dtype, copy=False))
            else:
                kinds += "b" if type(value) is bool else "f"
                single.append(float(value))
        return kinds, single, spread

    def _spread_names(self, given: str | None) -> list[str]:
        """The arguments of uniform nodes that are arrays."""
        kinds = given or "f" * len(self._uniforms)
        return [f"U{n}" for n, kind in zip(self._uniforms, kinds, strict=True) if kind in "ac"]

    def _passed(self, aliases: Aliases) -> tuple[list[int], list[int]]:
        """The arrays and the outputs that are arguments: each place in memory once, if it is written to."""
        found = self._arguments.get(aliases)
        if found is None:
            twice = {k for group in aliases for k in group[1:]}
            read = [k for k in range(len(self.graph.arrays)) if k not in twice]
            own = [k for k, group in enumerate(aliases) if not group]
            found = self._arguments[aliases] = (read, own)
        return found

    def _compile(self, key: Any, text: Callable[[], str]) -> Kernel | None:
        if len(self._known) >= _MOST:
            self._known.clear()
        try:
            kernel = STORE.kernel(self.graph.identifier, text())
        except Exception as error:  # of Numba, of which there are many kinds
            kernel = None
            if not self._failed:
                self._failed = True
                logger.warning(
                    "the rule %s runs on NumPy, as it cannot be compiled: %s", self.graph.name, error
                )
        self._known[key] = kernel
        return kernel


def _spread(kernel: Kernel, arrays: list[Any], numbers: list[float], whole: Any) -> None:
    """Runs the kernel, on several threads if the arrays are large; the bits are the same."""
    threads = available() if whole.nbytes >= host.THREAD_BYTES else 1
    if threads == 1:
        kernel(*arrays, *numbers)
        return
    blocks = host.blocks_of(whole.shape, host.SHARED_BLOCK_BYTES // whole.itemsize)

    def compute(block: tuple[slice, ...]) -> None:
        kernel(*[host.part_of(array, block, whole.ndim) for array in arrays], *numbers)

    run_all([functools.partial(compute, block) for block in blocks], threads)


def _sum_argument(name: str, total: Any, ndim: int) -> Argument:
    """Where sums over the samples go; `ndim` axes has the whole."""
    mask = ("1" * total.ndim).ljust(ndim, "0")
    return Argument(name, mask, total.ndim, written=True, double=True)


def _sound(arrays: list[Any]) -> list[Any]:
    """The arrays as loops read them: `arrays` itself if all are contiguous, else with copies of some."""
    common = _SOUND
    for array in arrays:
        common &= array.flags.num if type(array) is _ARRAY else 0
    if common == _SOUND:
        return arrays
    plain = [np.asarray(array) for array in arrays]
    return [array if array.flags.num & _SOUND == _SOUND else array.copy("C") for array in plain]


_CONTIGUOUS, _ALIGNED = 0x1, 0x100  # of NumPy's C interface
_SOUND = _CONTIGUOUS | _ALIGNED


def _mask(own: tuple[int, ...], shape: tuple[int, ...]) -> str:
    padded = (*[None] * (len(shape) - len(own)), *own)
    return "".join("1" if a == b else "0" for a, b in zip(padded, shape, strict=True))
