"""Steps that stay in a ball: the minimum under a bound, the norm that rules see, resuming, replicas."""

from __future__ import annotations

import numpy as np
import pytest
from conftest import assert_allclose, assert_resumes, to_numpy
from oracles import NETWORK, OPTIMIZERS, quadratic, risk

import xpnet
from xpnet import (
    Adam,
    GradientDescent,
    Minibatch,
    Momentum,
    Nesterov,
    Projected,
    Quadratic,
    after,
    gradient_below,
    iterate,
    minimize,
)

TAKEN = [own for own in OPTIMIZERS if not isinstance(own, Nesterov)]
FINITE = [own for own in TAKEN if own != xpnet.QuickProp(0.1, guards=False)]  # whose secants overflow


def bounded(A, b, radius):
    """The minimum of `1/2 w'Aw + b'w` for `|w| <= radius`, by the multiplier."""
    w = np.linalg.solve(A, -b)
    if np.linalg.norm(w) <= radius:
        return w
    low, high = 0.0, np.linalg.norm(b) / radius
    for _ in range(200):
        middle = 0.5 * (low + high)
        w = np.linalg.solve(A + middle * np.eye(len(b)), -b)
        low, high = (middle, high) if np.linalg.norm(w) > radius else (low, middle)
    return w


def convex(backend="numpy", size=6):
    random = np.random.default_rng(0)
    rotation, _ = np.linalg.qr(random.standard_normal((size, size)))
    A, b = rotation * np.geomspace(1, 10, size) @ rotation.T, random.standard_normal(size)
    return Quadratic(A, b, backend=backend), A, b


@pytest.mark.parametrize("radius", [0.05, 0.2, 10.0])
@pytest.mark.parametrize("method", [GradientDescent(0.1), Momentum(0.05, 0.5)], ids=str)
def test_the_minimum_under_the_bound(method, radius, device):
    objective, A, b = convex(device)
    want = bounded(A, b, radius)
    stop = after(5000) | gradient_below(1e-9)
    run = minimize(objective, Projected(method, radius), device.xp.zeros(6), stop=stop)
    assert run.converged
    assert_allclose(run.w, want, rtol=1e-7, atol=1e-9)
    assert float(np.linalg.norm(to_numpy(run.w))) <= radius * (1 + 1e-12)
    assert run.history.gradient_norm[-1] <= 1e-9
    gradient = A @ want + b
    assert (np.linalg.norm(gradient) < 1e-6) == (radius == 10.0)


def test_scipy_finds_the_same_minimum():
    optimize = pytest.importorskip("scipy.optimize", reason="SciPy is the oracle of this test")
    network = xpnet.Network(4, xpnet.Dense(3, "softmax"))
    random = np.random.default_rng(0)
    X, labels = random.standard_normal((40, 4)), random.integers(0, 3, 40)
    objective = xpnet.EmpiricalRisk(
        network, xpnet.CrossEntropy(), X, labels, backend="numpy", dtype="float64"
    )
    stop = after(20_000) | gradient_below(1e-8)
    run = minimize(objective, Projected(GradientDescent(0.5), 0.3), np.zeros(15), stop=stop)
    want = optimize.minimize(
        lambda w: objective.value_and_gradient(w),
        np.zeros(15),
        jac=True,
        method="SLSQP",
        constraints={"type": "ineq", "fun": lambda w: 0.09 - w @ w, "jac": lambda w: -2 * w},
        options={"ftol": 1e-14, "maxiter": 500},
    )
    assert run.converged
    assert run.value == pytest.approx(want.fun, abs=1e-9)
    np.testing.assert_allclose(run.w, want.x, atol=1e-5)


@pytest.mark.parametrize("method", FINITE, ids=str)
def test_every_method_stays_inside(method, backend, dtype):
    objective, w = quadratic(10, backend="numpy")
    objective = Quadratic(to_numpy(objective.A), 10 * to_numpy(w), backend=backend, dtype=dtype)
    w, last = backend.xp.zeros(8, dtype=objective.dtype, device=backend.device), np.zeros(8)
    steps = iterate(objective, Projected(method, 0.5), w)
    for _ in range(30):
        next(steps)
        assert np.linalg.norm(backend.to_numpy(w)) <= 0.5 * (1 + 1e-6)
    assert not np.array_equal(backend.to_numpy(w), last)


@pytest.mark.parametrize("method", [*TAKEN, Momentum(np.full(8, 0.1))], ids=str)
def test_within_the_ball_it_is_the_method_itself(method):
    objective, w = quadratic(3)
    w = w / 100
    inside, own = w.copy(), w.copy()
    bound, free = iterate(objective, Projected(method, 1e3), inside), iterate(objective, method, own)
    for _ in range(10):
        next(bound), next(free)
    assert inside.tobytes() == own.tobytes()


@pytest.mark.parametrize("method", [Momentum(0.1), Adam(0.1), xpnet.Rprop("iRprop+")], ids=str)
def test_it_goes_on_bit_for_bit(method):
    objective, w = quadratic(10)
    objective = Quadratic(objective.A, 10 * w, backend="numpy")
    assert_resumes(objective, Projected(method, 0.5), np.zeros(8))


def test_each_replica_has_a_radius(device):
    objective, A, b = convex(device)
    radius = np.array([[0.05], [0.2], [10.0]])
    method = Projected(GradientDescent(0.1), device.asarray(radius))
    run = minimize(objective, method, device.xp.zeros((3, 6)), stop=after(5000) | gradient_below(1e-9))
    assert run.converged.all()
    assert_allclose(run.w, [bounded(A, b, size) for size in radius[:, 0]], rtol=1e-7, atol=1e-9)
    with pytest.raises(ValueError, match="radius must be a number"):
        minimize(objective, method, device.xp.zeros((2, 6)))


def test_batches_of_it():
    objective, w = risk(), NETWORK.initialize(0, "numpy", "float64")
    method = Projected("adam", 0.7)
    run = minimize(objective, Minibatch(method, 8), method.project(w), stop=after(40))
    assert np.linalg.norm(run.w) <= 0.7 * (1 + 1e-12)


def test_on_the_sphere_a_gradient_that_points_inwards_is_whole(numpy_backend):
    method = Projected("momentum", 1.0)
    w = np.array([0.6, 0.8])
    for gradient, want in (
        ([1.0, 0.0], [1.0, 0.0]),  # -g points inwards
        ([-0.6, -0.8], [0.0, 0.0]),  # straight outwards
        ([-1.0, 0.0], [-0.64, 0.48]),
    ):
        np.testing.assert_allclose(
            method.free_gradient(numpy_backend, w, np.array(gradient)), want, atol=1e-15
        )
        np.testing.assert_array_equal(
            method.free_gradient(numpy_backend, 0.9 * w, np.array(gradient)), gradient
        )


def test_a_start_outside_is_refused_and_can_be_projected():
    objective, _, _ = convex()
    method, w = Projected("momentum", 0.5), np.ones(6)
    with pytest.raises(ValueError, match=r"w must lie in the ball of radius 0\.5, got a norm of 2\.4"):
        minimize(objective, method, w)
    inside = method.project(w)
    np.testing.assert_allclose(inside, 0.5 * w / np.linalg.norm(w), rtol=1e-15)
    np.testing.assert_array_equal(method.project(0.1 * w), 0.1 * w)
    minimize(objective, method, inside, stop=after(2))


def test_which_methods_it_takes():
    for other in (Nesterov(), xpnet.BFGS(), Minibatch("adam"), Projected("adam", 1.0), 3):
        with pytest.raises(TypeError, match="optimizer must be one of first order such as Momentum"):
            Projected(other, 1.0)
    with pytest.raises(ValueError, match="unknown optimizer 'nesterov'; use one of"):
        Projected("nesterov", 1.0)
    for radius in (0.0, -1.0, np.inf):
        with pytest.raises(ValueError, match="radius must be"):
            Projected("adam", radius)
    with pytest.raises(ValueError, match=r"radius must be a number or \(R, 1\), got shape \(3,\)"):
        Projected("adam", np.ones(3))
    assert eval(repr(Projected("adam", 2)), vars(xpnet)) == Projected(Adam(), 2.0)


def test_nothing_is_read_in_a_step(counter, cupy_backend):
    objective, _, _ = convex(cupy_backend)
    w, method = cupy_backend.xp.zeros(6), Projected(Momentum(0.1), 0.2)
    state = method.initialize(objective, w)
    for _ in range(3):
        method.step(objective, w, state)
    with counter.forbid("d2h", "h2d", "sync"):
        method.step(objective, w, state)
