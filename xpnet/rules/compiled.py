"""Runs a traced rule as a compiled loop on the host, where Numba is installed (the extra `fast`).

Which loop it is depends on how the arrays of a call broadcast, and on which of them outputs lie; each is
compiled when it is first needed. What cannot be compiled is left to NumPy, and the log says so once.
"""

from __future__ import annotations

import functools
import logging
import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ..device.threads import run_all
from . import loops, samplewise_loops, shares
from . import numpy as host
from .arguments import Aliases
from .axes import Argument
from .cache import STORE, Kernel
from .graph import Graph
from .layouts import broadcast_mask, part_along, parts_layout, sound
from .program import wanted_uniforms
from .rule import Empty, Launch, now
from .samplewise_loops import samplewise_text

logger = logging.getLogger("xpnet")

_MOST = 2048  # patterns of a rule that are remembered
_ARRAY: Any = np.ndarray
_ALL = "C" * 64  # all contiguous
_UNKNOWN: Any = object()  # not tried yet; None is what cannot be compiled


class Loops:
    """The compiled loops of one rule.

    Every method that runs one returns whether there is one, or what it computed or None.
    """

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self._uniforms = wanted_uniforms(graph)
        self.folds = loops.folds_in_loop(graph)
        self._known: dict[Any, Kernel | None] = {}
        self._arguments: dict[Aliases, tuple[list[int], list[int]]] = {}
        self._failed = False
        self._kept: int | None = None

    def write(
        self,
        arrays: Sequence[Any],
        outputs: Sequence[Any],
        scalars: dict[str, Any],
        aliases: Aliases,
        launch: Launch = now,
        total: Any = None,
    ) -> bool:
        """Writes the results of an elementwise rule into `outputs`, which lie so on `arrays`.

        And the sum of the last over the last axis into `total`, if that is given.
        """
        given, numbers, spread = self._scalars(scalars, outputs[0].dtype)
        read, own = self._passed(aliases)
        passed = [arrays[k] for k in read]
        passed += spread
        passed += [outputs[k] for k in own]
        if total is not None:
            passed.append(total)
        whole, layout = sound(passed)
        first = outputs[0]
        key = (aliases, given, first.dtype.char, layout, *[array.shape for array in whole])
        kernel = self._known.get(key, _UNKNOWN)
        if kernel is _UNKNOWN:

            def text() -> str:
                names = [*[f"A{k}" for k in read], *self._spread_names(given), *[f"O{k}" for k in own]]
                written = [f"A{group[0]}" if group else f"O{k}" for k, group in enumerate(aliases)]
                arguments = [
                    Argument(
                        name,
                        broadcast_mask(array.shape, first.shape),
                        array.ndim,
                        name in written,
                        layout=kind,
                    )
                    for name, array, kind in zip(names, whole, layout or _ALL, strict=False)
                ]
                if total is not None:
                    arguments.append(_sum_argument(total, first.ndim))
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
        call = shares.call(kernel, whole, numbers, first) if total is None else (kernel, (*whole, *numbers))
        launch(call)
        if layout:
            for k, output in enumerate(outputs):  # a copy may have been written to
                place = read.index(aliases[k][0]) if aliases[k] else len(read) + len(spread) + own.index(k)
                if not output.flags.aligned:
                    output[...] = whole[place]
        return True

    def total(
        self,
        arrays: Sequence[Any],
        scalars: dict[str, Any],
        shape: tuple[int, ...],
        factor: float,
        launch: Launch = now,
        empty: Empty = np.empty,
    ) -> Any:
        """`factor` times the sum over the last axis of the result of an elementwise rule, in float64."""
        if not shape or len(self.graph.outputs) != 1:
            return None
        dtype = arrays[0].dtype
        given, numbers, spread = self._scalars(scalars, dtype)
        length = shape[-1]
        count = max(1, math.ceil(length / shares.SEGMENT))
        total = empty(shape[:-1], np.float64)
        whole, layout = sound([*arrays, *spread])
        if count > 1:
            layout = parts_layout(layout, len(whole))
        key = ("sum", given, dtype.char, layout, shape, *[array.shape for array in whole])
        kernel = self._known.get(key, _UNKNOWN)
        if kernel is _UNKNOWN:

            def text() -> str:
                names = [f"A{k}" for k in range(len(arrays))]
                uniforms = self._spread_names(given)
                arguments = [
                    Argument(name, broadcast_mask(array.shape, shape), array.ndim, layout=kind)
                    for name, array, kind in zip((*names, *uniforms), whole, layout or _ALL, strict=False)
                ]
                lead = len(shape) - 1
                arguments.append(Argument("total", "1" * lead + "0", lead, written=True, double=True))
                return loops.sum_text(self.graph, arguments, names, given, dtype.name)

            kernel = self._compile(key, text)
        if kernel is None:
            return None
        if count == 1:
            launch((kernel, (*whole, total, *numbers, factor)))
        else:
            launch((shares.add, (kernel, whole, total, numbers, factor, length)))
        return total[()]

    def samplewise(
        self,
        arrays: Sequence[Any],
        numbers: dict[str, Any],
        shape: tuple[int, ...],
        launch: Launch = now,
        empty: Empty = np.empty,
        *,
        summed: bool = False,
    ) -> Any:
        """The results of a samplewise rule of arrays that broadcast to `shape`.

        If it is `summed`, one more: the sum of the last over the samples.
        """
        scalars = [numbers[name] for name in self.graph.scalars]
        if (
            len(shape) < 2
            or 0 in shape
            or any(type(value) is not float for value in scalars)
            or not self.folds
        ):
            return None
        dtype, nodes = arrays[0].dtype, self.graph.nodes
        samples = (*shape[:-2], shape[-1])
        outputs = [empty(samples if nodes[n].per_sample else shape, dtype) for n in self.graph.outputs]
        results = [*outputs, empty(outputs[-1].shape[:-1], dtype)] if summed else outputs
        whole, layout = sound([*arrays, *results])
        units, width = shape[-2:]
        threads = 1 if summed else shares.threads(outputs[0].nbytes)
        if threads > 1:
            layout = parts_layout(layout, len(whole))
        key = (summed, dtype.char, layout, *[array.shape for array in whole])
        kernel = self._known.get(key, _UNKNOWN)
        if kernel is _UNKNOWN:

            def text() -> str:
                kinds = layout or _ALL
                arguments = [
                    Argument(f"A{k}", broadcast_mask(array.shape, shape), array.ndim, layout=kinds[k])
                    for k, array in enumerate(whole[: len(arrays)])
                ]
                ones = "1" * (len(shape) - 2)
                for k, (n, output) in enumerate(zip(self.graph.outputs, outputs, strict=True)):
                    mask = f"{ones}01" if nodes[n].per_sample else f"{ones}11"
                    kind = kinds[len(arrays) + k]
                    arguments.append(Argument(f"O{k}", mask, output.ndim, written=True, layout=kind))
                if summed:
                    arguments.append(_sum_argument(results[-1], len(shape)))
                return samplewise_text(self.graph, arguments, dtype.name, summed=summed)

            kernel = self._compile(key, text)
        if kernel is None:
            return None
        if threads == 1:
            launch((kernel, (*whole, *self._rooms(units, width, dtype, empty), *scalars)))
        else:
            launch((self._share, (kernel, whole, scalars, units, width, threads)))
        return results

    def _rooms(self, units: int, width: int, dtype: Any, empty: Empty = np.empty) -> list[Any]:
        """Arrays for a samplewise kernel to work in."""
        count = self._kept
        if count is None:
            count = self._kept = len(samplewise_loops.kept(self.graph))
        return [empty((units, samplewise_loops.block(units, width)), dtype) for _ in range(count)]

    def _share(
        self, kernel: Kernel, arrays: list[Any], scalars: list[float], units: int, width: int, threads: int
    ) -> None:
        """Runs a samplewise kernel on as many threads, each for some of the samples, `width` in all."""
        step = -(-width // threads)

        def part(first: int) -> None:
            cut = slice(first, min(first + step, width))
            parts = [part_along(array, cut, width) for array in arrays]
            kernel(*parts, *self._rooms(units, cut.stop - first, parts[0].dtype), *scalars)

        run_all([functools.partial(part, first) for first in range(0, width, step)], threads)

    def _scalars(
        self, scalars: dict[str, Any], dtype: np.dtype[Any]
    ) -> tuple[str | None, list[float], list[Any]]:
        """What kinds of values uniform nodes have, as `Writer` takes them, the numbers, and the arrays."""
        numbers = [scalars[name] for name in self.graph.scalars]
        if self.folds:
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


def _sum_argument(total: Any, ndim: int) -> Argument:
    """Where sums over the samples go; `ndim` axes has the whole."""
    return Argument("total", ("1" * total.ndim).ljust(ndim, "0"), total.ndim, written=True)
