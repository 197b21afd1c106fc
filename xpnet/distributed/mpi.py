"""MPI by mpi4py: the engine, and what a process of several sees to once, as it joins the others."""

from __future__ import annotations

import atexit
import functools
import importlib
import logging
import os
import sys
from collections.abc import Sequence
from types import TracebackType
from typing import Any

from .. import checks
from ..device.machine import available
from .base import ALONE, Communicator, Engine
from .leaving import Leaving, end_all
from .ranks import Ranks

logger = logging.getLogger("xpnet")


class MPIEngine(Engine):
    """A copy of an MPI communicator, so that no other messages are in its way."""

    def __init__(self, comm: Any) -> None:
        self._within = _joined().within
        self.comm = comm.Dup()
        self.rank, self.size = int(comm.Get_rank()), int(comm.Get_size())
        self._byte = _library().BYTE

    def exchange(self, given: Any, sizes: Sequence[int], came: Any, own: int) -> None:
        parts = [own] * self.size
        self._within(
            self.comm.Alltoallv, [given, (sizes, None), self._byte], [came, (parts, None), self._byte]
        )

    def collect(self, given: Any, came: Any, sizes: Sequence[int]) -> None:
        self._within(self.comm.Allgatherv, [given, self._byte], [came, (sizes, None), self._byte])

    def spread(self, buffer: Any) -> None:
        self._within(self.comm.Bcast, [buffer, self._byte])

    def share(self, value: Any) -> list[Any]:
        return self._within(self.comm.allgather, value)

    def abort(self) -> None:
        end_all(self.comm)


class World(Ranks):
    """All processes that `mpiexec` has started; it pickles as whatever is the world where it is read."""

    def __reduce__(self) -> str | tuple[Any, ...]:
        return world, ()

    def __repr__(self) -> str:
        return "communicator('mpi')"


@functools.cache
def world() -> Communicator:
    """The world; `ALONE` if that is this process.

    Raises:
        ImportError: mpi4py, or the MPI that it needs, is missing.
    """
    comm = _library().COMM_WORLD
    return World(MPIEngine(comm)) if comm.Get_size() > 1 else ALONE


def of(comm: Any) -> Communicator:
    """The processes of an MPI communicator of mpi4py.

    Raises:
        TypeError: it is none.
        ImportError: as `world`.
    """
    library = _library()
    checks.instance("communicator", comm, library.Intracomm, "'mpi', 'self' or an MPI.Intracomm")
    if library.Comm.Compare(comm, library.COMM_WORLD) <= library.CONGRUENT:
        return world()
    return Ranks(MPIEngine(comm)) if comm.Get_size() > 1 else ALONE


def _library() -> Any:
    try:
        return importlib.import_module("mpi4py.MPI")
    except (ImportError, RuntimeError) as error:  # the second where there is no MPI
        raise ImportError(
            f"many processes need mpi4py and an MPI, which cannot be loaded ({error}): "
            f"{checks.installing('mpi')}"
        ) from error


@functools.cache
def _joined() -> Leaving:
    """Makes this process one of several, once: one that fails or leaves ends all, and one logs."""
    library = _library()
    comm = library.COMM_WORLD
    rank, size = int(comm.Get_rank()), int(comm.Get_size())
    machine = comm.Split_type(library.COMM_TYPE_SHARED)
    here, threads = int(machine.Get_size()), available()
    if here > 1 and not os.environ.get("XPNET_THREADS"):
        processors = set[int]().union(*machine.allgather(_processors()))
        threads = max(1, len(processors) // here)
        os.environ["XPNET_THREADS"] = str(threads)
    machine.Free()
    shown = sys.excepthook

    def ends_all(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
        shown(kind, error, trace)
        sentence = f"xpnet: rank {rank} of {size}: {kind.__name__}: {error}; all {size} end"
        print(sentence, file=sys.stderr, flush=True)
        end_all(comm)

    sys.excepthook = ends_all
    if rank:
        logger.addFilter(_own)
    name = library.get_vendor()[0]
    logger.info("%d processes by %s, %d here, with %d threads each", size, name, here, threads)
    leaving = Leaving(comm)
    atexit.register(leaving.leave)  # before that of MPI
    return leaving


def _own(record: logging.LogRecord) -> bool:
    """Whether a message tells of this process alone; what all know rank 0 says."""
    return record.module == "retry"


def _processors() -> set[int]:
    try:
        return os.sched_getaffinity(0)
    except AttributeError:  # not on this system
        return set(range(os.cpu_count() or 1))
