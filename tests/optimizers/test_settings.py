"""Settings as values: kept as plain numbers, compared by what they hold, checked where they are made."""

from __future__ import annotations

import copy
import dataclasses
import inspect
import pickle
from fractions import Fraction
from typing import get_args

import numpy as np
import pytest
from oracles import OPTIMIZERS, quadratic

import xpnet
from xpnet import (
    Adagrad,
    Adam,
    Fixed,
    GradientDescent,
    Minibatch,
    Momentum,
    Nesterov,
    QuickProp,
    RMSprop,
    Rprop,
)
from xpnet.optimizers import NAMES, OptimizerName
from xpnet.optimizers.schedules import Plateau, WarmUp


def column(*numbers):
    return np.array(numbers)[:, None]


WITH_ARRAYS = [dataclasses.replace(optimizer, rate=column(0.1, 0.2)) for optimizer in OPTIMIZERS]
WITH_ARRAYS += [
    Momentum(0.1, column(0.5, 0.9)),
    GradientDescent(WarmUp(column(0.1, 0.2), 5)),
    Minibatch(Nesterov(np.array([0.1, 0.2]))),
]


@pytest.mark.parametrize("settings", [*OPTIMIZERS, *WITH_ARRAYS, *NAMES.values()], ids=str)
def test_every_optimizer_is_a_value(settings):
    for same in (copy.copy(settings), copy.deepcopy(settings), pickle.loads(pickle.dumps(settings))):
        assert same == settings
        assert hash(same) == hash(settings)
        assert {same: 1}[settings] == 1


def test_arrays_are_compared_by_their_numbers():
    rates = [column(0.1, 0.2), column(0.1, 0.3), column(0.1, 0.2, 0.2), np.array([0.1, 0.2]), 0.1]
    optimizers = [GradientDescent(rate) for rate in rates]
    assert len(set(optimizers)) == len(rates)
    assert [optimizers[0] == other for other in optimizers] == [True] + [False] * 4
    assert GradientDescent(column(0.1, 0.2)) != Momentum(column(0.1, 0.2))
    assert Momentum(0.1, column(0.1, 0.2)) != Momentum(0.1, column(0.1, 0.3))
    assert GradientDescent(0.1) != 0.1
    assert WarmUp(column(0.1, 0.2), 3) == WarmUp(column(0.1, 0.2), 3) != WarmUp(column(0.1, 0.3), 3)


def test_arrays_are_the_settings_own(device):
    rates = device.asarray(column(0.1, 0.2))
    optimizer = GradientDescent(rates)
    rates *= 10.0
    assert optimizer == GradientDescent(device.asarray(column(0.1, 0.2)))
    integers = GradientDescent(device.asarray(np.array([[1], [2]])))
    assert integers == GradientDescent(device.asarray(column(1.0, 2.0)))


@pytest.mark.parametrize("number", [np.float64(0.5), Fraction(1, 2), np.array(0.5)], ids=repr)
def test_settings_are_kept_as_python_s_numbers(number):
    made = [
        Momentum(number, number),
        RMSprop(number, number, number, momentum=number),
        Adagrad(number, number, number),
        Adam(number, number, number, number, number),
        xpnet.Adadelta(number, number, number),
        Rprop("iRprop-", number, 1.5, number, number, number),
        QuickProp(number, weight_decay=number),
        Plateau(number, number, threshold=number, minimum=number),
        *(kind(number) for kind in (xpnet.schedules.Constant, xpnet.schedules.LinearDecay)),
        xpnet.schedules.ExponentialDecay(number, number),
        xpnet.schedules.Cosine(number, 3, number),
    ]
    for settings in made:
        values = [value for value in vars(settings).values() if not isinstance(value, str | bool | int)]
        assert {type(value) for value in values} == {float}
        assert set(values) <= {0.0, 0.5, 1.5, 1.75, 1e-8, 1e-10}
    assert type(Momentum(np.float32(0.1)).rate) is float


def test_integers_and_flags_are_kept_as_python_s():
    made = Minibatch(GradientDescent(), np.int64(3), np.uint8(7))
    assert (type(made.size), type(made.seed)) == (int, int)
    assert type(Plateau(0.1, patience=np.int32(3)).patience) is int
    assert type(WarmUp(0.1, np.int64(3)).steps) is int
    assert type(xpnet.schedules.Cosine(0.1, np.int64(3)).steps) is int
    restarts = xpnet.schedules.Restarts(xpnet.schedules.Constant(0.1), np.int64(3), np.int64(2))
    assert (type(restarts.period), type(restarts.growth)) == (int, int)
    assert Momentum(rate_inside=np.False_).rate_inside is False


FLAGS = [
    (kind, field.name)
    for kind in map(xpnet.__dict__.get, xpnet.__all__)
    if dataclasses.is_dataclass(kind)
    for field in dataclasses.fields(kind)
    if field.type == "bool"
]


@pytest.mark.parametrize(("kind", "name"), FLAGS)
def test_flags_are_true_or_false(kind, name):
    """Row 38."""
    parameters = inspect.signature(kind).parameters.values()
    needed = {given.name: 1 for given in parameters if given.default is given.empty}
    for wrong in ("False", 1, 0, None, 1.0, np.array([True])):
        with pytest.raises(TypeError, match=f"{name} must be True or False, got"):
            kind(**needed | {name: wrong})
    assert getattr(kind(**needed | {name: np.False_}), name) is False


@pytest.mark.parametrize(
    ("rate", "error", "message"),
    [
        (np.ones((2, 2)), ValueError, r"rate must be a number, \(R, 1\) or \(P,\), got shape \(2, 2\)"),
        (np.ones((1, 2, 1)), ValueError, r"got shape \(1, 2, 1\)"),
        (np.ones((0, 1)), ValueError, r"got shape \(0, 1\)"),
        (np.array([0.1, 0.0]), ValueError, r"rate must be in \(0, inf\), got 0.0"),
        (column(0.1, np.inf), ValueError, r"rate must be in \(0, inf\), got inf"),
        (column(0.1j, 1.0), TypeError, "rate must hold real numbers"),
        (np.array([["a"]]), TypeError, "rate must hold real numbers"),
        ([0.1, 0.2], TypeError, r"rate must be a number, got \[0.1, 0.2\]"),
        (1j, TypeError, "rate must be a number, got 1j"),
        (np.ma.array([[0.1], [0.2]], mask=[[0], [1]]), TypeError, "rate must be an array, .*MaskedArray"),
    ],
)
@pytest.mark.parametrize("kind", [GradientDescent, Adam, lambda rate: Rprop(rate=rate)])
def test_arrays_are_checked_where_they_are_made(kind, rate, error, message):
    with pytest.raises(error, match=message):
        kind(rate)


def test_the_rates_of_a_user_s_own_optimizer_are_checked_before_the_first_step():
    class Own(xpnet.FirstOrder):
        rate = -1.0

        def memory(self, backend, objective, w):
            return {}

        def update(self, xp, w, record, state):
            raise AssertionError

    objective, w = quadratic(10)
    with pytest.raises(ValueError, match=r"rate must be in \(0, inf\), got -1.0"):
        xpnet.minimize(objective, Own(), w)


def test_the_names_are_typed():
    assert get_args(OptimizerName) == tuple(NAMES)


def test_a_fixed_length_is_kept_as_a_number():
    assert type(Fixed(Fraction(1, 2)).rate) is float
    rates = column(0.1, 0.2)
    search = Fixed(rates)
    rates *= 10.0
    assert search == Fixed(column(0.1, 0.2))
