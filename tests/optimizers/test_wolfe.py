"""More and Thuente's search on single lines."""

from __future__ import annotations

import math

import numpy as np
import pytest

from xpnet import Backtracking, StrongWolfe
from xpnet.optimizers.line_search import Line


def walk(search, phi, slope, *, first=1.0, rounding=0.0):
    """The length that a search returns on a line, and those that it tries."""
    tried = []
    steps = search.walk(Line(phi(0.0), slope(0.0), rounding, first))
    t = next(steps)
    while True:
        tried.append(t)
        try:
            t = steps.send((phi(t), slope(t)))
        except StopIteration as end:
            return end.value, tried


@pytest.mark.parametrize("first", [1e-8, 1e-3, 1.0, 1e3, 1e8])
@pytest.mark.parametrize("curvature", [0.1, 0.9])
def test_the_strong_conditions_hold(first, curvature):
    a = 0.004
    lines = (  # the first two of More and Thuente's
        (lambda t: -t / (t * t + 2), lambda t: (t * t - 2) / (t * t + 2) ** 2),
        (
            lambda t: (t + a) ** 5 - 2 * (t + a) ** 4,
            lambda t: (t + a) ** 3 * (5 * (t + a) - 8),
        ),
        (lambda t: math.cosh(min(t, 700.0) - 3), lambda t: math.sinh(min(t, 700.0) - 3)),
    )
    for phi, slope in lines:
        (length, ending), tried = walk(StrongWolfe(1e-4, curvature), phi, slope, first=first)
        assert ending is None
        assert phi(length) <= phi(0) + 1e-4 * length * slope(0)
        assert abs(slope(length)) <= curvature * abs(slope(0))
        assert len(tried) <= 25


@pytest.mark.parametrize("scale", [1e-300, 1e-30, 1.0, 1e30, 1e304])
def test_lines_of_any_size(scale):
    (length, ending), tried = walk(
        StrongWolfe(), lambda t: scale * (t - 2) ** 2, lambda t: 2 * scale * (t - 2), first=1e-3
    )
    assert ending is None
    assert 0 < length < 4
    assert len(tried) < 15


def test_what_rounding_hides_is_told_by_the_slopes():
    """Fault 46: in single precision with a curvature of 1e-10 it bracketed [0, 1] and found nothing."""
    one = np.float32(1)

    def slope(t):
        return float(np.float32(1e-20) * (np.float32(t) * np.float32(1e-10) - one))

    (length, ending), _ = walk(StrongWolfe(), lambda t: 0.5, slope, rounding=4 * 0.5 * 2.0**-23)
    assert ending is None
    assert abs(slope(length)) <= 0.9 * abs(slope(0))
    assert length > 1e8


def test_a_line_that_is_flat_but_for_its_slope_at_0_ends():
    for search in (StrongWolfe(), Backtracking()):
        (length, ending), tried = walk(search, lambda t: 0.0, lambda t: -1.0 if t == 0 else 0.0)
        assert length == 0.0 or ending is None
        assert len(tried) <= 60
