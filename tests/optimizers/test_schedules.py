"""Learning rates that change: closed forms, and the plateau rule against PyTorch."""

from __future__ import annotations

import json
import math
import pickle

import numpy as np
import pytest
from conftest import to_numpy
from oracles import feed, losses

from xpnet import Adam, GradientDescent, LeastSquares, Nesterov, Quadratic, RMSprop, minimize, schedules
from xpnet import after as steps_taken


def rates_of(rate, steps=6, backend="numpy"):
    objective = Quadratic([[1.0]], backend=backend)
    run = minimize(
        objective,
        GradientDescent(rate),
        objective.backend.asarray([1.0]),
        stop=steps_taken(steps),
        check_every=1,
    )
    return run.history.rate


@pytest.mark.parametrize(
    ("rate", "formula"),
    [
        (0.1, lambda k: 0.1),
        (schedules.Constant(0.1), lambda k: 0.1),
        (schedules.LinearDecay(0.1), lambda k: 0.1 / (k + 1)),
        (schedules.QuadraticDecay(0.1), lambda k: 0.1 / (k + 1) ** 2),
        (schedules.ExponentialDecay(0.1, 0.5), lambda k: 0.1 * math.exp(-0.5 * k)),
        (lambda k: 0.1 / (1 + k % 2), lambda k: 0.1 / (1 + k % 2)),
        (schedules.Cosine(0.1, 4, 0.02), lambda k: 0.02 + 0.04 * (1 + math.cos(math.pi * min(k, 4) / 4))),
        (schedules.Restarts(schedules.LinearDecay(0.1), 2), lambda k: 0.1 / (k % 2 + 1)),
        (schedules.WarmUp(0.1, 4), lambda k: 0.1 * min(1, (k + 1) / 4)),
        (schedules.WarmUp(schedules.LinearDecay(0.1), 3), lambda k: 0.1 / (k + 1) * min(1, (k + 1) / 3)),
    ],
    ids=str,
)
def test_closed_forms(rate, formula, device):
    np.testing.assert_allclose(rates_of(rate, backend=device), [formula(k) for k in range(6)], rtol=1e-15)


PEERS = {
    schedules.Step(0.1, 7, 0.3): lambda o, s: s.StepLR(o, 7, 0.3),
    schedules.MultiStep(0.1, (30, 5, 30, 100), 0.5): lambda o, s: s.MultiStepLR(o, [5, 30, 30, 100], 0.5),
    schedules.Polynomial(0.1, 50, 2.0): lambda o, s: s.PolynomialLR(o, 50, 2.0),
    schedules.Lambda(0.1, math.sqrt): lambda o, s: s.LambdaLR(o, math.sqrt),
    schedules.OneCycle(0.1, 300): lambda o, s: s.OneCycleLR(o, 0.1, 300),
    schedules.OneCycle(0.1, 300, 0.4, 10.0, 100.0, "linear"): lambda o, s: s.OneCycleLR(
        o, 0.1, 300, pct_start=0.4, anneal_strategy="linear", div_factor=10, final_div_factor=100
    ),
    schedules.OneCycle(0.1, 300, 0.4, three_phase=True): lambda o, s: s.OneCycleLR(
        o, 0.1, 300, pct_start=0.4, three_phase=True
    ),
    schedules.OneCycle(0.1, 300, 0.5, three_phase=True): lambda o, s: s.OneCycleLR(
        o, 0.1, 300, pct_start=0.5, three_phase=True
    ),
    schedules.Cyclic(0.01, 0.1, 20): lambda o, s: s.CyclicLR(o, 0.01, 0.1, 20, cycle_momentum=False),
    schedules.Cyclic(0.01, 0.1, 20, 7, "halved"): lambda o, s: s.CyclicLR(
        o, 0.01, 0.1, 20, 7, "triangular2", cycle_momentum=False
    ),
    schedules.Cyclic(0.01, 0.1, 5, 30, "exponential", 0.99): lambda o, s: s.CyclicLR(
        o, 0.01, 0.1, 5, 30, "exp_range", 0.99, cycle_momentum=False
    ),
}


@pytest.mark.parametrize("ours", PEERS, ids=repr)
def test_schedules_are_pytorch_s(torch, ours):
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.ones(1))], lr=0.1)
    theirs, want = PEERS[ours](optimizer, torch.optim.lr_scheduler), []
    for _ in range(299):
        want.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        theirs.step()
    np.testing.assert_allclose([ours.rate(k, {}) for k in range(299)], want, rtol=1e-12, atol=1e-18)
    if not isinstance(ours, schedules.Lambda):
        assert schedules.from_dict(json.loads(json.dumps(schedules.to_dict(ours)))) == ours


def test_one_cycle_stays_at_its_end():
    cycle = schedules.OneCycle(1.0, 10)
    assert cycle.rate(9, {}) == cycle.rate(1000, {}) == pytest.approx(1.0 / 25e4)


@pytest.mark.parametrize("mode", ["min", "max"])
@pytest.mark.parametrize("kind", ["rel", "abs"])
@pytest.mark.parametrize("cooldown", [0, 1, 5])
def test_the_plateau_s_modes_are_pytorch_s(torch, mode, kind, cooldown, device):
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.ones(1))], lr=0.5)
    theirs = torch.optim.lr_scheduler.ReduceLROnPlateau(
        optimizer, mode, 0.5, 3, 0.01, kind, cooldown, min_lr=1e-9, eps=0
    )
    values, want = losses(150, 1), []
    if mode == "max":
        values = [10.0 - value for value in values]  # positive, where PyTorch's threshold is a magnitude
    for value in values:
        theirs.step(value)
        want.append(optimizer.param_groups[0]["lr"])
    plateau = schedules.Plateau(0.5, 0.5, 3, 0.01, 1e-9, cooldown=cooldown, mode=mode, threshold_mode=kind)
    got = feed(plateau, map(device.asarray, map(np.asarray, values)), device.xp.ones(3))
    np.testing.assert_allclose([to_numpy(rate) for rate in got], want, rtol=1e-13)
    assert len(set(want)) > 2


@pytest.mark.parametrize("patience", [0, 3, 10])
@pytest.mark.parametrize("minimum", [0.0, 0.002])
@pytest.mark.parametrize("seed", range(3))
def test_plateau_is_pytorch_s(torch, patience, minimum, seed, device):
    parameter = torch.nn.Parameter(torch.ones(1))
    optimizer = torch.optim.SGD([parameter], lr=0.5)
    theirs = torch.optim.lr_scheduler.ReduceLROnPlateau(
        optimizer, factor=0.1, patience=patience, threshold=1e-4, min_lr=minimum, eps=0
    )
    values, want = losses(150, seed), []
    for value in values:
        theirs.step(value)
        want.append(optimizer.param_groups[0]["lr"])
    plateau = schedules.Plateau(0.5, 0.1, patience, 1e-4, minimum)
    got = feed(plateau, map(device.asarray, map(np.asarray, values)), device.xp.ones(3))
    np.testing.assert_allclose([to_numpy(rate) for rate in got], want, rtol=1e-13)
    assert len(set(want)) > 1


@pytest.mark.parametrize("patience", [0, 2, 5])
def test_plateau_is_the_same_below_zero(patience, torch, device):
    """The threshold is a part of the magnitude of the best value; PyTorch's rule differs there."""
    plateau = schedules.Plateau(0.5, 0.5, patience)
    w = device.xp.ones(3)

    def rates(values):
        return [float(rate) for rate in feed(plateau, (device.asarray(float(v)) for v in values), w)]

    # a constant is no progress, wherever it lies
    flat = rates([1.0] * 20)
    assert flat == rates([-1.0] * 20) == rates([0.0] * 20)
    assert len(set(flat)) > 3
    # nor is a value that rises, by less than the threshold or by more
    assert rates(-1.0 + 1e-5 * np.arange(20)) == rates(-1.0 + 1e-2 * np.arange(20)) == flat
    # nor one that falls by less than the threshold
    assert rates([-1.0, *[-1.00009] * 19]) == flat
    # one that falls by more is better, from either side of 0
    falling = rates(0.05 - 0.01 * np.arange(20))
    assert falling == [0.5] * 20 == rates(-1.0 * 1.001 ** np.arange(20))
    parameter = torch.nn.Parameter(torch.ones(1))
    theirs = torch.optim.lr_scheduler.ReduceLROnPlateau(torch.optim.SGD([parameter], lr=0.5), patience=2)
    for _ in range(20):
        theirs.step(-1.0)
    assert theirs.optimizer.param_groups[0]["lr"] == 0.5


def test_plateau_for_each_replica_on_every_backend(backend, dtype):
    plateau = schedules.Plateau(0.5, 0.5, 2, 1e-3)
    values = np.stack([losses(40, seed) for seed in range(3)], axis=1)
    w = backend.asarray(np.zeros((3, 2)), dtype)
    got = feed(plateau, (backend.asarray(row, dtype) for row in values), w)
    singles = [feed(plateau, map(np.float64, values[:, r]), np.zeros(2)) for r in range(3)]
    for step in range(40):
        assert tuple(got[step].shape) == (3, 1)
        want = [[float(single[step])] for single in singles]
        np.testing.assert_allclose(backend.to_numpy(got[step]), want, rtol=1e-6)


@pytest.mark.parametrize(
    ("kind", "settings", "name"),
    [
        (schedules.Constant, {"initial": 0}, "initial"),
        (schedules.LinearDecay, {"initial": -1}, "initial"),
        (schedules.QuadraticDecay, {"initial": math.nan}, "initial"),
        (schedules.ExponentialDecay, {"initial": 1, "decay": 0}, "decay"),
        (schedules.Cosine, {"initial": 1, "steps": 0}, "steps"),
        (schedules.Cosine, {"initial": 1, "steps": 3, "minimum": 2}, "minimum"),
        (schedules.Restarts, {"schedule": schedules.Constant(1), "period": 0}, "period"),
        (schedules.WarmUp, {"schedule": 0.1, "steps": 0}, "steps"),
        (schedules.WarmUp, {"schedule": -1, "steps": 1}, "schedule"),
        (schedules.Plateau, {"initial": 1, "factor": 1}, "factor"),
        (schedules.Plateau, {"initial": 1, "patience": -1}, "patience"),
        (schedules.Plateau, {"initial": 1, "threshold": math.inf}, "threshold"),
        (schedules.Plateau, {"initial": 1, "threshold": 1}, "threshold"),
        (schedules.Plateau, {"initial": 1, "minimum": -0.1}, "minimum"),
        (schedules.Plateau, {"initial": 0.01, "minimum": 0.1}, "minimum"),
    ],
)
def test_settings_outside_their_range(kind, settings, name):
    with pytest.raises(ValueError, match=f"{name} must be"):
        kind(**settings)


def test_settings_are_frozen():
    with pytest.raises(AttributeError):
        schedules.Plateau(0.1).initial = 1


@pytest.mark.parametrize("growth", [1, 2, 3])
def test_cosine_with_warm_restarts_is_pytorch_s(torch, growth):
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.ones(1))], lr=0.5)
    theirs = torch.optim.lr_scheduler.CosineAnnealingWarmRestarts(optimizer, 4, growth, eta_min=0.01)
    want = []
    for _ in range(50):
        want.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        theirs.step()
    schedule = schedules.Restarts(schedules.Cosine(0.5, 4, 0.01), 4, growth)
    np.testing.assert_allclose([schedule.rate(k, {}) for k in range(50)], want, rtol=1e-12)


def test_restarts_need_a_formula():
    with pytest.raises(TypeError, match="schedule must be a formula"):
        schedules.Restarts(schedules.Plateau(0.1), 5)


EVERY = [
    schedules.Constant(0.1),
    schedules.LinearDecay(0.1),
    schedules.QuadraticDecay(0.1),
    schedules.ExponentialDecay(0.1, 0.2),
    schedules.Cosine(0.1, 7, 0.01),
    schedules.Restarts(schedules.Cosine(0.1, 7), 7, 2),
    schedules.WarmUp(schedules.Plateau(0.1, patience=2, watch="held_out"), 5),
    schedules.WarmUp(0.1, 5),
    schedules.Plateau(0.1, 0.5, 3, 1e-3, 1e-5, cooldown=2, mode="max", threshold_mode="abs"),
    *(schedule for schedule in PEERS if not isinstance(schedule, schedules.Lambda)),
]


@pytest.mark.parametrize("schedule", EVERY, ids=str)
def test_serialisation(schedule):
    text = json.dumps(schedules.to_dict(schedule))
    assert schedules.from_dict(json.loads(text)) == schedule
    assert pickle.loads(pickle.dumps(schedule)) == schedule


def test_serialisation_covers_every_kind_and_refuses_the_rest():
    assert {type(schedule) for schedule in EVERY} == set(schedules.KINDS)
    with pytest.raises(TypeError, match="must be of xpnet.schedules, with numbers, to be serialized"):
        schedules.to_dict(schedules.WarmUp(lambda step: 0.1, 5))
    with pytest.raises(ValueError, match="unknown kind 'LinearDeca'; did you mean 'LinearDecay'"):
        schedules.from_dict({"kind": "LinearDeca", "initial": 1})
    with pytest.raises(ValueError, match="LinearDecay must be 'initial', got unknown 'slope'"):
        schedules.from_dict({"kind": "LinearDecay", "initial": 1, "slope": 2})


def test_a_plateau_on_the_value_sees_that_of_the_step_itself(torch):
    """The rates of a run are PyTorch's after the values up to each step."""
    objective, w = Quadratic(np.diag([1.0, 30.0]), backend="numpy"), np.array([1.0, 1.0])
    rate = schedules.Plateau(0.07, 0.5, 3)  # too large, so that the value grows until it has fallen
    run = minimize(objective, GradientDescent(rate), w, stop=steps_taken(60))
    sgd = torch.optim.SGD([torch.nn.Parameter(torch.ones(1))], lr=0.07)
    theirs = torch.optim.lr_scheduler.ReduceLROnPlateau(sgd, factor=0.5, patience=3, eps=0)
    want = []
    for value in run.history.value:
        theirs.step(value)
        want.append(sgd.param_groups[0]["lr"])
    np.testing.assert_allclose(run.history.rate, want, rtol=1e-12)
    assert len(set(want)) > 1


class Steps(Quadratic):
    """A held-out risk that stagnates."""

    def value(self, w):
        return self.backend.asarray(1.0)


def told(optimizer, objective, w, state, values, steps):
    """The rates of steps before which the held-out risk has been told, where there is one in `values`."""
    rates = []
    for k in steps:
        if k in values:
            state["held_out"] = np.full_like(state["held_out"], values[k])
        rates.append(float(optimizer.step(objective, w, state).rate))
    return rates


@pytest.mark.parametrize("every", [1, 3, 4])
@pytest.mark.parametrize("kind", [GradientDescent, Nesterov, Adam])
def test_the_step_after_an_evaluation_has_the_new_rate(kind, every, torch):
    optimizer = kind(schedules.Plateau(0.01, 0.5, 0, watch="held_out"))
    objective, w = Quadratic([[1.0]], backend="numpy"), np.ones(1)
    values = dict(zip(range(0, 60, every), losses(60), strict=False))
    sgd = torch.optim.SGD([torch.nn.Parameter(torch.ones(1))], lr=0.01)
    theirs = torch.optim.lr_scheduler.ReduceLROnPlateau(sgd, factor=0.5, patience=0, eps=0)
    want = []
    for k in range(60):
        if k in values:
            theirs.step(values[k])
        want.append(sgd.param_groups[0]["lr"])
    state = optimizer.initialize(objective, w)
    np.testing.assert_allclose(told(optimizer, objective, w, state, values, range(60)), want, rtol=1e-12)
    assert len(set(want)) > 1
    # going on from a copy is the same wherever it was made
    for cut in range(1, 12):
        w = np.ones(1)
        state = optimizer.initialize(objective, w)
        first = told(optimizer, objective, w, state, values, range(cut))
        state = pickle.loads(pickle.dumps(state))
        optimizer.resume(objective.backend, objective, w, state)
        rates = first + told(optimizer, objective, w, state, values, range(cut, 60))
        np.testing.assert_allclose(rates, want, rtol=1e-12)


@pytest.mark.parametrize("cut", [1, 4, 6, 7, 11])
def test_a_run_with_a_plateau_on_the_held_out_risk_resumes_at_any_step(cut):
    objective = Quadratic(np.diag([1.0, 3.0]), backend="numpy")
    held_out = Quadratic(np.diag([2.0, 1.0]), [0.3, -1.0], backend="numpy")
    rate = schedules.Plateau(0.3, 0.5, 0, 0.05, watch="held_out")

    def run(steps, w, state):
        options = {"held_out": held_out, "held_out_every": 3, "check_every": 1}
        return minimize(objective, Nesterov(rate), w, stop=steps_taken(steps), state=state, **options)

    start = np.array([1.0, -1.0])
    whole = run(24, start, None)
    assert len(set(whole.history.rate)) > 2
    first = run(cut, start, None)
    second = run(24 - cut, first.w, first.state)
    rates = np.concatenate([first.history.rate, second.history.rate])
    np.testing.assert_array_equal(rates, whole.history.rate)
    assert second.w.tobytes() == whole.w.tobytes()


def test_plateau_on_the_held_out_risk(torch, device):
    objective, held_out = Quadratic([[1.0]], backend=device), Steps([[1.0]], backend=device)
    for optimizer in (GradientDescent, Nesterov, RMSprop):
        rate = schedules.Plateau(0.01, 0.5, 2, watch="held_out")
        run = minimize(
            objective,
            optimizer(rate),
            device.asarray([1.0]),
            held_out=held_out,
            held_out_every=3,
            stop=steps_taken(30),
            check_every=1,
        )
        assert (np.diff(run.history.value) < 0).all()  # so a plateau on the value would never end
        assert np.isfinite(run.history.held_out).sum() == 10
        # the rates that PyTorch gives for the same sequence of held-out risks
        sgd = torch.optim.SGD([torch.nn.Parameter(torch.ones(1))], lr=0.01)
        theirs = torch.optim.lr_scheduler.ReduceLROnPlateau(sgd, factor=0.5, patience=2, eps=0)
        want = []
        for _ in range(10):
            theirs.step(1.0)
            want.append(sgd.param_groups[0]["lr"])
        # evaluated before steps 0, 3, 6, ..., and seen by these
        np.testing.assert_allclose(run.history.rate[::3], want, rtol=1e-12)


def test_plateau_on_the_held_out_risk_needs_one():
    rate = schedules.Plateau(0.01, watch="held_out")
    with pytest.raises(ValueError, match="schedule watches the held-out risk, so held_out must be given"):
        minimize(Quadratic([[1.0]], backend="numpy"), GradientDescent(rate), np.ones(1))


def test_a_large_rate_that_decays_escapes_a_poor_minimum():
    """Row 28: `(w^2 - 1)^2 + .3 w`, from the outer slope of the poor well at w = +1."""

    def wells(xp, w):
        # with .5 more it is half a sum of two squares
        return [(w[..., 0] ** 2 - 1.0) * 2**0.5, (0.6 * w[..., 0] + 1.0) ** 0.5]

    objective = LeastSquares(wells, backend="numpy")
    w = np.linspace(-1.5, 1.5, 7)[:, None]
    want = (w[:, 0] ** 2 - 1) ** 2 + 0.3 * w[:, 0] + 0.5
    np.testing.assert_allclose(objective.value(w), want, rtol=1e-12)
    best, _, poor = np.sort(np.roots([4, 0, -4, 0.3]).real)
    starts = np.linspace(1.25, 1.4, 7)[:, None]
    for rate, end in ((0.01, poor), (schedules.ExponentialDecay(0.4, 0.1), best)):
        run = minimize(objective, GradientDescent(rate), starts.copy(), stop=steps_taken(1000))
        np.testing.assert_allclose(run.w[:, 0], end, atol=1e-6)
