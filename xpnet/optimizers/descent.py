"""Methods that choose a direction of descent and search along it."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import replace
from typing import Any

from ..device.arrays import Vector
from ..device.backend import Backend
from ..objectives import Objective
from .base import Endings, Optimizer, Record, State, evaluate
from .last_resort import LastResort, last_resort, merged
from .line_search import LineSearch, rounding
from .outcome import Ending
from .replicas import Numbers, column, numbers, row_norms, solved
from .searches import (
    JUMPS,
    ROUNDED,
    STATIONARY,
    Move,
    Search,
    Start,
    slopes,
)

IDLE = 5  # steps without a lower value, as rounding may bring about, after which other ways are tried
NEWS = 2.0  # a change of the gradient's norm by this factor shows that such steps lead somewhere
PLAIN, THOROUGH, SCALED = 1, 2, 3  # ways to go on where the method's own leads nowhere
KEPT = ("value", "gradient", "moved", "before", "origin", "point")  # what a state has from a step on


class Descent(Optimizer):
    """A direction of descent, and a search along it.

    A subclass has a `search` and defines the direction and what it learns from a step. Where its direction
    does not descend, or nothing lower is found along it, or a few steps have lowered nothing and changed no
    gradient, that replica forgets what it has learned and goes along the negative gradient. If that leads
    nowhere, and the search is one that tries lengths, it tries those of every size (`LastResort`), along
    the negative gradient and then along that of the logarithms of the parameters, which knows no units.
    Only then it is at its end: converged, if the gradient is zero, or the value beside what it has been, or
    if all that the last way promises is hidden by rounding; else stalled.

    Value and gradient at the end of a search are kept for the next step. A run that goes on from a state
    evaluates them anew; where they are not the same bits, it starts anew.
    """

    search: Search

    @abstractmethod
    def memory(self, backend: Backend, objective: Objective, w: Vector) -> State:
        """What the method remembers from step to step, at the start."""

    @abstractmethod
    def learn(self, backend: Backend, state: State, gradient: Vector) -> None:
        """Learns from the last step, `state["moved"]`, from `state["before"]`, the gradient there."""

    @abstractmethod
    def direction(
        self, backend: Backend, objective: Objective, w: Vector, gradient: Vector, state: State
    ) -> tuple[Vector, Endings]:
        """The direction at `w`, and for each replica None or why there is none (empty: all have one)."""

    @abstractmethod
    def forget(self, backend: Backend, state: State, rows: Any) -> None:
        """Forgets what has been learned, where `rows`, `(1,)` or `(R, 1)`, is true."""

    @abstractmethod
    def first_lengths(
        self, backend: Backend, state: State, values: Numbers, slopes: Numbers, norms: Numbers
    ) -> Numbers:
        """The lengths to try first, `(R,)` on the host, given numbers `(R,)` of the host."""

    def begin(self, backend: Backend, objective: Objective, w: Vector) -> State:
        host, rows = backend.host, w.shape[0] if w.ndim > 1 else 1
        state = {"step": 0, "active": host.ones(rows, dtype=host.bool)}  # replicas that take part
        state |= _judgement(backend, rows)
        return state | self.search.initialize(backend, objective, w) | self.memory(backend, objective, w)

    def resume(self, backend: Backend, objective: Objective, w: Vector, state: State) -> None:
        host = backend.host
        with backend.working():
            here = evaluate(backend, objective, w)
            same = host.ones_like(state["active"])
            if "gradient" in state:
                same = _same(backend, here[1], state["gradient"])
                same = same & (numbers(backend, here[0]) == numbers(backend, state["value"]))
            elif "origin" in state:
                there = evaluate(backend, objective, state["origin"])
                same = _same(backend, w, state["point"]) & _same(backend, there[1], state["before"])
            if not any(same):
                for name in KEPT:
                    state.pop(name, None)
                state.update(self.begin(backend, objective, w) | {"step": state["step"]})
            elif not all(same):
                self._begin_anew(backend, state, w, ~same)
            state["value"], state["gradient"] = here
            state["step"] = int(state["step"])
            state["active"] = host.ones_like(state["active"])

    def _begin_anew(self, backend: Backend, state: State, w: Vector, rows: Numbers) -> None:
        """Forgets all that is known of these replicas."""
        columns = column(backend, rows, w)
        self.forget(backend, state, columns)
        if "moved" in state:  # that they stayed is nothing to be learned
            state["moved"] = backend.xp.where(columns, 0.0, state["moved"])
        for name, fresh in _judgement(backend, len(rows)).items():
            state[name] = backend.host.where(rows, fresh, state[name])

    def advance(self, backend: Backend, objective: Objective, w: Vector, state: State) -> Record:
        xp, host, step = backend.xp, backend.host, int(state["step"])
        if "gradient" not in state:
            state["value"], state["gradient"] = evaluate(backend, objective, w)
        value, gradient = state["value"], state["gradient"]
        if "moved" in state:
            self.learn(backend, state, gradient)
            for name in ("moved", "before", "origin", "point"):
                state.pop(name, None)
        start, norms, endings = self._start(backend, objective, w, state)
        move = self._search(backend, objective, start, state)
        moved = (move.lengths > 0.0) & start.active
        endings = self._judge(backend, state, start, norms, endings, move, moved)
        if any(endings):
            state["active"] = state["active"] & host.asarray([ending is None for ending in endings])
        went = move.lengths
        if all(moved):
            state["earlier"], state["length"] = start.values, went
        else:
            state["earlier"] = host.where(moved, start.values, state["earlier"])
            state["length"] = host.where(moved, went, state["length"])
            went = host.where(moved, went, 0.0)
        state["before"], state["moved"] = gradient, move.w - w
        if move.gradient is None:
            state["origin"], state["point"] = xp.asarray(w, copy=True), move.w
            del state["value"], state["gradient"]
        else:
            state["value"] = xp.asarray(move.value, copy=True)
            state["gradient"] = xp.asarray(move.gradient, copy=True)
        w[...] = move.w
        state["step"] = step + 1
        rate = went[:, None] if w.ndim > 1 else float(went[0])
        return Record(step, value, gradient, rate, tuple(endings) if any(endings) else ())

    def _start(
        self, backend: Backend, objective: Objective, w: Vector, state: State
    ) -> tuple[Start, Numbers, list[Ending | None]]:
        """Where and along what to search, the norms of the gradients, and for each replica why not."""
        xp, host, value, gradient = backend.xp, backend.host, state["value"], state["gradient"]
        values, norms = numbers(backend, value), row_norms(backend, gradient)
        state["largest"] = host.maximum(state["largest"], norms)
        state["least"] = host.minimum(state["least"], values)
        state["most"] = host.maximum(state["most"], abs(values))

        direction, found = self.direction(backend, objective, w, gradient, state)
        endings: list[Ending | None] = list(found) or [None] * len(values)
        endings = [STATIONARY if size == 0.0 else own for own, size in zip(endings, norms, strict=True)]
        active = state["active"]
        if any(endings):
            active = active & host.asarray([own is None for own in endings])
        falls = slopes(backend, gradient, direction)
        # along the gradient where the direction does not descend; NaN goes there too
        plain = (state["level"] > 0) | (~(falls < 0.0) if self.search.descends else host.isnan(falls))
        if any(plain):
            rows = column(backend, plain, w)
            direction = xp.where(rows, -gradient, direction)
            falls = host.where(plain, -norms * norms, falls)
            self.forget(backend, state, rows)
        if not all(active):
            direction = xp.where(column(backend, active, w), direction, 0.0)
        first = self.first_lengths(backend, state, values, falls, norms)
        if any(plain):
            first = host.where(plain, of_one(backend, norms), first)
        return Start(w, value, gradient, direction, values, falls, first, active), norms, endings

    def _search(self, backend: Backend, objective: Objective, start: Start, state: State) -> Move:
        """The move of the search; of `LastResort` for replicas whose level says so."""
        level = state["level"]
        last = start.active & (level > PLAIN)
        if not any(last):
            return self.search.along(backend, objective, start, state)
        thorough = last_resort(backend, start, level > THOROUGH, state["least"], last)
        found = LastResort().along(backend, objective, thorough, state)
        rest = start.active & ~last
        if not any(rest):
            return found
        own = self.search.along(backend, objective, replace(start, active=rest), state)
        return merged(backend, last, found, own)

    def _judge(
        self,
        backend: Backend,
        state: State,
        start: Start,
        norms: Numbers,
        endings: list[Ending | None],
        move: Move,
        moved: Numbers,
    ) -> list[Ending | None]:
        """For each replica why it is at its end; and by which level those go on that are not."""
        host, level, info = backend.host, state["level"], backend.xp.finfo(start.w.dtype)
        last = SCALED if isinstance(self.search, LineSearch) else PLAIN
        lower: Numbers = moved & False
        if move.value is not None:
            off = host.asarray([rounding(value, info) for value in start.values])
            lower = numbers(backend, move.value) < start.values - off
            if all(moved) and all(lower):
                state["low"] = state["high"] = norms
                state["idle"] = state["level"] = 0 * level
                return endings
        eps = float(info.eps)
        done = solved(abs(start.values), state["most"], eps)
        tiny = norms <= eps ** (2 / 3) * state["largest"]
        for r, ending in enumerate(endings):
            if ending is None and start.active[r] and not moved[r] and level[r] == last:
                ending = move.endings[r]
            hidden = done[r] or (ending is JUMPS and tiny[r])
            endings[r] = ROUNDED if ending not in (None, STATIONARY) and hidden else ending
        idle = start.active & ~moved
        if move.value is not None:
            # on a plateau the gradient alone tells that it goes on: to a minimum, or away from a saddle
            less = (norms < state["low"] / NEWS) & ~done
            more = norms > state["high"] * NEWS
            state["low"] = host.where(lower | less | host.isnan(state["low"]), norms, state["low"])
            state["high"] = host.where(lower | more | host.isnan(state["high"]), norms, state["high"])
            state["idle"] = host.where(lower | less | more, 0, state["idle"] + 1)
            idle = idle | (state["idle"] >= IDLE)
        # other ways next where this one has led nowhere; and from the last ones back to the first
        idle = idle & ~(moved & (level > PLAIN))
        state["level"] = host.where(idle, host.minimum(level + 1, last), 0)
        return endings


class Memoryless(Descent):
    """A method whose direction is that of the point alone: there is nothing to learn or to forget."""

    def learn(self, backend: Backend, state: State, gradient: Vector) -> None:
        pass

    def forget(self, backend: Backend, state: State, rows: Any) -> None:
        pass


def of_one(backend: Backend, norms: Numbers) -> Numbers:
    """Lengths along gradients of these norms by which to begin: `min(1, 1 / |g|)`, at least `.1 / |g|`."""
    host = backend.host
    whole = 1.0 / host.where(norms > 0.0, norms, 1.0)
    return host.maximum(host.minimum(1.0, whole), 0.1 * whole)


def nocedal_wright(
    backend: Backend, state: State, values: Numbers, slopes: Numbers, norms: Numbers, most: Numbers
) -> Numbers:
    """The first length `1.01 * 2 (f - f_before) / slope`, in the first step `1.01 / |g|`.

    At most `most`, which is 1 where lengths are of the order of 1; in the first step at most `of_one`.
    J. Nocedal, S. J. Wright, "Numerical Optimization", 2006, equation 3.60; as SciPy has it.
    """
    host, before = backend.host, state["earlier"]
    new = host.isnan(before)
    if any(new):
        before = host.where(new, values + 0.5 * norms, before)
        most = host.where(new, host.maximum(1.0, of_one(backend, norms)), most)
    length = 2.02 * (values - before) / slopes
    length = host.where((length > 0.0) & (length < most), length, most)
    told = (abs(slopes) > float(host.finfo(host.float64).smallest_normal)) & host.isfinite(slopes)
    return length if all(told) else host.where(told, length, of_one(backend, norms))


def _judgement(backend: Backend, rows: int) -> dict[str, Numbers]:
    """What is known of how each replica gets on, at its start: nothing."""
    host = backend.host
    return {
        "idle": host.zeros(rows, dtype=host.int64),  # steps in a row that have led nowhere
        "low": host.full(rows, host.nan),  # the least and the largest gradient of these
        "high": host.full(rows, host.nan),
        "level": host.zeros(rows, dtype=host.int64),  # 1: along the negative gradient; 2: as a last resort
        "earlier": host.full(rows, host.nan),  # the value before the last step
        "length": host.ones(rows),  # of the last step
        "least": host.full(rows, host.inf),  # the least value, and the largest magnitude of one
        "most": host.zeros(rows),
        "largest": host.zeros(rows),  # the norm of the largest gradient
    }


def _same(backend: Backend, left: Vector, right: Vector) -> Numbers:
    """Which rows are the same bits."""
    return backend.to_numpy(backend.xp.all(left == right, axis=-1)).reshape(-1)
