"""Runs an elementwise rule once on symbols and writes down what it computes.

The result is a `Graph`: the operations in the order they were met, each once, with the numbers of the
operations they read. `numpy.py` makes NumPy calls of it and `cuda.py` the text of a kernel.
"""

from __future__ import annotations

import functools
import sys
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from types import FrameType
from typing import Any, NoReturn

from .operations import COMPARISONS, FILLED, LOGICAL, ONE_ARGUMENT, OPERATIONS, REDUCTIONS, SAMPLEWISE


class TraceError(TypeError):
    """A rule does something that cannot become a kernel; the message names what and where."""


@dataclass(frozen=True)
class Node:
    """One operation: its name, the numbers of the nodes it reads, and what it yields.

    `operation` is "array" or "scalar" for an argument of the rule (`value` is its position or name),
    "constant" for a number in its text (`value`), else the array API name of a function.
    """

    operation: str
    arguments: tuple[int, ...] = ()
    value: Any = None
    boolean: bool = False
    uniform: bool = False  # the same for every element: no array goes into it
    per_sample: bool = False  # the same for every unit of a sample: a sum or maximum, or made of such


@dataclass
class Graph:
    """The nodes of a traced rule, in an order in which they can be computed, and its outputs."""

    name: str
    arrays: tuple[str, ...]
    scalars: tuple[str, ...]
    nodes: list[Node] = field(default_factory=list)
    outputs: tuple[int, ...] = ()
    samplewise: bool = False
    _numbers: dict[tuple[Node, str], int] = field(default_factory=dict)

    def add(self, node: Node) -> int:
        """The number of `node`, which is written down unless an equal one is there."""
        key = (node, repr(node.value))  # 0.0 and -0.0 are equal, and two numbers
        number = self._numbers.get(key)
        if number is None:
            number = self._numbers[key] = len(self.nodes)
            self.nodes.append(node)
        return number


def trace(
    function: Callable[..., Any],
    arrays: Sequence[str],
    scalars: Sequence[str],
    *,
    samplewise: bool = False,
) -> Graph:
    """The graph of `function(xp, *arrays, **scalars)`; a `samplewise` one may also reduce over units.

    Raises:
        TraceError: the function does something else than the operations of `OPERATIONS`.
    """
    name = getattr(function, "__name__", "rule")
    graph = Graph(name, tuple(arrays), tuple(scalars), samplewise=samplewise)
    arguments = [
        _Symbol(graph, graph.add(Node("array", value=position))) for position in range(len(graph.arrays))
    ]
    options = {
        scalar: _Symbol(graph, graph.add(Node("scalar", value=scalar, uniform=True)))
        for scalar in graph.scalars
    }
    try:
        result = function(_Namespace(graph), *arguments, **options)
    except TraceError:
        raise
    except TypeError as error:  # an operator that symbols do not have
        line = traceback.extract_tb(error.__traceback__)[-1]
        raise TraceError(
            f"{name} cannot become a kernel: {error} ({line.filename}, line {line.lineno})"
        ) from error
    outputs = result if isinstance(result, tuple) else (result,)
    numbers = []
    for output in outputs:
        if not isinstance(output, _Symbol | int | float) or isinstance(output, bool):
            raise TraceError(f"{name} must return arrays that it computed, got {type(output).__name__}")
        symbol = _symbol(graph, output, "return")
        if symbol.node.boolean:
            raise TraceError(f"{name} returns a comparison; use xp.where to make numbers of it")
        if symbol.node.per_sample and not symbol.flat:
            raise TraceError(f"{name} returns a value for each sample with keepdims=True; squeeze it")
        numbers.append(symbol.number)
    graph.outputs = tuple(numbers)
    return graph


def _apply(graph: Graph, operation: str, *values: Any) -> _Symbol:
    symbols = [_symbol(graph, value, operation) for value in values]
    if operation in LOGICAL:
        wanted = [True] * len(symbols)
    elif operation == "where":
        wanted = [True, False, False]
        if not any(isinstance(value, _Symbol) for value in values[1:]):
            _refuse(graph, "'where' needs an array among its choices, such as xp.ones_like(y)")
    else:
        wanted = [False] * len(symbols)
    for symbol, boolean in zip(symbols, wanted, strict=True):
        if symbol.node.boolean != boolean:
            kind = "a condition (a comparison)" if boolean else "numbers, and a comparison is none"
            _refuse(graph, f"'{operation}' takes {kind}")
    varying = [symbol for symbol in symbols if not symbol.node.uniform]
    flat = [symbol.flat for symbol in varying]
    if any(flat) and not all(flat):
        _refuse(graph, f"'{operation}' mixes an array without the axis of units with one that has it")
    node = Node(
        operation,
        tuple(symbol.number for symbol in symbols),
        boolean=operation in COMPARISONS or operation in LOGICAL,
        uniform=not varying,
        per_sample=bool(varying) and all(symbol.node.per_sample for symbol in varying),
    )
    return _Symbol(graph, graph.add(node), any(flat))


def _reduce(graph: Graph, operation: str, x: Any, *, axis: int, keepdims: bool = False) -> _Symbol:
    """`xp.sum` or `xp.max` over the units of each sample."""
    symbol = _symbol(graph, x, operation)
    if axis != -2 or symbol.flat or symbol.node.boolean:
        _refuse(graph, f"'xp.{operation}' takes numbers and axis=-2, the units")
    number = graph.add(Node(operation, (symbol.number,), per_sample=True))
    return _Symbol(graph, number, not keepdims)


def _squeeze(graph: Graph, x: Any, axis: int) -> _Symbol:
    if not isinstance(x, _Symbol) or axis != -2 or not x.node.per_sample or x.flat:
        _refuse(graph, "'xp.squeeze' takes what was reduced with keepdims=True, and axis=-2")
    return _Symbol(graph, x.number, True)


def _astype(graph: Graph, x: Any, dtype: Any) -> _Symbol:
    """Makes numbers of a condition; the dtype is that of all arrays of a rule."""
    return _apply(graph, "where", x, _symbol(graph, 1.0, "astype"), 0.0)


def _symbol(graph: Graph, value: Any, operation: str) -> _Symbol:
    if isinstance(value, _Symbol):
        return value
    if isinstance(value, int | float) and not isinstance(value, bool):
        return _Symbol(graph, graph.add(Node("constant", value=float(value), uniform=True)))
    _refuse(graph, f"'{operation}' takes arrays and numbers, got {type(value).__name__}")


def _refuse(graph: Graph, what: str) -> NoReturn:
    frame: FrameType | None = sys._getframe(1)
    while frame is not None and frame.f_code.co_filename == __file__:
        frame = frame.f_back
    where = f"{frame.f_code.co_filename}, line {frame.f_lineno}" if frame else "unknown line"
    raise TraceError(f"{graph.name} cannot become a kernel: {what} ({where})")


class _Namespace:
    """The `xp` that a rule sees while it is traced."""

    def __init__(self, graph: Graph) -> None:
        self._graph = graph

    def __getattr__(self, operation: str) -> Callable[..., _Symbol]:
        if self._graph.samplewise and operation in SAMPLEWISE:
            if operation in REDUCTIONS:
                return functools.partial(_reduce, self._graph, operation)
            return functools.partial(_squeeze if operation == "squeeze" else _astype, self._graph)
        if operation not in OPERATIONS:
            known = ", ".join(OPERATIONS)
            _refuse(self._graph, f"there is no 'xp.{operation}' for kernels, only {known}")

        def call(*values: Any, **options: Any) -> _Symbol:
            if options:
                _refuse(self._graph, f"'xp.{operation}' takes no options, got {sorted(options)}")
            arity = 3 if operation == "where" else 1 if operation in ONE_ARGUMENT else 2
            if len(values) != arity:
                _refuse(self._graph, f"'xp.{operation}' takes {arity} arguments, got {len(values)}")
            if operation in FILLED:
                return _symbol(self._graph, FILLED[operation], operation)
            return _apply(self._graph, operation, *values)

        return call


def _operator(operation: str, *, reflected: bool = False) -> Callable[..., Any]:
    def method(self: _Symbol, *others: Any) -> _Symbol:
        values = (*others, self) if reflected else (self, *others)
        return _apply(self.graph, operation, *values)

    return method


def _unsupported(name: str) -> Callable[..., Any]:
    def method(self: _Symbol, *_: Any, **__: Any) -> Any:
        _refuse(self.graph, f"{name} is not an elementwise operation")

    return method


class _Symbol:
    """A value that stands for an array, or a number, in a rule being traced."""

    __array_ufunc__ = None  # NumPy's operators leave the work to the ones below
    __hash__ = None  # type: ignore[assignment]

    dtype = None  # whatever it is, all arrays of a rule have the same

    def __init__(self, graph: Graph, number: int, flat: bool = False) -> None:
        self.graph, self.number = graph, number
        self.flat = flat  # the axis of units is gone

    @property
    def node(self) -> Node:
        return self.graph.nodes[self.number]

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        _refuse(self.graph, f"'.{name}' of an array is not known in a kernel")

    def __bool__(self) -> bool:
        _refuse(self.graph, "'if', 'and', 'or', 'not' need one truth value; use xp.where, '&', '|', '~'")

    __add__, __radd__ = _operator("add"), _operator("add", reflected=True)
    __sub__, __rsub__ = _operator("subtract"), _operator("subtract", reflected=True)
    __mul__, __rmul__ = _operator("multiply"), _operator("multiply", reflected=True)
    __truediv__, __rtruediv__ = _operator("divide"), _operator("divide", reflected=True)
    __pow__, __rpow__ = _operator("pow"), _operator("pow", reflected=True)
    __neg__, __abs__ = _operator("negative"), _operator("abs")
    __lt__, __le__ = _operator("less"), _operator("less_equal")
    __gt__, __ge__ = _operator("greater"), _operator("greater_equal")
    __eq__, __ne__ = _operator("equal"), _operator("not_equal")  # type: ignore[assignment]
    __and__, __or__, __invert__ = (
        _operator("logical_and"),
        _operator("logical_or"),
        _operator("logical_not"),
    )

    __float__, __int__, __index__ = (
        _unsupported("float()"),
        _unsupported("int()"),
        _unsupported("an index"),
    )
    __iter__, __len__, __getitem__ = (
        _unsupported("iteration"),
        _unsupported("len()"),
        _unsupported("indexing"),
    )
    __matmul__, __floordiv__, __mod__ = (
        _unsupported("'@'"),
        _unsupported("'//'"),
        _unsupported("'%'"),
    )
