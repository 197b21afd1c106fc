"""Elementwise rules, written once.

`@elementwise` makes a kernel of a plain function of a namespace, arrays, and keyword-only scalars. Called
plainly, as `momentum(xp, w, gradient, velocity, rate=..., momentum=...)`, it is that function: the
reference, for any array library and for dual numbers. `compute` and `write` do the same work fused: on
NumPy block by block and without temporary arrays, or as one compiled loop where the namespace asks for it
(that of a `Backend` with `kernels="numba"`); on CuPy as one kernel launch. Elsewhere they call the
reference.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any, cast

import numpy as np

from . import arguments, cuda
from . import numpy as host
from .again import Again, remembered
from .arguments import Aliases
from .compiled import Loops
from .graph import Graph
from .program import Program, compile_program, wanted_uniforms, without_idle
from .rule import Call, Carrier, Empty, Launch, Rule, now
from .trace import trace


class Elementwise(Rule):
    """A rule `function(xp, *arrays, **scalars)` that yields one array, or a tuple of arrays.

    `arrays` are floating-point arrays of one dtype that broadcast against each other. `scalars` are
    numbers, or arrays that broadcast against them, such as 0-d or `(R, 1)`; they never change the
    dtype of the result. Inside, `+ - * / // % **`, comparisons, `& | ^ ~`, and the functions in
    `OPERATIONS` can be used, and `xp.pi` and the like.
    """

    def __init__(self, function: Callable[..., Any]) -> None:
        super().__init__(function)
        self._programs: dict[Any, Program] = {}
        self._sources: dict[frozenset[str], cuda.Source] = {}
        self._last: Again | None = None

    def __call__(self, xp: Any, *arrays: Any, **scalars: Any) -> Any:
        return self.function(xp, *arrays, **scalars)

    @functools.cached_property
    def graph(self) -> Graph:
        """What the rule computes, found by running it on symbols.

        Raises:
            TraceError: it cannot become a kernel.
        """
        return trace(self.function, self.arrays, self.scalars, self.name)

    @functools.cached_property
    def _loops(self) -> Loops:
        return Loops(self.graph)

    @functools.cached_property
    def _uniforms(self) -> tuple[int, ...]:
        return wanted_uniforms(self.graph)

    def source(self, device_scalars: frozenset[str] = frozenset()) -> cuda.Source:
        """The CUDA kernel of the rule; the scalars in `device_scalars` are arrays."""
        made = self._sources.get(device_scalars)
        if made is None:
            made = self._sources[device_scalars] = cuda.source(self.graph, device_scalars)
        return made

    def compute(self, xp: Any, *arrays: Any, **scalars: Any) -> Any:
        """The rule's results in new arrays.

        Raises:
            TypeError: arrays of different or other than floating-point dtypes, or of another library than
                `xp`; scalars that are no numbers.
            ValueError: shapes that do not broadcast.
            TraceError: the rule cannot become a kernel.
        """
        kind = arguments.array_type(xp)
        if kind is None:
            if isinstance(xp, Carrier):
                return xp.compute(self, arrays, scalars)
            return self._reference(xp, arrays, scalars)
        outputs = self.computed(xp, kind, xp.empty, arrays, scalars, now)
        return outputs[0] if len(outputs) == 1 else outputs

    def computed(
        self,
        xp: Any,
        kind: type,
        empty: Any,
        arrays: tuple[Any, ...],
        scalars: dict[str, Any],
        launch: Launch,
    ) -> tuple[Any, ...]:
        """`compute` for arrays of this kind, into what `empty(shape, dtype=...)` makes.

        `launch` makes each call that it takes, or keeps it.
        """
        scalars = arguments.checked(self, kind, arrays, scalars)
        shape = arguments.broadcast(self, arrays, scalars)
        dtype = arrays[0].dtype
        outputs = tuple([empty(shape, dtype=dtype) for _ in self.graph.outputs])
        self._run(xp, arrays, outputs, scalars, ((),) * len(outputs), launch)
        return outputs

    def compute_with_sum(self, xp: Any, *arrays: Any, **scalars: Any) -> tuple[Any, Any]:
        """What `compute` gives, and the sum of the last result over the last axis, added in float64.

        The sum is None where it would take a pass of its own: then who wants it adds up the result.
        """
        if isinstance(xp, Carrier):
            return xp.compute_with_sum(self, arrays, scalars)
        if not arguments.wants_loops(xp):
            return self.compute(xp, *arrays, **scalars), None
        outputs, total = self.computed_with_sum(xp, np.empty, arrays, scalars, now)
        return outputs[0] if len(outputs) == 1 else outputs, total

    def computed_with_sum(
        self, xp: Any, empty: Empty, arrays: tuple[Any, ...], scalars: dict[str, Any], launch: Launch
    ) -> tuple[tuple[Any, ...], Any]:
        """The results and the sum by a compiled loop; `empty` and `launch` as for `computed`."""
        scalars = arguments.checked(self, np.ndarray, arrays, scalars)
        shape, dtype = arguments.broadcast(self, arrays, scalars), arrays[0].dtype
        outputs = tuple([empty(shape, dtype) for _ in self.graph.outputs])
        apart: Aliases = ((),) * len(outputs)
        if shape and outputs[0].nbytes < host.THREAD_BYTES:  # threads would cut the sums
            total = empty(shape[:-1], dtype)
            if self._loops.write(arrays, outputs, scalars, apart, launch, total):
                return outputs, total
        self._run(xp, arrays, outputs, scalars, apart, launch)
        return outputs, None

    def write(self, xp: Any, into: tuple[Any, ...], *arrays: Any, **scalars: Any) -> None:
        """Writes the rule's results into the arrays `into`.

        Each of `into` may be one of `arrays`; it must not otherwise overlap with any, nor with another.

        Raises:
            TypeError, TraceError: as `compute`.
            ValueError: as `compute`; wrong number or shape of `into`, or they overlap, or are read-only.
        """
        last = self._last
        taken = None if last is None else last.taken(xp, into, arrays, scalars)
        if taken is not None:
            cast("Any", last).kernel(*taken)
            return
        kind = arguments.array_type(xp)
        if kind is not None:

            def launch(call: Call) -> None:
                now(call)
                names = self.graph.scalars
                if self._loops.folds or not names:
                    self._last = remembered(xp, call, names, into, arrays, scalars)

            self.written(xp, kind, into, arrays, scalars, launch)
        elif isinstance(xp, Carrier):
            xp.write(self, into, arrays, scalars)
        else:
            self._write_reference(xp, into, arrays, scalars)

    def written(
        self,
        xp: Any,
        kind: type,
        into: tuple[Any, ...],
        arrays: tuple[Any, ...],
        scalars: dict[str, Any],
        launch: Launch,
    ) -> None:
        """`write` for arrays of this kind; `launch` as for `computed`."""
        scalars = arguments.checked(self, kind, arrays, scalars)
        shape = arguments.broadcast(self, arrays, scalars)
        aliases = arguments.aliases(self, xp, kind, into, arrays, shape, len(self.graph.outputs))
        self._run(xp, arrays, into, scalars, aliases, launch)

    def reuse(self, xp: Any, *arrays: Any, **scalars: Any) -> Any:
        """As `compute` for a rule of one result, which may overwrite the first of `arrays`."""
        if arguments.array_type(xp) is None and not isinstance(xp, Carrier):
            return self._reference(xp, arrays, scalars)
        self.write(xp, arrays[:1], *arrays, **scalars)
        return arrays[0]

    def sum(self, xp: Any, *arrays: Any, factor: float = 1.0, dtype: Any, **scalars: float) -> Any:
        """`factor` times the sum over the last axis of the result of a rule of one, added in `dtype`.

        On CuPy one launch, as a compiled loop one pass, and `dtype` is float64.
        """
        kind = arguments.array_type(xp)
        if kind is not None:
            scalars = arguments.checked(self, kind, arrays, scalars)
            for name, value in cast("dict[str, Any]", scalars).items():
                if type(value) is not float:
                    shape = tuple(value.shape)
                    raise TypeError(f"{self.name}: {name} must be a number in a sum, got shape {shape}")
            if len(arrays) > 1:
                arguments.broadcast(self, arrays, scalars)
        if kind is None or kind is np.ndarray:
            total = None
            if isinstance(xp, Carrier):
                total = xp.total(self, arrays, scalars, factor, dtype)
            elif arguments.wants_loops(xp):
                total = self.summed(arrays, scalars, factor, dtype, np.empty, now)
            if total is not None:
                return total
            values = self.function(xp, *arrays, **scalars)
            return factor * cast("Any", xp).sum(values, axis=-1, dtype=dtype)
        return cuda.run_sum(self.graph, self.source(), arrays, scalars, factor)

    def summed(
        self,
        arrays: tuple[Any, ...],
        scalars: dict[str, Any],
        factor: float,
        dtype: Any,
        empty: Empty,
        launch: Launch,
    ) -> Any:
        """`sum` by a compiled loop; None where there is none. `empty` and `launch` as for `computed`."""
        if dtype != np.float64:
            return None
        shape = arguments.broadcast(self, arrays, scalars)
        return self._loops.total(arrays, scalars, shape, factor, launch, empty)

    def _reference(self, xp: Any, arrays: tuple[Any, ...], scalars: dict[str, Any]) -> Any:
        """The plain function, which never sees a scalar of another dtype."""
        if len(arrays) != len(self.arrays) or scalars.keys() != self.scalar_names:
            arguments.refuse_names(self, arrays, scalars)
        if not scalars:
            return self.function(xp, *arrays)
        own = {
            name: xp.astype(value, arrays[0].dtype) if hasattr(value, "shape") else value
            for name, value in scalars.items()
        }
        return self.function(xp, *arrays, **own)

    def _write_reference(
        self, xp: Any, into: tuple[Any, ...], arrays: tuple[Any, ...], scalars: dict[str, Any]
    ) -> None:
        result = self._reference(xp, arrays, scalars)
        results: tuple[Any, ...] = (
            cast("tuple[Any, ...]", result) if isinstance(result, tuple) else (result,)
        )
        arguments.check_into(self, into, len(results))
        # a result that is one of the arrays must outlive what is written over that array
        kept: list[Any] = [
            xp.asarray(result, copy=True) if any(result is array for array in arrays) else result
            for result in results
        ]
        for target, result in zip(into, kept, strict=True):
            target[...] = result

    def _run(
        self,
        xp: Any,
        arrays: Sequence[Any],
        outputs: Sequence[Any],
        scalars: dict[str, Any],
        aliases: Aliases,
        launch: Launch,
    ) -> None:
        first: Any = outputs[0]
        if arguments.wants_loops(xp) and self._loops.write(arrays, outputs, scalars, aliases, launch):
            return
        if isinstance(first, np.ndarray):
            wanted, dtype = self._uniforms, cast("Any", first).dtype
            values = host.uniform_values(self.graph, wanted, scalars, dtype) if wanted else []
            uniforms = dict(zip(wanted, values, strict=True))
            launch(host.call(self._program(aliases, uniforms), arrays, outputs, uniforms))
            return
        on_device = frozenset(n for n, value in scalars.items() if not isinstance(value, float))
        cuda.run(self.graph, self.source(on_device), arrays, outputs, scalars, launch)

    def _program(self, aliases: Aliases, uniforms: dict[int, Any]) -> Program:
        """The NumPy program for outputs that lie so on inputs, without what `uniforms` make idle."""
        neutral = {
            n: value for n, value in uniforms.items() if type(value) is float and value in (0.0, 1.0)
        }
        key = (aliases, *neutral.items())
        program = self._programs.get(key)
        if program is None:
            graph = without_idle(self.graph, neutral)
            program = self._programs[key] = compile_program(graph, aliases)
        return program


def elementwise(function: Callable[..., Any]) -> Elementwise:
    """Decorator: the rule `function(xp, *arrays, **scalars)` as an `Elementwise`.

    >>> import numpy as np
    >>> from xpnet import elementwise
    >>> @elementwise
    ... def momentum(xp, w, gradient, velocity, *, rate, momentum):
    ...     velocity = momentum * velocity - rate * gradient
    ...     return w + velocity, velocity
    >>> w, v = np.ones(2), np.zeros(2)
    >>> momentum.write(np, (w, v), w, np.array([1.0, 2.0]), v, rate=0.5, momentum=0.9)  # in place
    >>> w.tolist(), v.tolist()
    ([0.5, 0.0], [-0.5, -1.0])
    """
    return Elementwise(function)
