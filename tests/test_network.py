"""The network as a value: shapes, table, predictions."""

from __future__ import annotations

import numpy as np
import pytest

import xpnet
from xpnet import Dense, Network


def test_parameters_are_views_in_reading_order(device):
    network = Network(2, Dense(3, "tanh"), Dense(1, bias=False))
    assert network.layout.shapes == {"0.weights": (3, 2), "0.bias": (3,), "1.weights": (1, 3)}
    assert (network.inputs, network.outputs, network.size) == (2, 1, 12)
    w = device.asarray(np.arange(12.0))
    first, second = network.parameters(w)
    assert first["weights"].tolist() == [[0, 1], [2, 3], [4, 5]]
    assert first["bias"].tolist() == [6, 7, 8]
    assert second["weights"].tolist() == [[9, 10, 11]]
    first["bias"][:] = 0
    assert w[6:9].tolist() == [0, 0, 0]


def test_predict_is_the_formula(backend, dtype):
    network = Network(2, Dense(3, "tanh"), Dense(2, "softmax"))
    X = np.random.default_rng(0).standard_normal((300_000, 2))  # more than one chunk
    w = network.initialize(0, backend, dtype)
    got = network.predict(w, X)
    assert backend.owns(got)
    assert got.dtype == w.dtype
    first, second = network.parameters(backend.to_numpy(w).astype(float))
    z = np.tanh(X @ first["weights"].T + first["bias"]) @ second["weights"].T + second["bias"]
    want = np.exp(z) / np.exp(z).sum(axis=1, keepdims=True)
    np.testing.assert_allclose(backend.to_numpy(got), want, atol=1e-6)


def test_describe_is_a_table():
    text = Network(64, Dense(64, "tanh"), Dense(10, "softmax", bias=False)).describe()
    lines = text.splitlines()
    assert lines[0].split() == ["layer", "outputs", "parameters", "number"]
    assert "Dense tanh" in lines[2]
    assert "weights (64, 64), bias (64,)" in lines[2]
    assert "4,160" in lines[2]
    assert lines[3].split()[-1] == "640"
    assert lines[-1].split() == ["total", "64", "inputs", "4,800"]
    assert len({len(line) for line in lines}) == 1


def test_repr_says_what_it_is():
    text = repr(Network(2, Dense(3, "tanh"), Dense(1)))
    assert text.startswith("Network(2, Dense(units=3, activation='tanh', bias=True")


def test_what_is_no_network_is_refused():
    with pytest.raises(ValueError, match="at least one layer"):
        Network(3)
    with pytest.raises(TypeError, match=r"layers\[1\] must be a Layer such as Dense, got 'tanh'"):
        Network(3, Dense(2), "tanh")
    with pytest.raises(ValueError, match="inputs must be at least 1, got 0"):
        Network(0, Dense(2))
    with pytest.raises(TypeError, match=r"inputs must be an integer, got 2\.0"):
        Network(2.0, Dense(2))


def test_bad_predictions_are_refused(device):
    network = Network(2, Dense(1))
    w = network.initialize(0, device)
    with pytest.raises(ValueError, match=r"X must be \(samples, 2\).*got shape \(4, 3\)"):
        network.predict(w, np.zeros((4, 3)))
    with pytest.raises(TypeError, match="w must be an array"):
        network.predict([0.0, 0.0, 0.0], np.zeros((4, 2)))
    with pytest.raises(ValueError, match="w contains NaN"):
        network.predict(w * np.nan, np.zeros((4, 2)))
    with pytest.raises(ValueError, match="w must have 3 parameters"):
        network.predict(w[:2], np.zeros((4, 2)))


def test_settings_are_frozen():
    layer = Dense(3, "tanh")
    with pytest.raises(AttributeError):
        layer.units = 4
    assert layer == Dense(3, xpnet.layers.ACTIVATIONS["tanh"])
