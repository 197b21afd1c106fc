"""A process of several that ends, while others may wait for it: these are told, and end too."""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Callable
from typing import Any

EVERY = 1.0  # seconds between looks at an exchange that lasts
NAP = 0.01  # seconds between looks for the others, once this process has nothing left to do
READING = 0.3  # seconds that `mpiexec` is given to read what has been written


def end_all(comm: Any) -> None:
    """Ends all processes, once what has been written may have been read: `mpiexec` drops the rest."""
    sys.stdout.flush()
    sys.stderr.flush()
    time.sleep(READING)
    comm.Abort(1)


class Leaving:
    """Who has left; and a thread that looks whether an exchange waits for one of them.

    A process that ends says so to all others, and waits, asleep, until they have ended as well.

    Attributes:
        turn: counts beginnings and ends of exchanges: it is odd within one.
    """

    def __init__(self, comm: Any) -> None:
        self.comm, self._process = comm.Dup(), os.getpid()
        self.turn = 0
        self._left: set[int] = set()
        self._gone = threading.Lock()
        threading.Thread(target=self._watch, name="xpnet-leaving", daemon=True).start()

    def within(self, exchange: Callable[..., Any], *arguments: Any) -> Any:
        """`exchange(*arguments)`, under watch."""
        self.turn += 1
        try:
            return exchange(*arguments)
        finally:
            self.turn += 1

    def leave(self) -> None:
        """Tells the others, and waits for them."""
        if os.getpid() != self._process:  # a forked child
            return
        own, size = int(self.comm.Get_rank()), int(self.comm.Get_size())
        self._gone.acquire()  # the watch is over
        told = [self.comm.isend(own, rank) for rank in range(size) if rank != own]
        while len(self._left) < size - 1:
            self._look()
            time.sleep(NAP)
        for request in told:
            request.wait()

    def _look(self) -> None:
        """Takes note of those that have said that they leave."""
        while self.comm.Iprobe():
            self._left.add(self.comm.recv())

    def _watch(self) -> None:
        seen = 0
        while True:
            time.sleep(EVERY)
            if not self._gone.acquire(blocking=False):
                return
            before, seen = seen, self.turn
            if seen % 2 and seen == before:
                self._look()
                if self._left:
                    rank, size = min(self._left), self.comm.Get_size()
                    sentence = f"xpnet: rank {rank} of {size} has ended, and others wait for it; all end"
                    print(sentence, file=sys.stderr, flush=True)
                    end_all(self.comm)
            self._gone.release()
