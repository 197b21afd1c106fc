"""What the two kinds of rules have in common: the function, its arguments, and its names."""

from __future__ import annotations

import functools
import inspect
import sys
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any, TypeAlias, cast

from .. import checks

Call: TypeAlias = "tuple[Callable[..., Any], tuple[Any, ...]]"
"""A function and its arguments: what a rule does to arrays that stay where they are."""
Launch: TypeAlias = "Callable[[Call], Any]"
Empty: TypeAlias = "Callable[[tuple[int, ...], Any], Any]"


def now(call: Call) -> None:
    """Makes a call at once; who wants to make it later takes it instead."""
    call[0](*call[1])


class Carrier(ABC):
    """A namespace of ours that takes rules as a whole, not by the functions that they call."""

    @abstractmethod
    def compute(self, rule: Any, arrays: tuple[Any, ...], scalars: dict[str, Any]) -> Any:
        """`rule.compute` of an elementwise rule."""

    @abstractmethod
    def write(
        self, rule: Any, into: tuple[Any, ...], arrays: tuple[Any, ...], scalars: dict[str, Any]
    ) -> None:
        """`rule.write` of an elementwise rule."""

    @abstractmethod
    def total(
        self, rule: Any, arrays: tuple[Any, ...], scalars: dict[str, Any], factor: float, dtype: Any
    ) -> Any:
        """`rule.sum` of an elementwise rule."""

    @abstractmethod
    def product(self, left: Any, right: Any, into: Any = None) -> Any:
        """`matmul` of `products.py`."""

    @abstractmethod
    def compute_with_sum(self, rule: Any, arrays: tuple[Any, ...], scalars: dict[str, Any]) -> Any:
        """`rule.compute_with_sum` of an elementwise rule."""

    @abstractmethod
    def samplewise(
        self, rule: Any, arrays: tuple[Any, ...], numbers: dict[str, Any], *, summed: bool = False
    ) -> Any:
        """The results of a samplewise rule, and the sum of the last if `summed`; None if it cannot."""


class Rule:
    """A function `function(xp, *arrays, **scalars)`; all behind a `*` are scalars.

    Two rules are equal if their functions are. A rule is pickled as the name under which its module holds
    it; one that is held nowhere as its function, which then must be one that can be pickled: a function of
    a module, or an instance of a class with `__call__`, which may keep settings.

    Raises:
        TypeError: the function is none, or takes other than named arguments.
    """

    def __init__(self, function: Callable[..., Any]) -> None:
        checks.function("function", function, "xp and arrays")
        functools.update_wrapper(cast("Any", self), function, updated=())
        self.function = function
        named: Any = function
        while isinstance(named, functools.partial):
            named = named.func
        self.name: str = getattr(named, "__name__", type(named).__name__)
        try:
            parameters = list(inspect.signature(function).parameters.values())[1:]
        except ValueError as error:
            raise TypeError(
                f"{self.name}: a rule takes named arguments, got a function of none: {error}"
            ) from error
        kinds = {parameter.kind for parameter in parameters}
        if not kinds <= {inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY}:
            raise TypeError(f"{self.name}: a rule takes named arguments only, no * or **")
        self.arrays = tuple(p.name for p in parameters if p.kind != p.KEYWORD_ONLY)
        self.scalars = tuple(p.name for p in parameters if p.kind == p.KEYWORD_ONLY)
        self.scalar_names = frozenset(self.scalars)
        if not self.arrays:
            raise TypeError(
                f"{self.name}: a rule takes xp and at least one array, got {checks.shown(function)}"
            )

    def __eq__(self, other: object) -> bool:
        if type(other) is not type(self):
            return NotImplemented
        return self.function == other.function

    def __hash__(self) -> int:
        return hash((type(self), self.function))

    def __reduce__(self) -> str | tuple[Any, ...]:
        name = getattr(self.function, "__qualname__", "")
        found: Any = sys.modules.get(getattr(self.function, "__module__", ""))
        for part in name.split("."):
            found = getattr(found, part, None)
        return name if found is self else (type(self), (self.function,))

    def __repr__(self) -> str:
        return f"<{type(self).__name__.lower()} rule {self.name}>"
