"""A network as nodes of ONNX, written by whoever keeps them: `to_onnx`, or a pipeline's converter.

Samples are the first axis, units the last. Every operation of `xpnet.rules` is an operator of ONNX, or made
of some.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

import numpy as np

from ..rules.graph import Graph
from ..rules.operations import REDUCTIONS
from .steps import HostArray, Step, constant, wanted


class Nodes(ABC):
    """Where nodes are written; values have names.

    Args:
        dtype: "float32" or "float64", of all numbers.
        opset: the version of the operators.
    """

    def __init__(self, dtype: str, opset: int) -> None:
        self.dtype, self.opset = dtype, opset

    @abstractmethod
    def node(self, operator: str, *inputs: str, **attributes: Any) -> str:
        """The name of the value of `operator`, given the names of its inputs."""

    @abstractmethod
    def tensor(self, values: HostArray) -> str:
        """The name of these numbers."""

    def reduce(self, operator: str, x: str) -> str:
        """The sum of `x` over the units, or the like."""
        if self.opset < (13 if operator == "ReduceSum" else 18):
            return self.node(operator, x, axes=[-1], keepdims=1)
        return self.node(operator, x, self.tensor(np.array([-1], "int64")), keepdims=1)

    def number(self, value: float) -> str:
        """The name of a number."""
        return self.tensor(np.array(value, self.dtype))


def write(nodes: Nodes, steps: list[Step], y: str) -> str:
    """The outputs of a network at `y`, `(samples, inputs)`, both by their names."""
    for step in steps:
        if step.weights is not None:
            inputs = [y, nodes.tensor(step.weights)]
            if step.bias is not None:
                inputs.append(nodes.tensor(step.bias))
            y = nodes.node("Gemm", *inputs, transB=1)
        if step.rule is not None:
            y = _rule(nodes, step.rule, [y, *map(nodes.tensor, step.arrays)])
    return y


def _rule(nodes: Nodes, rule: Graph, arrays: list[str]) -> str:
    """What `rule` makes of `arrays`, with samples for the first axis."""
    names: dict[int, str] = {}

    def name(number: int) -> str:
        node = rule.nodes[number]
        if node.operation == "array":
            return arrays[int(node.value)]
        if node.uniform and number not in names:
            value = constant(rule, number)
            names[number] = nodes.tensor(np.array(value, bool if node.boolean else nodes.dtype))
        return names[number]

    end = rule.outputs[0]
    for number in wanted(rule, [end]):
        node = rule.nodes[number]
        given = [name(argument) for argument in node.arguments]
        if node.operation in REDUCTIONS:
            names[number] = nodes.reduce(f"Reduce{node.operation.title()}", *given)
        else:
            operator = OPERATORS[node.operation]
            names[number] = (
                nodes.node(operator, *given) if isinstance(operator, str) else operator(nodes, *given)
            )
    if rule.nodes[end].uniform:  # the same whatever the inputs are
        return nodes.node("Where", nodes.node("Equal", arrays[0], arrays[0]), name(end), name(end))
    return name(end)


Made: TypeAlias = Callable[..., str]


def _over(value: float) -> Made:
    """The natural logarithm divided by a number."""

    def made(n: Nodes, x: str) -> str:
        return n.node("Mul", n.node("Log", x), n.number(1.0 / value))

    return made


def _square(n: Nodes, x: str) -> str:
    return n.node("Mul", x, x)


def _expm1(n: Nodes, x: str) -> str:
    """`tanh(x / 2) (exp(x) + 1)`, which keeps its digits near 0."""
    half = n.node("Tanh", n.node("Mul", x, n.number(0.5)))
    return n.node("Mul", half, n.node("Add", n.node("Exp", x), n.number(1.0)))


def _log1p(n: Nodes, x: str) -> str:
    """With `u = 1 + x`: `log(u) x / (u - 1)`, which keeps its digits near 0, and `log(u)` above 1."""
    one = n.number(1.0)
    whole = n.node("Add", x, one)
    log = n.node("Log", whole)
    near = n.node("Mul", log, n.node("Div", x, n.node("Sub", whole, one)))
    near = n.node("Where", n.node("Equal", whole, one), x, near)
    return n.node("Where", n.node("Greater", x, one), log, near)


def _negative(n: Nodes, x: str) -> str:
    """Whether the sign of `x` is minus, of zeros too."""
    zero = n.number(0.0)
    below = n.node("Less", n.node("Reciprocal", x), zero)
    return n.node("Or", n.node("Less", x, zero), n.node("And", n.node("Equal", x, zero), below))


def _copysign(n: Nodes, x: str, sign: str) -> str:
    size = n.node("Abs", x)
    return n.node("Where", _negative(n, sign), n.node("Neg", size), size)


def _trunc(n: Nodes, x: str) -> str:
    up, down = n.node("Ceil", x), n.node("Floor", x)
    return n.node("Where", n.node("Less", x, n.number(0.0)), up, down)


def _left(n: Nodes, a: str, b: str) -> tuple[str, str]:
    """What is left of `a / b`, of the sign of `a`; and whether that is not the sign of `b`."""
    zero = n.number(0.0)
    left = n.node("Mod", a, b, fmod=1)
    signs = n.node("Xor", n.node("Less", left, zero), n.node("Less", b, zero))
    return left, n.node("And", n.node("Not", n.node("Equal", left, zero)), signs)


def _remainder(n: Nodes, a: str, b: str) -> str:
    left, other = _left(n, a, b)
    return n.node("Where", other, n.node("Add", left, b), left)


def _floor_divide(n: Nodes, a: str, b: str) -> str:
    left, other = _left(n, a, b)
    whole = n.node("Div", n.node("Sub", a, left), b)
    floor = n.node("Round", n.node("Where", other, n.node("Sub", whole, n.number(1.0)), whole))
    return n.node("Where", n.node("Equal", b, n.number(0.0)), n.node("Div", a, b), floor)


def _hypot(n: Nodes, a: str, b: str) -> str:
    """The larger times `sqrt(1 + (smaller / larger)^2)`, which cannot overflow before the result does."""
    a, b = n.node("Abs", a), n.node("Abs", b)
    large, small = n.node("Max", a, b), n.node("Min", a, b)
    zero = n.number(0.0)
    none = n.node("Equal", large, zero)
    ratio = n.node("Where", none, zero, n.node("Div", small, large))
    root = n.node("Sqrt", n.node("Add", n.node("Mul", ratio, ratio), n.number(1.0)))
    return n.node("Mul", large, root)


def _atan2(n: Nodes, a: str, b: str) -> str:
    """`atan(a / b)`, and where `b` is negative half a turn further, to the side of `a`."""
    turn = _copysign(n, n.number(math.pi), a)
    angle = n.node("Atan", n.node("Div", a, b))
    angle = n.node("Where", n.node("Less", b, n.number(0.0)), n.node("Add", angle, turn), angle)
    half = n.node("Where", _negative(n, b), turn, n.node("Mul", a, n.number(0.0)))
    none = n.node("Equal", n.node("Abs", a), n.node("Abs", n.node("Mul", a, n.number(0.0))))
    return n.node("Where", none, half, angle)


def _logaddexp(n: Nodes, a: str, b: str) -> str:
    distance = n.node("Neg", n.node("Abs", n.node("Sub", a, b)))
    apart = n.node("Add", n.node("Max", a, b), _log1p(n, n.node("Exp", distance)))
    same = n.node("Add", a, n.number(math.log(2.0)))
    return n.node("Where", n.node("Equal", a, b), same, apart)


def _not(operator: str) -> Made:
    def made(n: Nodes, *x: str) -> str:
        return n.node("Not", n.node(operator, *x))

    return made


def _finite(n: Nodes, x: str) -> str:
    return n.node("Less", n.node("Abs", x), n.number(math.inf))


def _infinite(n: Nodes, x: str) -> str:
    return n.node("Equal", n.node("Abs", x), n.number(math.inf))


def _nan(n: Nodes, x: str) -> str:
    return n.node("Not", n.node("Equal", x, x))


OPERATORS: Mapping[str, str | Made] = {
    "negative": "Neg",
    "abs": "Abs",
    "sign": "Sign",
    "square": _square,
    "reciprocal": "Reciprocal",
    "sqrt": "Sqrt",
    "exp": "Exp",
    "expm1": _expm1,
    "log": "Log",
    "log1p": _log1p,
    "log2": _over(math.log(2.0)),
    "log10": _over(math.log(10.0)),
    "sin": "Sin",
    "cos": "Cos",
    "tan": "Tan",
    "asin": "Asin",
    "acos": "Acos",
    "atan": "Atan",
    "sinh": "Sinh",
    "cosh": "Cosh",
    "tanh": "Tanh",
    "asinh": "Asinh",
    "acosh": "Acosh",
    "atanh": "Atanh",
    "ceil": "Ceil",
    "floor": "Floor",
    "round": "Round",
    "trunc": _trunc,
    "add": "Add",
    "subtract": "Sub",
    "multiply": "Mul",
    "divide": "Div",
    "pow": "Pow",
    "atan2": _atan2,
    "hypot": _hypot,
    "logaddexp": _logaddexp,
    "copysign": _copysign,
    "remainder": _remainder,
    "floor_divide": _floor_divide,
    "maximum": "Max",
    "minimum": "Min",
    "less": "Less",
    "less_equal": "LessOrEqual",
    "greater": "Greater",
    "greater_equal": "GreaterOrEqual",
    "equal": "Equal",
    "not_equal": _not("Equal"),
    "isnan": _nan,
    "isinf": _infinite,
    "isfinite": _finite,
    "signbit": _negative,
    "logical_and": "And",
    "logical_or": "Or",
    "logical_xor": "Xor",
    "logical_not": "Not",
    "where": "Where",
}
