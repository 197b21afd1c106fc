"""The squared error that asks for no more than the target: against PyTorch, and what it is for."""

from __future__ import annotations

import pickle

import numpy as np
import pytest
from conftest import assert_allclose

from xpnet import Dense, EmpiricalRisk, Network, SquaredError, ThresholdSquaredError, after, minimize
from xpnet.testing import check_divergence, check_gradient

# three points, and a spoiler far below (Brady, Raghavan, Slawny 1989)
X = np.array([[1.0, 0.0], [0.0, 1.0], [-1.0, 0.0], [0.0, -5.0]])
TARGETS = np.array([[0.9], [0.9], [0.1], [0.9]])
UNIT = Network(2, Dense(1, "sigmoid"))


def risk(divergence, backend="numpy", samples=4, dtype="float64"):
    return EmpiricalRisk(UNIT, divergence, X[:samples], TARGETS[:samples], backend=backend, dtype=dtype)


def test_it_equals_pytorch(torch, device):
    random = np.random.default_rng(0)
    y, d = random.random((3, 50)), random.choice([0.1, 0.5, 0.9], (3, 50))
    theirs = torch.tensor(y, requires_grad=True)
    target = torch.tensor(d)
    relu = torch.nn.functional.relu
    short = torch.where(target > 0.5, relu(target - theirs), relu(theirs - target))
    want = 0.5 * (short**2).sum(dim=0)
    want.sum().backward()
    value, gradient = ThresholdSquaredError().value_and_gradient(
        device.xp, device.asarray(y), device.asarray(d)
    )
    assert_allclose(value, want.detach().numpy(), rtol=1e-14)
    assert_allclose(gradient, theirs.grad.numpy(), rtol=1e-14)


@pytest.mark.parametrize("middle", [0.5, 0.0, -1.0])
def test_derivatives_by_differences(middle, device):
    random = np.random.default_rng(1)
    y, d = 2 * random.random((3, 20)) - 1, middle + random.choice([-0.4, 0.4], (3, 20))
    check_divergence(ThresholdSquaredError(middle), y, d)
    objective = risk(ThresholdSquaredError(middle), device)
    check_gradient(objective, device.asarray(random.standard_normal(3)))


def test_beyond_the_target_there_is_no_error():
    """Only the one point that has not reached its target counts."""
    w = np.array([3.0, -1.0, 0.0])
    value, gradient = risk(ThresholdSquaredError()).value_and_gradient(w)
    y = 1 / (1 + np.exp(-(X @ w[:2])))
    assert value == pytest.approx(0.5 * (0.9 - y[1]) ** 2 / 4, rel=1e-14)
    assert value < risk(SquaredError()).value(w)
    assert gradient[0] == 0.0  # only the second point pulls


def test_a_threshold_leads_on_where_the_targets_are_reached(device):
    """Three points: what reaches its targets has the value 0, and gradient descent stays there."""
    objective = risk(ThresholdSquaredError(), device, samples=3)
    w = device.asarray([5.0, 5.0, 0.0])
    run = minimize(objective, "gradient descent", w, stop=after(5))
    assert run.value == 0.0
    assert_allclose(run.w, w)


def test_targets_at_the_middle_are_ceilings():
    value, gradient = ThresholdSquaredError().value_and_gradient(
        np, np.array([[0.4, 0.6]]), np.array([[0.5, 0.5]])
    )
    np.testing.assert_allclose(value, [0.0, 0.005])
    np.testing.assert_allclose(gradient, [[0.0, 0.1]])


def test_it_is_a_value():
    assert repr(ThresholdSquaredError(0)) == "ThresholdSquaredError(middle=0.0)"
    assert pickle.loads(pickle.dumps(ThresholdSquaredError(0.25))) == ThresholdSquaredError(0.25)
    with pytest.raises(TypeError, match="middle must be a number, got 'x'"):
        ThresholdSquaredError("x")
