"""A network as C99: one file that needs the C library and nothing else."""

from __future__ import annotations

import math
import re
from typing import Any

from .. import checks
from ..device.arrays import DTypeLike, Vector
from ..network import Network
from ..rules.graph import Graph
from ..rules.operations import OPERATIONS, REDUCTIONS
from .steps import HostArray, Step, constant, steps, wanted

_HEAD = """/* A network of xpnet's in C99: link with -lm.

   void {name}(const T *X, size_t samples, T *outputs) takes X (samples, {inputs}) and fills outputs
   (samples, {outputs}), both in row-major order. It keeps nothing between calls and needs {stack} bytes of
   the stack. */

#include <stdbool.h>
#include <stddef.h>
#include <tgmath.h>

typedef {kind} T;

"""
_TAIL = """
void {name}(const T *X, size_t samples, T *outputs);

void {name}(const T *X, size_t samples, T *outputs) {{
    for (size_t sample = 0; sample < samples; ++sample) {{
        T y[{most}];
        for (size_t u = 0; u < {inputs}; ++u) y[u] = X[sample * {inputs} + u];
{body}
        for (size_t u = 0; u < {outputs}; ++u) outputs[sample * {outputs} + u] = y[u];
    }}
}}
"""
_PRODUCT = """        {{
            T z[{units}];
            for (size_t u = 0; u < {units}; ++u) {{
                z[u] = {start};
                for (size_t j = 0; j < {inputs}; ++j) z[u] += {weights}[u * {inputs} + j] * y[j];
            }}
            for (size_t u = 0; u < {units}; ++u) y[u] = z[u];
        }}"""
_REDUCED = {
    "sum": "r{0} += {1};",
    "prod": "r{0} = (u == 0) ? {1} : r{0} * {1};",
    # NaN goes through, and stays
    "max": "r{0} = (u == 0 || {1} > r{0} || {1} != {1}) ? {1} : r{0};",
    "min": "r{0} = (u == 0 || {1} < r{0} || {1} != {1}) ? {1} : r{0};",
}
_KEYWORDS = """auto bool break case char const continue default do double else enum extern float for goto
if inline int long main register restrict return short signed sizeof static struct switch typedef union
unsigned void volatile while"""
_TAKEN = {*OPERATIONS, *_KEYWORDS.split()}


def to_c(network: Network, w: Vector, *, dtype: DTypeLike | None = None, name: str = "predict") -> str:
    """The text of a C99 file with a function `predict(X, samples, outputs)`.

    `void predict(const float *X, size_t samples, float *outputs)`, or `double`, takes `X`
    `(samples, inputs)` and fills `outputs` `(samples, outputs)`, as `Network.predict` does. It compiles
    without a warning (`cc -std=c99 -Wall -Wextra -pedantic`), needs no memory but the stack, and may be
    called by several threads.

    Args:
        network: of dense, normalization and dropout layers; activations may be your own.
        w: its parameters, `(P,)`.
        dtype: "float32" or "float64", in which it computes; by default that of `w`.
        name: of the function.

    Raises:
        TypeError: a layer that cannot be written, or an activation that cannot be traced.
        ValueError: `w` of replicas, of another size, or not finite; a name that is none.

    >>> from xpnet import Dense, Network
    >>> from xpnet.export import to_c
    >>> network = Network(2, Dense(3, "tanh"), Dense(1))
    >>> print(to_c(network, network.initialize(seed=0)).splitlines()[0])
    /* A network of xpnet's in C99: link with -lm.
    """
    usable = re.fullmatch(r"[A-Za-z]\w*", checks.text("name", name), re.ASCII)
    if not usable or name in _TAKEN or re.fullmatch(r"T|[Wab]\d+(_\d+)?", name):
        raise ValueError(f"name must be one of a function of C's, got {name!r}")
    found, dtype_name = steps(network, w, dtype)
    most = max(network.inputs, *(step.units for step in found), 1)
    arrays: list[str] = []
    body: list[str] = []
    units = network.inputs
    for number, step in enumerate(found):
        body.append(f"        /* {_comment(step.text)} */")
        if step.weights is not None:
            weights = _array(f"W{number}", step.weights, arrays)
            start = "0" if step.bias is None else f"{_array(f'b{number}', step.bias, arrays)}[u]"
            body.append(_PRODUCT.format(units=step.units, inputs=units, weights=weights, start=start))
        if step.rule is not None:
            body += [
                "        {",
                *(f"            {line}" for line in _rule(step.rule, number, step, arrays)),
                "        }",
            ]
        units = step.units
    sizes = {"name": name, "inputs": network.inputs, "outputs": network.outputs, "most": most}
    kind = "float" if dtype_name == "float32" else "double"
    head = _HEAD.format(**sizes, kind=kind, stack=2 * most * (4 if kind == "float" else 8))
    return head + "\n".join(arrays) + _TAIL.format(**sizes, body="\n".join(body))


def _rule(rule: Graph, number: int, step: Step, arrays: list[str]) -> list[str]:
    """The lines that compute a rule of `y`, into `y`: a loop over the units for what waits for no other."""
    nodes, end = rule.nodes, rule.outputs[0]
    given = ["y", *(_array(f"a{number}_{k}", array, arrays) for k, array in enumerate(step.arrays, 1))]
    needed = wanted(rule, [end])
    stage: dict[int, int] = {}  # how many loops must be over before a node can be computed
    for k in needed:
        before = max((stage.get(argument, 0) for argument in nodes[k].arguments), default=0)
        stage[k] = before + (nodes[k].operation in REDUCTIONS)

    def name(k: int) -> str:
        node = nodes[k]
        if node.uniform:
            return _number(constant(rule, k))
        if node.operation == "array":
            return f"{given[node.value]}[u]"
        return f"{'r' if node.operation in REDUCTIONS else 't'}{k}"

    def line(k: int) -> str:
        text = OPERATIONS[nodes[k].operation].text.format(*map(name, nodes[k].arguments))
        return f"const {'bool' if nodes[k].boolean else 'T'} t{k} = {text};"

    def loop(ends: list[int], last: list[str]) -> list[str]:
        """Computes for each unit the nodes `ends`, and does `last` with them."""
        own = [k for k in _of_units(rule, ends) if k in stage]
        return [
            f"for (size_t u = 0; u < {step.units}; ++u) {{",
            *(f"    {text}" for text in [*map(line, own), *last]),
            "}",
        ]

    lines: list[str] = []
    for round_ in range(1, max(stage.values(), default=0) + 1):
        now = [k for k in needed if stage[k] == round_ and nodes[k].operation in REDUCTIONS]
        sources = [nodes[k].arguments[0] for k in now]
        lines += [f"T r{k} = 0;" for k in now]
        ends = [
            _REDUCED[nodes[k].operation].format(k, name(source))
            for k, source in zip(now, sources, strict=True)
        ]
        lines += loop(sources, ends)
        lines += [line(k) for k in needed if nodes[k].per_sample and stage[k] == round_ and k not in now]
    return lines + loop([end], [f"y[u] = {name(end)};"])


def _of_units(rule: Graph, ends: list[int]) -> list[int]:
    """The nodes that `ends` need and that are another number for each unit, in order."""
    found, todo = set[int](), list(ends)
    while todo:
        number = todo.pop()
        if number not in found and not rule.nodes[number].per_sample:
            found.add(number)
            todo += rule.nodes[number].arguments
    return sorted(found)


def _array(name: str, array: HostArray, arrays: list[str]) -> str:
    """`name`, under which `array` is written down."""
    numbers = [str(value) for value in array.reshape(-1)]  # the shortest that are read as the same
    suffix = "f" if array.dtype.name == "float32" else ""
    rows = [
        ", ".join(f"{value}{suffix}" for value in numbers[k : k + 6]) for k in range(0, len(numbers), 6)
    ]
    arrays.append(f"static const T {name}[{array.size}] = {{\n    " + ",\n    ".join(rows) + "};")
    return name


def _number(value: float | bool) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if math.isfinite(value):
        return f"((T){value!r})"
    return "((T)NAN)" if math.isnan(value) else f"((T){'-' if value < 0 else ''}INFINITY)"


def _comment(text: Any) -> str:
    """`text` as a comment of C can hold it."""
    return " ".join(str(text).encode("ascii", "replace").decode().replace("*/", "* /").split())
