"""Dense Hessians, Gauss-Newton matrices, residuals and Jacobians."""

from __future__ import annotations

import numpy as np
import pytest
from conftest import assert_allclose, assert_array_equal, to_numpy

import xpnet
from xpnet import (
    L1,
    L2,
    BinaryCrossEntropy,
    CrossEntropy,
    Dense,
    EmpiricalRisk,
    LeastSquares,
    Network,
    Quadratic,
    SquaredError,
    difference_hessian,
    linear,
)
from xpnet.objectives import matrices
from xpnet.testing import check_gradient

NETWORK = Network(3, Dense(4, "tanh"), Dense(2))
X = np.random.default_rng(0).standard_normal((30, 3))
TARGETS = np.random.default_rng(1).standard_normal((30, 2))
WEIGHTS = np.random.default_rng(2).uniform(0.1, 2, 30)


def regression(backend="numpy", dtype="float64", **options):
    return EmpiricalRisk(
        NETWORK, SquaredError(), X, TARGETS, backend=backend, dtype=dtype, sample_weight=WEIGHTS, **options
    )


def classification(backend="numpy", **options):
    network = Network(3, Dense(4, "tanh"), Dense(3, "softmax"))
    labels = np.random.default_rng(3).integers(0, 3, 30)
    return EmpiricalRisk(network, CrossEntropy(), X, labels, backend=backend, dtype="float64", **options)


def start(objective, seed=0, replicas=None):
    return objective.network.initialize(seed, objective.backend, "float64", replicas)


@pytest.mark.parametrize("make", [regression, classification], ids=["regression", "classification"])
def test_hessian_equals_differences(make, device):
    objective = make(device, penalty=L2(0.1))
    w = start(objective)
    H = objective.hessian(w)
    D = difference_hessian(objective, w)
    assert abs(H - D).max() <= 1e-6 * abs(H).max()  # row 22
    assert_array_equal(H, H.T)
    v = device.asarray(np.random.default_rng(5).standard_normal(w.size))
    assert_allclose(H @ v, objective.hessian_product(w, v), rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize(
    ("activation", "divergence"),
    [
        ("sigmoid", BinaryCrossEntropy()),
        ("sigmoid", SquaredError()),
        ("softplus", SquaredError()),
        ("tanh", SquaredError()),
    ],
    ids=str,
)
def test_hessians_where_all_units_are_at_zero(activation, divergence, device):
    """Where a network for a convex problem starts, and where formulas change sides."""
    network = Network(3, Dense(1, activation, initializer="zeros"))
    targets = np.random.default_rng(4).integers(0, 2, 30)
    objective = EmpiricalRisk(network, divergence, X, targets, backend=device, dtype="float64")
    w = start(objective)
    H = to_numpy(objective.hessian(w))
    assert abs(H).max() > 0.01
    assert_allclose(H, difference_hessian(objective, w), atol=1e-9)


def test_hessian_equals_pytorch(torch, device):
    objective = classification(device)
    w = start(objective)
    labels = torch.tensor(np.random.default_rng(3).integers(0, 3, 30))

    def loss(flat):
        shapes, parts, at = objective.network.layout.shapes, {}, 0
        for name, shape in shapes.items():
            size = int(np.prod(shape))
            parts[name] = flat[at : at + size].reshape(shape)
            at += size
        hidden = torch.tanh(torch.tensor(X) @ parts["0.weights"].T + parts["0.bias"])
        return torch.nn.functional.cross_entropy(hidden @ parts["1.weights"].T + parts["1.bias"], labels)

    want = torch.func.hessian(loss)(torch.tensor(to_numpy(w))).numpy()
    assert_allclose(objective.hessian(w), want, rtol=1e-10, atol=1e-10 * abs(want).max())


def test_replicas_have_matrices_of_their_own(backend, dtype, tolerance):
    objective = regression(backend, dtype, penalty=L2(0.1))
    w = NETWORK.initialize(0, backend, dtype, replicas=2)
    methods = ("hessian", "gauss_newton", "jacobian", "residuals")
    for r in range(2):
        own = NETWORK.initialize(r, backend, dtype)
        for method in methods:
            many, one = getattr(objective, method)(w), getattr(objective, method)(own)
            assert_allclose(
                backend.to_numpy(many)[r], backend.to_numpy(one), atol=20 * tolerance, err_msg=method
            )
        for many, one in zip(objective.normal_equations(w), objective.normal_equations(own), strict=True):
            assert_allclose(backend.to_numpy(many)[r], backend.to_numpy(one), atol=20 * tolerance)


@pytest.mark.parametrize("chunk", [None, 7])
@pytest.mark.parametrize("penalty", [None, L2(0.1), L2(0.1, biases=True)], ids=str)
def test_residuals_and_jacobian_make_value_gradient_and_matrix(chunk, penalty, device):
    objective = regression(device, chunk=chunk, penalty=penalty)
    w = start(objective)
    r, J = objective.residuals(w), objective.jacobian(w)
    assert J.shape == (r.size, w.size)
    assert r.size == 60 + (0 if penalty is None else w.size)
    value, gradient = objective.value_and_gradient(w)
    assert float(0.5 * r @ r) == pytest.approx(float(value), rel=1e-12)
    assert_allclose(J.T @ r, gradient, rtol=1e-11, atol=1e-14)
    assert_allclose(J.T @ J, objective.gauss_newton(w), atol=1e-13)
    for got, want in zip(objective.normal_equations(w), (value, gradient, J.T @ J), strict=True):
        assert_allclose(got, want, rtol=1e-11, atol=1e-13)
    # the rows are those of the samples, outputs together
    h = 1e-6
    for k in (0, 5, w.size - 1):
        step = device.asarray(h * np.eye(w.size)[k])
        column = (objective.residuals(w + step) - objective.residuals(w - step)) / (2 * h)
        assert_allclose(J[:, k], column, atol=1e-8)


def test_blocks_of_rows_and_threads_change_nothing(monkeypatch):
    w = start(regression())
    whole = regression().normal_equations(w)
    monkeypatch.setattr(xpnet.objectives.risk.squares, "JACOBIAN_BYTES", 1)
    monkeypatch.setattr(xpnet.objectives.risk.chunks, "THREAD_WORK", 0)
    monkeypatch.setattr(xpnet.objectives.risk.squares, "MATRIX_GROUPS", 2)
    for threads in (1, 2, 5):
        parts = regression(threads=threads).normal_equations(w)
        for got, want in zip(parts, whole, strict=True):
            assert_allclose(got, want, rtol=1e-11, atol=1e-14)
    one, many = (regression(threads=n).normal_equations(w) for n in (1, 4))
    assert all(np.array_equal(a, b) for a, b in zip(one, many, strict=True))


def test_what_has_no_residuals_says_so():
    w = start(classification())
    for method in ("residuals", "jacobian", "normal_equations"):
        with pytest.raises(NotImplementedError, match=r"only SquaredError has residuals, not CrossEntropy"):
            getattr(classification(), method)(w)
        with pytest.raises(NotImplementedError, match="only an L2 penalty is a sum of squares"):
            getattr(regression(penalty=L1(0.1)), method)(start(regression()))
        with pytest.raises(NotImplementedError, match=f"Quadratic has no {method}"):
            getattr(Quadratic(np.eye(2), backend="numpy"), method)(np.ones(2))
    assert xpnet.Offers.RESIDUALS in regression().offers
    assert xpnet.Offers.RESIDUALS not in classification().offers
    assert xpnet.Offers.RESIDUALS not in regression(penalty=L1(0.1)).offers


def test_matrices_too_large_are_refused_with_their_size(monkeypatch):
    objective = regression()
    monkeypatch.setattr(xpnet.Backend, "free_memory", lambda self: 100_000)
    monkeypatch.setattr(matrices, "SMALL", 0)
    w = start(objective)
    for method, name, size in (
        ("hessian", "Hessian, 26 x 26, needs", 1.08e-05),
        ("jacobian", "Jacobian, 60 x 26, needs", 2.5e-05),
        ("normal_equations", "matrix J'J, 26 x 26, needs", 3.24e-05),
    ):
        getattr(objective, method)(w)
        many = start(objective, replicas=40)
        with pytest.raises(MemoryError, match=name) as raised:
            getattr(objective, method)(many)
        assert f"{40 * size:.3g}"[:4] in str(raised.value)


def test_a_hessian_of_a_hundred_thousand_parameters_is_refused():
    network = Network(300, Dense(330), Dense(2))
    objective = EmpiricalRisk(network, SquaredError(), np.ones((2, 300)), np.ones((2, 2)), backend="numpy")
    assert network.size > 99_000
    with pytest.raises(MemoryError, match=r"Hessian, 99992 x 99992, needs 80 GB"):
        objective.hessian(network.initialize(0, "numpy"))


@pytest.mark.parametrize("replicas", [None, 3])
def test_least_squares_derivatives(replicas, device):
    def model(xp, w):
        return [w[..., 0] * xp.exp(w[..., 1] * x) - (1 + x) for x in np.linspace(0, 1, 9).tolist()]

    objective = LeastSquares(model, backend=device)
    w = np.array([0.7, 0.4]) if replicas is None else np.random.default_rng(0).uniform(0, 1, (replicas, 2))
    w = device.asarray(w)
    check_gradient(objective, w)
    H = objective.hessian(w)
    assert_allclose(H, difference_hessian(objective, w), rtol=1e-6)
    J, r = objective.jacobian(w), objective.residuals(w)
    assert_allclose(objective.gauss_newton(w), np.swapaxes(J, -1, -2) @ J, rtol=1e-12)
    value, gradient, matrix = objective.normal_equations(w)
    assert_allclose(value, 0.5 * (r * r).sum(-1), rtol=1e-13)
    assert_allclose(gradient, objective.value_and_gradient(w)[1], rtol=1e-11, atol=1e-13)
    assert_allclose(matrix, objective.gauss_newton(w), rtol=1e-12)


def test_least_squares_on_every_backend(backend, dtype, tolerance):
    def model(xp, w):
        return [xp.exp(w[..., 0]) - 2.0, w[..., 0] * w[..., 1] ** 2 - 1.0]

    objective = LeastSquares(model, backend=backend, dtype=dtype)
    w = backend.asarray([0.5, 1.2], dtype)
    value, gradient = objective.value_and_gradient(w)
    e = np.exp(0.5)
    r = np.array([e - 2, 0.5 * 1.44 - 1])
    assert float(value) == pytest.approx(0.5 * r @ r, rel=10 * tolerance)
    assert_allclose(backend.to_numpy(gradient), [r[0] * e + r[1] * 1.44, r[1] * 1.2], rtol=20 * tolerance)
    H = [[e * e + r[0] * e + 1.44**2, 1.44 * 1.2 + 2.4 * r[1]], [0, 1.2**2 + r[1]]]
    H[1][0] = H[0][1]
    assert_allclose(backend.to_numpy(objective.hessian(w)), H, rtol=100 * tolerance)


def test_least_squares_refuses_what_is_no_function():
    with pytest.raises(TypeError, match="function must be a function of a namespace and w, got 3"):
        LeastSquares(3)


def test_matrix_free_tools_take_a_risk_s_products(device):
    objective = classification(device, penalty=L2(0.01))
    w = start(objective)
    H = objective.hessian(w)
    values = np.linalg.eigvalsh(to_numpy(H))
    product = lambda v: objective.hessian_product(w, v)  # noqa: E731
    found = linear.extreme_eigenvalues(
        product, device.asarray(np.random.default_rng(0).standard_normal(w.size))
    )
    assert_allclose([found.smallest, found.largest], values[[0, -1]], rtol=1e-8, atol=1e-10)
    estimate, error = linear.trace(product, linear.probes(w, 50))
    assert abs(estimate - values.sum()) < 4 * error
