"""Learning rates that change: closed forms, and the plateau rule against PyTorch."""

from __future__ import annotations

import math

import numpy as np
import pytest

from xpnet import GradientDescent, Quadratic, minimize, schedules
from xpnet import after as steps_taken


def rates_of(rate, steps=6):
    objective = Quadratic([[1.0]], backend="numpy")
    run = minimize(objective, GradientDescent(rate), np.ones(1), stop=steps_taken(steps))
    return run.history.rate


@pytest.mark.parametrize(
    ("rate", "formula"),
    [
        (0.1, lambda k: 0.1),
        (schedules.Constant(0.1), lambda k: 0.1),
        (schedules.Linear(0.1), lambda k: 0.1 / (k + 1)),
        (schedules.Quadratic(0.1), lambda k: 0.1 / (k + 1) ** 2),
        (schedules.Exponential(0.1, 0.5), lambda k: 0.1 * math.exp(-0.5 * k)),
        (lambda k: 0.1 / (1 + k % 2), lambda k: 0.1 / (1 + k % 2)),
    ],
    ids=str,
)
def test_closed_forms(rate, formula):
    np.testing.assert_allclose(rates_of(rate), [formula(k) for k in range(6)], rtol=1e-15)


def losses(count, seed=0):
    random = np.random.default_rng(seed)
    return 1 / (1 + 0.1 * np.arange(count)) + 0.05 * random.random(count)


def feed(plateau, values, w):
    memory = plateau.initialise(w)
    seen = []
    for step, value in enumerate(values):
        plateau.observe(value, memory)
        seen.append(plateau.rate(step + 1, memory))
    return seen


@pytest.mark.parametrize("patience", [0, 3, 10])
@pytest.mark.parametrize("minimum", [0.0, 0.002])
@pytest.mark.parametrize("seed", range(3))
def test_plateau_is_pytorch_s(torch, patience, minimum, seed):
    parameter = torch.nn.Parameter(torch.ones(1))
    optimizer = torch.optim.SGD([parameter], lr=0.5)
    theirs = torch.optim.lr_scheduler.ReduceLROnPlateau(
        optimizer, factor=0.1, patience=patience, threshold=1e-4, min_lr=minimum, eps=0
    )
    values, want = losses(150, seed), []
    for value in values:
        theirs.step(value)
        want.append(optimizer.param_groups[0]["lr"])
    plateau = schedules.Plateau(0.5, 0.1, patience, 1e-4, minimum)
    got = feed(plateau, map(np.float64, values), np.ones(3))
    np.testing.assert_allclose(np.array(got), want, rtol=1e-13)
    assert len(set(want)) > 1


def test_plateau_for_each_replica_on_every_backend(backend, dtype):
    plateau = schedules.Plateau(0.5, 0.5, 2, 1e-3)
    values = np.stack([losses(40, seed) for seed in range(3)], axis=1)
    w = backend.asarray(np.zeros((3, 2)), dtype)
    got = feed(plateau, (backend.asarray(row, dtype) for row in values), w)
    singles = [feed(plateau, map(np.float64, values[:, r]), np.zeros(2)) for r in range(3)]
    for step in range(40):
        assert tuple(got[step].shape) == (3, 1)
        want = [[float(single[step])] for single in singles]
        np.testing.assert_allclose(backend.to_numpy(got[step]), want, rtol=1e-6)


@pytest.mark.parametrize(
    ("kind", "settings", "name"),
    [
        (schedules.Constant, {"initial": 0}, "initial"),
        (schedules.Linear, {"initial": -1}, "initial"),
        (schedules.Quadratic, {"initial": math.nan}, "initial"),
        (schedules.Exponential, {"initial": 1, "decay": 0}, "decay"),
        (schedules.Plateau, {"initial": 1, "factor": 1}, "factor"),
        (schedules.Plateau, {"initial": 1, "patience": -1}, "patience"),
        (schedules.Plateau, {"initial": 1, "threshold": math.inf}, "threshold"),
        (schedules.Plateau, {"initial": 1, "minimum": -0.1}, "minimum"),
    ],
)
def test_settings_outside_their_range(kind, settings, name):
    with pytest.raises(ValueError, match=f"{name} must be"):
        kind(**settings)


def test_settings_are_frozen():
    with pytest.raises(AttributeError):
        schedules.Plateau(0.1).initial = 1
