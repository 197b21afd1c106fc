"""Angles between linear boundaries."""

from __future__ import annotations

import numpy as np
import pytest

from xpnet.analysis import boundary_angle


@pytest.mark.parametrize("degrees", [0.0, 1e-12, 1e-6, 1.0, 45.0, 90.0, 135.0, 179.999999, 180.0])
def test_a_turned_boundary(degrees):
    turn = np.deg2rad(degrees)
    for size in (1e-300, 1.0, 1e300):
        got = boundary_angle([size, 0.0], [np.cos(turn), np.sin(turn)])
        assert isinstance(got, float)
        assert got == pytest.approx(degrees, rel=1e-9, abs=1e-15)


def test_in_many_dimensions_as_by_the_cosine():
    u, v = np.random.default_rng(0).standard_normal((2, 50, 7))
    cosine = np.sum(u * v, axis=1) / np.linalg.norm(u, axis=1) / np.linalg.norm(v, axis=1)
    np.testing.assert_allclose(boundary_angle(u, v), np.rad2deg(np.arccos(cosine)), rtol=1e-10)
    np.testing.assert_allclose(boundary_angle(u, v[0])[0], boundary_angle(u[0], v[0]), rtol=1e-14)
    assert boundary_angle(u[0], v).shape == (50,)


@pytest.mark.parametrize(
    ("first", "second", "said"),
    [
        ([0.0, 0.0], [1.0, 0.0], "first must not be all zero"),
        ([1.0, 0.0], [[1.0, 0.0], [0.0, 0.0]], "second must not be all zero"),
        ([1.0, 0.0], [1.0, 0.0, 0.0], "second must fit first"),
        (np.ones((2, 3)), np.ones((3, 3)), "second must fit first"),
        ([np.nan, 0.0], [1.0, 0.0], "first contains NaN"),
        (1.0, [1.0], "first must be"),
    ],
)
def test_what_has_no_angle(first, second, said):
    with pytest.raises((TypeError, ValueError), match=said):
        boundary_angle(first, second)
