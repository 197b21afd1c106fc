"""Exported networks compute what `Network.predict` does: as NumPy text, as C, and as ONNX."""

from __future__ import annotations

import ctypes
import dataclasses
import importlib.util
import shutil
import subprocess

import numpy as np
import pytest
from oracles import SPECIAL

import xpnet
from xpnet import (
    Activation,
    Dense,
    Dropout,
    ElementwiseActivation,
    Layer,
    LayerNorm,
    Network,
    leaky_relu,
)
from xpnet.export import to_c, to_numpy_source, to_onnx
from xpnet.export.nodes import OPERATORS
from xpnet.layers.activations import ACTIVATIONS, sigmoid_with_offset
from xpnet.rules import OPERATIONS

FLAGS = ["-std=c99", "-Wall", "-Wextra", "-Werror", "-pedantic", "-O2", "-shared", "-fPIC"]


@dataclasses.dataclass(frozen=True)
class Standardize(Activation):
    """An activation of ones own that looks at all units."""

    name = "standardize"

    def forward(self, xp, z, bias):
        z = z if bias is None else z + bias
        low, high = (f(z, axis=-2, keepdims=True) for f in (xp.min, xp.max))
        return (z - low) / (high - low + 1.0), None

    def backward(self, xp, cache, gradient):
        raise NotImplementedError


NETWORKS = {
    "all": Network(
        5,
        LayerNorm(),
        *(Dense(6, name) for name in ACTIVATIONS),
        Dropout(0.2),
        LayerNorm(1e-3),
        Dense(4, leaky_relu(0.3), bias=False),
        Dense(4, sigmoid_with_offset()),
        Dense(3, Standardize()),
        Dense(3, "softmax"),
    ),
    **{name: Network(3, Dense(4, name), Dense(2, name)) for name in ACTIVATIONS},
    "norm": Network(4, LayerNorm()),
    "nothing": Network(2, Dropout()),
    "one": Network(1, Dense(1)),
    "wide": Network(3, Dense(300, "tanh"), Dense(1, "sigmoid", bias=False)),
}


@dataclasses.dataclass(frozen=True)
class Uses:
    """A function of one operation, of all that it can be asked."""

    name: str

    @property
    def __name__(self):
        return self.name

    def __call__(self, xp, z):
        function, takes = getattr(xp, self.name), OPERATIONS[self.name].takes
        if self.name == "clip":
            return xp.clip(z, -0.5, 1.5)
        if self.name == "full_like":
            return xp.full_like(z, 0.3)
        if self.name == "where":
            return xp.where(z > 0.2, z, 0.1 * z)
        if takes == "conditions":
            a, b = z > -0.4, z < 0.6
            return xp.where(function(a, b) if OPERATIONS[self.name].count == 2 else function(a), z, -2.0)
        if OPERATIONS[self.name].count == 1:
            return xp.where(function(z), z, -1.0) if OPERATIONS[self.name].condition else function(z)
        if OPERATIONS[self.name].condition:
            return xp.where(function(z, 0.5), z, -1.0) + xp.where(function(0.2, z), z, -1.0)
        return function(z, 0.7) + function(-1.3, z)


USES = {name: ElementwiseActivation(name, Uses(name), Uses(name)) for name in OPERATIONS}
HARD = np.array([*SPECIAL, 0.7, -1.3, 0.6, -0.4, 1.5, 2.5, -1.5, 1e-4, -1e-4, 3.2, -3.3])[:, None]


def drawn(network, dtype):
    """Parameters of which none is where it starts."""
    w = network.initialize(0, "numpy", "float64")
    return (w + 0.2 * np.random.default_rng(1).standard_normal(w.shape)).astype(dtype)


def inputs(network, samples=7):
    return np.random.default_rng(2).standard_normal((samples, network.inputs))


def one(activation):
    """A network that is this activation, and its parameters."""
    return Network(1, Dense(1, activation)), np.array([1.0, 0.0])


def numpy_function(network, w, **options):
    module = {}
    exec(to_numpy_source(network, w, **options), module)
    return module[options.get("name", "predict")]


@pytest.fixture(scope="module")
def compile_c(tmp_path_factory):
    """Makes functions of an array of sources, `(network, w)`."""
    if shutil.which("cc") is None:
        pytest.skip("there is no C compiler, cc")

    def build(pairs, dtype):
        folder = tmp_path_factory.mktemp("c")
        for k, (network, w) in enumerate(pairs):
            (folder / f"f{k}.c").write_text(to_c(network, w, dtype=dtype, name=f"f{k}"))
        files = [str(path) for path in sorted(folder.glob("*.c"))]
        subprocess.run(["cc", *FLAGS, *files, "-o", str(folder / "all.so"), "-lm"], check=True)
        library = ctypes.CDLL(str(folder / "all.so"))

        def function(k, network):
            def call(X):
                X = np.ascontiguousarray(X, dtype)
                found = np.empty((len(X), network.outputs), dtype)
                pointers = [ctypes.c_void_p(array.ctypes.data) for array in (X, found)]
                library[f"f{k}"](pointers[0], ctypes.c_size_t(len(X)), pointers[1])
                return found

            return call

        return [function(k, network) for k, (network, _) in enumerate(pairs)]

    return build


@pytest.fixture
def onnx_function():
    for name in ("onnx", "onnxruntime"):
        pytest.importorskip(name, reason=f"{name}, the oracle of this test, is not installed")
    import onnxruntime

    def build(network, w, **options):
        model = to_onnx(network, w, **options)
        session = onnxruntime.InferenceSession(model.SerializeToString())
        kind = "float32" if session.get_inputs()[0].type == "tensor(float)" else "float64"
        return lambda X: session.run(["outputs"], {"X": np.asarray(X, kind)})[0]

    return build


def assert_near(got, want, dtype, room=1.0):
    assert got.dtype == dtype
    assert got.shape == want.shape
    tolerance = room * (1e-6 if dtype == "float32" else 1e-14)
    np.testing.assert_allclose(got, want, rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("network", NETWORKS.values(), ids=NETWORKS)
def test_numpy_text_computes_the_same(network, dtype):
    w = drawn(network, dtype)
    function = numpy_function(network, w)
    for samples in (1, 7):
        X = inputs(network, samples)
        assert_near(function(X), network.predict(w, X), dtype)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_c_computes_the_same(dtype, compile_c):
    pairs = [(network, drawn(network, dtype)) for network in NETWORKS.values()]
    for (network, w), function in zip(pairs, compile_c(pairs, dtype), strict=True):
        for samples in (1, 7):
            X = inputs(network, samples)
            assert_near(function(X), network.predict(w, X), dtype, 4.0)  # sums in another order


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("network", NETWORKS.values(), ids=NETWORKS)
def test_onnx_computes_the_same(network, dtype, onnx_function):
    w = drawn(network, dtype)
    function = onnx_function(network, w)
    for samples in (1, 7):
        X = inputs(network, samples)
        assert_near(function(X), network.predict(w, X), dtype)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", OPERATIONS)
def test_every_operation_in_numpy_text(name, dtype):
    network, w = one(USES[name])
    w = w.astype(dtype)
    got = numpy_function(network, w)(HARD)
    assert got.dtype == dtype
    np.testing.assert_array_equal(got, reference(name, dtype))


def reference(name, dtype):
    with np.errstate(all="ignore"):
        return Uses(name)(xpnet.backend("numpy").xp, HARD.astype(dtype) + 0.0)  # as the product yields


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_every_operation_in_c(dtype, compile_c):
    pairs = [one(USES[name]) for name in OPERATIONS]
    for name, function in zip(OPERATIONS, compile_c(pairs, dtype), strict=True):
        room = 1e-6 if dtype == "float32" else 1e-14
        np.testing.assert_allclose(
            function(HARD), reference(name, dtype), rtol=room, atol=room, err_msg=name
        )


@pytest.mark.parametrize("name", OPERATIONS)
def test_every_operation_in_onnx(name, onnx_function):
    network, w = one(USES[name])
    got = onnx_function(network, w, dtype="float32")(HARD)
    np.testing.assert_allclose(got, reference(name, "float32"), rtol=1e-6, atol=1e-6)


def test_every_operation_has_an_operator_of_onnx():
    made = {name for name, operation in OPERATIONS.items() if operation.composed is None}
    assert set(OPERATORS) == made


def test_a_model_is_written_to_a_file(tmp_path):
    onnx = pytest.importorskip("onnx", reason="ONNX is not installed")
    network = NETWORKS["all"]
    model = to_onnx(network, drawn(network, "float32"), tmp_path / "network.onnx")
    assert onnx.load(tmp_path / "network.onnx") == model
    batch, features = model.graph.input[0].type.tensor_type.shape.dim
    assert (batch.dim_param, features.dim_value) == ("samples", 5)
    assert [path.name for path in tmp_path.iterdir()] == ["network.onnx"]


@pytest.mark.skipif(importlib.util.find_spec("onnx") is not None, reason="ONNX is installed")
def test_without_onnx_the_extra_is_named():
    network = NETWORKS["one"]
    with pytest.raises(ImportError, match=r"pip install '\.\[onnx\]'.* checkout"):
        to_onnx(network, drawn(network, "float32"))


@dataclasses.dataclass(frozen=True)
class Same(Layer):
    def shapes(self, inputs):
        return {}

    def initialize(self, random, inputs):
        return {}

    def forward(self, xp, parameters, inputs):
        return inputs, None

    def backward(self, xp, parameters, cache, gradient, accumulate, *, input_gradient=True):
        return gradient


@dataclasses.dataclass(frozen=True)
class Sorted(Standardize):
    name = "sorted"

    def forward(self, xp, z, bias):
        return xp.sort(z, axis=-2), None


@pytest.mark.parametrize("export", [to_numpy_source, to_c])
def test_what_cannot_be_exported_is_said(export):
    network = Network(2, Dense(3))
    w = network.initialize(0, "numpy", "float64")
    with pytest.raises(TypeError, match=r"layers\[1\] must be Dense, LayerNorm or Dropout .* got Same\(\)"):
        export(Network(2, Dense(3), Same()), w)
    with pytest.raises(TypeError, match=r"the activation of layers\[0\] cannot be exported: .*'xp\.sort'"):
        export(Network(2, Dense(3, Sorted())), w)
    with pytest.raises(ValueError, match=r"w must be \(P,\), as that of one replica, w\[0\], got shape"):
        export(network, w[None])
    with pytest.raises(ValueError, match="w must have 9 parameters"):
        export(network, w[1:])
    with pytest.raises(ValueError, match="w must be finite in float32"):
        export(network, 1e200 * w, dtype="float32")
    with pytest.raises(ValueError, match="w must be finite in float64"):
        export(network, np.nan * w)
    with pytest.raises(ValueError, match="dtype must be 'float32' or 'float64', got 'float16'"):
        export(network, w, dtype="float16")
    with pytest.raises(TypeError, match="network must be a Network, got 3"):
        export(3, w)
    for name in ("", "1a", "a b", "a(", "for"):
        with pytest.raises(ValueError, match="name must"):
            export(network, w, name=name)


def test_functions_have_the_name_that_is_asked_for():
    network = NETWORKS["one"]
    w = drawn(network, "float32")
    assert numpy_function(network, w, name="f")([[1.0]]).shape == (1, 1)
    with pytest.raises(ValueError, match=r"X must be \(samples, 1\), got shape \(1, 2\)"):
        numpy_function(network, w)([[1.0, 2.0]])
    assert "void f(const T *X, size_t samples, T *outputs);" in to_c(network, w, name="f")
    for name in ("T", "exp", "W0", "b12", "a1_2"):
        with pytest.raises(ValueError, match="name must"):
            to_c(network, w, name=name)


def test_a_comment_cannot_be_ended_by_a_name(compile_c):
    network = Network(1, Dense(1, dataclasses.replace(USES["tanh"], name="*/ \u00fcber ??/ \\\n int x;")))
    w = np.array([1.0, 0.0])
    (function,) = compile_c([(network, w)], "float64")
    np.testing.assert_allclose(function([[0.5]]), np.tanh([[0.5]]), rtol=1e-15)
    np.testing.assert_allclose(numpy_function(network, w)([[0.5]]), np.tanh([[0.5]]), rtol=1e-15)


def test_parameters_of_a_device(device):
    network = NETWORKS["all"]
    w = drawn(network, "float32")
    assert to_c(network, device.asarray(w)) == to_c(network, w)
