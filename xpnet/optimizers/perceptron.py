"""The perceptron rule."""

from __future__ import annotations

from dataclasses import dataclass

from ..device.arrays import Array, host
from ..device.backend import Backend
from ..objectives import Objective
from .base import Optimizer, Record, State
from .outcome import Ending, Outcome

SEPARATED = Ending("every sample is on its own side", Outcome.CONVERGED)


@dataclass(frozen=True)
class Perceptron(Optimizer):
    """`w += d x` for the next sample that a threshold unit has wrong, going round (Rosenblatt 1958).

    A step is one such update, so that the number of steps is the number of mistakes, which
    `ThresholdUnit.mistake_bound` bounds. It ends when there is none left.

    Raises:
        TypeError: an objective that is no `ThresholdUnit`.
    """

    def begin(self, backend: Backend, objective: Objective, w: Array) -> State:
        if not hasattr(objective, "margins"):
            raise TypeError(f"objective must be a ThresholdUnit for the perceptron rule, got {objective!r}")
        rows = (w.shape[0], 1) if w.ndim > 1 else (1,)
        return {"step": 0, "next": host.zeros(rows, dtype=int)}

    def resume(self, backend: Backend, objective: Objective, w: Array, state: State) -> None:
        pass

    def advance(self, backend: Backend, objective: Objective, w: Array, state: State) -> Record:
        xp, signed = backend.xp, objective.signed  # type: ignore[attr-defined]
        value, gradient = objective.value_and_gradient(w)
        wrong = backend.to_numpy(objective.margins(w) <= 0.0)  # type: ignore[attr-defined]
        samples = wrong.shape[-1]
        ahead = (host.arange(samples) - state["next"]) % samples  # how far each sample is from its turn
        chosen = host.argmin(host.where(wrong, ahead, samples), axis=-1, keepdims=True)
        any_wrong = wrong.any(axis=-1, keepdims=True)
        rows = xp.take(signed, backend.asarray(chosen.reshape(-1)), axis=0)
        rows = xp.where(backend.asarray(any_wrong.reshape(-1, 1)), rows, xp.zeros_like(rows))
        w += rows if w.ndim > 1 else rows[0, :]
        state["next"] = host.where(any_wrong, (chosen + 1) % samples, state["next"])
        state["step"] += 1
        problems = tuple(None if some else SEPARATED for some in any_wrong.reshape(-1))
        return Record(state["step"] - 1, value, gradient, 1.0, problems if any(problems) else ())
