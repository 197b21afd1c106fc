"""The functions of dual numbers that add up, rearrange, or put together."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, cast

from ..device.arrays import Array
from ..device.arrays import Namespace as ArrayNamespace
from .elementwise import Functions
from .lead import from_last
from .number import Dual, matmul

Axes = int | tuple[int, ...] | None


class Namespace(Functions):
    """The functions of the namespace `xp` on dual numbers, as the Python array API standard has them.

    `dir(Namespace(xp))` lists them; any other raises an AttributeError that does.
    """

    def _along(self, name: str, x: Any, axis: Axes, *values: Any, new: int = 0, **options: Any) -> Any:
        """A function that is linear in `x`, along `axis`; the result has `new` axes more."""
        function = getattr(self.xp, name)
        if not self.is_mine(x):
            return function(x, *values, axis=axis, **options)
        own = from_last(axis, x.ndim + new)
        value = function(x.value, *values, axis=own, **options)
        return Dual(value, function(x.tangent, *values, axis=own, **options), x.lead, self.level)

    # sums and the like

    def sum(self, x: Any, /, *, axis: Axes = None, dtype: Any = None, keepdims: bool = False) -> Any:
        function = self.xp.sum
        if not self.is_mine(x):
            return function(x, axis=axis, dtype=dtype, keepdims=keepdims)
        own = from_last(axis, x.ndim)
        value = function(x.value, axis=own, dtype=dtype, keepdims=keepdims)
        tangent = function(x.tangent, axis=own, dtype=dtype, keepdims=keepdims)
        return Dual(value, tangent, x.lead, self.level)

    def mean(self, x: Any, /, *, axis: Axes = None, keepdims: bool = False) -> Any:
        return self._along("mean", x, axis, keepdims=keepdims)

    def cumulative_sum(
        self, x: Any, /, *, axis: int | None = None, dtype: Any = None, include_initial: bool = False
    ) -> Any:
        axis = _one(axis, x.ndim)
        return self._along("cumulative_sum", x, axis, dtype=dtype, include_initial=include_initial)

    def prod(self, x: Any, /, *, axis: Axes = None, dtype: Any = None, keepdims: bool = False) -> Any:
        if not self.is_mine(x):
            return self.xp.prod(x, axis=axis, dtype=dtype, keepdims=keepdims)
        x = x if dtype is None else self.astype(x, dtype)
        axes = _several(axis, x.ndim)
        for one in axes:
            x = self.moveaxis(self._product(self.moveaxis(x, one, -1)), -1, one)
        return x if keepdims else self.squeeze(x, axis=axes)

    def _product(self, x: Any) -> Any:
        """The product over the last axis, which keeps a length of 1, by halves; so zeros do no harm."""
        if x.shape[-1] == 0:
            return self.sum(x, axis=-1, keepdims=True) + 1.0
        while x.shape[-1] > 1:
            half = x.shape[-1] // 2
            rest = x[..., 2 * half :]
            x = x[..., :half] * x[..., half : 2 * half]
            x = self.concat([x, rest], axis=-1) if rest.shape[-1] else x
        return x

    def max(self, x: Any, /, *, axis: Axes = None, keepdims: bool = False) -> Any:
        return self._extreme("max", x, axis, keepdims)

    def min(self, x: Any, /, *, axis: Axes = None, keepdims: bool = False) -> Any:
        return self._extreme("min", x, axis, keepdims)

    def _extreme(self, name: str, x: Any, axis: Axes, keepdims: bool) -> Any:
        """The largest or smallest, with the mean slope of those that are so."""
        function = getattr(self.xp, name)
        if not self.is_mine(x):
            return function(x, axis=axis, keepdims=keepdims)
        axes = from_last(axis, x.ndim)
        top = function(x.value, axis=axes, keepdims=True)
        share = self.xp.astype(x.value == top, x.dtype)
        share = share / self.xp.sum(share, axis=axes, keepdims=True)
        tangent = self.xp.sum(x.tangent * share, axis=axes, keepdims=keepdims)
        return Dual(function(x.value, axis=axes, keepdims=keepdims), tangent, x.lead, self.level)

    def var(self, x: Any, /, *, axis: Axes = None, correction: float = 0.0, keepdims: bool = False) -> Any:
        if not self.is_mine(x):
            return self.xp.var(x, axis=axis, correction=correction, keepdims=keepdims)
        count = math.prod(x.shape[one] for one in _several(axis, x.ndim))
        far = x - self.mean(x, axis=axis, keepdims=True)
        return self.sum(far * far, axis=axis, keepdims=keepdims) / (count - correction)

    def std(self, x: Any, /, *, axis: Axes = None, correction: float = 0.0, keepdims: bool = False) -> Any:
        if not self.is_mine(x):
            return self.xp.std(x, axis=axis, correction=correction, keepdims=keepdims)
        return self.sqrt(self.var(x, axis=axis, correction=correction, keepdims=keepdims))

    # products

    def matmul(self, x: Any, y: Any, /) -> Any:
        return matmul(x, y)

    def vecdot(self, x: Any, y: Any, /, *, axis: int = -1) -> Any:
        return self.sum(self.multiply(x, y), axis=axis)

    def tensordot(self, x: Any, y: Any, /, *, axes: int | tuple[Sequence[int], Sequence[int]] = 2) -> Any:
        if not self.is_mine(x) and not self.is_mine(y):
            return self.xp.tensordot(x, y, axes=axes)
        if isinstance(axes, int):
            axes = (range(x.ndim - axes, x.ndim), range(axes))
        mine, theirs = ([axis % part.ndim for axis in own] for part, own in ((x, axes[0]), (y, axes[1])))
        left = [axis for axis in range(x.ndim) if axis not in mine]
        right = [axis for axis in range(y.ndim) if axis not in theirs]
        shape = (*[x.shape[axis] for axis in left], *[y.shape[axis] for axis in right])
        inner = math.prod(x.shape[axis] for axis in mine)
        x = self.reshape(self.permute_dims(x, (*left, *mine)), (-1, inner))
        y = self.reshape(self.permute_dims(y, (*theirs, *right)), (inner, -1))
        return self.reshape(matmul(x, y), shape)

    @property
    def linalg(self) -> Linalg:
        return Linalg(self)

    # shapes

    def matrix_transpose(self, x: Any, /) -> Any:
        return x.mT

    def reshape(self, x: Any, /, shape: tuple[int, ...], *, copy: bool | None = None) -> Any:
        if not self.is_mine(x):
            return self.xp.reshape(x, shape, copy=copy)
        value = self.xp.reshape(x.value, shape, copy=copy)
        whole = (*x.tangent.shape[: x.lead], *value.shape)
        return Dual(value, self.xp.reshape(x.tangent, whole, copy=copy), x.lead, self.level)

    def squeeze(self, x: Any, /, axis: int | tuple[int, ...]) -> Any:
        return self._along("squeeze", x, axis)

    def expand_dims(self, x: Any, /, *, axis: int) -> Any:
        return self._along("expand_dims", x, axis, new=1)

    def permute_dims(self, x: Any, /, axes: tuple[int, ...]) -> Any:
        if not self.is_mine(x):
            return self.xp.permute_dims(x, axes)
        own = [axis % x.ndim + x.lead for axis in axes]
        tangent = self.xp.permute_dims(x.tangent, (*range(x.lead), *own))
        return Dual(self.xp.permute_dims(x.value, axes), tangent, x.lead, self.level)

    def moveaxis(self, x: Any, source: Any, destination: Any, /) -> Any:
        if not self.is_mine(x):
            return self.xp.moveaxis(x, source, destination)
        axes = from_last(source, x.ndim), from_last(destination, x.ndim)
        tangent = self.xp.moveaxis(x.tangent, *axes)
        return Dual(self.xp.moveaxis(x.value, *axes), tangent, x.lead, self.level)

    def flip(self, x: Any, /, *, axis: Axes = None) -> Any:
        return self._along("flip", x, axis)

    def roll(self, x: Any, /, shift: int | tuple[int, ...], *, axis: Axes = None) -> Any:
        if axis is None:
            return self.reshape(self.roll(self.reshape(x, (-1,)), shift, axis=-1), tuple(x.shape))
        return self._along("roll", x, axis, shift)

    def take(self, x: Any, indices: Array, /, *, axis: int | None = None) -> Any:
        return self._along("take", x, _one(axis, x.ndim), indices)

    def concat(self, arrays: Sequence[Any], /, *, axis: int | None = 0) -> Any:
        if axis is None:
            arrays, axis = [self.reshape(part, (-1,)) for part in arrays], 0
        return self._together("concat", arrays, axis, 0)

    def stack(self, arrays: Sequence[Any], /, *, axis: int = 0) -> Any:
        return self._together("stack", arrays, axis, 1)

    def _together(self, name: str, arrays: Sequence[Any], axis: int, new: int) -> Any:
        """A function of several arrays; the tangents of those that are constant are zero."""
        function, arrays = getattr(self.xp, name), list(arrays)
        duals = [part for part in arrays if self.is_mine(part)]
        if not duals:
            return function(arrays, axis=axis)
        first = max(duals, key=lambda part: part.lead)
        lead = tuple(first.tangent.shape[: first.lead])
        own = from_last(axis, first.ndim + new)
        device = first.device
        parts = [
            self.xp.asarray(part, dtype=first.dtype, device=device)
            if isinstance(part, int | float)
            else part
            for part in arrays
        ]
        tangents = [
            self.xp.broadcast_to(part.tangent, (*lead, *part.shape))
            if self.is_mine(part)
            else self.xp.zeros((*lead, *part.shape), dtype=first.dtype, device=device)
            for part in parts
        ]
        value = function([self.value(part) for part in parts], axis=own)
        return Dual(value, function(tangents, axis=own), first.lead, self.level)

    # dtypes and copies

    def astype(self, x: Any, dtype: Any, /, *, copy: bool = True) -> Any:
        if not self.is_mine(x) or not self.xp.isdtype(dtype, "real floating"):
            return self.xp.astype(self.value(x), dtype, copy=copy)
        tangent = self.xp.astype(x.tangent, dtype, copy=copy)
        return Dual(self.xp.astype(x.value, dtype, copy=copy), tangent, x.lead, self.level)

    def asarray(
        self, obj: Any, /, *, dtype: Any = None, device: Any = None, copy: bool | None = None
    ) -> Any:
        if _holds_dual(obj) and not isinstance(obj, Dual):
            return self.stack([self.asarray(item, dtype=dtype) for item in obj])
        if not self.is_mine(obj):
            return self.xp.asarray(obj, dtype=dtype, device=device, copy=copy)
        dtype = obj.dtype if dtype is None else dtype
        return self.astype(obj, dtype, copy=bool(copy)) if copy or dtype != obj.dtype else obj

    def full(self, shape: int | tuple[int, ...], fill_value: Any, **options: Any) -> Any:
        if not self.is_mine(fill_value):
            return self.xp.full(shape, fill_value, **options)
        return self.broadcast_to(fill_value, (shape,) if isinstance(shape, int) else shape)


class Linalg:
    """The functions of `xp.linalg` on dual numbers."""

    def __init__(self, xp: Namespace) -> None:
        self._xp = xp
        self.matmul, self.vecdot, self.tensordot = xp.matmul, xp.vecdot, xp.tensordot
        self.matrix_transpose = xp.matrix_transpose

    def vector_norm(self, x: Any, /, *, axis: Axes = None, keepdims: bool = False, ord: float = 2) -> Any:
        xp = self._xp
        if not xp.is_mine(x) or ord == 0:  # which counts
            return xp.xp.linalg.vector_norm(xp.value(x), axis=axis, keepdims=keepdims, ord=ord)
        axes = from_last(axis, x.ndim)
        size = xp.abs(x)
        if math.isinf(ord):
            return (xp.max if ord > 0 else xp.min)(size, axis=axes, keepdims=keepdims)
        if ord == 1:
            return xp.sum(size, axis=axes, keepdims=keepdims)
        if ord != 2:
            return xp.sum(size**ord, axis=axes, keepdims=keepdims) ** (1.0 / ord)
        norm = xp.xp.linalg.vector_norm(x.value, axis=axes, keepdims=True)
        tangent = xp.xp.sum(x.tangent * (x.value / norm), axis=axes, keepdims=True)
        whole = Dual(norm, tangent, x.lead, xp.level)
        return whole if keepdims else xp.squeeze(whole, axis=axes)

    def __getattr__(self, name: str) -> Any:
        there = "matmul, matrix_transpose, tensordot, vecdot, vector_norm"
        raise AttributeError(f"dual numbers have no 'xp.linalg.{name}'; there are {there}")


def _one(axis: int | None, ndim: int) -> int:
    """An axis that may be left out where there is but one."""
    if axis is None and ndim != 1:
        raise ValueError(f"axis must be given for an array of {ndim} axes")
    return 0 if axis is None else axis


def _several(axis: Axes, ndim: int) -> tuple[int, ...]:
    axes = from_last(axis, ndim)
    return (axes,) if isinstance(axes, int) else axes


def _holds_dual(items: Any) -> bool:
    if isinstance(items, tuple | list):
        return any(map(_holds_dual, cast("list[Any]", items)))
    return isinstance(items, Dual)


def derivative(xp: ArrayNamespace, function: Callable[[Any, Dual], Any], w: Array, v: Array) -> Any:
    """`function(namespace, Dual(w, v))`: what it returns at `w`, with its derivatives along `v`.

    `v` has the shape of `w`, or `(K, ...)` for K directions at once.
    """
    duals = Namespace(xp)
    return function(duals, Dual(w, v, None, duals.level))
