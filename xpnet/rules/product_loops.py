"""Writes the loops of matrix products whose matrix of weights is tiny, for a compiler on the host (Numba).

BLAS is made for large matrices: in a step of a small network a call of it costs more than its arithmetic.
Vectors go along the samples, and blocks of sums stay in registers. Every sum is a chain of fused
multiply-adds: in `rows` in the order of the units; in `sums`, over samples, as many chains as a vector has
lanes, which are added in pairs, for parts of the samples that are added in their order.
"""

from __future__ import annotations

from .machine_code import KERNEL

ROWS, SUMS = "rows", "sums"
"""`left @ right` with the last axis of `right` dense, or with that of `left` and of `right`'s transpose."""

VECTORS = 3  # side by side in `rows`; a product has at least so many of samples, 48 at most


def product_text(name: str, dtype: str, width: int) -> str:
    """The module of a kernel that writes products of stacks of matrices, for vectors of `width` bytes."""
    size = {"float32": 4, "float64": 8}[dtype]
    real = {4: "FloatType", 8: "DoubleType"}[size]
    return f"""from llvmlite import ir
from numba import njit, types
from numba.core import cgutils
from numba.extending import intrinsic

REAL, SIZE, LANES, VECTORS = ir.{real}(), {size}, {width // size}, {VECTORS}
SIDE = {4 if width == 64 else 3}  # columns of a block in `sums`; 16 vectors for 32 registers, 12 for 16
PART = {4096 // size}  # samples that go into one sum
WIDE, INT = ir.VectorType(REAL, LANES), ir.IntType(64)
{_BLOCKS[name]}
{KERNEL}{[dtype] * 3}, 0

def kernel(A, nA, sA, B, nB, sB, C, nC, sC):
    m, n, samples = nC[1], nB[1], nB[2]
    xs, xt, ys, yt, zs = sA[1], sA[2], sB[1], sB[2], sC[1]
    for r in range(nC[0]):
        x = address(A) + r % nA[0] * sA[0]
        y = address(B) + r % nB[0] * sB[0]
        z = address(C) + r * sC[0]
{_LOOPS[name]}"""


_COMMON = """

@intrinsic
def address(context, array):
    def generate(context, builder, signature, values):
        return builder.ptrtoint(values[0], INT)
    return types.int64(array), generate


def number(value):
    return ir.Constant(INT, value)


def place(builder, start, *steps):  # the address `start`, and (step, how often) further
    for step, count in steps:
        start = builder.add(start, builder.mul(step, count))
    return start


def load(builder, address, kind):
    return builder.load(builder.inttoptr(address, kind.as_pointer()), align=SIZE)


def store(builder, value, address):
    builder.store(value, builder.inttoptr(address, value.type.as_pointer()), align=SIZE)


def add_product(builder, x, y, total):  # to the variable `total`
    lanes = f"v{LANES}" if x.type is WIDE else ""
    kind = ir.FunctionType(x.type, [x.type] * 3)
    fma = cgutils.get_or_insert_function(builder.module, kind, f"llvm.fma.{lanes}f{8 * SIZE}")
    builder.store(builder.call(fma, (x, y, builder.load(total))), total)


def zeros(builder, count):
    return [cgutils.alloca_once_value(builder, WIDE([REAL(0.0)] * LANES)) for _ in range(count)]
"""

_BLOCKS = {
    ROWS: _COMMON
    + """

def rows(height):
    @intrinsic
    def block(context, z, zs, x, xs, xt, y, ys, count):
        def generate(context, builder, signature, values):
            z, zs, x, xs, xt, y, ys, count = values
            sums = [zeros(builder, VECTORS) for _ in range(height)]
            steps = [number(k * LANES * SIZE) for k in range(VECTORS)]
            first = ir.Constant(ir.VectorType(ir.IntType(32), LANES), [0] * LANES)
            with cgutils.for_range(builder, count) as loop:
                row = place(builder, y, (ys, loop.index))
                right = [load(builder, builder.add(row, step), WIDE) for step in steps]
                for a in range(height):
                    one = load(builder, place(builder, x, (xs, number(a)), (xt, loop.index)), REAL)
                    one = builder.insert_element(ir.Constant(WIDE, ir.Undefined), one, number(0))
                    left = builder.shuffle_vector(one, one, first)
                    for k in range(VECTORS):
                        add_product(builder, left, right[k], sums[a][k])
            for a in range(height):
                row = place(builder, z, (zs, number(a)))
                for k in range(VECTORS):
                    store(builder, builder.load(sums[a][k]), builder.add(row, steps[k]))
            return context.get_dummy_value()
        return types.void(*[types.int64] * 8), generate
    return block


rows4, rows2, rows1 = rows(4), rows(2), rows(1)
""",
    SUMS: _COMMON
    + """

def outer(height, side):
    @intrinsic
    def block(context, z, zs, x, xs, y, ys, count, more):
        def generate(context, builder, signature, values):
            z, zs, x, xs, y, ys, count, more = values
            sums = [zeros(builder, side) for _ in range(height)]
            whole = builder.udiv(count, number(LANES))
            with cgutils.for_range(builder, whole) as loop:
                now = (number(LANES * SIZE), loop.index)
                right = [load(builder, place(builder, y, (ys, number(k)), now), WIDE) for k in range(side)]
                for a in range(height):
                    left = load(builder, place(builder, x, (xs, number(a)), now), WIDE)
                    for k in range(side):
                        add_product(builder, left, right[k], sums[a][k])
            # the last vector again, of which those numbers are zero that are counted already
            done = builder.mul(whole, number(LANES))
            with builder.if_then(builder.icmp_signed("<", done, count)):
                lanes = ir.Constant(ir.VectorType(INT, LANES), [*range(LANES)])
                counted = builder.insert_element(ir.Constant(lanes.type, ir.Undefined), done, number(0))
                first = ir.Constant(ir.VectorType(ir.IntType(32), LANES), [0] * LANES)
                counted = builder.shuffle_vector(counted, counted, first)
                start = builder.sub(count, number(LANES))
                begin = builder.insert_element(ir.Constant(lanes.type, ir.Undefined), start, number(0))
                new = builder.add(lanes, builder.shuffle_vector(begin, begin, first))
                new = builder.icmp_signed(">=", new, counted)
                nothing = WIDE([REAL(0.0)] * LANES)

                def rest(address, *steps):
                    own = load(builder, place(builder, address, *steps, (number(SIZE), start)), WIDE)
                    return builder.select(new, own, nothing)

                right = [rest(y, (ys, number(k))) for k in range(side)]
                for a in range(height):
                    left = rest(x, (xs, number(a)))
                    for k in range(side):
                        add_product(builder, left, right[k], sums[a][k])
            ends = []
            for own in [own for row in sums for own in row]:
                value, lanes = builder.load(own), LANES
                while lanes > 1:
                    lanes //= 2
                    kind = ir.VectorType(ir.IntType(32), lanes)
                    low = ir.Constant(kind, [*range(lanes)])
                    high = ir.Constant(kind, [*range(lanes, 2 * lanes)])
                    low, high = (builder.shuffle_vector(value, value, half) for half in (low, high))
                    value = builder.fadd(low, high)
                ends.append(builder.extract_element(value, number(0)))
            added = builder.icmp_signed("!=", more, number(0))
            for a in range(height):
                for k in range(side):
                    address = place(builder, z, (zs, number(a)), (number(SIZE), number(k)))
                    own = ends[a * side + k]
                    both = builder.fadd(load(builder, address, REAL), own)
                    store(builder, builder.select(added, both, own), address)
            return context.get_dummy_value()
        return types.void(*[types.int64] * 8), generate
    return block


def strip(height):
    many, one = outer(height, SIDE), outer(height, 1)
    @njit(inline='never', nogil=True)
    def strip(z, zs, x, xs, y, ys, n, count, more):
        k = 0
        while k + SIDE <= n:
            many(z + k * SIZE, zs, x, xs, y + k * ys, ys, count, more)
            k += SIDE
        while k < n:
            one(z + k * SIZE, zs, x, xs, y + k * ys, ys, count, more)
            k += 1
    return strip


strip4, strip1 = strip(4), strip(1)
""",
}

# `rows` reads what is beyond a panel of vectors with the panel before it, and so writes some numbers twice.
_LOOPS = {
    ROWS: """
        j = 0
        while j < samples:
            j = min(j, samples - VECTORS * LANES)
            k, v, w = 0, y + j * SIZE, z + j * SIZE
            while k + 4 <= m:
                rows4(w + k * zs, zs, x + k * xs, xs, xt, v, ys, n)
                k += 4
            if k + 2 <= m:
                rows2(w + k * zs, zs, x + k * xs, xs, xt, v, ys, n)
                k += 2
            if k < m:
                rows1(w + k * zs, zs, x + k * xs, xs, xt, v, ys, n)
            j += VECTORS * LANES
""",
    SUMS: """
        for j in range(0, n, PART):
            k, u, v = 0, x + j * SIZE, y + j * SIZE
            count = min(PART, n - j)
            while k + 4 <= m:
                strip4(z + k * zs, zs, u + k * xs, xs, v, yt, samples, count, j)
                k += 4
            while k < m:
                strip1(z + k * zs, zs, u + k * xs, xs, v, yt, samples, count, j)
                k += 1
""",
}
