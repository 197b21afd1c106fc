"""The search before a run is said to be at its end, along the gradient and along that of the logarithms."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

from ..device.backend import Backend
from .line_search import ROUNDING, Line, LineSearch, Walk
from .outcome import Ending
from .replicas import Numbers, column, row_norms
from .searches import (
    JUMPS,
    NON_FINITE,
    NOT_LOWER,
    ROUNDED,
    Move,
    Start,
    slopes,
)

SMOOTH = 12  # halvings after which a slope that does not jump is small at both ends


@dataclass(frozen=True)
class LastResort(LineSearch):
    """Tries lengths of every size, and judges by the value alone, before a run is said to be at its end.

    From the first length on it goes to longer ones while the slope is negative and no value is lower, as on
    a plateau; then to shorter ones, until the slope is negative and the value no longer differs. If none is
    lower, the parabola through the slopes around their change of sign tells whether one could be: if it
    promises no more than rounding hides, and the slope goes through zero there and does not jump, this is a
    minimum as far as numbers of this kind can tell.

    Attributes:
        factor: from one length to the next.
        trials: the most in each direction.
    """

    factor: float = 8.0
    trials: int = 60

    needs_gradient = True

    def walk(self, line: Line) -> Walk:
        seen: list[tuple[float, float, float]] = []  # lengths, values, slopes
        ending = NOT_LOWER
        for factor in (self.factor, 1.0 / self.factor):
            t = line.first if factor > 1.0 else line.first * factor
            for _ in range(self.trials):
                value, slope = yield t
                falls = math.isfinite(value) and slope < 0.0
                if not (math.isfinite(value) and math.isfinite(slope)):
                    ending = NON_FINITE
                elif value < line.value - line.rounding:
                    return t, None
                else:
                    seen.append((t, value, slope))
                flat = falls and value <= line.value + line.rounding
                if flat if factor < 1.0 else not falls:
                    break  # a shorter one would bring less; a longer one might, but goes up
                t *= factor
        t, value, _ = min(seen, key=lambda trial: trial[1], default=(0.0, math.inf, 0.0))
        if value < line.value:
            return t, None
        above = [(t, slope) for t, _, slope in seen if slope >= 0.0]
        if not above:
            return 0.0, ending
        rising: tuple[float, float] = min(above)
        below = [(0.0, line.slope), *((t, slope) for t, _, slope in seen if t < rising[0])]
        falling: tuple[float, float] = max(below)
        turn = falling[0] + falling[1] / (falling[1] - rising[1]) * (rising[0] - falling[0])
        if -0.5 * line.slope * turn > ROUNDING * line.rounding:
            return 0.0, NOT_LOWER
        for _ in range(SMOOTH):
            if max(-falling[1], rising[1]) <= -0.25 * line.slope:
                return 0.0, ROUNDED
            t = 0.5 * (falling[0] + rising[0])
            _, slope = yield t
            falling, rising = ((t, slope), rising) if slope < 0.0 else (falling, (t, slope))
        return 0.0, JUMPS


def last_resort(backend: Backend, start: Start, scaled: Numbers, least: Numbers, active: Numbers) -> Start:
    """The start of a `LastResort` from where `start` is, with values to be below `least`.

    Along the negative gradient `-g`; where `scaled`, along `-w^2 g`, that in the logarithms of the
    parameters. Lengths begin with one that moves as far as the parameters are long.
    """
    xp, host, w, direction = backend.xp, backend.host, start.w, start.direction
    sizes = row_norms(backend, w)
    if bool(host.any(scaled & active)):
        largest = xp.max(xp.abs(w), axis=-1, keepdims=True)
        share = xp.where(w != 0.0, w / xp.where(largest > 0.0, largest, 1.0), 1.0)
        direction = xp.where(column(backend, scaled, w), direction * share * share, direction)
    lengths = row_norms(backend, direction)
    first = host.where(sizes > 0.0, sizes, 1.0) / host.where(lengths > 0.0, lengths, 1.0)
    falls = slopes(backend, start.gradient, direction)
    return replace(start, direction=direction, values=least, slopes=falls, first=first, active=active)


def merged(backend: Backend, rows: Numbers, left: Move, right: Move) -> Move:
    """`left` for these rows, which has a gradient, `right` for the others."""
    xp, host, w = backend.xp, backend.host, left.w
    columns, flat = column(backend, rows, w), backend.asarray(rows)
    endings: list[Ending | None] = [
        left.endings[r] if of_left else right.endings[r] for r, of_left in enumerate(rows)
    ]
    gradient = None if right.gradient is None else xp.where(columns, left.gradient, right.gradient)
    return Move(
        xp.where(columns, left.w, right.w),
        host.where(rows, left.lengths, right.lengths),
        tuple(endings),
        xp.where(flat, left.value, right.value),
        gradient,
    )
