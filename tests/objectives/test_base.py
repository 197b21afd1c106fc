"""What the base class derives from what an objective has, for each combination; and sums of squares."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from conftest import assert_allclose

from xpnet import (
    GaussNewton,
    LevenbergMarquardt,
    Objective,
    Offers,
    Quadratic,
    SumOfSquares,
    after,
    difference_hessian,
    minimize,
)
from xpnet.testing import check_gradient

A = np.array([[3.0, 1.0], [1.0, 2.0]])
POINTS = np.array([2.0, -1.0]), np.array([[2.0, -1.0], [0.5, 3.0], [1.0, 1.0]])


def r(w):
    """Rosenbrock's, of `(..., 2)`."""
    return np.stack([10 * (w[..., 1] - w[..., 0] ** 2), 1 - w[..., 0]], axis=-1)


def J(w):
    zero = np.zeros_like(w[..., 0])
    rows = [[-20 * w[..., 0], zero + 10], [zero - 1, zero]]
    return np.stack([np.stack(row, axis=-1) for row in rows], axis=-2)


def squares(w):
    matrix = np.swapaxes(J(w), -1, -2) @ J(w)
    return 0.5 * (r(w) ** 2).sum(-1), np.einsum("...np,...n->...p", J(w), r(w)), matrix


def times(matrix, v):
    return (matrix @ v[..., None])[..., 0]


def spread(w):
    return np.broadcast_to(A, (*w.shape, 2)).copy()


METHODS = {
    "hessian": lambda self, w: spread(w),
    "hessian_product": lambda self, w, v: times(A, v),
    "gauss_newton": lambda self, w: squares(w)[2],
    "gauss_newton_product": lambda self, w, v: times(squares(w)[2], v),
    "residuals": lambda self, w: r(w),
    "jacobian": lambda self, w: J(w),
    "normal_equations": lambda self, w: squares(w),
}


def make(*names, **methods):
    """An objective that has these, beside value and gradient."""
    own = {
        "value": lambda self, w: squares(w)[0],
        "value_and_gradient": lambda self, w: squares(w)[:2],
    }
    return type("Own", (Objective,), own | {name: METHODS[name] for name in names} | methods)()


GAUSS_NEWTON = ["gauss_newton", "gauss_newton_product"]
DERIVED = [
    ([], []),
    (["hessian"], ["hessian", "hessian_product"]),
    (["hessian_product"], ["hessian", "hessian_product"]),
    (["gauss_newton"], GAUSS_NEWTON),
    (["gauss_newton_product"], GAUSS_NEWTON),
    (["normal_equations"], ["normal_equations", *GAUSS_NEWTON]),
    (["residuals"], ["residuals"]),
    (["jacobian"], ["jacobian"]),
    (["residuals", "jacobian"], ["residuals", "jacobian", "normal_equations", *GAUSS_NEWTON]),
    (
        ["residuals", "jacobian", "gauss_newton_product"],
        ["residuals", "jacobian", "normal_equations", *GAUSS_NEWTON],
    ),
    (["jacobian", "gauss_newton"], ["jacobian", *GAUSS_NEWTON]),
    (["hessian", "gauss_newton"], ["hessian", "hessian_product", *GAUSS_NEWTON]),
]


@pytest.mark.parametrize("w", POINTS, ids=["one", "replicas"])
@pytest.mark.parametrize(("defined", "has"), DERIVED, ids=lambda names: "+".join(names) or "nothing")
def test_what_follows_from_what(defined, has, w):
    objective = make(*defined)
    directions = np.random.default_rng(0).standard_normal((3, *w.shape))
    for name, method in METHODS.items():
        offer = Offers[name.upper()]
        products = name.endswith("_product")
        if name not in has:
            assert offer not in objective.offers
            with pytest.raises(NotImplementedError, match=f"Own has no {name}"):
                getattr(objective, name)(w, *([w] if products else []))
            continue
        assert offer in objective.offers
        for v in [w, directions] if products else [None]:
            arguments = (w,) if v is None else (w, v)
            got, want = getattr(objective, name)(*arguments), method(None, *arguments)
            got, want = (x if isinstance(x, tuple) else (x,) for x in (got, want))
            for own, expected in zip(got, want, strict=True):
                assert_allclose(own, expected, rtol=1e-12, atol=1e-13)
                assert own.shape == expected.shape


@pytest.mark.parametrize(
    ("defined", "asked", "result", "message"),
    [
        ("hessian", "hessian_product", np.ones(2), r"Own.hessian must have shape \(2, 2\), got \(2,\)"),
        ("hessian", "hessian_product", np.ones((1, 2, 2)), r"must have shape \(2, 2\), got \(1, 2, 2\)"),
        ("hessian_product", "hessian", np.ones(2), r"product with the Hessian must have shape \(2, 2\)"),
        ("gauss_newton", "gauss_newton_product", np.ones(2), r"Own.gauss_newton must have shape \(2, 2\)"),
        (
            "normal_equations",
            "gauss_newton",
            (1.0, 2.0, np.ones(2)),
            "Own.normal_equations must have shape",
        ),
        ("jacobian", "normal_equations", np.ones((3, 2)), r"Own.jacobian must have shape \(2, 2\), got"),
        ("residuals", "normal_equations", np.ones((1, 2)), r"Own.residuals must have shape \(2,\), got"),
        ("residuals", "normal_equations", np.float64(1.0), r"Own.residuals must "),
    ],
)
def test_a_result_of_a_wrong_shape_is_named(defined, asked, result, message):
    own = ["residuals", "jacobian"] if defined in ("residuals", "jacobian") else [defined]
    objective = make(*own, **{defined: lambda self, *_: result})
    arguments = [POINTS[0]] * (2 if asked.endswith("product") else 1)
    with pytest.raises((TypeError, ValueError), match=message):
        getattr(objective, asked)(*arguments)


@pytest.mark.parametrize("result", [[1.0, 2.0], np.ones(2, "float32"), np.ones(2, complex), None], ids=str)
def test_a_result_of_a_wrong_kind_is_named(result):
    objective = make("residuals", "jacobian", residuals=lambda self, w: result)
    with pytest.raises(TypeError, match=r"Own.residuals must be an array of backend 'numpy'.* and float64"):
        objective.normal_equations(POINTS[0])


def test_directions_are_checked_where_products_are_derived():
    for names in (["hessian"], ["gauss_newton"], ["residuals", "jacobian"]):
        objective = make(*names)
        method = objective.hessian_product if names == ["hessian"] else objective.gauss_newton_product
        with pytest.raises(ValueError, match=r"v must be \(2,\) like w, or \(K, \*\(2,\)\), got shape"):
            method(POINTS[0], np.ones(3))
        with pytest.raises(ValueError, match="v must be"):
            method(POINTS[0], np.ones((0, 2)))
        with pytest.raises(TypeError, match="v must be float64"):
            method(POINTS[0], np.ones(2, "float32"))


class Rosenbrock(SumOfSquares):
    def residuals(self, w):
        return r(w).astype(w.dtype)

    def jacobian(self, w):
        return J(w).astype(w.dtype)


@pytest.mark.parametrize("w", POINTS, ids=["one", "replicas"])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_sum_of_squares_is_its_residuals_and_jacobian(w, dtype):
    objective, w = Rosenbrock(), w.astype(dtype)
    value, gradient = objective.value_and_gradient(w)
    for got, want in zip((value, gradient), squares(w.astype(float)), strict=False):
        assert_allclose(got, want, rtol=1e-5 if dtype == "float32" else 1e-13)
    assert gradient.dtype == w.dtype
    assert value.dtype == objective.value(w).dtype == np.float64
    assert_allclose(objective.value(w), value, rtol=1e-14)
    if dtype == "float64":
        check_gradient(objective, w, tolerance=1e-6)
    assert Offers.NORMAL_EQUATIONS in objective.offers
    assert Offers.HESSIAN not in objective.offers


@pytest.mark.parametrize("method", [LevenbergMarquardt(), GaussNewton()])
def test_residuals_and_a_jacobian_are_enough(method):
    run = minimize(Rosenbrock(), method, np.array([-1.2, 1.0]), stop=after(60))
    np.testing.assert_allclose(run.w, 1.0, rtol=1e-6)


def test_a_sum_of_squares_must_have_both():
    class Half(SumOfSquares):
        def residuals(self, w):
            return r(w)

    with pytest.raises(TypeError, match="abstract.*jacobian"):
        Half()
    own = type("Bad", (Rosenbrock,), {"residuals": lambda self, w: w[..., :1].sum()})()
    for call in (own.value, own.value_and_gradient):
        with pytest.raises((TypeError, ValueError), match="Bad.residuals must"):
            call(POINTS[0])


def test_overflow_is_a_number_and_no_warning():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert Rosenbrock().value(np.array([1e200, 0.0])) == np.inf
        assert Quadratic(1e200 * np.eye(2), backend="numpy").value(np.array([1e200, 0.0])) == np.inf


QUADRATIC = Quadratic(A, backend="numpy")


@pytest.mark.parametrize(
    ("objective", "w", "error", "message"),
    [
        (lambda w: w, np.ones(2), TypeError, "objective must be an Objective, got <function"),
        (QUADRATIC, [1.0, 2.0], TypeError, "w must be an array.* got list"),
        (
            Quadratic(A, backend="numpy"),
            np.array([1, 2]),
            TypeError,
            "w must be float.*, got int64",
        ),
        (QUADRATIC, np.array([1, np.nan]), ValueError, "w contains NaN"),
        (
            Quadratic(A, backend="numpy"),
            np.ones((1, 1, 2)),
            ValueError,
            r"w must be \(P,\) or \(R, P\), got",
        ),
        (QUADRATIC, np.ones(3), ValueError, r"w must be \(2,\) or \(R, 2\), got shape"),
        (
            make(value_and_gradient=lambda self, w: (1.0, w[:1])),
            np.ones(2),
            ValueError,
            "gradient must have",
        ),
        (make(value_and_gradient=lambda self, w: (1.0, 3.0)), np.ones(2), TypeError, "gradient must be an"),
    ],
)
def test_differences_check_what_they_are_given(objective, w, error, message):
    with pytest.raises(error, match=message):
        difference_hessian(objective, w)


def test_differences_of_gradients_in_one_buffer():
    buffer = np.empty(2)

    def gradient(self, w):
        buffer[:] = A @ w
        return 0.5 * w @ A @ w, buffer

    assert_allclose(difference_hessian(make(value_and_gradient=gradient), np.ones(2)), A, rtol=1e-7)


def test_the_negative_of_an_objective():
    f = Quadratic(-A, [1.0, 2.0], backend="numpy")
    w, v = np.array([2.0, -1.0]), np.array([1.0, 3.0])
    check_gradient(-f, w)
    assert (-f).value(w) == -f.value(w)
    assert_allclose((-f).hessian(w), A)
    assert_allclose((-f).hessian_product(w, v), A @ v)
    assert (-f).__neg__() is f
    assert Offers.HESSIAN_PRODUCT in (-f).offers
    assert Offers.GAUSS_NEWTON_PRODUCT not in (-f).offers
    for optimizer in ("lbfgs", "newton", "trust-region"):
        top = minimize(-f, optimizer, w)
        assert_allclose(f.value_and_gradient(top.w)[1], 0.0, atol=1e-4)
    with pytest.raises(TypeError, match="gauss_newton"):
        minimize(-f, "gauss-newton", w)
    assert repr(-f) == f"-{f!r}"
