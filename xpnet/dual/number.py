"""The dual number: an array and its tangent, with an array's operators."""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterator
from typing import Any, NoReturn

import array_api_compat

from ..device.arrays import Array
from .lead import behind, lifted

_HAS = "shape, ndim, size, dtype, device, mT, operators, comparisons and indexing"
_STANDS = (
    "a dual number stands for an array whose derivative is wanted: it has no truth value and becomes no "
    "number of Python and no array of NumPy; use the functions of xp, as xp.where and xp.exp"
)


class Dual:
    """An array and its tangent.

    Attributes:
        value: the array. It may be given as a function without arguments that makes it: then it is called
            when the value is asked for, so that a product whose value nobody reads is not computed.
        tangent: its change, `(*value.shape)`; or `(K, *value.shape)` for K directions, and so on.
        lead: how many axes of directions there are.
        level: 1 for a dual number of arrays, 2 for one of dual numbers. One of a lower level is a constant
            to it.

    Raises:
        ValueError: the last axes of the tangent are not those of the value.
    """

    __array_ufunc__ = None  # arrays on the left leave the work to the operators below
    __array_priority__ = 1000
    __slots__ = ("_value", "lead", "level", "tangent")
    __hash__ = None  # pyright: ignore[reportAssignmentType]  # as arrays have it

    def __init__(
        self,
        value: Array | Dual | Callable[[], Any],
        tangent: Array | Dual,
        lead: int | None = None,
        level: int | None = None,
    ) -> None:
        self._value: Any = value
        self.tangent: Any = tangent
        if lead is None:
            shape, own = tuple(tangent.shape), tuple(self.value.shape)
            lead = len(shape) - len(own)
            if lead < 0 or shape[lead:] != own:
                raise ValueError(f"tangent must have shape (..., *{own}), that of its value, got {shape}")
        self.lead: int = lead
        self.level: int = 1 + max(level_of(self.value), level_of(tangent)) if level is None else level

    @property
    def value(self) -> Any:
        if callable(self._value):
            self._value = self._value()
        return self._value

    @property
    def shape(self) -> tuple[int, ...]:
        return tuple(self.tangent.shape[self.lead :])

    @property
    def ndim(self) -> int:
        return self.tangent.ndim - self.lead

    @property
    def size(self) -> int:
        return self.value.size

    @property
    def dtype(self) -> Any:
        return self.tangent.dtype

    @property
    def device(self) -> Any:
        return self.tangent.device

    @property
    def mT(self) -> Dual:
        return Dual(lambda: self.value.mT, self.tangent.mT, self.lead, self.level)

    def __getitem__(self, index: Any) -> Dual:
        tangent = self.tangent[behind(self.lead, index) if self.lead else index]
        return Dual(self.value[index], tangent, self.lead, self.level)

    def __len__(self) -> int:
        if not self.shape:
            raise TypeError("a dual number without axes has no length")
        return self.shape[0]

    def __iter__(self) -> Iterator[Dual]:
        return (self[k, ...] for k in range(len(self)))

    def __neg__(self) -> Dual:
        return Dual(-self.value, -self.tangent, self.lead, self.level)

    def __pos__(self) -> Dual:
        return self

    def __abs__(self) -> Any:
        return functions_of(self).abs(self)

    def __add__(self, other: Any) -> Any:
        if isinstance(other, Dual) and other.level >= self.level:
            if other.level > self.level:
                return other.__radd__(self)
            mine, theirs, lead = self.tangent, other.tangent, 0
            if self.lead or other.lead:
                mine, theirs, lead = _aligned(self, other)
            return Dual(self.value + other.value, mine + theirs, lead, self.level)
        return self._moved(self.value + other, self.tangent)

    __radd__ = __add__

    def __sub__(self, other: Any) -> Any:
        if isinstance(other, Dual) and other.level >= self.level:
            if other.level > self.level:
                return other.__rsub__(self)
            mine, theirs, lead = self.tangent, other.tangent, 0
            if self.lead or other.lead:
                mine, theirs, lead = _aligned(self, other)
            return Dual(self.value - other.value, mine - theirs, lead, self.level)
        return self._moved(self.value - other, self.tangent)

    def __rsub__(self, other: Any) -> Any:
        value = self.value  # some libraries' arrays refuse a dual number on their right
        return self._moved(-value + other if isinstance(value, Dual) else other - value, -self.tangent)

    def __mul__(self, other: Any) -> Any:
        if isinstance(other, Dual) and other.level >= self.level:
            if other.level > self.level:
                return other.__rmul__(self)
            mine, theirs, lead = self.tangent, other.tangent, 0
            if self.lead or other.lead:
                mine, theirs, lead = _aligned(self, other)
            tangent = mine * other.value + theirs * self.value
            return Dual(self.value * other.value, tangent, lead, self.level)
        return Dual(self.value * other, self._beside(other) * other, self.lead, self.level)

    __rmul__ = __mul__

    def __truediv__(self, other: Any) -> Any:
        if isinstance(other, Dual) and other.level >= self.level:
            if other.level > self.level:
                return other.__rtruediv__(self)
            mine, theirs, lead = self.tangent, other.tangent, 0
            if self.lead or other.lead:
                mine, theirs, lead = _aligned(self, other)
            value = self.value / other.value
            return Dual(value, (mine - theirs * value) / other.value, lead, self.level)
        return Dual(self.value / other, self._beside(other) / other, self.lead, self.level)

    def __rtruediv__(self, other: Any) -> Any:
        value = over(other, self.value)
        return Dual(value, self._beside(other) * (-value / self.value), self.lead, self.level)

    def __pow__(self, power: Any) -> Any:
        if not isinstance(power, int | float):
            return functions_of(self, power).pow(self, power)
        slope = power * self.value ** (power - 1) if power else 0.0  # 0 at 0 too, where it would be NaN
        return Dual(self.value**power, self.tangent * slope, self.lead, self.level)

    def __rpow__(self, base: Any) -> Any:
        return functions_of(self).pow(base, self)

    def __mod__(self, other: Any) -> Any:
        return functions_of(self, other).remainder(self, other)

    def __rmod__(self, other: Any) -> Any:
        return functions_of(self).remainder(other, self)

    def __floordiv__(self, other: Any) -> Any:
        return functions_of(self, other).floor_divide(self, other)

    def __rfloordiv__(self, other: Any) -> Any:
        return functions_of(self).floor_divide(other, self)

    def __matmul__(self, other: Any) -> Any:
        if not isinstance(other, Dual) or other.level < self.level:
            tangent = _product(self.tangent, self.lead, other, 0)
            return Dual(lambda: self.value @ other, tangent, self.lead, self.level)
        if other.level > self.level:
            return other.__rmatmul__(self)
        tangent = _product(self.tangent, self.lead, other.value, 0)
        tangent = tangent + _product(self.value, 0, other.tangent, other.lead)
        lead = max(self.lead, other.lead) if self.lead else other.lead
        return Dual(lambda: self.value @ other.value, tangent, lead, self.level)

    def __rmatmul__(self, other: Any) -> Any:
        tangent = _product(other, 0, self.tangent, self.lead)
        return Dual(lambda: matmul(other, self.value), tangent, self.lead, self.level)

    def __lt__(self, other: Any) -> Any:
        return self._compared(operator.lt, other)

    def __le__(self, other: Any) -> Any:
        return self._compared(operator.le, other)

    def __gt__(self, other: Any) -> Any:
        return self._compared(operator.gt, other)

    def __ge__(self, other: Any) -> Any:
        return self._compared(operator.ge, other)

    def __eq__(self, other: object) -> Any:
        return self._compared(operator.eq, other)

    def __ne__(self, other: object) -> Any:
        return self._compared(operator.ne, other)

    def _compared(self, compare: Callable[[Any, Any], Any], other: Any) -> Any:
        """A comparison of values, a plain array."""
        if level_of(other) > self.level:
            return compare(self, other.value)
        return compare(self.value, other.value if level_of(other) == self.level else other)

    def _moved(self, value: Any, tangent: Any) -> Dual:
        """A dual number that differs by a constant, which may have made its value larger."""
        if not self.lead and tangent.shape == value.shape:
            return Dual(value, tangent, self.lead, self.level)
        tangent = lifted(tangent, self.lead, value.ndim)
        if tuple(tangent.shape[self.lead :]) != tuple(value.shape):
            tangent = functions_of(tangent).broadcast_to(
                tangent, (*tangent.shape[: self.lead], *value.shape)
            )
        return Dual(value, tangent, self.lead, self.level)

    def _beside(self, other: Any) -> Any:
        """The tangent such that it broadcasts against a constant."""
        return lifted(self.tangent, self.lead, getattr(other, "ndim", 0)) if self.lead else self.tangent

    def __getattr__(self, name: str) -> NoReturn:
        raise AttributeError(
            f"a dual number has no '.{name}'; it has {_HAS}; other functions are those of xp, as xp.sum(x)"
        )

    def __setitem__(self, index: Any, value: Any) -> NoReturn:
        raise TypeError("a dual number cannot be written to; make another by xp.where or xp.concat")

    def _refuse(self, *_: Any, **__: Any) -> NoReturn:
        raise TypeError(_STANDS)

    __bool__ = __float__ = __int__ = __complex__ = __index__ = __array__ = _refuse
    __round__ = __floor__ = __ceil__ = __trunc__ = __divmod__ = __rdivmod__ = _refuse

    def __repr__(self) -> str:
        return f"Dual({self.value!r}, {self.tangent!r})"


def innermost(x: Any) -> Any:
    """The array at the bottom of dual numbers of dual numbers."""
    while isinstance(x, Dual):
        x = x.tangent
    return x


def over(x: Any, y: Any) -> Any:
    """`x / y`; some libraries' arrays refuse a dual number on their right."""
    return y.__rtruediv__(x) if level_of(y) > level_of(x) else x / y


def matmul(x: Any, y: Any) -> Any:
    """`x @ y`, likewise."""
    return y.__rmatmul__(x) if isinstance(y, Dual) and y.level > level_of(x) else x @ y


def level_of(x: Any) -> int:
    return x.level if isinstance(x, Dual) else 0


def functions_of(x: Any, other: Any = None) -> Any:
    """The namespace of an array or dual number, or of two, for operators, which nobody hands one."""
    from .elementwise import Functions  # which is built on this module

    xp = array_api_compat.array_namespace(innermost(x))
    for _ in range(max(level_of(x), level_of(other))):
        xp = Functions(xp)
    return xp


def _aligned(x: Dual, y: Dual) -> tuple[Any, Any, int]:
    """The tangents of two numbers such that they broadcast against both numbers, and the axes that lead."""
    ndim = max(x.ndim, y.ndim)
    return lifted(x.tangent, x.lead, ndim), lifted(y.tangent, y.lead, ndim), max(x.lead, y.lead)


def _product(x: Any, lead_x: int, y: Any, lead_y: int) -> Any:
    """`x @ y` where one of them is a tangent, with axes that lead."""
    if not lead_x and not lead_y:
        return matmul(x, y) if isinstance(y, Dual) else x @ y
    own_x, own_y = x.ndim - lead_x, y.ndim - lead_y
    if own_x == 1:
        x = x[..., None, :]
    if own_y == 1:
        y = y[..., None]
    ndim = max(own_x, own_y, 2)
    product = matmul(lifted(x, lead_x, ndim), lifted(y, lead_y, ndim))
    if own_x == 1:
        product = product[..., 0, :]
    return product[..., 0] if own_y == 1 else product
