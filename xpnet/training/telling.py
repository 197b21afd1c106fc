"""The callbacks of one run, and what they are told."""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Callable
from typing import Any

from .. import checks
from ..device.arrays import frozen
from ..distributed import Communicator
from ..run import Run
from .callbacks import Begun, Callback, Step, Watcher
from .journal import Journal
from .loop import Loop


class Audience:
    """Whoever watches a run, by the names that reasons give them.

    Attributes:
        listening: whether there is anyone, in this process or in another.
    """

    def __init__(self, communicator: Communicator) -> None:
        self.communicator, self.listening = communicator, False
        self.watchers: dict[str, Watcher] = {}

    def start(
        self,
        callbacks: dict[str, Callback],
        loop: Loop,
        journal: Journal,
        run: Callable[[], Run],
        metrics: tuple[str, ...],
    ) -> None:
        """Has each callback begin; if one raises, those that have begun are closed."""
        rows, step = loop.watch.rows, journal.first + loop.steps
        replicas = rows[0] if rows else None
        begun = Begun(loop.objective, loop.optimizer, replicas, step, metrics, run)
        first, self.listening = self.communicator.rank == 0, bool(callbacks)
        try:
            with self.communicator.together():
                for name, callback in callbacks.items():
                    if first or not callback.once:
                        self.watchers[name] = callback.start(begun)
        except BaseException:
            with contextlib.suppress(Exception):
                self.close(run())
            raise

    def tell(self, loop: Loop, journal: Journal, run: Callable[[], Run]) -> list[tuple[Any, str]]:
        """Tells all of them of the last look; which replicas are to stop, and who wants it."""
        answers = self.communicator.each(functools.partial(self._answers, loop, journal, run))
        return [asked for own in answers for asked in own]

    def _answers(self, loop: Loop, journal: Journal, run: Callable[[], Run]) -> list[tuple[Any, str]]:
        """What those of this process say."""
        look, replicas = journal.looks[-1], loop.watch.rows
        own = {name: value for name, value in look._asdict().items() if name != "looked"}  # they all are
        step = Step(steps=loop.steps, w=frozen(loop.backend.xp, journal.point), run=run, **own)
        asked: list[tuple[Any, str]] = []
        for name, watcher in self.watchers.items():
            found: Any = True
            with contextlib.suppress(StopIteration):  # which says so too, as in SciPy
                found = watcher.see(step)
            if found is None:
                continue
            if replicas and checks.shape_of(found) == replicas and checks.dtype_name(found.dtype) == "bool":
                asked.append((found, name))
            elif checks.flag(f"what {name} returns", found):
                asked.append((True, name))
        return asked

    def close(self, run: Run) -> None:
        """Has each of them end; if some raise, the first of their errors is raised once all have."""
        if self.listening:
            self.communicator.each(functools.partial(self._close, run))

    def _close(self, run: Run) -> None:
        errors: list[BaseException] = []
        for watcher in self.watchers.values():
            try:
                watcher.close(run)
            except BaseException as error:
                errors.append(error)
        if errors:
            raise errors[0]
