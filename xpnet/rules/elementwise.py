"""Elementwise rules, written once.

`@elementwise` makes a kernel of a plain function of a namespace, arrays, and keyword-only scalars:

    @elementwise
    def momentum(xp, w, gradient, velocity, *, rate, momentum):
        velocity = momentum * velocity - rate * gradient
        return w + velocity, velocity

Called plainly, `momentum(xp, w, gradient, velocity, rate=..., momentum=...)` is that function: the
reference, for any array library and for dual numbers. `compute` and `write` do the same work fused: on
NumPy block by block and without temporary arrays, on CuPy as one kernel launch. Elsewhere they call the
reference.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import Any

import array_api_compat
import numpy as np

from . import cuda
from . import numpy as host
from .trace import Graph, trace


class Elementwise:
    """A rule `function(xp, *arrays, **scalars)` that yields one array, or a tuple of arrays.

    `arrays` are floating-point arrays of one dtype that broadcast against each other. `scalars` are
    numbers, or arrays that broadcast against them, such as 0-d or `(R, 1)`; they never change the
    dtype of the result. Inside, `+ - * / **`, comparisons, `& | ~`, and the functions in `OPERATIONS`
    can be used.
    """

    def __init__(self, function: Callable[..., Any]) -> None:
        functools.update_wrapper(self, function)
        self.function = function
        parameters = list(inspect.signature(function).parameters.values())[1:]
        kinds = {parameter.kind for parameter in parameters}
        if not kinds <= {inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY}:
            raise TypeError(f"{function.__name__}: a rule takes named arguments only, no * or **")
        self.arrays = tuple(p.name for p in parameters if p.kind != p.KEYWORD_ONLY)
        self.scalars = tuple(p.name for p in parameters if p.kind == p.KEYWORD_ONLY)
        self._scalar_names = set(self.scalars)
        self._programs: dict[Any, host.Program] = {}
        self._sources: dict[frozenset[str], cuda.Source] = {}

    def __call__(self, xp: Any, *arrays: Any, **scalars: Any) -> Any:
        return self.function(xp, *arrays, **scalars)

    @functools.cached_property
    def graph(self) -> Graph:
        """What the rule computes, found by running it on symbols."""
        return trace(self.function, self.arrays, self.scalars)

    @functools.cached_property
    def _uniforms(self) -> tuple[int, ...]:
        return host.wanted_uniforms(self.graph)

    def source(self, device_scalars: frozenset[str] = frozenset()) -> cuda.Source:
        """The CUDA kernel of the rule; the scalars in `device_scalars` are arrays."""
        made = self._sources.get(device_scalars)
        if made is None:
            made = self._sources[device_scalars] = cuda.source(self.graph, device_scalars)
        return made

    def compute(self, xp: Any, *arrays: Any, **scalars: Any) -> Any:
        """The rule's results in new arrays.

        Raises:
            TypeError: arrays of different or other than floating-point dtypes.
            TraceError: the rule cannot become a kernel.
        """
        if not _has_kernels(xp):
            return self.function(xp, *arrays, **_cast(xp, scalars, arrays))
        self._check(arrays, scalars)
        shape = _broadcast((*arrays, *scalars.values()))
        dtype = arrays[0].dtype
        outputs = tuple([xp.empty(shape, dtype=dtype) for _ in self.graph.outputs])
        self._run(arrays, outputs, scalars, ((),) * len(outputs))
        return outputs[0] if len(outputs) == 1 else outputs

    def write(self, xp: Any, into: tuple[Any, ...], *arrays: Any, **scalars: Any) -> None:
        """Writes the rule's results into the arrays `into`.

        Each of `into` may be one of `arrays`; it must not otherwise overlap with any.

        Raises:
            TypeError, TraceError: as `compute`.
            ValueError: wrong number or shape of `into`.
        """
        if not _has_kernels(xp):
            results = self.function(xp, *arrays, **_cast(xp, scalars, arrays))
            results = results if isinstance(results, tuple) else (results,)
            # a result that is one of the arrays must outlive what is written over that array
            results = [
                xp.asarray(result, copy=True) if any(result is array for array in arrays) else result
                for result in results
            ]
            for target, result in zip(into, results, strict=True):
                target[...] = result
            return
        self._check((*arrays, *into), scalars, len(into))
        if len(into) != len(self.graph.outputs):
            raise ValueError(
                f"{self.function.__name__} yields {len(self.graph.outputs)} arrays, "
                f"got {len(into)} to write into"
            )
        shape = _broadcast((*arrays, *scalars.values()))
        if any(target.shape != shape for target in into):
            raise ValueError(
                f"{self.function.__name__} yields shape {shape}, "
                f"got {', '.join(str(target.shape) for target in into)} to write into"
            )
        self._run(arrays, into, scalars, tuple([_positions(target, arrays) for target in into]))

    def reuse(self, xp: Any, *arrays: Any, **scalars: Any) -> Any:
        """As `compute` for a rule of one result, which may overwrite the first of `arrays`."""
        if not _has_kernels(xp):
            return self.function(xp, *arrays, **_cast(xp, scalars, arrays))
        self.write(xp, arrays[:1], *arrays, **scalars)
        return arrays[0]

    def sum(self, xp: Any, *arrays: Any, factor: float = 1.0, dtype: Any, **scalars: float) -> Any:
        """`factor` times the sum over the last axis of the result of a rule of one, added in `dtype`.

        On CuPy one launch, and `dtype` is float64.
        """
        if not array_api_compat.is_cupy_namespace(xp):
            return factor * xp.sum(self.function(xp, *arrays, **scalars), axis=-1, dtype=dtype)
        self._check(arrays, scalars)
        return cuda.run_sum(self.graph, self.source(), arrays, scalars, factor)

    def _check(self, arrays: tuple[Any, ...], scalars: dict[str, Any], into: int = 0) -> None:
        if len(arrays) - into != len(self.arrays) or scalars.keys() != self._scalar_names:
            raise TypeError(
                f"{self.function.__name__} takes arrays {', '.join(self.arrays)} and scalars "
                f"{', '.join(self.scalars) or 'none'}; got {len(arrays) - into} arrays and "
                f"{', '.join(scalars) or 'none'}"
            )
        dtype = arrays[0].dtype
        if dtype not in _FLOATS:
            raise TypeError(
                f"{self.function.__name__}: {self.arrays[0]} must be float32 or float64, got {dtype}"
            )
        for array in arrays:
            if array.dtype is not dtype and array.dtype != dtype:
                raise TypeError(
                    f"{self.function.__name__}: arrays must share one dtype, got {dtype} and {array.dtype}"
                )

    def _run(
        self,
        arrays: tuple[Any, ...],
        outputs: tuple[Any, ...],
        scalars: dict[str, Any],
        aliases: tuple[tuple[int, ...], ...],
    ) -> None:
        if scalars:
            scalars = {name: _number(value) for name, value in scalars.items()}
        if isinstance(outputs[0], np.ndarray):
            wanted = self._uniforms
            values = host.uniform_values(self.graph, wanted, scalars, outputs[0].dtype) if wanted else []
            uniforms = dict(zip(wanted, values, strict=True))
            host.run(self._program(aliases, uniforms), arrays, outputs, uniforms)
            return
        on_device = frozenset(n for n, value in scalars.items() if not isinstance(value, float))
        cuda.run(self.graph, self.source(on_device), arrays, outputs, scalars)

    def _program(self, aliases: tuple[tuple[int, ...], ...], uniforms: dict[int, Any]) -> host.Program:
        """The NumPy program for outputs that lie so on inputs, without what `uniforms` make idle."""
        neutral = {
            n: value for n, value in uniforms.items() if type(value) is float and value in (0.0, 1.0)
        }
        key = (aliases, *neutral.items())
        program = self._programs.get(key)
        if program is None:
            graph = host.without_idle(self.graph, neutral)
            program = self._programs[key] = host.compile_program(graph, aliases)
        return program


def elementwise(function: Callable[..., Any]) -> Elementwise:
    """Decorator: the rule `function(xp, *arrays, **scalars)` as an `Elementwise`."""
    return Elementwise(function)


_FLOATS = frozenset((np.dtype(np.float32), np.dtype(np.float64)))


@functools.lru_cache
def _has_kernels(xp: Any) -> bool:
    return array_api_compat.is_numpy_namespace(xp) or array_api_compat.is_cupy_namespace(xp)


def _number(value: Any) -> Any:
    """A number as a Python float; an array, unless it is a number on the host, stays what it is."""
    if isinstance(value, float | int | np.generic) or (isinstance(value, np.ndarray) and value.ndim == 0):
        return float(value)
    return value


def _cast(xp: Any, scalars: dict[str, Any], arrays: tuple[Any, ...]) -> dict[str, Any]:
    """`scalars`, those that are arrays in the dtype of `arrays`."""
    return {
        name: xp.astype(value, arrays[0].dtype) if hasattr(value, "shape") else value
        for name, value in scalars.items()
    }


def _positions(target: Any, arrays: tuple[Any, ...]) -> tuple[int, ...]:
    return tuple([position for position, array in enumerate(arrays) if array is target])


def _broadcast(values: tuple[Any, ...]) -> tuple[int, ...]:
    """The shape of `values`, arrays or numbers, broadcast against each other."""
    shape = values[0].shape
    for value in values:
        if getattr(value, "shape", shape) != shape:
            return _broadcast_shapes(tuple([getattr(value, "shape", ()) for value in values]))
    return shape


@functools.lru_cache(maxsize=4096)
def _broadcast_shapes(shapes: tuple[tuple[int, ...], ...]) -> tuple[int, ...]:
    return np.broadcast_shapes(*shapes)
