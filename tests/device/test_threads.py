"""Threads over tasks, and readers ahead."""

from __future__ import annotations

import multiprocessing
import os
import threading
import time
import weakref

import pytest
from oracles import run_program

from xpnet.device import threads


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


def test_one_pool_grows_to_what_is_needed_and_no_further():
    program = """
        import threading
        from xpnet.device import threads
        for count in range(2, 17):
            assert threads.run_all([lambda k=k: k for k in range(40)], count) == list(range(40))
        print(len(threading.enumerate()) - 1, all(t.daemon for t in threading.enumerate()[1:]))
    """
    assert run_program(program) == ["15", "True"]


def test_nothing_of_a_call_is_kept():
    class Kept:
        pass

    kept = Kept()
    seen = weakref.ref(kept)
    threads.run_all([lambda kept=kept: kept] * 4, 3)
    del kept
    deadline = time.monotonic() + 5
    while seen() is not None and time.monotonic() < deadline:  # helpers that came late
        time.sleep(0.001)
    assert seen() is None


def test_an_interrupt_waits_for_the_helpers():
    begun, ended = threading.Event(), []

    def slow():
        begun.set()
        time.sleep(0.2)
        ended.append(threading.get_ident())

    def interrupts():
        assert begun.wait(10)
        raise KeyboardInterrupt

    for _ in range(3):
        begun.clear()
        with pytest.raises(KeyboardInterrupt):
            # whichever thread gets the interrupt, the other has ended when it comes out
            threads.run_all([slow, interrupts], 2)
    assert len(ended) == 3
    assert threads.run_all([lambda: 1, lambda: 2], 2) == [1, 2]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no timers")
def test_an_interrupt_while_helpers_are_waited_for():
    program = """
        import signal, threading, time
        from xpnet.device import threads
        def interrupt(*_):
            raise KeyboardInterrupt
        signal.signal(signal.SIGALRM, interrupt)
        main, wrong, came = threading.get_ident(), 0, 0
        for k in range(40):
            at_work = [0]
            def task():
                if threading.get_ident() != main:
                    at_work[0] += 1
                    time.sleep(.01)
                    at_work[0] -= 1
            signal.setitimer(signal.ITIMER_REAL, 1e-3 + 2e-4 * k, 1e-3)
            try:
                threads.run_all([task] * 8, 3)
                while True:
                    pass
            except KeyboardInterrupt:
                came += 1
            finally:
                while True:
                    try:
                        signal.setitimer(signal.ITIMER_REAL, 0)
                        break
                    except KeyboardInterrupt:
                        pass
            wrong += at_work[0] != 0
        print(came, wrong)
    """
    assert run_program(program) == ["40", "0"]


def test_without_another_thread_this_one_works(monkeypatch):
    monkeypatch.setattr(threads, "_pool", type(threads._pool)())

    def start(thread):
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", start)
    here = threading.get_ident()
    assert threads.run_all([threading.get_ident] * 3, 3) == [here] * 3
    assert list(threads.ahead(lambda item: (item, threading.get_ident()), range(3))) == [
        (0, here),
        (1, here),
        (2, here),
    ]


def test_a_streamed_run_goes_on_when_the_main_thread_has_ended():
    program = """
        import threading, time
        import numpy as np, xpnet
        network = xpnet.Network(2, xpnet.Dense(1))
        X = np.random.default_rng(0).standard_normal((1000, 2))
        risk = xpnet.EmpiricalRisk(
            network, xpnet.SquaredError(), X, X[:, 0], chunk=50, resident=False, backend="numpy", threads=2
        )
        w = network.initialize(0, "numpy")
        def train():
            threading.main_thread().join()
            time.sleep(.1)
            run = xpnet.minimize(risk, xpnet.Momentum(.1), w, stop=xpnet.after(3))
            print(len(run.history.value), flush=True)
        threading.Thread(target=train).start()
    """
    assert run_program(program) in (["3"], ["4"])


PARALLEL = """
import multiprocessing, sys
import numpy as np, xpnet
from xpnet.device import threads

def train(number):
    assert threads.run_all([lambda: 3, lambda: 4], 2) == [3, 4]
    place = xpnet.backend("numpy")
    f = xpnet.Quadratic(np.eye(3), backend=place)
    return float(xpnet.minimize(f, xpnet.Momentum(.1), np.ones(3) * number, stop=xpnet.after(5)).value)

if __name__ == "__main__":
    alone = [train(number) for number in range(4)]  # threads are there before the fork
    with multiprocessing.get_context(sys.argv[1]).Pool(2) as pool:
        assert pool.map_async(train, range(4)).get(50) == alone
    print("same")
"""


@pytest.mark.parametrize("way", multiprocessing.get_all_start_methods())
def test_processes(way, tmp_path):
    program = tmp_path / "parallel.py"
    program.write_text(PARALLEL)
    assert run_program(program, way) == ["same"]


def test_a_helper_is_summoned():
    came = threading.Event()
    threads.summon(came.set)
    assert came.wait(10.0)
    assert threads.run_all([lambda: 1, lambda: 2], 2) == [1, 2]
