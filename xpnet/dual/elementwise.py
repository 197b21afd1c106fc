"""The elementwise functions of dual numbers, made of the table that says what rules may use."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, cast

from ..device.arrays import Namespace
from ..rules.operations import CONSTANTS, OPERATIONS, OfOne, Operation
from .lead import lifted
from .number import Dual

# what makes arrays of none, or says something about dtypes: as it is
_MAKERS = ("zeros", "ones", "empty", "arange", "eye", "linspace", "meshgrid", "finfo", "iinfo", "isdtype")
_INTEGERS = tuple(f"{kind}{bits}" for kind in ("int", "uint") for bits in (8, 16, 32, 64))
_NAMES = (*CONSTANTS, "newaxis", "bool", "float32", "float64", *_INTEGERS)
# what depends on a value in jumps
_JUMPS = ("argmax", "argmin", "argsort", "searchsorted", "nonzero", "count_nonzero", "all", "any")


class Functions:
    """The functions of the namespace `xp` on dual numbers, element by element.

    What is no dual number of this level goes through them as a constant.
    """

    __name__ = "xpnet.dual"

    def __init__(self, xp: Namespace) -> None:
        self.xp = xp
        self.level: int = 1 + (xp.level if isinstance(xp, Functions) else 0)

    def __getattr__(self, name: str) -> Any:
        """A constant, or a function that has no derivative; kept for the next time."""
        if name in _NAMES:
            found = getattr(self.xp, name)
        elif name in _MAKERS:
            found = functools.partial(self._made, name)
        elif name in _JUMPS:
            found = functools.partial(self._jumps, name)
        else:
            raise AttributeError(
                f"dual numbers have no 'xp.{name}', so a function that is to be differentiated cannot use "
                f"it; there are {', '.join(dir(self))}"
            )
        self.__dict__[name] = found
        return found

    def __dir__(self) -> list[str]:
        own = {name for name in dir(type(self)) if not name.startswith("_")}
        return sorted(own | {*_MAKERS, *_NAMES, *_JUMPS})

    def is_mine(self, x: Any) -> bool:
        """Whether `x` is a dual number of this level.

        Raises:
            TypeError: it is one of a higher level, so this is not its namespace.
        """
        if not isinstance(x, Dual):
            return False
        if x.level == self.level:
            return True
        if x.level > self.level:
            raise TypeError("a dual number of dual numbers needs their namespace, Namespace(Namespace(xp))")
        return False

    def value(self, x: Any) -> Any:
        return x.value if self.is_mine(x) else x

    def _made(self, name: str, *values: Any, **options: Any) -> Any:
        if any(isinstance(value, Dual) for value in (*values, *options.values())):
            raise TypeError(f"xp.{name} takes no dual numbers")
        return getattr(self.xp, name)(*values, **options)

    def _jumps(self, name: str, *values: Any, **options: Any) -> Any:
        """The function called `name` of the values: a plain array."""
        return getattr(self.xp, name)(*map(self.value, values), **options)

    def dual(self, value: Any, tangent: Any, lead: int) -> Dual:
        """The dual number of a value and a tangent that may have to be spread over it."""
        shape = tuple(tangent.shape)
        first = len(shape) - value.ndim
        if shape[first:] != tuple(value.shape):
            tangent = self.xp.broadcast_to(tangent, (*shape[:first], *value.shape))
        return Dual(value, tangent, lead, self.level)

    def choose(self, condition: Any, value: Any, first: Any, second: Any) -> Any:
        """The tangent of the first where the condition holds, else of the second, at `value`."""
        tangents: list[Any] = []
        lead = 0
        for x in (first, second):
            if self.is_mine(x):
                lead = max(lead, x.lead)
                tangents.append(lifted(x.tangent, x.lead, value.ndim))
            else:
                tangents.append(0.0)
        return self.dual(value, self.xp.where(condition, *tangents), lead)

    def where(self, condition: Any, x: Any, y: Any, /) -> Any:
        value = self.xp.where(condition, self.value(x), self.value(y))
        return self.choose(condition, value, x, y) if self.is_mine(x) or self.is_mine(y) else value

    def zeros_like(self, x: Any, /, **options: Any) -> Any:
        return self.xp.zeros_like(self.value(x), **options)

    def ones_like(self, x: Any, /, **options: Any) -> Any:
        return self.xp.ones_like(self.value(x), **options)

    def empty_like(self, x: Any, /, **options: Any) -> Any:
        return self.xp.empty_like(self.value(x), **options)

    def full_like(self, x: Any, /, fill_value: Any, **options: Any) -> Any:
        if self.is_mine(fill_value):
            return self.zeros_like(x, **options) + fill_value
        return self.xp.full_like(self.value(x), fill_value, **options)

    def broadcast_to(self, x: Any, /, shape: tuple[int, ...]) -> Any:
        if not self.is_mine(x):
            return self.xp.broadcast_to(x, shape)
        tangent = lifted(x.tangent, x.lead, len(shape))
        lead = tuple(x.tangent.shape[: x.lead])
        return Dual(
            self.xp.broadcast_to(x.value, shape),
            self.xp.broadcast_to(tangent, (*lead, *shape)),
            x.lead,
            self.level,
        )


def _of_one(name: str, differential: OfOne) -> Callable[[Functions, Any], Any]:
    """The method of a function of one argument, which is what runs most."""

    def method(self: Functions, x: Any, /) -> Any:
        function = getattr(self.xp, name)
        if not self.is_mine(x):
            return function(x)
        value = x.value
        result = function(value)
        return Dual(result, differential(self.xp, x.tangent, value, result), x.lead, self.level)

    return method


def _of_several(operation: Operation) -> Callable[..., Any]:
    """The method of any other function."""
    name, count = operation.name, operation.count
    differentials = cast("tuple[Any, ...]", operation.differentials)

    def method(self: Functions, *values: Any) -> Any:
        if len(values) != count:
            raise TypeError(f"xp.{name} takes {count} arguments, got {len(values)}")
        duals = [value for value in values if self.is_mine(value)]
        function = getattr(self.xp, name)
        if not duals:
            return function(*values)
        plain = [self.value(value) for value in values]
        result = function(*plain)
        if operation.first is not None:
            return self.choose(operation.first(*plain), result, *values)
        tangent: Any = None
        for value, differential in zip(values, differentials, strict=False):
            if self.is_mine(value):
                part = differential(self.xp, lifted(value.tangent, value.lead, result.ndim), *plain, result)
                tangent = part if tangent is None else tangent + part
        return result if tangent is None else self.dual(result, tangent, max(dual.lead for dual in duals))

    return method


def _composed(name: str, composed: Callable[..., Any]) -> Callable[..., Any]:
    """The method of a function that is made of others."""

    def method(self: Functions, *values: Any, **options: Any) -> Any:
        if any(self.is_mine(value) for value in (*values, *options.values())):
            return composed(self, *values, **options)
        return getattr(self.xp, name)(*values, **options)

    return method


def _method(operation: Operation) -> Callable[..., Any]:
    if operation.composed is not None:
        return _composed(operation.name, operation.composed)
    if operation.count == 1 and operation.differentials:
        return _of_one(operation.name, cast("OfOne", operation.differentials[0]))
    return _of_several(operation)


for _operation in OPERATIONS.values():
    if _operation.name not in vars(Functions):
        _function = _method(_operation)
        _function.__name__, _function.__qualname__ = _operation.name, f"xp.{_operation.name}"
        setattr(Functions, _operation.name, _function)
