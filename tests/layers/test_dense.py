"""The settings of the dense layer and of the others: checked, and kept as what they were checked to be."""

from __future__ import annotations

import copy
import dataclasses
import pickle

import numpy as np
import pytest

import xpnet
from xpnet import Dense, Dropout, LayerNorm, Network, uniform
from xpnet.layers import ACTIVATIONS

LAYERS = [
    Dense(3),
    Dense(np.int64(3), "tanh", False, "zeros"),
    Dense(3, xpnet.leaky_relu(0.2), initializer=uniform(0.1)),
    LayerNorm(),
    LayerNorm(np.float32(0.5)),
    Dropout(0.25, np.int32(3)),
]


@pytest.mark.parametrize("layer", LAYERS, ids=str)
def test_layers_are_values(layer):
    for again in (pickle.loads(pickle.dumps(layer)), copy.copy(layer), copy.deepcopy(layer)):
        assert again == layer
        assert hash(again) == hash(layer)
    assert eval(repr(layer), vars(xpnet)) == layer
    assert layer != Dense(4)


def test_settings_are_kept_as_they_were_checked():
    """The whole numbers and flags of NumPy are what they say, everywhere."""
    layer = Dense(np.int64(3), bias=np.True_)
    assert layer == Dense(3)
    assert type(layer.units) is int
    assert type(layer.bias) is bool
    network = Network(np.int64(2), layer, LayerNorm(np.float32(0.5)), Dense(np.uint8(1)))
    assert network.layout.shapes["0.weights"] == (3, 2)
    assert network.initialize(np.int64(1), "numpy", replicas=np.int8(2)).shape == (2, network.size)
    assert type(Dropout(np.float64(0.5)).rate) is float
    assert type(Dropout(seed=np.int16(2)).seed) is int
    assert type(LayerNorm(np.float32(0.5)).epsilon) is float
    assert network == Network(2, Dense(3), LayerNorm(0.5), Dense(1))


@pytest.mark.parametrize("value", ["False", 1, 0, None, np.array([True]), 1.0])
def test_flags_are_true_or_false(value):
    with pytest.raises(TypeError, match=r"bias must be True or False, got "):
        Dense(3, bias=value)


@pytest.mark.parametrize(
    ("settings", "error", "message"),
    [
        ((0,), ValueError, "units must be at least 1, got 0"),
        ((2.0,), TypeError, r"units must be an integer, got 2\.0"),
        ((None,), TypeError, "units must be an integer, got None"),
        ((True,), TypeError, "units must be an integer, got True"),
        ((2, "swish"), ValueError, "unknown activation 'swish'"),
        ((2, "Tanh"), ValueError, "did you mean 'tanh'"),
        ((2, None), ValueError, "unknown activation None"),
        ((2, "tanh", True, "xavier"), ValueError, "unknown initializer 'xavier'"),
        ((2, "tanh", True, 0), ValueError, "unknown initializer 0"),
    ],
)
def test_bad_settings(settings, error, message):
    with pytest.raises(error, match=message):
        Dense(*settings)


def test_the_rate_next_to_one_leaves_everything_out():
    xp = xpnet.backend("numpy").xp
    mask = Dropout(1 - 1e-12).mask(xp, 3, np.arange(5, dtype=np.uint32), np.dtype(float))
    assert not mask.any()


def test_another_activation_keeps_the_rest():
    layer = Dense(3, "softmax", False, uniform(0.1))
    assert dataclasses.replace(layer, activation=ACTIVATIONS["identity"]) == Dense(
        3, "identity", False, uniform(0.1)
    )
