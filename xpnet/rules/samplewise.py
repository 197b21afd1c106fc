"""Rules that also look at all units of a sample, such as softmax, written once.

`@samplewise` makes a kernel of a plain function of a namespace, arrays `(..., units, samples)`, and
keyword-only numbers. Beside what an elementwise rule may do, it may take `xp.sum`, `xp.prod`, `xp.max`
and `xp.min` over `axis=-2`, with `keepdims` or without, and `xp.squeeze(x, axis=-2)`.
"""

from __future__ import annotations

import functools
import logging
from collections.abc import Callable
from typing import Any

import numpy as np

from . import arguments, cuda
from .compiled import Loops
from .graph import Graph
from .rule import Carrier, Empty, Launch, Rule, now
from .trace import TraceError, trace

logger = logging.getLogger("xpnet")


class Samplewise(Rule):
    """A rule `function(xp, *arrays, **numbers)` that yields one array, or a tuple of arrays.

    `arrays` broadcast against each other. On CuPy it is one launch, and a compiled loop where the namespace
    asks for it; there a function that cannot become a kernel is called as it is, and a log message says so.
    Elsewhere every function is: the arrays of one chunk lie in the cache.
    """

    @functools.cached_property
    def graph(self) -> Graph:
        """What the rule computes, found by running it on symbols.

        Raises:
            TraceError: it cannot become a kernel.
        """
        return trace(self.function, self.arrays, self.scalars, self.name, samplewise=True)

    @functools.cached_property
    def source(self) -> cuda.Source | None:
        """Its CUDA kernel, if it can become one."""
        try:
            return cuda.samplewise_source(self.graph)
        except TraceError as error:
            logger.info("%s; it takes several launches on CuPy", error)
            return None

    @functools.cached_property
    def _loops(self) -> Loops | None:
        """Its compiled loops, if it can become one."""
        try:
            return Loops(self.graph)
        except TraceError as error:
            logger.info("%s; it runs on NumPy", error)
            return None

    def __call__(self, xp: Any, *arrays: Any, **numbers: float) -> Any:
        kind = arguments.array_type(xp)
        results = None
        if isinstance(xp, Carrier):
            results = xp.samplewise(self, arrays, numbers)
        elif arguments.wants_loops(xp):
            results = self.computed(arrays, numbers, np.empty, now)
        if results is not None:
            return tuple(results) if len(results) > 1 else results[0]
        if kind is None or kind is np.ndarray or self.source is None:
            return self.function(xp, *arrays, **numbers)
        numbers = arguments.checked(self, kind, arrays, numbers)
        shape = arguments.broadcast(self, arrays, {})
        if len(shape) < 2:
            raise ValueError(f"{self.name}: arrays must be (..., units, samples), got shape {shape}")
        first, *rest = cuda.run_samplewise(self.graph, self.source, arrays, shape, numbers)
        return (first, *rest) if rest else first

    def compute_with_sum(self, xp: Any, *arrays: Any, **numbers: float) -> tuple[Any, Any]:
        """What a call gives, and the sum of the last result over the samples, added in float64.

        The sum is None where it would take a pass of its own: then who wants it adds up the result.
        """
        results = None
        if isinstance(xp, Carrier):
            results = xp.samplewise(self, arrays, numbers, summed=True)
        elif arguments.wants_loops(xp):
            results = self.computed(arrays, numbers, np.empty, now, summed=True)
        if results is None:
            return self(xp, *arrays, **numbers), None
        *results, total = results
        return tuple(results) if len(results) > 1 else results[0], total

    def computed(
        self,
        arrays: tuple[Any, ...],
        numbers: dict[str, Any],
        empty: Empty,
        launch: Launch,
        *,
        summed: bool = False,
    ) -> Any:
        """The results by a compiled loop, in what `empty` makes; None where there is none.

        If `summed`, one more: the sum of the last. `launch` makes the call that it takes, or keeps it.
        """
        if self._loops is None or (summed and self.graph.nodes[self.graph.outputs[-1]].per_sample):
            return None
        numbers = arguments.checked(self, np.ndarray, arrays, numbers)
        shape = arguments.broadcast(self, arrays, {})
        return self._loops.samplewise(arrays, numbers, shape, launch, empty, summed=summed)


def samplewise(function: Callable[..., Any]) -> Samplewise:
    """Decorator: the rule `function(xp, *arrays, **numbers)` as a `Samplewise`."""
    return Samplewise(function)
