"""iterate: records, and numbers that are not finite."""

from __future__ import annotations

import pytest
from conftest import assert_array_equal
from oracles import BAD, NETWORK, Bowl
from oracles import seeded_risk as risk

from xpnet import (
    GradientDescent,
    Momentum,
    Nesterov,
    NonFiniteError,
    iterate,
)


def start(replicas=None, dtype="float64", backend="numpy"):
    return NETWORK.initialize(1, backend, dtype, replicas)


@pytest.mark.parametrize("optimizer", [GradientDescent(0.5), Momentum(0.2), Nesterov(0.2)], ids=str)
def test_a_record_describes_the_point_before_the_move(optimizer, device):
    objective, w = risk(device), start(backend=device)
    state = optimizer.initialize(objective, w)
    steps = iterate(objective, optimizer, w, state=state)
    for step in range(5):
        point = (state["ahead"] if isinstance(optimizer, Nesterov) else w).copy()
        record = next(steps)
        value, gradient = objective.value_and_gradient(point)
        assert (record.step, record.rate) == (step, optimizer.rate)
        assert float(record.value) == float(value)
        assert_array_equal(record.gradient, gradient)


@pytest.mark.parametrize("optimizer", [GradientDescent(0.1), Momentum(0.1), Nesterov(0.1)], ids=str)
@pytest.mark.parametrize(("name", "what"), BAD)
def test_iterate_raises_and_puts_w_back(name, what, optimizer, device):
    w, objective = device.xp.ones(3), Bowl(4, what)
    points = []
    steps = iterate(objective, optimizer, w, check_every=1)
    for _ in range(4):
        points.append(next(steps).gradient.copy())  # of a bowl: the point itself
    with pytest.raises(NonFiniteError, match=f"non-finite {name} at step 4; w is back"):
        next(steps)
    assert_array_equal(w, points[3])
