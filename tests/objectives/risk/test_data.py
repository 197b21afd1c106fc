"""Data that streams: the same as resident, in constant memory, and the device kept busy."""

from __future__ import annotations

import mmap
import subprocess
import sys
import threading
import tracemalloc

import numpy as np
import pytest
from conftest import read_only

import xpnet
from xpnet import (
    L2,
    CrossEntropy,
    Dense,
    EmpiricalRisk,
    GradientDescent,
    Minibatch,
    Network,
    SquaredError,
    after,
    minimize,
)
from xpnet.device import host_data
from xpnet.device.host_data import on_host, take
from xpnet.objectives.risk import chunks as chunks_module
from xpnet.objectives.risk import data as data_module

NETWORK = Network(4, Dense(6, "tanh"), Dense(3, "softmax"))
RANDOM = np.random.default_rng(0)
X, LABELS, WEIGHTS = read_only(
    RANDOM.standard_normal((103, 4)), RANDOM.integers(0, 3, 103), RANDOM.uniform(0.5, 2, 103)
)
TARGETS = RANDOM.dirichlet(np.ones(3), 103)


class Rows:
    """What h5py and zarr offer, and no more: shape, dtype, and slices."""

    def __init__(self, values, spoil=lambda part: part):
        self.values, self.spoil = values, spoil
        self.shape, self.dtype = values.shape, values.dtype
        self.asked, self.threads = [], set()

    def __getitem__(self, part):
        assert isinstance(part, slice)
        assert 0 <= part.start < part.stop <= len(self.values)
        assert part.step is None
        self.asked.append((part.start, part.stop))
        self.threads.add(threading.get_ident())
        return self.spoil(self.values[part].copy())


def make(own_X=X, targets=LABELS, **options):
    options = {"backend": "numpy", "dtype": "float64"} | options
    return EmpiricalRisk(NETWORK, CrossEntropy(), own_X, targets, **options)


def results(risk, w, v):
    """Whatever can be asked of `risk`, on the host."""
    backend = risk.backend
    asked = [
        risk.value(w),
        *risk.value_and_gradient(w),
        risk.hessian_product(w, v),
        risk.gauss_newton_product(w, v),
        *risk.subset(backend.asarray(np.array([7, 3, 8, 100, 4, 9]))).value_and_gradient(w),
    ]
    if xpnet.Offers.RESIDUALS in risk.offers:
        asked += [risk.residuals(w), risk.jacobian(w), *risk.normal_equations(w)]
    return [backend.to_numpy(result) for result in asked]


@pytest.mark.parametrize("chunk", [7, 51, 103, None])
@pytest.mark.parametrize("replicas", [None, 2])
@pytest.mark.parametrize("targets", [LABELS, TARGETS], ids=["labels", "targets"])
def test_streamed_equals_resident(backend, dtype, tolerance, chunk, replicas, targets):
    w = NETWORK.initialize(3, backend, dtype, replicas)
    options = {"backend": backend, "dtype": dtype, "chunk": chunk, "sample_weight": WEIGHTS}
    resident = make(targets=targets, resident=True, **options)
    streamed = make(targets=targets, resident=False, **options)
    assert not resident.data.streamed
    assert list(streamed.data.streamed) == (["X"] if targets is LABELS else ["X", "targets"])
    for got, want in zip(results(streamed, w, w), results(resident, w, w), strict=True):
        np.testing.assert_allclose(got, want, rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("replicas", [None, 2])
def test_least_squares_stream_too(backend, dtype, tolerance, replicas):
    network = Network(4, Dense(5, "tanh"), Dense(3))
    w = network.initialize(3, backend, dtype, replicas)
    options = {"backend": backend, "dtype": dtype, "chunk": 20, "penalty": L2(0.1)}
    resident, streamed = (
        EmpiricalRisk(network, SquaredError(), X, TARGETS, resident=choice, **options)
        for choice in (True, False)
    )
    for got, want in zip(results(streamed, w, w), results(resident, w, w), strict=True):
        np.testing.assert_allclose(got, want, rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("kind", ["<f4", "<f8", ">f8", "u1", "<i8", "?"])
def test_any_kind_of_number_is_converted_part_by_part(backend, kind):
    values = (X * 10).astype(kind)
    w = NETWORK.initialize(3, backend)
    options = {"backend": backend, "dtype": "float32", "chunk": 20}
    want = make(values.astype("float32"), resident=True, **options).value_and_gradient(w)
    for source in (Rows(values), np.asfortranarray(values)):
        got = make(source, resident=False, **options).value_and_gradient(w)
        for own, expected in zip(got, want, strict=True):
            np.testing.assert_allclose(
                backend.to_numpy(own), backend.to_numpy(expected), rtol=1e-6, atol=1e-6
            )


@pytest.mark.parametrize("threads", [1, 2, 5])
def test_threads_and_streams_leave_the_bits_alone(threads, monkeypatch):
    monkeypatch.setattr(chunks_module, "THREAD_WORK", 0)
    w = NETWORK.initialize(3, "numpy", "float64")
    want = results(make(chunk=3, threads=1), w, w)
    source = Rows(X)
    risk = make(source, chunk=3, threads=threads)
    assert risk.threads == threads
    for _ in range(3):
        for got, expected in zip(results(risk, w, w), want, strict=True):
            assert got.tobytes() == expected.tobytes()
    source.threads.clear()
    risk.value(w)
    assert threading.get_ident() not in source.threads  # which was computing meanwhile


def memory_map(path, values, mode="r"):
    values.tofile(path)
    return np.memmap(path, values.dtype, mode, shape=values.shape)


@pytest.mark.parametrize("mode", ["r", "r+", "c"])
def test_memory_maps(tmp_path, mode):
    mapped = memory_map(tmp_path / "X", X, mode)
    own = X.copy()
    if mode != "r":  # what was changed is neither overlooked nor lost
        mapped[50, 1] = own[50, 1] = 3.0
    w = NETWORK.initialize(3, "numpy", "float64")
    for source, values, labels in ((mapped, own, LABELS), (mapped[7:90], own[7:90], LABELS[7:90])):
        want = make(values, labels, chunk=20).value(w)
        risk = make(source, labels, chunk=20)
        assert list(risk.data.streamed) == ["X"]
        assert risk.value(w) == risk.value(w) == want
    np.testing.assert_array_equal(mapped, own)
    loaded = make(mapped, chunk=20, resident=True)
    assert not on_host(loaded.X)
    assert loaded.value(w) == make(own, chunk=20).value(w)


def test_h5py(tmp_path):
    h5py = pytest.importorskip("h5py", reason="h5py is not installed")
    w = NETWORK.initialize(3, "numpy", "float64")
    with h5py.File(tmp_path / "data.h5", "w") as file:
        sources = [file.create_dataset(name, data=own) for name, own in (("X", X), ("d", TARGETS))]
        risk = make(*sources, chunk=20, sample_weight=file.create_dataset("c", data=WEIGHTS))
        assert list(risk.data.streamed) == ["X", "targets"]
        assert risk.value(w) == make(X, TARGETS, chunk=20, sample_weight=WEIGHTS).value(w)


def test_what_streams_of_itself_on_numpy(tmp_path, monkeypatch):
    def streamed(own_X, targets=LABELS, **options):
        return list(make(own_X, targets, **options).data.streamed)

    mapped, matrix = memory_map(tmp_path / "X", X), memory_map(tmp_path / "d", TARGETS)
    assert streamed(X) == streamed(X, TARGETS) == streamed(X, dtype="float32") == []
    assert streamed(Rows(X)) == streamed(mapped) == ["X"]
    assert streamed(mapped, matrix) == streamed(Rows(X), Rows(TARGETS)) == ["X", "targets"]
    assert streamed(X, Rows(TARGETS)) == ["targets"]
    assert streamed(mapped, Rows(LABELS), sample_weight=Rows(WEIGHTS)) == ["X"]  # the others are little
    assert streamed(mapped * 2) == streamed(mapped.copy()) == []  # no longer views of the file
    assert streamed(mapped, matrix, resident=True) == []
    monkeypatch.setattr(xpnet.Backend, "free_memory", lambda self: 3000)
    assert streamed(X) == []  # is used as it is
    assert streamed(X, dtype="float32") == ["X"]  # would be copied


def test_what_streams_of_itself_on_cupy(tmp_path, monkeypatch):
    backend = cupy_backend()
    mapped = memory_map(tmp_path / "X", X)
    on_device = backend.asarray(X)

    def streamed(own_X, targets=LABELS, **options):
        return list(make(own_X, targets, backend=backend, **options).data.streamed)

    assert streamed(X) == streamed(mapped) == streamed(Rows(X), TARGETS) == []
    assert streamed(X, resident=False) == ["X"]
    assert streamed(on_device, TARGETS, resident=False) == ["targets"]
    monkeypatch.setattr(xpnet.Backend, "free_memory", lambda self: 2 * X.nbytes - 1)
    assert streamed(X) == streamed(mapped) == ["X"]
    assert streamed(X, TARGETS) == ["X", "targets"]
    assert streamed(on_device) == []
    assert streamed(X, dtype="float32") == []
    monkeypatch.setattr(data_module, "STREAM_BYTES", 10 * 4 * 8)
    assert make(X, backend=backend).chunk == 10
    assert make(X, backend=backend, chunk=50).chunk == 50


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"resident": "yes"}, ValueError, "resident must be True, False or 'auto', got 'yes'"),
        ({"X": (95, np.nan)}, ValueError, "X contains NaN"),
        ({"X": (95, np.inf)}, ValueError, "X contains infinity"),
        ({"X": (95, 1e300), "dtype": "float32"}, ValueError, "X contains infinity"),
        ({"targets": (95, np.nan)}, ValueError, "targets contains NaN"),
        ({"targets": (95, 2.0)}, ValueError, r"targets of CrossEntropy\(\) must lie in \[0, 1\]"),
        ({"targets": (95, 0.5)}, ValueError, "must sum to 1 over the outputs of each sample"),
        ({"X": Rows(X[:, :3])}, ValueError, r"X must be \(samples, 4\).*got shape \(103, 3\)"),
        ({"X": Rows(X[:90])}, ValueError, r"targets must be \(90,\) or \(90, 3\).*shape \(103, 3\)"),
        ({"targets": Rows(TARGETS[:, :2])}, ValueError, r"targets must be \(103, 3\).*\(103, 2\)"),
        ({"targets": Rows(LABELS + 1)}, ValueError, "labels from 0 to 2.*got labels from 1 to 3"),
        ({"X": Rows(X.astype(str))}, TypeError, "X must hold real numbers, got an array of strings"),
        ({"X": Rows(X.astype(complex))}, TypeError, "X must hold real .* complex"),
        ({"X": Rows(X, lambda part: part[:3])}, ValueError, r"X\[0:\d+\] must have shape \(\d+, 4\), got"),
        ({"X": Rows(X, lambda part: None)}, TypeError, "X must hold real numbers, got .* objects"),
    ],
)
def test_streamed_data_is_checked_part_by_part(backend, dtype, monkeypatch, arguments, error, message):
    monkeypatch.setattr(data_module, "READ_BYTES", 4 * 8 * 10)
    given = {"X": X, "targets": TARGETS}
    options = {"backend": backend, "resident": False, "dtype": dtype}
    for name, value in arguments.items():
        if isinstance(value, tuple):
            row, number = value
            value = given[name].copy()
            value[row, 1] = number
            value = Rows(value)
        (given if name in given else options)[name] = value
    with pytest.raises(error, match=message):
        make(given["X"], given["targets"], **options)
    for source in given.values():
        if isinstance(source, Rows) and len(source.shape) == 2:
            assert all(stop - start <= 20 for start, stop in source.asked)


@pytest.mark.parametrize("length", [1, 2, 30])
def test_samples_are_taken_by_slices(length):
    numbers = np.random.default_rng(length).integers(0, 103, length)
    source = Rows(X)
    np.testing.assert_array_equal(take("X", source, numbers), X[numbers])
    assert len(source.asked) <= len(set(numbers.tolist()))
    neighbours = Rows(X)
    take("X", neighbours, np.array([5, 3, 4, 4, 50]))
    assert neighbours.asked == [(3, 6), (50, 51)]


def test_minibatches_of_a_stream(backend):
    points = []
    for source in (X, Rows(X)):
        w = NETWORK.initialize(0, backend)
        risk = make(source, backend=backend, dtype="float32", resident=source is X)
        run = minimize(risk, Minibatch(GradientDescent(0.5), 20), w, stop=after(12))
        points.append(backend.to_numpy(run.w))
    np.testing.assert_allclose(points[0], points[1], rtol=1e-6)


class Endless(Rows):
    """Samples that are made when they are asked for."""

    def __init__(self, samples):
        self.shape, self.dtype = (samples, 4), np.dtype(np.uint8)

    def __getitem__(self, part):
        numbers = np.arange(part.start, part.stop, dtype=np.uint64)[:, None]
        return (numbers * [17, 31, 101, 7] % 251).astype(np.uint8)


def test_memory_does_not_grow_with_samples():
    peaks = []
    for samples in (300_000, 1_200_000):
        labels = np.zeros(samples, np.uint8)
        risk = make(Endless(samples), labels, dtype="float32", chunk=5000, threads=1)
        w = NETWORK.initialize(0, "numpy")
        risk.value_and_gradient(w)
        tracemalloc.start()
        risk.value_and_gradient(w)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] < 2 * peaks[0]  # reading and computing meet in more or less memory


PROGRAM = """
import resource, sys
import numpy as np
import xpnet

limit = 2**30
resource.setrlimit(resource.RLIMIT_DATA, (limit, limit))  # of the memory that no file backs
width = 256
X = np.memmap(sys.argv[1], np.float32, "r").reshape(-1, width)
assert X.nbytes == 2**32
network = xpnet.Network(width, xpnet.Dense(4, "tanh"), xpnet.Dense(2, "softmax"))
labels = (np.arange(len(X)) % 2).astype(np.uint8)
risk = xpnet.EmpiricalRisk(network, xpnet.CrossEntropy(), X, labels, backend="numpy")
w = network.initialize(0, "numpy")
run = xpnet.minimize(risk, xpnet.GradientDescent(0.5), w, stop=xpnet.after(1))
with open("/proc/self/status") as lines:  # not ru_maxrss, which is never less than what the parent held
    peak = next(1024 * int(line.split()[1]) for line in lines if line.startswith("VmHWM"))
print(peak, *run.history.value, run.value)
"""


linux = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="measures memory as Linux does")


@linux
@pytest.mark.parametrize("mode", ["r", "r+", "c"])
def test_pages_of_a_memory_map_are_let_go_of(tmp_path, mode):
    values = np.zeros((2**18, 32), np.float32)
    network = Network(32, Dense(1))
    mapped = memory_map(tmp_path / "X", values, mode)
    w = network.initialize(0, "numpy")

    def from_files():
        with open("/proc/self/status") as lines:
            return next(1024 * int(line.split()[1]) for line in lines if line.startswith("RssFile"))

    before = from_files()
    risk = EmpiricalRisk(network, SquaredError(), mapped, np.zeros(2**18), backend="numpy")
    risk.value_and_gradient(w)
    kept = from_files() - before
    assert kept > 0.9 * values.nbytes if mode == "c" else kept < 0.2 * values.nbytes


def test_memory_maps_of_a_system_that_lets_go_of_no_pages(tmp_path, monkeypatch):
    """As Windows."""
    monkeypatch.delattr(mmap, "MADV_DONTNEED", raising=False)
    w = NETWORK.initialize(3, "numpy", "float64")
    mapped = memory_map(tmp_path / "X", X)
    assert make(mapped, LABELS, chunk=20).value(w) == make(X, LABELS, chunk=20).value(w)


@pytest.mark.slow
@linux
def test_four_gigabytes_train_in_less_than_one(tmp_path):
    path = tmp_path / "X"
    with open(path, "wb") as file:
        file.truncate(2**32)  # zeros, but for two places that tell the classes apart
    mapped = np.memmap(path, np.float32, "r+").reshape(-1, 256)
    for start in (0, len(mapped) - 20_000):
        mapped[start : start + 20_000 : 2] = 3
    del mapped
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, str(path)], capture_output=True, text=True, timeout=600
    )
    assert done.returncode == 0, done.stderr
    most, before, after_step = map(float, done.stdout.split())
    assert most < 2**30
    assert after_step < before


def cupy_backend():
    try:
        return xpnet.backend("cupy")
    except xpnet.BackendError as error:
        pytest.skip(str(error))


@pytest.fixture
def cupy():
    cupy_backend()
    return pytest.importorskip("cupy")


@pytest.mark.parametrize("targets", [LABELS, TARGETS], ids=["labels", "targets"])
def test_a_stream_copies_once_and_waits_for_nothing_else(counter, targets):
    risk = make(X, targets, backend="cupy", dtype="float32", resident=False, chunk=10)
    w = NETWORK.initialize(0, "cupy")
    risk.value_and_gradient(w)
    with counter.count() as counts:
        risk.value_and_gradient(w)
    chunks, arrays = 11, len(risk.data.streamed)
    assert counts.h2d.count == chunks * arrays
    assert counts.h2d.bytes == 4 * sum(source.size for source in risk.data.streamed.values())
    assert counts.d2h.count == counts.mallocs.count == 0
    # before a slot is filled again, and before its memory is given back
    assert counts.syncs == {"event": chunks + 2}


def test_small_numbers_are_copied_as_they_are(counter):
    images = (X * 20).astype(np.uint8)
    risk = make(images, backend="cupy", dtype="float32", resident=False, chunk=10)
    with counter.count() as counts:
        risk.value(NETWORK.initialize(0, "cupy"))
    assert counts.h2d.bytes == images.nbytes + 4 * NETWORK.size


@pytest.mark.parametrize("own_stream", [False, True])
def test_copies_and_work_are_ordered_by_events_and_no_more(cupy, monkeypatch, own_stream):
    """What precedes what, followed through every event; on one device, all of it seems to be in order."""
    before = {}  # stream or event -> the work that is done when it gets there
    log = []

    class Event(cupy.cuda.Event):
        def record(self, stream=None):
            stream = cupy.cuda.get_current_stream() if stream is None else stream
            copying = isinstance(stream, Copying)
            if copying and stream.arrived:
                work = ("copy", len([entry for entry in log if entry[0] == "copy"]))
                log.append((*work, frozenset(before.get(stream, ()))))
                before.setdefault(stream, set()).add(work)
                stream.arrived = False
            before[self] = set(before.get(stream, ()))
            super().record(stream)

        def synchronize(self):
            before.setdefault("host", set()).update(before.get(self, ()))
            super().synchronize()

    class Stream(cupy.cuda.Stream):
        def wait_event(self, event):
            before.setdefault(self, set()).update(before.get(event, ()))
            super().wait_event(event)

    class Copying(Stream):
        arrived = False

        def wait_event(self, event):
            self.arrived = True
            super().wait_event(event)

    user = Stream(non_blocking=True) if own_stream else Stream(null=True)
    monkeypatch.setattr(cupy.cuda, "Event", Event)
    monkeypatch.setattr(cupy.cuda, "Stream", Copying)
    reading = host_data.read

    def read(*arguments):
        log.append(("read", len([e for e in log if e[0] == "read"]), frozenset(before.get("host", ()))))
        reading(*arguments)

    monkeypatch.setattr(host_data, "read", read)
    forward = Network.forward

    def compute(self, *arguments):
        assert cupy.cuda.get_current_stream() == user
        work = ("compute", len([entry for entry in log if entry[0] == "compute"]))
        log.append((*work, frozenset(before.get(user, ()))))
        before.setdefault(user, set()).add(work)
        return forward(self, *arguments)

    with user:
        risk = make(backend="cupy", dtype="float32", resident=False, chunk=20)
        w = NETWORK.initialize(0, "cupy")
        monkeypatch.setattr(Network, "forward", compute)
        log.clear()
        before.clear()
        risk.value(w)
    for kind, number, known in log:
        if kind == "read" and number >= 2:
            assert ("copy", number - 2) in known  # its page-locked memory is free
            assert ("copy", number - 1) not in known
        if kind == "copy":
            assert number < 2 or ("compute", number - 2) in known  # its memory on the device is free
            assert ("compute", number - 1) not in known  # which may still go on
        if kind == "compute":
            assert ("copy", number) in known
    assert [entry[:2] for entry in log] == [
        (kind, number) for number in range(6) for kind in ("read", "copy", "compute")
    ]
    assert ("copy", 5) in before["host"]  # page-locked memory is not given back too early
