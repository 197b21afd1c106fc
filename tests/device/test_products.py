"""Products of arrays, with and without a place for them."""

from __future__ import annotations

import numpy as np
import pytest
from conftest import assert_array_equal

from xpnet.device.products import matmul, multiply


@pytest.mark.parametrize("product", [matmul, multiply])
def test_products_go_where_they_are_told(product, backend):
    left, right = backend.asarray([[1.0, 2.0], [3.0, 4.0]]), backend.asarray([[5.0, 6.0], [7.0, 8.0]])
    want = {"matmul": [[19, 22], [43, 50]], "multiply": [[5, 12], [21, 32]]}[product.__name__]
    assert_array_equal(product(backend.xp, left, right), want)
    whole = backend.xp.zeros_like(backend.xp.concat([left, left]))
    assert_array_equal(product(backend.xp, left, right, into=whole[1:3, :]), want)
    assert_array_equal(whole, [[0, 0], *want, [0, 0]])


def test_a_product_makes_no_array_between(numpy_backend):
    import tracemalloc

    left, into = np.ones((300, 300)), np.empty((300, 300))
    matmul(numpy_backend.xp, left, left, into=into)
    tracemalloc.start()
    matmul(numpy_backend.xp, left, left, into=into)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < into.nbytes / 10
