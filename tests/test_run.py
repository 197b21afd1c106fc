"""What comes back: history by names, and short in words."""

from __future__ import annotations

import copy
import pickle
import sys

import numpy as np
import pytest
from conftest import assert_array_equal, to_numpy
from oracles import Bowl

import xpnet
from xpnet import GradientDescent, after, minimize, value_below
from xpnet.device import select
from xpnet.run import COLUMNS


def test_a_look_is_read_by_its_names():
    run = minimize(Bowl(), GradientDescent(0.1), np.ones(2), stop=after(5))
    assert len(run.history) == 5
    assert run.history[-1].value == run.history.value[-1]
    assert run.history[2].step == 2
    assert [look.evaluations for look in run.history] == [1, 2, 3, 4, 5]


def test_words_are_few():
    run = minimize(Bowl(), GradientDescent(0.1), np.ones((3, 2)), stop=after(500))
    assert len(repr(run.history)) < 200
    assert "500 looks" in repr(run.history)
    assert len(repr(run)) < 500
    assert "budget spent" in repr(run)


def test_a_run_can_be_kept():
    run = minimize(Bowl(), GradientDescent(0.1), np.ones(2), stop=value_below(0.5))
    for again in (pickle.loads(pickle.dumps(run)), copy.deepcopy(run)):
        assert_array_equal(again.w, run.w)
        assert again.outcome is run.outcome
        assert_array_equal(again.history.value, run.history.value)
    assert run == run
    assert len({run, run.history}) == 2


def test_each_replica_can_have_a_rate_of_its_own():
    rates = np.array([[0.1], [0.2]])
    run = minimize(Bowl(), GradientDescent(rates), np.ones((2, 2)), stop=value_below(0.1) | after(30))
    assert run.history.rate.shape == (len(run.history), 2)
    assert np.isnan(run.history.rate[-1]).all()
    empty = minimize(Bowl(), GradientDescent(rates), np.ones((2, 2)), stop=after(1), check_every=1)
    assert empty.history.value.shape == (1, 2)


def test_a_history_becomes_a_frame():
    pandas = pytest.importorskip("pandas", reason="pandas is not installed")
    run = minimize(
        Bowl(), "adam", np.ones(2), stop=after(9), held_out=Bowl(), held_out_every=4, keep_path=True
    )
    frame = run.history.to_frame()
    assert isinstance(frame, pandas.DataFrame)
    assert [*frame] == [*COLUMNS]
    for name in frame:
        np.testing.assert_array_equal(frame[name], getattr(run.history, name))
    held = frame.dropna(subset="held_out")
    np.testing.assert_array_equal(held["step"], [0, 4, 8])


def test_a_frame_of_replicas_is_tidy():
    pytest.importorskip("pandas", reason="pandas is not installed")
    rates = np.array([[0.1], [0.5]])
    run = minimize(Bowl(), GradientDescent(rates), np.ones((2, 2)), stop=value_below(0.1) | after(90))
    frame = run.history.to_frame()
    assert [*frame][:2] == ["step", "replica"]
    for r in range(2):
        own = frame[frame["replica"] == r]
        column = run.history.value[:, r]
        length = len(column) - np.isnan(column).sum()
        assert len(own) == length
        np.testing.assert_array_equal(own["value"], column[:length])
        np.testing.assert_array_equal(own["rate"], run.history.rate[:length, r])
        np.testing.assert_array_equal(own["step"], np.arange(length))
    whole = minimize(Bowl(), GradientDescent(np.array([0.1, 0.2, 0.3])), np.ones(3), stop=after(2))
    assert "rate" not in whole.history.to_frame()


def test_a_missing_pandas_names_the_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "pandas", None)
    run = minimize(Bowl(), "adam", np.ones(2), stop=after(2))
    with pytest.raises(ImportError, match=r"pip install .*\[pandas\]"):
        run.history.to_frame()


@pytest.mark.parametrize("replicas", [(), (2,)])
def test_held_out_values_without_gaps(replicas):
    run = minimize(
        Bowl(), "adam", np.ones((*replicas, 2)), stop=after(9), held_out=Bowl(), held_out_every=4
    )
    looks = run.history.held_out_looks()
    assert looks.step.tolist() == [0, 4, 8]
    assert np.isfinite(looks.held_out).all()
    assert not len(minimize(Bowl(), "adam", np.ones(2), stop=after(2)).history.held_out_looks())


@pytest.mark.parametrize("replicas", [(), (2,)])
def test_points_are_kept_where_they_are_asked_for(replicas, device):
    seen = []
    run = minimize(
        Bowl(),
        "nesterov",
        device.xp.ones((*replicas, 2)),
        stop=after(6),
        keep_path=True,
        callback=lambda step: seen.append(to_numpy(step.w)),
        check_every=2,
    )
    assert isinstance(run.history.path, np.ndarray)
    np.testing.assert_array_equal(run.history.path, seen)
    assert run.history[1].step == 2
    assert minimize(Bowl(), "adam", np.ones(2), stop=after(2)).history.path is None


def test_a_path_that_would_not_fit_is_refused_before_the_first_step():
    bowl = Bowl()
    with pytest.raises(MemoryError, match=r"keep_path must be False: 1,000,000,000,001 points of 3"):
        minimize(bowl, "adam", np.ones(3), stop=after(10**12), keep_path=True)
    assert bowl.calls == 0


def test_a_run_of_many_replicas_has_few_words():
    run = minimize(Bowl(), GradientDescent(0.1), np.ones((100, 2)), stop=after(5))
    assert len(repr(run)) < 200
    assert "100 replicas: 100 budget spent; least value" in repr(run)
    assert "at 100 replicas" in repr(run.history)


@pytest.mark.parametrize("optimizer", ["nesterov", "adam", "lbfgs", "levenberg-marquardt"])
@pytest.mark.parametrize("kernels", ["numpy", "numba"])
def test_the_kernels_are_those_of_the_objective(kernels, optimizer, monkeypatch):
    if kernels == "numba":
        pytest.importorskip("numba", reason="Numba is not installed")
    monkeypatch.setenv("XPNET_KERNELS", "numpy")
    place = xpnet.backend("numpy", kernels=kernels)
    monkeypatch.setattr(select, "_kernels", None)  # nobody asks the environment any more
    risk = xpnet.LeastSquares(lambda xp, w: xp.tanh(w) - 0.5, backend=place)
    run = minimize(risk, optimizer, np.ones(2), stop=after(3))
    assert run.kernels == kernels
    assert kernels in repr(run)
    for step in xpnet.iterate(risk, xpnet.Adam(), np.ones(2)):
        if step.step == 2:
            break
    state = xpnet.Adam().initialize(risk, w := np.ones(2))
    xpnet.Adam().step(risk, w, state)
