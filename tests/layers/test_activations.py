"""Activations as values: their ranges, names, equality, and how they are written."""

from __future__ import annotations

import copy
import math
import pickle

import numpy as np
import pytest

import xpnet
from xpnet import Dense, ElementwiseActivation, leaky_relu
from xpnet.layers import ACTIVATIONS
from xpnet.layers.activations import sigmoid, sigmoid_slope, sigmoid_with_offset
from xpnet.testing import check_activation


def cube(xp, z):
    return z**3 + z


def cube_slope(xp, z):
    return 3.0 * z * z + 1.0


CUBE = ElementwiseActivation("cube", cube, cube_slope)
ALL = [*ACTIVATIONS.values(), leaky_relu(0.3), sigmoid_with_offset(0.2), CUBE]
NAMES = vars(xpnet) | {name: globals()[name] for name in ("cube", "cube_slope", "sigmoid_with_offset")}


@pytest.mark.parametrize("activation", ALL, ids=str)
@pytest.mark.parametrize("used", [False, True])
def test_they_survive_pickle_and_copies(activation, used):
    if used:  # kernels are made
        activation.forward(xpnet.backend("numpy").xp, np.ones((2, 3)), np.ones((2, 1)))
    for again in (pickle.loads(pickle.dumps(activation)), copy.copy(activation), copy.deepcopy(activation)):
        assert again == activation
        assert hash(again) == hash(activation)
        assert repr(again) == repr(activation)
        y, _ = again.forward(xpnet.backend("numpy").xp, np.ones((2, 3)), None)
        assert (y == activation.forward(xpnet.backend("numpy").xp, np.ones((2, 3)), None)[0]).all()


@pytest.mark.parametrize("activation", ALL, ids=str)
def test_layers_are_written_as_they_are_read(activation):
    layer = Dense(3, activation)
    assert eval(repr(layer), NAMES) == layer
    assert str(activation) in repr(layer)


def test_equal_settings_are_equal():
    assert leaky_relu(0.1) == leaky_relu(0.1) != leaky_relu(0.2)
    assert leaky_relu() == leaky_relu(0.01) == ACTIVATIONS["leaky_relu"]
    assert len({leaky_relu(0.1), leaky_relu(0.1), sigmoid_with_offset(0.1), ACTIVATIONS["tanh"]}) == 3
    assert repr(leaky_relu(0.1)) == str(leaky_relu(0.1)) == "leaky_relu(0.1)"
    assert repr(Dense(2, "tanh")) == "Dense(2, 'tanh')"
    assert repr(CUBE) == "ElementwiseActivation('cube', cube, cube_slope)"
    library = ElementwiseActivation("sigmoid", sigmoid, sigmoid_slope, of="output", range=(0, 1))
    assert library == ACTIVATIONS["sigmoid"]
    assert ElementwiseActivation("cube", cube, cube_slope) == CUBE
    assert ElementwiseActivation("cube", sigmoid, cube_slope) != CUBE
    assert ACTIVATIONS["identity"] != ACTIVATIONS["softmax"]


def test_its_rules_are_public():
    rules = ACTIVATIONS["tanh"].rules
    assert isinstance(rules, tuple)
    assert [rule.graph.name for rule in rules] == ["tanh_forward", "tanh_forward", "tanh_backward"]
    assert [len(rule.arrays) for rule in rules] == [1, 2, 2]


@pytest.mark.parametrize("name", ["größe", "a\0b", "f(x) = x", "名前", "class", '"'])
def test_any_name_will_do(name, device):
    own = ElementwiseActivation(name, cube, cube_slope)
    if device.name == "numpy":  # as an identifier of CUDA, see the tests of rules
        check_activation(own)
    assert name in xpnet.Network(2, Dense(2, own)).describe()
    assert eval(repr(own), NAMES) == own


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"name": 3}, TypeError, "name must be a string, got 3"),
        ({"name": ""}, ValueError, "name must not be empty"),
        ({"function": None}, TypeError, "function must be a function of xp and an array, got None"),
        ({"derivative": 1.0}, TypeError, "derivative must be a function of xp and an array, got 1.0"),
        ({"of": "both"}, ValueError, "of must be 'input' or 'output', got 'both'"),
        ({"initializer": "xavier"}, ValueError, "unknown initializer 'xavier'"),
        ({"range": 1.0}, TypeError, r"range must be a pair of numbers such as \(0.0, 1.0\), got 1.0"),
        ({"range": (0, 1, 2)}, TypeError, "range must be a pair of numbers"),
        ({"range": "ab"}, TypeError, "range must be a pair of numbers"),
        ({"range": ("a", 1)}, TypeError, "each end of range must be a number, got 'a'"),
        ({"range": (1, 0)}, ValueError, r"range must go from the least to the largest .* got \(1, 0\)"),
        ({"range": (0, math.nan)}, ValueError, "each end of range must be a number, got nan"),
    ],
)
def test_bad_settings(options, error, message):
    settings = {"name": "cube", "function": cube, "derivative": cube_slope} | options
    with pytest.raises(error, match=message):
        ElementwiseActivation(**settings)


@pytest.mark.parametrize("slope", [0.0, 1.0, math.nan, -0.1])
def test_bad_slopes(slope):
    with pytest.raises(ValueError, match=r"slope must be in \(0, 1\)"):
        leaky_relu(slope)


def test_ranges_are_those_of_the_outputs():
    z = np.array([[-1e4, -3.0, -1e-3, 0.0, 1e-3, 3.0, 1e4]])
    xp = xpnet.backend("numpy").xp
    for activation in ACTIVATIONS.values():
        low, high = activation.range
        y, _ = activation.forward(xp, z.copy(), None)
        assert (y >= low).all()
        assert (y <= high).all()
        if activation.name != "softmax":  # and no wider than need be
            assert y.min() == pytest.approx(low, abs=1e-2) or (low == -math.inf and y.min() <= -100)
            assert y.max() == pytest.approx(high) or (high == math.inf and y.max() == 1e4)
