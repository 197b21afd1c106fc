"""BFGS and L-BFGS."""

from __future__ import annotations

import copy

import numpy as np
import pytest
from conftest import assert_allclose, to_numpy
from oracles import (
    REGRESSION,
    quadratic,
    regression,
)

import xpnet
from xpnet import (
    BFGS,
    LBFGS,
    Exact,
    Fixed,
    Quadratic,
    after,
    gradient_below,
    iterate,
    minimize,
)


def test_bfgs_on_a_quadratic_recovers_the_inverse_hessian(device):
    objective, w = quadratic(100, backend=device)
    for scaled in (False, True):
        method, point = BFGS(Exact(), scaled=scaled), w.copy()
        state = method.initialize(objective, point)
        for _ in range(9):  # n + 1
            method.step(objective, point, state)
        assert np.linalg.norm(to_numpy(objective.value_and_gradient(point)[1])) < 1e-10
        method.learn(device, state, objective.value_and_gradient(point)[1])
        assert_allclose(state["inverse"] @ objective.A, np.eye(8), atol=1e-8)


@pytest.mark.parametrize("method", [BFGS(), LBFGS()], ids=str)
def test_pairs_without_curvature_are_left_out(method):
    """Row 23: unless `y's > 1e-10 |y| |s|`."""
    objective, w = quadratic(10)
    state = method.initialize(objective, w)
    for _ in range(3):
        method.step(objective, w, state)
    gradient = objective.value_and_gradient(w)[1]
    for y, learned in ((-1.0, False), (1e-11, False), (1e-9, True)):
        own = copy.deepcopy(state)
        s = np.eye(8)[0]
        own["moved"], own["before"] = s, gradient - (y * s + np.eye(8)[1])
        method.learn(objective.backend, own, gradient)
        without = copy.deepcopy(state)
        if isinstance(method, BFGS):
            assert np.array_equal(own["inverse"], without["inverse"]) != learned
        else:
            direction = method.direction(objective.backend, objective, w, gradient, without)[0]
            assert (
                np.array_equal(
                    method.direction(objective.backend, objective, w, gradient, own)[0], direction
                )
                != learned
            )


def test_lbfgs_with_memory_for_all_steps_is_bfgs(device):
    objective = regression(device)
    w = REGRESSION.initialize(0, device, "float64")
    other = w.copy()
    pair = (
        iterate(objective, LBFGS(30, Fixed(0.5), scaling="first"), w),
        iterate(objective, BFGS(Fixed(0.5)), other),
    )
    for _ in range(25):
        next(pair[0])
        next(pair[1])
        assert_allclose(w, other, rtol=1e-8, atol=1e-10)


def test_lbfgs_reaches_the_minimum_that_pytorch_reaches(torch, device):
    objective, start = regression(device), REGRESSION.initialize(4, device, "float64")
    run = minimize(objective, LBFGS(), start.copy(), stop=after(2000) | gradient_below(1e-9))
    variable = torch.nn.Parameter(torch.tensor(to_numpy(start)))
    optimizer = torch.optim.LBFGS(
        [variable], max_iter=2000, tolerance_grad=1e-10, tolerance_change=0, line_search_fn="strong_wolfe"
    )

    def closure():
        value, gradient = objective.value_and_gradient(device.asarray(variable.detach().numpy()))
        variable.grad = torch.tensor(to_numpy(gradient))
        return torch.tensor(float(value))

    optimizer.step(closure)
    theirs = float(objective.value(device.asarray(variable.detach().numpy())))
    assert run.value == pytest.approx(theirs, rel=1e-6)
    assert run.value <= theirs * (1 + 1e-12)


def two_loops(pairs, gradient):
    """The recursion as Nocedal, Wright 2006, algorithm 7.4, has it."""
    q, alphas = gradient.copy(), []
    for s, y in reversed(pairs):
        alphas.append(s @ q / (y @ s))
        q -= alphas[-1] * y
    s, y = pairs[-1]
    r = (s @ y) / (y @ y) * q
    for s, y in pairs:
        r += s * (alphas.pop() - y @ r / (y @ s))
    return -r


@pytest.mark.parametrize("unit", [1.0, 1e-200, 1e200])  # of the value; squares over- and underflow
def test_the_direction_is_that_of_the_textbook(unit):
    random, method = np.random.default_rng(0), LBFGS(4)
    backend, w = xpnet.backend("numpy"), np.zeros((3, 9))
    state = method.initialize(xpnet.Quadratic(np.eye(9), backend=backend), w)
    kept = [[] for _ in w]
    for step in range(7):
        s, before = random.standard_normal((2, *w.shape))
        gradient = before + s * random.uniform(0.5, 2.0, 9)  # of positive curvature
        if step == 5:
            gradient[1] = before[1] - s[1]  # but for this one, which learns nothing
        state["moved"], state["before"] = s, before * unit
        with backend.working():
            method.learn(backend, state, gradient * unit)
            found, _ = method.direction(backend, None, w, gradient * unit, state)
        for r, pairs in enumerate(kept):
            if step != 5 or r != 1:
                pairs.append((s[r], gradient[r] - before[r]))
            wanted = two_loops(pairs[-4 + (r == 1 and step >= 5) :], gradient[r])
            np.testing.assert_allclose(found[r], wanted, rtol=1e-9, atol=1e-12)


def test_the_first_pair_scales_again_after_forgetting(device):
    """Fault 15: with enough pairs the steps are those of BFGS after it has forgotten, too."""
    objective = regression(device)
    w = REGRESSION.initialize(0, device, "float64")
    other = w.copy()
    methods = LBFGS(30, Fixed(0.5), scaling="first"), BFGS(Fixed(0.5))
    points, states = (w, other), [method.initialize(objective, w) for method in methods]
    for step in range(12):
        for method, point, state in zip(methods, points, states, strict=True):
            if step == 5:
                method.forget(device, state, device.xp.asarray([True]))
                state["moved"], state["before"] = 0.0 * point, 0.0 * point  # no pair across it
            method.step(objective, point, state)
        assert_allclose(w, other, rtol=1e-8, atol=1e-10)
    assert float(states[0]["unit"][0]) != 1.0


@pytest.mark.parametrize("method", [BFGS(), LBFGS(4)], ids=str)
@pytest.mark.parametrize("exponent", [-60, -30, 30, 60])
def test_the_unit_of_the_value_does_not_change_the_steps(method, exponent):
    """Fault 11: what is learned in single precision where squares of the gradient are no numbers."""
    A = quadratic(20)[0].A.astype("float32")
    points = []
    for factor in (np.float32(1), np.float32(2.0**exponent)):
        objective = xpnet.Quadratic(factor * A, backend="numpy", dtype="float32")
        w = np.linspace(1, 2, 8, dtype="float32")
        state = method.initialize(objective, w)
        for _ in range(30):
            method.step(objective, w, state)
        points.append(np.linalg.norm(w))
    assert points[0] < 1e-3
    assert points[1] < 1e-3


def test_what_would_not_fit_is_refused_before_the_first_step(monkeypatch):
    monkeypatch.setattr(xpnet.Backend, "free_memory", lambda self: 10**8)
    objective = Quadratic(np.eye(3000), backend="numpy")
    for method, message in (
        (BFGS(), "inverse Hessian of BFGS, 3000 x 3000, needs"),
        (LBFGS(pairs=100_000), "pairs of LBFGS, 100000 x 3000, needs"),
    ):
        with pytest.raises(MemoryError, match=message):
            minimize(objective, method, np.ones(3000))
