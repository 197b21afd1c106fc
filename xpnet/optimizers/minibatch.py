"""Incremental updates: each step sees only some of the samples."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from .. import checks
from ..device.arrays import Array, host_generator
from ..device.backend import Backend
from ..objectives import Objective, Offers
from ..objectives.base import require
from .base import FirstOrder, Optimizer, Record, State
from .settings import keep


@dataclass(frozen=True)
class Minibatch(Optimizer):
    """Steps of `optimizer` on one batch of samples after another (Robbins, Monro 1951).

    Every epoch runs through all samples in a new random order; its last batch may be smaller. A step's
    record, and so the history, tells the value on the batch. Over an epoch of batches of one size, values
    and gradients at a point average to those of the whole objective, whatever the samples' weights. With a
    batch of all samples, or more, every step is that of `optimizer` on the whole objective, bit for bit.

    Where the objective is `random`, as a risk with dropout, each epoch has a new draw; with a batch of all
    samples that is each step.

    Attributes:
        optimizer: of first order, as the others compare values of one function; or the name of one with
            its default settings, such as "adam".
        size: of a batch; 1 gives one sample at a time.
        seed: of the orders, which are drawn on the host.

    Raises:
        TypeError: another optimizer; an objective that has no samples.
        ValueError: `size` below 1, a negative seed.

    >>> from xpnet import Adam, Minibatch
    >>> optimizer = Minibatch(Adam(1e-3), size=32, seed=1)
    """

    waits = False

    optimizer: Any
    size: int = 32
    seed: int = 0

    def __post_init__(self) -> None:
        from . import NAMES  # which this is in itself

        names = {name: own for name, own in NAMES.items() if isinstance(own, FirstOrder)}
        wanted = "one of first order such as Momentum()"
        keep(
            self,
            optimizer=checks.named("optimizer", self.optimizer, FirstOrder, names, wanted),
            size=checks.count("size", self.size),
            seed=checks.seed("seed", self.seed),
        )

    def begin(self, backend: Backend, objective: Objective, w: Array) -> State:
        require(objective, Offers.SUBSET, "Minibatch")
        checks.count("objective.samples", objective.samples)
        return self.optimizer.begin(backend, objective, w) | {
            "order": self._order(objective, 0),
            "place": 0,
            "epoch": 0,
        }

    def resume(self, backend: Backend, objective: Objective, w: Array, state: State) -> None:
        self.optimizer.resume(backend, objective, w, state)
        for name in ("place", "epoch"):
            state[name] = checks.count(f"state[{name!r}]", state[name], 0)

    def advance(self, backend: Backend, objective: Objective, w: Array, state: State) -> Record:
        if self.size >= objective.samples:
            whole = objective.redraw(state["step"]) if Offers.REDRAW in objective.offers else objective
            return self.optimizer.advance(backend, whole, w, state)
        if state["place"] >= objective.samples:
            state["place"], state["epoch"] = 0, state["epoch"] + 1
            state["order"] = self._order(objective, state["epoch"])
        end = state["place"] + self.size
        batch = state["order"][state["place"] : end]  # on the host, where it is checked
        whole = objective.redraw(state["epoch"]) if Offers.REDRAW in objective.offers else objective
        record = self.optimizer.advance(backend, whole.subset(batch), w, state)
        state["place"] = end
        return record

    def _order(self, objective: Objective, epoch: int) -> Array:
        return host_generator((self.seed, epoch)).permutation(objective.samples)
