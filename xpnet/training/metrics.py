"""What a run records at its looks beside value and gradient: metrics, such as the error rate."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Any, TypeAlias, cast

from .. import checks
from ..device.arrays import Array, Vector
from ..objectives import Objective
from ..objectives.classifying import Classifying
from ..run import COLUMNS, HELD_OUT
from .loop import Loop
from .replicas import copy_rows

logger = logging.getLogger("xpnet")

Metric: TypeAlias = Callable[[Any, Vector], Any]
Given: TypeAlias = "str | Sequence[str] | Mapping[str, str | Metric]"


def _error_rate(objective: Classifying, w: Vector) -> Array:
    return objective.error_rate(w)


def _accuracy(objective: Classifying, w: Vector) -> Array:
    return 1.0 - objective.error_rate(w)


NAMES: Mapping[str, Metric] = MappingProxyType({"error_rate": _error_rate, "accuracy": _accuracy})


def as_metrics(given: Any) -> dict[str, Metric]:
    """The functions by the names that the history has them under.

    Raises:
        TypeError, ValueError: something else; a name that is unknown, or that the history has already.
    """
    if given is None:
        return {}
    if isinstance(given, str):
        given = (given,)
    if isinstance(given, list | tuple):
        listed = cast("Sequence[Any]", given)
        given = {checks.choice("metric", name, NAMES): name for name in listed}
    if not isinstance(given, Mapping):
        raise TypeError(
            "metrics must be names such as 'error_rate', or functions of objective and w by names, such as "
            f"{{'size': lambda risk, w: abs(w).max()}}, got {checks.shown(given)}"
        )
    found: dict[str, Metric] = {}
    for name, own in cast("Mapping[Any, Any]", given).items():
        where = f"metrics[{checks.text('each name in metrics', name)!r}]"
        if name in (*COLUMNS, "replica", "path", "") or name.startswith(HELD_OUT):
            raise ValueError(
                f"each name in metrics must be none that the history has already, got {name!r}"
            )
        if isinstance(own, str):
            own = NAMES[checks.choice("metric", own, NAMES)]
        found[name] = checks.function(where, own, "objective and w")
    return found


class Metrics:
    """The metrics of one run.

    Attributes:
        names: of all that is recorded, those of the held-out risk with "held_out_" in front.

    Raises:
        TypeError: a metric that counts wrong classes, and an objective that has none.
    """

    def __init__(self, functions: Mapping[str, Metric], loop: Loop, held_out: Objective | None) -> None:
        self.functions, self.loop, self.held_out = functions, loop, held_out
        own = [*functions]
        self.names = tuple(own if held_out is None else own + [HELD_OUT + name for name in own])
        host, rows = loop.backend.host, loop.watch.rows
        self._unknown: Any = host.full(rows, math.nan) if rows else math.nan
        self._warned: set[str] = set()
        for name, function in functions.items():
            for part, risk in (("objective", loop.objective), ("held_out", held_out)):
                if risk is not None and function in NAMES.values() and not isinstance(risk, Classifying):
                    raise TypeError(
                        f"{part} must have samples with classes for the metric {name!r}; "
                        f"{type(risk).__name__} has none"
                    )

    def read(self, *, held_out: bool) -> dict[str, Any]:
        """All of them where the step begins that is looked at, on the host; NaN for what is not known.

        That is where value or gradient are not finite, or a replica has ended, and with `held_out` false
        what is of that risk.
        """
        if not self.functions:
            return {}
        loop, host = self.loop, self.loop.backend.host
        found = dict.fromkeys(self.names, self._unknown)
        sound = host.asarray(loop.watch.finite) & loop.watch.active
        if not bool(host.any(sound)):
            return found
        point = loop.begin
        if not bool(host.all(sound)):
            point = loop.backend.xp.asarray(point, copy=True)
            copy_rows(loop.backend, point, loop.last, ~sound)
        for name, function in self.functions.items():
            found[name] = self._value(name, function, loop.objective, point, sound)
            if held_out and self.held_out is not None:
                name = HELD_OUT + name
                found[name] = self._value(name, function, self.held_out, point, sound)
        return found

    def _value(self, name: str, function: Metric, objective: Objective, point: Vector, sound: Any) -> Any:
        loop, host, rows = self.loop, self.loop.backend.host, self.loop.watch.rows
        given = function(objective, point)
        plain = isinstance(given, int | float) and not isinstance(given, bool)
        if checks.shape_of(given) is None and not plain:
            raise TypeError(f"metric {name!r} must be a number, got {checks.shown(given)}")
        value = loop.backend.to_numpy(given)
        if not host.isdtype(value.dtype, ("real floating", "integral")):
            raise TypeError(f"metric {name!r} must be real, got {checks.dtype_name(value.dtype)}")
        if tuple(value.shape) != rows:
            wanted = f"{rows}, one for each replica" if rows else "a number"
            raise ValueError(f"metric {name!r} must be {wanted} for this w, got shape {tuple(value.shape)}")
        value = host.where(sound, host.astype(value, host.float64), math.nan)
        if function not in NAMES.values():
            self._require_same(name, value)
        if name not in self._warned and bool(host.any(sound & ~host.isfinite(value))):
            self._warned.add(name)
            logger.warning("metric %r is not finite at step %d", name, loop.steps)
        return value if rows else float(value)

    def _require_same(self, name: str, value: Any) -> None:
        """Raises, in all, unless each process has the same: one sees no samples but its own in X."""
        communicator = self.loop.communicator
        found = communicator.each(value.tolist)
        if any(repr(own) != repr(found[0]) for own in found):
            with communicator.together():
                raise ValueError(
                    f"metric {name!r} must be the same in all processes, got {found}; objective.mean is "
                    "over all samples, but objective.X has those of one process"
                )
