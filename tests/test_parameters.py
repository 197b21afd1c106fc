"""Layout and initializers."""

from __future__ import annotations

import copy
import math
import pickle

import numpy as np
import pytest
from conftest import assert_array_equal
from hypothesis import given
from hypothesis import strategies as st

import xpnet
from xpnet import Dense, Initializer, Layout, Network, uniform
from xpnet.parameters import INITIALIZERS

names = st.text("abcdef", min_size=1, max_size=3)
layouts = st.dictionaries(
    names, st.lists(st.integers(1, 4), max_size=3).map(tuple), min_size=1, max_size=5
).map(Layout)


@given(layout=layouts, lead=st.sampled_from([(), (3,), (2, 3)]), stride=st.sampled_from([1, 2]))
def test_views_cover_the_vector_once_without_copies(layout, lead, stride):
    flat = np.zeros((*lead, 2 * layout.size))[..., ::stride][..., : layout.size]
    for name, view in layout.views(flat).items():
        assert view.shape == lead + layout.shapes[name]
        assert np.shares_memory(view, flat)
        view += 1
        np.testing.assert_array_equal(flat[..., layout.slice(name)].reshape(view.shape), 1)
    np.testing.assert_array_equal(flat, 1)
    assert layout.size == sum(math.prod(shape) for shape in layout.shapes.values())


def test_views_on_every_backend(backend, dtype):
    layout = Layout({"weights": (3, 2), "bias": (3,)})
    flat = backend.asarray(np.arange(18).reshape(2, 9), dtype)
    views = layout.views(flat)
    views["bias"][...] = -1.0
    assert backend.to_numpy(flat)[1, 6:].tolist() == [-1, -1, -1]
    assert backend.to_numpy(views["weights"])[1].tolist() == [[9, 10], [11, 12], [13, 14]]


def test_wrong_vectors_are_refused():
    layout = Layout({"weights": (3, 2)})
    with pytest.raises(ValueError, match=r"w must have 6 parameters .* got shape \(7,\)"):
        layout.views(np.zeros(7))
    with pytest.raises(ValueError, match="each length in the shape of 'a' must be at least 1, got 0"):
        Layout({"a": (2, 0)})


@pytest.mark.parametrize(
    ("name", "variance"), [("glorot", 2 / 500), ("he", 2 / 300), ("lecun", 1 / 300), ("zeros", 0)]
)
def test_initializers_have_their_variance(name, variance):
    w = Network(300, Dense(200, initializer=name)).initialize(3, "numpy", "float64")
    weights, bias = w[:-200], w[-200:]
    assert weights.var() == pytest.approx(variance, rel=0.03)
    assert abs(weights.mean()) <= 4 * math.sqrt(variance / weights.size)
    assert not bias.any()


def test_uniform_stays_within_its_limit():
    w = Network(300, Dense(200, initializer=xpnet.uniform(0.2))).initialize(0, "numpy", "float64")
    assert 0.199 < np.abs(w).max() <= 0.2
    with pytest.raises(ValueError, match=r"limit must be in \(0, 8e\+307\], got -1"):
        xpnet.uniform(-1)


@pytest.mark.parametrize(
    ("activation", "initializer"),
    [("relu", "he"), ("leaky_relu", "he"), ("softplus", "he"), ("identity", "lecun")]
    + [(name, "glorot") for name in ("tanh", "sigmoid", "softmax")],
)
def test_the_initializer_suits_the_activation(activation, initializer):
    assert Dense(3, activation).initializer.name == initializer


def test_every_backend_starts_from_the_same_bits(backend):
    network = Network(5, Dense(4, "tanh"), Dense(2))
    want = network.initialize(7, "numpy", "float64")
    w = network.initialize(7, backend, "float32")
    assert w.dtype == backend.xp.float32
    np.testing.assert_array_equal(backend.to_numpy(w), want.astype(np.float32))
    assert not np.array_equal(network.initialize(8, "numpy", "float64"), want)


def test_replicas_start_from_consecutive_seeds(device):
    network = Network(5, Dense(4, "tanh"), Dense(2))
    w = network.initialize(7, device, replicas=3)
    for r in range(3):
        assert_array_equal(w[r], network.initialize(7 + r, "numpy"))


def test_bad_seeds_and_replicas():
    network = Network(2, Dense(1))
    with pytest.raises(TypeError, match="seed must be an integer, got 0.5"):
        network.initialize(0.5)
    with pytest.raises(ValueError, match="seed must be at least 0, got -1"):
        network.initialize(-1)
    with pytest.raises(ValueError, match="replicas must be at least 1, got 0"):
        network.initialize(0, "numpy", replicas=0)
    with pytest.raises(ValueError, match="dtype must be 'float32' or 'float64', got 'float16'"):
        network.initialize(0, "numpy", "float16")


@pytest.mark.parametrize(
    ("shapes", "error", "message"),
    [
        ([("a", (2,))], TypeError, "shapes must be a mapping of names to shapes, got"),
        ({1: (2,)}, TypeError, "each name in shapes must be a string, got 1"),
        ({"": (2,)}, ValueError, "each name in shapes must not be empty"),
        ({"a": 2}, TypeError, "shape of 'a' must be a tuple of positive integers, got 2"),
        ({"a": "ab"}, TypeError, "shape of 'a' must be a tuple of positive integers, got 'ab'"),
        ({"a": (2.0,)}, TypeError, r"each length in the shape of 'a' must be an integer, got 2\.0"),
        ({"a": (True,)}, TypeError, "each length in the shape of 'a' must be an integer, got True"),
        ({"a": (-1,)}, ValueError, "each length in the shape of 'a' must be at least 1, got -1"),
    ],
)
def test_bad_layouts(shapes, error, message):
    with pytest.raises(error, match=message):
        Layout(shapes)


def test_layouts_are_values():
    layout = Layout({"weights": (np.int64(3), 2), "bias": [3], "scalar": ()})
    assert layout == Layout({"weights": (3, 2), "bias": (3,), "scalar": ()})
    assert layout.size == 10
    assert {type(length) for shape in layout.shapes.values() for length in shape} == {int}
    for again in (
        pickle.loads(pickle.dumps(layout)),
        copy.copy(layout),
        copy.deepcopy(layout),
        eval(repr(layout), vars(xpnet)),
    ):
        assert again == layout
        assert hash(again) == hash(layout)
    assert Layout({"a": (1,), "b": (2,)}) != Layout({"b": (2,), "a": (1,)})  # they lie elsewhere
    assert layout != {"weights": (3, 2)}


def test_what_is_no_vector_and_what_is_no_name():
    layout = Layout({"a": (3,)})
    with pytest.raises(TypeError, match="w must be an array of 3 parameters, got list"):
        layout.views([1.0, 2.0, 3.0])
    with pytest.raises(ValueError, match=r"v must have 3 parameters on its last axis, got shape \(\)"):
        layout.check(np.array(1.0), "v")
    with pytest.raises(KeyError, match="there is no parameter 'b', only a"):
        layout.slice("b")


def constant(random, shape):
    return 0.25


@pytest.mark.parametrize(
    "initializer", [*INITIALIZERS.values(), uniform(0.1), Initializer("constant", constant)], ids=str
)
def test_initializers_are_values(initializer):
    for again in (
        pickle.loads(pickle.dumps(initializer)),
        copy.copy(initializer),
        copy.deepcopy(initializer),
    ):
        assert again == initializer
        assert hash(again) == hash(initializer)
    layer = Dense(3, initializer=initializer)
    assert eval(repr(layer), {**vars(xpnet), "constant": constant}) == layer


def test_uniform_is_equal_to_itself():
    assert uniform(0.1) == uniform(np.float64(0.1)) != uniform(0.2)
    assert len({uniform(0.1), uniform(0.1)}) == 1
    assert repr(uniform(0.1)) == str(uniform(0.1)) == "uniform(0.1)"


def test_own_initializers():
    w = Network(3, Dense(2, initializer=Initializer("constant", constant))).initialize(0, "numpy")
    assert w.tolist() == [0.25] * 6 + [0.0] * 2
    with pytest.raises(TypeError, match="name must be a string, got None"):
        Initializer(None, constant)
    with pytest.raises(TypeError, match="draw must be a function of a generator and a shape, got 0.25"):
        Initializer("constant", 0.25)
    wrong = Initializer("wrong", lambda random, shape: random.random(5))
    with pytest.raises(ValueError, match=r"'weights' by one number or .* \(2, 3\), got shape \(5,\)"):
        Network(3, Dense(2, initializer=wrong)).initialize(0, "numpy")


@pytest.mark.parametrize("limit", [0.0, -1.0, math.nan, math.inf, True, "0.1", None])
def test_bad_limits(limit):
    with pytest.raises((TypeError, ValueError), match="limit must be "):
        uniform(limit)
