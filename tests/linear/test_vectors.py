"""Norms that neither over- nor underflow."""

from __future__ import annotations

import math

import numpy as np
import pytest

from xpnet import linear


@pytest.mark.parametrize(
    ("name", "sizes"), [("float32", (1e-44, 1e-25, 1, 1e30)), ("float64", (5e-320, 1e-200, 1, 1e300))]
)
def test_norms_are_safe(name, sizes):
    for size in sizes:
        v = (size * np.array([[3.0, 4.0], [0.0, 1.0]])).astype(name)
        want = [math.hypot(*map(float, row)) for row in v]
        np.testing.assert_allclose(linear.norm(np, v)[:, 0], np.asarray(want, name), rtol=1e-6)


def test_norms_of_what_is_not_a_number():
    got = linear.norm(np, np.array([[0.0, 0.0], [np.inf, 1.0], [np.nan, 1.0]]))[:, 0]
    np.testing.assert_array_equal(got, [0.0, np.inf, np.nan])
