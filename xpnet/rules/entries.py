"""The texts of what runs lists of calls (`lowered.py`): a loop over them, products, operations on arrays.

Each is a kernel as `cache.py` has them. Those that stand for functions of NumPy take one array, a block of
64-bit integers, in which there are addresses, lengths, and strides in bytes.
"""

from __future__ import annotations

from .machine_code import KERNEL

_HEAD = """from llvmlite import ir
from numba import types
from numba.extending import intrinsic
"""
_BLOCK = KERNEL + "['int64'], 0\n"

RUN = f"""{_HEAD}

@intrinsic
def call(context, function, arrays, numbers):
    def generate(context, builder, signature, values):
        kind = ir.FunctionType(ir.VoidType(), [ir.IntType(64)] * 2).as_pointer()
        builder.call(builder.inttoptr(values[0], kind), values[1:])
        return context.get_dummy_value()
    return types.void(types.int64, types.int64, types.int64), generate
{KERNEL}['int64'] * 3, 0

def kernel(F, nF, sF, A, nA, sA, N, nN, sN):
    for k in range(nF[0]):
        call(F[k], A[k], N[k])
"""
"""Calls the entries of kernels, each with the addresses of its arrays' addresses and of its numbers."""


def product_text(name: str, bits: int) -> str:
    """Calls gemm or gemv: `C = A B` or `y = A x`, without a factor and without what was there.

    The block has the function's address, then its arguments but these. Integers have `bits` bits.
    """
    if name[1:] == "gemm":
        order = "w[1], w[2], w[3], n[4], n[5], n[6], one, at[7], n[8], at[9], n[10], zero, at[11], n[12]"
    else:
        order = "w[1], w[2], n[3], n[4], one, at[5], n[6], at[7], n[8], zero, at[9], n[10]"
    count = {"gemm": 13, "gemv": 11}[name[1:]]
    return f"""{_HEAD}

@intrinsic
def product(context, p):
    def generate(context, builder, signature, values):
        word, integer, real = ir.IntType(32), ir.IntType({bits}), ir.{_REAL[name[0]]}()
        lines = [builder.load(builder.gep(values[0], [ir.IntType(64)(k)])) for k in range({count})]
        w = [builder.trunc(line, word) for line in lines]
        n = [builder.trunc(line, integer) if {bits} < 64 else line for line in lines]
        at = [builder.inttoptr(line, ir.IntType(8).as_pointer()) for line in lines]
        one, zero = real(1.0), real(0.0)
        passed = [{order}]
        kind = ir.FunctionType(ir.VoidType(), [own.type for own in passed]).as_pointer()
        builder.call(builder.inttoptr(lines[0], kind), passed)
        return context.get_dummy_value()
    return types.void(types.CPointer(types.int64)), generate
{_BLOCK}
def kernel(P, nP, sP):
    product(P)
"""


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
    made, before, element = ["l, m, o = P[0], P[1], P[2]"], list[str](), list[str]()
    for k, kind in enumerate(kinds):
        first = 4 * k + 3
        made.append(
            f"p{k}, s{k}, t{k}, u{k} = P[{first}], P[{first + 1}], P[{first + 2}], P[{first + 3}] // SIZE"
        )
        before.append(f"r{k} = elements(p{k} + i * s{k} + j * t{k})")
        element.append({"d": f"r{k}[n]", "s": f"r{k}[n * u{k}]", "0": f"c{k}", "o": "r0[n]"}[kind])
        if kind == "0":
            before.append(f"c{k} = r{k}[0]")
    wide, deep = "\n    ", "\n            "
    return f"""import numpy as np
{_HEAD}
T, SIZE = np.{dtype}, np.{dtype}().itemsize


@intrinsic
def elements(context, address):
    kind = types.CPointer(types.{dtype})
    def generate(context, builder, signature, values):
        return builder.inttoptr(values[0], context.get_value_type(kind))
    return kind(types.int64), generate
{_BLOCK}
def kernel(P, nP, sP):
    {wide.join(made)}
    for i in range(l):
        for j in range(m):
            {deep.join(before)}
            for n in range(o):
                {element[0]} = {OPERATIONS[name].format(*element[1:])}
"""
