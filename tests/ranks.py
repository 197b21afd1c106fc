"""Processes that are threads of this one, so that what they exchange can be counted."""

import copy
import pickle
import threading
from itertools import pairwise

import numpy as np

from xpnet.distributed.base import Engine
from xpnet.distributed.ranks import Ranks


class Aborted(BaseException):
    """All have been ended by one."""


class Room:
    """What the threads have in common."""

    def __init__(self, size):
        self.barrier = threading.Barrier(size, timeout=20)
        self.slots = [None] * size

    def pass_round(self, rank, value):
        """What each has given."""
        try:
            self.barrier.wait()
            self.slots[rank] = value
            self.barrier.wait()
            found = list(self.slots)
            self.barrier.wait()
        except threading.BrokenBarrierError as error:
            raise Aborted from error
        return found


class ThreadEngine(Engine):
    """An engine among threads; `log` has each exchange, with the bytes that leave this rank for others."""

    def __init__(self, room, rank, size):
        self.room, self.rank, self.size, self.log = room, rank, size, []
        self.aborted = False

    def exchange(self, given, sizes, came, own):
        assert sum(sizes) == given.nbytes
        assert came.nbytes == own * self.size
        assert own == sizes[self.rank]
        self.log.append(("exchange", given.nbytes - own))
        ends = [0, *np.cumsum(sizes).tolist()]
        parts = [given[a:b].copy() for a, b in pairwise(ends)]
        found = self.room.pass_round(self.rank, parts)
        came[...] = np.concatenate([parts[self.rank] for parts in found])

    def collect(self, given, came, sizes):
        assert given.nbytes == sizes[self.rank]
        assert came.nbytes == sum(sizes)
        self.log.append(("collect", given.nbytes))
        came[...] = np.concatenate(self.room.pass_round(self.rank, given.copy()))

    def spread(self, buffer):
        self.log.append(("spread", buffer.nbytes))
        buffer[...] = self.room.pass_round(self.rank, buffer.copy())[0]

    def share(self, value):
        text = pickle.dumps(value)
        self.log.append(("share", len(text)))
        return [pickle.loads(own) for own in self.room.pass_round(self.rank, text)]

    def abort(self):
        self.aborted = True
        self.room.barrier.abort()
        raise Aborted


def together(size, work):
    """What `work(communicator)` returns for each rank, or the exception that it raises."""
    room, results = Room(size), [None] * size

    def run(rank):
        communicator = Ranks(ThreadEngine(room, rank, size))
        try:
            results[rank] = work(communicator)
        except BaseException as error:
            results[rank] = error
            if not getattr(error, "in_all_processes", False) and not isinstance(error, KeyboardInterrupt):
                room.barrier.abort()

    threads = [threading.Thread(target=run, args=(rank,), daemon=True) for rank in range(size)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert not any(thread.is_alive() for thread in threads)
    return results


def succeeded(size, work):
    """The same, where none may fail."""
    found = together(size, work)
    for result in found:
        if isinstance(result, BaseException):
            raise copy.copy(result) from result
    return found
