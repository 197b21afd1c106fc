"""A run that goes on from another, or from its file, is the run that was never interrupted."""

from __future__ import annotations

import copy
import dataclasses

import numpy as np
import pytest
from conftest import to_numpy
from oracles import NETWORK, OPTIMIZERS, Bowl, risk, seeded_risk

import xpnet
from xpnet import (
    Adam,
    Dense,
    Dropout,
    EmpiricalRisk,
    GradientDescent,
    Minibatch,
    Momentum,
    Nesterov,
    Network,
    Outcome,
    Run,
    after,
    change_below,
    evaluations,
    gradient_below,
    minimize,
    patience,
    save,
    schedules,
    value_below,
)
from xpnet.optimizers import NAMES

ALL = list({repr(optimizer): optimizer for optimizer in (*OPTIMIZERS, *NAMES.values())}.values())


def assert_equal(got: Run, want: Run) -> None:
    """All of it, but what depends on the clock or on the evaluation of the point between."""
    for name in ("w", "value", "best_w", "best_value", "steps", "outcome", "reason", "converged"):
        np.testing.assert_array_equal(to_numpy(getattr(got, name)), to_numpy(getattr(want, name)), name)
    assert got.state.keys() == want.state.keys()
    for name, value in want.state.items():
        if not isinstance(value, list | tuple):
            np.testing.assert_array_equal(to_numpy(got.state[name]), to_numpy(value), name)
    for name in ("step", "value", "gradient_norm", "rate", "held_out"):
        np.testing.assert_array_equal(getattr(got.history, name), getattr(want.history, name), name)
    assert (np.diff(got.history.seconds) >= 0).all()
    assert (np.diff(got.history.evaluations) >= 0).all()


def in_parts(cuts, objective, optimizer, w, *, file=None, **options):
    """The run to the last of `cuts` steps, with a run of its own up to each of them."""
    run = minimize(objective, optimizer, w, stop=after(cuts[0]), **options)
    for cut in cuts[1:]:
        kept = copy.deepcopy(run)
        if file is not None:
            save(file, None, run=run)
        run, before = minimize(objective, optimizer, resume=file or run, stop=after(cut), **options), run
        for field in dataclasses.fields(Run):  # which is left as it was
            if field.name in ("w", "best_w"):
                np.testing.assert_array_equal(getattr(before, field.name), getattr(kept, field.name))
    return run


@pytest.mark.parametrize("replicas", [None, 3])
@pytest.mark.parametrize("optimizer", ALL, ids=repr)
def test_every_optimizer_goes_on_bit_for_bit(optimizer, replicas, tmp_path):
    if isinstance(optimizer, xpnet.Perceptron):
        objective = xpnet.ThresholdUnit(np.eye(2), [1, -1], backend="numpy")
        w = np.full((3,) if replicas is None else (replicas, 3), 0.1)
    else:
        objective = risk()
        w = NETWORK.initialize(0, "numpy", "float64", replicas)
    want = minimize(objective, optimizer, w, stop=after(40))
    for file in (None, tmp_path / "run.npz"):
        assert_equal(in_parts([20, 40], objective, optimizer, w, file=file), want)


@pytest.mark.parametrize("replicas", [None, 2])
def test_batches_dropout_and_a_plateau_on_the_held_out_risk_go_on(replicas, tmp_path):
    random = np.random.default_rng(0)
    network = Network(4, Dense(6, "tanh"), Dropout(0.3), Dense(3, "softmax"))
    X, labels = random.standard_normal((40, 4)), random.integers(0, 3, 40)
    objective = EmpiricalRisk(
        network, xpnet.CrossEntropy(), X, labels, training=True, backend="numpy", dtype="float64"
    )
    rate = schedules.WarmUp(schedules.Plateau(0.3, patience=1, watch="held_out"), 3)
    w = network.initialize(0, "numpy", "float64", replicas)
    for optimizer in (Minibatch(Momentum(rate), 7, seed=3), Nesterov(rate), Minibatch("adam", 9)):
        options = {"held_out": (X[::-1] + 0.1, labels[::-1]), "held_out_every": 3}
        want = minimize(objective, optimizer, w, stop=after(40), **options)
        for cuts in ([20, 40], [1, 2, 21, 40]):
            got = in_parts(cuts, objective, optimizer, w, file=tmp_path / "run.npz", **options)
            assert_equal(got, want)


@pytest.mark.parametrize("cut", [1, 7, 20, 26])
def test_rules_remember_what_they_saw(cut):
    """Patience, changes, and the measure of what has diverged."""
    objective, w = risk(), NETWORK.initialize(0, "numpy", "float64")
    held_out = seeded_risk(seed=3)
    rules = (
        patience(3),
        change_below(2e-3),
        change_below(1e-3) & after(15),
        value_below(0.9) & patience(2),
        gradient_below(0.1),
    )
    for rule in rules:
        options = {"held_out": held_out, "held_out_every": 2}
        want = minimize(objective, Momentum(0.3), w, stop=rule | after(60), **options)
        first = minimize(objective, Momentum(0.3), w, stop=rule | after(cut), **options)
        got = minimize(objective, Momentum(0.3), resume=first, stop=rule | after(60), **options)
        assert_equal(got, want)


def test_divergence_is_measured_from_the_first_value():
    objective, method = Bowl(), GradientDescent(2.5)  # which grows by 2.25 in each step
    want = minimize(objective, method, np.ones(3), stop=after(90), diverged_at=100.0)
    assert want.outcome is Outcome.DIVERGED
    assert_equal(
        minimize(
            objective,
            method,
            resume=minimize(objective, method, np.ones(3), stop=after(2), diverged_at=100.0),
            stop=after(90),
            diverged_at=100.0,
        ),
        want,
    )


@pytest.mark.parametrize("cut", [1, 3, 6, 12])
def test_replicas_that_had_ended_stay_where_they_are(cut):
    """One has converged and one diverged before the run is over."""
    w = np.array([[0.1], [1.0], [10.0], [3.0]])
    rates = np.array([[0.1], [0.1], [0.1], [2.5]])
    rule = gradient_below(0.05)

    def run(resume=None, stop=90):
        options = {"stop": rule | after(stop), "diverged_at": 50.0}
        if resume is None:
            return minimize(Bowl(), Momentum(rates, 0.1), w, **options)
        return minimize(Bowl(), Momentum(rates, 0.1), resume=resume, **options)

    want = run()
    assert {*want.outcome} == {Outcome.CONVERGED, Outcome.DIVERGED}
    assert_equal(run(resume=run(stop=cut)), want)
    over = run(resume=want)  # where nobody goes on
    assert over.outcome == want.outcome
    assert over.steps == want.steps


def test_who_has_converged_goes_on_under_another_rule():
    first = minimize(Bowl(), Adam(0.1), np.ones(3), stop=gradient_below(0.5))
    assert first.converged
    assert np.isnan(first.history.rate[-1])
    got = minimize(Bowl(), Adam(0.1), resume=first, stop=gradient_below(1e-3))
    assert_equal(got, minimize(Bowl(), Adam(0.1), np.ones(3), stop=gradient_below(1e-3)))


def test_budgets_count_the_whole_run():
    first = minimize(Bowl(), "adam", np.ones(3), stop=after(20))
    same = minimize(Bowl(), "adam", resume=first, stop=after(20))
    assert same.steps == 20
    np.testing.assert_array_equal(same.w, first.w)
    later = minimize(Bowl(), "adam", resume=first, stop=evaluations(50))
    assert sum(later.evaluations.values()) <= 50
    assert later.steps > 20
    assert later.seconds > first.seconds


def test_a_run_that_was_interrupted_or_has_failed_goes_on():
    calls = []

    def rate(step):
        if step == 7 and len(calls) < 1:
            calls.append(step)
            raise error
        return 0.1

    w, method = np.ones(3), Momentum(rate)
    for own in (KeyboardInterrupt(), ValueError("wrong")):
        error = own
        calls.clear()
        try:
            first = minimize(Bowl(), method, w, stop=after(20))
        except ValueError as caught:
            first = caught.run
        assert (first.steps, first.outcome) == (7, Outcome.INTERRUPTED)
        got = minimize(Bowl(), method, resume=first, stop=after(20))
        assert_equal(got, minimize(Bowl(), method, w, stop=after(20)))


def test_looking_seldom_goes_on_too(device):
    objective, w = risk(device), NETWORK.initialize(0, device, "float64")
    want = minimize(objective, Adam(0.1), w, stop=after(40), check_every=7)
    first = minimize(objective, Adam(0.1), w, stop=after(20), check_every=7)
    got = minimize(objective, Adam(0.1), resume=first, stop=after(40), check_every=7)
    np.testing.assert_array_equal(to_numpy(got.w), to_numpy(want.w))
    assert {*want.history.step} <= {*got.history.step}


def test_rates_of_several_kinds_are_joined():
    first = minimize(Bowl(), GradientDescent(0.1), np.ones((2, 3)), stop=after(2))
    rates = np.array([[0.1], [0.2]])
    got = minimize(Bowl(), GradientDescent(rates), resume=first, stop=after(4))
    np.testing.assert_array_equal(got.history.rate, [[0.1, 0.1], [0.1, 0.1], [0.1, 0.2], [0.1, 0.2]])


@pytest.mark.parametrize(
    ("options", "error", "match"),
    [
        ({"w": np.ones(3)}, ValueError, "w must not be given where resume is"),
        ({"state": {"step": 0}}, ValueError, "state must not be given where resume is"),
        ({"in_place": True}, ValueError, "in_place must be False where resume is given"),
        ({"resume": 3}, TypeError, "resume must be a Run that minimize has returned, .* got 3"),
        ({"resume": "/nowhere/run.npz"}, FileNotFoundError, "nowhere"),
    ],
    ids=str,
)
def test_what_contradicts_a_resumed_run(options, error, match):
    first = minimize(Bowl(), "adam", np.ones(3), stop=after(2))
    with pytest.raises(error, match=match):
        minimize(Bowl(), "adam", **{"resume": first, **options})


def test_a_file_without_a_run_says_so(tmp_path):
    path = tmp_path / "w.npz"
    save(path, None, np.ones(3))
    with pytest.raises(ValueError, match="resume must hold a run"):
        minimize(Bowl(), "adam", resume=path)
    with pytest.raises(ValueError, match="resume must hold a run"):
        minimize(Bowl(), "adam", resume=xpnet.load(path))
