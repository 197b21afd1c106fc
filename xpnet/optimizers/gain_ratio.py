"""Methods that minimize a model of the function and trust it as far as it has been right.

The gain ratio compares what a step brought with what the model promised. If it is good the step is
taken; if not, the step is made shorter, by a smaller radius or a larger damping, at the same point. What a
step brought is told by the values; where they agree to rounding, by the gradients at both ends.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any

from ..device.arrays import Scalar, Vector
from ..device.backend import Backend
from ..objectives import Objective
from .base import Endings, Optimizer, Record, State
from .outcome import Ending, Outcome
from .replicas import Numbers, inner, merged, norm, numbers
from .searches import NON_FINITE, STATIONARY

GAIN = 1e-4  # the least gain ratio of a step that is taken
ROUNDING = 4.0  # units in the last place by which a value may be off
ROUNDED = Ending("no lower value within reach: as far as rounding lets it go", Outcome.CONVERGED)
STUCK = Ending("no lower value found within reach")


@dataclass(frozen=True)
class Proposal:
    """A step that a model proposes.

    Attributes:
        move: the step.
        promised: by how much the model falls.
        length: of the step, in the norm of the method.
        control: the radius or damping that it was found with.
    """

    move: Vector
    promised: Numbers
    length: Numbers
    control: Numbers


class Model(ABC):
    """What is known of the objective around a point, and what steps follow from it.

    Attributes:
        value, gradient: of the objective at the point.
        endings: as in `Record`: why there is no model.
    """

    value: Scalar
    gradient: Vector
    endings: Endings = ()

    @abstractmethod
    def propose(self, control: Numbers) -> Proposal:
        """The step for these radii or dampings."""

    @abstractmethod
    def unrestricted(self) -> tuple[Vector, Numbers]:
        """The step without radius or damping, and by how much it falls; infinity if for ever."""


class GainRatio(Optimizer):
    """A method whose steps depend on one number, its radius or damping, for each replica.

    A subclass defines the model, and how that number changes. Where it finds nothing lower although the
    model without restriction promises it, it forgets what it has learned and begins anew from that point;
    it ends where that fails as well. It has converged where rounding hides all that the model promises.

    Where a trial takes the gradient too, value and gradient of the step taken are kept for the next. Who
    moves `w` between steps must start from a new state, or call `resume`.
    """

    trials: int

    @property
    @abstractmethod
    def start(self) -> float:
        """The radius or damping at the start."""

    @abstractmethod
    def memory(self, backend: Backend, objective: Objective, w: Vector) -> State:
        """What the method remembers beside it, at the start."""

    @abstractmethod
    def takes_gradients(self, objective: Objective) -> bool:
        """Whether a trial evaluates the gradient too, as the next model needs no more than that."""

    @abstractmethod
    def model(self, backend: Backend, objective: Objective, w: Vector, state: State) -> Model:
        """The model at `w`; of a replica in `state["fresh"]` nothing has been learned yet."""

    @abstractmethod
    def adjust(self, backend: Backend, control: Numbers, ratio: Numbers, length: Numbers) -> Numbers:
        """The radius or damping after a step of this gain ratio and length."""

    @abstractmethod
    def exhausted(self, control: Numbers) -> Numbers:
        """Whether a radius or damping is beyond its limit."""

    @abstractmethod
    def forget(self, backend: Backend, state: State, rows: Numbers) -> None:
        """Forgets what has been learned, for the replicas in `rows`."""

    def begin(self, backend: Backend, objective: Objective, w: Vector) -> State:
        host, rows = backend.host, (w.shape[0] if w.ndim > 1 else 1,)
        return {
            "step": 0,
            "control": host.full(rows, float(self.start)),
            "active": host.ones(rows, dtype=bool),  # replicas that take part
            "fresh": host.ones(rows, dtype=bool),  # those that have learned nothing yet
        } | self.memory(backend, objective, w)

    def resume(self, backend: Backend, objective: Objective, w: Vector, state: State) -> None:
        if "gradient" in state:
            value, gradient = evaluate(backend, objective, w)
            same = (value == state["value"]) & backend.xp.all(gradient == state["gradient"], axis=-1)
            self._begin_anew(backend, state, numbers(backend, same) == 0.0)
            state["value"], state["gradient"] = value, gradient
        state["active"] = backend.host.ones_like(state["active"])

    def advance(self, backend: Backend, objective: Objective, w: Vector, state: State) -> Record:
        xp, host, step = backend.xp, backend.host, state["step"]
        model = self.model(backend, objective, w, state)
        values = numbers(backend, model.value)
        rounding = ROUNDING * float(xp.finfo(w.dtype).eps) * host.abs(values)
        endings = list(model.endings) or [None] * values.shape[0]
        pending = state["active"] & host.isfinite(values) & _none(backend, endings)
        reached, value, gradient = w, model.value, model.gradient
        control = used = state["control"]
        taken = stuck = fallen = host.zeros(values.shape, dtype=bool)
        trying = self.takes_gradients(objective)
        for _ in range(self.trials):
            if not host.any(pending):
                break
            proposal = model.propose(control)
            promised = proposal.promised
            point = merged(backend, pending, w + proposal.move, reached)
            moved = ~host.isfinite(promised) | (numbers(backend, xp.any(point != w, axis=-1)) > 0.0)
            trial_value, trial_gradient = (
                evaluate(backend, objective, point) if trying else (objective.value(point), None)
            )
            trial = numbers(backend, trial_value)
            fall, sound = values - trial, host.isfinite(trial)
            level = pending & moved & (host.abs(fall) <= rounding)
            if trial_gradient is None and host.any(level):
                trial_gradient = evaluate(backend, objective, point)[1]
            if trial_gradient is not None:
                size = norm(backend, trial_gradient)
                sound &= host.isfinite(size)
                flatter = size < 0.5 * norm(backend, model.gradient)
                mean = 0.5 * inner(backend, model.gradient + trial_gradient, proposal.move)
                fall = host.where(level, host.where(flatter, -mean, -math.inf), fall)
            fallen = fallen | (pending & host.isfinite(promised) & ~sound)
            likely = sound & (promised > 0.0)
            ratio = host.where(likely, fall / host.where(likely, promised, 1.0), -math.inf)

            good = pending & moved & (ratio > GAIN)
            used = host.where(pending, proposal.control, used)
            adjusted = self.adjust(backend, proposal.control, ratio, proposal.length)
            control = host.where(pending, adjusted, control)
            reached = merged(backend, good, point, reached)
            if trying:
                value = merged(backend, good, trial_value, value)
                gradient = merged(backend, good, trial_gradient, gradient)
            taken = taken | good
            hidden = level & (promised <= rounding)
            over = pending & ~good & (~moved | hidden | self.exhausted(control))
            stuck = stuck | over
            pending = pending & ~good & ~over
        stuck = stuck | pending

        again = stuck & ~state["fresh"]
        if host.any(stuck):
            ends = self._endings(backend, model, w, rounding, fallen)
            for r, ending in enumerate(ends):
                again[r] &= ending.outcome is not Outcome.CONVERGED
                if stuck[r] and not again[r]:
                    endings[r] = ending
        if trying:
            state["value"], state["gradient"] = value, gradient
        w[...] = reached
        state["control"], state["fresh"], state["step"] = control, state["fresh"] & ~taken, step + 1
        self._begin_anew(backend, state, again)
        state["active"] = state["active"] & _none(backend, endings)
        rate = used[:, None] if w.ndim > 1 else float(used[0])
        ended = any(ending is not None for ending in endings)
        return Record(step, model.value, model.gradient, rate, tuple(endings) if ended else ())

    def _begin_anew(self, backend: Backend, state: State, rows: Numbers) -> None:
        """Makes nothing have been learned, for the replicas in `rows`."""
        self.forget(backend, state, rows)
        state["control"] = backend.host.where(rows, self.start, state["control"])
        state["fresh"] = state["fresh"] | rows

    def _endings(
        self, backend: Backend, model: Model, w: Vector, rounding: Numbers, fallen: Numbers
    ) -> list[Ending]:
        """How each replica ends if nothing lower is found for it."""
        xp, (move, promised) = backend.xp, model.unrestricted()
        # values cannot tell points apart that are nearer than the square root of the precision
        near = xp.all(xp.abs(move) <= float(xp.finfo(w.dtype).eps) ** 0.5 * xp.abs(w), axis=-1)
        bounded = backend.host.isfinite(promised)
        converged = (promised <= rounding) | (bounded & (numbers(backend, near) > 0.0))
        still = norm(backend, model.gradient) == 0.0
        return [
            (STATIONARY if still[r] else ROUNDED) if converged[r] else NON_FINITE if fallen[r] else STUCK
            for r in range(converged.shape[0])
        ]


def keep(settings: GainRatio, **checked: Any) -> None:
    """Puts what has been `checked` in the place of what was handed over, in a `__post_init__`."""
    for name, value in checked.items():
        object.__setattr__(settings, name, value)


def evaluate(backend: Backend, objective: Objective, w: Vector) -> tuple[Scalar, Vector]:
    """Value and gradient, the latter a copy: some objectives hand out the same array each time."""
    value, gradient = objective.value_and_gradient(w)
    return value, backend.xp.asarray(gradient, copy=True)


def _none(backend: Backend, endings: list[Ending | None]) -> Numbers:
    return backend.host.asarray([ending is None for ending in endings], dtype=bool)
