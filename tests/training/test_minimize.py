"""iterate and minimize: records, history, best points, interruptions, and numbers that are not finite."""

from __future__ import annotations

import sys

import numpy as np
import pytest
from conftest import assert_allclose, assert_array_equal, to_numpy

import xpnet
from xpnet import (
    CrossEntropy,
    Dense,
    EmpiricalRisk,
    GradientDescent,
    Momentum,
    Nesterov,
    Network,
    NonFiniteError,
    Objective,
    Quadratic,
    after,
    change_below,
    gradient_below,
    iterate,
    minimize,
    patience,
    schedules,
    time_limit,
    value_below,
)

NETWORK = Network(4, Dense(6, "tanh"), Dense(3, "softmax"))


def risk(backend="numpy", dtype="float64", seed=0):
    random = np.random.default_rng(seed)
    X, labels = random.standard_normal((40, 4)), random.integers(0, 3, 40)
    return EmpiricalRisk(NETWORK, CrossEntropy(), X, labels, backend=backend, dtype=dtype)


def start(replicas=None, dtype="float64", backend="numpy"):
    return NETWORK.initialize(1, backend, dtype, replicas)


class Bowl(Objective):
    """1/2 |w|^2, which does something at one evaluation."""

    def __init__(self, when=None, what=None):
        self.calls, self.when, self.what = 0, when, what

    def value(self, w):
        return 0.5 * (w * w).sum(axis=-1)

    def value_and_gradient(self, w):
        value, gradient = self.value(w), w.copy()
        if self.calls == self.when:
            value, gradient = self.what(value, gradient)
        self.calls += 1
        return value, gradient


def interrupt(value, gradient):
    raise KeyboardInterrupt


BAD = [
    ("value", lambda value, gradient: (value * np.nan, gradient)),
    ("value", lambda value, gradient: (value + np.inf, gradient * np.nan)),
    ("gradient", lambda value, gradient: (value, gradient * np.inf)),
    (
        "gradient",
        lambda value, gradient: (value, gradient + np.nan * (gradient == gradient[0])),
    ),
]


@pytest.mark.parametrize("optimizer", [GradientDescent(0.5), Momentum(0.2), Nesterov(0.2)], ids=str)
def test_a_record_describes_the_point_before_the_move(optimizer, device):
    objective, w = risk(device), start(backend=device)
    state = optimizer.initialize(objective, w)
    steps = iterate(objective, optimizer, w, state=state)
    for step in range(5):
        point = (state["ahead"] if isinstance(optimizer, Nesterov) else w).copy()
        record = next(steps)
        value, gradient = objective.value_and_gradient(point)
        assert (record.step, record.rate) == (step, optimizer.rate)
        assert float(record.value) == float(value)
        assert_array_equal(record.gradient, gradient)


def test_a_run_reports_what_it_did(device):
    objective, w = risk(device), start(backend=device)
    run = minimize(objective, Nesterov(0.2), w, stop=after(25), check_every=1)
    assert run.w is w
    assert run.value == float(objective.value(w))
    assert run.best_value == float(objective.value(run.best_w)) <= run.history.value.min()
    assert (run.steps, run.reason, run.converged) == (25, "25 steps taken", True)
    assert run.evaluations == {"value": 1, "gradient": 25, "product": 0}
    history = run.history
    assert history.step.tolist() == list(range(25))
    assert history.evaluations.tolist() == list(range(1, 26))
    assert np.isnan(history.held_out).all()
    assert (history.rate == 0.2).all()
    assert (np.diff(history.seconds) > 0).all()
    assert history.seconds[-1] <= run.seconds
    replay = start(backend=device)
    for k, record in zip(range(25), iterate(objective, Nesterov(0.2), replay), strict=False):
        assert history.value[k] == float(record.value)
        assert history.gradient_norm[k] == pytest.approx(
            np.linalg.norm(to_numpy(record.gradient)), rel=1e-14
        )
    assert_array_equal(replay, w)
    assert "reason='25 steps taken'" in repr(run)


def test_the_best_point_is_kept_though_the_run_goes_on(device):
    objective = Quadratic([[1.0]], backend=device)
    w = device.asarray([1.0])
    run = minimize(
        objective, GradientDescent(lambda k: 0.9 if k < 3 else 3.0), w, stop=after(8), check_every=1
    )
    assert run.best_value == pytest.approx(0.5 * 0.1**6)
    assert float(run.best_w[0]) == pytest.approx(0.001)
    assert run.value > run.best_value


@pytest.mark.parametrize(
    ("stop", "reason"),
    [
        (after(5), "5 steps taken"),
        (gradient_below(0.1), "gradient norm at most 0.1"),
        (value_below(0.01), "value at most 0.01"),
        (change_below(1e-3), "value changed by at most 0.001"),
        (time_limit(0.0), "0 seconds passed"),
        (after(400) | value_below(0.01) | gradient_below(1e-9), "value at most 0.01"),
        (after(3) & value_below(0.4), "3 steps taken and value at most 0.4"),
    ],
)
def test_reasons(stop, reason, device):
    run = minimize(Bowl(), GradientDescent(0.1), device.asarray([1.0, 1.0]), stop=stop, check_every=1)
    assert run.reason == reason


def test_a_thousand_steps_are_the_default():
    assert minimize(Bowl(), GradientDescent(0.01), np.ones(2)).steps == 1000


def test_the_held_out_risk_is_read_on_schedule(device):
    objective, held_out, w = risk(device), risk(device, seed=9), start(backend=device)
    points = {}

    class Spy(Objective):
        def value(self, w):
            points[len(points)] = w.copy()
            return held_out.value(w)

        def value_and_gradient(self, w):
            raise NotImplementedError

    run = minimize(
        objective, Nesterov(0.5), w, stop=after(22), held_out=Spy(), held_out_every=5, check_every=1
    )
    read = ~np.isnan(run.history.held_out)
    assert np.flatnonzero(read).tolist() == [0, 5, 10, 15, 20]
    for number, step in enumerate(np.flatnonzero(read)):
        # at the very point that the record of that step describes
        assert float(objective.value(points[number])) == pytest.approx(run.history.value[step])
    assert run.best_value == np.nanmin(run.history.held_out)
    assert float(held_out.value(run.best_w)) == run.best_value


def test_patience_with_the_held_out_risk(device):
    random = np.random.default_rng(0)
    X, X2 = random.standard_normal((2, 12, 4))
    labels, labels2 = random.integers(0, 3, (2, 12))
    train, test = (
        EmpiricalRisk(NETWORK, CrossEntropy(), a, b, backend=device, dtype="float64")
        for a, b in ((X, labels), (X2, labels2))
    )
    run = minimize(
        train,
        Momentum(0.5),
        start(backend=device),
        stop=patience(3) | after(500),
        held_out=test,
        held_out_every=2,
        check_every=1,
    )
    assert run.reason == "no better held-out risk in 3 evaluations"
    held_out = run.history.held_out[::2]
    assert held_out.argmin() == len(held_out) - 4
    assert float(test.value(run.best_w)) == held_out.min() == run.best_value


@pytest.mark.parametrize("when", [0, 4])
def test_ctrl_c_returns_what_has_been_reached(when, device):
    w = device.xp.ones(3)
    run = minimize(Bowl(when, interrupt), GradientDescent(0.1), w, stop=after(50), check_every=1)
    assert run.reason == f"interrupted at step {when}"
    assert not run.converged
    assert run.steps == when
    # the last point that was evaluated
    assert_allclose(w, 0.9 ** max(0, when - 1), rtol=1e-12)
    assert len(run.history.step) == when


@pytest.mark.parametrize(("name", "what"), BAD)
def test_numbers_that_are_not_finite_end_a_run(name, what, caplog, device):
    w = device.xp.ones(3)
    run = minimize(Bowl(4, what), GradientDescent(0.1), w, stop=after(50), check_every=1)
    assert run.reason == f"non-finite {name} at step 4"
    assert not run.converged
    assert "non-finite" in caplog.text
    assert_allclose(w, 0.9**3, rtol=1e-12)
    assert_allclose(run.best_w, 0.9**3 if name == "value" else 0.9**4, rtol=1e-12)
    assert np.isfinite(run.value)


@pytest.mark.parametrize("optimizer", [GradientDescent(0.1), Momentum(0.1), Nesterov(0.1)], ids=str)
@pytest.mark.parametrize(("name", "what"), BAD)
def test_iterate_raises_and_puts_w_back(name, what, optimizer, device):
    w, objective = device.xp.ones(3), Bowl(4, what)
    points = []
    steps = iterate(objective, optimizer, w, check_every=1)
    for _ in range(4):
        points.append(next(steps).gradient.copy())  # of a bowl: the point itself
    with pytest.raises(NonFiniteError, match=f"non-finite {name} at step 4; w is back"):
        next(steps)
    assert_array_equal(w, points[3])


def test_a_bad_first_value_leaves_the_start(device):
    w = device.xp.ones(3)
    run = minimize(Bowl(0, BAD[0][1]), GradientDescent(0.1), w, check_every=1)
    assert run.steps == 1
    assert_array_equal(w, 1)
    assert run.best_value == run.value == 1.5  # the start, evaluated at the end


@pytest.mark.parametrize("optimizer", [GradientDescent, Momentum, Nesterov])
def test_each_replica_is_its_single_run(optimizer, device):
    rates = np.array([[0.3], [1e200], [0.1], [0.02]])
    objective = Quadratic(np.diag([1.0, 2.0]), backend=device)
    stop = after(60) | gradient_below(1e-3)
    w = device.xp.ones((4, 2))
    with np.errstate(all="ignore"):
        run = minimize(objective, optimizer(device.asarray(rates)), w, stop=stop, check_every=1)
    assert "non-finite" in run.reason[1]
    assert run.converged.tolist() == [True, False, True, True]
    assert run.w is w
    for r, rate in enumerate(rates[:, 0]):
        own = device.xp.ones(2)
        single = minimize(objective, optimizer(rate), own, stop=stop, check_every=1)
        assert run.reason[r] == single.reason
        assert_array_equal(w[r], own)
        assert_array_equal(run.best_w[r], single.best_w)
        assert run.best_value[r] == single.best_value
        assert run.value[r] == single.value
        length = single.steps
        assert_array_equal(run.history.value[:length, r], single.history.value)
        assert np.isnan(run.history.value[length:, r]).all()
    assert run.history.rate.shape == (run.steps, 4)


def test_looking_seldom_changes_the_history_only(device):
    often, seldom = start(backend=device), start(backend=device)
    first = minimize(risk(device), Nesterov(0.2), often, stop=after(25), check_every=1)
    second = minimize(risk(device), Nesterov(0.2), seldom, stop=after(25), check_every=10)
    assert_array_equal(often, seldom)
    assert second.steps == 25
    assert second.history.step.tolist() == [0, 10, 20, 24]
    assert_array_equal(second.history.value, first.history.value[[0, 10, 20, 24]])


def test_a_run_can_go_on_where_another_ended(device):
    whole, parts = start(backend=device), start(backend=device)
    optimizer = Nesterov(schedules.LinearDecay(0.5))
    minimize(risk(device), optimizer, whole, stop=after(20))
    state = optimizer.initialize(risk(device), parts)
    for _ in range(2):
        run = minimize(risk(device), optimizer, parts, stop=after(10), state=state, check_every=1)
    assert_array_equal(whole, parts)
    assert run.history.step.tolist() == list(range(10, 20))


def test_every_backend(backend, dtype, tolerance):
    runs = []
    for own in (backend, xpnet.backend("numpy")):
        w = NETWORK.initialize(1, own, dtype, replicas=2)
        run = minimize(
            risk(own, dtype),
            Nesterov(schedules.Plateau(0.1)),
            w,
            stop=after(30) | value_below(0.9),
            held_out=risk(own, dtype, seed=9),
            check_every=1,
        )
        assert own.owns(run.best_w)
        runs.append(run)
        points = own.to_numpy(w)
        best = own.to_numpy(run.best_w)
    ours, host = runs
    assert ours.reason == host.reason
    np.testing.assert_allclose(ours.history.value, host.history.value, rtol=50 * tolerance)
    np.testing.assert_allclose(backend.to_numpy(ours.w), points, atol=100 * tolerance)
    np.testing.assert_allclose(backend.to_numpy(ours.best_w), best, atol=100 * tolerance)


@pytest.mark.parametrize("size", [1e-30, 1e-15, 1.0, 1e30])
def test_gradient_norms_neither_overflow_nor_vanish(size, device):
    class Slope(Objective):
        def value(self, w):
            return w.sum(axis=-1)

        def value_and_gradient(self, w):
            return self.value(w), device.xp.full_like(w, size)

    run = minimize(Slope(), GradientDescent(1e-30), device.asarray(np.ones(4), "float32"), stop=after(1))
    assert run.history.gradient_norm[0] == pytest.approx(2 * size, rel=1e-6)


def test_the_progress_bar(capsys, device):
    pytest.importorskip("tqdm", reason="tqdm is not installed")
    minimize(
        risk(device),
        Nesterov(0.2),
        start(backend=device),
        stop=after(40),
        held_out=risk(device, seed=3),
        progress=True,
    )
    shown = capsys.readouterr().err
    assert "40/40" in shown
    assert "value" in shown
    assert "rate 0.2" in shown
    assert "held out" in shown


def test_a_missing_progress_bar_names_the_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "tqdm", None)
    monkeypatch.setitem(sys.modules, "tqdm.auto", None)
    w = start()
    with pytest.raises(ImportError, match=r"pip install xpnet\[progress\]"):
        minimize(risk(), Nesterov(0.2), w, progress=True)
    np.testing.assert_array_equal(w, start())
