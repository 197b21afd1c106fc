"""A run that is written to a file as it goes, so that a process which is killed loses little of it."""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from .. import checks
from ..network import Network
from ..objectives import EmpiricalRisk
from ..run import Run
from ..storage import save
from ..storage.containers import checked_ending
from ..storage.replacing import directory_of
from .callbacks import Begun, Callback, Every, Step, Watcher, path_text


@dataclass(frozen=True)
class Checkpoint(Callback):
    """Saves the run every so many steps or seconds, and at its end, from where `minimize` can go on.

    `minimize(objective, optimizer, resume="run.npz", stop=after(1000))` goes on bit for bit. The file holds
    the network too, where the objective is a risk; `xpnet.load` reads it.

    Attributes:
        path: ends in ".npz" or ".safetensors", as `xpnet.save` takes it.
        every: steps between two files.
        seconds: the time between them; by default 60, where `every` is not given.
        parts: your own layers, optimizers and the like, as for `xpnet.save`.

    Raises:
        TypeError, ValueError: settings of the wrong kind; before the first step of a run, one that a file
            cannot hold.
        OSError: the file cannot be written.

    >>> import os, tempfile
    >>> import numpy as np
    >>> from xpnet import Checkpoint, Quadratic, after, minimize
    >>> path, bowl = os.path.join(tempfile.mkdtemp(), "run.npz"), Quadratic(np.eye(2))
    >>> run = minimize(bowl, "adam", np.ones(2), stop=after(20), callback=Checkpoint(path, every=10))
    >>> run = minimize(bowl, "adam", resume=path, stop=after(40))
    >>> run.steps, bool((run.w == minimize(bowl, "adam", np.ones(2), stop=after(40)).w).all())
    (40, True)
    """

    once = True
    path: str | os.PathLike[str]
    every: int | None = None
    seconds: float | None = None
    parts: tuple[Any, ...] = ()

    def __post_init__(self) -> None:
        path = path_text(self.path)
        checked_ending(path)
        object.__setattr__(self, "path", path)
        if self.every is not None:
            object.__setattr__(self, "every", checks.count("every", self.every))
        if self.seconds is not None:
            object.__setattr__(self, "seconds", checks.number("seconds", self.seconds, 0.0))
        checks.instance("parts", self.parts, Iterable, "a list such as [MyLayer]")
        object.__setattr__(self, "parts", tuple(self.parts))

    def start(self, begun: Begun) -> Watcher:
        return _Saves(self, begun)


class _Saves(Watcher):
    def __init__(self, settings: Checkpoint, begun: Begun) -> None:
        self.settings, self.optimizer = settings, begun.optimizer
        objective = begun.objective
        self.network: Network | None = objective.network if isinstance(objective, EmpiricalRisk) else None
        path = os.path.abspath(settings.path)
        # once beside the file, so that what is wrong is said now, and an old file is not lost yet
        with tempfile.TemporaryDirectory(prefix=".xpnet-", dir=directory_of(path)) as directory:
            self._save(os.path.join(directory, os.path.basename(path)), begun.run())
        self.every = None if settings.every is None else Every(settings.every)
        if self.every is not None:
            self.every.due(begun.step)
        both = settings.every is None and settings.seconds is None
        self.seconds = 60.0 if both else settings.seconds
        self.last, self.seen = time.perf_counter(), False

    def see(self, step: Step) -> None:
        self.seen = True
        late = self.seconds is not None and time.perf_counter() - self.last >= self.seconds
        # the step before which the file is, once this one has been taken
        if late or (self.every is not None and self.every.due(step.step + 1)):
            self._save(os.fspath(self.settings.path), step.run())
            self.last = time.perf_counter()

    def close(self, run: Run) -> None:
        if self.seen:  # else the file that is there may be worth more
            self._save(os.fspath(self.settings.path), run)

    def _save(self, path: str, run: Run) -> None:
        save(path, self.network, run=run, optimizer=self.optimizer, parts=self.settings.parts)
