"""Derivatives, first and second, of every elementwise function on dual numbers: beside PyTorch's."""

from __future__ import annotations

import array_api_compat.numpy as xp
import numpy as np
import pytest

from xpnet.dual import Dual, Namespace, derivative
from xpnet.rules import OPERATIONS

STEPS = [n for n, o in OPERATIONS.items() if not (o.differentials or o.first or o.composed or n == "where")]
SMOOTH = [
    name
    for name, operation in OPERATIONS.items()
    if name not in STEPS and name not in ("where", "clip", "zeros_like", "ones_like", "full_like")
]
# where both arguments are drawn from; some functions are not there, or have jumps, elsewhere
PLACES = {"acosh": [(1.1, 3.0)], "pow": [(0.2, 0.9), (1.1, 3.0)]}
USUAL = [(0.2, 0.9), (-0.9, -0.2)]
LOGS = ("log", "log1p", "log2", "log10", "sqrt")


def arguments(name, lead=()):
    """Numbers and their changes, `(2, count, 40)` and `(2, count, *lead, 40)`, two places of them."""
    random = np.random.default_rng(3)
    places = PLACES.get(name, USUAL[:1] * 2 if name in LOGS else USUAL)
    for k, place in enumerate(places):
        other = (
            places[-1 - k] if name in ("atan2", "hypot", "copysign", "remainder", "logaddexp") else place
        )
        values = [random.uniform(*own, 40) for own in (place, other)][: OPERATIONS[name].count]
        yield values, [random.standard_normal((*lead, 40)) for _ in values]


def torch_derivatives(torch, name, values, changes):
    """The value, the first and the second derivative along the changes, element by element."""
    function = getattr(torch, name)
    own = [torch.tensor(value, requires_grad=True) for value in values]
    changes = [torch.tensor(change) for change in changes]
    result = [function(*own)]
    for _ in range(2):
        slopes = torch.autograd.grad(result[-1].sum(), own, create_graph=True, allow_unused=True)
        pairs = [
            (slope, change) for slope, change in zip(slopes, changes, strict=True) if slope is not None
        ]
        total = sum((slope * change for slope, change in pairs), torch.zeros_like(own[0]))
        result.append(total if total.requires_grad else total + 0.0 * own[0])
    return [part.detach().numpy() for part in result]


@pytest.mark.parametrize("name", SMOOTH)
def test_derivatives_equal_pytorch(name, torch):
    for values, changes in arguments(name):
        want = torch_derivatives(torch, name, values, changes)
        inner = [Dual(x, d) for x, d in zip(values, changes, strict=True)]
        outer = [Dual(x, Dual(d, 0 * d)) for x, d in zip(inner, changes, strict=True)]
        twice = getattr(Namespace(Namespace(xp)), name)(*outer)
        once = getattr(Namespace(xp), name)(*inner)
        found = [once.value, once.tangent]
        for got, expected in zip(found, want, strict=False):
            np.testing.assert_allclose(got, expected, rtol=1e-12, atol=1e-13)
        second = twice.tangent.tangent if isinstance(twice.tangent, Dual) else 0.0
        np.testing.assert_allclose(second, want[2], rtol=1e-11, atol=1e-12)
        np.testing.assert_allclose(twice.value.tangent, want[1], rtol=1e-12, atol=1e-13)


@pytest.mark.parametrize("name", SMOOTH)
def test_derivatives_on_every_backend_in_several_directions_of_one_or_both(name, backend, dtype):
    duals = Namespace(backend.xp)
    rtol, atol = (1e-12, 1e-13) if dtype == "float64" else (3e-5, 1e-6)
    for values, changes in arguments(name, (2, 3)):
        plain = [backend.asarray(value, dtype) for value in values]
        for which in {(True,) * len(values), (True, False)[: len(values)], (False, True)[-len(values) :]}:
            mixed = [
                Dual(x, backend.asarray(d, dtype)) if is_dual else x
                for x, d, is_dual in zip(plain, changes, which, strict=True)
            ]
            got = getattr(duals, name)(*mixed)
            assert got.tangent.dtype == backend.xp.asarray(plain[0]).dtype
            for index in np.ndindex(2, 3):
                alone = [
                    Dual(x, d[index] if is_dual else 0 * d[index])
                    for x, d, is_dual in zip(values, changes, which, strict=True)
                ]
                want = getattr(Namespace(xp), name)(*alone).tangent
                tangent = backend.to_numpy(got.tangent)[index]
                np.testing.assert_allclose(tangent, want, rtol=rtol, atol=atol)


@pytest.mark.parametrize("name", STEPS)
def test_what_changes_in_jumps_gives_plain_arrays(name):
    operation = OPERATIONS[name]
    x = np.array([-1.5, 0.0, 2.0])
    given = [Dual(x, x)] * operation.count
    if operation.takes == "conditions":
        given = [x > 0.0] * operation.count
    with np.errstate(all="ignore"):
        got = getattr(Namespace(xp), name)(*given)
    assert isinstance(got, np.ndarray)
    with np.errstate(all="ignore"):
        np.testing.assert_array_equal(
            got, getattr(xp, name)(*[getattr(own, "value", own) for own in given])
        )


def slope(function, x):
    with np.errstate(all="ignore"):
        return derivative(xp, function, np.asarray(x), np.ones_like(x)).tangent


@pytest.mark.parametrize(
    ("function", "x", "want"),
    [
        (lambda xp, z: xp.abs(z), 0.0, 1.0),
        (lambda xp, z: abs(z), -0.0, 1.0),
        (lambda xp, z: xp.maximum(z, 0.0), 0.0, 0.0),
        (lambda xp, z: xp.maximum(0.0, z), 0.0, 1.0),
        (lambda xp, z: xp.minimum(z, 0.0), 0.0, 0.0),
        (lambda xp, z: xp.maximum(2.0 * z, z), 0.0, 1.0),
        (lambda xp, z: z**0, 0.0, 0.0),
        (lambda xp, z: xp.pow(z, 0.0), 0.0, 0.0),
        (lambda xp, z: xp.pow(z, np.zeros(())), 0.0, 0.0),
        (lambda xp, z: z**1, 0.0, 1.0),
        (lambda xp, z: z**2, 0.0, 0.0),
        (lambda xp, z: z**3, -2.0, 12.0),
        (lambda xp, z: z**-1, -2.0, -0.25),
        (lambda xp, z: z ** np.array(3.0), -2.0, 12.0),
        (lambda xp, z: 2.0**z, 3.0, 8.0 * np.log(2.0)),
        (lambda xp, z: np.array(2.0) ** z, 3.0, 8.0 * np.log(2.0)),
        (lambda xp, z: 0.0**z, 3.0, 0.0),
        (lambda xp, z: z**z, 2.0, 4.0 * (np.log(2.0) + 1.0)),
        (lambda xp, z: xp.clip(z, -1.0, 1.0), 0.5, 1.0),
        (lambda xp, z: xp.clip(z, -1.0, 1.0), 1.5, 0.0),
        (lambda xp, z: xp.clip(z, max=1.0), -9.0, 1.0),
        (lambda xp, z: xp.clip(0.0, z, 2.0), 1.0, 1.0),
        (lambda xp, z: xp.full_like(z, z), 1.0, 1.0),
        (lambda xp, z: z % 0.7, 2.0, 1.0),
        (lambda xp, z: 2.0 % z, 0.7, -2.0),
        (lambda xp, z: z // 0.7 + z, 2.0, 1.0),
        (lambda xp, z: xp.pi * z + xp.e, 2.0, np.pi),
        (lambda xp, z: +z, 2.0, 1.0),
        (lambda xp, z: xp.expm1(z), -50.0, np.exp(-50.0)),
        (lambda xp, z: xp.asinh(z), 1e200, 1e-200),
        (lambda xp, z: xp.acosh(z), 1e200, 1e-200),
        (lambda xp, z: xp.atan2(z, xp.ones_like(z)), 1e-200, 1.0),
        (lambda xp, z: xp.atan2(z, 1e-200 * xp.ones_like(z)), 1e-200, 5e199),
        (lambda xp, z: xp.hypot(z, 3e200 * xp.ones_like(z)), 4e200, 0.8),
    ],
)
def test_slopes_where_care_is_needed(function, x, want):
    np.testing.assert_allclose(slope(function, x), want, rtol=1e-14)


def test_second_derivatives_of_powers_at_zero():
    for power, want in ((0, 0.0), (1, 0.0), (2, 2.0), (3, 0.0), (np.array(2.0), 2.0)):
        x = Dual(Dual(np.array(0.0), np.array(1.0)), Dual(np.array(1.0), np.array(0.0)))
        with np.errstate(all="ignore"):
            tangent = (x**power).tangent
        assert (tangent.tangent if isinstance(tangent, Dual) else 0.0) == want


def test_nan_is_not_lost():
    x = np.array([np.nan, 1.0])
    for name in ("maximum", "minimum"):
        for pair in ((Dual(x, x), 0.0), (0.0, Dual(x, x))):
            assert np.isnan(getattr(Namespace(xp), name)(*pair).value[0])


def test_constants_of_infinity_leave_the_tangent_alone():
    x = Dual(np.ones((2, 1)), np.ones((2, 1)))
    total = x + np.array([np.inf, 1.0])
    np.testing.assert_array_equal(total.tangent, np.ones((2, 2)))


def test_equality_of_values_in_a_condition():
    """The activation of the report: it was compared by identity, and its curvature was lost."""

    def function(xp, z):
        return xp.where(xp.maximum(z, 0.0) == z, z * z, 0.0 * z)

    z = np.array([-1.0, 0.5, 2.0])
    np.testing.assert_array_equal(slope(function, z), [0.0, 1.0, 4.0])
    np.testing.assert_array_equal(slope(lambda xp, z: xp.where(z != 0.5, z * z, z), z), [-2.0, 1.0, 4.0])


def test_what_there_is_not_is_named_with_what_there_is():
    duals = Namespace(xp)
    x = Dual(np.ones(3), np.ones(3))
    with pytest.raises(AttributeError, match=r"no 'xp.nextafter'.*there are.*cumulative_sum.*tanh"):
        duals.nextafter(x, x)
    assert not hasattr(duals, "fft")
    with pytest.raises(AttributeError, match=r"no 'xp.linalg.svd'; there are.*vector_norm"):
        duals.linalg.svd(x)
    with pytest.raises(TypeError, match=r"xp.sin\(\) takes 2 positional arguments but 3"):
        duals.sin(x, x)
    with pytest.raises(TypeError, match=r"xp.atan2 takes 2 arguments, got 1"):
        duals.atan2(x)
    with pytest.raises(TypeError, match="xp.linspace takes no dual numbers"):
        duals.linspace(0.0, x, 3)
    with pytest.raises(TypeError, match="needs their namespace"):
        duals.sin(Dual(x, x))
    assert {"sum", "where", "pi", "float64", "logaddexp", "argmax"} <= set(dir(duals))


def test_a_derivative_inside_a_derivative():
    """The inner function's constant is the outer's number (what is called perturbation confusion)."""

    def outer(xp, x):
        inner = derivative(xp, lambda _, y: x * y + y * x, 1.0 + 0.0 * x, xp.ones_like(x))
        return x * inner.tangent  # 2 x^2

    got = derivative(xp, outer, np.array([3.0]), np.array([1.0]))
    np.testing.assert_array_equal(got.tangent, [12.0])
