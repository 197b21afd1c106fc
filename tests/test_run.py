"""What comes back: history by names, and short in words."""

from __future__ import annotations

import copy
import pickle

import numpy as np
from conftest import assert_array_equal
from oracles import Bowl

from xpnet import GradientDescent, after, minimize, value_below


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
