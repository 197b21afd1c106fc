"""What is read part by part: sparse matrices, and arrays of other libraries, as samples of a risk."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest
from oracles import read_only

from xpnet import (
    Adam,
    CrossEntropy,
    Dense,
    EmpiricalRisk,
    Minibatch,
    Network,
    SquaredError,
    after,
    minimize,
)
from xpnet.device.host_data import by_rows, on_host

RANDOM = np.random.default_rng(0)
X, LABELS = read_only(
    RANDOM.standard_normal((90, 20)) * (RANDOM.random((90, 20)) < 0.2), RANDOM.integers(0, 2, 90)
)
NETWORK = Network(20, Dense(5, "tanh"), Dense(2, "softmax"))


@pytest.fixture
def sparse():
    return pytest.importorskip("scipy.sparse", reason="SciPy is not installed")


def risk(own_X=X, targets=LABELS, *, place="numpy", **options):
    options = {"dtype": "float64", "chunk": 32} | options
    return EmpiricalRisk(NETWORK, CrossEntropy(), own_X, targets, backend=place, **options)


@pytest.mark.parametrize(
    "kind", ["csr_array", "csr_matrix", "csc_array", "coo_array", "lil_matrix", "dok_array", "bsr_array"]
)
def test_sparse_samples_are_read_part_by_part(kind, device, sparse):
    samples = getattr(sparse, kind)(X)
    assert on_host(samples)
    w = NETWORK.initialize(0, device, "float64")
    whole = risk(place=device)
    for resident in ("auto", True, False):
        own = risk(samples, place=device, resident=resident)
        streams = resident is False or (resident == "auto" and device.name == "numpy")
        assert ("X" in own.data.streamed) is streams
        for got, want in zip(own.value_and_gradient(w), whole.value_and_gradient(w), strict=True):
            np.testing.assert_allclose(device.to_numpy(got), device.to_numpy(want), rtol=1e-12)
        chosen = np.array([80, 3, 4, 5, 41])
        np.testing.assert_allclose(
            device.to_numpy(own.subset(chosen).value_and_gradient(w)[1]),
            device.to_numpy(whole.subset(chosen).value_and_gradient(w)[1]),
            rtol=1e-12,
        )
    np.testing.assert_array_equal(
        device.to_numpy(NETWORK.predict(w, samples)), device.to_numpy(NETWORK.predict(w, X))
    )


def test_sparse_targets_and_minibatches(sparse):
    targets = np.eye(2)[LABELS]
    w = NETWORK.initialize(0, "numpy", "float64")
    runs = [
        minimize(risk(*data), Minibatch(Adam(0.01), 16), w, stop=after(20))
        for data in ((X, targets), (sparse.csr_array(X), sparse.coo_matrix(targets)))
    ]
    np.testing.assert_allclose(runs[0].w, runs[1].w, rtol=1e-12)


def test_sparse_samples_are_checked(sparse):
    for values, message in [
        (np.where(X == 0, 0, np.nan), "X contains NaN"),
        (np.where(X == 0, 0, np.inf), "X contains infinity"),
        (X[:, :3], "X must be .samples, 20. as the network has 20 inputs"),
        (X[:7], r"targets must be \(7,\)"),
    ]:
        with pytest.raises(ValueError, match=message):
            risk(sparse.csr_array(values))
    with pytest.raises(TypeError, match="X must hold real numbers, got an array of complex numbers"):
        risk(sparse.csc_array(X + 1j * X))
    with pytest.raises(TypeError, match=r"targets is a SciPy sparse matrix \(coo_array\)"):
        risk(X, sparse.coo_array(LABELS))  # of one dimension
    with pytest.raises(ValueError, match="X contains infinity"):
        NETWORK.predict(NETWORK.initialize(0, "numpy"), sparse.csr_array(np.where(X == 0, 0, 1e300)))


def test_memory_does_not_grow_with_sparse_samples(sparse):
    """Of 16,000 samples of 3,000 features, which dense would take 384 MB."""
    network = Network(3000, Dense(4, "tanh"), Dense(2, "softmax"))
    w = network.initialize(0, "numpy", "float64")
    peaks = []
    for samples in (4_000, 16_000):
        columns = np.arange(3 * samples) * 7919 % 3000
        values = sparse.csr_array(
            (np.ones(len(columns)), columns, np.arange(samples + 1) * 3), (samples, 3000)
        )
        labels = np.arange(samples) % 2
        tracemalloc.start()
        own = EmpiricalRisk(
            network, CrossEntropy(), values, labels, backend="numpy", dtype="float64", chunk=500, threads=1
        )
        own.value_and_gradient(w)
        network.predict(w, values)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] < 1.3 * peaks[0]
    assert peaks[1] < 120e6


def test_sparse_matrices_of_cupy(cupy_backend, sparse):
    cupyx = pytest.importorskip("cupyx.scipy.sparse")
    rows = sparse.csr_matrix(X)
    parts = [cupy_backend.asarray(part) for part in (rows.data, rows.indices, rows.indptr)]
    samples = cupyx.csr_matrix(tuple(parts), rows.shape)
    w = NETWORK.initialize(0, cupy_backend, "float64")
    assert on_host(samples)
    got = risk(samples, place=cupy_backend).value(w)
    np.testing.assert_allclose(float(got), float(risk(place=cupy_backend).value(w)), rtol=1e-12)


def test_parts_of_wide_samples_are_bounded(sparse):
    """A row of 2**20 features takes 4 MB dense: no more are read at once than STREAM_BYTES hold."""
    values = sparse.csr_array((np.ones(40, np.float32), (np.arange(40), np.arange(40))), (40, 2**20))
    own = EmpiricalRisk(Network(2**20, Dense(1)), SquaredError(), values, np.zeros(40), backend="numpy")
    assert own.chunk <= 16


def test_what_is_sparse_already_by_rows_is_not_copied(sparse):
    rows = sparse.csr_array(X)
    assert by_rows(rows) is rows
    assert risk(rows).X is rows


@pytest.mark.parametrize("library", ["torch", "jax.numpy"])
def test_arrays_of_other_libraries(library):
    other = pytest.importorskip(library, reason=f"{library} is not installed")
    w = NETWORK.initialize(0, "numpy", "float64")
    samples, labels = other.asarray(X.astype(np.float32)), other.asarray(LABELS.astype(np.int32))
    want = risk(X.astype(np.float32)).value_and_gradient(w)
    for changed in (samples, samples.T.reshape(20, 90).T):
        got = risk(changed, labels).value_and_gradient(w)
        np.testing.assert_allclose(got[0], want[0], rtol=1e-14)
        np.testing.assert_allclose(got[1], want[1], rtol=1e-12)
    np.testing.assert_array_equal(NETWORK.predict(w, samples), NETWORK.predict(w, X.astype(np.float32)))


def test_only_dlpack():
    """Of a library whose arrays offer DLPack and nothing else."""

    class Capsule:
        def __init__(self, values):
            self.values = values

        def __dlpack__(self, **options):
            return self.values.__dlpack__(**options)

        def __dlpack_device__(self):
            return self.values.__dlpack_device__()

    w = NETWORK.initialize(0, "numpy", "float64")
    assert risk(Capsule(X.copy()), Capsule(LABELS.copy())).value(w) == risk().value(w)


@pytest.mark.parametrize(
    "change",
    [
        lambda a: a.astype(a.dtype.newbyteorder(">")),
        np.asfortranarray,
        lambda a: np.repeat(a, 3, axis=0)[::3],
        lambda a: a[::-1][::-1],
        lambda a: np.ma.array(a, mask=False),
    ],
    ids=["big-endian", "Fortran", "strided", "negative strides", "nothing masked"],
)
def test_any_order_of_bytes_and_numbers(change):
    w = NETWORK.initialize(0, "numpy", "float64")
    assert risk(change(X), change(LABELS)).value(w) == risk().value(w)
    np.testing.assert_allclose(NETWORK.predict(w, change(X)), NETWORK.predict(w, X), rtol=1e-14)
