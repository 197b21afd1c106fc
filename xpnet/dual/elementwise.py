"""The elementwise functions of dual numbers, made of the table that says what rules may use."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, cast

from ..device.arrays import Namespace
from ..rules.operations import CONSTANTS, OPERATIONS, Operation
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
        """A function of the table, or of those that have no derivative; kept for the next time."""
        if name in _NAMES:
            found = getattr(self.xp, name)
        elif name in _MAKERS:
            found = functools.partial(self._made, name)
        elif name in _JUMPS:
            found = functools.partial(self._jumps, name)
        elif name in OPERATIONS:
            operation = OPERATIONS[name]
            if operation.composed is None:
                found = functools.partial(self._apply, operation)
            else:
                found = functools.partial(self._composed, operation)
        else:
            raise AttributeError(
                f"dual numbers have no 'xp.{name}', so a function that is to be differentiated cannot use "
                f"it; there are {', '.join(dir(self))}"
            )
        self.__dict__[name] = found
        return found

    def __dir__(self) -> list[str]:
        own = {name for name in dir(type(self)) if not name.startswith("_")}
        return sorted(own | {*OPERATIONS, *_MAKERS, *_NAMES, *_JUMPS})

    def is_mine(self, x: Any) -> bool:
        """Whether `x` is a dual number of this level.

        Raises:
            TypeError: it is one of a higher level, so this is not its namespace.
        """
        if not isinstance(x, Dual):
            return False
        if x.level > self.level:
            raise TypeError("a dual number of dual numbers needs their namespace, Namespace(Namespace(xp))")
        return x.level == self.level

    def value(self, x: Any) -> Any:
        return x.value if self.is_mine(x) else x

    def _apply(self, operation: Operation, *values: Any) -> Any:
        if len(values) != operation.count:
            raise TypeError(f"xp.{operation.name} takes {operation.count} arguments, got {len(values)}")
        duals = [value for value in values if self.is_mine(value)]
        function = getattr(self.xp, operation.name)
        if not duals:
            return function(*values)
        plain = [self.value(value) for value in values]
        result = function(*plain)
        if operation.first is not None:
            return self._choose(operation.first(*plain), result, *values)
        if not operation.differentials:
            return result
        tangent: Any = None
        for value, differential in zip(values, operation.differentials, strict=True):
            if self.is_mine(value):
                own = lifted(value.tangent, value.lead, result.ndim)
                part: Any = cast("Any", differential)(self.xp, own, *plain, result)
                tangent = part if tangent is None else tangent + part
        return self.dual(result, tangent, max(dual.lead for dual in duals))

    def _composed(self, operation: Operation, *values: Any, **options: Any) -> Any:
        if any(self.is_mine(value) for value in (*values, *options.values())):
            return cast("Callable[..., Any]", operation.composed)(self, *values, **options)
        return getattr(self.xp, operation.name)(*values, **options)

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

    def _choose(self, condition: Any, value: Any, first: Any, second: Any) -> Any:
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
        return self._choose(condition, value, x, y) if self.is_mine(x) or self.is_mine(y) else value

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
