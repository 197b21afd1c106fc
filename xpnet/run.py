"""What comes back from a run: the point, how it ended, and what was read on the way."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import array_api_compat

from . import checks
from .device.arrays import Array, Namespace, Vector
from .device.backend import Kernels
from .glossary import HintedAttributes
from .optimizers import Outcome
from .optimizers.base import State


class Look(NamedTuple):
    """What was read of one step, on the host; an entry of a `History`, which says what each is.

    `looked` is False for a step between looks, of which only value, norm and rate are known.
    """

    step: int
    value: Any
    gradient_norm: Any
    rate: Any
    held_out: Any
    seconds: float
    evaluations: int
    looked: bool
    metrics: dict[str, Any]


COLUMNS = Look._fields[:-2]  # that every history has
HELD_OUT = "held_out_"  # before the names of metrics of the held-out risk


@dataclass(frozen=True, eq=False, repr=False)
class History(HintedAttributes):
    """What was read in the course of a run, one entry for each look at the device.

    With a `graph` the steps between looks have entries too. Each attribute is an array on the host; where
    there are replicas, `value`, `gradient_norm`, `held_out` are `(looks, R)`, and what a replica did after
    it had stopped is NaN. `history[k]` is the k-th look, with the same names.

    Attributes:
        step: the number of the step, 0 for the first, `(looks,)`.
        value: the objective, at the point where the gradient of the step was taken.
        gradient_norm: the Euclidean norm of that gradient; with `Projected` of its part within the ball.
            NaN between looks where its square overflows.
        rate: the learning rate; `(looks, R)` or `(looks, P)` where each replica or each parameter has its
            own, and the mean of those of each parameter where there are replicas. NaN where the step was
            not taken, as the run ended at its point.
        held_out: the held-out risk at the same point; NaN where it was not evaluated.
        seconds: since the start, when the step was over; between looks, when it was read.
        evaluations: of the objective so far, gradients and values alike.
        path: the points themselves, `(looks, P)` or `(looks, R, P)`, where `keep_path` has asked for them.
        metrics: by name what `metrics` has asked for, at the same point, and after `held_out_` the same for
            the held-out risk: `metrics["error_rate"]` and `metrics["held_out_error_rate"]`, shaped like
            `value` and `held_out`.
        looked: which entries are looks, `(looks,)` truth values: those that rules, callbacks and the best
            point have seen; None where all are.
    """

    step: Array
    value: Array
    gradient_norm: Array
    rate: Array
    held_out: Array
    seconds: Array
    evaluations: Array
    path: Array | None = None
    metrics: dict[str, Array] = field(default_factory=dict[str, Array])
    looked: Array | None = None

    def __len__(self) -> int:
        return len(self.step)

    def __getitem__(self, k: int) -> Look:
        metrics = {name: own[k] for name, own in self.metrics.items()}
        columns: dict[str, Any] = {name: getattr(self, name)[k] for name in COLUMNS}
        return Look(**columns, looked=self.looked is None or bool(self.looked[k]), metrics=metrics)

    def __iter__(self) -> Iterator[Look]:
        return map(self.__getitem__, range(len(self)))

    def where(self, rows: Any) -> History:
        """The entries in `rows`, truth values or a slice."""
        columns: dict[str, Any] = {name: getattr(self, name)[rows] for name in COLUMNS}
        for name in ("path", "looked"):
            own = getattr(self, name)
            columns[name] = None if own is None else own[rows]
        return History(**columns, metrics={name: own[rows] for name, own in self.metrics.items()})

    def looks(self) -> History:
        """The entries of looks only."""
        return self if self.looked is None else self.where(self.looked)

    def held_out_looks(self) -> History:
        """Those looks only at which the held-out risk was evaluated: a curve without gaps.

        >>> import numpy as np
        >>> from xpnet import Momentum, Quadratic, after, minimize
        >>> bowl, far = Quadratic(np.eye(2)), Quadratic(2 * np.eye(2))
        >>> run = minimize(bowl, Momentum(), np.ones(2), stop=after(30), held_out=far, held_out_every=10)
        >>> looks = run.history.held_out_looks()
        >>> looks.step.tolist(), looks.held_out.shape
        ([0, 10, 20], (3,))
        """
        found: Any = self.held_out == self.held_out
        return self.where(found if found.ndim == 1 else found.any(axis=1))

    def to_frame(self) -> Any:
        """A data frame of pandas, one row for each entry; with replicas one for each entry and replica.

        The columns have the names of the attributes and of the metrics, and with replicas there is one
        called `replica`; what a replica has not done any more, as it had stopped, has no row. Where each
        parameter has a rate of its own, and in any case for `path`, there is no column.

        Raises:
            ImportError: pandas is not installed (extra `pandas`).
        """
        try:
            import pandas
        except ImportError as error:
            raise ImportError(f"to_frame needs pandas: {checks.installing('pandas')}") from error
        columns = {name: getattr(self, name) for name in COLUMNS} | self.metrics
        replicas = self.value.shape[1] if self.value.ndim > 1 else None
        if self.rate.ndim > 1 and self.rate.shape[1] != replicas:
            del columns["rate"]
        if replicas is None:
            return pandas.DataFrame(columns)
        host = array_api_compat.array_namespace(self.value)
        known = host.astype(self.value == self.value, host.int64)
        rows = (known[::-1].cumsum(axis=0)[::-1] > 0).reshape(-1)  # there is a value here or later
        columns = {"step": columns.pop("step"), "replica": host.arange(replicas)[None, :], **columns}
        shape = (len(self), replicas)
        long = {
            name: host.broadcast_to(own if own.ndim > 1 else own[:, None], shape).reshape(-1)[rows]
            for name, own in columns.items()
        }
        return pandas.DataFrame(long)

    def __repr__(self) -> str:
        if not len(self):
            return "History(0 looks)"
        first, last = (_least(self.value[k]) for k in (0, -1))
        whose, least = "", ""
        if self.value.ndim > 1:
            whose, least = f" at {self.value.shape[1]} replicas", "least "
        entries = f"{len(self)} looks"
        if self.looked is not None:
            entries = f"{len(self)} steps, {len(self.looks())} looks"
        return f"History({entries}{whose}, {least}value {first} at first, {last} at last)"


def _least(values: Any) -> float:
    """The least of what is a number or an array of the host, without NaN."""
    return min((float(value) for value in values.reshape(-1) if value == value), default=math.nan)


def joined(before: History | None, after: History) -> History:
    """Both one after the other; a path only if both have one."""
    if before is None or not len(before):
        return after
    if not len(after):
        return before
    host = array_api_compat.array_namespace(after.value)
    columns: dict[str, Any] = {"metrics": {}}
    for name in {**before.metrics, **after.metrics}:  # NaN where a run had it not
        pair = [own.metrics.get(name, own.value * math.nan) for own in (before, after)]
        columns["metrics"][name] = host.concat(pair)
    if before.looked is not None or after.looked is not None:
        parts = [
            host.ones(len(own), dtype=host.bool) if own.looked is None else own.looked
            for own in (before, after)
        ]
        columns["looked"] = host.concat(parts)
    for name in (*COLUMNS, "path"):
        pair = [getattr(before, name), getattr(after, name)]
        if any(own is None for own in pair):
            continue
        if name == "rate" and pair[0].ndim != pair[1].ndim:  # a number stands for all
            wide = next(own.shape[1] for own in pair if own.ndim > 1)
            pair = [host.broadcast_to(own.reshape(len(own), -1), (len(own), wide)) for own in pair]
        columns[name] = host.concat(pair)
    return History(**columns)


def history(
    host: Namespace, looks: list[Look], replicas: int | None, path: list[Array] | None = None
) -> History:
    """The history of `looks`, of so many replicas, or of a single `w`; with the points of its `path`.

    Where there is a path, each entry is a look.
    """
    rates = max((getattr(look.rate, "size", 0) for look in looks), default=0)  # one for each of so many
    found = dict(zip(Look._fields, zip(*looks, strict=True), strict=True)) if looks else {}
    each = () if replicas is None else (replicas,)

    def column(name: str, dtype: Any) -> Array:
        values = found.get(name, ())
        rows = each if name in PER_REPLICA else ()
        if name == "rate" and rates:  # a number stands for all
            rows = (rates,)
            values = [host.broadcast_to(host.asarray(value), rows) for value in values]
        whole = host.asarray(values, dtype=dtype)
        return host.reshape(whole, (len(looks), *rows)) if rows else whole

    kinds = {name: host.float64 for name in COLUMNS} | {"step": host.int64, "evaluations": host.int64}
    points = None if path is None or not path else host.stack(path)
    metrics = {
        name: host.reshape(host.asarray([look.metrics[name] for look in looks]), (len(looks), *each))
        for name in (looks[0].metrics if looks else ())
    }
    columns = {name: column(name, kind) for name, kind in kinds.items()}
    looked = [look.looked for look in looks]
    steps = None if all(looked) else host.asarray(looked)  # between looks
    return History(**columns, path=points, metrics=metrics, looked=steps)


PER_REPLICA = ("value", "gradient_norm", "held_out")


@dataclass(frozen=True, eq=False, repr=False)
class Run(HintedAttributes):
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
        work = f"steps={self.steps}, seconds={self.seconds:.3g}, kernels={self.kernels!r}"
        if not isinstance(self.outcome, tuple):
            values = f"value={self.value}, best_value={self.best_value}"
            return f"Run({self.outcome.value}, reason={self.reason!r}, {values}, {work})"
        ways = Counter(outcome.value for outcome in self.outcome)
        words = ", ".join(f"{count} {way}" for way, count in ways.items())
        values = f"least value {_least(self.value)}, best {_least(self.best_value)}"
        return f"Run({len(self.outcome)} replicas: {words}; {values}, {work})"
