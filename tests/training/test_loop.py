"""Going on from a state, and what is checked before the first step."""

from __future__ import annotations

import io
from dataclasses import dataclass

import numpy as np
import pytest
from conftest import assert_array_equal
from oracles import Bowl, quadratic

from xpnet import (
    Adam,
    Momentum,
    Nesterov,
    Objective,
    Optimizer,
    Quadratic,
    Record,
    after,
    iterate,
    minimize,
    value_below,
)


@dataclass(frozen=True)
class Spy(Optimizer):
    """Goes half way to the origin, and says when it is asked to resume."""

    def begin(self, backend, objective, w):
        return {"step": 0, "log": []}

    def resume(self, backend, objective, w, state):
        state["log"].append(("resume", float(objective.value(w))))

    def advance(self, backend, objective, w, state):
        value, gradient = objective.value_and_gradient(w.copy())  # a point that is not `w` itself
        state["log"].append(("step", float(value)))
        w -= 0.5 * gradient
        state["step"] += 1
        return Record(state["step"] - 1, value, gradient, 0.5)


def test_resume_is_called_before_the_first_step_of_a_run_that_goes_on():
    first = minimize(Bowl(), Spy(), np.ones(2), stop=after(1))
    assert first.state["log"] == [("step", 1.0)]
    again = minimize(Bowl(), Spy(), first.w, stop=after(1), state=first.state)
    assert again.state["log"] == [("step", 1.0), ("resume", 0.25), ("step", 0.25)]
    assert first.state["log"] == [("step", 1.0)]
    assert again.evaluations == {"value": 2, "gradient": 1, "product": 0}
    w, state = np.ones(2), Spy().begin(None, None, None)
    next(iterate(Bowl(), Spy(), w, state=state))
    assert state["log"] == [("resume", 1.0), ("step", 1.0)]


def test_an_optimizer_that_evaluates_elsewhere_is_judged_after_its_step_and_put_back():
    run = minimize(Bowl(), Spy(), np.ones(2), stop=value_below(0.25))
    assert run.steps == 1
    assert run.value == 0.25
    assert_array_equal(run.w, [0.5, 0.5])


def test_a_state_that_a_file_has_kept():
    objective, w = quadratic(10.0)
    run = minimize(objective, Adam(0.1), w, stop=after(5))
    file = io.BytesIO()
    np.savez(file, **run.state)
    file.seek(0)
    with np.load(file) as kept:
        state = dict(kept)
    again = minimize(objective, Adam(0.1), run.w, stop=after(5), state=state)
    assert_array_equal(again.w, minimize(objective, Adam(0.1), w, stop=after(10)).w)
    assert type(again.state["step"]) is int


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"step": 2.5}, TypeError, r"state\['step'\] must be an integer, got 2.5"),
        ({"velocity": np.zeros(3)}, ValueError, r"state\['velocity'\] must have shape \(2,\)"),
        ({"velocity": np.zeros(2, "f4")}, ValueError, r"state\['velocity'\] must be float64"),
    ],
)
def test_states_of_another_kind(change, error, message):
    state = {"step": 1, "velocity": np.zeros(2)} | change
    with pytest.raises(error, match=message):
        minimize(Bowl(), Momentum(), np.ones(2), state=state)


@pytest.mark.parametrize("name", ["trust-region", "newton", "steepest descent"])
def test_what_a_state_has_kept_of_the_last_step_fits_w(name):
    kept = minimize(Quadratic(np.eye(2), backend="numpy"), name, np.ones(2), stop=after(1)).state
    with pytest.raises(ValueError, match=r"state\['\w+'\] must have shape \(3,\) for this w, got \(2,\)"):
        minimize(Quadratic(np.eye(3), backend="numpy"), name, np.ones(3), state=kept)


def test_a_point_ahead_that_another_method_has_left_is_not_gone_by():
    objective, w = quadratic(10.0)
    run = minimize(objective, Nesterov(0.05), w, stop=after(3))
    plain = {"step": 3, "velocity": run.state["velocity"]}
    for given in (run.state, plain):
        went = minimize(objective, Momentum(0.05), run.w, state=given, stop=after(5))
        np.testing.assert_array_equal(went.history.value[0], objective.value(run.w))
    assert_array_equal(went.w, minimize(objective, Momentum(0.05), run.w, state=run.state, stop=after(5)).w)


class Wrong(Objective):
    """A value or gradient of the wrong kind."""

    def __init__(self, value, gradient):
        self.change_value, self.change_gradient = value, gradient

    def value(self, w):
        return self.change_value(0.5 * (w * w).sum(axis=-1))

    def value_and_gradient(self, w):
        return self.value(w), self.change_gradient(w)


same = np.copy
WRONG = [
    (lambda v: np.stack([v, v]), same, ValueError, r"value must be a number for this w, got shape \(2,\)"),
    (lambda v: v * 1j, same, TypeError, "value must be real, got complex128"),
    (lambda v: "low", same, TypeError, "value must be a number, got 'low'"),
    (lambda v: True, same, TypeError, "value must be a number, got True"),
    (np.asarray, lambda w: np.asarray(w[0]), ValueError, r"gradient must be \(3,\), as w, got shape \(\)"),
    (np.asarray, lambda w: w[:1], ValueError, r"gradient must be \(3,\), as w, got shape \(1,\)"),
    (np.asarray, lambda w: w * 1j, TypeError, "gradient must be float64, as w, got complex128"),
    (np.asarray, lambda w: w.astype("f4"), TypeError, "gradient must be float64, as w, got float32"),
    (np.asarray, lambda w: w.astype(int), TypeError, "gradient must be float64, as w, got int64"),
    (np.asarray, list, TypeError, "gradient must be an array of backend 'numpy'"),
    (np.asarray, lambda w: 1.0, TypeError, "gradient must be an array of backend 'numpy'"),
    (np.asarray, lambda w: w, ValueError, "gradient must be a new array, got w itself"),
    (np.asarray, lambda w: w[:], ValueError, "gradient must be a new array, got w itself"),
]


@pytest.mark.parametrize("method", ["gradient descent", "nesterov", "lbfgs"])
@pytest.mark.parametrize(("value", "gradient", "error", "message"), WRONG)
def test_values_and_gradients_of_another_kind_are_refused_before_w_moves(
    value, gradient, error, message, method
):
    w = np.ones(3)
    with pytest.raises(error, match=message) as caught:
        minimize(Wrong(value, gradient), method, w, in_place=True)
    assert caught.value.run.steps == 0
    assert_array_equal(w, 1)
    with pytest.raises(error, match=message):
        next(iterate(Wrong(value, gradient), method, w))
    assert_array_equal(w, 1)


@pytest.mark.parametrize("method", ["gradient descent", "rprop", "lbfgs", "trust-region"])
@pytest.mark.parametrize("value", [lambda v: v[None], float], ids=["(1,)", "float"])
def test_a_value_with_one_number_is_a_number(value, method):
    class Hessian(Wrong):
        def hessian(self, w):
            return np.eye(w.shape[-1])

    run = minimize(Hessian(value, same), method, np.ones(3), stop=after(5))
    want = minimize(Quadratic(np.eye(3)), method, np.ones(3), stop=after(5))
    assert isinstance(run.value, float)
    np.testing.assert_allclose(run.w, want.w, atol=1e-12)


def test_a_held_out_risk_of_another_kind_is_refused_before_w_moves():
    w = np.ones(3)
    for bad in (
        Wrong(lambda v: np.stack([v, v]), same),
        Quadratic(np.eye(4)),
        Quadratic(np.eye(3), dtype="float32"),
        Wrong(lambda v: "low", same),
    ):
        with pytest.raises((TypeError, ValueError)):
            minimize(Bowl(), Momentum(), w, held_out=bad, in_place=True)
        assert_array_equal(w, 1)


@pytest.mark.parametrize(
    ("option", "value"), [("progress", "False"), ("in_place", 1), ("diverged_at", 0.5), ("stop", 3)]
)
def test_options_of_another_kind(option, value):
    with pytest.raises((TypeError, ValueError), match=f"{option} must be .*got {value!r}"):
        minimize(Bowl(), Momentum(), np.ones(3), **{option: value})
