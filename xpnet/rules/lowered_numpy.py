"""NumPy's functions as entries: which calls of BLAS a product is, and which loops the rest.

NumPy chooses by shapes and strides between gemm, syrk, gemv, dot and loops of its own (its `matmul.c.src`
and `cblasfuncs.c` say how). Here is the part of it that is sure; for the rest there are no steps.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ..device.cblas import cblas
from . import entries
from .cache import STORE

Step = tuple[int, list[Any], list[float]]
"""The address of a kernel's entry, and its arrays and numbers."""

_ROWS, _COLUMNS, _PLAIN, _TRANSPOSED = 101, 102, 111, 112  # of CBLAS
_AXES = 3  # of arrays in the entries of operations
_MOST = 64  # products of a stack that are lowered


def address(array: Any) -> int:
    return array.__array_interface__["data"][0]


def numpy_steps(function: Callable[..., Any], arguments: Sequence[Any]) -> list[Step] | None:
    """What does a call of a NumPy function, if it can be lowered."""
    name = _NAMES.get(function)
    if name is None or not all(type(own) is np.ndarray for own in arguments):
        return None
    out, *read = arguments if name == "copyto" else (arguments[-1], *arguments[:-1])
    if not (out.dtype in (np.float32, np.float64) and out.size and out.flags.writeable):
        return None
    if not all(own.dtype == out.dtype and own.flags.aligned and own.size for own in arguments):
        return None
    if name not in ("dot", "matmul"):
        return None if len(read) != (name != "copyto") + 1 else _operation(name, out, read)
    if len(read) != 2 or any(np.may_share_memory(own, out) for own in read):
        return None
    return _dot(out, *read) if name == "dot" else _matmul(out, *read)


_NAMES: dict[Any, str] = {
    np.dot: "dot",
    np.matmul: "matmul",
    np.copyto: "copyto",
    np.add: "add",
    np.subtract: "subtract",
    np.multiply: "multiply",
    np.divide: "divide",
}


def _operation(name: str, out: Any, read: Sequence[Any]) -> list[Step] | None:
    """One pass over arrays that broadcast to `out`, and lie apart from it or on it."""
    arrays = [out]
    for own in read:
        try:
            arrays.append(np.broadcast_to(own, out.shape))
        except ValueError:
            return None
        same = address(own) == address(out) and arrays[-1].strides == out.strides
        if not same and np.may_share_memory(own, out):
            return None
    lengths, strides = _merged(out.shape, [own.strides for own in arrays])
    if len(lengths) > _AXES:
        return None
    kinds = ""
    block: list[int] = [*[1] * (_AXES - len(lengths)), *lengths]
    for array, own in zip(arrays, strides, strict=True):
        if kinds and address(array) == address(out) and own == strides[0] and kinds[0] == "d":
            kinds += "o"
        else:
            kinds += {out.itemsize: "d", 0: "0" if kinds else "s"}.get(own[-1], "s")
        block += [address(array), *[0] * (_AXES - len(lengths)), *own]
    if any(step % out.itemsize for own in strides for step in own):
        return None
    return [_step(_operation_entry(name, out.dtype.name, kinds), block)]


def _merged(
    shape: tuple[int, ...], strides: Sequence[tuple[int, ...]]
) -> tuple[list[int], list[list[int]]]:
    """The axes without those of length 1, and as one where all arrays go on as if they were."""
    lengths, kept = [1], [[0] for _ in strides]
    for axis, length in enumerate(shape):
        steps = [own[axis] for own in strides]
        if length == 1:
            continue
        if lengths == [1] or all(own[-1] == step * length for own, step in zip(kept, steps, strict=True)):
            lengths[-1] *= length
            for own, step in zip(kept, steps, strict=True):
                own[-1] = step
        else:
            lengths.append(length)
            for own, step in zip(kept, steps, strict=True):
                own.append(step)
    return lengths, kept


def _dot(out: Any, left: Any, right: Any) -> list[Step] | None:
    """`np.dot` where it does the same as `np.matmul`: of contiguous matrices and vectors."""
    if max(left.ndim, right.ndim) > 2 or not out.flags.c_contiguous:
        return None
    if not all(own.flags.c_contiguous or own.flags.f_contiguous for own in (left, right)):
        return None
    if not all(min(own.strides) > 0 for own in (left, right) if own.ndim) or left.shape[-1:] == (1,):
        return None
    return _matmul(out, left, right)


def _matmul(out: Any, left: Any, right: Any) -> list[Step] | None:
    if not left.ndim or not right.ndim:
        return None
    if left.ndim == 1:
        left, out = left[None], out[..., None, :] if right.ndim > 1 else out[..., None]
    if right.ndim == 1:
        right, out = right[:, None], out[..., None]
    lead, (m, p), n = out.shape[:-2], out.shape[-2:], left.shape[-1]
    if (left.shape[-2], *right.shape[-2:]) != (m, n, p) or m == p == 1:
        return None
    if lead != np.broadcast_shapes(left.shape[:-2], right.shape[:-2]):
        return None
    if n == 1:
        return _operation("outer", out, (left, right))
    left, right = np.broadcast_to(left, (*lead, m, n)), np.broadcast_to(right, (*lead, n, p))
    if math.prod(lead) > _MOST:
        return None
    plan = _matrices if min(m, p) > 1 else _vector
    steps: list[Step] = []
    for index in np.ndindex(lead):
        step = plan(out[index], left[index], right[index])
        if step is None:
            return None
        steps.append(step)
    return steps


def _leading(array: Any) -> tuple[int, int] | None:
    """Which axis of a matrix is dense, 1 or 0, and how many elements the other steps; None if neither."""
    for dense, other in ((1, 0), (0, 1)):
        step, rest = divmod(array.strides[other], array.itemsize)
        if array.strides[dense] == array.itemsize and not rest and step >= array.shape[dense]:
            return dense, step
    return None


def _matrices(out: Any, left: Any, right: Any) -> Step | None:
    """A product of matrices that have no axis of length 1: gemm."""
    if abs(out.strides[0]) < abs(out.strides[1]):
        out, left, right = out.T, right.T, left.T
    of_left, of_right, of_out = _leading(left), _leading(right), _leading(out)
    if of_left is None or of_right is None or of_out is None or of_out[0] != 1:
        return None
    if address(left) == address(right) and left.strides == right.T.strides and left.shape == right.T.shape:
        return None  # syrk
    entry = _product_entry("sgemm" if out.itemsize == 4 else "dgemm")
    if entry is None:
        return None
    orders = [_PLAIN if dense == 1 else _TRANSPOSED for dense, _ in (of_left, of_right)]
    block = [entry[1], _ROWS, *orders, *out.shape, left.shape[1], address(left), of_left[1]]
    return _step(entry[0], [*block, address(right), of_right[1], address(out), of_out[1]])


def _vector(out: Any, left: Any, right: Any) -> Step | None:
    """A product of a matrix with a vector, or of a vector with a matrix: gemv."""
    if out.shape[0] == 1:
        out, left, right = out.T, right.T, left.T
    of_left = _leading(left)
    step, rest = divmod(right.strides[0], right.itemsize)
    out_step, out_rest = divmod(out.strides[0], out.itemsize)
    if of_left is None or step < 1 or rest or out_rest or out_step < 1:
        return None
    entry = _product_entry("sgemv" if out.itemsize == 4 else "dgemv")
    if entry is None:
        return None
    dense, leading = of_left
    (m, n), order = left.shape, _COLUMNS if dense == 1 else _ROWS
    block = [entry[1], order, _TRANSPOSED, n, m, address(left), leading, address(right), step]
    return _step(entry[0], [*block, address(out), out_step])


@functools.cache
def _product_entry(name: str) -> tuple[int, int] | None:
    """The address of the entry and of the function; None where NumPy's is not known."""
    own = cblas()
    if own is None:
        return None
    entry = _entry(name, entries.product_text(name, own.bits))
    return entry, own.addresses[name]


@functools.cache
def _operation_entry(name: str, dtype: str, kinds: str) -> int:
    return _entry(f"{name}_{dtype}", entries.operation_text(name, dtype, kinds))


def _entry(name: str, text: str) -> int:
    kernel: Any = STORE.kernel(name, text)
    entry: Any = STORE.entry(kernel)
    return entry


def _step(entry: int, block: Sequence[int]) -> Step:
    return entry, [np.array(block, np.int64)], []
