"""The steps of an optimizer on a watched objective; what is wrong is said before the first."""

from __future__ import annotations

import copy
from typing import Any, cast

from .. import checks
from ..device.arrays import Vector
from ..device.backend import Backend
from ..device.select import backend_of
from ..objectives import Objective
from ..optimizers import NAMES, Optimizer, OptimizerName, Record
from ..optimizers.base import State
from .replicas import copy_rows
from .watch import Watch

CHECK_EVERY = {"cupy": 20}  # steps between looks at a device that the optimizer does not wait for


KEPT = {"gradient", "moved", "before", "origin", "point"}  # in the states of methods, like `w`


class NonFiniteError(ArithmeticError):
    """A value or gradient is NaN or infinite; `w` has been put back to the last finite point."""


class Loop:
    """What `iterate` and `minimize` share.

    Attributes:
        w, state: what moves.
        steps: taken so far.
        begin: the point where the step that is looked at begins; `last` the one looked at before it, or
            the same once that step has been accepted; `last_value` the value there, NaN if not known.

    Raises:
        TypeError, ValueError: arguments of the wrong kind.
    """

    def __init__(
        self,
        objective: Objective,
        optimizer: Optimizer | OptimizerName,
        w: Vector,
        state: State | None,
        check_every: int | None,
        *,
        in_place: bool,
    ) -> None:
        if not isinstance(objective, Objective):
            raise TypeError(f"objective must be an Objective, got {objective!r}")
        if isinstance(optimizer, str):
            optimizer = NAMES[checks.choice("optimizer", optimizer, NAMES)]
        if not isinstance(optimizer, Optimizer):
            raise TypeError(f"optimizer must be an Optimizer such as Nesterov(), got {optimizer!r}")
        self.backend = backend_of(w)
        xp = self.backend.xp
        if w.ndim not in (1, 2) or not w.size:
            raise ValueError(f"w must be (P,) or (R, P), got shape {tuple(w.shape)}")
        if w.dtype not in (xp.float32, xp.float64):
            raise TypeError(f"w must be float32 or float64, got {w.dtype}")
        if in_place:
            checks.writeable("w", w)
        if check_every is None:
            check_every = 1 if optimizer.waits else CHECK_EVERY.get(self.backend.name, 1)
        self.check_every = checks.count("check_every", check_every)
        self.objective, self.optimizer, self.steps = objective, optimizer, 0
        with self.backend.working():
            checks.finite(xp, "w", w)
            self.w: Vector = w if in_place else xp.asarray(w, copy=True)
            self.begin: Vector = xp.asarray(w, copy=True)
            self.last: Vector = xp.asarray(w, copy=True)
            self.watch = Watch(objective, self.backend, w)
            self.last_value: Any = self.watch.values
            self.state = optimizer.initialize(objective, self.w)
            if state is not None:
                given = state if in_place else copy.deepcopy(state)
                self.state = checked_state(self.backend, given, self.state, optimizer, w)
                self._resume()
        self._before = dict(self.state)

    def _resume(self) -> None:
        if "active" in self.state:  # replicas that a run before has stopped
            self.state["active"] = self.backend.host.ones_like(self.state["active"])
        self.watch.looking = False
        self.optimizer.resume(self.backend, self.watch, self.w, self.state)
        self.watch.fresh = True

    @property
    def point(self) -> Vector:
        """Where the next step takes its gradient."""
        return self.state.get("ahead", self.w)

    def step(self, *, look: bool) -> Record:
        """Takes a step; with `look` its point is judged, before the step if it can be, else after it.

        Whoever judges may raise, to break the step off.
        """
        watch, state = self.watch, self.state
        watch.looking, watch.point = look, None
        self._before = dict(state)
        if look:
            point = self.point
            self.begin[...] = point
            if "gradient" in state and "value" in state:  # known from the step before
                watch.look(point, state["value"], state["gradient"])
            else:
                watch.point = point
        record = self.optimizer.advance(self.backend, watch, self.w, state)
        if watch.point is not None:  # evaluated in a way of its own
            watch.look(self.begin, record.value, record.gradient, whole=False)
        self.steps += 1
        watch.fresh = True
        return record

    def accept(self, value: Any) -> None:
        """The point that is looked at, with this value, is one to which `w` may be put back."""
        if self.watch.rows:
            host, active = self.backend.host, self.watch.active
            value = host.where(active, value, self.last_value)
            copy_rows(self.backend, self.begin, self.last, ~active)
        # in one statement, which no interrupt can cut in two
        self.begin, self.last, self.last_value = self.last, self.begin, value

    def put(self, source: Vector, rows: Any) -> None:
        """Moves the replicas in `rows`, truth values of the host, to `source`.

        Those that are elsewhere, that is: of one that is there already, the point ahead stays.
        """
        if "ahead" in self.state:
            xp, ahead = self.backend.xp, self.state["ahead"]
            elsewhere = xp.any(self.w != source, axis=-1, keepdims=True)
            copy_rows(self.backend, ahead, xp.where(elsewhere, source, ahead), rows)
        copy_rows(self.backend, self.w, source, rows)

    def undo(self, rows: Any) -> None:
        """Puts back the replicas in `rows`, and the state, if a step was cut short."""
        if not self.watch.fresh:
            self.state.clear()
            self.state.update(self._before)
            self.put(self.last, rows)
            self.watch.fresh = True

    def problem(self) -> str:
        """What is not finite at the step looked at."""
        values = self.backend.host.isfinite(self.backend.host.asarray(self.watch.values))
        kind = "gradient" if bool(self.backend.host.all(values | ~self.watch.active)) else "value"
        return f"non-finite {kind} at step {self.steps}"


def checked_state(backend: Backend, given: Any, fresh: State, optimizer: Optimizer, w: Vector) -> State:
    """`given`, which must have what a fresh one of `optimizer` has: shapes, dtypes, and where they are.

    What it has kept from the last step beside must fit `w`. Integers that NumPy has read from a file become
    Python's. A point ahead of `w` that another method has left is no point of this one.
    """
    if not isinstance(given, dict):
        raise TypeError(f"state must be a dict that an earlier run left, got {given!r}")
    state = cast(State, given)
    missing = fresh.keys() - state.keys()
    if missing:
        raise ValueError(
            f"state is not one of {optimizer!r}: it has no {', '.join(map(repr, sorted(missing)))}"
        )
    if "ahead" not in fresh:
        state.pop("ahead", None)
    for name, value in (dict.fromkeys(KEPT & state.keys(), w) | fresh).items():
        if type(value) is int:
            state[name] = checks.count(f"state[{name!r}]", state[name], 0)
            continue
        own = state[name]
        shape, wanted = tuple(getattr(own, "shape", ())), tuple(getattr(value, "shape", ()))
        if shape != wanted:
            raise ValueError(f"state[{name!r}] must have shape {wanted} for this w, got {shape}")
        if getattr(own, "dtype", None) != getattr(value, "dtype", None):
            raise ValueError(
                f"state[{name!r}] must be {getattr(value, 'dtype', type(value).__name__)} for this w, "
                f"got {getattr(own, 'dtype', type(own).__name__)}"
            )
        if backend.owns(value):
            backend.check(f"state[{name!r}]", own, value.dtype)
    return state
