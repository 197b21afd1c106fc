"""Products of tiny matrices: those of BLAS but for rounding, the same bits for every place in memory."""

from __future__ import annotations

import numpy as np
import pytest

import xpnet
from xpnet.rules import products
from xpnet.rules.lowered import lower
from xpnet.rules.products import LEAST, MOST, matmul, tiny_product

DTYPES = [np.float32, np.float64]


@pytest.fixture
def xp():
    pytest.importorskip("numba", reason="Numba is not installed")
    return xpnet.backend("numpy", kernels="numba").xp


def layer(o, i, n, dtype, lead=()):
    """Weights, activations below, gradients above."""
    random = np.random.default_rng(o * 1000 + i)
    return [random.standard_normal((*lead, *shape)).astype(dtype) for shape in ((o, i), (i, n), (o, n))]


def each(W, y, dz):
    ones = np.ones(y.shape[-1], y.dtype)
    return [(W, y), (W.mT, dz), (dz, y.mT), (dz, ones)]


def close(got, left, right):
    """To within what a sum of as many products may be rounded by, as BLAS is; and the exact result."""
    exact = np.matmul(left.astype(np.longdouble), right.astype(np.longdouble))
    size = np.matmul(np.abs(left), np.abs(right)).astype(np.longdouble)
    assert got.dtype == left.dtype
    assert got.shape == exact.shape
    worst = float(np.max(np.abs(got - exact) / (size * np.finfo(got.dtype).eps)))
    assert worst <= max(2.5, (left.shape[-1] / 16) ** 0.5)
    return worst


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("n", [LEAST, 65, 127, 1000, 1024 + 5, 5000])
def test_products_of_a_layer(xp, dtype, n):
    for o, i in [(20, 2), (20, 20), (2, 20), (1, 10), (10, 1), (7, 5), (MOST, MOST), (3, 31)]:
        for left, right in each(*layer(o, i, n, dtype)):
            out = np.full((left.shape[0], *right.shape[1:]), np.nan, dtype)
            assert tiny_product(left, right, out) is not None
            assert matmul(xp, left, right, out) is out
            close(out, left, right)
            np.testing.assert_array_equal(matmul(xp, left, right), out)


@pytest.mark.parametrize("dtype", DTYPES)
def test_sums_are_as_exact_as_those_of_blas(xp, dtype):
    dz, y = np.random.default_rng(0).random((2, 20, 50_000)).astype(dtype)
    mine, theirs = close(matmul(xp, dz, y.T), dz, y.T), close(dz @ y.T, dz, y.T)
    assert mine < 2 * theirs


@pytest.mark.parametrize("dtype", DTYPES)
def test_bits_do_not_depend_on_where_arrays_lie(xp, dtype):
    W, y, dz = layer(5, 7, 600, dtype)
    for left, right in each(W, y, dz):
        wanted = matmul(xp, left, right)
        for offset in range(1, 20):
            room = [
                np.full((*own.shape[:-1], own.shape[-1] + offset + 3), np.nan, dtype)
                for own in (left, right.T)
            ]
            views = [own[..., offset:-3] for own in room]
            views[0][...], views[1][...] = left, right.T
            pairs = [(views[0], right), (left, views[1].T)]
            for a, b in pairs:
                if tiny_product(a, b, np.empty_like(wanted)) is not None:
                    np.testing.assert_array_equal(matmul(xp, a, b), wanted)
    np.testing.assert_array_equal(
        matmul(xp, W, y)[:, 100:300], matmul(xp, W, np.ascontiguousarray(y[:, 100:300]))
    )


@pytest.mark.parametrize("dtype", DTYPES)
def test_replicas_are_those_alone(xp, dtype):
    for lead in [(3,), (1,)]:
        W, y, dz = layer(6, 4, 100, dtype, lead)
        for left, right in [*each(W, y, dz), (W, y[0]), (W[0], y)]:
            want = [
                matmul(xp, left[k] if left.ndim == 3 else left, right[k] if right.ndim == 3 else right)
                for k in range(lead[0])
            ]
            np.testing.assert_array_equal(matmul(xp, left, right), want)
        flat = np.zeros((*lead, 40), dtype)  # a view of the gradient of replicas
        into = flat[:, 10:34].reshape(*lead, 6, 4)
        assert tiny_product(dz, y.mT, into) is not None
        matmul(xp, dz, y.mT, into)
        np.testing.assert_array_equal(into, matmul(xp, dz, y.mT))
        assert not flat[:, :10].any()
        assert not flat[:, 34:].any()


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_what_is_not_finite_stays_where_it_is(xp, dtype, value):
    for place in (0, 37, 1000, 1026):
        W, y, dz = layer(6, 5, 1027, dtype)
        y[2, place] = value
        W[1, 3] = value
        dz[4, -1] = 0
        with np.errstate(all="ignore"):
            for left, right in each(W, y, dz):
                got, want = matmul(xp, left, right), left @ right
                for kind in (np.isnan, np.isposinf, np.isneginf):
                    np.testing.assert_array_equal(kind(got), kind(want))


def test_zeros_have_a_sign_as_blas_gives_it(xp):
    W, y = np.array([[-1.0], [1.0]]), np.zeros((1, 100))
    assert not np.signbit(matmul(xp, W, y)).any()


def test_the_rest_is_left_to_blas(xp):
    def array(*shape, dtype=np.float64):
        return np.ones(shape, dtype)

    left = [
        (array(MOST + 1, 5), array(5, 100)),
        (array(5, MOST + 1), array(MOST + 1, 100)),
        (array(5, 5), array(5, LEAST - 1)),
        (array(5, 100), array(100, 5)),  # samples are not dense
        (array(5, 5), array(100, 5).T),
        (array(5, 5, dtype=np.float32), array(5, 100)),
        (array(5, 5, dtype=int), array(5, 100, dtype=int)),
        (array(5, 0), array(0, 100)),
        (array(0, 5), array(5, 100)),
        (array(2, 2, 5, 5), array(5, 100)),
    ]
    for a, b in left:
        wanted = np.matmul(a, b)
        assert tiny_product(a, b, np.empty_like(wanted)) is None
        got = matmul(xp, a, b)
        assert got.dtype == wanted.dtype
        np.testing.assert_array_equal(got, wanted)
    with pytest.raises(ValueError, match="mismatch"):
        matmul(xp, array(5, 4), array(5, 100))


def test_other_namespaces_have_their_own(monkeypatch):
    monkeypatch.setattr(products, "tiny_product", None)
    plain = xpnet.backend("numpy", kernels="numpy").xp
    a, b = np.ones((3, 4)), np.ones((4, 100))
    into = np.empty((3, 100))
    np.testing.assert_array_equal(matmul(plain, a, b), a @ b)
    assert matmul(plain, a, b, into) is into


def test_what_cannot_be_compiled_is_left_to_blas(xp, monkeypatch, caplog):
    def fail(*_):
        raise RuntimeError("no compiler")

    products._kernel.cache_clear()
    monkeypatch.setattr(products.STORE, "kernel", fail)
    a, b = np.ones((3, 4)), np.ones((4, 100))
    for _ in range(2):
        np.testing.assert_array_equal(matmul(xp, a, b), a @ b)
    assert [record.message for record in caplog.records] == [
        "products of tiny matrices are left to BLAS, as they cannot be compiled: no compiler"
    ]
    products._kernel.cache_clear()


@pytest.mark.parametrize("dtype", DTYPES)
def test_lowered_they_are_the_same(xp, dtype):
    for left, right in [*each(*layer(6, 4, 100, dtype)), *each(*layer(6, 4, 100, dtype, (3,)))]:
        wanted = matmul(xp, left, right)
        out = np.empty_like(wanted)
        lowered = lower([tiny_product(left, right, out)])
        assert lowered.left == 0
        lowered.run()
        np.testing.assert_array_equal(out, wanted)
