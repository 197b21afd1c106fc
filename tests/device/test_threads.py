"""Threads, and BLAS's own threads meanwhile."""

from __future__ import annotations

import os
import threading
import time

import pytest
from oracles import blas_threads
from threadpoolctl import threadpool_limits

from xpnet.device import blas, threads


@pytest.fixture
def two_blas_threads():
    with threadpool_limits(2, "blas"):
        if 2 not in blas_threads():
            pytest.skip("this BLAS has one thread only")
        yield


def test_blas_gets_its_threads_back(two_blas_threads):
    before = blas_threads()
    with blas.hold_blas():
        assert set(blas_threads()) == {1}
    assert blas_threads() == before
    with pytest.raises(ZeroDivisionError), blas.hold_blas():
        _ = 1 / 0
    assert blas_threads() == before


def test_holders_that_overlap_share_one_hold(two_blas_threads):
    before = blas_threads()
    entered, leave = threading.Event(), threading.Event()

    def hold():
        with blas.hold_blas():
            entered.set()
            leave.wait(10)

    other = threading.Thread(target=hold)
    with blas.hold_blas():
        other.start()
        assert entered.wait(10)
    assert set(blas_threads()) == {1}  # the other still holds
    leave.set()
    other.join()
    assert blas_threads() == before


@pytest.mark.parametrize("count", [1, 2, 5])
def test_results_come_in_the_order_of_the_tasks(count):
    def task(number):
        time.sleep(0.002 * (number % 3))
        return number

    tasks = [lambda number=number: task(number) for number in range(12)]
    assert threads.run_all(tasks, count) == list(range(12))


def test_several_threads_work():
    barrier = threading.Barrier(3, timeout=10)
    names = threads.run_all([lambda: (barrier.wait(), threading.get_ident())[1]] * 3, 3)
    assert len(set(names)) == 3


def test_tasks_may_have_tasks_of_their_own():
    def outer(number):
        return threads.run_all([lambda k=k: 10 * number + k for k in range(3)], 2)

    found = []
    asked = [
        threading.Thread(
            target=lambda: found.append(threads.run_all([lambda n=n: outer(n) for n in range(4)], 2)),
            daemon=True,
        )
        for _ in range(3)
    ]
    for thread in asked:
        thread.start()
    for thread in asked:
        thread.join(20)
    assert found == [[[10 * n, 10 * n + 1, 10 * n + 2] for n in range(4)]] * 3


def test_tasks_of_tasks_stay_on_their_thread():
    barrier = threading.Barrier(2, timeout=10)

    def outer():
        barrier.wait()  # so that this thread and a helper are both at work
        inner = threads.run_all([threading.get_ident] * 5, 2)
        barrier.wait()
        return set(inner) == {threading.get_ident()}

    assert threads.run_all([outer, outer], 2) == [True, True]


def test_helpers_that_are_busy_are_not_waited_for():
    barrier, leave = threading.Barrier(3, timeout=10), threading.Event()

    def task():
        barrier.wait()
        leave.wait(10)

    other = threading.Thread(target=lambda: threads.run_all([task, task], 2))
    other.start()
    barrier.wait()  # the only helper works for the other thread from now on
    assert threads.run_all([lambda: 1, lambda: 2], 2) == [1, 2]
    assert other.is_alive()
    leave.set()
    other.join(10)
    assert not other.is_alive()


@pytest.mark.parametrize("count", [1, 2])
def test_an_error_ends_the_work(count):
    done = []

    def task(number):
        if number == 1:
            raise KeyError("task 1")
        time.sleep(0.01)
        done.append(number)

    with pytest.raises(KeyError, match="task 1"):
        threads.run_all([lambda number=number: task(number) for number in range(50)], count)
    assert len(done) <= 3


@pytest.mark.parametrize("count", [2, 7])
def test_one_is_read_ahead_and_no_more(count):
    begun, seen = [], []

    def read(item):
        begun.append((item, threading.get_ident()))
        return 10 * item

    for result in threads.ahead(read, range(count)):
        seen.append(result)
        deadline = time.monotonic() + 10
        while len(begun) < min(len(seen) + 1, count) and time.monotonic() < deadline:
            time.sleep(0.001)
        time.sleep(0.005)
        assert len(begun) == min(len(seen) + 1, count)
    assert seen == [10 * item for item in range(count)]
    assert threading.get_ident() not in [thread for _, thread in begun]


def test_a_reader_s_error_comes_out_and_its_thread_ends():
    def read(item):
        if item == 2:
            raise OSError("disk")
        return item

    seen = []
    with pytest.raises(OSError, match="disk"):
        seen.extend(threads.ahead(read, range(5)))
    left = threads.ahead(read, range(2))
    assert next(left) == 0
    left.close()
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("xpnet-reader")]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_forked_child_has_threads_of_its_own():
    assert threads.run_all([lambda: 1, lambda: 2], 2) == [1, 2]
    child = os.fork()
    if child == 0:
        os._exit(0 if threads.run_all([lambda: 3, lambda: 4], 2) == [3, 4] else 1)
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        pid, status = os.waitpid(child, os.WNOHANG)
        if pid:
            assert status == 0
            return
        time.sleep(0.01)
    os.kill(child, 9)
    pytest.fail("the child never ended")
