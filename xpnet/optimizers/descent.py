"""Methods that choose a direction of descent and search along it."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any

from ..device.arrays import Vector
from ..device.backend import Backend
from ..linear.vectors import dot, norm
from ..objectives import Objective
from .base import Endings, Optimizer, Record, State
from .line_search import LastResort, LineSearch, rounding
from .outcome import Ending
from .searches import ROUNDED, STATIONARY, Move, Numbers, Search, Start, lowest, on_host, per_row, slopes

IDLE = 5  # steps without a lower value, as rounding may bring about, after which other ways are tried
NEWS = 2.0  # a change of the gradient's norm by this factor shows that such steps lead somewhere
KEPT = ("value", "gradient", "moved", "before", "origin", "point")  # what a state has from a step on


class Descent(Optimizer):
    """A direction of descent, and a search along it.

    A subclass has a `search` and defines the direction and what it learns from a step. Where its direction
    does not descend, or nothing lower is found along it, that replica forgets what it has learned and goes
    along the negative gradient; if nothing lower is found there either, and the search is one that tries
    lengths, it tries those of every size (`LastResort`). Only then it is at its end: converged, if the
    gradient is zero, or tiny beside the largest one, or promises no more than rounding hides; else stalled.

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
        host, rows = backend.host, (w.shape[0] if w.ndim > 1 else 1,)
        state = {
            "step": 0,
            "active": host.ones(rows, dtype=host.bool),  # replicas that take part
            "idle": host.zeros(rows, dtype=host.int64),  # steps in a row that have led nowhere
            "low": host.full(rows, host.nan),  # the least and the largest gradient of these
            "high": host.full(rows, host.nan),
            "level": host.zeros(
                rows, dtype=host.int64
            ),  # 1: along the negative gradient; 2: as a last resort
            "earlier": host.full(rows, host.nan),  # the value before the last step
            "largest": host.zeros(rows),  # the norm of the largest gradient
        }
        return state | self.search.initialize(backend, objective, w) | self.memory(backend, objective, w)

    def resume(self, backend: Backend, objective: Objective, w: Vector, state: State) -> None:
        host = backend.host
        with backend.working():
            known = {name: state[name] for name in KEPT if name in state}
            here = _evaluate(backend, objective, w)
            same = True
            if "gradient" in known:
                same = _equal(backend, here, (known["value"], known["gradient"]))
            elif "origin" in known:
                there = _evaluate(backend, objective, known["origin"])
                same = _equal(backend, (w, there[1]), (known["point"], known["before"]))
            if not same:
                for name in known:
                    del state[name]
                state.update(self.begin(backend, objective, w) | {"step": state["step"]})
            state["value"], state["gradient"] = here
            state["active"] = host.ones_like(state["active"])

    def advance(self, backend: Backend, objective: Objective, w: Vector, state: State) -> Record:
        xp, host, step = backend.xp, backend.host, int(state["step"])
        if "gradient" not in state:
            state["value"], state["gradient"] = _evaluate(backend, objective, w)
        value, gradient = state["value"], state["gradient"]
        if "moved" in state:
            self.learn(backend, state, gradient)
            for name in ("moved", "before", "origin", "point"):
                state.pop(name, None)
        values, norms = on_host(backend, value), _norms(backend, gradient)
        state["largest"] = host.where(norms > state["largest"], norms, state["largest"])

        direction, found = self.direction(backend, objective, w, gradient, state)
        endings = list(found) or [None] * len(values)
        endings = [STATIONARY if size == 0.0 else own for own, size in zip(endings, norms, strict=True)]
        active = state["active"] & host.asarray([own is None for own in endings])
        falls, level = slopes(backend, gradient, direction), state["level"]
        # along the gradient where the direction does not descend; NaN goes there too
        plain = (level > 0) | (~(falls < 0.0) if self.search.descends else host.isnan(falls))
        if bool(host.any(plain)):
            rows = per_row(backend, plain, w)
            direction = xp.where(rows, -gradient, direction)
            falls = host.where(plain, -norms * norms, falls)
            self.forget(backend, state, rows)
        if not bool(host.all(active)):
            direction = xp.where(per_row(backend, active, w), direction, 0.0)

        lengths = self.first_lengths(backend, state, values, falls, norms)
        lengths = host.where(plain, host.minimum(1.0, 1.0 / host.where(norms > 0.0, norms, 1.0)), lengths)
        start = Start(w, value, gradient, direction, values, falls, lengths, active)
        move = self._search(backend, objective, start, state, norms)

        last = 2 if isinstance(self.search, LineSearch) else 1
        moved = (move.lengths > 0.0) & active
        ended = active & ~moved & (level == last)
        solved = norms <= float(xp.finfo(w.dtype).eps) ** (2 / 3) * state["largest"]
        for r, ending in enumerate(endings):
            ending = ending or (move.endings[r] if ended[r] else None)
            endings[r] = ROUNDED if ending not in (None, STATIONARY) and solved[r] else ending
        idle = active & ~moved
        if move.value is not None:
            off = [rounding(number, xp.finfo(w.dtype)) for number in values]
            lower = on_host(backend, move.value) < values - host.asarray(off)
            # on a plateau the gradient alone tells that it goes on: to a minimum, or away from a saddle
            less, more = norms < state["low"] / NEWS, norms > state["high"] * NEWS
            state["low"] = host.where(lower | less | host.isnan(state["low"]), norms, state["low"])
            state["high"] = host.where(lower | more | host.isnan(state["high"]), norms, state["high"])
            state["idle"] = host.where(lower | less | more, 0, state["idle"] + 1)
            idle = idle | (state["idle"] >= IDLE)
        # other ways next where this one has led nowhere; and from the last one back to the first
        state["level"] = host.where(idle & ~(moved & (level == last)), host.minimum(level + 1, last), 0)
        state["active"] = state["active"] & host.asarray([ending is None for ending in endings])
        state["earlier"] = host.where(moved, values, state["earlier"])
        state["before"], state["moved"] = gradient, move.w - w
        if move.gradient is None:
            state["origin"], state["point"] = xp.asarray(w, copy=True), move.w
            del state["value"], state["gradient"]
        else:
            state["value"] = xp.asarray(move.value, copy=True)
            state["gradient"] = xp.asarray(move.gradient, copy=True)
        w[...] = move.w
        state["step"] = step + 1
        went = host.where(moved, move.lengths, 0.0)
        rate = went[:, None] if w.ndim > 1 else float(went[0])
        return Record(step, value, gradient, rate, tuple(endings) if any(endings) else ())

    def _search(
        self, backend: Backend, objective: Objective, start: Start, state: State, norms: Numbers
    ) -> Move:
        """The move of the search; of `LastResort` where the level says so."""
        host = backend.host
        last = start.active & (state["level"] > 1)
        if not bool(host.any(last)):
            return self.search.along(backend, objective, start, state)
        sizes = _norms(backend, start.w)
        begin = host.where(sizes > 0.0, sizes, 1.0) / host.where(norms > 0.0, norms, 1.0)
        thorough = LastResort().along(backend, objective, _with(start, begin, last), state)
        rest = start.active & ~last
        if not bool(host.any(rest)):
            return thorough
        own = self.search.along(backend, objective, _with(start, start.first, rest), state)
        return _merged(backend, last, thorough, own)


class Memoryless(Descent):
    """A method whose direction is that of the point alone: there is nothing to learn or to forget."""

    def learn(self, backend: Backend, state: State, gradient: Vector) -> None:
        pass

    def forget(self, backend: Backend, state: State, rows: Any) -> None:
        pass


def nocedal_wright(
    backend: Backend, state: State, values: Numbers, slopes: Numbers, norms: Numbers
) -> Numbers:
    """The first length `min(1, 1.01 * 2 (f - f_before) / slope)`, or `1.01 / |g|` in the first step.

    J. Nocedal, S. J. Wright, "Numerical Optimization", 2006, equation 3.60; as SciPy has it.
    """
    host = backend.host
    earlier = host.where(host.isnan(state["earlier"]), values + 0.5 * norms, state["earlier"])
    length = 2.02 * (values - earlier) / slopes
    return host.where((length > 0.0) & (length < 1.0), length, 1.0)


def _evaluate(backend: Backend, objective: Objective, w: Vector) -> tuple[Any, Any]:
    """Value and gradient, as arrays of their own: an objective may fill the same ones at each call."""
    value, gradient = objective.value_and_gradient(w)
    return backend.xp.asarray(value, copy=True), backend.xp.asarray(gradient, copy=True)


def _equal(backend: Backend, left: tuple[Any, Any], right: tuple[Any, Any]) -> bool:
    return all(bool(backend.xp.all(a == b)) for a, b in zip(left, right, strict=True))


def _norms(backend: Backend, v: Vector) -> Numbers:
    """The norms of the rows, on the host."""
    xp, host = backend.xp, backend.host
    info, squares = xp.finfo(v.dtype), on_host(backend, dot(xp, v, v))
    if bool(host.all((squares > lowest(info)) & (squares < float(info.max)))):
        return host.sqrt(squares)
    return on_host(backend, norm(xp, v))


def _with(start: Start, first: Numbers, active: Numbers) -> Start:
    return Start(
        start.w, start.value, start.gradient, start.direction, start.values, start.slopes, first, active
    )


def _merged(backend: Backend, rows: Numbers, left: Move, right: Move) -> Move:
    """`left` for these rows, which has a gradient, `right` for the others."""
    xp, host, w = backend.xp, backend.host, left.w
    columns = per_row(backend, rows, w)
    endings: list[Ending | None] = [
        left.endings[r] if of_left else right.endings[r] for r, of_left in enumerate(rows)
    ]
    flat = backend.asarray(rows)
    gradient = None if right.gradient is None else xp.where(columns, left.gradient, right.gradient)
    return Move(
        xp.where(columns, left.w, right.w),
        host.where(rows, left.lengths, right.lengths),
        tuple(endings),
        xp.where(flat, left.value, right.value),
        gradient,
    )
