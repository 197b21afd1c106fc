"""The steps of an optimizer on a watched objective; what is wrong is said before the first."""

from __future__ import annotations

import copy
import functools
import logging
from collections.abc import Callable
from typing import Any

from .. import checks
from ..device.arrays import Vector
from ..device.backend import Backend
from ..objectives import Objective
from ..objectives.matrices import point_backend
from ..optimizers import NAMES, FirstOrder, Minibatch, Optimizer, OptimizerName, Record
from ..optimizers.base import Constrained, State
from ..run import Run
from .graph import Graph, obstacle
from .launches import Steps
from .replicas import copy_rows, selected
from .watch import Watch

logger = logging.getLogger("xpnet")

CHECK_EVERY = {"cupy": 20}  # steps between looks at a device that the optimizer does not wait for


KEPT = {"gradient", "moved", "before", "origin", "point"}  # in the states of methods, like `w`


class NonFiniteError(ArithmeticError):
    """A value or gradient is NaN or infinite; `w` has been put back to the last finite point."""


class Loop:
    """What `iterate` and `minimize` share.

    Attributes:
        communicator: the processes that evaluate the objective together.
        w, state: what moves; `w` begins as that of the first process.
        steps: taken so far.
        take: what takes a step: `step`, or what launches a graph, whose steps are `launches`.
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
        checks.instance("objective", objective, Objective, "an Objective")
        optimizer = checks.named(
            "optimizer", optimizer, Optimizer, NAMES, "an Optimizer such as Nesterov()"
        )
        self.backend = point_backend(w, objective.backend)
        xp = self.backend.xp
        if in_place:
            checks.writeable("w", w)
        if check_every is None:
            check_every = 1 if optimizer.waits else CHECK_EVERY.get(self.backend.name, 1)
        self.check_every = checks.count("check_every", check_every)
        self.objective, self.optimizer, self.steps = objective, optimizer, 0
        self.communicator = objective.communicator
        with self.backend.working():
            checks.finite(xp, "w", w)
            first = self.communicator.same(self.backend, w)
            self.w: Vector = w if in_place else xp.asarray(first, copy=True)
            if first is not w:
                self.w[...] = first
            self.begin: Vector = xp.asarray(self.w, copy=True)
            self.last: Vector = xp.asarray(self.w, copy=True)
            self.watch = Watch(objective, self.backend, self.w)
            inner = optimizer.optimizer if isinstance(optimizer, Minibatch) else optimizer
            if isinstance(inner, Constrained):
                self.watch.free = functools.partial(inner.free_gradient, self.backend)
            self.last_value: Any = self.watch.values
            self.state = optimizer.initialize(objective, self.w)
            if state is not None:
                checks.instance("state", state, dict, "a dict that an earlier run left")
                fresh = self.state
                numbers = checked_state(self.backend, state, fresh, w, optimizer)
                self.state = state if in_place else copy.deepcopy(state)
                self.state.update(numbers)
                if "ahead" not in fresh:  # that of another method is no point of this one
                    self.state.pop("ahead", None)
                self._resume()
        self._before = dict(self.state)
        self._going: tuple[Any, Any, Objective] | None = None
        self.launches: Steps | None = None
        self.take: Callable[..., Record] = self.step

    def use_graph(self, graph: Graph, *, keeps: bool = True) -> None:
        """Makes steps between looks launches of a graph, where they can be; `keeps` what each finds.

        Raises:
            ValueError: they cannot, and `graph` is True.
        """
        if graph is False:
            return
        reason = obstacle(self.backend, self.objective, self.optimizer, self.w, self.check_every)
        if reason is None and isinstance(self.optimizer, FirstOrder):
            self.launches = Steps(
                self.backend,
                self.watch,
                self.optimizer,
                self.w,
                self.state,
                self.check_every,
                keeps=keeps,
            )
            self.take = self._launch
        elif graph is True:
            raise ValueError(f"graph must be False or 'auto' here, got True: {reason}")
        else:
            logger.info("steps are not launches of a graph: %s", reason)

    def _resume(self) -> None:
        if "active" in self.state:  # replicas that a run before has stopped
            self.state["active"] = self.backend.host.ones_like(self.state["active"])
        self.watch.looking = False
        self.optimizer.resume(self.backend, self.watch, self.w, self.state)
        self.watch.fresh = True

    def restore(self, run: Run) -> None:
        """Takes over what has been counted and kept by `run`, at whose point and state this stands."""
        watch = self.watch
        self.steps = run.steps
        for kind, number in run.evaluations.items():
            watch.counts[kind] += number
        watch.best = self.backend.xp.asarray(run.best_w, copy=True)
        best = self.backend.host.asarray(run.best_value)
        watch.best_value = best if watch.rows else float(best)

    @property
    def point(self) -> Vector:
        """Where the next step takes its gradient."""
        return self.state.get("ahead", self.w)

    def going(self, held_out: Objective) -> Objective:
        """The held-out risk of the replicas that go on, which may have samples of their own: found once."""
        active = self.watch.active
        if self._going is None or self._going[0] is not held_out or self._going[1] is not active:
            self._going = held_out, active, selected(self.backend, held_out, active)
        return self._going[2]

    def evaluate(self, held_out: Objective, *, tell: bool) -> Any:
        """The held-out risk where the next step begins, on the host; with `tell` a schedule learns it."""
        xp, watch, state = self.backend.xp, self.watch, self.state
        value = watch.number(self.going(held_out).value(self.point), "held-out risk")
        found = watch.read(value)
        if self.steps == 0 and not self.backend.host.any(self.backend.host.isfinite(found)):
            raise ValueError(f"held_out must be finite at w, got {found}")
        if tell and "held_out" in state:
            state["held_out"] = xp.reshape(xp.asarray(value), state["held_out"].shape)
        return found

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

    def _launch(self, *, look: bool) -> Record:
        """As `step`, by a launch of a graph if there can be one."""
        launches, watch = self.launches, self.watch
        if look or launches is None or launches.gone:
            return self.step(look=look)
        watch.looking, watch.point = False, None
        self._before = dict(self.state)
        record = launches.take()
        if record is None:
            record = self.step(look=False)
            launches.note(record)
            return record
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


def checked_state(
    backend: Backend, state: State, fresh: State, w: Vector, optimizer: Optimizer
) -> dict[str, int]:
    """The integers in `state`, which NumPy may have read from a file, as Python's.

    Raises:
        TypeError, ValueError: it has not what a fresh one of `optimizer` has, of its shapes, dtypes, place;
            or what methods note of the step before is not like `w`.
    """
    numbers: dict[str, int] = {}
    missing = fresh.keys() - state.keys()
    if missing:
        raise ValueError(
            f"state is not one of {optimizer!r}: it has no {', '.join(map(repr, sorted(missing)))}"
        )
    for name, value in (dict.fromkeys(KEPT & state.keys(), w) | fresh).items():
        if type(value) is int:
            numbers[name] = checks.count(f"state[{name!r}]", state[name], 0)
            continue
        _check_like(backend, f"state[{name!r}]", state[name], value)
    if "value" in state.keys() - fresh.keys():
        shape = checks.shape_of(state["value"])
        if shape != tuple(w.shape[:-1]):
            got = checks.shown(state["value"])
            raise ValueError(f"state['value'] must have shape {tuple(w.shape[:-1])} for this w, got {got}")
    return numbers


def _check_like(backend: Backend, name: str, own: Any, value: Any) -> None:
    """Raises unless `own` has shape, dtype and place of `value`, an array."""
    shape, wanted = checks.shape_of(own), checks.shape_of(value)
    if shape != wanted:
        got = checks.shown(own) if shape is None else str(shape)
        raise ValueError(f"{name} must have shape {wanted} for this w, got {got}")
    if wanted is not None and own.dtype != value.dtype:
        raise ValueError(f"{name} must be {value.dtype} for this w, got {own.dtype}")
    if backend.owns(value):
        backend.check(name, own, value.dtype)
