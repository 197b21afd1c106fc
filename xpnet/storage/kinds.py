"""What a file may speak of by name: the library's own settings, and the parts that a user hands over."""

from __future__ import annotations

import dataclasses
import inspect
from collections.abc import Callable, Iterable, Iterator, Mapping
from types import MappingProxyType
from typing import Any, TypeAlias, cast

from .. import checks, divergences, layers, objectives, optimizers
from ..layers.activation import ElementwiseActivation
from ..layers.activations import (
    ACTIVATIONS,
    Identity,
    Leaky,
    SigmoidSlopeWithOffset,
    leaky_relu,
    sigmoid_with_offset,
)
from ..optimizers import schedules
from ..optimizers.schedules.rates import Given
from ..parameters import INITIALIZERS, Initializer, Uniform, uniform

Settings: TypeAlias = dict[str, Any]

_BASES = (
    layers.Layer,
    layers.Activation,
    divergences.Divergence,
    objectives.Penalty,
    optimizers.Optimizer,
    optimizers.Search,
    schedules.Schedule,
)


def _classes() -> Iterator[type[Any]]:
    """The frozen settings among the public names of the library, but what has functions for settings."""
    for room in (layers, divergences, objectives, optimizers, schedules):
        for name in room.__all__:
            value = getattr(room, name)
            settings = inspect.isclass(value) and issubclass(value, _BASES)
            concrete = dataclasses.is_dataclass(value) and not inspect.isabstract(value)
            if settings and concrete and value is not ElementwiseActivation:
                yield value
    yield from (Identity, Given)


CLASSES: Mapping[str, type[Any]] = MappingProxyType({kind.__name__: kind for kind in _classes()})
# what settings hold functions of the library is written as it was made
MAKERS: Mapping[str, Callable[..., Any]] = MappingProxyType(
    {maker.__name__: maker for maker in (leaky_relu, sigmoid_with_offset, uniform)}
)
NAMED: Mapping[str, Mapping[str, Any]] = MappingProxyType(
    {"activation": ACTIVATIONS, "initializer": INITIALIZERS}
)


def fields(value: Any) -> Settings:
    """The settings of a dataclass's instance, which its class takes by these names."""
    own = dataclasses.fields(value)
    return {field.name: getattr(value, field.name) for field in own if field.init}


def named(value: Any) -> tuple[str, str] | None:
    """The kind and name of what the library has under a name, such as ("activation", "tanh")."""
    for kind, table in NAMED.items():
        for name, own in table.items():
            if type(own) is type(value) and own == value:
                return kind, name
    return None


def made(value: Any) -> tuple[str, Settings] | None:
    """The function of the library that has made `value`, by name, and what it was given."""
    found: tuple[str, Settings] | None = None
    if isinstance(value, ElementwiseActivation):
        if isinstance(value.function, Leaky):
            found = "leaky_relu", fields(value.function)
        elif isinstance(value.derivative, SigmoidSlopeWithOffset):
            found = "sigmoid_with_offset", fields(value.derivative)
    elif isinstance(value, Initializer) and isinstance(value.draw, Uniform):
        found = "uniform", fields(value.draw)
    return found if found is not None and MAKERS[found[0]](**found[1]) == value else None


class Parts:
    """What a user has made: classes of settings, values of settings, and functions, by their names.

    Raises:
        TypeError: something that has no name, or a class that is no frozen dataclass.
        ValueError: two of one name.
    """

    def __init__(self, parts: Iterable[Any]) -> None:
        given = checks.instance("parts", parts, Iterable, "a list such as [MyLayer]")
        self.by_name: dict[str, Any] = {}
        for number, part in enumerate(given):
            name = getattr(part, "name", None) or getattr(part, "__name__", None)
            if not isinstance(name, str) or name.startswith("<"):
                got = checks.shown(part)
                raise TypeError(
                    f"parts[{number}] must be a class, or a value or function with a name, got {got}"
                )
            if inspect.isclass(part) and not _is_frozen(part):
                raise TypeError(f"parts[{number}] must be a frozen dataclass, got {checks.shown(part)}")
            if name in self.by_name:
                raise ValueError(f"parts must have names of their own, got two called {name!r}")
            self.by_name[name] = part

    def name_of(self, value: Any) -> str | None:
        """The name of `value`, or of its class, among the parts."""
        for name, part in self.by_name.items():
            if part is value or part is type(value) or (type(part) is type(value) and part == value):
                return name
        return None


def _is_frozen(kind: type[Any]) -> bool:
    return dataclasses.is_dataclass(kind) and cast("Any", kind).__dataclass_params__.frozen
