"""Dual numbers: a value and its derivative along a direction, carried through unmodified code.

`Dual(value, tangent)` takes the place of an array and `Namespace(xp)` that of its namespace. Running a
function on them yields its value and its directional derivative (Pearlmutter's R-operator, 1994, when
the function is a gradient). A tangent may have axes in front of those of its value: then there are as
many directions, and the value is computed once for all of them.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

Array = Any


class Dual:
    """An array and its tangent.

    `value` may be a function without arguments that makes it: then it is called when the value is asked
    for, so that a product whose value nobody reads is not computed.
    """

    __array_ufunc__ = None  # arrays on the left leave the work to the operators below
    __array_priority__ = 1000

    def __init__(self, value: Array | Callable[[], Array], tangent: Array) -> None:
        self._value, self.tangent = value, tangent

    @property
    def value(self) -> Array:
        if callable(self._value):
            self._value = self._value()
        return self._value

    @property
    def shape(self) -> tuple[int, ...]:
        return tuple(self.value.shape)

    @property
    def ndim(self) -> int:
        return self.value.ndim

    @property
    def dtype(self) -> Any:
        return self.tangent.dtype

    @property
    def mT(self) -> Dual:
        return Dual(lambda: self.value.mT, self.tangent.mT)

    def __getitem__(self, index: Any) -> Dual:
        # every index here is written from the last axis, so it fits value and tangent alike
        return Dual(self.value[index], self.tangent[index])

    def __neg__(self) -> Dual:
        return Dual(-self.value, -self.tangent)

    def __add__(self, other: Any) -> Dual:
        if isinstance(other, Dual):
            return Dual(self.value + other.value, self.tangent + other.tangent)
        value = self.value + other
        return Dual(value, _spread(self.tangent, value))

    __radd__ = __add__

    def __sub__(self, other: Any) -> Dual:
        if isinstance(other, Dual):
            return Dual(self.value - other.value, self.tangent - other.tangent)
        value = self.value - other
        return Dual(value, _spread(self.tangent, value))

    def __rsub__(self, other: Any) -> Dual:
        value = other - self.value
        return Dual(value, _spread(-self.tangent, value))

    def __mul__(self, other: Any) -> Dual:
        if isinstance(other, Dual):
            tangent = self.tangent * other.value + self.value * other.tangent
            return Dual(self.value * other.value, tangent)
        return Dual(self.value * other, self.tangent * other)

    __rmul__ = __mul__

    def __truediv__(self, other: Any) -> Dual:
        if isinstance(other, Dual):
            value = self.value / other.value
            return Dual(value, (self.tangent - value * other.tangent) / other.value)
        return Dual(self.value / other, self.tangent / other)

    def __rtruediv__(self, other: Any) -> Dual:
        value = other / self.value
        return Dual(value, -value / self.value * self.tangent)

    def __pow__(self, power: float) -> Dual:
        return Dual(self.value**power, power * self.value ** (power - 1) * self.tangent)

    def __matmul__(self, other: Any) -> Dual:
        if isinstance(other, Dual):
            tangent = self.tangent @ other.value + self.value @ other.tangent
            return Dual(lambda: self.value @ other.value, tangent)
        return Dual(lambda: self.value @ other, self.tangent @ other)

    def __rmatmul__(self, other: Any) -> Dual:
        return Dual(lambda: other @ self.value, other @ self.tangent)

    def __lt__(self, other: Any) -> Array:
        return self.value < value_of(other)

    def __le__(self, other: Any) -> Array:
        return self.value <= value_of(other)

    def __gt__(self, other: Any) -> Array:
        return self.value > value_of(other)

    def __ge__(self, other: Any) -> Array:
        return self.value >= value_of(other)


def value_of(x: Any) -> Any:
    """The value of a dual number; anything else as it is."""
    return x.value if isinstance(x, Dual) else x


def values_of(tree: Any) -> Any:
    """`tree`, tuples, lists and dicts of anything, with the values of the dual numbers in it."""
    if isinstance(tree, tuple | list):
        return type(tree)(map(values_of, tree))
    if isinstance(tree, dict):
        return {name: values_of(item) for name, item in tree.items()}
    return value_of(tree)


def _spread(tangent: Array, value: Array) -> Array:
    """`tangent` where `value` has been broadcast to a larger shape."""
    own = tuple(tangent.shape[tangent.ndim - value.ndim :]) if tangent.ndim >= value.ndim else None
    return tangent if own == tuple(value.shape) else tangent + 0 * value


class Namespace:
    """The functions of the namespace `xp` on dual numbers; those that layers and divergences use."""

    __name__ = "xpnet.dual"

    def __init__(self, xp: Any) -> None:
        self.xp = xp
        self.float32, self.float64 = xp.float32, xp.float64

    def _chain(self, x: Any, name: str, slope: Callable[[Array, Array], Array]) -> Any:
        """`xp.name(x)`, whose derivative is `slope(x, result)`."""
        function = getattr(self.xp, name)
        if not isinstance(x, Dual):
            return function(x)
        value = function(x.value)
        return Dual(value, slope(x.value, value) * x.tangent)

    def exp(self, x: Any) -> Any:
        return self._chain(x, "exp", lambda x, y: y)

    def expm1(self, x: Any) -> Any:
        return self._chain(x, "expm1", lambda x, y: y + 1.0)

    def log(self, x: Any) -> Any:
        return self._chain(x, "log", lambda x, y: 1.0 / x)

    def log1p(self, x: Any) -> Any:
        return self._chain(x, "log1p", lambda x, y: 1.0 / (1.0 + x))

    def sqrt(self, x: Any) -> Any:
        return self._chain(x, "sqrt", lambda x, y: 0.5 / y)

    def tanh(self, x: Any) -> Any:
        return self._chain(x, "tanh", lambda x, y: 1.0 - y * y)

    def sin(self, x: Any) -> Any:
        return self._chain(x, "sin", lambda x, y: self.xp.cos(x))

    def cos(self, x: Any) -> Any:
        return self._chain(x, "cos", lambda x, y: -self.xp.sin(x))

    def atan(self, x: Any) -> Any:
        return self._chain(x, "atan", lambda x, y: 1.0 / (1.0 + x * x))

    def abs(self, x: Any) -> Any:
        # at 0 the slope from the right: with a slope of 0, sigmoid would have no derivative there
        return self._chain(x, "abs", lambda x, y: self._side(x))

    def _side(self, x: Array) -> Array:
        ones = self.xp.ones_like(x)
        return self.xp.where(x < 0.0, -ones, ones)

    def sign(self, x: Any) -> Any:
        return self.xp.sign(value_of(x))

    def zeros_like(self, x: Any) -> Any:
        return self.xp.zeros_like(value_of(x))

    def ones_like(self, x: Any) -> Any:
        return self.xp.ones_like(value_of(x))

    def where(self, condition: Array, first: Any, second: Any) -> Any:
        xp = self.xp
        value = xp.where(condition, value_of(first), value_of(second))
        if not isinstance(first, Dual) and not isinstance(second, Dual):
            return value
        a = first.tangent if isinstance(first, Dual) else 0.0
        b = second.tangent if isinstance(second, Dual) else 0.0
        return Dual(value, _spread(xp.where(condition, a, b), value))

    def maximum(self, x: Any, y: Any) -> Any:
        return self.where(value_of(x) > value_of(y), x, y)

    def minimum(self, x: Any, y: Any) -> Any:
        return self.where(value_of(x) < value_of(y), x, y)

    def divide(self, x: Any, y: Any) -> Any:
        # some libraries' arrays refuse a dual number on their right
        return y.__rtruediv__(x) if isinstance(y, Dual) and not isinstance(x, Dual) else x / y

    def sum(self, x: Any, *, axis: int, keepdims: bool = False, dtype: Any = None) -> Any:
        def total(values: Array) -> Array:
            return self.xp.sum(values, axis=axis, keepdims=keepdims, dtype=dtype)

        return Dual(total(x.value), total(x.tangent)) if isinstance(x, Dual) else total(x)

    def stack(self, parts: list[Any], *, axis: int = 0) -> Any:
        """As `xp.stack`; `axis` must count from the last, and parts that are no duals are constant."""
        values = self.xp.stack([value_of(part) for part in parts], axis=axis)
        tangents = [part.tangent for part in parts if isinstance(part, Dual)]
        if not tangents:
            return values
        zero = 0.0 * tangents[0]
        return Dual(
            values,
            self.xp.stack([part.tangent if isinstance(part, Dual) else zero for part in parts], axis=axis),
        )

    def max(self, x: Any, *, axis: int, keepdims: bool = False) -> Any:
        if not isinstance(x, Dual):
            return self.xp.max(x, axis=axis, keepdims=keepdims)
        top = self.xp.max(x.value, axis=axis, keepdims=True)
        share = self.xp.astype(x.value == top, x.dtype)
        share = share / self.xp.sum(share, axis=axis, keepdims=True)
        tangent = self.xp.sum(share * x.tangent, axis=axis, keepdims=keepdims)
        return Dual(self.xp.max(x.value, axis=axis, keepdims=keepdims), tangent)

    def squeeze(self, x: Any, *, axis: int) -> Any:
        """As `xp.squeeze`; `axis` must count from the last."""
        if not isinstance(x, Dual):
            return self.xp.squeeze(x, axis=axis)
        return Dual(self.xp.squeeze(x.value, axis=axis), self.xp.squeeze(x.tangent, axis=axis))

    def astype(self, x: Array, dtype: Any) -> Array:
        return self.xp.astype(x, dtype)

    def reshape(self, x: Dual, shape: tuple[int, ...], *, copy: bool | None = None) -> Dual:
        lead = tuple(x.tangent.shape[: x.tangent.ndim - x.value.ndim])
        return Dual(
            self.xp.reshape(x.value, shape, copy=copy),
            self.xp.reshape(x.tangent, lead + shape, copy=copy),
        )


def derivative(xp: Any, function: Callable[[Any, Dual], Any], w: Array, v: Array) -> Any:
    """`function(namespace, Dual(w, v))`: what it returns at `w`, with its derivatives along `v`.

    `v` has the shape of `w`, or `(K, ...)` for K directions at once.
    """
    return function(Namespace(xp), Dual(w, v))
