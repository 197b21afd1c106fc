"""How samples are walked: chunks that are halved where memory runs out, and that come back."""

from __future__ import annotations

import logging

import numpy as np
import pytest

from xpnet import L2, CrossEntropy, Dense, EmpiricalRisk, Network, SquaredError
from xpnet.objectives.risk import chunks as chunks_module
from xpnet.objectives.risk.chunks import Chunks, Share, parts

NETWORK = Network(4, Dense(6, "tanh"), Dense(3, "softmax"))
REGRESSION = Network(4, Dense(5, "tanh"), Dense(3))
RANDOM = np.random.default_rng(0)
X, LABELS = RANDOM.standard_normal((103, 4)), RANDOM.integers(0, 3, 103)
TARGETS = RANDOM.standard_normal((103, 3))


class Rows:
    """Read in parts, as a file is."""

    def __init__(self, values):
        self.values, self.shape, self.dtype = values, values.shape, values.dtype

    def __getitem__(self, part):
        return self.values[part]


def classification(own_X=X, **options):
    return EmpiricalRisk(
        NETWORK, CrossEntropy(), own_X, LABELS, backend="numpy", dtype="float64", **options
    )


def regression(own_X=X, **options):
    return EmpiricalRisk(
        REGRESSION,
        SquaredError(),
        own_X,
        TARGETS,
        backend="numpy",
        dtype="float64",
        penalty=L2(0.1),
        **options,
    )


class Memory:
    """Lets a forward pass on more than `most` samples run out of memory, and keeps how many there were."""

    def __init__(self, monkeypatch, most):
        self.most, self.seen = most, []
        forward = Network.forward

        def limited(network, xp, parameters, inputs):
            self.seen.append(inputs.shape[-1])
            if inputs.shape[-1] > self.most:
                raise MemoryError("no memory left")
            return forward(network, xp, parameters, inputs)

        monkeypatch.setattr(Network, "forward", limited)

    def largest(self):
        """The most samples that a pass has had since it was last asked."""
        largest, self.seen = max(self.seen), []
        return largest


EVALUATIONS = {
    "value": lambda risk, w: [risk.value(w)],
    "gradient": lambda risk, w: risk.value_and_gradient(w),
    "hessian_product": lambda risk, w: [risk.hessian_product(w, w)],
    "gauss_newton_product": lambda risk, w: [risk.gauss_newton_product(w, w)],
    "residuals": lambda risk, w: [risk.residuals(w)],
    "jacobian": lambda risk, w: [risk.jacobian(w)],
    "normal_equations": lambda risk, w: risk.normal_equations(w),
}


@pytest.mark.parametrize("name", EVALUATIONS)
@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("source", [X, Rows(X)], ids=["resident", "streamed"])
def test_out_of_memory_halves_the_chunk(monkeypatch, caplog, name, threads, source):
    monkeypatch.setattr(chunks_module, "THREAD_WORK", 0)
    w = REGRESSION.initialize(3, "numpy", "float64")
    want = EVALUATIONS[name](regression(), w)
    memory = Memory(monkeypatch, 10)
    risk = regression(source, chunk=50, threads=threads)
    with caplog.at_level(logging.WARNING, "xpnet"):
        got = EVALUATIONS[name](risk, w)
    assert "beginning again with" in caplog.records[-1].getMessage()
    for own, expected in zip(got, want, strict=True):
        np.testing.assert_allclose(own, expected, rtol=1e-12, atol=1e-13)
    memory.largest()
    EVALUATIONS[name](risk, w)
    assert memory.largest() <= 10  # the next does not run into it again


def test_the_log_says_how_far_it_went(monkeypatch, caplog):
    Memory(monkeypatch, 20)
    with caplog.at_level(logging.WARNING, "xpnet"):
        classification(chunk=50).value(NETWORK.initialize(3, "numpy", "float64"))
    assert [record.getMessage().partition("with chunks")[2] for record in caplog.records] == [
        " of 50 samples; beginning again with 25",
        " of 25 samples; beginning again with 12",
    ]


def test_a_halved_chunk_comes_back(monkeypatch):
    risk, w = classification(chunk=50), NETWORK.initialize(3, "numpy", "float64")
    want = risk.value(w)
    memory = Memory(monkeypatch, 20)
    risk.value(w)
    memory.largest()
    for _ in range(chunks_module.PATIENCE):
        assert risk.value(w) == pytest.approx(want, rel=1e-13)
        assert memory.largest() == 12
    memory.most = 1000  # whoever had it has given it back
    for _ in range(3):
        assert risk.value(w) == want
        assert memory.largest() == 50


def test_what_takes_more_memory_leaves_the_rest_alone(monkeypatch):
    """A dense Hessian's many directions do not slow down the gradients that follow."""
    risk, w = classification(chunk=50), NETWORK.initialize(3, "numpy", "float64")
    memory = Memory(monkeypatch, 20)
    risk.hessian(w)
    memory.most = 1000
    memory.largest()
    risk.value_and_gradient(w)
    assert memory.largest() == 50
    assert risk.chunk == 50


def test_out_of_memory_with_one_sample_is_an_error(monkeypatch):
    Memory(monkeypatch, 0)
    for evaluate in EVALUATIONS.values():
        with pytest.raises(MemoryError, match="out of memory on numpy .* even with one sample in a chunk"):
            evaluate(regression(chunk=50), REGRESSION.initialize(3, "numpy", "float64"))


@pytest.mark.parametrize("samples", [1, 5, 16, 17, 100, 103])
@pytest.mark.parametrize("chunk", [1, 7, 50, 200])
def test_groups_hold_every_sample_once_in_order(samples, chunk, numpy_backend):
    seen = []

    def function(group):
        seen.extend(range(part.start, part.stop) for part in group)
        return (np.array([len(group)]),)

    chunks = Chunks(numpy_backend, Share(0, samples, samples), chunk, 0, None)
    (count,) = chunks.total(chunk, function)
    assert [number for part in seen for number in part] == list(range(samples))
    assert count == len(parts(chunk, 0, samples)) == len(seen)


@pytest.fixture
def cupy(cupy_backend):
    return pytest.importorskip("cupy")


def test_out_of_memory_on_a_device(cupy, caplog):
    network = Network(4, Dense(300, "tanh"), Dense(3, "softmax"))
    inputs = np.random.default_rng(0).standard_normal((20_000, 4))
    labels = np.arange(20_000) % 3
    pool = cupy.get_default_memory_pool()
    options = {"backend": "cupy", "chunk": 20_000}
    for resident in (True, False):
        risk = EmpiricalRisk(network, CrossEntropy(), inputs, labels, resident=resident, **options)
        w = network.initialize(0, "cupy")
        value, gradient = (array.get() for array in risk.value_and_gradient(w))
        pool.free_all_blocks()
        pool.set_limit(size=pool.used_bytes() + 300 * 20_000 * 4)
        try:
            with caplog.at_level(logging.WARNING, "xpnet"):
                got, got_gradient = (array.get() for array in risk.value_and_gradient(w))
        finally:
            pool.set_limit(size=0)
        assert risk.chunk == 20_000  # the next of another kind has its whole chunk
        assert "out of memory on cupy" in caplog.text
        assert float(got) == pytest.approx(float(value), rel=1e-6)
        np.testing.assert_allclose(got_gradient, gradient, rtol=1e-4, atol=1e-6)
