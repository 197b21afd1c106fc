"""Central differences, and how far they can be trusted.

`(f(x + h) - f(x - h)) / 2h` with `h = eps^(1/3) (1 + |x|)` is off by about `h^2` from the terms that it
leaves out, and by `eps |f| / h` from rounding. Where a derivative is further from it than the tolerance
and the rounding allow, `h` is halved, some times: what two quotients differ by tells how far the first was
off, and a kink that lay within `h` may not lie within less.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterable
from typing import Any

from .. import checks
from ..device.arrays import Array, Namespace

ROUNDING = 8.0  # times eps |f|: what a value may be off by
HALVINGS = 4
DOUBT = 3.0  # times the least change by halving the step: what the quotient may be off by

TOLERANCES = {"float64": 1e-7, "float32": 1e-3}


def tolerance_for(dtype: Any, given: float | None) -> float:
    """The tolerance that was given, checked, else the one that suits the dtype."""
    if given is None:
        return TOLERANCES[checks.dtype_name(dtype)]
    return checks.number("tolerance", given, 0.0, open="(")


def epsilon(host: Namespace, dtype: Any) -> float:
    return float(host.finfo(dtype).eps)


def require(condition: Any, message: str) -> None:
    """Raises AssertionError unless `condition` holds."""
    if not condition:
        raise AssertionError(message)


def close(host: Namespace, got: Array, want: Array) -> bool:
    """Whether two arrays are equal but for rounding."""
    eps = epsilon(host, want.dtype)
    return bool(host.all(host.abs(got - want) <= 4096 * eps * host.abs(want) + 64 * eps))


def compare_gradient(
    host: Namespace,
    what: str,
    function: Callable[[Array], Array],
    x: Array,
    analytic: Array,
    tolerance: float,
    *,
    per_row: bool = False,
) -> None:
    """Compares `analytic` with central differences of `function` at `x`, coordinate by coordinate.

    With `per_row` the function gives one value for each row of a matrix, and depends on that row only.

    Raises:
        AssertionError: they differ.
    """
    columns = tuple(x.shape[-1:] if per_row else x.shape)
    eps = epsilon(host, x.dtype)

    def fill(factor: float, indices: Iterable[tuple[int, ...]], numeric: Array, noise: Array) -> None:
        for index in indices:
            place = (..., *index)
            step = factor * eps ** (1 / 3) * (1.0 + host.abs(x[place]))
            above, below = host.asarray(x, copy=True), host.asarray(x, copy=True)
            above[place] += step
            below[place] -= step
            # what was moved by, rounding included
            width = host.astype(above[place], host.float64) - host.astype(below[place], host.float64)
            high, low = function(above), function(below)
            numeric[place] = (high - low) / width
            noise[place] = ROUNDING * eps * 2.0 * host.maximum(host.abs(high), host.abs(low)) / width

    everywhere = list(itertools.product(*map(range, columns)))
    numeric, noise = (host.zeros(tuple(x.shape), dtype=host.float64) for _ in range(2))
    fill(1.0, everywhere, numeric, noise)

    def closer(factor: float, good: Array) -> Array:
        doubtful = [index for index in everywhere if not bool(host.all(good[(..., *index)]))]
        again = host.asarray(numeric, copy=True)
        fill(factor, doubtful, again, host.zeros_like(noise))
        return again

    _settle(host, what, analytic, numeric, noise, closer, tolerance)


def compare_products(
    host: Namespace,
    what: str,
    function: Callable[[float], Array],
    analytic: Array,
    tolerance: float,
    *,
    size: float,
    eps: float,
) -> None:
    """Compares `analytic`, an array, with the derivative of the array `function(t)` at `t = 0`.

    `function` moves by `t` times a direction of length about 1 from a point of the size `size`.

    Raises:
        AssertionError: they differ.
    """

    def quotient(step: float) -> tuple[Array, Array]:
        high, low = function(step), function(-step)
        largest = max(float(host.max(host.abs(high))), float(host.max(host.abs(low))))
        numeric = (host.astype(high, host.float64) - host.astype(low, host.float64)) / (2.0 * step)
        return numeric, host.full(tuple(analytic.shape), ROUNDING * eps * largest / step)

    step = eps ** (1 / 3) * (1.0 + size)
    numeric, noise = quotient(step)
    _settle(host, what, analytic, numeric, noise, lambda factor, _: quotient(factor * step)[0], tolerance)


def _settle(
    host: Namespace,
    what: str,
    analytic: Array,
    numeric: Array,
    noise: Array,
    closer: Callable[[float, Array], Array],
    tolerance: float,
) -> None:
    """Raises AssertionError unless `analytic` is `numeric`, as far as can be told.

    `closer(factor, good)` gives another `numeric`, with steps shorter by `factor`, at least where not
    `good`. What counts is the one that differs least from that with twice its step.
    """
    scale = float(host.max(host.abs(numeric)))
    finite = host.isfinite(analytic) & host.isfinite(numeric)
    error = host.abs(analytic - numeric)
    good = finite & (error <= tolerance * scale + noise)
    if bool(host.all(good)):
        return
    before, changed = numeric, host.full(tuple(numeric.shape), math.inf)
    best = changed
    for halvings in range(1, HALVINGS + 1):
        shorter = closer(0.5**halvings, good)
        change = host.abs(shorter - before)
        doubt = change + changed  # a single one may be little by chance
        numeric = host.where(doubt < best, shorter, numeric)
        best, before, changed = host.minimum(doubt, best), shorter, change
    error = host.abs(analytic - numeric)
    good = good | (finite & (error <= tolerance * scale + noise + DOUBT * best))
    if bool(host.all(good)):
        return
    excess = host.where(good, 0.0, host.where(error <= math.inf, error, math.inf))  # NaN counts most
    flat = int(host.argmax(host.reshape(excess, (-1,))))
    index: list[int] = []
    for length in reversed(tuple(excess.shape)):
        flat, place = divmod(flat, length)
        index.insert(0, place)
    worst = tuple(index)
    own, other = float(analytic[worst]), float(numeric[worst])
    raise AssertionError(
        f"{what} at {worst}: {own!r}, by differences {other!r}; "
        f"relative error {abs(own - other) / (scale or 1.0):.1e}, allowed {tolerance:.1e}"
    )
