"""iterate and minimize: records, history, best points, interruptions, and numbers that are not finite."""

from __future__ import annotations

import numpy as np
import pytest
from conftest import assert_array_equal, to_numpy
from oracles import NETWORK, Bowl
from oracles import seeded_risk as risk

import xpnet
from xpnet import (
    CrossEntropy,
    EmpiricalRisk,
    GradientDescent,
    Momentum,
    Nesterov,
    Objective,
    Outcome,
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


def start(replicas=None, dtype="float64", backend="numpy"):
    return NETWORK.initialize(1, backend, dtype, replicas)


def test_a_run_reports_what_it_did(device):
    objective, w = risk(device), start(backend=device)
    run = minimize(objective, Nesterov(0.2), w, stop=after(25), check_every=1)
    assert_array_equal(w, start(backend=device))  # as it was
    assert run.value == float(objective.value(run.w))
    assert run.best_value == float(objective.value(run.best_w)) <= run.history.value.min()
    assert (run.steps, run.reason, run.outcome) == (25, "25 steps taken", Outcome.BUDGET_SPENT)
    assert run.converged is False
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
    assert_array_equal(replay, run.w)
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


@pytest.mark.parametrize("optimizer", [GradientDescent, Momentum, Nesterov])
def test_each_replica_is_its_single_run(optimizer, device):
    rates = np.array([[0.3], [1e200], [0.1], [0.02]])
    objective = Quadratic(np.diag([1.0, 2.0]), backend=device)
    stop = after(60) | gradient_below(1e-3)
    w = device.xp.ones((4, 2))
    with np.errstate(all="ignore"):
        run = minimize(objective, optimizer(device.asarray(rates)), w, stop=stop, check_every=1)
    assert "non-finite" in run.reason[1]
    assert run.outcome[1] is Outcome.DIVERGED
    assert run.converged.tolist() == [outcome is Outcome.CONVERGED for outcome in run.outcome]
    for r, rate in enumerate(rates[:, 0]):
        single = minimize(objective, optimizer(rate), device.xp.ones(2), stop=stop, check_every=1)
        assert (run.reason[r], run.outcome[r]) == (single.reason, single.outcome)
        assert_array_equal(run.w[r], single.w)
        assert_array_equal(run.best_w[r], single.best_w)
        assert run.best_value[r] == single.best_value
        assert run.value[r] == single.value
        length = len(single.history)
        assert_array_equal(run.history.value[:length, r], single.history.value)
        assert np.isnan(run.history.value[length:, r]).all()
    assert run.history.rate.shape == (run.steps, 4)


def test_looking_seldom_changes_the_history_only(device):
    w = start(backend=device)
    first = minimize(risk(device), Nesterov(0.2), w, stop=after(25), check_every=1)
    second = minimize(risk(device), Nesterov(0.2), w, stop=after(25), check_every=10)
    assert_array_equal(first.w, second.w)
    assert second.steps == 25
    assert second.history.step.tolist() == [0, 10, 20, 24]
    assert_array_equal(second.history.value, first.history.value[[0, 10, 20, 24]])


def test_a_run_can_go_on_where_another_ended(device):
    w, optimizer = start(backend=device), Nesterov(schedules.LinearDecay(0.5))
    whole = minimize(risk(device), optimizer, w, stop=after(20))
    first = minimize(risk(device), optimizer, w, stop=after(10))
    left = first.w.copy()
    for _ in range(2):  # going on leaves what was left
        run = minimize(risk(device), optimizer, first.w, stop=after(10), state=first.state, check_every=1)
        assert_array_equal(whole.w, run.w)
        assert run.history.step.tolist() == list(range(10, 20))
    assert_array_equal(first.w, left)


def test_in_place_moves_what_was_handed_over(device):
    w, optimizer = start(backend=device), Momentum(0.2)
    state = optimizer.initialize(risk(device), w)
    run = minimize(risk(device), optimizer, w, stop=after(5), state=state, in_place=True)
    assert run.w is w
    assert run.state is state
    assert state["step"] == 5
    assert_array_equal(w, minimize(risk(device), optimizer, start(backend=device), stop=after(5)).w)


def test_a_second_method_begins_where_the_first_did(device):
    w = start(backend=device)
    runs = [minimize(risk(device), method, w, stop=after(3)) for method in ("momentum", "lbfgs")]
    assert runs[0].history.value[0] == runs[1].history.value[0]


def test_what_is_read_only_can_be_a_start():
    w = start()
    w.flags.writeable = False
    assert minimize(risk(), Momentum(0.2), w, stop=after(2)).steps == 2
    with pytest.raises(ValueError, match="w is read-only"):
        minimize(risk(), Momentum(0.2), w, in_place=True)


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
        points = own.to_numpy(run.w)
        best = own.to_numpy(run.best_w)
    ours, host = runs
    assert ours.reason == host.reason
    np.testing.assert_allclose(ours.history.value, host.history.value, rtol=50 * tolerance)
    np.testing.assert_allclose(backend.to_numpy(ours.w), points, atol=100 * tolerance)
    np.testing.assert_allclose(backend.to_numpy(ours.best_w), best, atol=100 * tolerance)


@pytest.mark.parametrize("parts", [(10, 15), (7, 18), (3, 4, 18)])
def test_a_plateau_on_the_held_out_risk_goes_on_wherever_a_run_has_ended(parts, device):
    w, method = start(backend=device), Momentum(schedules.Plateau(0.5, patience=0, watch="held_out"))
    held_out = {"held_out": risk(device, seed=9), "held_out_every": 4, "check_every": 1}
    whole = minimize(risk(device), method, w, stop=after(sum(parts)), **held_out)
    state, rates = None, []
    for steps in parts:
        run = minimize(risk(device), method, w, stop=after(steps), state=state, **held_out)
        w, state = run.w, run.state
        rates += run.history.rate.tolist()
    assert_array_equal(w, whole.w)
    assert rates == whole.history.rate.tolist()
    assert len(set(rates)) > 1


def test_the_held_out_risk_is_known_before_the_rate_of_the_step_is_asked():
    seen = []

    class Spy(schedules.Schedule):
        def initialize(self, backend, w):
            return {"held_out": np.full((), np.nan)}

        def rate(self, step, memory):
            return 0.1

        def observe(self, backend, value, memory):
            seen.append(float(memory["held_out"]))
            memory["held_out"] = np.full((), np.nan)

    minimize(Bowl(), GradientDescent(Spy()), np.ones(2), stop=after(5), held_out=Bowl(), held_out_every=2)
    assert [value == value for value in seen] == [True, False, True, False, True]
    assert seen[::2] == pytest.approx([1.0, 0.81**2, 0.81**4])
