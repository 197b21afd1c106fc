"""Methods that minimize a model of the function and trust it as far as it has been right.

The gain ratio compares what a step brought with what the model promised. If it is good the step is
taken; if not, the step is made shorter, by a smaller radius or a larger damping, at the same point. What a
step brought is told by the values; where they agree to rounding, by the gradients at both ends.
"""

from __future__ import annotations

import math
from abc import abstractmethod
from dataclasses import dataclass

from ..device.arrays import Scalar, Vector
from ..device.backend import Backend
from ..objectives import Objective
from .base import Optimizer, Record, State, evaluate
from .model import Model, Proposal
from .outcome import Ending, Outcome
from .replicas import Numbers, inner, merged, numbers, row_norms, solved
from .searches import NON_FINITE, STATIONARY

GAIN = 1e-4  # the least gain ratio of a step that is taken
FLATTER = 0.5  # of the gradient is left, at most, where the value stays as it is
ROUNDING = 4.0  # units in the last place by which a value may be off
ROUNDED = Ending("no lower value within reach: as far as rounding lets it go", Outcome.CONVERGED)
STUCK = Ending("no lower value found within reach")


@dataclass(frozen=True)
class _Trial:
    """Where a step led.

    Attributes:
        value, gradient: there; the gradient is the model's own where it was not evaluated.
        ratio: the gain ratio; -infinity where it is none.
        level: whether the values agree to rounding; `fallen` whether something there is not finite.
    """

    value: Scalar
    gradient: Vector
    ratio: Numbers
    level: Numbers
    fallen: Numbers


class GainRatio(Optimizer):
    """A method whose steps depend on one number, its radius or damping, for each replica.

    A subclass defines the model, and how that number changes. Where it finds nothing lower although the
    model without restriction promises it, it forgets what it has learned and begins anew from that point;
    it ends where that fails as well. It has converged where rounding hides all that the model promises, or
    the value itself beside what it has been.

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
            "most": host.zeros(rows),  # the largest magnitude of a value
        } | self.memory(backend, objective, w)

    def resume(self, backend: Backend, objective: Objective, w: Vector, state: State) -> None:
        kept, all_same = state.get("value"), True
        if "gradient" in state:
            state["value"], gradient = evaluate(backend, objective, w)
            all_same = backend.xp.all(gradient == state["gradient"], axis=-1)
            state["gradient"] = gradient
        elif kept is not None:
            state["value"] = objective.value(w)
        if kept is not None:
            same = numbers(backend, (state["value"] == kept) & all_same) > 0.0
            self._begin_anew(backend, state, ~same)
            state["most"] = backend.host.where(same, state["most"], 0.0)
        state["active"] = backend.host.ones_like(state["active"])

    def advance(self, backend: Backend, objective: Objective, w: Vector, state: State) -> Record:
        xp, host, step = backend.xp, backend.host, state["step"]
        model = self.model(backend, objective, w, state)
        values = numbers(backend, model.value)
        off = rounding(backend, w, model.value)
        size = host.where(host.isfinite(values), host.abs(values), 0.0)
        state["most"] = host.maximum(state["most"], size)
        done = solved(size, state["most"], float(xp.finfo(w.dtype).eps))
        endings = list(model.endings) or [None] * values.shape[0]
        pending = state["active"] & host.isfinite(values) & _none(backend, endings)
        reached, value, gradient = w, state.get("value", model.value), model.gradient
        control = used = state["control"]
        taken = stuck = fallen = host.zeros(values.shape, dtype=bool)
        for _ in range(self.trials):
            if not host.any(pending):
                break
            proposal = model.propose(control)
            point = merged(backend, pending, w + proposal.move, reached)
            trial = self._try(backend, objective, model, proposal, point, values, off)
            moved = ~host.isfinite(proposal.promised) | (
                numbers(backend, xp.any(point != w, axis=-1)) > 0.0
            )
            good = pending & moved & (trial.ratio > GAIN)
            used = host.where(pending, proposal.control, used)
            adjusted = self.adjust(backend, proposal.control, trial.ratio, proposal.length)
            control = host.where(pending, adjusted, control)
            reached = merged(backend, good, point, reached)
            value = merged(backend, good, trial.value, value)
            gradient = merged(backend, good, trial.gradient, gradient)
            taken, fallen = taken | good, fallen | (pending & trial.fallen)
            hidden = trial.level & (proposal.promised <= off)
            over = pending & ~good & (~moved | hidden | self.exhausted(control))
            stuck, pending = stuck | over, pending & ~good & ~over
        stuck = stuck | pending

        w[...] = reached
        state["value"] = value
        if model.takes_gradients:
            state["gradient"] = gradient
        state["control"], state["step"] = control, step + 1
        again = stuck & ~state["fresh"]
        state["fresh"] = state["fresh"] & ~taken
        if host.any(stuck):
            for r, ending in enumerate(self._endings(backend, model, w, off, fallen)):
                again[r] &= ending.outcome is not Outcome.CONVERGED
                if stuck[r] and not again[r]:
                    endings[r] = ROUNDED if done[r] and ending is STUCK else ending
            self._begin_anew(backend, state, again)
        state["active"] = state["active"] & _none(backend, endings)
        rate = used[:, None] if w.ndim > 1 else float(used[0])
        ended = any(ending is not None for ending in endings)
        return Record(step, model.value, model.gradient, rate, tuple(endings) if ended else ())

    def _try(
        self,
        backend: Backend,
        objective: Objective,
        model: Model,
        proposal: Proposal,
        point: Vector,
        values: Numbers,
        off: Numbers,
    ) -> _Trial:
        """Evaluates the objective at `point`, and judges the step."""
        host = backend.host
        if model.takes_gradients:
            value, gradient = evaluate(backend, objective, point)
        else:
            value, gradient = backend.xp.asarray(objective.value(point), copy=True), None
        trial = numbers(backend, value)
        fall, sound = values - trial, host.isfinite(trial)
        level = host.abs(fall) <= off
        if gradient is None and host.any(level):
            gradient = evaluate(backend, objective, point)[1]
        if gradient is not None:
            size = row_norms(backend, gradient)
            sound = sound & host.isfinite(size)
            flatter = size < FLATTER * row_norms(backend, model.gradient)
            mean = 0.5 * (
                inner(backend, model.gradient, proposal.move) + inner(backend, gradient, proposal.move)
            )
            fall = host.where(level, host.where(flatter, -mean, -math.inf), fall)
        promised = host.where(sound & (proposal.promised > 0.0), proposal.promised, math.nan)
        ratio = host.where(host.isnan(promised), -math.inf, fall / promised)
        fallen = host.isfinite(proposal.promised) & ~sound
        return _Trial(value, model.gradient if gradient is None else gradient, ratio, level, fallen)

    def _begin_anew(self, backend: Backend, state: State, rows: Numbers) -> None:
        """Makes nothing have been learned, for the replicas in `rows`."""
        self.forget(backend, state, rows)
        state["control"] = backend.host.where(rows, self.start, state["control"])
        state["fresh"] = state["fresh"] | rows

    def _endings(
        self, backend: Backend, model: Model, w: Vector, off: Numbers, fallen: Numbers
    ) -> list[Ending]:
        """How each replica ends if nothing lower is found for it."""
        xp, (move, promised) = backend.xp, model.unrestricted()
        # values cannot tell points apart that are nearer than the square root of the precision
        near = xp.all(xp.abs(move) <= float(xp.finfo(w.dtype).eps) ** 0.5 * xp.abs(w), axis=-1)
        bounded = backend.host.isfinite(promised)
        converged = (promised <= off) | (bounded & (numbers(backend, near) > 0.0))
        still = row_norms(backend, model.gradient) == 0.0
        return [
            (STATIONARY if still[r] else ROUNDED) if converged[r] else NON_FINITE if fallen[r] else STUCK
            for r in range(converged.shape[0])
        ]


def rounding(backend: Backend, w: Vector, value: Scalar) -> Numbers:
    """By how much each value at `w` may be off."""
    return ROUNDING * float(backend.xp.finfo(w.dtype).eps) * backend.host.abs(numbers(backend, value))


def _none(backend: Backend, endings: list[Ending | None]) -> Numbers:
    return backend.host.asarray([ending is None for ending in endings], dtype=bool)
