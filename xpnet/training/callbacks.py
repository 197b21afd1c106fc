"""Whoever is told of steps: functions, and settings such as `CSVLog` that have a beginning and an end."""

from __future__ import annotations

import csv
import importlib
import os
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, fields
from typing import Any, ClassVar, TypeAlias, cast

from .. import checks
from ..device.arrays import Vector
from ..glossary import Hinted
from ..objectives import Objective
from ..optimizers import Optimizer
from ..run import COLUMNS, Run


@dataclass(frozen=True)
class _Kept:
    """A run that is there already, where a copy or a file cannot ask for it."""

    run: Run

    def __call__(self) -> Run:
        return self.run


def _kept(self: Any) -> tuple[type[Any], tuple[Any, ...]]:
    """How what callbacks are told is copied and pickled: with the run as it is then."""
    names = [field.name for field in fields(self)]
    return cast("type[Any]", type(self)), tuple(
        _Kept(self.run()) if name == "run" else getattr(self, name) for name in names
    )


@dataclass(frozen=True, eq=False)
class Step:
    """A step just taken, as callbacks see it; numbers on the host, `(R,)` where there are replicas.

    Attributes:
        step: its number, as in the history.
        steps: how many have been taken.
        value, gradient_norm, rate, held_out, seconds, evaluations, metrics: as in `History`.
        w: the point that value and gradient are of: where the step began, for Nesterov the one ahead. A
            copy, which NumPy lets nobody write to.
        run: gives the whole run so far as a `Run`, of copies, from which `minimize` can go on.
    """

    step: int
    steps: int
    value: Any
    gradient_norm: Any
    rate: Any
    held_out: Any
    seconds: float
    evaluations: int
    metrics: dict[str, Any]
    w: Vector
    run: Callable[[], Run] = field(repr=False)

    __reduce__, __repr__ = _kept, checks.described


@dataclass(frozen=True, eq=False)
class Begun:
    """What a callback is told as a run begins.

    Attributes:
        objective, optimizer: as `minimize` was given them.
        replicas: how many there are; None without any.
        step: the number of the first step; above 0 where the run goes on from another.
        metrics: the names of those that each `Step` has.
        run: as that of a `Step`.
    """

    objective: Objective
    optimizer: Optimizer
    replicas: int | None
    step: int
    metrics: tuple[str, ...]
    run: Callable[[], Run] = field(repr=False)

    __reduce__, __repr__ = _kept, checks.described


class Watcher(ABC):
    """What a `Callback` has open in the course of one run."""

    @abstractmethod
    def see(self, step: Step) -> Any:
        """Is told of a step; True, or raising StopIteration, stops the run."""

    @abstractmethod
    def close(self, run: Run) -> None:
        """Is told how the run ended, in whichever way; an exception does not lose it."""


class Callback(Hinted, ABC):
    """A setting that watches runs, where a function is not enough: it knows of their beginning and end.

    Of several processes that train together only the first has it, where `once` is True.
    """

    once: ClassVar[bool] = False

    @abstractmethod
    def start(self, begun: Begun) -> Watcher:
        """What watches one run; raises whatever can be known to be wrong before the first step."""


Callbacks: TypeAlias = "Callable[[Step], Any] | Callback | Iterable[Callable[[Step], Any] | Callback]"


@dataclass(frozen=True)
class _Function(Callback, Watcher):
    function: Callable[[Step], Any]

    def start(self, begun: Begun) -> Watcher:
        return self

    def see(self, step: Step) -> Any:
        return self.function(step)

    def close(self, run: Run) -> None:
        pass


def as_callbacks(given: Any) -> dict[str, Callback]:
    """The callbacks by what errors and reasons call them.

    Raises:
        TypeError: something that is none.
    """
    if given is None:
        return {}
    alone = callable(given) or isinstance(given, Callback) or not isinstance(given, Iterable)
    found: dict[str, Callback] = {}
    for own in cast("list[Any]", [given] if alone else list(cast("Iterable[Any]", given))):
        if isinstance(own, Callback):
            name, kept = type(own).__name__, own
        elif callable(own) and not isinstance(own, type):
            name, kept = getattr(own, "__name__", type(own).__name__), _Function(own)
        else:
            wanted = "a function of a Step, a Callback such as CSVLog('run.csv'), or a list of these"
            raise TypeError(f"callback must be {wanted}, got {checks.shown(own)}")
        found[name if name not in found else f"{name} ({len(found)})"] = kept
    return found


class Every:
    """Says which looks are due: the first at or after each multiple of `every` steps."""

    def __init__(self, every: int) -> None:
        self.every, self._last = every, -1

    def due(self, step: int) -> bool:
        """Whether the look at `step` is."""
        period = step // self.every
        due, self._last = period > self._last, period
        return due


@dataclass(frozen=True)
class CSVLog(Callback):
    """Writes a row for each step looked at, with the names of a history's columns and metrics, as it comes.

    Where there are replicas each has a row of its own, with its number in the column `replica`. What is not
    known, as the held-out risk in most steps, is left empty. A file that is there is written anew; a run
    that goes on from another keeps the rows of the steps before its own.

    Attributes:
        path: of the file.
        every: how many steps lie between two rows.

    Raises:
        TypeError, ValueError: settings of the wrong kind.
        OSError: the file cannot be written.

    >>> import os, tempfile
    >>> import numpy as np
    >>> from xpnet import CSVLog, Quadratic, after, minimize
    >>> path, bowl = os.path.join(tempfile.mkdtemp(), "run.csv"), Quadratic(np.eye(2))
    >>> run = minimize(bowl, "adam", np.ones(2), stop=after(9), callback=CSVLog(path, every=3))
    >>> with open(path) as file:
    ...     print([row.split(",")[0] for row in file])
    ['step', '0', '3', '6']
    """

    once = True
    path: str | os.PathLike[str]
    every: int = 1

    def __post_init__(self) -> None:
        object.__setattr__(self, "path", path_text(self.path))
        object.__setattr__(self, "every", checks.count("every", self.every))

    def start(self, begun: Begun) -> Watcher:
        return _Rows(os.fspath(self.path), self.every, begun)


class _Rows(Watcher):
    def __init__(self, path: str, every: int, begun: Begun) -> None:
        self.every, self.replicas = Every(every), begun.replicas
        names = ["step", *(["replica"] if self.replicas else []), *COLUMNS[1:], *begun.metrics]
        kept: list[list[str]] = []
        if begun.step and os.path.exists(path):
            with open(path, newline="") as file:
                rows = [row for row in csv.DictReader(file) if int(row["step"]) < begun.step]
                kept = [[row.get(name) or "" for name in names] for row in rows]
        self.file = open(path, "w", newline="", buffering=1)  # noqa: SIM115
        self.rows = csv.writer(self.file, lineterminator="\n")
        self.rows.writerows([names, *kept])

    def see(self, step: Step) -> None:
        if not self.every.due(step.step):
            return
        numbers = [*(getattr(step, name) for name in COLUMNS[1:]), *step.metrics.values()]
        if not self.replicas:
            self.rows.writerow([step.step, *map(_cell, numbers)])
            return
        for r in range(self.replicas):
            own = [_of_replica(number, r, self.replicas) for number in numbers]
            self.rows.writerow([step.step, r, *map(_cell, own)])

    def close(self, run: Run) -> None:
        self.file.close()


@dataclass(frozen=True)
class TensorBoard(Callback):
    """Writes value, gradient norm, rate, held-out risk and metrics for TensorBoard (extra `tensorboard`).

    Where there are replicas, each has a run of its own in the directory, called `replica 0` and so on.
    `tensorboard --logdir DIRECTORY` shows them.

    Attributes:
        directory: of the files; a new one is added by each run.
        every: how many steps lie between two entries.

    Raises:
        TypeError, ValueError: settings of the wrong kind.
        ImportError: tensorboard is not installed.
    """

    once = True
    directory: str | os.PathLike[str]
    every: int = 1

    def __post_init__(self) -> None:
        object.__setattr__(self, "directory", path_text(self.directory, "directory"))
        object.__setattr__(self, "every", checks.count("every", self.every))

    def start(self, begun: Begun) -> Watcher:
        return _Events(os.fspath(self.directory), self.every, begun)


class _Events(Watcher):
    def __init__(self, directory: str, every: int, begun: Begun) -> None:
        try:
            event = importlib.import_module("tensorboard.compat.proto.event_pb2")
            summary = importlib.import_module("tensorboard.compat.proto.summary_pb2")
            files = importlib.import_module("tensorboard.summary.writer.event_file_writer")
        except ImportError as error:
            raise ImportError(f"TensorBoard needs it: {checks.installing('tensorboard')}") from error
        self.every, self.replicas = Every(every), begun.replicas
        self.event, self.summary = event.Event, summary.Summary
        own = [os.path.join(directory, f"replica {r}") for r in range(begun.replicas or 0)]
        names = own or [directory]
        self.writers: list[Any] = [files.EventFileWriter(name) for name in names]

    def see(self, step: Step) -> None:
        if not self.every.due(step.step):
            return
        for r, writer in enumerate(self.writers):
            summary = self.summary()
            numbers = {name: getattr(step, name) for name in ("value", "gradient_norm", "rate", "held_out")}
            for name, number in (numbers | step.metrics).items():
                own = _cell(_of_replica(number, r, self.replicas))
                if own != "":
                    summary.value.add(tag=name, simple_value=own)
            writer.add_event(self.event(step=step.step, wall_time=time.time(), summary=summary))

    def close(self, run: Run) -> None:
        for writer in self.writers:
            writer.close()


def _of_replica(number: Any, r: int, replicas: int | None) -> Any:
    return number[r] if checks.shape_of(number) == (replicas,) else number


def _cell(number: Any) -> Any:
    """A number as a file has it: nothing for NaN, and for rates of each parameter their mean."""
    if getattr(number, "ndim", 0):
        number = number.mean()
    plain = number.item() if getattr(number, "ndim", None) == 0 else number
    return plain if plain == plain else ""


def path_text(path: Any, name: str = "path") -> str:
    """`path` as text."""
    if not isinstance(path, str | os.PathLike):
        raise TypeError(f"{name} must be a path, got {checks.shown(path)}")
    return checks.text(name, os.fspath(cast("Any", path)))
