"""A function of `w` that is a sum of parts, recorded when it is met and replayed from then on.

Whoever evaluates has a session of his own: the memory of `w` and of the parts' results, with a set of tapes
for each thread that works. So evaluations by several threads, or one inside another, do not meet. Each tape
is recorded when its part is first met. Until a replay, at another `w` than that of the recording, has
given the same bits as the function itself, the function's own results are those that count.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..device.threads import run_all
from ..rules.arguments import wants_loops
from ..rules.crew import crew
from .memory import Memory
from .namespace import Recording
from .tape import Tape


class Differs(Exception):
    """A replay has other bits than the function: it does something that is no operation of arrays."""


@dataclass(frozen=True)
class Function:
    """What is evaluated, with the plain namespace or while it is recorded.

    Attributes:
        xp: the plain namespace.
        places: shape and dtype of each array that a part makes.
        parts: each `part(xp, w, places)` writes to arrays of these.
        whole: `whole(xp, w, parts)`, from the arrays of all parts, to which it may write: the results.
    """

    xp: Any
    places: Sequence[tuple[tuple[int, ...], Any]]
    parts: Sequence[Callable[[Any, Any, list[Any]], None]]
    whole: Callable[[Any, Any, list[list[Any]]], tuple[Any, ...]]


class Replay:
    """`function` at points of this shape and dtype."""

    def __init__(self, function: Function, shape: tuple[int, ...], dtype: Any) -> None:
        self.function = function
        self._like = (shape, dtype)
        self._free: list[_Session] = []

    @property
    def tapes(self) -> int:
        """How many tapes are replayed without another look."""
        return sum(session.trusted for session in self._free)

    @property
    def bytes(self) -> int:
        """Of the memory that is held between evaluations."""
        return sum(session.bytes for session in self._free)

    def __call__(self, w: Any, threads: int) -> tuple[Any, ...]:
        """The function's results at `w`, new arrays.

        Raises:
            NotRecordable: it does what a recording does not know.
            Differs: a replay is not the same.
        """
        try:
            session = self._free.pop()
        except IndexError:
            session = _Session(self.function, *self._like)
        results = session.evaluate(w, threads)
        self._free.append(session)  # one in which something failed is given up
        return results


class _Recorded:
    """What runs a tape, and what must be known of it until it is trusted."""

    def __init__(self, tape: Tape, point: Any) -> None:
        self.calls, self.run, self.point = tape.calls, tape.close(), point
        self.lowered = tape.lowered

    def settle(self, w: Any) -> None:
        """Notes that what it does at `w` is right."""
        if self.point is not None and not _same(self.point, w):
            self.point = None


class _Session:
    """What one evaluation at a time works in."""

    def __init__(self, function: Function, shape: tuple[int, ...], dtype: Any) -> None:
        self.function = function
        self.own = Memory()
        self.w, self._owner = self.own.empty(shape, dtype)
        self.places = [self._places() for _ in function.parts]
        self.sets: list[_Set] = []
        self.free: list[_Set] = []
        self.turn = 0
        self.whole: list[_Recorded] = []  # one, when it has been recorded
        self.results: list[Any] = []
        self.settled = False  # all is recorded and trusted
        self.at_once: Callable[[], None] | None = None

    def evaluate(self, w: Any, threads: int) -> tuple[Any, ...]:
        np.copyto(self.w, w)
        if self.at_once is not None:
            self.at_once()
        elif self.settled:
            parts = range(len(self.function.parts))
            run_all([functools.partial(self._free_part, k) for k in parts], len(self.sets))
            self.whole[0].run()
        else:
            self._learn(threads)
        return tuple([part[()] if part.ndim == 0 else part.copy() for part in self.results])

    @property
    def trusted(self) -> int:
        found = [tape for own in self.sets for tape in own.tapes.values()]
        return sum(tape.point is None for tape in (*found, *self.whole))

    @property
    def bytes(self) -> int:
        return self.own.bytes + sum(own.memory.bytes for own in self.sets)

    def _learn(self, threads: int) -> None:
        """Evaluates with what is recorded and trusted so far, so that in the end each set has each part."""
        count = len(self.function.parts)
        if not self.sets:
            self.sets = [_Set() for _ in range(min(threads, count))]
            self.free = [*self.sets]
        shares = len(self.sets)
        self.turn += 1
        tasks = [
            functools.partial(self._share, own, range((s + self.turn) % shares, count, shares))
            for s, own in enumerate(self.sets)
        ]
        run_all(tasks, shares)
        self._whole()
        if self.trusted == shares * count + 1:
            self.settled = True
            self.at_once = self._joined() if shares == 1 else self._crew()

    def _joined(self) -> Callable[[], Any]:
        """All that has been recorded, as one tape."""
        tape, tapes = Tape(self.own, loops=wants_loops(self.function.xp)), self.sets[0].tapes
        for own in (*map(tapes.__getitem__, range(len(self.function.parts))), *self.whole):
            tape.calls += own.calls
        return tape.close()

    def _crew(self) -> Callable[[], Any] | None:
        """All that has been recorded, for several threads; None where they need the interpreter."""
        parts = range(len(self.function.parts))
        lists = [[own.tapes[k].lowered for k in parts] for own in self.sets]
        found = crew(lists, self.whole[0].lowered)
        return found and found.run

    def _share(self, own: _Set, parts: Sequence[int]) -> None:
        with np.errstate(all="ignore"):  # of this thread
            for k in parts:
                self._part(own, k)

    def _free_part(self, k: int) -> None:
        own = self.free.pop()
        with np.errstate(all="ignore"):
            own.tapes[k].run()
        self.free.append(own)

    def _part(self, own: _Set, k: int) -> None:
        found = own.tapes.get(k)
        if found is None:
            tape = Tape(own.memory, loops=wants_loops(self.function.xp))
            xp = Recording(self.function.xp, tape)
            places = [xp.place(place) for place in self.places[k]]
            self.function.parts[k](xp, xp.given(self.w), places)
            found = own.tapes[k] = _Recorded(tape, self.w.copy())
        else:
            found.run()
        if found.point is not None:
            self._compare(k)
            found.settle(self.w)

    def _compare(self, k: int) -> None:
        """Compares the results of a part with those of the function, which are kept."""
        plain = [np.empty(*like) for like in self.function.places]
        self.function.parts[k](self.function.xp, _read_only(self.w), plain)
        for place, right in zip(self.places[k], plain, strict=True):
            if not _same(place, right):
                raise Differs
            np.copyto(place, right)

    def _whole(self) -> None:
        """Makes the results of those of the parts."""
        if self.whole and self.whole[0].point is None:
            self.whole[0].run()
            return
        plain = [[place.copy() for place in own] for own in self.places]
        right = self.function.whole(self.function.xp, _read_only(self.w), plain)
        if self.whole:
            self.whole[0].run()
        else:
            tape = Tape(self.own, loops=wants_loops(self.function.xp))
            xp = Recording(self.function.xp, tape)
            places = [[xp.place(place) for place in own] for own in self.places]
            made = self.function.whole(xp, xp.given(self.w), places)
            self.whole.append(_Recorded(tape, self.w.copy()))
            self.results, self._owners = [own.array for own in made], [own.owner for own in made]
        if not all(map(_same, self.results, map(np.asarray, right))):
            raise Differs
        self.whole[0].settle(self.w)

    def _places(self) -> list[Any]:
        return [np.empty(*like) for like in self.function.places]


class _Set:
    """The tapes of one thread, by part, on the same memory."""

    def __init__(self) -> None:
        self.memory = Memory()
        self.tapes: dict[int, _Recorded] = {}


def _read_only(array: Any) -> Any:
    view = array[...]
    view.flags.writeable = False
    return view


def _same(first: Any, second: Any) -> bool:
    """Whether two arrays have the same bits, whatever those of NaN."""
    if (first.shape, first.dtype) != (second.shape, second.dtype):
        return False
    if first.tobytes() == second.tobytes():
        return True
    bits = np.dtype(f"i{first.itemsize}")
    equal = np.ascontiguousarray(first).view(bits) == np.ascontiguousarray(second).view(bits)
    return bool((equal | (np.isnan(first) & np.isnan(second))).all())
