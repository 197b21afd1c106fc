"""Which processes an argument or the environment names."""

import copy
import importlib.util
import logging
import pickle

import pytest

from xpnet.distributed import ALONE, communicator, select


@pytest.fixture(autouse=True)
def plain(monkeypatch):
    for names in select.STARTED:
        for name in names:
            monkeypatch.delenv(name, raising=False)
    monkeypatch.delenv("XPNET_DISTRIBUTED", raising=False)
    select._say_alone.cache_clear()
    yield
    select._say_alone.cache_clear()


def test_a_process_is_alone_unless_it_is_told(monkeypatch):
    assert communicator() is ALONE
    assert communicator("self") is communicator(ALONE) is ALONE
    monkeypatch.setenv("XPNET_DISTRIBUTED", " Self ")
    assert communicator() is ALONE


@pytest.mark.parametrize(("size", "rank"), select.STARTED)
def test_under_a_launcher_the_log_says_so_once(size, rank, monkeypatch, caplog):
    monkeypatch.setenv(size, "4")
    monkeypatch.setenv(rank, "0")
    with caplog.at_level(logging.WARNING, "xpnet"):
        assert communicator() is communicator() is ALONE
    (record,) = caplog.records
    assert "one of 4 processes, which train each alone" in record.getMessage()


def test_other_processes_say_nothing(monkeypatch, caplog):
    monkeypatch.setenv("PMI_SIZE", "4")
    monkeypatch.setenv("PMI_RANK", "3")
    communicator()
    assert not caplog.records


@pytest.mark.parametrize("wrong", ["MPI", "world", ""])
def test_other_words_are_refused(wrong):
    with pytest.raises(ValueError, match="unknown communicator"):
        communicator(wrong)


def test_another_word_in_the_environment_is_refused(monkeypatch):
    monkeypatch.setenv("XPNET_DISTRIBUTED", "mpl")
    with pytest.raises(ValueError, match="unknown XPNET_DISTRIBUTED 'mpl'; did you mean 'mpi'"):
        communicator()


@pytest.mark.parametrize("wrong", [1, 2.0, b"mpi", ["mpi"], object()])
def test_other_kinds_are_refused(wrong):
    with pytest.raises(TypeError, match="communicator must be 'mpi', 'self'"):
        communicator(wrong)


@pytest.mark.skipif(importlib.util.find_spec("mpi4py") is not None, reason="mpi4py is installed")
def test_without_mpi_it_says_what_to_install():
    with pytest.raises(ImportError, match=r"many processes need mpi4py .*\.\[mpi\]"):
        communicator("mpi")


def test_one_process_is_equal_to_its_copies():
    for same in (copy.copy(ALONE), copy.deepcopy(ALONE), pickle.loads(pickle.dumps(ALONE))):
        assert same == ALONE
        assert hash(same) == hash(ALONE)
    assert repr(ALONE) == "communicator('self')"
