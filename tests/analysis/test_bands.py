"""Quantiles of replicas, against NumPy's; and columns without gaps."""

from __future__ import annotations

import numpy as np
import pytest

from xpnet import History, Momentum, Quadratic, after, minimize
from xpnet.analysis import band

BOWL = Quadratic(np.diag([1.0, 3.0]), backend="numpy")


def made(value, **columns):
    value = np.asarray(value, float)
    looks = np.arange(len(value))
    empty = {name: np.full(len(value), np.nan) for name in ("gradient_norm", "rate", "held_out")}
    return History(step=looks, value=value, seconds=looks / 10, evaluations=2 * looks, **(empty | columns))


def test_quantiles_of_replicas_are_those_of_numpy():
    values = np.random.default_rng(0).random((6, 7))
    found = band(made(values), quantiles=(0.05, 0.5, 0.8))
    for own, q in zip((found.low, found.middle, found.high), found.quantiles, strict=True):
        np.testing.assert_allclose(own, np.quantile(values, q, axis=1), rtol=1e-13)
    assert found.count == 7


def test_one_run_has_a_curve():
    run = minimize(BOWL, Momentum(0.1), np.ones(2), stop=after(9))
    found = band(run)
    for own in (found.low, found.middle, found.high):
        np.testing.assert_array_equal(own, run.history.value)
    assert found.count == 1
    np.testing.assert_array_equal(found.step, run.history.step)


def test_held_out_values_have_no_gaps():
    run = minimize(BOWL, Momentum(0.1), np.ones((3, 2)), stop=after(30), held_out=BOWL, held_out_every=10)
    found = band(run.history, "held_out")
    assert found.step.tolist() == [0, 10, 20]
    assert not np.isnan(found.middle).any()


def test_a_replica_that_has_stopped_counts_on_with_its_last_number():
    found = band(made([[3.0, 9.0], [1.0, 5.0], [np.nan, 4.0]]), quantiles=(0, 0.5, 1))
    assert found.low.tolist() == [3, 1, 1]
    assert found.middle.tolist() == [6, 3, 2.5]
    assert found.high.tolist() == [9, 5, 4]


def test_infinite_values_spoil_no_quantile_below_them():
    found = band(made([[1.0, 2.0, np.inf]]), quantiles=(0, 0.5, 1))
    assert (found.low[0], found.middle[0], found.high[0]) == (1, 2, np.inf)


@pytest.mark.parametrize(
    ("ask", "message"),
    [
        (lambda: band([1.0]), "history must be a History or a Run"),
        (lambda: band(made([])), r"history must have a look, got History\(0 looks\)"),
        (lambda: band(made([1.0]), "values"), "unknown column 'values'; did you mean 'value'"),
        (lambda: band(made([1.0]), "held_out"), "history must have a number in its column 'held_out'"),
        (lambda: band(made([1.0]), quantiles=0.5), "quantiles must be three numbers, got 0.5"),
        (lambda: band(made([1.0]), quantiles=(0.5, 0.1, 1)), "quantiles must ascend"),
        (lambda: band(made([1.0]), quantiles=(0, 0.5, 50)), r"quantiles\[2\] must be in \[0, 1\]"),
    ],
)
def test_bad_input_is_named(ask, message):
    with pytest.raises((TypeError, ValueError), match=message):
        ask()
