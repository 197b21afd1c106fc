"""C functions that do one call each: the texts of what `lowered.py` has compiled.

Each takes the address of a block of 64-bit integers, in which there are addresses, lengths, strides in
bytes, and the bits of numbers. So a list of calls is two lists of integers, and one compiled loop does it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

_HEAD = """import numpy as np
from llvmlite import ir
from numba import carray, cfunc, njit, types
from numba.extending import intrinsic

BLOCK = types.CPointer(types.int64)


@intrinsic
def pointer(context, address):
    kind = ir.IntType(8).as_pointer()
    return types.voidptr(types.int64), lambda c, builder, s, values: builder.inttoptr(values[0], kind)
"""

RUN = (
    _HEAD
    + """

@intrinsic
def call(context, function, block):
    def generate(context, builder, signature, values):
        argument = ir.IntType(64).as_pointer()
        kind = ir.FunctionType(ir.VoidType(), [argument]).as_pointer()
        builder.call(builder.inttoptr(values[0], kind), [builder.inttoptr(values[1], argument)])
        return context.get_dummy_value()
    return types.void(types.int64, types.int64), generate


@njit([types.void(types.int64[::1], types.int64[::1])], nogil=True, cache=CACHE)
def kernel(functions, blocks):
    for k in range(functions.size):
        call(functions[k], blocks[k])
"""
)
"""Calls each of `functions` with its block."""


def rule_text(module: str, arguments: Sequence[Any]) -> str:
    """Calls the kernel of a module; `arguments` are the types of its arguments, as Numba has them.

    The block has for each array its address, its lengths and, unless it is contiguous, its strides, and for
    each number its bits.
    """
    place, passed = 0, list[str]()
    for kind in arguments:
        if is_number(kind):
            passed.append(f"number(p[{place}])")
            place += 1
        else:
            lengths = "".join(f"p[{place + 1 + k}], " for k in range(kind.ndim))
            dense = kind.layout == "C"
            array = f"carray(pointer(p[{place}]), ({lengths if dense else '1,'}), np.{kind.dtype.name})"
            place += 1 + kind.ndim
            if not dense:
                strides = "".join(f"p[{place + k}], " for k in range(kind.ndim))
                array = f"as_strided({array}, ({lengths}), ({strides}))"
                place += kind.ndim
            passed.append(array)
    return (
        _HEAD
        + f"""
from numpy.lib.stride_tricks import as_strided
from {module} import kernel as rule


@intrinsic
def number(context, bits):
    kind = ir.DoubleType()
    return types.float64(types.int64), lambda c, builder, s, values: builder.bitcast(values[0], kind)


@cfunc(types.void(BLOCK), error_model='numpy', cache=CACHE)
def kernel(p):
    rule({", ".join(passed)})
"""
    )


def is_number(kind: Any) -> bool:
    """Whether a kernel's argument is a number, not an array."""
    return getattr(kind, "ndim", None) is None


def product_text(name: str, bits: int) -> str:
    """Calls gemm or gemv: `C = A B` or `y = A x`, without a factor and without what was there.

    The block has the function's address, then its arguments but these. Integers have `bits` bits.
    """
    if name[1:] == "gemm":
        order = "w[1], w[2], w[3], n[4], n[5], n[6], one, at[7], n[8], at[9], n[10], zero, at[11], n[12]"
    else:
        order = "w[1], w[2], n[3], n[4], one, at[5], n[6], at[7], n[8], zero, at[9], n[10]"
    count = {"gemm": 13, "gemv": 11}[name[1:]]
    return (
        _HEAD
        + f"""

@intrinsic
def product(context, p):
    def generate(context, builder, signature, values):
        word, integer, real = ir.IntType(32), ir.IntType({bits}), ir.{_REAL[name[0]]}()
        lines = [
            builder.load(builder.gep(values[0], [ir.IntType(64)(k)]))
            for k in range({count})
        ]
        w = [builder.trunc(line, word) for line in lines]
        n = [builder.trunc(line, integer) if {bits} < 64 else line for line in lines]
        at = [builder.inttoptr(line, ir.IntType(8).as_pointer()) for line in lines]
        one, zero = real(1.0), real(0.0)
        passed = [{order}]
        kind = ir.FunctionType(ir.VoidType(), [own.type for own in passed]).as_pointer()
        builder.call(builder.inttoptr(lines[0], kind), passed)
        return context.get_dummy_value()
    return types.void(BLOCK), generate


@cfunc(types.void(BLOCK), error_model='numpy', cache=CACHE)
def kernel(p):
    product(p)
"""
    )


_REAL = {"s": "FloatType", "d": "DoubleType"}

OPERATIONS = {
    "copyto": "{0}",
    "add": "{0} + {1}",
    "subtract": "{0} - {1}",
    "multiply": "{0} * {1}",
    "divide": "{0} / {1}",
    "outer": "T(0) + {0} * {1}",  # a sum of one product, which begins at zero
}
"""By the names of NumPy's functions. None of them depends on the order in which elements come."""


def operation_text(name: str, dtype: str, kinds: str) -> str:
    """Does an operation on arrays that are seen with three axes.

    The block has the three lengths, then for each array, the written one first, its address and its three
    strides. `kinds` says for each how it lies along the last axis: "d" dense, "s" spaced, "0" one element,
    "o" where the result is written.
    """
    places = [f"q{k} = p[{4 * k + 3}] + i * p[{4 * k + 4}] + j * p[{4 * k + 5}]" for k in range(len(kinds))]
    before, inner, element = list[str](), list[str](), list[str]()
    for k, kind in enumerate(kinds):
        if kind == "s":
            inner.append(f"r{k} = carray(pointer(q{k} + n * p[{4 * k + 6}]), (1,), T)")
        else:
            before.append(f"r{k} = carray(pointer(q{k}), ({'1' if kind == '0' else 'p[2]'},), T)")
        element.append({"d": f"r{k}[n]", "s": f"r{k}[0]", "0": f"c{k}", "o": "r0[n]"}[kind])
        if kind == "0":
            before.append(f"c{k} = r{k}[0]")
    inner.append(f"{element[0]} = {OPERATIONS[name].format(*element[1:])}")
    wide, deep = "\n            ", "\n                "
    return (
        _HEAD
        + f"""
T = np.{dtype}


@cfunc(types.void(BLOCK), error_model='numpy', cache=CACHE)
def kernel(p):
    for i in range(p[0]):
        for j in range(p[1]):
            {wide.join([*places, *before])}
            for n in range(p[2]):
                {deep.join(inner)}
"""
    )
