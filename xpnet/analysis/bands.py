"""What a history's columns look like over all replicas: quantiles of them, look by look."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from .. import checks
from ..device.arrays import Array, Namespace
from ..device.select import backend
from ..run import History, Run

Column = Literal["value", "held_out", "gradient_norm", "rate"]
Quantiles = tuple[float, float, float]


@dataclass(frozen=True, eq=False, repr=False)
class Band:
    """A column of a history without gaps, and where there are replicas three quantiles of it.

    Attributes:
        column: its name.
        step, seconds, evaluations: of each look that has a number, `(looks,)`.
        low, middle, high: the quantiles there, `(looks,)`; all the same where there is one of each number.
        quantiles: which those are.
        count: of replicas, or of parameters that have a rate each; 1 if there is one number.
    """

    column: Column
    step: Array
    seconds: Array
    evaluations: Array
    low: Array
    middle: Array
    high: Array
    quantiles: Quantiles
    count: int

    def __repr__(self) -> str:
        whose = f", quantiles {self.quantiles} of {self.count}" if self.count > 1 else ""
        return f"Band({self.column} at {self.step.size} looks{whose})"


def band(history: History | Run, column: Column = "value", quantiles: Quantiles = (0.1, 0.5, 0.9)) -> Band:
    """A column of the history of a run, as `low`, `middle` and `high` of all replicas.

    Looks at which it was not evaluated are left out. A replica that has stopped counts on with the last
    number that it had. Quantiles are interpolated between the replicas, as NumPy does by default.

    Args:
        history: of a run, or the run.
        column: "value", "held_out", "gradient_norm" or "rate".
        quantiles: three, in [0, 1], ascending.

    Raises:
        TypeError, ValueError: an argument of the wrong kind or range; a column without any number.

    >>> import numpy as np
    >>> from xpnet import GradientDescent, Quadratic, after, minimize
    >>> from xpnet.analysis import band
    >>> w = np.array([[1.0], [2.0], [3.0]])
    >>> run = minimize(Quadratic([[1.0]]), GradientDescent(0.5), w, stop=after(1))
    >>> band(run, "gradient_norm", (0.0, 0.5, 1.0)).high.tolist()
    [3.0]
    """
    looks: Any = history.history if isinstance(history, Run) else history
    checks.instance("history", looks, History, "a History or a Run")
    column = checks.choice("column", column, Column)
    if not isinstance(quantiles, tuple | list) or len(quantiles) != 3:
        raise TypeError(f"quantiles must be three numbers, got {checks.shown(quantiles)}")
    low, middle, high = (checks.number(f"quantiles[{k}]", own, 0.0, 1.0) for k, own in enumerate(quantiles))
    if not low <= middle <= high:
        raise ValueError(f"quantiles must ascend, got {checks.shown(quantiles)}")
    if not len(looks):
        raise ValueError(f"history must have a look, got {looks!r}")
    host = backend("numpy")
    xp = host.xp
    numbers = host.asarray(getattr(looks, column), "float64")
    numbers = xp.reshape(numbers, (numbers.shape[0], -1))
    known = xp.any(~xp.isnan(numbers), axis=1)
    if not bool(xp.any(known)):
        raise ValueError(f"history must have a number in its column {column!r}, and has none")
    numbers = _kept_on(xp, numbers[known, :])
    ordered = xp.sort(numbers, axis=1)  # NaN, of what has had no number yet, comes last
    counts = xp.sum(xp.astype(~xp.isnan(numbers), xp.int64), axis=1)
    parts = [_quantile(xp, ordered, counts, q) for q in (low, middle, high)]
    return Band(
        column,
        *(looks.step[known], looks.seconds[known], looks.evaluations[known]),
        *(parts[0], parts[1], parts[2]),
        (low, middle, high),
        numbers.shape[1],
    )


def _kept_on(xp: Namespace, numbers: Array) -> Array:
    """`numbers` `(looks, R)` with the last one before in the place of NaN."""
    rows = [numbers[0, :]]
    for look in range(1, numbers.shape[0]):
        rows.append(xp.where(xp.isnan(numbers[look, :]), rows[-1], numbers[look, :]))
    return xp.stack(rows)


def _quantile(xp: Namespace, ordered: Array, counts: Array, q: float) -> Array:
    """The quantile `q` of the first `counts` of each row, which ascends."""
    place = q * (counts - 1)
    below = xp.astype(xp.floor(place), xp.int64)
    above = xp.minimum(below + 1, counts - 1)
    share = place - below
    first, second = (xp.take_along_axis(ordered, at[:, None], axis=1)[:, 0] for at in (below, above))
    with backend("numpy").quiet():
        return xp.where(share > 0.0, (1.0 - share) * first + share * second, first)
