"""The empirical risk: chunks, threads, replicas, weights, penalties, memory, and second derivatives."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest
from conftest import assert_allclose, read_only, to_numpy
from oracles import OWN_SOFTMAX, blas_threads, seeded_risk, torch_activation, torch_divergence

from xpnet import (
    L1,
    L2,
    BinaryCrossEntropy,
    CrossEntropy,
    Dense,
    EmpiricalRisk,
    KullbackLeibler,
    Network,
    Objective,
    SquaredError,
)
from xpnet.objectives.risk import chunks as chunks_module

NETWORK = Network(4, Dense(6, "tanh"), Dense(5, "softplus"), Dense(3, "softmax"))


def data(samples=50, seed=0):
    random = np.random.default_rng(seed)
    return read_only(random.standard_normal((samples, 4)), random.integers(0, 3, samples))


def make(X=None, labels=None, **options):
    if X is None:
        X, labels = data()
    options = {"backend": "numpy", "dtype": "float64"} | options
    return EmpiricalRisk(NETWORK, CrossEntropy(), X, labels, **options)


def start(replicas=None, dtype="float64", backend="numpy"):
    return NETWORK.initialize(3, backend, dtype, replicas)


def test_a_risk_says_dtype_and_backend_once():
    objective = seeded_risk(dtype="float32")
    w = objective.initialize(3, 2)
    assert w.dtype == objective.dtype
    assert w.shape == (2, objective.network.size)
    np.testing.assert_array_equal(w, objective.network.initialize(3, objective.backend, "float32", 2))
    assert objective.initialize().ndim == 1
    objective.value(w)


@pytest.mark.parametrize("chunk", [1, 7, 25, 49, 50, 1000])
def test_chunks_equal_the_whole(chunk, device):
    value, gradient = make(backend=device, chunk=50).value_and_gradient(start(backend=device))
    chunked = make(backend=device, chunk=chunk)
    got, got_gradient = chunked.value_and_gradient(start(backend=device))
    assert float(got) == pytest.approx(float(value), rel=1e-13)
    assert float(chunked.value(start(backend=device))) == pytest.approx(float(value), rel=1e-13)
    assert_allclose(got_gradient, gradient, rtol=1e-12, atol=1e-15)


def test_the_order_of_samples_does_not_matter(device):
    X, labels = data()
    order = np.random.default_rng(1).permutation(len(X))
    value, gradient = make(backend=device).value_and_gradient(start(backend=device))
    got, got_gradient = make(X[order], labels[order], backend=device, chunk=9).value_and_gradient(
        start(backend=device)
    )
    assert float(got) == pytest.approx(float(value), rel=1e-13)
    assert_allclose(got_gradient, gradient, rtol=1e-12, atol=1e-15)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_any_number_of_threads_gives_the_same_bits(dtype, monkeypatch):
    monkeypatch.setattr(chunks_module, "THREAD_WORK", 0)
    X, labels = data(2000)
    w, v = start(dtype=dtype), start(dtype=dtype)[::-1].copy()
    results = []
    for threads in (1, 2, 3, 7):
        risk = make(X, labels, dtype=dtype, chunk=60, threads=threads)
        assert risk.threads == threads
        for _ in range(3):
            value, gradient = risk.value_and_gradient(w)
            parts = (value, risk.value(w), gradient, risk.hessian_product(w, v))
            results.append([np.asarray(part).tobytes() for part in parts])
    assert all(result == results[0] for result in results)


def test_small_problems_stay_on_one_thread():
    assert make(threads=2).threads == 1


class Broken(CrossEntropy):
    def value_and_gradient(self, xp, outputs, targets):
        if outputs.shape[-1] < 5:  # as when the risk is made
            return super().value_and_gradient(xp, outputs, targets)
        raise ZeroDivisionError("in a chunk")

    logits = {}  # noqa: RUF012


@pytest.mark.parametrize("threads", [1, 2])
def test_an_error_in_a_chunk_comes_out_and_blas_is_given_back(threads, monkeypatch):
    monkeypatch.setattr(chunks_module, "THREAD_WORK", 0)
    X, labels = data()
    before = blas_threads()
    risk = EmpiricalRisk(
        NETWORK, Broken(), X, labels, backend="numpy", dtype="float64", chunk=5, threads=threads
    )
    with pytest.raises(ZeroDivisionError, match="in a chunk"):
        risk.value_and_gradient(start())
    assert blas_threads() == before
    make().value_and_gradient(start())
    assert blas_threads() == before


def test_replicas_equal_a_loop(backend, dtype, tolerance):
    X, labels = data()
    risk = EmpiricalRisk(
        NETWORK, CrossEntropy(), X, labels, backend=backend, dtype=dtype, chunk=20, penalty=L2(0.1)
    )
    w = NETWORK.initialize(3, backend, dtype, replicas=4)
    value, gradient = risk.value_and_gradient(w)
    product = risk.hessian_product(w, w)
    outputs = NETWORK.predict(w, X)
    assert tuple(value.shape) == (4,)
    assert tuple(outputs.shape) == (4, 50, 3)
    for r in range(4):
        alone, alone_gradient = risk.value_and_gradient(w[r, :])
        for got, want in (
            (value[r], alone),
            (risk.value(w)[r], alone),
            (gradient[r, :], alone_gradient),
            (product[r, :], risk.hessian_product(w[r, :], w[r, :])),
            (outputs[r, :, :], NETWORK.predict(w[r, :], X)),
        ):
            assert_allclose(backend.to_numpy(got), backend.to_numpy(want), rtol=tolerance, atol=tolerance)


def test_every_backend_gives_the_same(backend, dtype, tolerance):
    X, labels = data()
    weights = np.random.default_rng(5).random(50)
    options = {"dtype": dtype, "sample_weight": weights, "penalty": [L1(0.1), L2(0.2)], "chunk": 13}
    own = EmpiricalRisk(NETWORK, CrossEntropy(), X, labels, backend=backend, **options)
    host = EmpiricalRisk(NETWORK, CrossEntropy(), X, labels, backend="numpy", **options)
    w, hw = (NETWORK.initialize(3, place, dtype) for place in (backend, "numpy"))
    value, gradient = own.value_and_gradient(w)
    want, want_gradient = host.value_and_gradient(hw)
    assert float(value) == pytest.approx(float(want), rel=tolerance)
    assert_allclose(backend.to_numpy(gradient), want_gradient, atol=tolerance)
    for product in ("hessian_product", "gauss_newton_product"):
        got = backend.to_numpy(getattr(own, product)(w, w))
        assert_allclose(got, getattr(host, product)(hw, hw), atol=20 * tolerance)


def test_nothing_handed_over_is_written_to():
    X, labels = data()
    (w,) = read_only(start())
    risk = make(X, labels, sample_weight=read_only(np.ones(50))[0], penalty=L2(0.1))
    risk.value(w)
    risk.value_and_gradient(w)
    risk.hessian_product(w, w)
    risk.gauss_newton_product(w, w)
    NETWORK.predict(w, X)


def test_data_is_converted_once_or_not_at_all():
    X, labels = data()
    assert np.shares_memory(make(X, labels).X, X)
    risk = make(X, labels, dtype="float32")
    assert risk.X.dtype == np.float32
    assert make((X * 10).astype(int), labels).X.dtype == np.float64


@pytest.mark.parametrize("replicas", [None, 2])
def test_the_dtype_is_kept(replicas, device):
    risk = make(
        backend=device, dtype="float32", chunk=20, penalty=[L1(0.1), L2(0.1)], sample_weight=np.arange(50)
    )
    w = start(replicas, "float32", device)
    value, gradient = risk.value_and_gradient(w)
    assert gradient.dtype == np.float32
    assert value.dtype == np.float64
    assert risk.value(w).dtype == np.float64
    assert risk.hessian_product(w, w).dtype == np.float32
    assert NETWORK.predict(w, data()[0]).dtype == np.float32


def test_values_add_up_in_double_precision(device):
    # a million terms of 1 + 1e-4, whose sum float32 cannot hold
    network = Network(1, Dense(1, bias=False))
    X = np.full((1_000_000, 1), np.sqrt(2 * (1 + 1e-4)), np.float32)
    risk = EmpiricalRisk(network, SquaredError(), X, np.zeros(len(X)), backend=device)
    each = 0.5 * float(X[0, 0] ** 2)
    assert float(risk.value(device.asarray([1.0], "float32"))) == pytest.approx(each, rel=1e-9)


def test_memory_does_not_grow_with_samples():
    peaks = []
    for samples in (100_000, 400_000):
        X, labels = data(samples)
        risk = make(X, labels, dtype="float64", threads=1)
        risk.value_and_gradient(start())
        tracemalloc.start()
        risk.value_and_gradient(start())
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] < 1.2 * peaks[0]


def test_labels_are_one_hot_targets(device):
    X, labels = data()
    value, gradient = make(X, labels, backend=device).value_and_gradient(start(backend=device))
    for same in (np.eye(3)[labels], labels.astype(float), labels.astype(np.uint8)):
        got, got_gradient = make(X, same, backend=device).value_and_gradient(start(backend=device))
        assert got == value
        assert_allclose(got_gradient, gradient, rtol=1e-13, atol=1e-16)  # sums may go another way


def test_one_output_takes_a_vector_of_targets(device):
    random = np.random.default_rng(0)
    X, d = random.standard_normal((20, 2)), random.random(20)
    for activation, divergence in (("identity", SquaredError()), ("sigmoid", BinaryCrossEntropy())):
        network = Network(2, Dense(1, activation))
        w = network.initialize(0, device, "float64")
        values = [
            float(EmpiricalRisk(network, divergence, X, t, backend=device, dtype="float64").value(w))
            for t in (d, d[:, None])
        ]
        assert values[0] == values[1]


def test_weights_are_repeated_samples(device):
    X, labels = data()
    counts = np.random.default_rng(0).integers(0, 4, 50)
    value, gradient = make(backend=device, sample_weight=counts).value_and_gradient(start(backend=device))
    want, want_gradient = make(
        X.repeat(counts, 0), labels.repeat(counts), backend=device
    ).value_and_gradient(start(backend=device))
    assert float(value) == pytest.approx(float(want), rel=1e-13)
    assert_allclose(gradient, want_gradient, rtol=1e-11, atol=1e-15)


def test_penalties_equal_pytorch(torch, device):
    w = start(backend=device)
    base, base_gradient = make(backend=device).value_and_gradient(w)
    for biases in (False, True):
        penalties = [L2(0.3, biases=biases), L1(0.2, biases=biases)]
        risk = make(backend=device, penalty=penalties)
        value, gradient = risk.value_and_gradient(w)
        variable = torch.tensor(to_numpy(w), requires_grad=True)
        total = 0
        for name in NETWORK.layout.shapes:
            if biases or name.endswith("weights"):
                part = variable[NETWORK.layout.slice(name)]
                total = total + 0.15 * (part**2).sum() + 0.2 * part.abs().sum()
        total.backward()
        assert float(value) - float(base) == pytest.approx(total.item(), rel=1e-12)
        assert float(risk.value(w)) == pytest.approx(float(value), rel=1e-14)
        assert_allclose(gradient - base_gradient, variable.grad.numpy(), atol=1e-14)


def hessian(risk, w):
    return to_numpy(risk.hessian_product(w, risk.backend.asarray(np.eye(w.size), w.dtype)))


RISKS = [
    (CrossEntropy(), "softmax"),
    (KullbackLeibler(), "softmax"),
    (SquaredError(), "softmax"),
    (SquaredError(), "tanh"),
    (BinaryCrossEntropy(), "sigmoid"),
    (CrossEntropy(), OWN_SOFTMAX),
]


@pytest.mark.parametrize(("divergence", "activation"), RISKS, ids=str)
def test_hessian_products(divergence, activation, torch, device):
    X, labels = data(12)
    targets = np.eye(3)[labels]
    network = Network(4, Dense(4, "tanh"), Dense(3, activation))
    risk = EmpiricalRisk(
        network, divergence, X, targets, backend=device, dtype="float64", chunk=5, penalty=L2(0.1)
    )
    w = network.initialize(0, device, "float64")
    H = hessian(risk, w)
    assert_allclose(H, H.T, atol=1e-12 * np.abs(H).max())

    def function(w):
        a, b = w[:16].reshape(4, 4), w[20:32].reshape(3, 4)
        y = torch.tanh(torch.tensor(np.array(X)) @ a.T + w[16:20])
        y = torch_activation(torch, str(activation))(y @ b.T + w[32:])
        penalty = 0.05 * ((a**2).sum() + (b**2).sum())
        return torch_divergence(torch, divergence, y, torch.tensor(targets)).mean() + penalty

    want = torch.func.hessian(function)(torch.tensor(to_numpy(w))).numpy()
    assert_allclose(H, want, atol=1e-10 * np.abs(want).max())

    v = device.asarray(np.random.default_rng(1).standard_normal(w.size))
    h = 1e-5
    difference = (risk.value_and_gradient(w + h * v)[1] - risk.value_and_gradient(w - h * v)[1]) / (2 * h)
    difference = to_numpy(difference)
    assert_allclose(H @ to_numpy(v), difference, atol=1e-7 * np.abs(difference).max())
    assert_allclose(risk.hessian_product(w, v), H @ to_numpy(v), rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize(("divergence", "activation"), RISKS[:5], ids=str)
def test_gauss_newton_products(divergence, activation, torch, device):
    X, labels = data(12)
    targets = np.eye(3)[labels]
    network = Network(4, Dense(4, "tanh"), Dense(3, activation))
    risk = EmpiricalRisk(network, divergence, X, targets, backend=device, dtype="float64", chunk=5)
    w = network.initialize(0, device, "float64")
    G = to_numpy(risk.gauss_newton_product(w, device.asarray(np.eye(w.size))))
    paired = not isinstance(divergence, SquaredError)  # then the outputs are the logits

    def outputs(w):
        a, b = w[:16].reshape(4, 4), w[20:32].reshape(3, 4)
        z = torch.tanh(torch.tensor(np.array(X)) @ a.T + w[16:20]) @ b.T + w[32:]
        if paired:
            return z
        return torch.softmax(z, dim=1) if activation == "softmax" else torch.tanh(z)

    J = torch.func.jacrev(outputs)(torch.tensor(to_numpy(w))).numpy()  # (samples, outputs, P)
    z = outputs(torch.tensor(to_numpy(w))).numpy()
    if not paired:
        curvature = [np.eye(3)] * 12
    elif activation == "softmax":
        y = np.exp(z) / np.exp(z).sum(axis=1, keepdims=True)
        curvature = [np.diag(p) - np.outer(p, p) for p in y]
    else:
        y = 1 / (1 + np.exp(-z))
        curvature = [np.diag(p * (1 - p)) for p in y]
    want = sum(j.T @ c @ j for j, c in zip(J, curvature, strict=True)) / 12
    assert_allclose(G, want, atol=1e-12 * np.abs(want).max())
    assert np.linalg.eigvalsh(G).min() > -1e-12


def test_products_of_wrong_vectors_are_refused():
    risk, w = make(), start()
    with pytest.raises(ValueError, match=r"v must be \(83,\) like w, or \(K, \*\(83,\)\)"):
        risk.hessian_product(w, w[:-1].copy())
    with pytest.raises(TypeError, match="v must be float64"):
        risk.gauss_newton_product(w, w.astype("float32"))


def test_an_objective_without_a_product_says_so():
    class Plain(Objective):
        def value(self, w):
            return w.sum()

        def value_and_gradient(self, w):
            return w.sum(), np.ones_like(w)

    with pytest.raises(NotImplementedError, match="Plain has no hessian_product"):
        Plain().hessian_product(np.ones(2), np.ones(2))


def test_repr_and_chunk_are_plain():
    text = repr(make())
    assert "samples=50" in text
    assert "CrossEntropy()" in text
    risk = make(*data(100_000))
    assert risk.chunk * 8 % 4096  # rows do not fall on the same cache lines
