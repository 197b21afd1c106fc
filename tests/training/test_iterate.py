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
    after,
    change_below,
    evaluations,
    gradient_below,
    iterate,
    minimize,
    patience,
    schedules,
    time_limit,
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


def taken(steps):
    """All records of a generator, and what it returns."""
    records = []
    while True:
        try:
            records.append(next(steps))
        except StopIteration as end:
            return records, end.value


@pytest.mark.parametrize("replicas", [None, 2])
@pytest.mark.parametrize(
    "stop",
    [
        after(7),
        gradient_below(0.2) | after(90),
        change_below(1e-3),
        patience(2) | after(90),
        gradient_below(0.3) & after(12),
        evaluations(9),
    ],
    ids=str,
)
def test_a_rule_ends_it_where_minimize_ends(stop, replicas, device):
    objective, held_out, w = risk(device), risk(device, seed=3), start(replicas, backend=device)
    options = {"stop": stop, "held_out": held_out, "held_out_every": 3}
    run = minimize(objective, Momentum(0.3), w, **options)
    records, reason = taken(iterate(objective, Momentum(0.3), w, **options))
    assert reason
    if replicas is None and not isinstance(stop, evaluations):
        assert (len(records), reason) == (run.steps, run.reason)
        assert_array_equal(w, run.w)
        held = [record.held_out for record in records]
        assert [k for k, value in enumerate(held) if value is not None] == [*range(0, len(records), 3)]
        assert held[0] == run.history.held_out[0]
    elif replicas is not None:  # all at once, so not before the last of them
        assert len(records) >= run.steps


def test_a_limit_of_evaluations_or_seconds_is_kept():
    records, reason = taken(iterate(Bowl(), Momentum(0.1), start(), stop=evaluations(5)))
    assert (len(records), reason) == (4, "5 evaluations made")  # the fifth is that of the point it ends at
    assert taken(iterate(Bowl(), Momentum(0.1), start(), stop=time_limit(0.0)))[1] == "0 seconds passed"


def test_a_schedule_is_told_the_held_out_risk():
    optimizer = Momentum(schedules.Plateau(0.3, patience=0, watch="held_out", factor=0.5))
    options = {"stop": after(20), "held_out": risk(seed=3), "held_out_every": 2}
    run = minimize(risk(), optimizer, start(), **options)
    records, _ = taken(iterate(risk(), optimizer, start(), **options))
    assert [float(record.rate) for record in records] == run.history.rate.tolist()
    with pytest.raises(ValueError, match="held_out must be given"):
        iterate(risk(), optimizer, start())
    with pytest.raises(ValueError, match="held_out must be given"):
        iterate(risk(), Momentum(0.1), start(), stop=patience(2))
    with pytest.raises(TypeError, match="stop must be a stopping rule"):
        iterate(risk(), Momentum(0.1), start(), stop=3)
