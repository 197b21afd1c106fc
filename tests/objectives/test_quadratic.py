"""The quadratic, one or many, against its formula."""

from __future__ import annotations

import numpy as np
import pytest

from xpnet import Quadratic
from xpnet.testing import check_gradient


def pieces(seed=0, replicas=3, size=4):
    random = np.random.default_rng(seed)
    A = random.standard_normal((replicas, size, size))
    return A + A.transpose(0, 2, 1), random.standard_normal((replicas, size)), random.random(replicas)


def formula(A, b, c, w):
    return 0.5 * w @ A @ w + b @ w + c, A @ w + b


@pytest.mark.parametrize("batched", ["none", "A", "b", "c", "w", "all"])
def test_one_or_many(backend, dtype, tolerance, batched):
    A, b, c = pieces()
    w = np.random.default_rng(1).standard_normal((3, 4))

    def own(name, array):
        return array if batched in (name, "all") else array[0]

    objective = Quadratic(own("A", A), own("b", b), own("c", c), backend=backend, dtype=dtype)
    many = batched != "none"
    point = backend.asarray(w if many else w[0], dtype)
    value, gradient = objective.value_and_gradient(point)
    product = objective.hessian_product(point, point)
    assert gradient.dtype == point.dtype
    assert tuple(value.shape) == ((3,) if many else ())
    for r in range(3 if many else 1):
        pick = [array if array.ndim == full.ndim else array[None] for array, full in (
            (own("A", A), A), (own("b", b), b), (own("c", c), c))]  # fmt: skip
        Ar, br, cr = (array[r % len(array)] for array in pick)
        want, want_gradient = formula(Ar, br, cr, w[r])
        index = (r,) if many else ()
        np.testing.assert_allclose(backend.to_numpy(value)[index], want, rtol=50 * tolerance)
        np.testing.assert_allclose(
            backend.to_numpy(objective.value(point))[index], want, rtol=50 * tolerance
        )
        np.testing.assert_allclose(backend.to_numpy(gradient)[index], want_gradient, atol=50 * tolerance)
        np.testing.assert_allclose(backend.to_numpy(product)[index], Ar @ w[r], atol=50 * tolerance)


def test_gradients_by_differences(device):
    A, b, c = pieces()
    w = device.asarray(np.random.default_rng(2).standard_normal((3, 4)))
    check_gradient(Quadratic(A[0], b[0], c[0], backend=device), w[0])
    check_gradient(Quadratic(A, b, c, backend=device), w)


def test_the_linear_and_constant_parts_may_be_left_out(device):
    value, gradient = Quadratic([[2.0]], backend=device).value_and_gradient(device.asarray([3.0]))
    assert (float(value), gradient.tolist()) == (9.0, [6.0])
