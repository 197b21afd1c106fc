"""Gradient descent, momentum, Nesterov: against PyTorch, against theory, on every backend."""

from __future__ import annotations

import copy
import dataclasses
import pickle

import numpy as np
import pytest
from conftest import assert_allclose, assert_resumes, to_numpy
from oracles import NETWORK, OPTIMIZERS, quadratic, risk, torch_sgd

import xpnet
from xpnet import (
    GradientDescent,
    Momentum,
    Nesterov,
    Quadratic,
    elementwise,
    iterate,
    schedules,
)
from xpnet.rules import Elementwise

RATES = [
    0.1,
    schedules.Constant(0.1),
    schedules.LinearDecay(0.3),
    schedules.QuadraticDecay(0.3),
    schedules.ExponentialDecay(0.3, 0.1),
    schedules.Plateau(0.3, patience=1, threshold=0.1),
]


def problems(device):
    objective, w = quadratic(10, backend=device)
    return [(objective, w / 10), (risk(device), NETWORK.initialize(1, device, "float64"))]


@pytest.mark.parametrize("problem", [0, 1], ids=["quadratic", "network"])
def test_trajectories_equal_pytorch(torch, problem, device):
    objective, start = problems(device)[problem]
    for ours, options in (
        (GradientDescent(0.05), {}),
        (Momentum(0.05, 0.9), {"momentum": 0.9}),
        (Nesterov(0.05, 0.9), {"momentum": 0.9, "nesterov": True}),
    ):
        w = start.copy()
        state = ours.initialize(objective, w)
        theirs = torch_sgd(torch, objective, start, [0.05] * 100, **options)
        for want in theirs:
            ours.step(objective, w, state)
            point = state["ahead"] if isinstance(ours, Nesterov) else w
            assert_allclose(point, want, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("changing", [False, True])
def test_dampening_is_pytorch_s(torch, changing, device):
    rates = [0.05 / (1 + k * changing) for k in range(300)]
    for objective, start in problems(device):
        ours = Momentum(lambda k: rates[k], 0.9, rate_inside=not changing, dampening=0.5)
        w = start.copy()
        state = ours.initialize(objective, w)
        for want in torch_sgd(torch, objective, start, rates, momentum=0.9, dampening=0.5):
            ours.step(objective, w, state)
            assert_allclose(w, want, rtol=1e-12, atol=1e-12)


def test_the_negative_is_maximized_as_by_pytorch(torch, device):
    objective, start = quadratic(10, backend=device)
    w = start.copy()
    steps = iterate(-objective, Momentum(0.01, 0.5), w)
    for want in torch_sgd(torch, objective, start, [0.01] * 50, momentum=0.5, maximize=True):
        next(steps)
        assert_allclose(w, want, rtol=1e-12)


def test_momentum_carries_its_rate(device):
    objective, start = quadratic(10, backend=device)
    rates = [0.05, 0.05, 0.005, 0.005]
    w, velocity, got = start.copy(), 0.0 * start, start.copy()
    steps = iterate(objective, Momentum(lambda step: rates[step], 0.9), got)
    for rate in rates:
        velocity = 0.9 * velocity - rate * objective.value_and_gradient(w)[1]
        w += velocity
        next(steps)
        assert_allclose(got, w, rtol=1e-13)


def test_momentum_is_a_running_average(device):
    """Row 49: `dW_k = -eta sum_i beta^(k-i) g_i`, component by component."""
    objective, w = problems(device)[1]
    w = device.xp.asarray(w, copy=True)
    method, eta, beta = Momentum(0.3, 0.8), 0.3, 0.8
    state, gradients = method.initialize(objective, w), []
    for k in range(30):
        gradients.append(to_numpy(method.step(objective, w, state).gradient).copy())
        want = -eta * sum(beta ** (k - i) * gradient for i, gradient in enumerate(gradients))
        assert_allclose(state["velocity"], want, rtol=1e-12, atol=1e-14)


def test_nesterov_is_the_rule_of_the_lecture(device):
    objective, start = quadratic(10, backend=device)
    w, delta, got = start.copy(), 0.0 * start, start.copy()
    steps = iterate(objective, Nesterov(0.05, 0.9), got)
    for _ in range(50):
        w += 0.9 * delta
        gradient = objective.value_and_gradient(w)[1]
        w -= 0.05 * gradient
        delta = 0.9 * delta - 0.05 * gradient
        next(steps)
        assert_allclose(got, w, rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize(("relative", "factor"), [(0.5, 0.5), (1, 0), (1.5, -0.5), (2, -1), (2.1, -1.1)])
def test_error_factors_in_one_dimension(relative, factor, device):
    a, b = 3.0, -2.0
    objective, w = Quadratic([[a]], [b], backend=device), device.asarray([5.0])
    optimum = -b / a
    steps = iterate(objective, GradientDescent(relative / a), w)
    error = float(w[0]) - optimum
    for _ in range(5):
        next(steps)
        assert float(w[0]) - optimum == pytest.approx(factor * error, rel=1e-12, abs=1e-12)
        error = float(w[0]) - optimum


def iterations(optimizer, kappa, size=2):
    """Steps until the distance to the minimum is a millionth of what it was."""
    w = np.ones(size)
    start = np.linalg.norm(w)
    objective = Quadratic(np.diag(np.linspace(1, kappa, size)), backend="numpy")
    for count, _ in enumerate(iterate(objective, optimizer, w), 1):
        if np.linalg.norm(w) <= 1e-6 * start:
            return count


def test_iteration_counts_of_the_lecture():
    for kappa, descent, polyak, nesterov in ((100, 691, 93, 155), (1000, 6908, 315, 508)):
        root = np.sqrt(kappa)
        beta = (root - 1) / (root + 1)
        assert iterations(GradientDescent(2 / (1 + kappa)), kappa) == descent
        assert iterations(Momentum(4 / (root + 1) ** 2, beta**2), kappa) == polyak
        assert iterations(Nesterov(1 / kappa, beta), kappa) == nesterov
        # Nesterov's constants that are the best there are (Lessard, Recht, Packard 2016)
        root = np.sqrt(3 * kappa + 1)
        best = Nesterov(4 / (3 * kappa + 1), (root - 2) / (root + 2))
        assert iterations(best, kappa) == {100: 133, 1000: 439}[kappa]
    # at kappa 10 the customary momentum of .9 makes the heavy ball slower than gradient descent
    assert iterations(GradientDescent(1 / 10), 10) == 128
    assert iterations(Momentum(1 / 10, 0.9), 10) == 240
    assert iterations(Nesterov(1 / 10, 0.9), 10) == 114


@pytest.mark.parametrize("optimizer", OPTIMIZERS, ids=str)
def test_every_backend_takes_the_same_steps(optimizer, backend, dtype, tolerance):
    points = []
    # a secant makes much of a last digit, in which kernels differ; without guards most of all
    count = 5 if optimizer == xpnet.QuickProp(0.1, guards=False) else 20
    if isinstance(optimizer, xpnet.QuickProp) and dtype == "float32":
        count = 8 if optimizer.guards else 1
    for own in (backend, xpnet.backend("numpy")):
        w = NETWORK.initialize(2, own, dtype)
        steps = iterate(risk(own, dtype), optimizer, w)
        records = [next(steps) for _ in range(count)]
        assert w.dtype == own.dtype(dtype)
        points.append(own.to_numpy(w))
        assert [record.step for record in records] == list(range(count))
    np.testing.assert_allclose(points[0], points[1], atol=20 * tolerance)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("optimizer", OPTIMIZERS, ids=str)
@pytest.mark.parametrize("rate", RATES, ids=str)
def test_snapshot_and_resume_bit_for_bit(optimizer, rate, dtype, device):
    if not isinstance(optimizer, xpnet.Rprop):  # which has no schedule
        optimizer = dataclasses.replace(optimizer, rate=rate)
    objective, w = risk(device, dtype), NETWORK.initialize(0, device, dtype)
    state = optimizer.initialize(objective, w)
    for _ in range(7):
        optimizer.step(objective, w, state)
    saved = pickle.loads(pickle.dumps((w, state)))
    assert all(isinstance(to_numpy(value), int | float | np.ndarray) for value in saved[1].values())
    for _ in range(7):
        optimizer.step(objective, w, state)
    later, later_state = copy.deepcopy(saved)
    steps = iterate(objective, optimizer, later, state=later_state)
    for _ in range(7):
        next(steps)
    assert later.tobytes() == w.tobytes()
    assert state.keys() == later_state.keys()
    assert all(np.array_equal(state[name], later_state[name]) for name in state)


@pytest.mark.parametrize("optimizer", OPTIMIZERS, ids=str)
def test_replicas_with_rates_of_their_own_equal_single_runs(optimizer, backend, dtype, tolerance):
    def kind(rate):
        return dataclasses.replace(optimizer, rate=rate)

    rates, objective = [0.1, 0.3, 0.01], risk(backend, dtype)
    column = backend.asarray(np.array(rates)[:, None], dtype)
    w = NETWORK.initialize(0, backend, dtype, replicas=3)
    singles = [NETWORK.initialize(r, backend, dtype) for r in range(3)]
    many = iterate(objective, kind(column), w)
    ones = [iterate(objective, kind(rate), own) for rate, own in zip(rates, singles, strict=True)]
    for _ in range(10 if getattr(optimizer, "guards", True) else 2):  # the plain secant is chaotic
        for steps in (many, *ones):
            next(steps)
    for r, own in enumerate(singles):
        np.testing.assert_allclose(
            backend.to_numpy(w)[r], backend.to_numpy(own), rtol=10 * tolerance, atol=10 * tolerance
        )


def test_momenta_of_their_own(device):
    objective, start = quadratic(10, backend=device)
    momenta = [0.0, 0.5, 0.9]
    for kind in (Momentum, Nesterov):
        w = device.xp.tile(start, (3, 1))
        steps = iterate(objective, kind(0.05, device.asarray(np.array(momenta)[:, None])), w)
        for _ in range(20):
            next(steps)
        for r, momentum in enumerate(momenta):
            alone = start.copy()
            steps = iterate(objective, kind(0.05, momentum), alone)
            for _ in range(20):
                next(steps)
            assert_allclose(w[r], alone, rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("optimizer", OPTIMIZERS, ids=str)
def test_an_update_is_one_kernel(optimizer, monkeypatch, device):
    objective, w = quadratic(10, backend=device)
    state = optimizer.initialize(objective, w)
    calls = []
    write = Elementwise.write
    monkeypatch.setattr(
        Elementwise, "write", lambda self, *a, **k: (calls.append(self), write(self, *a, **k))
    )
    optimizer.step(objective, w, state)
    assert len(calls) == 1


@pytest.mark.parametrize("replicas", [0, 2, 3])
@pytest.mark.parametrize("optimizer", OPTIMIZERS, ids=str)
def test_rates_for_each_parameter(optimizer, replicas, backend, dtype, tolerance):
    """One rate for all, given to each; and for some their own: an elementwise rule sees one parameter."""
    objective = Quadratic(np.diag([1.0, 2.0, 3.0]), backend=backend, dtype=dtype)
    start = backend.asarray([1.0, -2.0, 0.5] if not replicas else [[1.0, -2.0, 0.5]] * replicas, dtype)
    rates = [0.1, 0.02, 0.1]
    points = []
    for rate in (backend.asarray(rates, dtype), 0.1, 0.02):
        w = backend.xp.asarray(start, copy=True)
        steps = iterate(objective, dataclasses.replace(optimizer, rate=rate), w)
        for _ in range(8):
            next(steps)
        points.append(backend.to_numpy(w))
    if getattr(optimizer, "variant", "") != "iRprop+":  # which compares values, of all parameters together
        own, first, second = points
        want = np.stack([first[..., 0], second[..., 1], first[..., 2]], axis=-1)
        np.testing.assert_allclose(own, want, rtol=tolerance, atol=tolerance)


def test_a_rate_for_each_parameter_is_none_for_each_replica(device):
    """With as many parameters as replicas the shape says which: `(P,)` or `(R, 1)`."""
    objective, w = Quadratic(np.eye(2), backend=device), device.xp.ones((2, 2))
    rates = device.asarray([0.5, 0.25])
    for optimizer in (GradientDescent, lambda rate: xpnet.SteepestDescent(xpnet.Fixed(rate))):
        run = xpnet.minimize(objective, optimizer(rates), w, stop=xpnet.after(1))
        assert_allclose(run.w, [[0.5, 0.75], [0.5, 0.75]])
        np.testing.assert_allclose(np.ravel(run.history.rate), 0.375)  # their mean
        run = xpnet.minimize(objective, optimizer(rates[:, None]), w, stop=xpnet.after(1))
        assert_allclose(run.w, [[0.5, 0.5], [0.75, 0.75]])
        assert run.history.rate.shape == (1, 2)
    with pytest.raises(ValueError, match=r"rate must be a number, \(2, 1\) or \(2,\), got shape \(3,\)"):
        xpnet.minimize(objective, GradientDescent(device.xp.ones(3)), w)


def test_a_rate_for_each_parameter_stays_on_the_device(counter, cupy_backend):
    objective = Quadratic(np.eye(3), backend=cupy_backend)
    for optimizer in (GradientDescent, Momentum, xpnet.RMSprop, xpnet.Adam):
        method = optimizer(cupy_backend.asarray([0.1, 0.2, 0.3]))
        w = cupy_backend.xp.ones(3)
        state = method.initialize(objective, w)
        method.step(objective, w, state)  # which compiles
        with counter.forbid("d2h", "h2d", "sync"):
            method.step(objective, w, state)


def test_the_best_rates_of_all_axes_solve_a_diagonal_quadratic_in_one_step(device):
    curvatures = np.array([100.0, 3.0, 0.01])
    objective = Quadratic(np.diag(curvatures), [1.0, -2.0, 0.5], backend=device)
    rate = device.asarray(1 / curvatures)
    run = xpnet.minimize(objective, GradientDescent(rate), device.xp.ones(3), stop=xpnet.after(1))
    assert_allclose(run.w, [-0.01, 2 / 3, -50], rtol=1e-12)
    assert run.history.rate.shape == (1, 3)


@pytest.mark.parametrize(
    ("rate", "error", "message"),
    [
        (lambda k: float("nan"), ValueError, r"rate\(3\) must be in \[0, inf\), got nan"),
        (lambda k: -0.1, ValueError, r"rate\(3\) must be in \[0, inf\), got -0.1"),
        (lambda k: np.float32("inf"), ValueError, r"rate\(3\) must be in \[0, inf\), got "),
        (lambda k: None, TypeError, r"rate\(3\) must be a number, got None"),
        (lambda k: "0.1", TypeError, r"rate\(3\) must be a number, got '0.1'"),
        (lambda k: 0.1j, TypeError, r"rate\(3\) must be a number, got 0.1j"),
        (
            lambda k: np.ones(2),
            ValueError,
            r"rate\(3\) must be a number, \(8,\), got shape \(2,\)",
        ),
        (lambda k: np.ones((1, 1)), ValueError, r"rate\(3\) .* got shape \(1, 1\)"),
        (lambda k: np.full(8, np.nan), ValueError, r"rate\(3\) must be in \[0, inf\), got nan"),
        (lambda k: np.arange(8.0) - 1, ValueError, r"rate\(3\) must be in \[0, inf\), got -1.0"),
    ],
)
@pytest.mark.parametrize("warm_up", [False, True])
def test_a_callable_that_gives_no_rate_is_named_with_the_step(rate, error, message, warm_up):
    def given(step):
        return 0.01 if step < 3 else rate(step)

    objective, w = quadratic(10)
    steps = iterate(objective, Momentum(schedules.WarmUp(given, 1) if warm_up else given), w)
    for _ in range(3):
        next(steps)
    before = w.copy()
    with pytest.raises(error, match=message):
        next(steps)
    np.testing.assert_array_equal(w, before)


@pytest.mark.parametrize("rate_inside", [True, False])
@pytest.mark.parametrize("rate", [0.05, schedules.LinearDecay(0.05), schedules.Plateau(0.05)], ids=str)
def test_nesterov_resumes_where_w_is(rate, rate_inside, device):
    """The next gradient is taken at a `w` that was moved; elsewhere the look-ahead point keeps its bits."""
    objective, start = quadratic(10, backend=device)
    w = device.xp.stack([start, 2.0 * start])
    method = Nesterov(rate, 0.9, rate_inside)
    state = method.initialize(objective, w)
    for _ in range(5):
        method.step(objective, w, state)
    kept = to_numpy(state["ahead"]).copy()
    assert abs(kept - to_numpy(w)).max() > 1e-3
    method.resume(device, objective, w, state)
    assert to_numpy(state["ahead"]).tobytes() == kept.tobytes()
    w[1, ...] += 1.0
    method.resume(device, objective, w, state)
    want = np.stack([kept[0], to_numpy(w)[1]])
    assert to_numpy(state["ahead"]).tobytes() == want.tobytes()
    record = method.step(objective, w, state)
    assert to_numpy(record.value)[1] == to_numpy(objective.value(device.asarray(want)))[1]


@pytest.mark.parametrize("optimizer", [*OPTIMIZERS, xpnet.Minibatch(Momentum(0.1), 7)], ids=str)
def test_a_state_that_was_saved_by_numpy(optimizer, tmp_path):
    objective, w = risk(), NETWORK.initialize(0, "numpy", "float64")
    state = optimizer.initialize(objective, w)
    for _ in range(4):
        optimizer.step(objective, w, state)
    np.savez(tmp_path / "state.npz", **state)
    with np.load(tmp_path / "state.npz") as file:
        later = dict(file)
    assert later["step"].shape == ()
    backend, other = xpnet.backend("numpy"), w.copy()
    optimizer.resume(backend, objective, other, later)
    assert type(later["step"]) is int
    for _ in range(4):
        records = [optimizer.step(objective, *run) for run in ((w, state), (other, later))]
        assert records[0].step == records[1].step
    assert w.tobytes() == other.tobytes()


def test_a_run_goes_on_from_a_state_that_was_saved_by_numpy(tmp_path):
    objective, w = risk(), NETWORK.initialize(0, "numpy", "float64")
    whole = xpnet.minimize(objective, xpnet.Adam(0.01), w, stop=xpnet.after(8))
    first = xpnet.minimize(objective, xpnet.Adam(0.01), w, stop=xpnet.after(5))
    np.savez(tmp_path / "state.npz", **first.state)
    with np.load(tmp_path / "state.npz") as file:
        run = xpnet.minimize(objective, xpnet.Adam(0.01), first.w, state=dict(file), stop=xpnet.after(3))
    assert run.w.tobytes() == whole.w.tobytes()


def test_settings_are_frozen_and_shown():
    with pytest.raises(AttributeError):
        Nesterov().rate = 1.0
    assert repr(Nesterov(0.5, 0.9)) == "Nesterov(rate=0.5, momentum=0.9, rate_inside=True)"


@elementwise
def lion(xp, w, gradient, mean, *, rate, beta1, beta2):
    move = xp.sign(beta1 * mean + (1.0 - beta1) * gradient)
    return w - rate * move, beta2 * mean + (1.0 - beta2) * gradient


@dataclasses.dataclass(frozen=True)
class Lion(xpnet.FirstOrder):
    rate: float = 1e-4
    beta1: float = 0.9
    beta2: float = 0.99

    def memory(self, backend, objective, w):
        return {"mean": backend.xp.zeros_like(w)}

    def update(self, xp, w, record, state):
        arrays, betas = (w, record.gradient, state["mean"]), {"beta1": self.beta1, "beta2": self.beta2}
        lion.write(xp, (w, state["mean"]), *arrays, rate=record.rate, **betas)


def test_a_user_s_own_method_of_first_order(device):
    """Lion (Chen et al. 2023), with all that a rate may be."""
    objective, w = quadratic(10, backend=device)
    want, mean = to_numpy(w).copy(), np.zeros(8)
    run = xpnet.minimize(objective, Lion(schedules.LinearDecay(0.1)), w, stop=xpnet.after(20))
    for k in range(20):
        gradient = to_numpy(objective.value_and_gradient(device.asarray(want))[1])
        want -= 0.1 / (k + 1) * np.sign(0.9 * mean + (1 - 0.9) * gradient)
        mean = 0.99 * mean + (1 - 0.99) * gradient
    assert_allclose(run.w, want, rtol=1e-12)
    assert_resumes(objective, Lion(0.01), w)
    assert pickle.loads(pickle.dumps(Lion())) == Lion() != Lion(0.1)


def test_a_user_s_own_optimizer():
    class SignDescent(xpnet.Optimizer):
        def begin(self, backend, objective, w):
            return {"step": 0}

        def resume(self, backend, objective, w, state):
            pass

        def advance(self, backend, objective, w, state):
            value, gradient = objective.value_and_gradient(w)
            w -= 0.1 * np.sign(gradient)
            state["step"] += 1
            return xpnet.Record(state["step"] - 1, value, gradient, 0.1)

    objective, w = quadratic(1)
    run = xpnet.minimize(objective, SignDescent(), w, stop=xpnet.after(30))
    assert run.best_value < 0.1
