"""The backend selector."""

from __future__ import annotations

import copy
import dataclasses
import logging
import pickle
import sys
import types

import numpy as np
import pytest

import xpnet
from xpnet import BackendError
from xpnet.device.select import backends


class CUDARuntimeError(Exception):
    pass


def fake_cupy(monkeypatch, count, current=0):
    """A CuPy that finds `count` devices, or whose driver is missing."""
    cupy = types.ModuleType("cupy")

    def devices():
        if count is None:
            raise CUDARuntimeError("cudaErrorInsufficientDriver")
        if count == 0:
            raise CUDARuntimeError("cudaErrorNoDevice")
        return count

    runtime = types.SimpleNamespace(
        getDeviceCount=devices,
        getDevice=lambda: current,
        CUDARuntimeError=CUDARuntimeError,
        getDeviceProperties=lambda number: {"name": b"fake"},
    )
    cupy.__version__ = "0"
    cupy.cuda = types.SimpleNamespace(
        runtime=runtime, Device=lambda number: types.SimpleNamespace(id=number)
    )
    compat = types.ModuleType("array_api_compat.cupy")
    monkeypatch.setitem(sys.modules, "cupy", cupy)
    monkeypatch.setitem(sys.modules, "array_api_compat.cupy", compat)
    monkeypatch.setattr("array_api_compat.cupy", compat, raising=False)


@pytest.fixture
def no_cupy(monkeypatch):
    monkeypatch.setitem(sys.modules, "cupy", None)  # an import of it fails


def test_argument_before_environment_before_auto(monkeypatch, no_cupy):
    monkeypatch.setenv("XPNET_BACKEND", "cupy")
    assert xpnet.backend("numpy").name == "numpy"
    with pytest.raises(BackendError, match=r"needs CuPy.*pip install '\.\[cuda13\]'.* checkout"):
        xpnet.backend()
    monkeypatch.setenv("XPNET_BACKEND", "numpy")  # read at each call
    assert xpnet.backend().name == "numpy"
    monkeypatch.setenv("XPNET_BACKEND", "auto")
    assert xpnet.backend().name == "numpy"
    monkeypatch.delenv("XPNET_BACKEND")
    assert xpnet.backend().name == "numpy"


def test_auto_takes_a_device_where_there_is_one(monkeypatch):
    fake_cupy(monkeypatch, 2)
    chosen = xpnet.backend("auto")
    assert (chosen.name, chosen.device.id) == ("cupy", 0)
    assert xpnet.backend("cupy:1").device.id == 1


@pytest.mark.parametrize("count", [None, 0])
def test_auto_goes_on_without_a_device(monkeypatch, count):
    fake_cupy(monkeypatch, count)
    assert xpnet.backend("auto").name == "numpy"
    with pytest.raises(BackendError, match="nvidia-smi"):
        xpnet.backend("cupy")


def test_auto_says_once_what_it_chose(monkeypatch, no_cupy, caplog):
    from xpnet.device.select import _said_automatic

    _said_automatic.cache_clear()
    with caplog.at_level(logging.INFO, "xpnet"):
        xpnet.backend("auto")
        xpnet.backend("auto")
    assert [record.getMessage()[:26] for record in caplog.records] == ["backend 'auto' chose numpy"]


def test_backends_are_all_there_are(monkeypatch):
    fake_cupy(monkeypatch, 2)
    assert [getattr(place.device, "id", place.name) for place in backends()] == ["numpy", 0, 1]
    fake_cupy(monkeypatch, None)
    assert [place.name for place in backends()] == ["numpy"]


def test_the_current_device_unless_another_is_named(monkeypatch):
    fake_cupy(monkeypatch, 3, current=1)
    assert xpnet.backend("auto").device.id == 1
    assert xpnet.backend("cupy").device.id == 1
    assert xpnet.backend("cupy:0").device.id == 0
    for name in ("auto", "cupy", "cupy:2"):
        assert xpnet.backend(name, device=2).device.id == 2
    monkeypatch.setenv("XPNET_BACKEND", "cupy:0")
    assert xpnet.backend().device.id == 0
    assert xpnet.backend(device=2).device.id == 2
    chosen = xpnet.backend()
    assert xpnet.backend(chosen, device=0) is chosen


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        (("cupy:2",), BackendError, "no CUDA device 2: this machine has 2"),
        (("cupy", 2), BackendError, "no CUDA device 2: this machine has 2"),
        (("cupy:0", 1), BackendError, "name='cupy:0' and device=1 are two devices; give one of them"),
        (("numpy", 0), BackendError, "device=0 is the number of a CUDA device; name='numpy' has none"),
        (("cupy", -1), ValueError, "device must be at least 0, got -1"),
        (("cupy", "1"), TypeError, "device must be an integer, got '1'"),
    ],
)
def test_a_device_that_is_not_there(monkeypatch, arguments, error, message):
    fake_cupy(monkeypatch, 2)
    with pytest.raises(error, match=message):
        xpnet.backend(*arguments)
    with pytest.raises(BackendError, match="device=1, but name is a backend on"):
        xpnet.backend(xpnet.backend("cupy:0"), device=1)


def test_a_device_is_asked_for_where_there_is_none(monkeypatch, no_cupy):
    with pytest.raises(BackendError, match="needs CuPy"):
        xpnet.backend("auto", device=0)  # not NumPy instead


@pytest.mark.parametrize("name", ["numpi", "coupy", "torch", "cupy:x", "cupy:", "numpy:0", ""])
def test_unknown_names(name, monkeypatch):
    if not name:
        monkeypatch.setenv("XPNET_BACKEND", "gpu")
    with pytest.raises(BackendError, match="XPNET_BACKEND='gpu'" if not name else f"name='{name}'"):
        xpnet.backend(name or None)


def test_close_names_are_suggested():
    with pytest.raises(BackendError, match="did you mean 'numpy'"):
        xpnet.backend("numpi")
    with pytest.raises(BackendError, match="must be a string"):
        xpnet.backend(3)


def test_a_backend_is_frozen(numpy_backend):
    with pytest.raises(dataclasses.FrozenInstanceError):
        numpy_backend.name = "cupy"
    assert xpnet.backend(numpy_backend) is numpy_backend
    assert numpy_backend.device == "cpu"
    assert "numpy" in numpy_backend.describe()
    numpy_backend.synchronize()


def test_round_trip(backend):
    values = np.arange(6, dtype=np.float32).reshape(2, 3)
    array = backend.asarray(values)
    assert backend.owns(array)
    np.testing.assert_array_equal(backend.to_numpy(array), values)
    assert backend.asarray(array) is array or backend.owns(backend.asarray(array))
    assert backend.asarray([[1, 2], [3, 4]], "float32").dtype == backend.xp.float32


def test_numpy_data_is_not_copied(numpy_backend):
    values = np.ones(3, np.float32)
    assert np.shares_memory(numpy_backend.asarray(values, "float32"), values)
    assert numpy_backend.asarray(values, "float64").dtype == np.float64


class OnlyDLPack:
    def __init__(self, values):
        self.values = values

    def __dlpack__(self, **options):
        return self.values.__dlpack__(**options)

    def __dlpack_device__(self):
        return self.values.__dlpack_device__()


class OnlyArray:
    def __array__(self, dtype=None, copy=None):
        return np.ones(3, dtype)


def test_what_offers_an_interface_is_taken(backend):
    for values in (OnlyDLPack(np.ones(3)), OnlyArray(), [1, 1, 1], (1.0, 1.0, 1.0)):
        assert backend.to_numpy(backend.asarray(values, "float32")).tolist() == [1, 1, 1]


def test_torch_tensors_are_taken(backend, torch):
    assert backend.to_numpy(backend.asarray(torch.ones(3), "float32")).tolist() == [1, 1, 1]


@pytest.mark.parametrize(
    ("values", "kind"),
    [
        (np.array(["a"]), "strings"),
        (np.array([None]), "objects"),
        (np.array([1j]), "complex"),
        (["a", "b"], "strings"),
        ([[1], [2, 3]], "cannot be made"),
        (object(), "objects"),
    ],
)
def test_what_is_no_number_is_refused_by_name(backend, values, kind):
    with pytest.raises(TypeError, match=f"targets .*{kind}"):
        backend.asarray(values, name="targets")


def test_backends_are_values(backend):
    twins = [pickle.loads(pickle.dumps(backend)), copy.copy(backend), copy.deepcopy(backend)]
    for twin in twins:
        assert twin == backend
        assert hash(twin) == hash(backend)
        assert twin.xp is backend.xp
        assert twin.device == backend.device
        assert twin.owns(backend.asarray([1.0, 2.0]))
    assert len({backend, *twins}) == 1
    assert backend != "numpy"
    assert copy.deepcopy({"place": [backend]}) == {"place": [backend]}


def test_backends_are_pickled_by_name(monkeypatch):
    fake_cupy(monkeypatch, 2)
    places = [xpnet.backend("numpy", kernels="numpy"), xpnet.backend("cupy:0"), xpnet.backend("cupy:1")]
    names = [("numpy", "numpy"), ("cupy:0", "cuda"), ("cupy:1", "cuda")]
    assert [place.__reduce__()[1] for place in places] == names
    assert len(set(places)) == 3
    again = pickle.loads(pickle.dumps(places))
    assert again == places
    assert [getattr(place.device, "id", None) for place in again] == [None, 0, 1]
    assert xpnet.backend("cupy:1") == places[2]
    text = pickle.dumps(places[2])
    monkeypatch.setitem(sys.modules, "cupy", None)
    with pytest.raises(BackendError, match="needs CuPy"):
        pickle.loads(text)
