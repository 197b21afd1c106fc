"""Products of arrays, written where they belong without an array between where the library can.

The array API standard knows no place to write to; NumPy and CuPy take one. Products of CuPy's arrays are
made by cuBLAS past CuPy, so that a stream that is being captured takes them too, with the same bits.
"""

from __future__ import annotations

import functools
from abc import ABC, abstractmethod

from . import cublas
from .arrays import Array, Namespace, compat


class Places(ABC):
    """A namespace of ours whose products take a place to write to."""

    @abstractmethod
    def matmul(self, left: Array, right: Array, /, *, out: Array | None = None) -> Array:
        """`left @ right`, in `out` if that is given."""

    @abstractmethod
    def multiply(self, left: Array, right: Array, /, *, out: Array | None = None) -> Array:
        """`left * right`, likewise."""


def matmul(xp: Namespace, left: Array, right: Array, into: Array | None = None) -> Array:
    """`left @ right`; written into `into`, which is returned, if that is given."""
    if _is_cupy(xp):
        found = cublas.matmul(left, right, into)
        if found is not None:
            return found
    if into is None:
        return xp.matmul(left, right)
    if _writes(xp):
        return xp.matmul(left, right, out=into)
    into[...] = xp.matmul(left, right)
    return into


def multiply(xp: Namespace, left: Array, right: Array, into: Array | None = None) -> Array:
    """`left * right`, likewise."""
    if into is None:
        return xp.multiply(left, right)
    if _writes(xp):
        return xp.multiply(left, right, out=into)
    into[...] = xp.multiply(left, right)
    return into


def _writes(xp: Namespace) -> bool:
    return isinstance(xp, Places) or _library_writes(xp)


@functools.lru_cache(maxsize=16)
def _library_writes(xp: Namespace) -> bool:
    return bool(compat.is_numpy_namespace(xp) or compat.is_cupy_namespace(xp))


@functools.lru_cache(maxsize=16)
def _is_cupy(xp: Namespace) -> bool:
    return bool(compat.is_cupy_namespace(xp))
