"""Divergences, and every activation with every divergence, against PyTorch and central differences."""

from __future__ import annotations

import copy
import math
import pickle
from dataclasses import dataclass

import numpy as np
import pytest
from conftest import assert_allclose, assert_array_equal, to_numpy
from oracles import DIVERGENCES, OWN_SOFTMAX, data, torch_activation, torch_divergence

import xpnet
from xpnet import (
    Activation,
    BinaryCrossEntropy,
    CrossEntropy,
    Dense,
    Divergence,
    Dropout,
    ElementwiseActivation,
    EmpiricalRisk,
    KullbackLeibler,
    LayerNorm,
    Network,
    SquaredError,
)
from xpnet.divergences.entropy import (
    SigmoidBinaryCrossEntropy,
    SoftmaxCrossEntropy,
    SoftmaxKullbackLeibler,
)
from xpnet.layers import ACTIVATIONS as LIBRARY
from xpnet.testing import check_activation, check_divergence, check_gradient

ACTIVATIONS = ["identity", "sigmoid", "tanh", "relu", "leaky_relu", "softplus", "softmax"]
OWN = ElementwiseActivation("cube", lambda xp, z: z**3 + z, lambda xp, z: 3.0 * z * z + 1.0, of="input")


def torch_risk(torch, network, divergence, w, X, targets):
    w = torch.tensor(w, requires_grad=True)
    y, start = torch.tensor(np.array(X)), 0
    views = {}
    for name, shape in network.layout.shapes.items():
        views[name] = w[start : (start := start + int(np.prod(shape)))].reshape(shape)
    for number, layer in enumerate(network.layers):
        y = y @ views[f"{number}.weights"].T
        if layer.bias:
            y = y + views[f"{number}.bias"]
        y = torch_activation(torch, layer.activation.name)(y)
    value = torch_divergence(torch, divergence, y, torch.tensor(np.array(targets))).mean()
    value.backward()
    return value.item(), w.grad.numpy()


def takes(divergence):
    """The last activations that it may stand above: logarithms want outputs in (0, 1)."""
    if isinstance(divergence, SquaredError):
        return [*ACTIVATIONS, OWN]
    return ["softmax", OWN_SOFTMAX] if divergence.normalized else ["sigmoid", "softmax"]


def combinations():
    return [(divergence, activation) for divergence in DIVERGENCES for activation in takes(divergence)]


@pytest.mark.parametrize("hidden", ["tanh", "relu", "softmax", OWN])
@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize(("divergence", "activation"), combinations(), ids=str)
def test_risk_equals_pytorch(torch, divergence, activation, bias, hidden, device):
    X, targets = data(divergence)
    network = Network(4, Dense(5, hidden, bias=bias), Dense(3, activation, bias=bias))
    risk = EmpiricalRisk(network, divergence, X, targets, backend=device, dtype="float64")
    w = network.initialize(1, "numpy", "float64")
    w += 0.1 * np.random.default_rng(2).standard_normal(w.size)  # biases too
    point = device.asarray(w)
    value, gradient = risk.value_and_gradient(point)
    want, want_gradient = torch_risk(torch, network, divergence, w, X, targets)
    assert float(value) == pytest.approx(want, rel=1e-12)
    assert float(risk.value(point)) == pytest.approx(want, rel=1e-12)
    scale = np.abs(want_gradient).max()
    assert_allclose(gradient, want_gradient, rtol=1e-12, atol=1e-12 * scale)


@pytest.mark.parametrize("divergence", DIVERGENCES, ids=str)
@pytest.mark.parametrize("activation", [*ACTIVATIONS, OWN], ids=str)
def test_risk_equals_differences(divergence, activation, device):
    fitting = takes(divergence)
    if activation in fitting:
        layers = [Dense(5, "tanh"), Dense(3, activation)]
    else:  # any may sit below one that fits
        layers = [Dense(5, activation), Dense(3, fitting[0])]
    X, targets = data(divergence, seed=3)
    network = Network(4, *layers)
    risk = EmpiricalRisk(network, divergence, X, targets, backend=device, dtype="float64")
    check_gradient(risk, network.initialize(5, device, "float64"))


@pytest.mark.parametrize("divergence", DIVERGENCES, ids=str)
def test_gradients_of_divergences(divergence):
    random = np.random.default_rng(0)
    y, d = 0.2 + 0.6 * random.random((3, 5)), random.random((3, 5))
    check_divergence(divergence, y, d)


@pytest.mark.parametrize(
    "divergence",
    [SoftmaxCrossEntropy(), SoftmaxKullbackLeibler(), SigmoidBinaryCrossEntropy()],
    ids=str,
)
def test_gradients_at_logits(divergence):
    random = np.random.default_rng(0)
    z, d = random.standard_normal((4, 6)), random.random((4, 6))
    check_divergence(divergence, z, d / d.sum(axis=0))
    check_divergence(divergence, z, np.eye(4)[:, [0, 1, 2, 3, 0, 0]])


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_logits_of_ten_thousand(dtype, device):
    xp = device.xp
    z = device.asarray([[1e4, -1e4, -1e4, 0.0], [-1e4, 1e4, 1e4, 0.0]], dtype)
    d = device.asarray([[1.0, 1.0, 0.5, 0.5], [0.0, 0.0, 0.5, 0.5]], dtype)
    value, gradient = SoftmaxCrossEntropy().value_and_gradient(xp, z, d)
    assert_allclose(value, [0, 2e4, 1e4, np.log(2)], rtol=1e-6)
    assert_array_equal(gradient, np.array([[0, -1, -0.5, 0], [0, 1, 0.5, 0]], dtype))
    value, gradient = SoftmaxKullbackLeibler().value_and_gradient(xp, z, d)
    assert_allclose(value, [0, 2e4, 1e4 - np.log(2), 0], rtol=1e-6, atol=1e-6)
    value, gradient = SigmoidBinaryCrossEntropy().value_and_gradient(xp, z, d)
    assert_allclose(value, [0, 2e4, 1e4, 2 * np.log(2)], rtol=1e-6)
    assert_array_equal(gradient, np.array([[0, -1, -0.5, 0], [0, 1, 0.5, 0]], dtype))
    assert value.dtype == gradient.dtype == dtype


@pytest.mark.parametrize("size", [1e4, -1e4, 1e3])
@pytest.mark.parametrize(
    ("activation", "divergence"),
    [
        ("softmax", CrossEntropy()),
        ("softmax", KullbackLeibler()),
        ("sigmoid", BinaryCrossEntropy()),
    ],
    ids=str,
)
def test_risks_at_huge_logits_equal_pytorch(torch, activation, divergence, size, device):
    functional = torch.nn.functional
    network = Network(3, Dense(3, activation, bias=False))
    X, d = np.eye(3), np.array([[1.0, 0, 0], [0, 0.25, 0.75], [0, 0, 1]])
    w = size * np.array([1.0, -1.0, 0.5, 0.25, 2.0, -2.0, 0.0, 1.0, -0.5])
    risk = EmpiricalRisk(network, divergence, X, d, backend=device, dtype="float64")
    value, gradient = risk.value_and_gradient(device.asarray(w))
    z = torch.tensor(w.reshape(3, 3).T.copy(), requires_grad=True)
    target = torch.tensor(d)
    if activation == "sigmoid":
        total = functional.binary_cross_entropy_with_logits(z, target, reduction="sum")
    else:
        total = -(target * functional.log_softmax(z, dim=1)).sum()
        if isinstance(divergence, KullbackLeibler):
            total = total + torch.special.xlogy(target, target).sum()
    (total / 3).backward()
    assert float(value) == pytest.approx(total.item() / 3, rel=1e-12)
    assert_allclose(gradient, z.grad.numpy().T.ravel(), rtol=1e-12, atol=1e-15)


def test_targets_of_zero_and_one_do_no_harm(device):
    y = device.asarray([[0.2, 0.0, 1.0], [0.8, 1.0, 0.0]])
    d = device.asarray([[0.0, 0.0, 1.0], [1.0, 1.0, 0.0]])
    for divergence in (CrossEntropy(), KullbackLeibler(), BinaryCrossEntropy()):
        value, gradient = map(to_numpy, divergence.value_and_gradient(device.xp, y, d))
        assert np.isfinite(value).all()
        assert np.isfinite(gradient).all()
        assert value[1:].tolist() == [0, 0]


def test_every_backend(backend, dtype, tolerance):
    for divergence in DIVERGENCES:
        X, targets = data(divergence)
        for activation in takes(divergence)[-2:]:
            network = Network(4, Dense(5, "tanh"), Dense(3, activation))
            values = []
            for own in (backend, xpnet.backend("numpy")):
                risk = EmpiricalRisk(network, divergence, X, targets, backend=own, dtype=dtype)
                value, gradient = risk.value_and_gradient(network.initialize(0, own, dtype))
                assert gradient.dtype == own.dtype(dtype)
                assert value.dtype == own.accumulator
                values.append((float(value), own.to_numpy(gradient)))
            assert values[0][0] == pytest.approx(values[1][0], rel=tolerance)
            assert_allclose(values[0][1], values[1][1], atol=tolerance)


def hard_sigmoid(xp, z):
    return xp.maximum(0.0, xp.minimum(1.0, 0.2 * z + 0.5))


def hard_sigmoid_slope(xp, y):
    return xp.where((y > 0.0) & (y < 1.0), 0.2 * xp.ones_like(y), 0.0)


HARD_SIGMOID = ElementwiseActivation(
    "sigmoid", hard_sigmoid, hard_sigmoid_slope, of="output", range=(0.0, 1.0)
)


class SharpSoftmax(Activation):
    """Softmax of three times its inputs; its name is the library's."""

    name, range, distribution = "softmax", (0.0, 1.0), True

    def forward(self, xp, z, bias):
        z = 3.0 * (z if bias is None else z + bias)
        y = xp.exp(z - xp.max(z, axis=-2, keepdims=True))
        y = y / xp.sum(y, axis=-2, keepdims=True)
        return y, y

    def backward(self, xp, y, gradient):
        return 3.0 * y * (gradient - xp.sum(y * gradient, axis=-2, keepdims=True))


@pytest.mark.parametrize(
    ("own", "divergence"),
    [
        (HARD_SIGMOID, BinaryCrossEntropy()),
        (SharpSoftmax(), CrossEntropy()),
        (SharpSoftmax(), KullbackLeibler()),
    ],
    ids=str,
)
def test_an_activation_is_known_by_what_it_is_and_not_by_its_name(own, divergence, device):
    check_activation(own)
    network = Network(4, Dense(3, own))
    X, targets = data(divergence)
    risk = EmpiricalRisk(network, divergence, X, targets, backend=device, dtype="float64")
    w = network.initialize(0, device, "float64")
    outputs = to_numpy(network.predict(w, X))
    want = divergence.value(xpnet.backend("numpy").xp, outputs.T, np.asarray(targets).T).mean()
    assert float(risk.value(w)) == pytest.approx(want, rel=1e-12)
    check_gradient(risk, w)
    library = EmpiricalRisk(
        Network(4, Dense(3, own.name)), divergence, X, targets, backend=device, dtype="float64"
    )
    assert abs(float(library.value(w)) - want) > 1e-3


def test_a_distribution_that_does_not_sum_to_1_is_named():
    class Halved(SharpSoftmax):
        def forward(self, xp, z, bias):
            y, cache = super().forward(xp, z, bias)
            return 0.5 * y, cache

    with pytest.raises(AssertionError, match="outputs do not sum to 1 over the units"):
        check_activation(Halved())


def risk_of(divergence, *layers):
    X, targets = data(divergence)
    return EmpiricalRisk(
        Network(4, *layers), divergence, X, targets, backend="numpy", dtype="float64", training=False
    )


@pytest.mark.parametrize(
    ("divergence", "last", "message"),
    [
        (CrossEntropy(), Dense(3), r"takes outputs in \[0, 1\].*'identity'.*\(-inf, inf\): end.*'softmax'"),
        (CrossEntropy(), Dense(3, "softplus"), r"'softplus', whose outputs lie in \[0, inf\).*'softmax'"),
        (KullbackLeibler(), Dense(3, "relu"), r"KullbackLeibler\(\) takes .*Dense\(units, 'softmax'\)"),
        (
            CrossEntropy(),
            Dense(3, "tanh"),
            r"in \[-1, 1\].*with CrossEntropy\(from_logits=True",
        ),
        (BinaryCrossEntropy(), Dense(3), r"'identity'.*end it in Dense\(units, 'sigmoid'\)"),
        (BinaryCrossEntropy(), Dense(3, "relu"), r"'relu'.*end it in Dense\(units, 'sigmoid'\)"),
        (BinaryCrossEntropy(), Dense(3, "leaky_relu"), r"'leaky_relu'.*Dense\(units, 'sigmoid'\)"),
        (CrossEntropy(), Dense(3, OWN), r"that sum to 1 .*'cube', whose range is not known: .*'softmax'"),
        # all outputs at 1 would be a risk of 0 whatever the classes, and below 0 with Kullback-Leibler
        (CrossEntropy(), Dense(3, "sigmoid"), r"that sum to 1 .*'sigmoid', .*Dense\(units, 'softmax'\)"),
        (KullbackLeibler(), Dense(3, "sigmoid"), r"that sum to 1 .*'sigmoid', .*Dense\(units, 'softmax'\)"),
        (BinaryCrossEntropy(), Dense(3, OWN), r"'cube', whose range is not known.*range=\(0, 1\)"),
        (BinaryCrossEntropy(), LayerNorm(), r"a layer without an activation: end it .*'sigmoid'"),
        (CrossEntropy(), Dropout(0.5), r"a layer without an activation: end it .*'softmax'"),
        (
            CrossEntropy(from_logits=True),
            Dense(3, "softmax"),
            r"takes logits.*'identity'\).*'softmax'",
        ),
        (CrossEntropy(from_logits=True), Dropout(0.5), r"takes logits.*a layer without an activation"),
        (BinaryCrossEntropy(True), Dense(3, "sigmoid"), r"Entropy\(from_logits=True\) takes logits"),
    ],
)
def test_outputs_outside_the_domain_are_refused_before_any_step(divergence, last, message):
    with pytest.raises(ValueError, match=message):
        risk_of(divergence, Dense(3, "tanh"), last)


@pytest.mark.parametrize("divergence", DIVERGENCES, ids=str)
def test_what_is_evaluated_on_each_activation(divergence):
    for activation in LIBRARY.values():
        low, high = activation.range
        if isinstance(divergence, SquaredError):
            assert divergence.on(activation) == (divergence, False)
        elif low < 0.0 or high > 1.0 or (divergence.normalized and not activation.distribution):
            with pytest.raises(ValueError, match="takes outputs in"):
                divergence.on(activation)
        else:
            own, on_logits = divergence.on(activation)
            assert on_logits == (own != divergence) == (activation in divergence.logits)
    assert SquaredError().on(None) == SquaredError().on(OWN) == (SquaredError(), False)


@pytest.mark.parametrize(
    ("kind", "activation"),
    [(CrossEntropy, "softmax"), (KullbackLeibler, "softmax"), (BinaryCrossEntropy, "sigmoid")],
)
def test_logits_give_what_their_activation_gives(kind, activation, device):
    X, targets = data(kind())
    options = {"backend": device, "dtype": "float64"}
    plain, of_logits = Network(4, Dense(3, activation)), Network(4, Dense(3))
    first = EmpiricalRisk(plain, kind(), X, targets, **options)
    second = EmpiricalRisk(of_logits, kind(from_logits=True), X, targets, **options)
    w = plain.initialize(0, device, "float64")
    for got, want in zip(second.value_and_gradient(w), first.value_and_gradient(w), strict=True):
        assert_array_equal(got, want)
    assert_array_equal(second.hessian_product(w, w), first.hessian_product(w, w))
    # the outputs are the logits
    z = to_numpy(of_logits.predict(w, X))
    weights = to_numpy(w)[:12].reshape(3, 4)
    np.testing.assert_allclose(z, np.asarray(X) @ weights.T + to_numpy(w)[12:], rtol=1e-12)
    targets = np.asarray(targets).T
    check_divergence(kind(from_logits=True), z.T, targets)
    xp = xpnet.backend("numpy").xp
    mean = kind(True).value(xp, z.T, targets).mean()
    assert float(second.value(w)) == pytest.approx(mean, rel=1e-12)


def test_torch_takes_the_same_logits(torch):
    random = np.random.default_rng(0)
    z, labels = 5 * random.standard_normal((3, 20)), random.integers(0, 3, 20)
    d = random.random((3, 20))
    xp, functional = xpnet.backend("numpy").xp, torch.nn.functional
    want = functional.cross_entropy(torch.tensor(z.T), torch.tensor(labels), reduction="none")
    got = CrossEntropy(from_logits=True).value(xp, z, np.eye(3)[labels].T)
    np.testing.assert_allclose(got, want.numpy(), rtol=1e-12, atol=1e-14)
    want = functional.binary_cross_entropy_with_logits(torch.tensor(z), torch.tensor(d), reduction="none")
    got = BinaryCrossEntropy(from_logits=True).value(xp, z, d)
    np.testing.assert_allclose(got, want.numpy().sum(axis=0), rtol=1e-12)


@pytest.mark.parametrize(
    "divergence",
    [*DIVERGENCES, *[type(own)(from_logits=True) for own in DIVERGENCES[1:]], SoftmaxCrossEntropy()],
    ids=str,
)
def test_divergences_are_values(divergence):
    for again in (
        pickle.loads(pickle.dumps(divergence)),
        copy.copy(divergence),
        copy.deepcopy(divergence),
        eval(repr(divergence), {**vars(xpnet), "SoftmaxCrossEntropy": SoftmaxCrossEntropy}),
    ):
        assert again == divergence
        assert hash(again) == hash(divergence)
    assert len({SquaredError(), SquaredError(), CrossEntropy(), CrossEntropy(True)}) == 3


@pytest.mark.parametrize("value", ["False", 1, None])
def test_from_logits_is_true_or_false(value):
    with pytest.raises(TypeError, match="from_logits must be True or False, got"):
        CrossEntropy(from_logits=value)


@dataclass(frozen=True)
class Poisson(Divergence):
    """`sum_i y_i - d_i log y_i`."""

    domain = (0.0, math.inf)

    def value(self, xp, outputs, targets):
        return xp.sum(outputs - targets * xp.log(outputs), axis=-2)

    def value_and_gradient(self, xp, outputs, targets):
        return self.value(xp, outputs, targets), 1.0 - targets / outputs


def test_a_divergence_of_one_s_own_states_its_domain():
    y, d = np.random.default_rng(0).random((2, 3, 5)) + 0.1
    check_divergence(Poisson(), y, d)
    message = r"outputs in \[0, inf\).*'sigmoid' or 'relu' or 'softplus' or 'softmax'\)$"
    with pytest.raises(ValueError, match=message):
        Poisson().on(LIBRARY["tanh"])
    with pytest.raises(ValueError, match=r"outputs must lie in \[0, inf\], the domain of Poisson"):
        check_divergence(Poisson(), -y, d)
    network = Network(2, Dense(1, "softplus"))
    X = np.random.default_rng(1).standard_normal((20, 2))
    counts = np.random.default_rng(2).poisson(3.0, (20, 1))
    check_gradient(
        EmpiricalRisk(network, Poisson(), X, counts, backend="numpy", dtype="float64"),
        network.initialize(0, "numpy", "float64"),
    )
