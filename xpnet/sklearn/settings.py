"""What an estimator's settings mean in xpnet's own terms: layers, optimizer, penalty, stopping rule."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from numbers import Real
from typing import Any, cast

import numpy as np

from .. import checks
from ..device.arrays import Vector
from ..divergences import NAMES as DIVERGENCES
from ..divergences import Divergence
from ..layers import Activation, Dense, Layer
from ..layers.activations import ActivationName
from ..objectives import L2
from ..optimizers import NAMES, FirstOrder, Minibatch, Optimizer, Outcome
from ..training import Run
from ..training.rule import Rule
from ..training.stopping import after, change_below, gradient_below, patience


def hidden_layers(settings: Any) -> list[Layer]:
    """`hidden`, units or layers, one or several, as layers; units of the `activation`."""
    hidden: Any = settings.hidden
    items = list(cast(Any, hidden)) if isinstance(hidden, list | tuple) else [hidden]
    return [
        item if isinstance(item, Layer) else Dense(checks.count("hidden", item), settings.activation)
        for item in items
    ]


def divergence_for(settings: Any, usual: Divergence) -> Divergence:
    """The `divergence`, or the one of this name; the `usual` one if there is none."""
    given, wanted = settings.divergence, "a Divergence such as CrossEntropy()"
    return usual if given is None else checks.named("divergence", given, Divergence, DIVERGENCES, wanted)


def ending_for(divergence: Divergence, output: Any, usual: Sequence[ActivationName]) -> Activation:
    """The last activation: `output`; else that of the `usual` ones whose logits `divergence` takes, or the
    first above which it can stand.

    Raises:
        ValueError: the divergence cannot stand above it, or above any of the usual.
    """
    endings = [Dense(1, name).activation for name in (usual if output is None else (output,))]
    endings.sort(key=lambda ending: ending not in divergence.logits)
    for ending in endings[:-1]:
        with contextlib.suppress(ValueError):
            divergence.on(ending)
            return ending
    divergence.on(endings[-1])
    return endings[-1]


def optimizer_for(settings: Any, seed: int) -> Optimizer:
    """The optimizer of this name, or this one, with another rate, on batches of this size.

    Raises:
        TypeError, ValueError: unknown; a rate or a batch size for a method that has none.
    """
    given: Any = settings.optimizer
    optimizer: Any = checks.named("optimizer", given, Optimizer, NAMES, "a name or an Optimizer")
    first_order = isinstance(optimizer, FirstOrder)
    for name, value in (("rate", settings.rate), ("batch_size", settings.batch_size)):
        if value is not None and not first_order:
            raise ValueError(f"{name} must be None for {optimizer!r}, which is no method of first order")
    if settings.rate is not None:
        optimizer = replace(optimizer, rate=settings.rate)
    size = settings.batch_size
    return optimizer if size is None else Minibatch(optimizer, checks.count("batch_size", size), seed)


def steps_in_pass(samples: int, optimizer: Optimizer) -> int:
    """How many steps see each sample once."""
    return math.ceil(samples / optimizer.size) if isinstance(optimizer, Minibatch) else 1


def penalty_for(penalty: Any, total: float) -> Any:
    """`penalty` as a risk takes it; a number is one on the sum over all samples, of this `total` weight."""
    if not isinstance(penalty, Real):
        return penalty
    return L2(checks.number("penalty", penalty, 0.0) / total) if total > 0.0 else None


def stop_for(settings: Any, pass_: int, *, held_out: bool) -> Rule:
    """The rule that ends a run whose passes through the data have so many steps."""
    stop: Rule = after(checks.count("max_iter", settings.max_iter) * pass_)
    tol = checks.number("tol", settings.tol, 0.0)
    if settings.stop is not None:
        stop = stop | checks.instance("stop", settings.stop, Rule, "a stopping rule such as time_limit(9)")
    elif pass_ == 1:  # a batch says little of the whole
        stop = stop | gradient_below(tol) | change_below(tol)
    stale = checks.count("n_iter_no_change", settings.n_iter_no_change)
    return stop | patience(stale) if held_out else stop


@dataclass(frozen=True, eq=False)
class Best:
    """The best replica of a run, or what came out where there is but one.

    Attributes:
        w: its best point: of the least held-out risk if there is one, else of the least value.
        number: of the replica.
        outcome, reason: as of the `Run`.
    """

    w: Vector
    number: int
    outcome: Outcome
    reason: str

    @classmethod
    def of(cls, run: Run) -> Best:
        """The best of `run`."""
        if not isinstance(run.outcome, tuple):
            return cls(run.best_w, 0, run.outcome, str(run.reason))
        k = int(np.argmin(np.asarray(run.best_value)))
        return cls(run.best_w[k, :], k, run.outcome[k], run.reason[k])


def columns(values: Any) -> Any:
    """What a history holds of each look, `(looks, R)`; R is 1 where there are no replicas."""
    return np.reshape(np.asarray(values), (len(values), -1))


def numbers(column: Any) -> list[float]:
    """The values of a replica, without the looks at which there was none."""
    return column[~np.isnan(column)].tolist()
