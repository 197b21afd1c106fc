"""Recordings: every function and operator does what NumPy's does, again and again, and no other does."""

from __future__ import annotations

import operator

import numpy as np
import pytest

import xpnet
from xpnet.device import products
from xpnet.device.select import has_numba
from xpnet.recording import Memory, NotRecordable, Recorded, Recording, Tape
from xpnet.rules import elementwise, samplewise

KERNELS = ["numpy", pytest.param("numba", marks=pytest.mark.skipif(not has_numba(), reason="needs Numba"))]
RANDOM = np.random.default_rng(0)
A, B = RANDOM.random((3, 5)) + 0.5, RANDOM.random((3, 5)) + 0.5


def namespace(kernels="numpy"):
    return xpnet.backend("numpy", kernels=kernels).xp


def recorded(function, *arrays, kernels="numpy"):
    """A tape of `function(xp, *arrays)`, the places of the arrays, and its results."""
    tape = Tape(Memory())
    xp = Recording(namespace(kernels), tape)
    places = [array.copy() for array in arrays]
    results = function(xp, *[xp.given(place) for place in places])
    return tape, places, results if isinstance(results, tuple) else (results,)


def check(function, *arrays, kernels="numpy"):
    """`function` is the same in a recording, when it is made, at other numbers, and at the first again."""
    tape, places, results = recorded(function, *arrays, kernels=kernels)
    assert all(isinstance(result, Recorded) for result in results)
    run = tape.close()
    for factor in (1, 2, 1):
        own = [np.asarray(array * factor, array.dtype) for array in arrays]
        for place, array in zip(places, own, strict=True):
            place[...] = array
        run()
        want = function(namespace(kernels), *own)
        for result, expected in zip(results, want if isinstance(want, tuple) else (want,), strict=True):
            assert result.dtype == expected.dtype
            assert result.shape == np.shape(expected)
            assert result.array.tobytes() == np.asarray(expected).tobytes()


OPERATORS = [
    *(operator.add, operator.sub, operator.mul, operator.truediv, operator.floordiv, operator.mod),
    *(operator.pow, operator.lt, operator.le, operator.gt, operator.ge, operator.eq, operator.ne),
]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("function", OPERATORS)
def test_operators(function, dtype):
    a, b = A.astype(dtype), B.astype(dtype)
    check(lambda xp, x, y: function(x, y), a, b)
    check(lambda xp, x: function(x, 2), a)
    check(lambda xp, x: function(0.5, x), a)
    check(lambda xp, x: function(x, b), a)
    check(lambda xp, x: function(b, x), a)


@pytest.mark.parametrize("function", [operator.neg, operator.abs, operator.pos])
def test_operators_of_one(function):
    check(lambda xp, x: function(x), A - 1.0)


@pytest.mark.parametrize("function", [operator.and_, operator.or_, operator.xor, operator.rshift])
def test_operators_of_integers(function):
    check(lambda xp, x, y: function(x, y), np.arange(6), np.arange(6) // 2)
    check(lambda xp, x: function(x, 1), np.arange(6))
    check(lambda xp, x: ~x, np.arange(6))


@pytest.mark.parametrize("name", ["iadd", "isub", "imul", "itruediv", "ipow"])
def test_operators_in_place(name):
    def function(xp, x, y):
        z = xp.zeros(x.shape, dtype=x.dtype)
        view = z[1:, :]
        z += x
        view = getattr(operator, name)(view, y[1:, :])
        view = getattr(operator, name)(view, 2.0)
        return z, view

    check(function, A, B)


FUNCTIONS = {
    "exp": lambda xp, x: xp.exp(x),
    "maximum": lambda xp, x: xp.maximum(x, 0.7),
    "minimum": lambda xp, x: xp.minimum(x, xp.ones_like(x)),
    "where": lambda xp, x: xp.where(x > 0.9, x, 0.0),
    "clip": lambda xp, x: xp.clip(x, 0.6, max=1.0),
    "sum": lambda xp, x: xp.sum(x),
    "sum over": lambda xp, x: xp.sum(x, axis=-2, keepdims=True, dtype=xp.float64),
    "mean": lambda xp, x: xp.mean(x, axis=0),
    "var": lambda xp, x: xp.var(x, axis=1),
    "max": lambda xp, x: xp.max(x, axis=-1),
    "argmax": lambda xp, x: xp.argmax(x, axis=-1),
    "take": lambda xp, x: xp.take(x, np.asarray([0, 2]), axis=0),
    "concat": lambda xp, x: xp.concat([x, x + 1.0], axis=-1),
    "stack": lambda xp, x: xp.stack([x, x]),
    "reshape": lambda xp, x: xp.reshape(x, (5, 3)) + 0.0,
    "reshape with a copy": lambda xp, x: xp.reshape(x.mT, (-1,)),
    "permute": lambda xp, x: xp.permute_dims(x, (1, 0)) * 2.0,
    "order of axes": lambda xp, x: xp.sum(xp.exp(x.mT), axis=0),
    "squeeze": lambda xp, x: xp.squeeze(x[None, ...], axis=0) + 1.0,
    "broadcast": lambda xp, x: xp.broadcast_to(x, (2, 3, 5)) * 1.0,
    "astype": lambda xp, x: xp.astype(x, xp.float32),
    "condition": lambda xp, x: xp.astype(x > 0.7, x.dtype),
    "copy": lambda xp, x: xp.asarray(x, copy=True),
    "linspace": lambda xp, x: x * xp.linspace(0.0, 1.0, 5),
    "arange": lambda xp, x: x + xp.arange(5, dtype=x.dtype),
    "index": lambda xp, x: (x[0, :] + 1.0, x[1, 2] * 2.0, x[..., ::2] + 0.0, x[:, None, :] * 1.0),
    "index by numbers": lambda xp, x: x[np.asarray([2, 0]), :],
    "rows": lambda xp, x: tuple(row + 0.0 for row in x),
    "matmul": lambda xp, x: (x @ x.mT, xp.matmul(x.mT, x), x @ x[0, :], x[None, ...] @ x.mT),
    "pi": lambda xp, x: x * xp.pi,
    "T": lambda xp, x: x.T + 1.0,
}


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("name", FUNCTIONS)
def test_functions(name, dtype):
    check(FUNCTIONS[name], A.astype(dtype))


def test_writing_into_parts():
    def function(xp, x):
        y = xp.empty(x.shape, dtype=x.dtype)
        y[...] = 1.0
        y[0, :] = x[1, :]
        y[1:, 2] = xp.astype(x[1:, 0], xp.float32)
        y[np.asarray([2]), 0] = 7.0
        z = xp.zeros(3)
        z[1] = x[0, 0]
        return y, z

    check(function, A)


def test_products_into_places():
    def function(xp, x):
        y = xp.empty((3, 3), dtype=x.dtype)
        z = xp.empty((3, 5), dtype=x.dtype)
        products.matmul(xp, x, x.mT, into=y)
        products.multiply(xp, x, 2.0, into=z)
        return y, z, products.multiply(xp, x, x)

    check(function, A)


@elementwise
def two(xp, x, y, *, rate):
    return x - rate * y, xp.tanh(x) * y


@elementwise
def one(xp, x, y):
    return xp.exp(x) * y


@samplewise
def normalized(xp, x, *, scale):
    y = xp.exp(x - xp.max(x, axis=-2, keepdims=True))
    total = xp.sum(y, axis=-2, keepdims=True)
    return y / total * scale, xp.squeeze(total, axis=-2)


@pytest.mark.parametrize("kernels", KERNELS)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_rules(dtype, kernels):
    a, b = A.astype(dtype), B.astype(dtype)
    check(lambda xp, x, y: two.compute(xp, x, y, rate=0.5), a, b, kernels=kernels)
    check(lambda xp, x, y: two.compute(xp, x, y[:, :1], rate=0.5), a, b, kernels=kernels)
    check(lambda xp, x, y: two.compute(xp, x[:, 1:], y[:, 1:], rate=0.5), a, b, kernels=kernels)
    check(lambda xp, x, y: one.sum(xp, x, y, factor=0.5, dtype=xp.float64), a, b, kernels=kernels)
    check(lambda xp, x, y: one.sum(xp, x.mT, y.mT, factor=0.5, dtype=xp.float64), a, b, kernels=kernels)
    check(lambda xp, x: normalized(xp, x, scale=0.5), a, kernels=kernels)
    check(lambda xp, x: normalized(xp, x[:, ::2], scale=0.5), a, kernels=kernels)

    def in_place(xp, x, y):
        z = xp.asarray(x, copy=True)
        two.write(xp, (z, whole := xp.empty(x.shape, dtype=x.dtype)), z, y, rate=0.25)
        part = xp.zeros((3, 6), dtype=x.dtype)
        one.write(xp, (part[:, 1:],), z, y)
        return z, whole, part, one.reuse(xp, z + 0.0, y)

    check(in_place, a, b, kernels=kernels)


@pytest.mark.parametrize("kernels", KERNELS)
def test_large_rules_are_cut_as_ever(kernels):
    a = RANDOM.random((3, 400_000))
    check(lambda xp, x: two.compute(xp, x, x, rate=0.5), a, kernels=kernels)


@pytest.mark.parametrize(
    "function",
    [
        lambda xp, x: bool(x[0, 0] > 0.0),
        lambda xp, x: float(x[0, 0]),
        lambda xp, x: int(x[0, 0]),
        lambda xp, x: [1, 2][x[0, 0]],
        lambda xp, x: np.asarray(x),
        lambda xp, x: np.exp(x),
        lambda xp, x: np.sum(x),
        lambda xp, x: x.sum(),
        lambda xp, x: x.tolist(),
        lambda xp, x: x[x > 0.0],
        lambda xp, x: xp.unique_values(x),
        lambda xp, x: xp.nonzero(x),
        lambda xp, x: xp.linalg.vector_norm(x),
        lambda xp, x: xp.from_dlpack(x),
        lambda xp, x: np.zeros(5).__setitem__(slice(None), x[0, :]),
        lambda xp, x: operator.iadd(np.zeros(5), x[0, :]),
        lambda xp, x: two.compute(xp, x, x, rate=x[0, 0]),
        lambda xp, x: f"{x:.3f}",
        lambda xp, x: x.__setitem__(..., 0.0),  # given, so not written to
        lambda xp, x: x.dtype.type(x[0, 0]),
        lambda xp, x: round(x[0, 0]),
        lambda xp, x: hash(x),
    ],
)
def test_what_is_refused(function):
    with pytest.raises((TypeError, ValueError)):
        recorded(function, A)


def test_arrays_of_other_recordings_are_refused():
    tape, _, (first,) = recorded(lambda xp, x: x + 1.0, A)
    with pytest.raises(NotRecordable, match="another evaluation"):
        recorded(lambda xp, x: x + first, A)
    tape.close()
    with pytest.raises(NotRecordable, match="another evaluation"):
        first + 1.0
    assert len(tape.calls) == 1
