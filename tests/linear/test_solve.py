"""Conjugate gradients against the dense kind of linear algebra."""

from __future__ import annotations

import numpy as np
import pytest
from conftest import assert_allclose, assert_array_equal, to_numpy
from oracles import symmetric, times

from xpnet import linear


def counted(product):
    def function(v):
        function.calls += 1
        return product(v)

    function.calls = 0
    return function


def test_conjugate_gradient_solves(backend, dtype, tolerance):
    A, b = symmetric(np.geomspace(1, 30, 20)), np.random.default_rng(1).standard_normal(20)
    product = counted(times(backend.asarray(A, dtype)))
    found = linear.conjugate_gradient(product, backend.asarray(b, dtype), tolerance=10 * tolerance)
    x = backend.to_numpy(found.x)
    assert found.outcome == "converged"
    assert float(found.residual) <= 10 * tolerance
    assert product.calls == found.iterations <= 25
    np.testing.assert_allclose(x, np.linalg.solve(A, b), rtol=0, atol=1e3 * tolerance)
    assert float(found.decrease) == pytest.approx(b @ x - x @ A @ x / 2, rel=1e3 * tolerance)


def test_conjugate_gradient_on_rows_equals_single_ones(device):
    matrices = [symmetric(np.geomspace(1, k, 8), k) for k in (2, 50, 1000)]
    matrices[1] = matrices[1] - 20 * np.eye(8)  # indefinite
    b = device.asarray(np.random.default_rng(0).standard_normal((3, 8)))
    many = linear.conjugate_gradient(times(device.asarray(np.stack(matrices))), b)
    for r, A in enumerate(matrices):
        one = linear.conjugate_gradient(times(device.asarray(A)), b[r])
        assert_allclose(many.x[r], one.x, rtol=1e-10)
        assert_allclose(many.decrease[r], one.decrease, rtol=1e-10)
        assert many.outcome[r] == one.outcome
    assert many.outcome[1] == "negative curvature"


def test_negative_curvature_is_found_and_shown(device):
    A = device.asarray(symmetric([-1.0, 1.0, 2.0, 3.0]))
    found = linear.conjugate_gradient(times(A), device.xp.ones(4))
    assert found.outcome == "negative curvature"
    assert found.direction @ A @ found.direction <= 0
    assert device.xp.ones(4) @ found.x > 0  # still a direction of descent
    at_once = linear.conjugate_gradient(times(-device.xp.eye(4)), device.xp.ones(4))
    assert_array_equal(at_once.x, device.xp.ones(4))
    assert at_once.iterations == 1


@pytest.mark.parametrize("values", [[1.0, 2.0, 5.0, 9.0], [-2.0, 1.0, 2.0, 4.0]])
def test_a_ball_ends_the_way(values, device):
    A, b = device.asarray(symmetric(values)), device.asarray([1.0, 2.0, -1.0, 0.5])
    for radius in (0.1, 0.3):
        found = linear.conjugate_gradient(times(A), b, radius=device.asarray(radius))
        assert found.outcome == "boundary"
        assert np.linalg.norm(to_numpy(found.x)) == pytest.approx(radius, rel=1e-12)
        assert float(found.decrease) == pytest.approx(
            float(b @ found.x - found.x @ A @ found.x / 2), rel=1e-10
        )
        cauchy = radius * b / np.linalg.norm(to_numpy(b))
        assert found.decrease >= b @ cauchy - cauchy @ A @ cauchy / 2 - 1e-12


def test_iterations_are_limited(device):
    A = device.asarray(symmetric(np.geomspace(1, 1e6, 30)))
    found = linear.conjugate_gradient(times(A), device.xp.ones(30), iterations=4)
    assert found.outcome == "iterations used up"
    assert found.iterations == 4


def test_zero_right_side(device):
    found = linear.conjugate_gradient(times(device.xp.eye(3)), device.xp.zeros(3))
    assert found.outcome == "converged"
    assert found.iterations == 0
    assert_array_equal(found.x, 0)


def test_the_norm_may_overflow(dtype_pair):
    name, size = dtype_pair
    for factor in (size, 1 / size):
        b = (factor * np.arange(1.0, 5.0)).astype(name)
        found = linear.conjugate_gradient(lambda v: np.arange(2, 6).astype(name) * v, b, tolerance=1e-5)
        assert found.outcome == "converged"
        assert found.residual <= 1e-5
        np.testing.assert_allclose(found.x, b / np.arange(2, 6), rtol=1e-4)


@pytest.fixture(params=[("float32", 1e30), ("float64", 1e250)], ids=["float32", "float64"])
def dtype_pair(request):
    return request.param


def test_products_that_are_not_finite_are_said_to_be_so(device):
    b = device.xp.ones(3)
    found = linear.conjugate_gradient(lambda v: v * np.nan, b)
    assert found.outcome == "not finite"
    assert np.isnan(float(found.residual))
    assert_array_equal(found.x, b)


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"b": np.array([1.0, np.nan])}, ValueError, "b contains NaN"),
        ({"b": np.ones((2, 2, 2))}, ValueError, r"b must be \(P,\) or \(R, P\) and not empty, got shape"),
        ({"b": np.ones(0)}, ValueError, r"b must be .* not empty, got shape \(0,\)"),
        ({"b": np.ones(2, int)}, TypeError, "b must be float32 or float64, got int64"),
        ({"b": [1.0, 2.0]}, TypeError, "b must be an array"),
        ({"tolerance": np.nan}, ValueError, "tolerance must be .*got nan"),
        ({"tolerance": -1e-3}, ValueError, "tolerance must be .*got -0.001"),
        (
            {"tolerance": np.ones(3)},
            ValueError,
            r"tolerance must be a number, 0-d or \(1,\), got",
        ),
        ({"radius": -1}, ValueError, "radius must be .*got -1"),
        ({"radius": np.array(np.inf)}, ValueError, "radius must be finite"),
        ({"iterations": 0}, ValueError, "iterations must be at least 1, got 0"),
        ({"iterations": 2.5}, TypeError, "iterations must be an integer, got 2.5"),
        ({"product": 3}, TypeError, "product must be a function of a vector, got 3"),
        ({"product": lambda v: v[:1]}, ValueError, r"float64 of shape \(2,\), got float64 of shape \(1,\)"),
        ({"product": lambda v: v.astype("f4")}, ValueError, "product must return .*got float32"),
        ({"product": list}, TypeError, "product must return an array of backend 'numpy'.* got list"),
    ],
)
def test_arguments_are_checked(change, error, message):
    arguments = {"product": lambda v: v, "b": np.ones(2)} | change
    with pytest.raises(error, match=message):
        linear.conjugate_gradient(arguments.pop("product"), arguments.pop("b"), **arguments)
