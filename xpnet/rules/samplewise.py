"""Rules that also look at all units of a sample, such as softmax, written once.

`@samplewise` makes a kernel of a plain function of a namespace, arrays `(..., units, samples)`, and
keyword-only numbers. Beside what an elementwise rule may do, it may take `xp.sum` and `xp.max` over
`axis=-2`, with `keepdims` or without, `xp.squeeze(x, axis=-2)`, and `xp.astype(condition, x.dtype)`.
"""

from __future__ import annotations

import functools
import inspect
import logging
from collections.abc import Callable
from typing import Any

import array_api_compat

from . import cuda
from .trace import Graph, TraceError, trace

logger = logging.getLogger("xpnet")


class Samplewise:
    """A rule `function(xp, *arrays, **numbers)` that yields one array, or a tuple of arrays.

    `arrays` broadcast against each other. On CuPy it is one launch; there a function that cannot become a
    kernel is called as it is, and a log message says so. Elsewhere every function is: on NumPy the arrays
    of one chunk lie in the cache, and nothing is gained by fusing.
    """

    def __init__(self, function: Callable[..., Any]) -> None:
        functools.update_wrapper(self, function)
        self.function = function
        parameters = list(inspect.signature(function).parameters.values())[1:]
        self.arrays = tuple(p.name for p in parameters if p.kind != p.KEYWORD_ONLY)
        self.scalars = tuple(p.name for p in parameters if p.kind == p.KEYWORD_ONLY)

    @functools.cached_property
    def graph(self) -> Graph:
        """What the rule computes, found by running it on symbols.

        Raises:
            TraceError: it cannot become a kernel.
        """
        return trace(self.function, self.arrays, self.scalars, samplewise=True)

    @functools.cached_property
    def source(self) -> cuda.Source | None:
        """Its CUDA kernel, if it can become one."""
        try:
            return cuda.samplewise_source(self.graph)
        except TraceError as error:
            logger.info("%s; it takes several launches on CuPy", error)
            return None

    def __call__(self, xp: Any, *arrays: Any, **numbers: float) -> Any:
        if not array_api_compat.is_cupy_namespace(xp) or self.source is None:
            return self.function(xp, *arrays, **numbers)
        first, *rest = cuda.run_samplewise(self.graph, self.source, arrays, numbers)
        return (first, *rest) if rest else first


def samplewise(function: Callable[..., Any]) -> Samplewise:
    """Decorator: the rule `function(xp, *arrays, **numbers)` as a `Samplewise`."""
    return Samplewise(function)
