"""Stopping rules, alone and combined."""

from __future__ import annotations

import pickle

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from xpnet import Outcome, after, change_below, gradient_below, patience, time_limit, value_below
from xpnet.training.rule import Progress


def progress(steps, value=1.0, norm=1.0, seconds=0.0, held_out=None):
    return Progress(steps, np.asarray(value), np.asarray(norm), seconds, held_out)


def first(rule, rows):
    """The number of the first row at which a fresh check of `rule` says stop."""
    check = rule.start()
    found = [bool(check(row)) for row in rows]
    return found.index(True) if True in found else None


def test_each_rule():
    rows = [progress(k + 1, 1 / (k + 1), 0.5**k, 0.1 * k) for k in range(30)]
    assert first(after(7), rows) == 6
    assert first(value_below(0.1), rows) == 9
    assert first(gradient_below(0.01), rows) == 7
    assert first(time_limit(0.95), rows) == 10
    assert first(change_below(0.01), rows) == 11  # 1/10 - 1/11, 1/11 - 1/12
    assert first(change_below(1e-9), rows) is None


def test_patience_counts_evaluations_of_the_held_out_risk():
    held_out = [3, None, 2, None, 2.5, None, 1, 1.1, 1.2, None, 0.9, 1, 1, 1]
    rows = [progress(k + 1, held_out=value) for k, value in enumerate(held_out)]
    assert first(patience(2), rows) == 8
    assert first(patience(3), rows) == 13
    assert first(patience(2, threshold=1.5), rows) == 4


def test_replicas_are_judged_alone():
    check = (value_below(0.5) & after(2) | gradient_below(0.1)).start()
    first_row = check(progress(1, [0.4, 0.6, 0.6], [1, 1, 0.05]))
    assert first_row.tolist() == [False, False, True]
    assert check(progress(2, [0.4, 0.6, 0.6], [1, 1, 1])).tolist() == [True, False, False]
    remembers = change_below(0.1).start()
    remembers(progress(1, [1.0, 1.0]))
    assert remembers(progress(2, [0.95, 0.5])).tolist() == [False, False]
    assert remembers(progress(3, [0.9, 0.45])).tolist() == [True, False]


def test_a_rest_is_no_evidence_that_the_value_has_settled():
    check = change_below(0.1).start()
    rows = [(1.0, True), (1.0, False), (1.0, False), (0.5, True), (0.5, False), (0.45, True), (0.45, False)]
    truths = [check(progress(k, value)._replace(moved=moved)) for k, (value, moved) in enumerate(rows)]
    assert not any(truths)
    assert check(progress(len(rows), 0.4))


def test_only_points_that_follow_one_another_are_compared():
    check = change_below(0.1).start()
    assert not any(check(progress(20 * k, 1.0)) for k in range(5))
    assert [bool(check(progress(k, 1.0))) for k in (98, 99, 100)] == [False, False, True]


def test_how_a_run_ends_that_a_rule_stops():
    assert after(3).ending() is Outcome.BUDGET_SPENT
    assert patience(3).ending() is Outcome.HELD_OUT_WORSE
    assert (after(3) & value_below(1.0)).ending() is Outcome.CONVERGED
    assert ((after(3) | value_below(1.0)) & time_limit(1.0)).ending() is Outcome.BUDGET_SPENT


def test_settings_are_kept_as_what_they_mean():
    rules = [after(np.int64(3)), value_below(np.float32(0.5)), gradient_below(1), patience(np.int64(2), 0)]
    assert repr(rules[0]) == "after(steps=3)"
    assert [type(rule.limit) for rule in rules[1:3]] == [float, float]
    again = pickle.loads(pickle.dumps((rules[0] | rules[1]) & rules[2]))
    assert again == (rules[0] | rules[1]) & rules[2]
    assert hash(again) == hash((rules[0] | rules[1]) & rules[2])


def test_reasons():
    assert str(after(3)) == "3 steps taken"
    assert str(after(3) & value_below(0.5)) == "3 steps taken and value at most 0.5"
    assert str((after(3) | value_below(0.5)) & after(2)) == (
        "(3 steps taken or value at most 0.5) and 2 steps taken"
    )
    assert str(patience(4)) == "no better held-out risk in 4 evaluations"


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: after(0), "steps must be at least 1, got 0"),
        (lambda: gradient_below(-1), "limit must be .* got -1"),
        (lambda: value_below(float("nan")), "limit must be finite, got nan"),
        (lambda: change_below(float("inf")), "limit must be .* got inf"),
        (lambda: time_limit(-1), "seconds must be .* got -1"),
        (lambda: patience(0), "evaluations must be at least 1, got 0"),
    ],
)
def test_bad_settings(make, message):
    with pytest.raises(ValueError, match=message):
        make()


def test_only_rules_combine():
    with pytest.raises(TypeError, match="stop must be made of rules such as after.*got 3"):
        after(3) | 3
    with pytest.raises(TypeError, match="got 'x'"):
        after(3) & "x"


leaves = st.one_of(
    st.integers(1, 12).map(after),
    st.sampled_from([0.1, 0.3, 0.6]).map(value_below),
    st.sampled_from([0.05, 0.2]).map(change_below),
    st.sampled_from([0.1, 0.4]).map(gradient_below),
)
trees = st.recursive(leaves, lambda part: st.tuples(st.sampled_from("|&"), part, part), max_leaves=6)
tables = st.lists(
    st.tuples(st.sampled_from([0.05, 0.2, 0.25, 0.5, 0.9]), st.sampled_from([0.05, 0.3, 0.9])),
    min_size=1,
    max_size=12,
)


def build(tree):
    if not isinstance(tree, tuple):
        return tree
    operator, left, right = tree
    return build(left) | build(right) if operator == "|" else build(left) & build(right)


def truth(tree, rows):
    """Where `tree` holds, from where each leaf alone holds."""
    if not isinstance(tree, tuple):
        check = tree.start()
        return np.array([bool(check(row)) for row in rows])
    operator, left, right = tree
    a, b = truth(left, rows), truth(right, rows)
    return a | b if operator == "|" else a & b


@given(tree=trees, table=tables)
def test_any_combination_is_the_boolean_expression(tree, table):
    rows = [progress(k + 1, value, norm) for k, (value, norm) in enumerate(table)]
    rule = build(tree)
    for _ in range(2):  # a rule can be used again
        check = rule.start()
        assert [bool(check(row)) for row in rows] == truth(tree, rows).tolist()
