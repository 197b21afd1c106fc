"""The three courses that a sequence of values can take."""

from __future__ import annotations

import numpy as np
import pytest

from xpnet import GradientDescent, Minibatch, Momentum, Quadratic, after, minimize
from xpnet.analysis import outcome

K = np.arange(60.0)
NOISE = np.random.default_rng(0).standard_normal(4000)


@pytest.mark.parametrize(
    ("factor", "course"),
    [(0.5, "converging"), (2.0, "jittering"), (2.1, "diverging"), (1.0, "converging"), (1.5, "converging")],
)
def test_rates_on_a_quadratic(factor, course):
    """The lecture's regimes, by the rate in units of the best one."""
    a = 4.0
    bowl = Quadratic([[a]], b=[a])  # the minimum is at -1
    run = minimize(bowl, GradientDescent(factor / a), np.zeros(1), stop=after(60), keep_path=True)
    assert outcome(run.history.value, -a / 2) == course
    assert outcome(run.history.path[:, 0], -1.0) == course


@pytest.mark.parametrize(
    ("values", "course"),
    [
        (0.5**K, "converging"),
        (3.0 + 0.9**K, "converging"),
        (1.0 / (K + 1.0), "converging"),
        (-K, "converging"),  # it falls
        (0.9**K * np.cos(K) ** 2, "converging"),
        (np.full(60, 2.0), "converging"),
        (np.zeros(60), "converging"),
        (np.full(60, 1e300), "converging"),
        (1.0 + (-1.0) ** K, "jittering"),
        (1.0 + 0.999**K + 0.1 * (-1.0) ** K, "jittering"),
        (1.001**K, "diverging"),
        (2.0**K + 0.1 * (-1.0) ** K, "diverging"),
        (np.where(K < 59, 1.0, np.inf), "diverging"),
    ],
)
def test_courses(values, course):
    assert outcome(values) == course
    assert outcome(7.0 * values) == course
    assert outcome([*values, np.nan, np.nan]) == course


def test_to_stay_away_from_the_minimum_is_to_jitter():
    assert outcome(np.full(60, 2.0), 2.0) == "converging"
    assert outcome(np.full(60, 2.0), 0.0) == "jittering"
    assert outcome(2.0 + 0.5**K, 0.0) == "jittering"
    assert outcome(2.0 - 0.5**K, 2.0) == "converging"


def test_noise_jitters_as_often_as_that():
    found = [outcome(noise) for noise in NOISE.reshape(-1, 40)]
    assert found.count("jittering") >= 97


def test_replicas_have_a_word_each():
    both = np.stack([0.5**K, 1.1**K, 1.0 + (-1.0) ** K], axis=1)
    both[40:, 1] = np.nan
    assert outcome(both) == ("converging", "diverging", "jittering")


def test_minibatches_jitter_at_a_constant_rate():
    from xpnet import BinaryCrossEntropy, Dense, EmpiricalRisk, Network

    X = np.random.default_rng(1).standard_normal((200, 2))
    labels = (X[:, 0] + 0.5 * np.random.default_rng(2).standard_normal(200) > 0).astype(float)
    risk = EmpiricalRisk(Network(2, Dense(1, "sigmoid")), BinaryCrossEntropy(), X, labels, dtype="float64")
    w = np.zeros(3)
    whole = minimize(risk, Momentum(0.5, 0.9), w, stop=after(400))
    parts = minimize(risk, Minibatch(Momentum(0.5, 0.9), size=10, seed=0), w, stop=after(400))
    assert outcome(whole.history.value) == "converging"
    assert outcome(parts.history.value) == "jittering"


@pytest.mark.parametrize(
    ("values", "said"),
    [
        (np.ones((2, 3, 4)), "values must be"),
        (np.ones(7), "values must be 8 steps or more, got shape .7,."),
        ([np.nan, *np.ones(9)], "NaN before a number"),
        ("values", "values"),
    ],
)
def test_what_cannot_be(values, said):
    with pytest.raises((TypeError, ValueError), match=said):
        outcome(values)
    with pytest.raises((TypeError, ValueError), match="minimum must be"):
        outcome(np.ones(9), np.inf)
