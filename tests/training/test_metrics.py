"""Metrics: recorded at each look, for the risk and the held-out one, and told to whoever watches."""

from __future__ import annotations

import copy
import csv
import logging
import pickle

import numpy as np
import pytest
from conftest import assert_allclose, assert_array_equal
from oracles import Bowl

import xpnet
from xpnet import (
    BinaryCrossEntropy,
    CrossEntropy,
    CSVLog,
    Dense,
    EmpiricalRisk,
    GradientDescent,
    Minibatch,
    Momentum,
    Network,
    Perceptron,
    TensorBoard,
    ThresholdUnit,
    after,
    minimize,
    value_below,
)

RANDOM = np.random.default_rng(0)
X, LABELS = RANDOM.standard_normal((60, 4)), RANDOM.integers(0, 3, 60)
NETWORK = Network(4, Dense(5, "tanh"), Dense(3, "softmax"))


def make(rows=slice(0, 40), backend="numpy"):
    return EmpiricalRisk(NETWORK, CrossEntropy(), X[rows], LABELS[rows], dtype="float64", backend=backend)


def start(replicas=None, backend="numpy"):
    return NETWORK.initialize(0, backend, "float64", replicas=replicas)


def largest(objective, w):
    return objective.backend.xp.max(objective.backend.xp.abs(w), axis=-1)


METRICS = {"missed": "error_rate", "largest": largest}


METHODS = {
    "momentum": Momentum(0.5),
    "nesterov": xpnet.Nesterov(0.5),
    "lbfgs": "lbfgs",
    "minibatch": Minibatch("adam", 8),
}


@pytest.mark.parametrize("replicas", [None, 3])
@pytest.mark.parametrize("method", METHODS)
def test_at_each_look_and_its_point(device, method, replicas):
    risk, held_out, w = make(backend=device), make(slice(40, 60), device), start(replicas, device)
    options = {"held_out": held_out, "held_out_every": 3, "check_every": 1, "keep_path": True}
    run = minimize(risk, METHODS[method], w, stop=after(10), metrics=METRICS, **options)
    history, nothing = run.history, np.full(() if replicas is None else replicas, np.nan)
    assert [*history.metrics] == ["missed", "largest", "held_out_missed", "held_out_largest"]
    for k, look in enumerate(history):
        point = device.asarray(history.path[k])
        assert_allclose(look.metrics["missed"], risk.error_rate(point))
        assert_allclose(look.metrics["largest"], largest(risk, point))
        held = held_out.error_rate(point) if k % 3 == 0 else nothing
        assert_allclose(look.metrics["held_out_missed"], held)
        assert_array_equal(np.isnan(look.metrics["held_out_missed"]), np.isnan(look.held_out))
    assert_array_equal(history.held_out_looks().metrics["missed"], history.metrics["missed"][::3])
    # and nothing else is any different
    bare = minimize(risk, METHODS[method], w, stop=after(10), **options)
    assert_array_equal(bare.w, run.w)
    assert bare.evaluations == run.evaluations
    assert bare.history.metrics == {}


def test_names_are_those_of_functions():
    run = minimize(make(), "rprop", start(), stop=after(5), metrics=["accuracy", "error_rate"])
    assert_allclose(run.history.metrics["accuracy"], 1 - run.history.metrics["error_rate"])
    alone = minimize(make(), "rprop", start(), stop=after(5), metrics="error_rate")
    assert [*alone.history.metrics] == ["error_rate"]


def test_an_error_rate_may_rise_where_the_divergence_falls():
    """One sample far on the wrong side, and a boundary that only it is wrong of: it draws that over."""
    X, labels = np.array([[-1.0], [-0.9], [0.1], [0.2], [0.3], [-12.0]]), np.array([0, 0, 1, 1, 1, 1])
    network = Network(1, Dense(1, "sigmoid"))
    risk = EmpiricalRisk(network, BinaryCrossEntropy(), X, labels, dtype="float64", backend="numpy")
    run = minimize(risk, GradientDescent(0.02), np.array([3.0, 1.5]), stop=after(300), metrics="error_rate")
    values, rates = run.history.value, run.history.metrics["error_rate"]
    assert (np.diff(values) < 0).all()
    assert rates[0] == pytest.approx(1 / 6)
    assert rates[-1] == pytest.approx(2 / 6)


def test_a_threshold_unit_has_them_too():
    unit = ThresholdUnit([[0, 0], [0, 1], [1, 0], [1, 1]], [-1, -1, -1, 1], backend="numpy")
    run = minimize(unit, Perceptron(), np.zeros(3), metrics=["error_rate"], keep_path=True)
    wrong = [int(unit.mistakes(w)) / 4 for w in run.history.path]
    assert_array_equal(run.history.metrics["error_rate"], wrong)
    assert wrong[0] == 1


def test_replicas_that_have_ended_are_not_known():
    """Nor is a point that is not finite shown to a function that does not take it."""

    def predicting(objective, w):
        return objective.network.predict(w, objective.X).mean(axis=(-2, -1))

    w, rates = start(3), np.array([[0.1], [1.0], [1e200]])
    risk = make()
    stop = value_below(float(minimize(risk, GradientDescent(1.0), w[1], stop=after(5)).value)) | after(9)
    run = minimize(risk, GradientDescent(rates), w, stop=stop, metrics={"mean": predicting} | METRICS)
    known = np.isfinite(run.history.value)
    assert not known.all()
    for own in run.history.metrics.values():
        assert_array_equal(np.isfinite(own), known)
    one = minimize(risk, GradientDescent(0.1), w[0], stop=after(9), metrics=METRICS)
    for name, own in one.history.metrics.items():
        assert_allclose(run.history.metrics[name][:, 0], own)


def test_a_run_that_goes_on_goes_on_with_them():
    options = {"held_out": make(slice(40, 60)), "held_out_every": 4, "metrics": METRICS}
    whole = minimize(make(), "adam", start(), stop=after(12), **options)
    half = minimize(make(), "adam", start(), stop=after(6), **options)
    rest = minimize(make(), "adam", stop=after(12), resume=half, **options)
    for name, own in whole.history.metrics.items():
        assert_array_equal(rest.history.metrics[name], own)
    # what a run had not is not known
    options["metrics"] = ["accuracy"]
    other = minimize(make(), "adam", stop=after(12), resume=half, **options).history.metrics
    assert [*other] == [*half.history.metrics, "accuracy", "held_out_accuracy"]
    assert np.isnan(other["accuracy"][:6]).all()
    assert np.isfinite(other["accuracy"][6:]).all()
    assert np.isnan(other["missed"][6:]).all()


@pytest.mark.parametrize("replicas", [None, 2])
def test_they_are_kept_and_saved(tmp_path, replicas):
    run = minimize(make(), "adam", start(replicas), stop=after(4), metrics=METRICS)
    xpnet.save(tmp_path / "run.npz", NETWORK, run=run)
    again = [pickle.loads(pickle.dumps(run)), copy.deepcopy(run), xpnet.load(tmp_path / "run.npz").run]
    for own in again:
        assert [*own.history.metrics] == [*METRICS]
        for name, values in run.history.metrics.items():
            assert_array_equal(own.history.metrics[name], values)


@pytest.mark.parametrize("replicas", [None, 2])
def test_a_data_frame_has_columns_of_them(replicas):
    pytest.importorskip("pandas", reason="pandas is not installed")
    history = minimize(make(), "adam", start(replicas), stop=after(4), metrics=METRICS).history
    frame = history.to_frame()
    assert [*frame][-2:] == ["missed", "largest"]
    assert_array_equal(frame["missed"].to_numpy(), history.metrics["missed"].reshape(-1))


@pytest.mark.parametrize("replicas", [None, 2])
def test_a_csv_log_has_columns_of_them(tmp_path, replicas):
    path, seen = tmp_path / "run.csv", []
    options = {
        "held_out": make(slice(40, 60)),
        "held_out_every": 3,
        "callback": [CSVLog(path), lambda step: seen.append(step.metrics)],
    }
    half = minimize(make(), "adam", start(replicas), stop=after(4), metrics=["accuracy"], **options)
    run = minimize(make(), "adam", stop=after(8), resume=half, metrics=METRICS, **options)
    with open(path) as file:
        rows = [*csv.DictReader(file)]
    names = ["missed", "largest", "held_out_missed", "held_out_largest"]
    assert [*rows[0]][-4:] == names
    assert len(rows) == 8 * (replicas or 1)
    for name in names:
        got = np.array([float(row[name] or "nan") for row in rows])
        assert_array_equal(got, run.history.metrics[name].reshape(-1))
    assert [*seen[-1]] == names
    assert_array_equal(seen[-1]["missed"], run.history.metrics["missed"][-1])


def test_tensorboard_is_told(tmp_path):
    pytest.importorskip("tensorboard", reason="tensorboard is not installed")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    run = minimize(make(), "adam", start(), stop=after(4), metrics=METRICS, callback=TensorBoard(tmp_path))
    events = EventAccumulator(str(tmp_path))
    events.Reload()
    got = [event.value for event in events.Scalars("missed")]
    assert_allclose(got, run.history.metrics["missed"], rtol=1e-6)


BAD = [
    ("mistakes", ValueError, "unknown metric 'mistakes'; use one of"),
    (["error_rate", 3], ValueError, "unknown metric 3"),
    (3, TypeError, "metrics must be names such as 'error_rate', or functions"),
    (largest, TypeError, "metrics must be names such as"),
    ({"value": largest}, ValueError, "each name in metrics must be none that the history has already"),
    ({"held_out_x": largest}, ValueError, "each name in metrics must be none that the history has already"),
    ({"": largest}, ValueError, "each name in metrics must not be empty"),
    ({3: largest}, TypeError, "each name in metrics"),
    ({"x": 3}, TypeError, r"metrics\['x'\]"),
    ({"x": "mistakes"}, ValueError, "unknown metric 'mistakes'"),
]


@pytest.mark.parametrize(("metrics", "kind", "message"), BAD)
def test_what_is_no_metric_is_refused(metrics, kind, message):
    with pytest.raises(kind, match=message):
        minimize(make(), "adam", start(), metrics=metrics)


def test_what_has_no_classes_is_refused():
    with pytest.raises(TypeError, match="objective must have samples with classes for the metric"):
        minimize(Bowl(), "adam", np.ones(2), metrics="accuracy")
    with pytest.raises(TypeError, match="held_out must have samples with classes for the metric"):
        minimize(make(), "adam", start(), metrics=METRICS, held_out=Bowl())
    run = minimize(Bowl(), "adam", np.ones(2), stop=after(3), metrics={"size": lambda _, w: abs(w).max()})
    assert run.history.metrics["size"].shape == (3,)


@pytest.mark.parametrize(
    ("value", "kind", "message"),
    [
        (None, TypeError, "metric 'x' must be a number, got None"),
        (True, TypeError, "metric 'x' must be a number, got True"),
        (np.ones(3), ValueError, r"metric 'x' must be a number for this w, got shape \(3,\)"),
        (np.array(1j), TypeError, "metric 'x' must be real"),
    ],
)
def test_what_a_metric_must_give(value, kind, message):
    with pytest.raises(kind, match=message) as caught:
        minimize(make(), "adam", start(), metrics={"x": lambda risk, w: value})
    assert caught.value.run.steps == 0
    with pytest.raises(ValueError, match=r"metric 'x' must be \(2,\), one for each replica"):
        minimize(make(), "adam", start(2), metrics={"x": lambda risk, w: 1.0})


def test_a_metric_that_is_not_finite_is_told_once(caplog):
    with caplog.at_level(logging.WARNING, "xpnet"):
        minimize(make(), "adam", start(), stop=after(4), metrics={"x": lambda risk, w: np.inf})
    assert [record.getMessage() for record in caplog.records] == ["metric 'x' is not finite at step 0"]
