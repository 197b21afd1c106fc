"""What comes back from a run: the point, how it ended, and what was read on the way."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

from ..device.arrays import Array, Namespace, Vector
from ..device.backend import Kernels
from ..optimizers import Outcome
from ..optimizers.base import State


class Look(NamedTuple):
    """What was read of one step, on the host; an entry of a `History`, which says what each is."""

    step: int
    value: Any
    gradient_norm: Any
    rate: Any
    held_out: Any
    seconds: float
    evaluations: int


@dataclass(frozen=True, eq=False, repr=False)
class History:
    """What was read in the course of a run, one entry for each look at the device.

    Each attribute is an array on the host; where there are replicas, `value`, `gradient_norm`, `held_out`
    are `(looks, R)`, and what a replica did after it had stopped is NaN. `history[k]` is the k-th look,
    with the same names.

    Attributes:
        step: the number of the step, 0 for the first, `(looks,)`.
        value: the objective, at the point where the gradient of the step was taken.
        gradient_norm: the Euclidean norm of that gradient.
        rate: the learning rate; `(looks, R)` or `(looks, P)` where each replica or each parameter has its
            own. NaN where the step was not taken, as the run ended at its point.
        held_out: the held-out risk at the same point; NaN where it was not evaluated.
        seconds: since the start, when the step was over.
        evaluations: of the objective so far, gradients and values alike.
    """

    step: Array
    value: Array
    gradient_norm: Array
    rate: Array
    held_out: Array
    seconds: Array
    evaluations: Array

    def __len__(self) -> int:
        return len(self.step)

    def __getitem__(self, k: int) -> Look:
        return Look(*(getattr(self, name)[k] for name in Look._fields))

    def __iter__(self) -> Iterator[Look]:
        return map(self.__getitem__, range(len(self)))

    def __repr__(self) -> str:
        if not len(self):
            return "History(0 looks)"
        return f"History({len(self)} looks, value {self.value[0]} at first, {self.value[-1]} at last)"


def history(host: Namespace, looks: list[Look], replicas: int | None) -> History:
    """The history of `looks`, of so many replicas, or of a single `w`."""
    rates = max((getattr(look.rate, "size", 0) for look in looks), default=0)  # one for each of so many

    def column(name: str, dtype: Any) -> Array:
        values = [getattr(look, name) for look in looks]
        rows = () if replicas is None or name not in PER_REPLICA else (replicas,)
        if name == "rate" and rates:  # a number stands for all
            rows = (rates,)
            values = [host.broadcast_to(host.asarray(value), rows) for value in values]
        return host.reshape(host.asarray(values, dtype=dtype), (len(looks), *rows))

    kinds = {name: host.float64 for name in Look._fields} | {"step": host.int64, "evaluations": host.int64}
    return History(**{name: column(name, kind) for name, kind in kinds.items()})


PER_REPLICA = ("value", "gradient_norm", "held_out")


@dataclass(frozen=True, eq=False, repr=False)
class Run:
    """What `minimize` returns; or what an exception in it carries as `error.run`.

    Attributes:
        w: the point that `reason` speaks of: where a test held, or after the last step.
        value: the objective at `w`, a float, or `(R,)` on the host.
        best_w: the best finite point at which the objective was evaluated; or where there is a held-out
            risk, that; or for a `ThresholdUnit`, the number of mistakes.
        best_value: the objective, held-out risk, or number of mistakes, at `best_w`.
        reason: why the run stopped; where there are replicas a tuple with a reason for each.
        outcome: how it ended, an `Outcome`; for replicas a tuple likewise.
        converged: whether the outcome is CONVERGED: a test of convergence held; `(R,)` for replicas.
        history: a `History`.
        steps: the number of steps taken.
        seconds: the time they took.
        evaluations: how often the objective was evaluated: {"value": ..., "gradient": ..., "product": ...}
            (products with second derivatives; those of all replicas at once count once).
        state: what the optimizer remembers, for `minimize(..., run.w, state=run.state)` to go on.
        kernels: what ran the rules: "numpy", "numba" or "cuda"; the same give the same bits.
    """

    w: Vector
    value: float | Array
    best_w: Vector
    best_value: float | Array
    reason: str | tuple[str, ...]
    outcome: Outcome | tuple[Outcome, ...]
    converged: bool | Array
    history: History
    steps: int
    seconds: float
    evaluations: dict[str, int]
    state: State
    kernels: Kernels

    def __repr__(self) -> str:
        outcomes = self.outcome if isinstance(self.outcome, tuple) else (self.outcome,)
        words = ", ".join(dict.fromkeys(outcome.value for outcome in outcomes))
        return (
            f"Run({words}, reason={self.reason!r}, value={self.value}, best_value={self.best_value}, "
            f"steps={self.steps}, seconds={self.seconds:.3g}, kernels={self.kernels!r})"
        )
