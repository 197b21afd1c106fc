"""Sums by NCCL, for which something stands in here: no test has had several CUDA devices.

The stand-in adds up what lies at the addresses that it is given, which are of the host. So what is asked of
NCCL is tested, in which order and for which memory; NCCL itself is not.
"""

import contextlib
import ctypes
import logging
import sys
import types

import numpy as np
import pytest
from ranks import Aborted, together

KINDS = {7: np.float32, 8: np.float64}


class StandIn(types.ModuleType):
    """CuPy's module of NCCL."""

    NCCL_FLOAT32, NCCL_FLOAT64, NCCL_SUM = 7, 8, 0
    available = True

    def __init__(self, devices):
        super().__init__("cupy.cuda.nccl")
        self.devices, self.engines, self.calls = devices, {}, []

    def get_unique_id(self):
        return (1, 2, 3)

    def groupStart(self):
        self.calls.append("start")

    def groupEnd(self):
        self.calls.append("end")

    def NcclCommunicator(self, size, key, rank):
        assert key == (1, 2, 3)
        engine = self.engines[rank]
        assert engine.size == size

        def allReduce(given, came, count, kind, operation, stream):
            assert (operation, stream) == (self.NCCL_SUM, 77)
            self.calls.append(("sum", count, kind))
            numbers = np.ctypeslib.as_ctypes_type(KINDS[kind]) * count
            own = np.ctypeslib.as_array(numbers.from_address(given)).copy()
            total = np.sum(engine.room.pass_round(rank, own), axis=0)
            np.ctypeslib.as_array(numbers.from_address(came))[...] = total

        return types.SimpleNamespace(allReduce=allReduce)


class OnDevice:
    """An array that has an address."""

    def __init__(self, values):
        self.values = np.array(values)
        self.dtype, self.size, self.shape = self.values.dtype, self.values.size, self.values.shape
        self.data = types.SimpleNamespace(ptr=self.values.ctypes.data_as(ctypes.c_void_p).value)


class Device(contextlib.nullcontext):
    def __init__(self, number):
        super().__init__()
        self.id = number


@pytest.fixture
def stand_in(monkeypatch):
    nccl = StandIn(devices=[0, 1, 2])
    stream = types.SimpleNamespace(ptr=77)
    cuda = types.SimpleNamespace(get_current_stream=lambda: stream)
    runtime = types.SimpleNamespace(getDeviceProperties=lambda number: {"pciBusID": nccl.devices[number]})
    for name, module in (("cupy.cuda", cuda), ("cupy.cuda.nccl", nccl), ("cupy.cuda.runtime", runtime)):
        monkeypatch.setitem(sys.modules, name, module)
    return nccl


class OnCuPy:
    """What of a backend is asked."""

    name, asarray = "cupy", OnDevice

    def __init__(self, rank):
        self.device = Device(rank)

    def to_numpy(self, array):
        return array.values


def evaluation(rank):
    return [OnDevice(np.float64(rank + 0.5)), OnDevice(np.arange(5, dtype=np.float32) + rank)]


PLACES = (((), np.dtype(np.float64)), ((5,), np.dtype(np.float32)))


def work_of(stand_in, fails=None):
    def work(shared):
        own = OnCuPy(shared.rank)
        stand_in.engines[shared.rank] = shared.engine

        def evaluate():
            if shared.rank == fails:
                raise LookupError("lost it")
            return evaluation(shared.rank)

        found = [shared.sum(own, evaluate, PLACES) for _ in range(2)]
        return [[array.values for array in arrays] for arrays in found]

    return work


def test_sums_are_made_on_the_devices(stand_in, caplog):
    with caplog.at_level(logging.INFO, "xpnet"):
        results = together(3, work_of(stand_in))
    assert "sums of 3 devices are made by NCCL" in caplog.text
    for (value, gradient), (again, _) in results:
        assert value == again == 4.5
        np.testing.assert_array_equal(gradient, 3 * np.arange(5) + 3)
    sums = [call for call in stand_in.calls if isinstance(call, tuple)]
    assert len(sums) == 3 * 2 * 2  # of each rank two evaluations of two arrays
    assert stand_in.calls.count("start") == stand_in.calls.count("end") == 3 * 2
    assert {*sums} == {("sum", 1, 8), ("sum", 5, 7)}


def test_processes_that_share_a_device_go_through_the_host(stand_in, caplog):
    stand_in.devices = [0, 0, 1]
    with caplog.at_level(logging.WARNING, "xpnet"):
        results = together(3, work_of(stand_in))
    assert "through the host: several processes have one device" in caplog.text
    assert not stand_in.calls
    for (value, gradient), _ in results:
        assert value == 4.5
        np.testing.assert_array_equal(gradient, 3 * np.arange(5) + 3)


def test_without_nccl_sums_go_through_the_host(stand_in, monkeypatch, caplog):
    monkeypatch.setattr(stand_in, "available", False)
    with caplog.at_level(logging.WARNING, "xpnet"):
        results = together(2, work_of(stand_in))
    assert caplog.text.count("through the host: CuPy finds no NCCL on rank 0") == 2  # here of both
    assert results[0][0][0] == 2.0


def test_a_failure_ends_all(stand_in, capsys):
    results = together(3, work_of(stand_in, fails=1))
    assert all(isinstance(result, Aborted) for result in results)
    assert "xpnet: rank 1 of 3: LookupError: lost it; all 3 end" in capsys.readouterr().err


def test_interrupts_and_the_clock_are_agreed_on_at_looks(stand_in):
    def work(shared):
        work_of(stand_in)(shared)
        before = shared.clock()
        shared.look()
        assert shared.clock() > before
        shared.interrupts.noted = shared.rank == 1
        with pytest.raises(KeyboardInterrupt):
            shared.look()
        shared.look()
        return shared.clock()

    times = together(3, work)
    assert len({*times}) == 1
