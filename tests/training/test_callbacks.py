"""Callbacks: what they see, in which order, and what they may do to a run."""

from __future__ import annotations

import copy
import csv
import dataclasses
import os
import pickle
import sys

import numpy as np
import pytest
from conftest import to_numpy
from oracles import NETWORK, Bowl
from oracles import seeded_risk as risk

from xpnet import (
    Adam,
    Callback,
    CSVLog,
    GradientDescent,
    Nesterov,
    Outcome,
    TensorBoard,
    Watcher,
    after,
    evaluations,
    gradient_below,
    minimize,
    value_below,
)
from xpnet.run import COLUMNS


def start(replicas=None, backend="numpy"):
    return NETWORK.initialize(1, backend, "float64", replicas)


@pytest.mark.parametrize("replicas", [None, 3])
@pytest.mark.parametrize("optimizer", [Adam(0.05), Nesterov(0.2)], ids=repr)
def test_a_step_is_what_the_history_says(optimizer, replicas, device):
    """And the numbers are those at its point."""
    objective, seen = risk(device), []
    run = minimize(
        objective,
        optimizer,
        start(replicas, device),
        stop=after(9),
        held_out=risk(device, seed=3),
        held_out_every=4,
        callback=seen.append,
        check_every=1,
    )
    assert [step.steps for step in seen] == [*range(1, 10)]
    for step, look in zip(seen, run.history, strict=True):
        assert look.looked
        for name in (*COLUMNS, "metrics"):
            np.testing.assert_array_equal(getattr(step, name), getattr(look, name), name)
        value, gradient = objective.value_and_gradient(device.xp.asarray(step.w, copy=True))
        np.testing.assert_array_equal(to_numpy(value), step.value)
        norm = np.linalg.norm(to_numpy(gradient), axis=-1)
        np.testing.assert_allclose(norm, step.gradient_norm, rtol=1e-12)


def test_a_step_cannot_be_changed_and_changes_nothing():
    want = minimize(Bowl(), Nesterov(0.1), np.ones(3), stop=after(9))

    def spoil(step):
        with pytest.raises(ValueError, match="read-only"):
            step.w[...] = 7.0
        with pytest.raises(dataclasses.FrozenInstanceError):
            step.value = 0.0
        run = step.run()
        run.w[...] = run.best_w[...] = 7.0
        run.state["velocity"][...] = 7.0
        run.history.value[...] = 7.0
        run.evaluations.clear()

    got = minimize(Bowl(), Nesterov(0.1), np.ones(3), stop=after(9), callback=spoil)
    np.testing.assert_array_equal(got.w, want.w)
    np.testing.assert_array_equal(got.history.value, want.history.value)
    assert got.evaluations == want.evaluations


def test_the_point_of_a_step_stays_what_it_was():
    seen = []
    minimize(Bowl(), GradientDescent(0.5), np.ones(1), stop=after(4), callback=seen.append)
    assert [float(step.w[0]) for step in seen] == [1.0, 0.5, 0.25, 0.125]


def test_only_looks_are_told_of(device):
    seen = []
    minimize(risk(device), "adam", start(None, device), stop=after(20), callback=seen.append, check_every=6)
    assert [step.step for step in seen] == [0, 6, 12, 18, 19]


def test_the_point_that_a_rule_stops_at_is_told_of():
    for rule in (gradient_below(0.5), evaluations(9)):
        seen = []
        run = minimize(Bowl(), GradientDescent(0.1), np.ones(1), stop=rule, callback=seen.append)
        assert [step.step for step in seen] == run.history.step.tolist()
    assert run.outcome is Outcome.BUDGET_SPENT


def stop_at(step):
    return step.step == 3


def raise_stop(step):
    if step.step == 3:
        raise StopIteration


@pytest.mark.parametrize("callback", [stop_at, raise_stop, lambda step: np.bool_(step.step == 3)])
def test_a_callback_stops_a_run(callback):
    after_it = []
    run = minimize(Bowl(), "adam", np.ones(3), callback=[callback, after_it.append])
    name = callback.__name__
    assert (run.outcome, run.converged) == (Outcome.STOPPED, False)
    assert run.reason == f"stopped by {name} at step 4"
    assert (run.steps, len(run.history), len(after_it)) == (4, 4, 4)
    np.testing.assert_array_equal(run.w, minimize(Bowl(), "adam", np.ones(3), stop=after(4)).w)
    assert run.value == Bowl().value(run.w)


def test_replicas_are_stopped_each_for_itself():
    def stop(step):
        return np.array([step.step == 2, step.step == 5])

    run = minimize(Bowl(), Adam(0.1), np.ones((2, 3)), stop=after(9), callback=stop)
    assert run.outcome == (Outcome.STOPPED, Outcome.STOPPED)
    assert run.reason == ("stopped by stop at step 3", "stopped by stop at step 6")
    for r, steps in enumerate((3, 6)):
        want = minimize(Bowl(), Adam(0.1), np.ones((2, 3)), stop=after(steps))
        np.testing.assert_array_equal(run.w[r], want.w[r])


@pytest.mark.parametrize("error", [ValueError("wrong"), KeyboardInterrupt(), SystemExit(3)], ids=repr)
def test_an_error_in_a_callback_keeps_the_run(error):
    def fail(step):
        if step.step == 3:
            raise error

    if isinstance(error, KeyboardInterrupt):
        run = minimize(Bowl(), "adam", np.ones(3), callback=fail)
        assert run.reason == "interrupted at step 4"
    else:
        with pytest.raises(type(error)) as caught:
            minimize(Bowl(), "adam", np.ones(3), callback=fail)
        assert caught.value is error
        run = error.run
    assert run.outcome is Outcome.INTERRUPTED
    assert (run.steps, len(run.history)) == (4, 4)
    np.testing.assert_array_equal(run.w, minimize(Bowl(), "adam", np.ones(3), stop=after(4)).w)


@pytest.mark.parametrize("answer", [1, "yes", np.ones(3), np.array([True, False])])
def test_what_a_callback_may_return(answer):
    with pytest.raises(TypeError, match="what <lambda> returns must be True or False"):
        minimize(Bowl(), "adam", np.ones(3), callback=lambda step: answer)


@pytest.mark.parametrize("wrong", [3, "run.csv", CSVLog, [print, 3]])
def test_what_is_no_callback(wrong):
    with pytest.raises(TypeError, match="callback must be a function of a Step"):
        minimize(Bowl(), "adam", np.ones(3), callback=wrong)


@dataclasses.dataclass(frozen=True, eq=False)
class Logs(Callback):
    """Notes what happens, and fails where it is told to."""

    name: str
    log: list
    fails: str = ""

    def start(self, begun):
        return Notes(self, begun)


class Notes(Watcher):
    def __init__(self, own, begun):
        self.own = own
        self.note("start", begun.step, begun.replicas)

    def note(self, what, *more):
        self.own.log.append((self.own.name, what, *more))
        if self.own.fails == what:
            raise RuntimeError(what)

    def see(self, step):
        self.note("see", step.step)

    def close(self, run):
        self.note("close", run.steps)


def test_callbacks_begin_see_and_end_in_order():
    log = []
    first = minimize(Bowl(), "adam", np.ones(3), stop=after(1), callback=[Logs("a", log), Logs("b", log)])
    assert log == [
        *(("a", "start", 0, None), ("b", "start", 0, None)),
        *(("a", "see", 0), ("b", "see", 0), ("a", "close", 1), ("b", "close", 1)),
    ]
    log.clear()
    minimize(Bowl(), "adam", resume=first, stop=after(2), callback=(Logs("a", log),))
    assert log == [("a", "start", 1, None), ("a", "see", 1), ("a", "close", 2)]


@pytest.mark.parametrize(("when", "closed"), [("start", 0), ("see", 1), ("close", 1)])
def test_whatever_fails_everyone_ends(when, closed):
    log = []
    callbacks = [Logs("a", log), Logs("b", log, when), Logs("c", log)]
    with pytest.raises(RuntimeError, match=when) as caught:
        minimize(Bowl(), "adam", np.ones(3), stop=after(1), callback=callbacks)
    ended = [name for name, what, *_ in log if what == "close"]
    assert ended == (["a"] if when == "start" else ["a", "b", "c"])
    assert hasattr(caught.value, "run") is (when != "start")
    assert closed == (when != "start")


def rows(path):
    with open(path, newline="") as file:
        return list(csv.DictReader(file))


@pytest.mark.parametrize("replicas", [None, 2])
def test_a_csv_file_holds_the_history(replicas, tmp_path):
    path, w = tmp_path / "run.csv", start(replicas)
    options = {"held_out": risk(seed=3), "held_out_every": 4}
    first = minimize(risk(), "adam", w, stop=after(7), callback=CSVLog(path), **options)
    last = path.read_text().splitlines()[-1]
    with open(path, "a") as file:  # as a process that was killed had gone on
        file.write(last.replace("6,", "7,", 1) + "\n")
    run = minimize(risk(), "adam", resume=first, stop=after(10), callback=CSVLog(path), **options)
    found = rows(path)
    assert len(found) == 10 * (replicas or 1)
    for k, look in enumerate(run.history):
        for r in range(replicas or 1):
            row = found[k * (replicas or 1) + r]
            assert int(row["step"]) == look.step
            if replicas:
                assert int(row["replica"]) == r
            for name in ("value", "gradient_norm", "rate", "held_out"):
                want = np.broadcast_to(getattr(look, name), (replicas or 1,))[r]
                np.testing.assert_equal(float(row[name] or "nan"), want)


def test_a_csv_file_of_some_steps(tmp_path):
    path = tmp_path / "run.csv"
    minimize(Bowl(), "adam", np.ones(3), stop=after(50), callback=CSVLog(path, every=15), check_every=20)
    assert [int(row["step"]) for row in rows(path)] == [0, 20, 40, 49]
    rates = np.array([0.1, 0.2, 0.3])
    minimize(Bowl(), GradientDescent(rates), np.ones(3), stop=after(2), callback=CSVLog(os.fspath(path)))
    assert [float(row["rate"]) for row in rows(path)] == pytest.approx([0.2, 0.2])


def test_a_csv_file_that_cannot_be_written_costs_no_step(tmp_path):
    bowl = Bowl()
    with pytest.raises(FileNotFoundError):
        minimize(bowl, "adam", np.ones(3), callback=CSVLog(tmp_path / "no" / "run.csv"))
    assert bowl.calls == 0
    with pytest.raises(TypeError, match="path must be a path, got 3"):
        CSVLog(3)
    with pytest.raises(ValueError, match="every must be at least 1"):
        CSVLog("run.csv", every=0)


@pytest.mark.parametrize("replicas", [None, 2])
def test_tensorboard_reads_what_was_written(replicas, tmp_path):
    name = "tensorboard.backend.event_processing.event_accumulator"
    events = pytest.importorskip(name, reason="tensorboard is not installed")
    run = minimize(risk(), "adam", start(replicas), stop=after(5), callback=TensorBoard(tmp_path))
    for r in range(replicas or 1):
        read = events.EventAccumulator(str(tmp_path / f"replica {r}" if replicas else tmp_path))
        read.Reload()
        assert {*read.Tags()["scalars"]} == {"value", "gradient_norm", "rate"}
        want = run.history.value[:, r] if replicas else run.history.value
        assert [event.value for event in read.Scalars("value")] == pytest.approx(want.tolist(), rel=1e-6)
        assert [event.step for event in read.Scalars("rate")] == [*range(5)]


def test_a_missing_tensorboard_names_the_extra(monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "tensorboard.compat.proto.event_pb2", None)
    bowl = Bowl()
    with pytest.raises(ImportError, match=r"pip install .*\[tensorboard\]"):
        minimize(bowl, "adam", np.ones(3), callback=TensorBoard(tmp_path))
    assert bowl.calls == 0


@pytest.mark.parametrize("value", [CSVLog("a.csv", 3), TensorBoard("a")], ids=repr)
def test_settings_can_be_kept(value):
    for same in (copy.deepcopy(value), pickle.loads(pickle.dumps(value)), eval(repr(value))):
        assert same == value
        assert hash(same) == hash(value)


def test_a_callback_may_train():
    """As one that tries something out does."""
    values = []

    def inner(step):
        values.append(minimize(Bowl(), "lbfgs", np.array(step.w), stop=after(3) | value_below(1e-9)).value)

    run = minimize(Bowl(), "adam", np.ones(3), stop=after(4), callback=inner)
    np.testing.assert_array_equal(run.w, minimize(Bowl(), "adam", np.ones(3), stop=after(4)).w)
    assert values == pytest.approx([0.0] * 4)
