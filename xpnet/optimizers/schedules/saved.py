"""Schedules as JSON can hold them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import MISSING, fields
from typing import Any

from ... import checks
from .base import Schedule
from .cycles import Cyclic, OneCycle
from .formulas import (
    Constant,
    Cosine,
    ExponentialDecay,
    LinearDecay,
    MultiStep,
    Polynomial,
    QuadraticDecay,
    Restarts,
    Step,
    WarmUp,
)
from .plateau import Plateau
from .rates import Given

KINDS = (
    Constant,
    LinearDecay,
    QuadraticDecay,
    ExponentialDecay,
    Step,
    MultiStep,
    Polynomial,
    Cosine,
    OneCycle,
    Cyclic,
    Restarts,
    WarmUp,
    Plateau,
)


def to_dict(schedule: Schedule) -> dict[str, Any]:
    """The kind and settings of a schedule, as JSON can hold them. What it remembers is in the state.

    Raises:
        TypeError: `schedule`, or one in it, is an array, a callable, or of a user's own kind.
    """
    if not isinstance(schedule, KINDS) or type(schedule) not in KINDS:
        raise _unknown(schedule)
    settings = {field.name: getattr(schedule, field.name) for field in fields(schedule)}
    inner = settings.get("schedule")
    if isinstance(inner, Given) and isinstance(inner.given, float):
        settings["schedule"] = inner.given
    elif inner is not None:
        if type(inner) not in KINDS:
            raise _unknown(schedule)
        settings["schedule"] = to_dict(inner)
    return {"kind": type(schedule).__name__} | settings


def _unknown(schedule: Any) -> TypeError:
    got = checks.shown(schedule)
    return TypeError(f"schedule must be of xpnet.schedules, with numbers, to be serialized, got {got}")


def from_dict(settings: Mapping[str, Any]) -> Schedule:
    """The schedule that `to_dict` wrote down.

    Raises:
        ValueError, TypeError: an unknown kind; settings that it does not have, or outside their range.
    """
    own = dict(checks.instance("settings", settings, Mapping, "a mapping that to_dict has made"))
    kinds = {kind.__name__: kind for kind in KINDS}
    kind = kinds[checks.choice("kind", own.pop("kind", None), kinds)]
    if isinstance(own.get("schedule"), dict):
        own["schedule"] = from_dict(own["schedule"])
    wanted = {field.name: field.default is not MISSING for field in fields(kind)}
    unknown = [checks.shown(name) for name in own if name not in wanted]
    missing = [repr(name) for name, default in wanted.items() if name not in own and not default]
    if unknown or missing:
        found = f"unknown {', '.join(unknown)}" if unknown else f"no {', '.join(missing)}"
        names = ", ".join(map(repr, wanted))
        raise ValueError(f"settings of {kind.__name__} must be {names}, got {found}")
    return kind(**own)
