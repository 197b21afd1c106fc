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


def test_a_matrix_need_not_be_symmetric(device):
    """Row 42: `w'Aw = w'(A + A')/2 w`: the same value, gradient and steps."""
    A = np.random.default_rng(0).standard_normal((2, 4, 4))
    b, w = np.ones(4), np.random.default_rng(1).standard_normal((2, 4))
    own, half = (Quadratic(M, b, backend=device) for M in (A, (A + A.transpose(0, 2, 1)) / 2))
    point = device.asarray(w)
    for got, want in zip(own.value_and_gradient(point), half.value_and_gradient(point), strict=True):
        np.testing.assert_array_equal(device.to_numpy(got), device.to_numpy(want))
    value = 0.5 * np.einsum("ri,rij,rj->r", w, A, w) + w @ b
    np.testing.assert_allclose(device.to_numpy(own.value(point)), value, rtol=1e-13)
    check_gradient(own, point)
    np.testing.assert_allclose(
        device.to_numpy(own.hessian(point)), (A + A.transpose(0, 2, 1)) / 2, rtol=1e-13
    )


def test_symmetry_is_found_in_double_precision():
    objective = Quadratic([[1.0, 16777217.0], [-16777216.0, 1.0]], backend="numpy", dtype="float32")
    assert objective.A[0, 1] == objective.A[1, 0] == 0.5
    large = 1.7e308
    assert Quadratic([[large]], backend="numpy").A[0, 0] == large


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        (([[1.0, np.nan], [0.0, 1.0]],), ValueError, "A contains NaN"),
        (([[1e300]],), ValueError, "A contains infinity"),  # in float32
        (([1.0, 2.0],), ValueError, r"A must be square, .* got shape \(2,\)"),
        ((np.zeros((0, 0)),), ValueError, r"A must be square, .* got shape \(0, 0\)"),
        (
            (np.eye(2), None, np.ones((1, 1))),
            ValueError,
            r"c must be a number or \(R,\), got shape",
        ),
        ((np.eye(2), None, np.inf), ValueError, "c contains infinity"),
        (([["a"]],), TypeError, "A must hold real numbers"),
        (([[1j]],), TypeError, "A must hold real numbers"),
    ],
)
def test_what_is_no_quadratic(arguments, error, message):
    with pytest.raises(error, match=message):
        Quadratic(*arguments, backend="numpy", dtype="float32")


def test_what_was_handed_over_may_change():
    A, b, c = np.diag([2.0, 1.0]), np.ones(2), np.array(1.0)
    quadratic = Quadratic(A, b, c, backend="numpy")
    before = float(quadratic.value(np.ones(2)))
    for array in (A, b, c):
        array[...] = 7.0
    assert float(quadratic.value(np.ones(2))) == before


def test_it_says_what_it_is():
    assert repr(Quadratic(np.eye(3), backend="numpy")) == (
        "Quadratic(parameters=3, backend='numpy', dtype='float64')"
    )
    many = Quadratic(np.eye(3), np.ones((2, 3)), backend="numpy", dtype="float32")
    assert repr(many) == "Quadratic(parameters=3, replicas=2, backend='numpy', dtype='float32')"
