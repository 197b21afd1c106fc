"""What a sequence of values does in the end: converge, jitter or diverge."""

from __future__ import annotations

import math
from typing import Any, Literal, TypeAlias

from .. import checks
from ..device.arrays import Array, Namespace
from ..device.select import backend

LEAST = 8  # values, of which the last half is judged

Course: TypeAlias = Literal["converging", "jittering", "diverging"]


def outcome(
    values: Any, minimum: float | None = None, *, tolerance: float = 1e-9
) -> Course | tuple[Course, ...]:
    """What the values of a run do in the end, in the lecture's three words.

    It looks at the values alone; why a run ended is said by its `xpnet.Outcome`. The last quarter is
    compared with the one before it. The sequence is

    - "diverging", where it is not finite, or all of the last quarter is above all of the one before;
    - "converging", where it has settled: the last quarter spans at most `tolerance` of the whole; or where
      all of it is below all of the quarter before; or where it spans less than a third as much;
    - "jittering", where none of that is so: it goes up and down, or stays where it is, and gets nowhere.

    With a `minimum` it is the errors `|values - minimum|` that are judged, and to have settled is to have
    an error of at most `tolerance` of the largest: to stay away from the minimum is to jitter. This is the
    way to judge a parameter, too. Of noise some 40 values are needed, or a quarter is lower by chance.

    Args:
        values: `(steps,)`, or `(steps, R)` of replicas, at least 8 steps; NaN only where a replica had
            stopped, and then what it had done until then is judged.
        minimum: what they are to converge to; by default whatever they settle at.
        tolerance: see above.

    Returns:
        A word; of replicas a tuple with one for each.

    Raises:
        TypeError, ValueError: values of another kind or shape, too few, or NaN before a number.

    >>> from xpnet.analysis import outcome
    >>> [outcome([factor**k for k in range(40)], 0.0) for factor in (0.5, -0.5, -1.0, -1.1)]
    ['converging', 'converging', 'jittering', 'diverging']
    """
    minimum = None if minimum is None else checks.number("minimum", minimum)
    tolerance = checks.number("tolerance", tolerance, 0.0)
    host = backend("numpy")
    numbers = host.asarray(values, "float64", name="values")
    if numbers.ndim not in (1, 2) or 0 in numbers.shape:
        raise ValueError(f"values must be (steps,) or (steps, R), got shape {tuple(numbers.shape)}")
    columns = numbers[:, None] if numbers.ndim == 1 else numbers
    with host.quiet():
        found: tuple[Course, ...] = tuple(
            _course(host.xp, _known(host.xp, columns[:, k]), minimum, tolerance)
            for k in range(columns.shape[1])
        )
    return found[0] if numbers.ndim == 1 else found


def _known(xp: Namespace, values: Array) -> Array:
    """`values` without the NaN at their end."""
    there = ~xp.isnan(values)
    count = int(xp.sum(there))
    if not bool(xp.all(there[:count])):
        raise ValueError("values must be NaN only where a replica had stopped, got NaN before a number")
    if count < LEAST:
        raise ValueError(f"values must be {LEAST} steps or more, got shape ({count},) without NaN")
    return values[:count]


def _course(xp: Namespace, values: Array, minimum: float | None, tolerance: float) -> Course:
    if not bool(xp.all(xp.isfinite(values))):
        return "diverging"
    errors = values if minimum is None else xp.abs(values - minimum)
    quarter = errors.shape[0] // 4
    (low, high), (before_low, before_high) = (
        (float(xp.min(part)), float(xp.max(part)))
        for part in (errors[-quarter:], errors[-2 * quarter : -quarter])
    )
    if minimum is None:
        whole = float(xp.max(errors)) - float(xp.min(errors))
        settled = high - low <= tolerance * max(whole, math.ulp(high) / max(tolerance, math.ulp(1.0)))
    else:
        settled = high <= tolerance * float(xp.max(errors))
    if settled:
        return "converging"
    slack = tolerance * max(abs(high), abs(before_high))  # rounding is no movement
    if low > before_high + slack:
        return "diverging"
    falls = high < before_low - slack or 3.0 * (high - low) < before_high - before_low - slack
    return "converging" if falls else "jittering"
