"""Files: what comes back is what was saved, bit for bit; and what is wrong with a file is said."""

from __future__ import annotations

import dataclasses
import json
import os
import pickle
import re
import struct
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest
from conftest import to_numpy
from oracles import NETWORK, OPTIMIZERS, REGRESSION, ROOT, Bowl, risk
from test_public import VALUES

import xpnet
from xpnet import (
    Adam,
    Dense,
    Dropout,
    ElementwiseActivation,
    EmpiricalRisk,
    Layer,
    LayerNorm,
    Minibatch,
    Momentum,
    Network,
    StorageError,
    after,
    load,
    minimize,
    save,
    schedules,
)
from xpnet.device.select import backend_of
from xpnet.layers.activations import ACTIVATIONS, sigmoid_with_offset
from xpnet.optimizers import NAMES
from xpnet.parameters import INITIALIZERS, Initializer
from xpnet.storage.codec import ON_HOST

ENDINGS = [".npz", ".safetensors"]
SAVABLE = (
    *(xpnet.Layer, xpnet.Activation, Initializer, xpnet.Optimizer, xpnet.Search, schedules.Schedule),
    *(xpnet.Divergence, xpnet.Penalty, xpnet.Outcome, Network),
)


@pytest.fixture(params=ENDINGS)
def path(request, tmp_path) -> Path:
    return tmp_path / f"run{request.param}"


def point(network=NETWORK, backend="numpy", dtype="float64"):
    return network.initialize(0, backend, dtype)


def assert_same(got, want, where="state") -> None:
    """The same kinds, the same bits, and the same order in memory."""
    assert type(got) is type(want), where
    if isinstance(want, dict):
        assert list(got) == list(want), where
        for name in want:
            assert_same(got[name], want[name], f"{where}.{name}")
    elif isinstance(want, list | tuple):
        assert len(got) == len(want)
        for k, (one, other) in enumerate(zip(got, want, strict=True)):
            assert_same(one, other, f"{where}.{k}")
    elif dataclasses.is_dataclass(want) and type(want).__eq__ is object.__eq__:
        for field in dataclasses.fields(want):
            assert_same(getattr(got, field.name), getattr(want, field.name), f"{where}.{field.name}")
    elif isinstance(want, float):
        assert struct.pack("d", got) == struct.pack("d", want), where
    elif hasattr(want, "dtype") and hasattr(want, "shape"):
        assert (got.dtype, got.shape) == (want.dtype, want.shape), where
        assert to_numpy(got).tobytes() == to_numpy(want).tobytes(), where
        assert want.size == 0 or getattr(got, "strides", None) == getattr(want, "strides", None), where
    else:
        assert got == want, where


# what holds a function of a user's is handed that as a part
SETTINGS = [
    value for value in VALUES if isinstance(value, SAVABLE) and not isinstance(value, schedules.Lambda)
]


@pytest.mark.parametrize("value", SETTINGS, ids=repr)
def test_every_public_setting_comes_back(value, tmp_path):
    save(tmp_path / "a.npz", None, np.ones(2), extra={"value": value})
    got = load(tmp_path / "a.npz", backend="numpy").extra["value"]
    assert got == value
    assert type(got) is type(value)
    assert repr(got) == repr(value)


NETWORKS = [
    Network(3, *(Dense(4, name) for name in ACTIVATIONS)),
    Network(3, *(Dense(4, initializer=name) for name in INITIALIZERS), Dense(2, bias=False)),
    Network(3, Dense(4, xpnet.leaky_relu(0.3), initializer=xpnet.uniform(0.1)), Dropout(0.3, 2**100)),
    Network(3, LayerNorm(1e-7), Dense(4, sigmoid_with_offset(0.05)), LayerNorm()),
]


@pytest.mark.parametrize("network", NETWORKS, ids=repr)
def test_networks_come_back(network, path):
    w = point(network, dtype="float32")
    save(path, network, w)
    saved = load(path, backend="numpy")
    assert saved.network == network
    assert repr(saved.network) == repr(network)
    assert_same(saved.w, w)
    assert (saved.optimizer, saved.state, saved.history, saved.run, saved.extra) == (
        None,
        None,
        None,
        None,
        {},
    )
    assert (saved.backend, saved.version) == ("numpy", xpnet.__version__)
    assert saved.kernels == backend_of(w).kernels
    saved.w[0] = 1.0  # an array of one's own


ALL = list({repr(optimizer): optimizer for optimizer in (*OPTIMIZERS, *NAMES.values())}.values())


@pytest.mark.parametrize("replicas", [None, 3])
@pytest.mark.parametrize("optimizer", ALL, ids=repr)
def test_runs_come_back_and_go_on_bit_for_bit(optimizer, replicas, path):
    if isinstance(optimizer, xpnet.Perceptron):
        objective = xpnet.ThresholdUnit(np.eye(2), [1, -1], backend="numpy")
        w = np.ones(objective.size if hasattr(objective, "size") else 3) * 0.1
        w = w if replicas is None else np.stack([w] * replicas)
        network = None
    else:
        objective, network = risk(), NETWORK
        w = NETWORK.initialize(0, "numpy", "float64", replicas=replicas)
    run = minimize(objective, optimizer, w, stop=after(4))
    save(path, network, run=run, optimizer=optimizer)
    saved = load(path, backend="numpy")
    assert saved.optimizer == optimizer
    assert_same(saved.run, run, "run")
    assert saved.w is saved.run.w
    assert saved.state is saved.run.state
    want = minimize(objective, optimizer, run.w, state=run.state, stop=after(4))
    got = minimize(objective, saved.optimizer, saved.w, state=saved.state, stop=after(4))
    assert_same(got.w, want.w)
    assert_same(got.state, want.state)


def test_batches_plateaus_and_dropout_go_on_bit_for_bit(path):
    random = np.random.default_rng(0)
    network = Network(4, Dense(6, "tanh"), Dropout(0.3), Dense(3, "softmax"))
    objective = EmpiricalRisk(
        network,
        xpnet.CrossEntropy(),
        random.standard_normal((40, 4)),
        random.integers(0, 3, 40),
        training=True,
        backend="numpy",
        dtype="float64",
    )
    rate = schedules.WarmUp(schedules.Plateau(0.1, patience=1), 3)
    optimizer = Minibatch(Momentum(rate), 7, seed=2**90)
    run = minimize(objective, optimizer, network.initialize(0, "numpy", "float64", 2), stop=after(9))
    save(path, network, run=run, optimizer=optimizer)
    saved = load(path, backend="numpy")
    want = minimize(objective, optimizer, run.w, state=run.state, stop=after(9))
    got = minimize(objective, saved.optimizer, saved.w, state=saved.state, stop=after(9))
    assert_same(got.w, want.w)
    assert_same(saved.run, run)


VALUE = {
    "numbers": [0, -(2**200), True, 1.5, -0.0, float("inf"), -float("inf"), float("nan"), 5e-324],
    "numpy": [np.float64(0.1), np.float32(0.1), np.bool_(True), np.int64(3), np.uint8(255)],
    "tuple": (1, (2.0, [None, "text", "\u00e9\ud800\0"])),
    "empty": [[], (), {}, ""],
    "array": np.arange(6.0).reshape(2, 3),
    "columns": np.asfortranarray(np.arange(6.0).reshape(2, 3)),
    "turned": np.arange(24.0).reshape(2, 3, 4).transpose(0, 2, 1),
    "truth": np.array([True, False]),
    "none": np.empty((0, 3), "int32"),
    "odd/na me:": {"float": 1.0, "array": 2.0, "class": "Dense"},
    "special": np.array([np.nan, -np.nan, np.inf, -np.inf, -0.0, 5e-324]),
    "dimensionless": np.array(2.5),
}


def test_values_of_every_kind_come_back(path):
    save(path, None, np.ones(2), extra=VALUE, state=VALUE)
    saved = load(path, backend="numpy")
    assert_same(saved.extra, VALUE)
    assert_same(saved.state, VALUE)


def test_what_numpy_has_swapped_or_skipped_comes_back_plain(path):
    array = np.arange(12.0)
    save(path, None, array, extra={"swapped": array.astype(">f8"), "skipped": array[::-2]})
    extra = load(path, backend="numpy").extra
    np.testing.assert_array_equal(extra["swapped"], array)
    np.testing.assert_array_equal(extra["skipped"], array[::-2])
    assert extra["swapped"].dtype == np.float64


def test_other_libraries_read_the_arrays(tmp_path):
    w = point()
    save(tmp_path / "a.npz", NETWORK, w, extra={"mean": np.ones(3)})
    with np.load(tmp_path / "a.npz") as arrays:
        np.testing.assert_array_equal(arrays["w"], w)
        np.testing.assert_array_equal(arrays["extra.mean"], np.ones(3))
        assert json.loads(arrays["xpnet.json"])["format"] == 1


@pytest.mark.parametrize("kind", ["numpy", "torch"])
def test_safetensors_reads_the_arrays(kind, tmp_path):
    pytest.importorskip("safetensors", reason="safetensors, the oracle of this test, is not installed")
    library = pytest.importorskip(f"safetensors.{kind}", reason=f"{kind} is not installed")
    extra = {name: value for name, value in VALUE.items() if isinstance(value, np.ndarray)}
    save(tmp_path / "a.safetensors", NETWORK, point(), extra=extra)
    tensors = library.load_file(tmp_path / "a.safetensors")
    np.testing.assert_array_equal(to_numpy(tensors["w"]), point())
    for name, value in extra.items():
        if name not in ("columns", "turned"):  # which lie there as in memory
            np.testing.assert_array_equal(to_numpy(tensors[f"extra.{name}"]), value)


@dataclasses.dataclass(frozen=True)
class Scale(Layer):
    start: float = 1.0

    def shapes(self, inputs):
        return {"scale": (inputs,)}

    def initialize(self, random, inputs):
        return {"scale": self.start}

    def forward(self, xp, parameters, inputs):
        return parameters["scale"][..., None] * inputs, inputs

    def backward(self, xp, parameters, cache, gradient, accumulate, *, input_gradient=True):
        accumulate.add_sum("scale", gradient * cache)
        return parameters["scale"][..., None] * gradient if input_gradient else None


def cube(xp, z):
    return z * z * z


def cube_slope(xp, z):
    return 3.0 * z * z


def falling(step):
    return 0.1 / (step + 1)


def ones(random, shape):
    return 1.0


CUBE = ElementwiseActivation("cube", cube, cube_slope)
ONES = Initializer("ones", ones)
OWN = Network(3, Scale(2.0), Dense(2, CUBE, initializer=ONES))


def test_parts_of_ones_own_are_handed_over(path):
    optimizer = Momentum(falling)
    parts = [Scale, CUBE, ONES, falling]
    save(path, OWN, point(OWN), optimizer=optimizer, parts=parts)
    saved = load(path, backend="numpy", parts=parts)
    assert saved.network == OWN
    assert saved.optimizer == optimizer
    for part in parts:
        name = getattr(part, "name", None) or part.__name__
        with pytest.raises(StorageError, match=rf"run\..* needs '{name}', a part of the user's own"):
            load(path, backend="numpy", parts=[other for other in parts if other is not part])


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({"network": OWN}, r"network\.layers\.0 must be a number, .* got Scale\(start=2\.0\); a part of"),
        ({"network": OWN, "parts": [Scale]}, r"network\.layers\.1\.activation must be"),
        ({"optimizer": Momentum(falling)}, r"optimizer\.rate must be a number, .* got <function falling"),
        ({"extra": {"a": [1, {2}]}}, r"extra\.a\.1 must be a number"),
        ({"extra": {"a": {1: 2}}}, r"each key of extra\.a must be a string, got 1"),
        ({"extra": {"a": np.array(["a"])}}, r"extra\.a must hold real numbers or truth values"),
        ({"extra": {"a": np.array([None])}}, r"extra\.a must hold real numbers or truth values"),
        ({"extra": {"a": 1j}}, r"extra\.a must be a number"),
        ({"extra": 3}, "extra must be a dict, got 3"),
        ({"state": [1]}, "state must be a dict"),
        ({"history": [1]}, "history must be a History"),
        ({"network": 3}, "network must be a Network, or None, got 3"),
        ({"optimizer": 3}, "optimizer must be an Optimizer"),
        ({"parts": 3}, "parts must be a list"),
        ({"parts": [lambda k: 0.1]}, r"parts\[0\] must be a class, or a value or function with a name"),
        ({"parts": [str]}, r"parts\[0\] must be a frozen dataclass"),
        ({"w": [1.0]}, "w must be an array"),
    ],
)
def test_what_cannot_be_saved_is_said_before_anything_is_written(options, match, path):
    given = {"network": None, "w": point(OWN)} | options
    path.write_bytes(b"old")
    with pytest.raises(TypeError, match=match):
        save(path, **given)
    assert path.read_bytes() == b"old"
    assert os.listdir(path.parent) == [path.name]


def test_arguments_that_contradict_each_other(path):
    run = minimize(Bowl(), "lbfgs", np.ones(3), stop=after(2))
    with pytest.raises(ValueError, match="w must be given, or a run"):
        save(path, None)
    for name in ("w", "state", "history"):
        with pytest.raises(ValueError, match="give the run, or these, not both"):
            save(path, None, run=run, **{name: getattr(run, name)})
    with pytest.raises(TypeError, match="run must be what minimize has returned"):
        save(path, None, run=3)
    with pytest.raises(ValueError, match=r"w must have 51 parameters on its last axis, got shape \(3,\)"):
        save(path, NETWORK, run=run)
    with pytest.raises(ValueError, match=r"path must end in \.npz or \.safetensors, got '.*run\.pt'"):
        save(path.with_suffix(".pt"), None, run=run)
    with pytest.raises(TypeError, match="path must be a path, got 3"):
        save(3, None, run=run)
    with pytest.raises(ValueError, match="unknown optimizer 'adm'"):
        save(path, None, run=run, optimizer="adm")
    with pytest.raises(ValueError, match="got two called 'cube'"):
        save(path, None, run=run, parts=[CUBE, cube])
    with pytest.raises(FileNotFoundError):
        load(path)
    with pytest.raises(FileNotFoundError):
        save(path.parent / "none" / path.name, None, run=run)


def test_a_part_must_be_what_its_settings_make(path):
    @dataclasses.dataclass(frozen=True)
    class Odd(Scale):
        hidden: float = dataclasses.field(default=0.0, init=False)

    odd = Odd()
    object.__setattr__(odd, "hidden", 1.0)
    with pytest.raises(TypeError, match=r"network\.layers\.0 must be equal to what its settings make"):
        save(path, Network(3, odd), np.ones(3), parts=[Odd])


# --- files that are not what they should be


def whole(path, marker=1.0):
    run = minimize(Bowl(), "bfgs", np.full(3, marker), stop=after(3))
    save(path, REGRESSION, point(REGRESSION), optimizer="bfgs", state=run.state, extra={"marker": marker})
    return path.read_bytes()


def test_files_of_the_same_content_are_the_same(path):
    assert whole(path) == whole(path)


def test_damage_anywhere_is_noticed_or_does_no_harm(path):
    data = whole(path)
    want = load(path, backend="numpy")
    noticed = 0
    for place in range(0, len(data), 5):
        for change in (0x01, 0xFF):
            path.write_bytes(data[:place] + bytes([data[place] ^ change]) + data[place + 1 :])
            try:
                got = load(path, backend="numpy")
            except StorageError:
                noticed += 1
            else:
                for field in dataclasses.fields(want):
                    assert_same(getattr(got, field.name), getattr(want, field.name), field.name)
    assert noticed > 0.7 * 2 * len(data) / 5  # not the names of entries, their dates, and spaces


def test_a_file_cut_short_is_said_to_be(path):
    data = whole(path)
    for length in [*range(12, len(data), 97), len(data) - 1]:
        path.write_bytes(data[:length])
        with pytest.raises(StorageError, match="is cut short"):
            load(path)
    path.write_bytes(b"")
    with pytest.raises(StorageError, match="is empty"):
        load(path)


@pytest.mark.parametrize(
    ("data", "match"),
    [
        (pickle.dumps([1]), "is no file of xpnet's: it is a pickle, which could run any code"),
        (b"units,rate\n1,2\n", "is no file of xpnet's: it begins with b'units,rate'"),
        (b"\x93NUMPY\1\0v\0{", "is no file of xpnet's: it begins with"),
    ],
)
def test_foreign_files_are_said_to_be(data, match, tmp_path):
    (tmp_path / "a").write_bytes(data)
    with pytest.raises(StorageError, match=re.escape(match)):
        load(tmp_path / "a")


def test_foreign_archives_are_said_to_be(tmp_path):
    np.savez(tmp_path / "a.npz", weights=np.ones(3))
    with pytest.raises(StorageError, match=r"is no file of xpnet's, but a zip archive of weights\.npy"):
        load(tmp_path / "a.npz")
    header = json.dumps({"b": {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}}).encode()
    (tmp_path / "a.safetensors").write_bytes(struct.pack("<Q", len(header)) + header + b"\0" * 4)
    with pytest.raises(StorageError, match="is no file of xpnet's, but tensors called b"):
        load(tmp_path / "a.safetensors")


def rewritten(path, change) -> None:
    """The file with another description."""
    with zipfile.ZipFile(path) as archive:
        held = {name: archive.read(name) for name in archive.namelist()}
    description = json.loads(held["xpnet.json"])
    change(description)
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in held.items():
            archive.writestr(name, json.dumps(description) if name == "xpnet.json" else data)


def test_files_of_another_version(tmp_path):
    path = tmp_path / "a.npz"
    whole(path)
    rewritten(path, lambda own: own.update(xpnet="9.9.1"))
    assert load(path, backend="numpy").version == "9.9.1"
    rewritten(path, lambda own: own.update(format=2))
    with pytest.raises(StorageError, match=r"is newer: xpnet 9\.9\.1 wrote it in format 2, .* up to 1"):
        load(path)


@pytest.mark.parametrize(
    ("content", "match"),
    [
        ({"optimizer": {"class": "Tiger", "settings": {}}}, "needs the class 'Tiger', which this version"),
        ({"optimizer": {"class": "Adam", "settings": {"eta": 1}}}, r"has settings of Adam .*'eta'"),
        (
            {"optimizer": {"class": "Adam", "settings": {"rate": -1.0}}},
            r"has settings of Adam .* got -1\.0",
        ),
        ({"optimizer": {"class": "os.system", "settings": {}}}, r"needs the class 'os\.system'"),
        ({"optimizer": {"activation": "tanhh"}}, "needs the activation 'tanhh'"),
        ({"optimizer": {"eval": "1 + 1"}}, "is corrupt: it speaks of"),
        ({"w": {"array": "none"}}, "is corrupt: KeyError"),
        ({"sauce": 1}, "is corrupt: TypeError"),
    ],
)
def test_a_file_names_only_what_is_in_the_tables(content, match, tmp_path):
    path = tmp_path / "a.npz"
    whole(path)
    rewritten(path, lambda own: own["content"].update(content))
    with pytest.raises(StorageError, match=match):
        load(path)


def test_no_pickle_is_read(tmp_path):
    path = tmp_path / "a.npz"
    whole(path)
    with zipfile.ZipFile(path) as archive:
        held = {name: archive.read(name) for name in archive.namelist()}
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in held.items():
            if name != "w.npy":
                archive.writestr(name, data)
        with archive.open("w.npy", "w") as entry:
            np.lib.format.write_array(entry, np.array([print], dtype=object))
    with pytest.raises(StorageError, match=r"is corrupt: ValueError: Object arrays cannot be loaded"):
        load(path)


# --- devices


def test_runs_go_to_the_host_and_back(device, path):
    optimizer = Adam(rate=schedules.Plateau(0.1, watch="value"))
    run = minimize(risk(device), optimizer, NETWORK.initialize(0, device, "float64", 2), stop=after(3))
    save(path, NETWORK, run=run, optimizer=optimizer)
    same, host = load(path, backend=device), load(path, backend="numpy")
    assert_same(same.run, run)
    assert same.backend == device.name
    assert type(host.w) is np.ndarray
    assert minimize(risk(), optimizer, host.w, state=host.state, stop=after(3)).steps == 3


@pytest.mark.parametrize("replicas", [None, 2])
@pytest.mark.parametrize("optimizer", ALL, ids=repr)
def test_what_stays_on_the_host_is_known(optimizer, replicas, cupy_backend, tmp_path):
    """A state of NumPy's is taken to the device, but for what methods keep on the host there too."""
    if isinstance(optimizer, xpnet.Perceptron):
        pytest.skip("its state has one array, and that is on the host")
    states = []
    for place in (cupy_backend, xpnet.backend("numpy")):
        w = NETWORK.initialize(0, place, "float64", replicas)
        run = minimize(risk(place), optimizer, w, stop=after(3))
        path = tmp_path / f"{place.name}.npz"
        save(path, NETWORK, run=run, optimizer=optimizer)
        states.append(load(path, backend=cupy_backend).run)
    assert {name: type(value) for name, value in states[0].state.items()} == {
        name: type(value) for name, value in states[1].state.items()
    }
    for field in dataclasses.fields(xpnet.Run):
        assert type(getattr(states[0], field.name)) is type(getattr(states[1], field.name))
    minimize(risk(cupy_backend), optimizer, states[1].w, state=states[1].state, stop=after(2))  # it can


def test_names_of_the_host_are_used():
    states = [
        minimize(risk(), optimizer, point(), stop=after(3)).state
        for optimizer in ALL
        if optimizer != NAMES["perceptron"]
    ]
    states.append(Minibatch(Adam()).initialize(risk(), point()))
    assert set(ON_HOST) - {"next"} <= {name for state in states for name in state}


def test_arrays_of_other_libraries(backend, path):
    w = NETWORK.initialize(0, backend, "float32")
    save(path, NETWORK, w, state={"a": w + 1.0, "step": 3}, extra={"host": np.ones(2)})
    saved = load(path, backend=backend)
    assert type(saved.w) is type(w)
    assert type(saved.extra["host"]) is np.ndarray
    np.testing.assert_array_equal(to_numpy(saved.state["a"]), to_numpy(w + 1.0))


# --- files are whole


KILLED = """
import os, resource, signal, sys, time, random
import numpy as np
import xpnet

path, = sys.argv[1:]
network = xpnet.Network(20, xpnet.Dense(30, "tanh"), xpnet.Dense(2))
def save(marker):
    w = np.full(network.size, float(marker))
    xpnet.save(path, network, w, state={"w": w, "step": marker}, extra={"marker": marker})
def child(work):
    number = os.fork()
    if number == 0:
        signal.signal(signal.SIGXFSZ, signal.SIG_DFL)  # killed, rather than told
        work()
        os._exit(0)
    return number
def check():
    saved = xpnet.load(path, backend="numpy")
    marker, state = saved.extra["marker"], saved.state
    assert (saved.w == marker).all() and (state["w"] == marker).all() and state["step"] == marker
    return marker
save(0)
size, old, died = os.path.getsize(path), 0, 0
for k in range(1, 161):  # at a byte
    def work():
        resource.setrlimit(resource.RLIMIT_FSIZE, (size * k // 150, size * 2))
        save(k)
    _, status = os.waitpid(child(work), 0)
    now = check()
    assert now == (old if os.WIFSIGNALED(status) else k), (now, old, k)
    died += os.WIFSIGNALED(status)
    old = now
assert 140 < died < 160, died
def forever():
    for k in range(1000, 10**9):
        save(k)
random.seed(0)
seen, start = set(), time.perf_counter()
os.waitpid(child(lambda: save(999)), 0)
usual = time.perf_counter() - start
for k in range(40):  # at a moment
    number = child(forever)
    time.sleep(random.random() * 2.0 * usual)
    os.kill(number, signal.SIGKILL)
    os.waitpid(number, 0)
    seen.add(check())
assert len(seen) > 1, seen
print("whole")
"""


@pytest.mark.skipif(os.name != "posix", reason="needs fork and limits of POSIX")
def test_whoever_kills_the_writer_the_file_is_whole(path):
    program = [sys.executable, "-c", KILLED, str(path)]
    environment = os.environ | {
        "PYTHONPATH": str(ROOT),
        "OMP_NUM_THREADS": "1",
        "OPENBLAS_NUM_THREADS": "1",
    }
    done = subprocess.run(program, capture_output=True, text=True, check=False, env=environment)
    assert done.stdout == "whole\n", done.stderr


def test_an_error_while_writing_leaves_the_old_file(path, monkeypatch):
    data = whole(path)
    monkeypatch.setattr(os, "fsync", lambda number: (_ for _ in ()).throw(OSError("no space")))
    with pytest.raises(OSError, match="no space"):
        whole(path, 2.0)
    assert path.read_bytes() == data
    assert os.listdir(path.parent) == [path.name]


@pytest.mark.skipif(os.name != "posix", reason="rights and links of POSIX")
def test_rights_and_links_stay(path):
    whole(path)
    path.chmod(0o640)
    link = path.with_stem("link")
    link.symlink_to(path)
    whole(link, 2.0)
    assert link.is_symlink()
    assert path.stat().st_mode & 0o777 == 0o640
    assert load(path, backend="numpy").extra["marker"] == 2.0


def test_a_saved_value_pickles_and_says_what_it_holds(path):
    whole(path)
    saved = load(path, backend="numpy")
    assert_same(pickle.loads(pickle.dumps(saved)).w, saved.w)
    assert re.match(r"Saved\(network, w, optimizer, state, extra; by xpnet .* on numpy with", repr(saved))
