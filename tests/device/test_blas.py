"""BLAS held to one thread: given back whatever happens, and in whichever byte code."""

from __future__ import annotations

import gc
import os
import sys
import threading

import pytest
from oracles import blas_threads, run_program
from threadpoolctl import threadpool_limits

from xpnet.device import backend as backend_module
from xpnet.device import blas


@pytest.fixture
def two_blas_threads():
    with threadpool_limits(2, "blas"):
        if 2 not in blas_threads():
            pytest.skip("this BLAS has one thread only")
        yield


def holds():
    """Whether another thread can hold BLAS now: no lock is left behind."""
    held = []

    def hold():
        with blas.hold_blas():
            held.append(set(blas_threads()) == {1})

    other = threading.Thread(target=hold, daemon=True)
    other.start()
    other.join(5)
    return held == [True]


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


def test_another_number_meanwhile_is_no_reason_to_keep_the_old_one(two_blas_threads):
    for number in (2, 1, 2):
        with threadpool_limits(number, "blas"):
            with blas.hold_blas():
                assert set(blas_threads()) == {1}
            assert set(blas_threads()) == {number}


def interrupted(context, nth):
    """The KeyboardInterrupt that came in the `nth` byte code of all, if there are as many."""
    files, count = {blas.__file__, backend_module.__file__}, 0

    def trace(frame, event, arg):
        nonlocal count
        if frame.f_code.co_filename not in files:
            return None
        frame.f_trace_opcodes = True
        if event in ("call", "opcode"):
            count += 1
            if count == nth:
                raise KeyboardInterrupt
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        with context():
            pass
    except KeyboardInterrupt as error:
        return error
    finally:
        sys.settrace(before)
    return None


def test_an_interrupt_in_any_byte_code_leaves_nothing_behind(two_blas_threads):
    before, nth = blas_threads(), 0
    with blas.hold_blas():
        pass  # the libraries are looked for once
    while True:
        nth += 1
        error = interrupted(blas.hold_blas, nth)
        assert blas_threads() == before, nth  # although the error and its traceback are still there
        if error is None:
            break
        assert holds(), nth
    assert nth > 20


def test_so_does_one_in_a_step(two_blas_threads, numpy_backend):
    before, nth = blas_threads(), 0
    while True:
        nth += 1
        done = interrupted(numpy_backend.working, nth) is None  # the error is handled then
        assert blas_threads() == before, nth
        if done:
            break
        assert holds(), nth
    assert nth > 40


def test_contexts_end_in_their_order_with_errors_of_their_own(numpy_backend):
    import numpy as np

    before = np.geterr()
    with numpy_backend.working():
        assert set(np.geterr().values()) == {"ignore"}
        assert set(blas_threads()) == {1}
        with pytest.raises(ZeroDivisionError), numpy_backend.working():
            _ = 1 / 0
        assert set(blas_threads()) == {1}
    assert np.geterr() == before
    gc.collect()


FORKS = """
import os, signal, threading, time
import numpy as np, xpnet
from xpnet.device import blas
from threadpoolctl import threadpool_limits
threadpool_limits(2, "blas")
f = xpnet.Quadratic(np.eye(3), backend="numpy")
w = np.ones(3)
before = blas.blas_threads()
def train():
    while True:
        xpnet.minimize(f, xpnet.Momentum(1e-3), w.copy(), stop=xpnet.after(50))
threading.Thread(target=train, daemon=True).start()
time.sleep(.05)
for number in range(30):
    child = os.fork()
    if child == 0:
        signal.alarm(10)
        good = blas.blas_threads() == before
        xpnet.minimize(f, xpnet.Momentum(1e-3), w.copy(), stop=xpnet.after(5))
        os._exit(0 if good and blas.blas_threads() == before else 1)
    print(os.waitpid(child, 0)[1])
    time.sleep(.001 * (number % 5))
os._exit(0)
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
def test_children_that_are_forked_while_another_thread_trains():
    said = run_program(FORKS.replace("os._exit(0)\n", "import sys; sys.stdout.flush(); os._exit(0)\n"))
    assert said == ["0"] * 30


INTERRUPTS = """
import signal, time
import numpy as np, xpnet
from xpnet.device import blas
from threadpoolctl import threadpool_limits
threadpool_limits(2, "blas")
before, backend, came, wrong = blas.blas_threads(), xpnet.backend("numpy"), 0, 0
def interrupt(*_):
    raise KeyboardInterrupt
signal.signal(signal.SIGALRM, interrupt)
with backend.working():
    pass
for k in range(400):
    try:
        signal.setitimer(signal.ITIMER_REAL, 1e-4 + 1e-6 * (k % 50))
        while True:
            with backend.working():
                pass
    except KeyboardInterrupt:
        came += 1
    wrong += blas.blas_threads() != before
print(came, wrong)
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no timers")
def test_real_interrupts():
    assert run_program(INTERRUPTS) == ["400", "0"]
