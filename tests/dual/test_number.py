"""Dual numbers as arrays: operators, indexing, what they refuse."""

from __future__ import annotations

import copy
import math

import array_api_compat.numpy as xp
import numpy as np
import pytest

from xpnet.dual import Dual, Namespace, tangent_of, values_of

RANDOM = np.random.default_rng(0)
X, V = RANDOM.standard_normal((2, 3, 4)), RANDOM.standard_normal((5, 2, 3, 4))

INDICES = [
    0, -1, (0, 1), (0, 1, 2), ..., (..., 0), (0, ...), (..., None), (None, ...), (slice(None), 1),
    (slice(0, 1), slice(None), slice(None, None, 2)), (..., slice(1, 2)), (0, ..., slice(None, None, -1)),
    (slice(None), None, 0), np.array([1, 0, 1]), [1, 0], (0, np.array([2, 0])), (..., np.array([3, 0])),
    (slice(None), np.array([0, 2]), np.array([1, 3])), X > 0.0, (1, X[1] > 0.0),
]  # fmt: skip


@pytest.mark.parametrize("index", INDICES, ids=str)
def test_indices_mean_what_they_mean_of_the_value(index):
    got = Dual(X, V)[index]
    np.testing.assert_array_equal(got.value, X[index])
    np.testing.assert_array_equal(got.tangent, np.stack([v[index] for v in V]))
    assert got.shape == X[index].shape


def test_indices_that_would_move_the_directions_are_refused():
    index = (np.array([0, 1]), slice(None), np.array([0, 1]))
    with pytest.raises(IndexError, match="one axis after the other"):
        Dual(X, V)[index]
    np.testing.assert_array_equal(Dual(X, V[0])[index].tangent, V[0][index])


OPERATORS = {
    "add": lambda a, b: a + b,
    "subtract": lambda a, b: a - b,
    "multiply": lambda a, b: a * b,
    "divide": lambda a, b: a / b,
    "power": lambda a, b: (a * a) ** b,
    "remainder": lambda a, b: a % b,
}
SHAPES = [((3,), (3,)), ((3,), (2, 3)), ((2, 3), (3,)), ((2, 1), (1, 4)), ((), (2, 3)), ((4, 1, 3), (2, 1))]
PRODUCTS = [
    ((3,), (3,)), ((3,), (3, 2)), ((2, 3), (3,)), ((2, 3), (3, 4)), ((5, 2, 3), (3, 4)),
    ((2, 3), (5, 3, 4)), ((5, 2, 3), (3,)), ((3,), (5, 3, 2)), ((3, 3), (3,)),
]  # fmt: skip


def check_pair(function, shapes, lead, backend=None, dtype="float64"):
    """`function` of two arrays of which one, the other, or both are dual, by central differences."""
    random = np.random.default_rng(1)
    values = [random.uniform(0.5, 1.5, shape) for shape in shapes]
    changes = [random.uniform(-1, 1, (*lead, *shape)) for shape in shapes]
    own = (lambda part: part) if backend is None else (lambda part: backend.asarray(part, dtype))
    back = np.asarray if backend is None else backend.to_numpy
    for duals in ((0,), (1,), (0, 1)):
        if backend is not None and backend.name == "array_api_strict" and duals == (1,):
            continue  # whose operators refuse anything else on their right
        given = [
            Dual(own(x), own(d)) if k in duals else own(x)
            for k, (x, d) in enumerate(zip(values, changes, strict=True))
        ]
        got = function(*given)
        tangent = back(got.tangent)
        assert got.shape == np.shape(function(*values))
        assert tangent.shape == (*lead, *got.shape)
        for index in np.ndindex(*lead):
            sides = [
                function(*[x + s * 1e-6 * d[index] * (k in duals) for k, (x, d) in pairs])
                for s in (1, -1)
                for pairs in [list(enumerate(zip(values, changes, strict=True)))]
            ]
            want = (sides[0] - sides[1]) / 2e-6
            tolerance = 1e-7 if dtype == "float64" else 1e-4
            np.testing.assert_allclose(tangent[index], want, rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("lead", [(), (3,), (2, 3)], ids=str)
@pytest.mark.parametrize("shapes", SHAPES, ids=str)
@pytest.mark.parametrize("name", OPERATORS)
def test_operators_broadcast_with_any_directions(name, shapes, lead):
    check_pair(OPERATORS[name], shapes, lead)


@pytest.mark.parametrize("lead", [(), (3,), (2, 3)], ids=str)
@pytest.mark.parametrize("shapes", PRODUCTS, ids=str)
def test_matrix_products_with_any_directions(shapes, lead):
    check_pair(lambda a, b: a @ b, shapes, lead)


@pytest.mark.parametrize("name", OPERATORS)
def test_operators_on_every_backend(name, backend, dtype):
    check_pair(OPERATORS[name], ((4, 1, 3), (2, 1)), (3,), backend, dtype)
    check_pair(lambda a, b: a @ b, ((2, 3), (3,)), (3,), backend, dtype)


def test_arrays_on_the_left_leave_it_to_the_dual_number(device):
    x, one = device.asarray([1.0, 2.0]), device.asarray([4.0, 5.0])
    dual = Dual(x, x)
    results = [one + dual, one - dual, one * dual, one / dual, one**dual, one @ dual, one % dual]
    assert all(isinstance(result, Dual) for result in results)
    np.testing.assert_allclose(device.to_numpy(results[1].tangent), [-1.0, -2.0])
    assert device.to_numpy(one > dual).tolist() == [True, True]
    assert device.to_numpy(x == dual).tolist() == [True, True]
    assert device.to_numpy(dual != one).tolist() == [True, True]


def test_powers_with_parameters_as_exponents():
    def function(w):
        return w[..., 0:1] ** w[..., 1:2] + 2.0 ** w[..., 2:3]

    w, v = np.array([1.5, 2.5, 0.5]), np.eye(3)
    got = function(Dual(w, v)).tangent[:, 0]
    want = [(function(w + 1e-6 * d) - function(w - 1e-6 * d))[0] / 2e-6 for d in v]
    np.testing.assert_allclose(got, want, rtol=1e-8)


def test_they_can_be_unpacked_and_added_up():
    x, y, z = Dual(np.array([1.0, 2.0, 3.0]), np.eye(3))
    np.testing.assert_array_equal((x * y * z).tangent, [6.0, 3.0, 2.0])
    np.testing.assert_array_equal(math.prod(Dual(np.array([1.0, 2.0, 3.0]), np.eye(3))).tangent, [6, 3, 2])
    with pytest.raises(TypeError, match="without axes"):
        len(x)


@pytest.mark.parametrize(
    "use",
    [
        bool,
        float,
        int,
        math.exp,
        math.floor,
        np.asarray,
        np.exp,
        round,
        lambda x: 1.0 if x > 0.0 and x else 0.0,
    ],
)
def test_they_become_no_numbers_of_python(use):
    with pytest.raises(TypeError, match="dual number|ufuncs"):
        use(Dual(np.array(1.0), np.array(1.0)))


def test_what_they_have_not_is_named():
    x = Dual(np.ones((2, 2)), np.ones((2, 2)))
    for name in ("T", "sum", "reshape", "item"):
        with pytest.raises(AttributeError, match=rf"no '\.{name}'; it has shape.*xp.sum"):
            getattr(x, name)
    with pytest.raises(TypeError, match="cannot be written to.*xp.where"):
        x[..., 0] = 1.0
    with pytest.raises(TypeError, match="unhashable"):
        hash(x)
    with pytest.raises(ValueError, match=r"tangent must have shape \(\.\.\., \*\(2,\)\).*got \(3,\)"):
        Dual(np.ones(2), np.ones(3))


def test_they_look_like_arrays():
    x = Dual(X, V)
    assert (x.shape, x.ndim, x.size, x.dtype, x.device) == (X.shape, 3, 24, X.dtype, X.device)
    assert x.mT.shape == (2, 4, 3)
    assert repr(Dual(1.0 * X[0, 0, :1], X[0, 0, :1])).startswith("Dual(array(")
    other = copy.deepcopy(x)
    np.testing.assert_array_equal(other.tangent, x.tangent)


def test_a_value_nobody_reads_is_not_computed():
    def never():
        raise AssertionError

    x = Dual(never, np.ones((2, 3)), 0, 1)
    assert x.shape == (2, 3)
    assert x.mT.shape == (3, 2)
    np.testing.assert_array_equal((x @ np.ones((3, 2))).tangent, 3 * np.ones((2, 2)))


def test_tangents_of_what_does_not_depend_on_the_direction_are_zero():
    w = Dual(np.ones(2), np.ones((5, 2)))
    np.testing.assert_array_equal(tangent_of(xp, np.ones((3, 4)), w), np.zeros((5, 3, 4)))
    np.testing.assert_array_equal(tangent_of(xp, 2.0 * w, w), 2 * np.ones((5, 2)))


def test_values_of_a_tree():
    from typing import NamedTuple

    class Pair(NamedTuple):
        first: object
        second: object

    x = Dual(np.array(1.0), np.array(2.0))
    assert values_of({"a": [x, (x, 3)], "b": Pair(x, None)}) == {"a": [1.0, (1.0, 3)], "b": Pair(1.0, None)}


def test_level_of_nested_numbers():
    inner = Dual(np.ones(2), np.ones(2))
    assert (inner.level, Dual(inner, inner).level) == (1, 2)
    assert Namespace(Namespace(xp)).level == 2
