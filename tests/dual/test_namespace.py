"""Reductions, products and shapes on dual numbers, by central differences, first and second."""

from __future__ import annotations

import array_api_compat.numpy as xp
import numpy as np
import pytest

from xpnet.dual import Dual, Namespace

C = np.random.default_rng(9).uniform(0.5, 1.5, (4, 3, 2))

# functions of `(2, 3, 4)` and a constant `(4, 3, 2)`; the squares give second derivatives to linear ones
FUNCTIONS = {
    "sum": lambda xp, x, c: xp.sum(x * x),
    "sum_0": lambda xp, x, c: xp.sum(x * x, axis=0),
    "sum_2": lambda xp, x, c: xp.sum(x * x, axis=2, keepdims=True),
    "sum_02": lambda xp, x, c: xp.sum(x * x, axis=(0, -1)),
    "mean": lambda xp, x, c: xp.mean(x * x),
    "mean_1": lambda xp, x, c: xp.mean(x * x, axis=1, keepdims=True),
    "prod": lambda xp, x, c: xp.prod(x),
    "prod_1": lambda xp, x, c: xp.prod(x, axis=1),
    "prod_02": lambda xp, x, c: xp.prod(x, axis=(0, 2), keepdims=True),
    "max": lambda xp, x, c: xp.max(x * x),
    "max_0": lambda xp, x, c: xp.max(x * x, axis=0, keepdims=True),
    "min_1": lambda xp, x, c: xp.min(x * x, axis=1),
    "var": lambda xp, x, c: xp.var(x),
    "var_2": lambda xp, x, c: xp.var(x, axis=2, correction=1, keepdims=True),
    "std_01": lambda xp, x, c: xp.std(x, axis=(0, 1)),
    "cumulative_sum": lambda xp, x, c: xp.cumulative_sum(x * x, axis=1, include_initial=True),
    "cumulative_sum_of_one": lambda xp, x, c: xp.cumulative_sum(x[0, 0, :] ** 2),
    "vecdot": lambda xp, x, c: xp.vecdot(x, x * x),
    "vecdot_0": lambda xp, x, c: xp.vecdot(x * x, xp.permute_dims(c, (2, 1, 0)), axis=-2),
    "matmul": lambda xp, x, c: xp.matmul(x, xp.matrix_transpose(x)),
    "matmul_constant": lambda xp, x, c: xp.matmul(xp.matrix_transpose(c[:2, :, :]), x * x),
    "tensordot": lambda xp, x, c: xp.tensordot(x * x, xp.permute_dims(c, (1, 0, 2)), axes=2),
    "tensordot_axes": lambda xp, x, c: xp.tensordot(c, x * x, axes=((0, -1), (2, 0))),
    "tensordot_0": lambda xp, x, c: xp.tensordot(x[0, 0, :], x[1, :, 0], axes=0),
    "norm": lambda xp, x, c: xp.linalg.vector_norm(x, axis=1),
    "norm_all": lambda xp, x, c: xp.linalg.vector_norm(x),
    "norm_1": lambda xp, x, c: xp.linalg.vector_norm(x * x, axis=-1, ord=1, keepdims=True),
    "norm_3": lambda xp, x, c: xp.linalg.vector_norm(x, axis=(0, 2), ord=3),
    "norm_inf": lambda xp, x, c: xp.linalg.vector_norm(x * x, axis=0, ord=float("inf")),
    "concat": lambda xp, x, c: xp.concat([x * x, xp.permute_dims(c, (2, 1, 0))], axis=1),
    "concat_flat": lambda xp, x, c: xp.concat([x * x, c], axis=None),
    "stack": lambda xp, x, c: xp.stack([x * x, x, xp.permute_dims(c, (2, 1, 0))], axis=1),
    "stack_last": lambda xp, x, c: xp.stack([x, x * x], axis=-1),
    "reshape": lambda xp, x, c: xp.reshape(x * x, (4, -1)),
    "squeeze": lambda xp, x, c: xp.squeeze(x[:1, :, :] ** 2, axis=0),
    "expand_dims": lambda xp, x, c: xp.expand_dims(x * x, axis=1),
    "expand_dims_last": lambda xp, x, c: xp.expand_dims(x * x, axis=-1),
    "broadcast_to": lambda xp, x, c: xp.broadcast_to(x[0, :, :1] ** 2, (5, 3, 4)),
    "permute_dims": lambda xp, x, c: xp.permute_dims(x * x, (2, 0, -2)),
    "matrix_transpose": lambda xp, x, c: xp.matrix_transpose(x * x),
    "moveaxis": lambda xp, x, c: xp.moveaxis(x * x, 0, -1),
    "moveaxis_two": lambda xp, x, c: xp.moveaxis(x * x, (0, 1), (2, 0)),
    "flip": lambda xp, x, c: xp.flip(x * x),
    "flip_1": lambda xp, x, c: xp.flip(x * x, axis=1),
    "roll": lambda xp, x, c: xp.roll(x * x, 2),
    "roll_1": lambda xp, x, c: xp.roll(x * x, (1, 2), axis=(0, 2)),
    "take": lambda xp, x, c: xp.take(x * x, xp.asarray([1, 1, 0], device=c.device), axis=0),
    "asarray": lambda xp, x, c: xp.asarray(x * x, copy=True),
    "astype": lambda xp, x, c: xp.astype(x * x, x.dtype),
    "where": lambda xp, x, c: xp.where(x > 1.0, x * x, xp.permute_dims(c, (2, 1, 0))),
    "made": lambda xp, x, c: x * x * xp.ones((2, 1, 1), dtype=c.dtype, device=c.device) + xp.zeros_like(x),
    "unchanged": lambda xp, x, c: x[..., None] * xp.full_like(x, 2.0)[..., None] * x[..., None],
}


def numbers(lead=()):
    random = np.random.default_rng(4)
    return random.uniform(0.5, 1.5, (2, 3, 4)), random.standard_normal((*lead, 2, 3, 4))


@pytest.mark.parametrize("lead", [(), (2,), (2, 1)], ids=str)
@pytest.mark.parametrize("name", FUNCTIONS)
def test_derivatives_equal_differences(name, lead, backend, dtype):
    function = FUNCTIONS[name]
    x, v = numbers(lead)
    c = backend.asarray(C, dtype)
    got = function(Namespace(backend.xp), Dual(backend.asarray(x, dtype), backend.asarray(v, dtype)), c)
    value = function(xp, x, C)
    tolerance = 1e-8 if dtype == "float64" else 1e-4
    np.testing.assert_allclose(backend.to_numpy(got.value), value, rtol=tolerance)
    tangent = backend.to_numpy(got.tangent)
    assert tangent.shape == (*lead, *np.shape(value))
    for index in np.ndindex(*lead):
        step = 1e-6 * v[index]
        want = (function(xp, x + step, C) - function(xp, x - step, C)) / 2e-6
        np.testing.assert_allclose(tangent[index], want, rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_second_derivatives_equal_differences(name):
    function = FUNCTIONS[name]
    x, v = numbers((2,))
    u = numbers()[1]
    twice = Dual(Dual(x, u), Dual(v, 0 * v))
    got = function(Namespace(Namespace(xp)), twice, C).tangent

    def first(x):
        return function(Namespace(xp), Dual(x, v), C).tangent

    want = (first(x + 1e-6 * u) - first(x - 1e-6 * u)) / 2e-6
    np.testing.assert_allclose(got.tangent, want, rtol=1e-7, atol=1e-7)
    np.testing.assert_allclose(got.value, first(x), rtol=1e-12)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_plain_arrays_pass_through(name):
    x, _ = numbers()
    # to rounding: BLAS's products depend on how its arguments lie in memory
    np.testing.assert_allclose(FUNCTIONS[name](Namespace(xp), x, C), FUNCTIONS[name](xp, x, C), rtol=1e-14)


def test_products_with_zeros():
    x = Dual(np.array([0.0, 2.0, 3.0, 0.5]), np.eye(4))
    np.testing.assert_array_equal(Namespace(xp).prod(x).tangent, [3.0, 0.0, 0.0, 0.0])
    assert Namespace(xp).prod(x[:0]).value == 1.0


def test_ties_share_the_slope():
    x = Dual(np.array([1.0, 2.0, 2.0]), np.array([1.0, 2.0, 4.0]))
    assert Namespace(xp).max(x).tangent == 3.0


def test_lists_of_dual_numbers_become_one():
    x = Dual(np.array([1.0, 2.0]), np.eye(2))
    duals = Namespace(xp)
    np.testing.assert_array_equal(duals.asarray([[x[0], 3.0], [x[1], x[0]]]).tangent[0], [[1, 0], [0, 1]])
    np.testing.assert_array_equal(duals.stack([x[0], 3.0]).value, [1.0, 3.0])
    np.testing.assert_array_equal(duals.full((2,), x[1]).tangent, [[0, 0], [1, 1]])


def test_what_counts_or_compares_is_plain():
    x = Dual(np.array([1.0, 0.0, 2.0]), np.ones(3))
    duals = Namespace(xp)
    assert duals.argmax(x) == 2
    assert duals.all(x > -1.0)
    assert duals.astype(x, xp.int64).dtype == np.int64
    assert duals.linalg.vector_norm(x, ord=0) == 2.0


def test_axes_that_there_are_not():
    x = Dual(np.ones((2, 3)), np.ones((4, 2, 3)))
    with pytest.raises(IndexError, match="axis 2 is out of bounds for an array of 2 axes"):
        Namespace(xp).sum(x, axis=2)
    with pytest.raises(ValueError, match="axis must be given"):
        Namespace(xp).cumulative_sum(x)
