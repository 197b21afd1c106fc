"""Runs an elementwise rule once on symbols and writes down what it computes.

The result is a `Graph`: the operations in the order they were met, each once, with the numbers of the
operations they read. `program.py` makes NumPy calls of it and `cuda.py` the text of a kernel.
"""

from __future__ import annotations

import functools
import inspect
import traceback
from collections.abc import Callable, Sequence
from numbers import Real
from typing import Any, NoReturn, cast

from . import operations
from .graph import Graph, Node
from .operations import CONSTANTS, OPERATIONS, REDUCTIONS, SAMPLEWISE, Operation


class TraceError(TypeError):
    """A rule does something that cannot become a kernel; the message names what and where."""


def trace(
    function: Callable[..., Any],
    arrays: Sequence[str],
    scalars: Sequence[str],
    name: str,
    *,
    samplewise: bool = False,
) -> Graph:
    """The graph of `function(xp, *arrays, **scalars)`, called `name`; if `samplewise` it may reduce.

    Raises:
        TraceError: the function does something else than the operations of `OPERATIONS`.
    """
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
    outputs = cast("tuple[Any, ...]", result) if isinstance(result, tuple) else (result,)
    numbers: list[int] = []
    for output in outputs:
        if not _known(output):
            raise TraceError(f"{name} must return arrays that it computed, got {type(output).__name__}")
        symbol = _symbol(graph, output, "return")
        if symbol.node.boolean:
            raise TraceError(f"{name} returns a comparison; use xp.where to make numbers of it")
        if symbol.node.per_sample and not symbol.flat:
            raise TraceError(f"{name} returns a value for each sample with keepdims=True; squeeze it")
        numbers.append(symbol.number)
    if not numbers:
        raise TraceError(f"{name} must return arrays that it computed, got an empty tuple")
    graph.outputs = tuple(numbers)
    return graph


def _apply(graph: Graph, name: str, *values: Any) -> _Symbol:
    """What the operation called `name` makes of `values`."""
    operation = OPERATIONS[name]
    if operation.composed is not None:
        return _compose(graph, operation, *values)
    symbols = [_symbol(graph, value, name) for value in values]
    if name in ("equal", "not_equal") and any(symbol.node.boolean for symbol in symbols):
        different = _apply(graph, "logical_xor", *symbols)  # of conditions
        return different if name == "not_equal" else _apply(graph, "logical_not", different)
    wanted = [operation.takes == "conditions"] * len(symbols)
    if operation.takes == "choice":
        wanted[0] = True
        if not any(isinstance(value, _Symbol) for value in values[1:]):
            _refuse(graph, f"'{name}' needs an array among its choices, such as xp.ones_like(y)")
    for symbol, boolean in zip(symbols, wanted, strict=True):
        if symbol.node.boolean != boolean:
            kind = "a condition (a comparison)" if boolean else "numbers, and a comparison is none"
            _refuse(graph, f"'{name}' takes {kind}")
    varying = [symbol for symbol in symbols if not symbol.node.uniform]
    flat = [symbol.flat for symbol in varying]
    if any(flat) and not all(flat):
        _refuse(graph, f"'{name}' mixes an array without the axis of units with one that has it")
    node = Node(
        name,
        tuple(symbol.number for symbol in symbols),
        boolean=operation.condition,
        uniform=not varying,
        per_sample=bool(varying) and all(symbol.node.per_sample for symbol in varying),
    )
    return _Symbol(graph, graph.add(node), any(flat))


def _compose(graph: Graph, operation: Operation, *values: Any, **options: Any) -> _Symbol:
    """An operation that is made of others."""
    composed = cast("Callable[..., Any]", operation.composed)
    try:
        inspect.signature(composed).bind(None, *values, **options)
    except TypeError as error:
        _refuse(graph, f"'xp.{operation.name}': {error}")
    given = [value for value in (*values, *options.values()) if value is not None]
    if any(_symbol(graph, value, operation.name).node.boolean for value in given):
        _refuse(graph, f"'{operation.name}' takes numbers, and a comparison is none")
    return _symbol(graph, composed(_Namespace(graph), *values, **options), operation.name)


def _reduce(
    graph: Graph, operation: str, x: Any, /, *, axis: int | None = None, keepdims: bool = False
) -> _Symbol:
    """`xp.sum` and the like over the units of each sample."""
    symbol = _symbol(graph, x, operation)
    if axis != -2 or symbol.flat or symbol.node.boolean:
        _refuse(graph, f"'xp.{operation}' takes numbers and axis=-2, the units")
    number = graph.add(Node(operation, (symbol.number,), per_sample=True))
    return _Symbol(graph, number, not keepdims)


def _squeeze(graph: Graph, x: Any, /, axis: int) -> _Symbol:
    if not isinstance(x, _Symbol) or axis != -2 or not x.node.per_sample or x.flat:
        _refuse(graph, "'xp.squeeze' takes what was reduced with keepdims=True, and axis=-2")
    return _Symbol(graph, x.number, True)


def _astype(graph: Graph, x: Any, dtype: Any, /) -> _Symbol:
    """Makes numbers of a condition; the dtype is that of all arrays of a rule."""
    if dtype is not _DTYPE:
        _refuse(graph, "'xp.astype' takes the dtype of the rule's arrays, as x.dtype, and no other")
    symbol = _symbol(graph, x, "astype")
    return _apply(graph, "where", x, _symbol(graph, 1.0, "astype"), 0.0) if symbol.node.boolean else symbol


def _known(value: Any) -> bool:
    return isinstance(value, _Symbol) or (isinstance(value, Real) and not isinstance(value, bool))


def _symbol(graph: Graph, value: Any, operation: str) -> _Symbol:
    if isinstance(value, _Symbol):
        return value
    if not _known(value):
        _refuse(graph, f"'{operation}' takes arrays and numbers, got {type(value).__name__}")
    try:
        number = float(value)
    except OverflowError:
        _refuse(graph, f"'{operation}' takes numbers that a float can hold, got {value}")
    return _Symbol(graph, graph.add(Node("constant", value=number, uniform=True)))


def _refuse(graph: Graph, what: str) -> NoReturn:
    frame = inspect.currentframe()
    while frame is not None and frame.f_code.co_filename in _OWN:
        frame = frame.f_back
    where = f"{frame.f_code.co_filename}, line {frame.f_lineno}" if frame else "unknown line"
    raise TraceError(f"{graph.name} cannot become a kernel: {what} ({where})")


_OWN = (__file__, operations.__file__)  # whose lines no user has written


class _Namespace:
    """The `xp` that a rule sees while it is traced."""

    def __init__(self, graph: Graph) -> None:
        self._graph = graph

    def __getattr__(self, name: str) -> Any:
        if name in CONSTANTS:
            return CONSTANTS[name]
        if name == "astype":
            return functools.partial(_astype, self._graph)
        if self._graph.samplewise and name == "squeeze":
            return functools.partial(_squeeze, self._graph)
        if self._graph.samplewise and name in REDUCTIONS:
            return functools.partial(_reduce, self._graph, name)
        operation = OPERATIONS.get(name)
        if operation is None:
            also = SAMPLEWISE if self._graph.samplewise else ()
            known = ", ".join((*OPERATIONS, *CONSTANTS, "astype", *also))
            _refuse(self._graph, f"there is no 'xp.{name}' for kernels, only {known}")
        if operation.composed is not None:
            return functools.partial(_compose, self._graph, operation)

        def call(*values: Any, **options: Any) -> _Symbol:
            if options:
                _refuse(self._graph, f"'xp.{name}' takes no options, got {sorted(options)}")
            if len(values) != operation.count:
                _refuse(self._graph, f"'xp.{name}' takes {operation.count} arguments, got {len(values)}")
            return _apply(self._graph, name, *values)

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


class _Dtype:
    """Whatever it is, all arrays of a rule have the same."""


_DTYPE = _Dtype()


class _Symbol:
    """A value that stands for an array, or a number, in a rule being traced."""

    __array_ufunc__ = None  # NumPy's operators leave the work to the ones below
    __hash__ = None  # type: ignore[assignment]

    dtype = _DTYPE

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
    __floordiv__, __rfloordiv__ = _operator("floor_divide"), _operator("floor_divide", reflected=True)
    __mod__, __rmod__ = _operator("remainder"), _operator("remainder", reflected=True)
    __pow__, __rpow__ = _operator("pow"), _operator("pow", reflected=True)
    __neg__, __pos__, __abs__ = _operator("negative"), _operator("positive"), _operator("abs")
    __lt__, __le__ = _operator("less"), _operator("less_equal")
    __gt__, __ge__ = _operator("greater"), _operator("greater_equal")
    __eq__, __ne__ = _operator("equal"), _operator("not_equal")  # pyright: ignore[reportAssignmentType]
    __and__, __or__, __xor__ = _operator("logical_and"), _operator("logical_or"), _operator("logical_xor")
    __invert__ = _operator("logical_not")

    __float__, __int__, __index__ = _unsupported("float()"), _unsupported("int()"), _unsupported("an index")
    __iter__, __len__, __getitem__ = (
        _unsupported("iteration"),
        _unsupported("len()"),
        _unsupported("indexing"),
    )
    __matmul__ = _unsupported("'@'")
