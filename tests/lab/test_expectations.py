"""Expectations: what holds, what fails, and what luck may do."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.stats import binom

from xpnet.lab import at_least, at_most, between, equal, holds, reported, share
from xpnet.lab.expectations import Expectation


@pytest.mark.parametrize(
    ("expectation", "verdict", "wanted"),
    [
        (equal("1", "it", 3.0, 3.0), "holds", "3"),
        (equal("1", "it", 3.5, 3.0, 0.5), "holds", "3 ± 0.5"),
        (equal("1", "it", 3.6, 3.0, 0.5), "fails", "3 ± 0.5"),
        (at_most("1", "it", 1.0, 1.0), "holds", "at most 1"),
        (at_most("1", "it", 1.1, 1.0), "fails", "at most 1"),
        (at_least("1", "it", 1.0, 1.0), "holds", "at least 1"),
        (at_least("1", "it", 0.9, 1.0), "fails", "at least 1"),
        (between("1", "it", 2, 1, 2), "holds", "1 to 2"),
        (between("1", "it", 0.5, 1, 2), "fails", "1 to 2"),
        (holds("1", "it", np.bool_(True)), "holds", "yes"),
        (holds("1", "it", False), "fails", "yes"),
        (reported("1", "it", 0.25), "reported", ""),
    ],
)
def test_verdicts(expectation, verdict, wanted):
    assert expectation.verdict == verdict
    assert expectation.wanted == wanted
    assert str(expectation).startswith({"holds": "ok", "fails": "FAILED", "reported": "-"}[verdict])


@pytest.mark.parametrize("measured", [math.nan, math.inf, -math.inf])
def test_what_is_not_finite_never_holds_by_accident(measured):
    assert equal("1", "it", measured, 0.0, 1e300).verdict == "fails"
    assert between("1", "it", measured, -1e300, 1e300).verdict == "fails"
    assert at_most("1", "it", measured, 0.0).verdict == ("holds" if measured < 0 else "fails")
    assert at_least("1", "it", measured, 0.0).verdict == ("holds" if measured > 0 else "fails")


def test_numbers_become_pythons():
    assert type(equal("1", "it", np.float32(0.5), 0.5).measured) is float
    assert type(equal("1", "it", np.int64(3), 3).measured) is int
    assert str(at_most("9", "it", 1 / 3, 1)) == "ok      row 9   it: 0.333333, wanted at most 1"
    assert str(at_most("9", "it", 1 / 3, 1, chance=0.05)).endswith("(fails at 0.05 of all seeds)")
    assert equal("1", "it", 1.0, 1.0) == equal("1", "it", 1, 1)
    assert isinstance(hash(holds("1", "it", True)), int)
    assert isinstance(holds("1", "it", True), Expectation)


@pytest.mark.parametrize(("low", "high"), [(0.9, 1.0), (0.0, 0.2), (0.4, 0.6), (0.5, 0.5)])
def test_a_share_fails_as_rarely_as_it_says(low, high):
    n, chance = 40, 1e-3
    for p in (low, high):
        failing = [k for k in range(n + 1) if share("1", "it", k, n, low, high, chance).verdict == "fails"]
        assert sum(binom.pmf(k, n, p) for k in failing) <= 2 * chance
        assert failing  # and it can fail
    edge = min(k for k in range(n + 1) if share("1", "it", k, n, low, high, chance).verdict == "holds")
    assert edge == 0 or binom.cdf(edge - 1, n, low) < chance <= binom.cdf(edge, n, low)


def test_a_share_of_all_or_none_leaves_nothing_to_luck():
    assert share("1", "it", 100, 100, 1.0).verdict == "holds"
    assert share("1", "it", 99, 100, 1.0).verdict == "fails"
    assert share("1", "it", 0, 100, high=0.0).verdict == "holds"
    assert share("1", "it", 1, 100, high=0.0).verdict == "fails"
    assert share("1", "it", 1, 100, high=0.0).chance == 0.0


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        (lambda: share("1", "it", 3, 2), "count must be at most 2"),
        (lambda: share("1", "it", 1, 2, 0.5, 0.4), "high must be"),
        (lambda: equal("1", "it", 1.0, 1.0, -1.0), "tolerance must be"),
        (lambda: between("1", "it", 1.0, 2.0, 1.0), "low and high must ascend"),
        (lambda: holds("1", "it", 1.0), "truth must be True or False"),
        (lambda: at_most("1", "it", 1.0, math.nan), "most must be finite"),
    ],
)
def test_what_cannot_be_expected(wrong, said):
    with pytest.raises((TypeError, ValueError), match=said):
        wrong()


@pytest.mark.parametrize(("low", "high"), [(0.002, 0.06), (0.9, 1.0), (0.0, 0.0), (1.0, 1.0)])
def test_a_share_may_be_of_many_trials(low, high):
    for count in (0, 1, 2, 30, 400, 4300, 4700, 4999, 5000):
        too_few, too_many = binom.cdf(count, 5000, low), binom.sf(count - 1, 5000, high)
        good = min(too_few, too_many) >= 1e-3
        assert share("1", "it", count, 5000, low, high).verdict == ("holds" if good else "fails")
