"""Products by cuBLAS on a handle of our own: any view, any place, one call, captured streams too."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from xpnet.device import cublas
from xpnet.device.products import matmul

pytestmark = pytest.mark.cupy


def views(xp, shape, dtype, random):
    """Arrays of one shape that lie differently in memory."""
    lead, (rows, columns) = shape[:-2], shape[-2:]
    numbers = random.standard_normal(shape).astype(dtype)
    yield xp.asarray(numbers)
    yield xp.asarray(np.ascontiguousarray(numbers.swapaxes(-1, -2))).mT
    wide = xp.zeros((*lead, rows, columns + 3), dtype=dtype)
    wide[..., 1 : columns + 1] = xp.asarray(numbers)
    yield wide[..., 1 : columns + 1]
    apart = xp.zeros((*lead, rows, 2 * columns), dtype=dtype)
    apart[..., ::2] = xp.asarray(numbers)
    yield apart[..., ::2]
    yield xp.asarray(np.ascontiguousarray(numbers[..., ::-1, :]))[..., ::-1, :]
    if lead:  # parts of rows of parameters, as replicas have them
        flat = xp.zeros((*lead, rows * columns + 5), dtype=dtype)
        flat[..., 2 : rows * columns + 2] = xp.asarray(numbers.reshape((*lead, -1)))
        yield flat[..., 2 : rows * columns + 2].reshape(shape)
    yield xp.broadcast_to(xp.asarray(numbers[..., :1, :]), shape)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(
    "sides", [(3, 5, 4), (1, 5, 4), (3, 1, 4), (3, 5, 1), (1, 1, 4), (3, 1, 1), (1, 1, 1)], ids=str
)
@pytest.mark.parametrize("lead", [((), ()), ((4,), (4,)), ((4,), ()), ((), (4,)), ((1,), (1,))], ids=str)
def test_products_of_any_views(cupy_backend, lead, sides, dtype):
    xp, random = cupy_backend.xp, np.random.default_rng(0)
    n, k, m = sides
    for a, b in itertools.product(
        views(xp, (*lead[0], n, k), dtype, random), views(xp, (*lead[1], k, m), dtype, random)
    ):
        want = a.get().astype("float64") @ b.get().astype("float64")
        bound = 4 * k * np.finfo(dtype).eps * (abs(a.get()) @ abs(b.get()))
        made = matmul(xp, a, b)
        assert made.dtype == dtype
        assert made.shape == want.shape
        assert (abs(made.get() - want) <= bound).all()
        for place in views(xp, want.shape, dtype, random):
            if 0 not in place.strides:
                assert matmul(xp, a, b, place) is place
                assert (abs(place.get() - want) <= bound).all()


@pytest.mark.parametrize("lead", [(), (3,)])
def test_products_with_a_vector(cupy_backend, lead):
    xp, random = cupy_backend.xp, np.random.default_rng(0)
    a, v = (xp.asarray(random.standard_normal(shape)) for shape in ((*lead, 4, 6), (12,)))
    place = xp.zeros((*lead, 9))[..., 3:7]
    for vector in (v[:6], v[::2], v[6:][::-1]):
        want = a.get() @ vector.get()
        np.testing.assert_allclose(matmul(xp, a, vector).get(), want)
        assert matmul(xp, a, vector, place) is place
        np.testing.assert_allclose(place.get(), want)


def test_what_cublas_does_not_do_is_left_to_cupy(cupy_backend):
    xp = cupy_backend.xp
    whole = xp.ones((2, 2), dtype="int64")
    assert cublas.matmul(whole, whole) is None
    assert (matmul(xp, whole, whole).get() == 2).all()
    many = xp.ones((2, 3, 4, 5))
    assert cublas.matmul(many, many.mT) is None
    assert (matmul(xp, many, many.mT).get() == 5).all()
    none = xp.ones((3, 0))
    assert (matmul(xp, none, none.mT).get() == np.zeros((3, 3))).all()
    with pytest.raises(ValueError, match="dimension"):
        matmul(xp, xp.ones((2, 3)), xp.ones((2, 3)))


def test_several_matrices_take_one_call_and_no_copy(cupy_backend, counter):
    xp = cupy_backend.xp
    w = xp.ones((8, 50), dtype="float32")
    weights, inputs = w[:, 5:29].reshape(8, 4, 6), xp.ones((6, 10), dtype="float32")
    errors = matmul(xp, weights, inputs)
    views = [(weights, inputs), (weights.mT, errors), (errors, inputs.mT)]
    for a, b in views:
        matmul(xp, a, b)
    into = w[:, 29:33]
    with counter.forbid("sync", "h2d", "d2h", "d2d"), counter.count() as counts:
        for a, b in views:
            matmul(xp, a, b)
        matmul(xp, errors, xp.broadcast_to(inputs[0], (10,)), into)
    assert counts.launches == 0
    assert dict(counts.cublas) == {"GemmStridedBatchedEx": 4}


def test_a_stream_that_is_captured_takes_products(cupy_backend, counter):
    import cupy

    xp, random = cupy_backend.xp, np.random.default_rng(0)
    a, b = (xp.asarray(random.standard_normal((5, 5)).astype("float32")) for _ in range(2))
    want, into = matmul(xp, a, b).get(), xp.zeros((5, 5), dtype="float32")
    stream = cupy.cuda.Stream(non_blocking=True)
    with stream:
        matmul(xp, a, b, into)  # makes handle and workspace
        stream.synchronize()
        into[...] = 0
        stream.begin_capture()
        matmul(xp, a, b, into)
        graph = stream.end_capture()
        assert not into.get().any()
        with counter.count() as counts:
            graph.launch()
        stream.synchronize()
    assert counts.graph_launches == 1
    assert not counts.cublas
    assert (into.get() == want).all()


def test_each_stream_has_a_workspace_and_few_are_kept(cupy_backend):
    import cupy

    first = cublas.handle()
    assert cublas.handle() is first
    seen = set()
    for _ in range(20):
        with cupy.cuda.Stream(non_blocking=True) as stream:
            own = cublas.handle()
            assert own.stream.ptr == stream.ptr
            seen.add(id(own))
    assert cublas.handle().stream.ptr == cupy.cuda.get_current_stream().ptr
    assert len(cublas._handles.found) <= 8
