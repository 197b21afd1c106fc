"""Coordinates in lines and planes, and the frames that are made of points, paths and random numbers."""

from __future__ import annotations

import copy
import pickle

import numpy as np
import pytest
from oracles import NETWORK

from xpnet.analysis import Frame, coordinate_frame, frame_through, path_frame, random_frame

RANDOM = np.random.default_rng(0)


def test_coordinates_of_an_oblique_plane_are_found_again():
    directions = RANDOM.standard_normal((2, 7)) * [[1e-3], [1e4]]
    frame = Frame(RANDOM.standard_normal(7), directions, ("a", "b"))
    t = RANDOM.standard_normal((4, 3, 2))
    points = frame.origin + t @ directions
    np.testing.assert_allclose(frame.coordinates(points), t, atol=1e-9)
    assert frame.distances(points).shape == (4, 3)
    assert frame.distances(points).max() < 1e-8


def test_coordinates_are_those_of_the_nearest_point():
    frame = Frame(RANDOM.standard_normal(7), RANDOM.standard_normal((2, 7)), ("a", "b"))
    point = RANDOM.standard_normal(7)
    t, residual, *_ = np.linalg.lstsq(frame.directions.T, point - frame.origin)
    np.testing.assert_allclose(frame.coordinates(point), t, rtol=1e-10)
    assert frame.distances(point) == pytest.approx(np.sqrt(residual[0]), rel=1e-10)


def test_frames_through_points_begin_at_the_first():
    a, b, c = RANDOM.standard_normal((3, 5))
    assert frame_through(a, b).coordinates(np.stack([a, b])).round(12).tolist() == [[0], [1]]
    plane = frame_through(a, b, c)
    np.testing.assert_allclose(plane.coordinates(np.stack([a, b, c])), [[0, 0], [1, 0], [0, 1]], atol=1e-12)


def test_coordinates_of_a_coordinate_frame_are_parameters():
    w = RANDOM.standard_normal(5)
    kept = w.copy()
    frame = coordinate_frame(w, 3, 1)
    np.testing.assert_allclose(frame.coordinates(w), [w[3], w[1]])
    np.testing.assert_array_equal(w, kept)
    assert frame.distances(w) == pytest.approx(0.0, abs=1e-15)
    assert frame.names == ("w[3]", "w[1]")


def test_random_directions_are_as_long_as_the_filters():
    w = NETWORK.initialize(0, "numpy", "float64")
    w[:4] = 0.0  # all weights into the first unit
    frame = random_frame(w, seed=3, network=NETWORK)
    for row in frame.directions:
        for name, part in NETWORK.layout.views(row).items():
            if part.ndim == 1:
                assert not part.any()
            else:
                own = np.linalg.norm(NETWORK.layout.views(w)[name], axis=1)
                np.testing.assert_allclose(np.linalg.norm(part, axis=1), own, rtol=1e-12)
    np.testing.assert_array_equal(frame.origin, w)


def test_seeds_are_explicit():
    w = np.ones(9)
    one, same, other = (random_frame(w, seed=seed).directions for seed in (1, 1, 2))
    np.testing.assert_array_equal(one, same)
    assert not np.isclose(one, other).any()
    np.testing.assert_allclose(np.linalg.norm(one, axis=1), 1.0)


def test_principal_components_of_paths():
    """The plane that all paths lie in, its axes by variance, as the eigenvectors of the covariance are."""
    basis = np.linalg.qr(RANDOM.standard_normal((6, 2)))[0].T
    t = RANDOM.standard_normal((30, 2)) * [5.0, 1.0]
    paths = [t[:20] @ basis + 1.0, t[20:] @ basis + 1.0]
    frame = path_frame(*paths)
    assert frame.distances(np.concatenate(paths)).max() < 1e-12
    np.testing.assert_array_equal(frame.origin, paths[0][-1])
    values, vectors = np.linalg.eigh(np.cov(np.concatenate(paths).T))
    np.testing.assert_allclose(np.abs(frame.directions @ vectors[:, [-1, -2]]), np.eye(2), atol=1e-10)
    share = 100 * values[-1] / values.sum()
    assert frame.names[0] == f"principal component 1 ({share:.3g} %)"
    assert (frame.coordinates(paths[0][0]) >= 0).all()
    replicas = np.stack([paths[0][:10], paths[0][10:]], axis=1)
    np.testing.assert_allclose(
        np.abs(path_frame(replicas).directions @ basis.T @ basis),
        np.abs(path_frame(replicas).directions),
        atol=1e-10,
    )


def test_principal_components_are_those_of_scikit_learn():
    decomposition = pytest.importorskip("sklearn.decomposition", reason="scikit-learn is not installed")
    path = np.cumsum(RANDOM.standard_normal((50, 20)), axis=0)
    wanted, frame = decomposition.PCA(2).fit(path), path_frame(path)
    np.testing.assert_allclose(
        np.abs(np.sum(frame.directions * wanted.components_, axis=1)), [1, 1], rtol=1e-12
    )
    shares = [
        f"principal component {k + 1} ({100 * own:.3g} %)"
        for k, own in enumerate(wanted.explained_variance_ratio_)
    ]
    assert frame.names == tuple(shares)
    own = frame.coordinates(path) - frame.coordinates(path).mean(axis=0)
    np.testing.assert_allclose(np.abs(own), np.abs(wanted.transform(path)), atol=1e-10)


def test_single_precision_is_kept():
    assert random_frame(np.ones(3, np.float32)).directions.dtype == np.float32
    assert coordinate_frame([1, 2, 3], 0).origin.dtype == np.float64


def test_frames_can_be_kept_and_not_be_changed():
    w = np.ones(3)
    frame = coordinate_frame(w, 0)
    for same in (pickle.loads(pickle.dumps(frame)), copy.deepcopy(frame), copy.copy(frame)):
        np.testing.assert_array_equal(same.origin, frame.origin)
    with pytest.raises(ValueError, match="read-only"):
        frame.origin[0] = 1.0


PARALLEL = [[1.0, 0.0], [2.0, 0.0]]


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Frame([0.0, 0.0], PARALLEL, ("a", "b")), "directions must not be parallel"),
        (lambda: Frame([0.0, 0.0], [[0.0, 0.0]], ("a",)), "directions must not be zero"),
        (lambda: Frame([0.0, np.nan], [[1.0, 0.0]], ("a",)), "origin contains NaN"),
        (lambda: Frame([0.0, 0.0], [[1.0, 0.0, 0.0]], ("a",)), r"directions must be \(1, 2\) or \(2, 2\)"),
        (
            lambda: Frame([0.0, 0.0], [[1.0, 0.0]], ("a", "b")),
            "names must be 1, one for each of directions",
        ),
        (lambda: coordinate_frame([1.0, 2.0], 0, 0), "which must be one or two different"),
        (lambda: coordinate_frame([1.0, 2.0], 2), "which must be at most 1, got 2"),
        (lambda: coordinate_frame([[1.0, 2.0]], 0), r"w must be \(P,\) and not empty, got shape \(1, 2\)"),
        (lambda: frame_through([1.0]), "points must be 2, for a line, or 3, for a plane, got 1"),
        (lambda: frame_through([1.0], [1.0, 2.0]), r"points\[1\] must be float64 \(1,\), as the first"),
        (lambda: frame_through([1.0], [1.0]), "the points must differ"),
        (lambda: random_frame(np.ones(3), network=NETWORK), "w must have 51 parameters"),
        (lambda: random_frame(np.zeros(51), network=NETWORK), "w must have weights that are not zero"),
        (lambda: random_frame(np.ones(3), 3), "count must be at most 2"),
        (lambda: random_frame(np.ones(3), seed=-1), "seed must be at least 0"),
        (lambda: coordinate_frame([1.0, 2.0], [0]), "which must be an integer"),
        (lambda: coordinate_frame([1.0, 2.0], None), "which must be an integer"),
        (lambda: random_frame(None), "w must hold real numbers"),
        (lambda: path_frame(None), r"paths\[0\] must be points, got None: minimize with keep_path=True"),
        (path_frame, "paths must be one or more"),
        (lambda: path_frame([[1.0, 2.0], [2.0, 3.0], [3.0, 4.0]]), "points that span a plane"),
        (lambda: path_frame([[1.0, 2.0], [1.0, 2.0]], count=1), "points that span a line"),
        (lambda: path_frame(np.ones((3, 2)), np.ones((3, 4))), "the same number of parameters"),
        (lambda: coordinate_frame([1.0, 2.0], 0).coordinates([1.0]), "points must have 2 parameters"),
    ],
)
def test_bad_input_is_named(make, message):
    with pytest.raises((TypeError, ValueError), match=message):
        make()
