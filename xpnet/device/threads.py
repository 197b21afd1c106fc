"""Threads over parts of a computation."""

from __future__ import annotations

import functools
import itertools
import os
import threading
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
    if threads == 1 or len(tasks) == 1 or threading.get_ident() in _at_work:
        return [task() for task in tasks]
    results: list[Any] = [None] * len(tasks)
    numbers = itertools.count()

    def work() -> None:
        nonlocal numbers
        _at_work.add(threading.get_ident())
        try:
            while (number := next(numbers)) < len(tasks):
                results[number] = tasks[number]()
        except BaseException:
            numbers = itertools.count(len(tasks))  # nothing left to begin
            raise
        finally:
            _at_work.discard(threading.get_ident())

    helpers = min(threads, len(tasks)) - 1
    queue, ended = _helpers(helpers, os.getpid()), SimpleQueue[BaseException | None]()
    places = threading.Semaphore(helpers)  # one for each helper that has not come yet
    for _ in range(helpers):
        queue.put((work, places, ended))
    try:
        work()
    finally:
        while places.acquire(blocking=False):  # who comes now is too late, and is not waited for
            helpers -= 1
        errors = [ended.get() for _ in range(helpers)]
    for error in errors:
        if error is not None:
            raise error
    return results


_at_work: set[int] = set()  # the threads that are working on the tasks of a `run_all`


def ahead(read: Callable[[Item], Result], items: Sequence[Item]) -> Iterator[Result]:
    """`read(item)` for one item after the other, the next by a thread while one is used.

    The thread belongs to this iterator alone, so that threads which iterate do not wait for each other.
    """
    from concurrent.futures import ThreadPoolExecutor  # not needed by most, and slow to import

    with ThreadPoolExecutor(1, "xpnet-reader") as reader:
        coming = reader.submit(read, items[0])
        for item in items[1:]:
            ready = coming.result()
            coming = reader.submit(read, item)
            yield ready
            del ready  # before the next is waited for
        yield coming.result()


@functools.cache
def _helpers(threads: int, process: int) -> SimpleQueue[Any]:
    """A queue of work for this many threads of this process; a forked child gets its own.

    They are kept for the next call, and cost less to wake than those of `concurrent.futures`.
    """
    queue: SimpleQueue[Any] = SimpleQueue()

    def serve() -> None:
        while True:
            work, places, ended = queue.get()
            error = None
            if places.acquire(blocking=False):
                try:
                    work()
                except BaseException as raised:
                    error = raised
                ended.put(error)
            del work, places, ended, error  # nothing is kept alive until the next call

    for number in range(threads):
        threading.Thread(target=serve, name=f"xpnet-{number}", daemon=True).start()
    return queue
