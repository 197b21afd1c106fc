"""Threads over parts of a computation, with the host's BLAS held to one thread meanwhile."""

from __future__ import annotations

import functools
import itertools
import os
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, ClassVar, TypeVar

Result = TypeVar("Result")


def available() -> int:
    """The number of processors that this process may use."""
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:  # not on this system
        return os.cpu_count() or 1


def run_all(tasks: Sequence[Callable[[], Result]], threads: int) -> list[Result]:
    """The results of `tasks`, in their order, from at most `threads` threads, this one among them.

    After an error no further task is begun; the error is raised once the running ones have ended.
    """
    if threads == 1 or len(tasks) == 1:
        return [task() for task in tasks]
    results: list[Any] = [None] * len(tasks)
    numbers, stop = itertools.count(), threading.Event()

    def work() -> None:
        try:
            while not stop.is_set() and (number := next(numbers)) < len(tasks):
                results[number] = tasks[number]()
        except BaseException:
            stop.set()
            raise

    helpers = min(threads, len(tasks)) - 1
    pool = _pool(helpers, os.getpid())
    futures: list[Future[None]] = [pool.submit(work) for _ in range(helpers)]
    try:
        work()
    finally:
        stop.set()
        errors = [future.exception() for future in futures if not future.cancel()]
    for error in errors:
        if error is not None:
            raise error
    return results


@functools.cache
def _pool(threads: int, process: int) -> ThreadPoolExecutor:
    """The helpers of this process, kept for the next call; a forked child gets its own."""
    return ThreadPoolExecutor(threads, thread_name_prefix="xpnet")


class hold_blas:
    """A context in which the host's BLAS uses one thread; on exit it gets its threads back.

    The number is a setting of the whole process, so contexts that overlap in time share one hold:
    the first to enter takes it, the last to leave gives it back.
    """

    _lock = threading.Lock()
    _holders = 0
    _previous: ClassVar[list[int]] = []

    def __enter__(self) -> None:
        with hold_blas._lock:
            if hold_blas._holders == 0:
                libraries = _blas_libraries()
                hold_blas._previous = [library.get_num_threads() for library in libraries]
                for library in libraries:
                    library.set_num_threads(1)
            hold_blas._holders += 1

    def __exit__(self, *_: object) -> None:
        with hold_blas._lock:
            hold_blas._holders -= 1
            if hold_blas._holders == 0:
                for library, number in zip(_blas_libraries(), hold_blas._previous, strict=True):
                    # threadpoolctl lets one thread only set OpenBLAS's number until it lets go
                    let_go = getattr(library, "clear_controlling_thread", None)
                    library.set_num_threads(number)
                    if let_go and library.get_num_threads() != number:  # another thread took the hold
                        let_go(force=True)
                        library.set_num_threads(number)
                    if let_go:
                        let_go()


@functools.cache
def _blas_libraries() -> list[Any]:
    from threadpoolctl import ThreadpoolController

    return ThreadpoolController().select(user_api="blas").lib_controllers
