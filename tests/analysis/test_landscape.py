"""Lines and planes of objectives that are known, on every library; and barriers between solutions."""

from __future__ import annotations

import pickle

import numpy as np
import pytest
from conftest import to_numpy
from oracles import NETWORK, risk

import xpnet
from xpnet import Offers, Quadratic, SumOfSquares
from xpnet.analysis import between, coordinate_frame, frame_through, landscape, line, plane, random_frame
from xpnet.objectives import Objective

A = np.array([[2.0, 1.0, 0.0], [1.0, 3.0, 0.5], [0.0, 0.5, 1.0]])
b = np.array([1.0, -1.0, 0.5])


def value(w):
    return 0.5 * ((w @ A) * w).sum(axis=-1) + w @ b


def test_a_plane_of_a_quadratic(backend, dtype):
    objective = Quadratic(A, b, backend=backend, dtype=dtype)
    w = np.array([0.3, -0.7, 0.2])
    frame = random_frame(w.astype(dtype), seed=1)
    found = plane(objective, frame, ((-2, 1), (-1, 3)), points=7)
    x, y = np.meshgrid(np.linspace(-2, 1, 7), np.linspace(-1, 3, 7))
    wanted = value(w + x[..., None] * frame.directions[0] + y[..., None] * frame.directions[1])
    np.testing.assert_allclose(found.values, wanted, rtol=1e-12 if dtype == "float64" else 1e-4, atol=1e-5)
    assert type(found.values) is np.ndarray
    assert found.values.dtype == np.float64


def test_a_line_of_a_quadratic():
    found = line(Quadratic(A, b, backend="numpy"), coordinate_frame([1.0, 2.0, 3.0], 1), (-3, 2), points=9)
    w = np.stack([np.full(9, 1.0), np.linspace(-3, 2, 9), np.full(9, 3.0)], axis=1)
    np.testing.assert_allclose(found.values, value(w), rtol=1e-13)
    np.testing.assert_array_equal(found.positions, np.linspace(-3, 2, 9))


def test_chunks_make_no_difference(monkeypatch):
    objective = risk()
    frame = random_frame(NETWORK.initialize(0, "numpy", "float64"), network=NETWORK)
    whole = plane(objective, frame, points=6)
    monkeypatch.setattr(landscape, "ROWS", 5)
    np.testing.assert_allclose(plane(objective, frame, points=6).values, whole.values, rtol=1e-13)


class Watched(Quadratic):
    """Remembers how many points it was given at once."""

    rows: tuple[int, ...] = ()

    def value(self, w):
        self.rows += (w.shape[0] if w.ndim > 1 else 0,)
        return super().value(w)


def test_points_are_replicas_in_chunks_of_bounded_memory(monkeypatch):
    objective = Watched(A, b, backend="numpy")
    monkeypatch.setattr(landscape, "NUMBERS", 12)
    line(objective, coordinate_frame([1.0, 2.0, 3.0], 1), points=10)
    assert objective.rows == (0, 4, 4, 2)


class Alone(SumOfSquares):
    """Takes one `w` only, and would take the rows of several for its parameters."""

    def residuals(self, w):
        return np.array([w[0] - 1.0, 2.0 * w[1]])

    def jacobian(self, w):
        return np.array([[1.0, 0.0], [0.0, 2.0]])


def test_an_objective_without_replicas_is_asked_point_by_point():
    assert Offers.SELECT_REPLICAS not in Alone().offers
    found = plane(Alone(), coordinate_frame([0.0, 0.0], 0, 1), ((0, 1), (0, 1)), points=2)
    assert found.values.tolist() == [[0.5, 0.0], [2.5, 2.0]]


class DoubleWell(Objective):
    """`(w^2 - 1)^2`, with a barrier of 1 between its minima."""

    def value(self, w):
        return (w[..., 0] ** 2 - 1.0) ** 2

    def value_and_gradient(self, w):
        return self.value(w), 4.0 * w * (w**2 - 1.0)


def test_the_barrier_between_two_solutions():
    xpnet.testing.check_gradient(DoubleWell(), np.array([0.7]))
    found = between(DoubleWell(), [-1.0], [1.0], points=41)
    assert found.barrier == pytest.approx(1.0)
    np.testing.assert_array_equal(found.chord, np.zeros(41))
    assert between(DoubleWell(), [-1.0], [2.0], points=4).chord.tolist() == pytest.approx([0, 3, 6, 9])
    assert between(Quadratic(A, b, backend="numpy"), np.ones(3), np.zeros(3)).barrier == 0.0


def test_a_barrier_beside_what_is_not_finite_is_none():
    with np.errstate(all="ignore"):
        found = line(Ridge(), coordinate_frame([1.0], 0), (0, 1))
    assert np.isneginf(found.values[0])
    assert np.isnan(found.barrier)


def test_a_plane_of_a_network_is_the_risk_at_each_of_its_points():
    objective, w = risk(), NETWORK.initialize(0, "numpy", "float64")
    frame = random_frame(w, network=NETWORK)
    found = plane(objective, frame, ((-1, 2), (0, 1)), points=4)
    for row, y in enumerate(found.y):
        for column, x in enumerate(found.x):
            value = objective.value(w + x * frame.directions[0] + y * frame.directions[1])
            assert found.values[row, column] == pytest.approx(value, rel=1e-12)


def test_limits_hold_the_paths():
    paths = [np.array([[0.0, 0.0], [4.0, 1.0]]), np.array([[[1.0, -1.0], [2.0, 2.0]]])]  # one of replicas
    found = plane(Alone(), coordinate_frame([0.0, 0.0], 0, 1), around=paths, points=3)
    np.testing.assert_allclose(found.x[[0, -1]], [-0.6, 4.6])
    np.testing.assert_allclose(found.y[[0, -1]], [-1.45, 2.45])
    still = plane(Alone(), coordinate_frame([0.0, 0.0], 0, 1), around=[np.ones((2, 2))], points=3)
    np.testing.assert_allclose(still.x[[0, -1]], [0.35, 1.65])


def test_levels_ascend_from_the_least_value_to_the_greatest():
    found = plane(Alone(), coordinate_frame([0.0, 0.0], 0, 1), ((-3, 3), (-3, 3)))
    low, high = found.values.min(), found.values.max()
    levels = found.levels(9)
    assert (np.diff(levels) > 0).all()
    np.testing.assert_allclose(np.diff(np.log(levels - low)), np.log((high - low) / (levels[0] - low)) / 8)
    assert levels[-1] == pytest.approx(high)
    np.testing.assert_allclose(found.levels(3, "linear"), [low, (low + high) / 2, high])


class Ridge(DoubleWell):
    def value(self, w):
        return np.log(w[..., 0])


def test_what_is_not_finite_stays_so_and_is_no_level():
    with np.errstate(all="ignore"):
        found = plane(Ridge(), coordinate_frame([1.0, 1.0], 0, 1), ((-1, 1), (0, 1)), points=3)
        assert np.isnan(found.values[0, 0])
        assert found.values[0, 1] == -np.inf
        assert found.levels().tolist() == [0.0]
        with pytest.raises(ValueError, match="objective must be finite somewhere within limits"):
            line(Ridge(), coordinate_frame([1.0], 0), (-2, -1))


def test_results_can_be_kept():
    found = between(DoubleWell(), [-1.0], [1.0])
    assert pickle.loads(pickle.dumps(found)).barrier == found.barrier
    assert repr(found).startswith("Line(Frame(line of 1 parameters, names ('from the first point")
    assert repr(found).endswith("51 points, values from 0 to 1)")
    assert "5 x 5 points, values from 0 to 1" in repr(plane(BOWL, FLAT, points=5))


BOWL = Quadratic(np.eye(2), backend="numpy")
FLAT = coordinate_frame([0.0, 0.0], 0, 1)
AXIS = coordinate_frame([0.0, 0.0], 0)


class Nonsense(DoubleWell):
    def value(self, w):
        return "nonsense"


@pytest.mark.parametrize(
    ("ask", "message"),
    [
        (lambda: line(np.sum, AXIS), "objective must be an Objective"),
        (lambda: line(BOWL, np.eye(2)), "frame must be a Frame"),
        (lambda: line(BOWL, FLAT), "frame must have 1 direction, got 2"),
        (lambda: plane(BOWL, AXIS), "frame must have 2 directions, got 1"),
        (lambda: line(BOWL, AXIS, (1, 1)), "limits must ascend"),
        (lambda: line(BOWL, AXIS, 3), "limits must be two numbers, got 3"),
        (lambda: line(BOWL, AXIS, (0, np.inf)), r"limits\[1\] must be finite"),
        (lambda: line(BOWL, AXIS, points=1), "points must be at least 2"),
        (lambda: line(BOWL, coordinate_frame(np.ones(3), 0)), "w must"),
        (lambda: plane(BOWL, FLAT, (0, 1)), r"limits\[0\] must be two numbers, got 0"),
        (lambda: plane(BOWL, FLAT, 1), r"limits must be \(\(x0, x1\), \(y0, y1\)\), got 1"),
        (lambda: plane(BOWL, FLAT, ((0, 1), (0, 1)), around=[np.ones((2, 2))]), "limits must be left out"),
        (lambda: plane(BOWL, FLAT, around=[np.ones((2, 3))]), "around\\[0\\] must have 2 parameters"),
        (lambda: plane(BOWL, FLAT, around=None), "around must be paths in a list, got None"),
        (lambda: plane(BOWL, FLAT, around=[None]), "keep_path=True keeps them"),
        (lambda: plane(BOWL, FLAT, around=np.ones((3, 2))), r"around\[0\] must be \(looks, P\)"),
        (lambda: plane(BOWL, FLAT, around=[np.ones((0, 2))]), r"around\[0\] must be .* not empty"),
        (lambda: plane(BOWL, FLAT, points=3).levels(10**12), "count must be smaller"),
        (lambda: line(Nonsense(), AXIS), "the value of objective must hold real numbers"),
        (lambda: plane(BOWL, FLAT, points=10**8), "points must be smaller"),
        (lambda: plane(BOWL, FLAT, points=3).levels(scale="lin"), "unknown scale 'lin'"),
        (lambda: plane(Quadratic(np.ones((9, 2, 2)), backend="numpy"), FLAT, points=3), "9 replicas"),
        (lambda: between(BOWL, np.ones(2), np.ones(2)), "directions must not be zero"),
    ],
)
def test_bad_input_is_named(ask, message):
    with pytest.raises((TypeError, ValueError, MemoryError), match=message):
        ask()


def test_frames_of_points_on_a_device(device):
    points = [device.asarray(np.array(own, np.float32)) for own in ([1, 0, 2], [0, 1, 1])]
    np.testing.assert_array_equal(frame_through(*points).directions, [[-1, 1, -1]])
    assert to_numpy(points[0]).tolist() == [1, 0, 2]
