"""The perceptron rule."""

from __future__ import annotations

from dataclasses import dataclass

from .. import checks
from ..device.arrays import Vector
from ..device.backend import Backend
from ..objectives import Objective, ThresholdUnit
from .base import Optimizer, Record, State
from .outcome import Ending, Outcome

SEPARATED = Ending("every sample is on its own side", Outcome.CONVERGED)


@dataclass(frozen=True)
class Perceptron(Optimizer):
    """`w += d x` for the next sample that a threshold unit has wrong, going round (Rosenblatt 1958).

    A step is one such update, so that the number of steps is the number of mistakes made on the way, which
    `ThresholdUnit.mistake_bound` bounds. Where there is none left it ends, and nothing moves.

    Raises:
        TypeError: an objective that is no `ThresholdUnit`.
    """

    def begin(self, backend: Backend, objective: Objective, w: Vector) -> State:
        checks.instance("objective", objective, ThresholdUnit, "a ThresholdUnit for the perceptron rule")
        host, rows = backend.host, (w.shape[0], 1) if w.ndim > 1 else (1,)
        return {"step": 0, "next": host.zeros(rows, dtype=host.int64)}

    def resume(self, backend: Backend, objective: Objective, w: Vector, state: State) -> None:
        pass  # which sample comes next is all that it knows

    def advance(self, backend: Backend, objective: Objective, w: Vector, state: State) -> Record:
        xp, host, step = backend.xp, backend.host, state["step"]
        unit = _unit(objective)
        value, gradient = objective.value_and_gradient(w)
        wrong = backend.to_numpy(unit.margins(w) <= 0.0)
        samples = wrong.shape[-1]
        ahead = (host.arange(samples) - state["next"]) % samples  # how far each sample is from its turn
        chosen = host.argmin(host.where(wrong, ahead, samples), axis=-1, keepdims=True)
        moves = host.any(wrong, axis=-1, keepdims=True)
        rows = xp.take(unit.signed, backend.asarray(host.reshape(chosen, (-1,))), axis=0)
        rows = xp.where(backend.asarray(host.reshape(moves, (-1, 1))), rows, xp.zeros_like(rows))
        w += rows if w.ndim > 1 else rows[0, :]
        state["next"] = host.where(moves, (chosen + 1) % samples, state["next"])
        if not host.any(moves):
            return Record(step, value, gradient, 1.0, (SEPARATED,) * (w.shape[0] if w.ndim > 1 else 1))
        state["step"] = step + 1
        endings = tuple(None if move else SEPARATED for move in host.reshape(moves, (-1,)))
        return Record(step, value, gradient, 1.0, endings if any(endings) else ())


def _unit(objective: Objective) -> ThresholdUnit:
    """The unit itself: what a run hands on is one that is watched, or evaluated for some replicas."""
    while not isinstance(objective, ThresholdUnit):
        objective = objective.objective  # type: ignore[attr-defined]
    return objective
