"""Matrix products: those of NumPy's BLAS, or compiled loops where these are faster.

They are faster in steps of small networks, where both sides of the matrix of weights are at most `MOST`,
and there are at least `LEAST` samples. Measured against OpenBLAS at 1,000 samples: 1.2 to 3 times with
AVX2; with AVX-512 as fast at 20 units, and 1.5 to 2 times at 32.
"""

from __future__ import annotations

import functools
import logging
from collections.abc import Callable
from typing import Any

import numpy as np

from ..device import products
from ..device.arrays import Array, Namespace
from .arguments import wants_loops
from .cache import STORE, Kernel
from .product_loops import ROWS, SUMS, product_text
from .rule import Carrier, Empty, Launch, now

logger = logging.getLogger("xpnet")

MOST, LEAST = 32, 64


def matmul(xp: Namespace, left: Array, right: Array, into: Array | None = None) -> Array:
    """`left @ right`; written into `into`, which is returned, if that is given."""
    if isinstance(xp, Carrier):
        return xp.product(left, right, into)
    if wants_loops(xp):
        found = multiplied(left, right, into, np.empty, now)
        if found is not None:
            return found
    return products.matmul(xp, left, right, into)


def multiplied(left: Any, right: Any, into: Any, empty: Empty, launch: Launch) -> Any:
    """The product by a compiled loop; None where BLAS is to do it.

    `empty(shape, dtype)` makes the result, if `into` is None; `launch` makes the call, or keeps it.
    """
    if left.ndim < 2 or left.shape[-2] > MOST:
        return None
    out: Any = into
    if out is None and right.shape[-1] and right.ndim <= left.ndim:
        lead = np.broadcast_shapes(left.shape[:-2], right.shape[:-2])
        out = empty((*lead, left.shape[-2], *right.shape[-1:][: right.ndim - 1]), left.dtype)
    call = None if out is None else tiny_product(left, right, out)
    if call is None:
        return None
    launch(call)
    return out


def tiny_product(left: Any, right: Any, out: Any) -> tuple[Callable[..., Any], tuple[Any, ...]] | None:
    """The call that writes `left @ right` into `out` by a compiled loop; None where BLAS is to do it.

    The arrays are as `xp.matmul` takes them, `out` lies apart. Who keeps calls asks here as `matmul` does,
    so both get the same bits.
    """
    if right.ndim == 1:
        right, out = right[:, None], out[..., None]
    if not (1 < left.ndim < 4 and 1 < right.ndim < 4 and out.ndim < 4 and out.shape[-2] <= MOST):
        return None
    (n, p), size = right.shape[-2:], out.itemsize
    if n <= MOST and p >= LEAST and n and right.strides[-1] == out.strides[-1] == size:
        name = ROWS
    elif p <= MOST and n >= LEAST and left.strides[-1] == right.strides[-2] == size:
        name = SUMS
    else:
        return None
    left, right, stack = [own if own.ndim == 3 else own[None] for own in (left, right, out)]
    common = left.dtype == right.dtype == out.dtype and (p == 1 or out.strides[-1] == size)
    flags = left.flags.aligned and right.flags.aligned and out.flags.aligned
    shape = (max(len(left), len(right)), left.shape[1], p)
    fit = left.shape[2] == n and stack.shape == shape and {len(left), len(right)} <= {1, shape[0]}
    kernel = _kernel(name, out.dtype) if common and flags and fit and out.size else None
    return kernel and (kernel, (left, right, stack))


@functools.cache
def _kernel(name: str, dtype: np.dtype[Any]) -> Kernel | None:
    if dtype.char not in "fd":
        return None
    try:
        width = 64 if "+avx512f" in STORE.features().split(",") else 32
        return STORE.kernel(f"{name}_{dtype.name}", product_text(name, dtype.name, width))
    except Exception as error:  # of Numba, of which there are many kinds
        logger.warning("products of tiny matrices are left to BLAS, as they cannot be compiled: %s", error)
        return None
