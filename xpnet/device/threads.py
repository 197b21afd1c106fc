"""Threads over parts of a computation: one pool of helpers for the whole process, and readers ahead.

All are daemons that sleep while there is nothing to do, and end with the process. Where no thread can be
started, because the system has none left or the interpreter is about to end, the calling thread works.
"""

from __future__ import annotations

import itertools
import os
import sys
import threading
import weakref
from collections.abc import Callable, Iterator, Sequence
from queue import SimpleQueue
from typing import Any, TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")


def run_all(tasks: Sequence[Callable[[], Result]], threads: int) -> list[Result]:
    """The results of `tasks`, in their order, from at most `threads` threads, this one among them.

    After an error no further task is begun; the error is raised once the running ones have ended. A task
    may have tasks of its own: its thread does them alone, as the others have work already.
    """
    helpers = min(threads, len(tasks)) - 1
    if helpers < 1 or _pool.busy():
        return [task() for task in tasks]
    job = _Job(tasks)
    try:
        try:
            _pool.call(job, helpers)
            job.work()
        finally:
            job.end()
    finally:
        job.end()  # again, as an interrupt may come where the first begins
    if job.errors:
        raise job.errors.pop(0)
    return job.results


def summon(errand: Callable[[], None]) -> None:
    """Has a helper make a call, as soon as one is free. It must not raise."""
    _pool.send(_Errand(errand))


class _Errand:
    """A call that nobody waits for."""

    closed = True

    def __init__(self, errand: Callable[[], None]) -> None:
        self.errand = errand

    def help(self, seat: Any) -> None:
        self.errand()


class _Job:
    """The tasks of one `run_all`.

    A helper sits on a seat, a lock, while it works. Nobody counts who has come and who has gone: the job
    has ended when it is closed and each seat has been free since, so no interrupt makes a count wrong.
    """

    def __init__(self, tasks: Sequence[Callable[[], Any]]) -> None:
        self.tasks, self.results = tasks, list[Any]([None] * len(tasks))
        self.numbers: Iterator[int] = itertools.count()
        self.seats: list[Any] = []
        self.closed = False
        self.errors: list[BaseException] = []

    def work(self) -> None:
        try:
            while (number := next(self.numbers)) < len(self.tasks):
                self.results[number] = self.tasks[number]()
        except BaseException:
            self.numbers = itertools.count(len(self.tasks))  # nothing left to begin
            raise

    def help(self, seat: Any) -> None:
        with seat:
            if not self.closed:  # who comes now is too late, and was not waited for
                try:
                    self.work()
                except BaseException as error:
                    self.errors.append(error)

    def end(self) -> None:
        """Waits for the helpers that are at work, through whatever interrupts that."""
        interrupt = None
        self.closed = True
        for seat in self.seats:
            while True:
                try:
                    with seat:
                        break
                except BaseException as error:
                    interrupt = error
        if interrupt is not None:
            raise interrupt


class _Pool:
    """The helpers of this process; as many as the largest call has asked for."""

    def __init__(self) -> None:
        self.lock = threading.RLock()
        self.helpers: list[threading.Thread] = []
        self.calls: SimpleQueue[tuple[_Job | _Errand, Any]] = SimpleQueue()
        self.jobs: dict[int, weakref.ref[_Job | _Errand]] = {}  # the last of each thread

    def busy(self) -> bool:
        """Whether this thread works on a job now."""
        last = self.jobs.get(threading.get_ident())
        job = last and last()
        return job is not None and not job.closed

    def call(self, job: _Job, helpers: int) -> None:
        """Asks helpers to come; the job belongs to this thread."""
        self.jobs[threading.get_ident()] = weakref.ref(job)
        if len(self.helpers) < helpers:
            self._grow(helpers)
        job.seats = [threading.RLock() for _ in self.helpers[:helpers]]
        for seat in job.seats:
            self.calls.put((job, seat))

    def send(self, errand: _Errand) -> None:
        if not self.helpers:
            self._grow(1)
        self.calls.put((errand, None))

    def _grow(self, helpers: int) -> None:
        with self.lock:
            self.helpers = [thread for thread in self.helpers if thread.is_alive()]
            while len(self.helpers) < helpers:
                thread = _daemon(self._serve, f"xpnet-{len(self.helpers)}")
                self.helpers.append(thread)  # before an interrupt can come
                if not _starts(thread):
                    self.helpers.remove(thread)
                    return

    def _serve(self) -> None:
        while True:
            job, seat = self.calls.get()
            self.jobs[threading.get_ident()] = weakref.ref(job)
            job.help(seat)
            del job, seat  # nothing is kept alive until the next call


def _daemon(work: Callable[[], None], name: str) -> threading.Thread:
    return threading.Thread(target=work, name=name, daemon=True)


def _starts(thread: threading.Thread) -> bool:
    """Starts `thread`; False where no more can be started."""
    try:
        thread.start()
    except RuntimeError:
        return False
    return True


_pool = _Pool()


def _forked() -> None:
    """In a forked child: the helpers have not come along, so neither has what they were at work on."""
    global _pool
    before, _pool = _pool, _Pool()
    for last in before.jobs.values():
        job = last()
        if isinstance(job, _Job) and not job.closed and job.seats:
            job.seats = []
            job.errors.append(RuntimeError("a task forked, and its child cannot end what it was part of"))


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forked)


def ahead(read: Callable[[Item], Result], items: Sequence[Item]) -> Iterator[Result]:
    """`read(item)` for one item after the other, the next by a thread while one is used.

    The thread belongs to this iterator alone, so that threads which iterate do not wait for each other, and
    ends with it.
    """
    wanted: SimpleQueue[tuple[Item] | None] = SimpleQueue()
    came: SimpleQueue[tuple[Result] | BaseException] = SimpleQueue()

    def serve() -> None:
        while (item := wanted.get()) is not None:
            try:
                came.put((read(*item),))
            except BaseException as error:
                came.put(error)

    def result() -> Result:
        got = came.get()
        if isinstance(got, BaseException):
            try:
                raise got
            finally:
                del got  # which has this frame in its traceback
        return got[0]

    reader = _daemon(serve, "xpnet-reader")
    if len(items) < 2 or not _starts(reader):
        yield from map(read, items)
        return
    try:
        wanted.put((items[0],))
        for item in items[1:]:
            ready = result()
            wanted.put((item,))
            yield ready
            del ready  # before the next is waited for
        yield result()
    finally:
        wanted.put(None)
        if not sys.is_finalizing():  # then it stands still
            reader.join()
