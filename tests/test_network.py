"""The network as a value: shapes, table, predictions."""

from __future__ import annotations

import copy
import logging
import pickle
import sys
import tracemalloc
from dataclasses import dataclass

import numpy as np
import pytest
from conftest import assert_allclose, read_only

import xpnet
from xpnet import Dense, Dropout, EmpiricalRisk, Layer, LayerNorm, Network, RandomLayer, SquaredError
from xpnet.testing import check_gradient, check_layer

NETWORK = Network(4, Dense(6, "tanh"), LayerNorm(), Dropout(0.2), Dense(3, "softmax"))
X = read_only(np.random.default_rng(0).standard_normal((103, 4)))[0]


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
    assert text.startswith("Network(2, Dense(3, 'tanh')")


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


@pytest.mark.parametrize(
    "network",
    [NETWORK, Network(1, Dense(1)), Network(2, Dense(3, xpnet.leaky_relu(0.1), False, xpnet.uniform(0.1)))],
    ids=str,
)
def test_networks_are_values(network):
    for again in (
        pickle.loads(pickle.dumps(network)),
        copy.copy(network),
        copy.deepcopy(network),
        eval(repr(network), vars(xpnet)),
    ):
        assert again == network
        assert hash(again) == hash(network)
        assert again.layout == network.layout
        assert again.size == network.size
    assert network != Network(network.inputs + 1, *network.layers)
    assert network != Network(network.inputs, *network.layers, Dense(1))
    assert network != "network"


def test_the_logits_of_a_network():
    assert NETWORK.on_logits() == Network(4, *NETWORK.layers[:-1], Dense(3, initializer="glorot"))
    with pytest.raises(TypeError, match="the last layer must have an activation to have logits, got Layer"):
        Network(4, LayerNorm()).on_logits()


@dataclass(frozen=True)
class Noise(RandomLayer):
    """Adds to each unit of each sample a number that is drawn for it, times a parameter."""

    def shapes(self, inputs):
        return {"scale": (inputs,)}

    def initialize(self, random, inputs):
        return {"scale": 0.5}

    def draws(self, xp, inputs, samples, dtype, *, place, draw):
        units = xp.arange(inputs, dtype=dtype, device=samples.device)[:, None]
        return {"noise": xp.sin(units + 10.0 * xp.astype(samples, dtype) + place + 7.0 * draw)}

    def forward(self, xp, parameters, inputs):
        noise = parameters.get("noise")
        return (inputs if noise is None else parameters["scale"][..., None] * noise + inputs), noise

    def backward(self, xp, parameters, cache, gradient, accumulate, *, input_gradient=True):
        accumulate.add_sum("scale", 0.0 * gradient if cache is None else gradient * cache)
        return gradient if input_gradient else None


def test_any_layer_may_draw_something_for_each_sample(backend, dtype, tolerance):
    network = Network(4, Noise(), Dense(5, "tanh"), Noise(), Dense(2))
    assert network.random
    assert not Network(4, Dense(2)).random
    check_layer(Noise(), 4)
    w = network.initialize(0, backend, dtype)
    assert backend.to_numpy(w)[:4].tolist() == [0.5] * 4  # one number for all
    results = []
    for chunk in (103, 10):
        risk = EmpiricalRisk(
            network, SquaredError(), X, X[:, :2], backend=backend, dtype=dtype, training=True, chunk=chunk
        )
        results.append(risk.value_and_gradient(w))
    for got, want in zip(*results, strict=True):
        assert_allclose(got, want, rtol=100 * tolerance, atol=100 * tolerance)
    if dtype == "float64":
        check_gradient(risk.redraw(3), w)
    held_out = EmpiricalRisk(
        network, SquaredError(), X, X[:, :2], backend=backend, dtype=dtype, training=False
    )
    assert abs(float(held_out.value(w)) - float(results[0][0])) > 1e-3
    with pytest.raises(ValueError, match="training must be given"):
        EmpiricalRisk(network, SquaredError(), X, X[:, :2], backend=backend)


@dataclass(frozen=True)
class Starting(Layer):
    """Initializes what it is told to."""

    start: tuple

    def shapes(self, inputs):
        return {"scale": (inputs,)}

    def initialize(self, random, inputs):
        return dict(self.start)

    def forward(self, xp, parameters, inputs):
        return inputs, None

    def backward(self, xp, parameters, cache, gradient, accumulate, *, input_gradient=True):
        accumulate.add_sum("scale", 0.0 * gradient)
        return gradient


@pytest.mark.parametrize(
    ("start", "message"),
    [
        ((("weights", 1.0),), r"layers\[1\], Starting\(.*initializes 'weights', but .* are \['scale'\]"),
        ((("scale", np.ones(1)),), r"must initialize 'scale' by one number or .*\(2,\), got shape \(1,\)"),
        ((("scale", np.nan),), "'scale' of layers.* at its start, in float32, contains NaN"),
    ],
)
def test_a_wrong_start_is_named(start, message):
    with pytest.raises(ValueError, match=message):
        Network(2, Dense(2), Starting(start)).initialize(0, "numpy")


def test_what_does_not_fit_in_memory_is_refused_before_it_is_drawn(monkeypatch):
    network = Network(2, Dense(30, "tanh"), Dense(1))

    def fails(*arguments):
        raise AssertionError("drawn")

    with monkeypatch.context() as patch:
        patch.setattr("xpnet.network.host_generator", fails)
        with pytest.raises(MemoryError, match=r"^1,000,000,000 x 121 .* float32 need 1.45e\+03 GB"):
            network.initialize(0, "numpy", replicas=10**9)
        with pytest.raises(MemoryError, match="1 x 1,000,001,000,000 parameters in float64 need"):
            Network(10**6, Dense(10**6)).initialize(0, "numpy", "float64")
    monkeypatch.setattr(xpnet.Backend, "free_memory", lambda self: 3 * 10 * 121 * 8)
    assert network.initialize(0, "numpy", "float64", replicas=10).shape == (10, 121)
    with pytest.raises(MemoryError, match="11 x 121 .* use fewer replicas"):
        network.initialize(0, "numpy", "float64", replicas=11)


class Rows:
    """What h5py and zarr offer, and no more: shape, dtype, and slices."""

    def __init__(self, values):
        self.values, self.shape, self.dtype, self.asked = values, values.shape, values.dtype, []

    def __getitem__(self, part):
        self.asked.append((part.start, part.stop))
        return self.values[part].copy()


@pytest.mark.parametrize("replicas", [None, 2])
@pytest.mark.parametrize("kind", ["f4", "f8", ">f8", "i4"])
def test_predictions_of_a_stream_equal_those_of_an_array(
    backend, dtype, tolerance, tmp_path, monkeypatch, kind, replicas
):
    monkeypatch.setattr("xpnet.network.PREDICTED", 20 * NETWORK.activation_size * (replicas or 1))
    values = (10 * X).astype(kind)
    values.tofile(tmp_path / "X")
    w = NETWORK.initialize(0, backend, dtype, replicas)
    want = NETWORK.predict(w, backend.asarray(values.astype("f8"), dtype))
    assert tuple(want.shape) == (*w.shape[:-1], 103, 3)
    rows = Rows(values)
    mapped = np.memmap(tmp_path / "X", kind, "r", shape=values.shape)
    for source in (rows, mapped, values, np.asfortranarray(values), values.tolist()):
        got = NETWORK.predict(w, source)
        assert backend.owns(got)
        assert got.dtype == w.dtype
        assert_allclose(got, want, rtol=tolerance, atol=tolerance)
    assert sorted(rows.asked) == [(k, min(k + 20, 103)) for k in range(0, 103, 20)]


def test_predictions_of_h5py(tmp_path):
    h5py = pytest.importorskip("h5py", reason="h5py is not installed")
    w = NETWORK.initialize(0, "numpy")
    with h5py.File(tmp_path / "data.h5", "w") as file:
        got = NETWORK.predict(w, file.create_dataset("X", data=X))
    np.testing.assert_allclose(got, NETWORK.predict(w, X), rtol=1e-6)


class Endless(Rows):
    """Samples that are made when they are asked for."""

    def __init__(self, samples):
        self.shape, self.dtype = (samples, 64), np.dtype(np.float32)

    def __getitem__(self, part):
        return np.ones((part.stop - part.start, 64), np.float32)


def test_memory_for_predictions_grows_with_the_outputs_alone():
    network = Network(64, Dense(16, "tanh"), Dense(1))
    w = network.initialize(0, "numpy")
    network.predict(w, Endless(10_000))
    peaks = []
    for samples in (50_000, 200_000):  # 13 and 51 MB
        tracemalloc.start()
        got = network.predict(w, Endless(samples))
        peaks.append(tracemalloc.get_traced_memory()[1] - got.nbytes)
        tracemalloc.stop()
    assert peaks[1] < 1.5 * peaks[0]
    assert peaks[1] < 10e6


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="measures memory as Linux does")
def test_predictions_let_go_of_a_memory_map(tmp_path):
    values = np.zeros((2**18, 32), np.float32)
    values.tofile(tmp_path / "X")
    mapped = np.memmap(tmp_path / "X", np.float32, "r", shape=values.shape)
    network = Network(32, Dense(1))
    w = network.initialize(0, "numpy")

    def from_files():
        with open("/proc/self/status") as lines:
            return next(1024 * int(line.split()[1]) for line in lines if line.startswith("RssFile"))

    before = from_files()
    network.predict(w, mapped)
    assert from_files() - before < 0.2 * values.nbytes


@pytest.mark.parametrize("source", [X, Rows(X)], ids=["resident", "streamed"])
def test_predictions_halve_their_chunk(monkeypatch, caplog, device, source):
    w = NETWORK.initialize(0, device, "float64")
    want = NETWORK.predict(w, X)
    forward = Network.forward

    def limited(self, xp, parameters, inputs):
        if inputs.shape[-1] > 30:
            raise MemoryError("no memory left")
        return forward(self, xp, parameters, inputs)

    monkeypatch.setattr(Network, "forward", limited)
    with caplog.at_level(logging.WARNING, "xpnet"):
        assert_allclose(NETWORK.predict(w, source), want, rtol=1e-12)
    assert [record.getMessage().partition("with chunks")[2] for record in caplog.records] == [
        " of 103 samples; beginning again with 51",
        " of 51 samples; beginning again with 25",
    ]


def test_bad_values_are_found_in_any_part_of_a_stream(monkeypatch):
    monkeypatch.setattr("xpnet.network.PREDICTED", 10 * NETWORK.activation_size)
    w = NETWORK.initialize(0, "numpy")
    for bad, word in ((np.nan, "NaN"), (np.inf, "infinity"), (1e300, "infinity")):
        values = X.copy()
        values[57, 2] = bad
        for source in (values, Rows(values)):
            with pytest.raises(ValueError, match=f"X contains {word}"):
                NETWORK.predict(w, source)
    with pytest.raises(ValueError, match=r"w must be \(P,\) or \(R, P\), got shape \(1, 1, "):
        NETWORK.predict(w[None, None], X)
    with pytest.raises(TypeError, match="w must be float32 or float64, got int64"):
        NETWORK.predict(np.ones(NETWORK.size, np.int64), X)
    with pytest.raises(TypeError, match="X must hold real numbers, got an array of strings"):
        NETWORK.predict(w, X.astype(str))
