"""Several threads that run lists of calls: all is done once, and nobody looks out for ever."""

from __future__ import annotations

import os
import threading
import time

import numpy as np
import pytest
from oracles import run_program

from xpnet.rules import crew as module
from xpnet.rules.crew import crew
from xpnet.rules.lowered import lower


@pytest.fixture(autouse=True)
def _numba():
    pytest.importorskip("numba", reason="Numba is not installed")


def made(threads, parts):
    """`totals[k]` counts how often part k was done, in two calls each; the last list adds them."""
    totals, ones, whole = np.zeros((parts, 2)), np.ones(2), np.zeros(2)
    half = 0.5 * ones
    lists = [[lower([(np.add, (total, half, total))] * 2) for total in totals] for _ in range(threads)]
    last = lower(
        [(np.copyto, (whole, 0.0 * whole))] + [(np.add, (whole, total, whole)) for total in totals]
    )
    return crew(lists, last), totals, whole


@pytest.mark.parametrize("threads", [2, 3, 7])
@pytest.mark.parametrize("parts", [1, 2, 16])
def test_each_part_is_done_once_and_then_the_last(threads, parts):
    own, totals, whole = made(threads, parts)
    for run in range(1, 300):
        own.run()
        assert (totals == run).all()
        assert (whole == run * parts).all()
        if run % 100 == 0:
            time.sleep(0.01)  # the helpers go


def test_helpers_help(monkeypatch):
    """What a helper does is in the memory of its own list."""
    own = [np.zeros(1_000_000) for _ in range(2)]
    lists = [[lower([(np.add, (place, np.ones(1), place))] * 3)] * 8 for place in own]
    both = crew(lists, lower([(np.copyto, (np.zeros(1), np.zeros(1)))]))
    for _ in range(20):
        both.run()
    assert own[0][0] + own[1][0] == 3 * 8 * 20
    assert own[1][0] > 0


def test_a_helper_that_has_nothing_to_do_goes():
    own, _, _ = made(2, 4)
    for _ in range(50):
        own.run()
    end = time.monotonic() + 10.0
    while own._boxes[0, 0] != module._ABSENT:
        assert time.monotonic() < end
        time.sleep(0.01)
    own.run()


def test_many_crews_at_once():
    failed = []

    def work():
        own, totals, _ = made(3, 5)
        for run in range(1, 500):
            own.run()
            if (totals != run).any():
                failed.append(run)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failed


def test_what_needs_the_interpreter_makes_no_crew():
    left = lower([(np.sin, (np.ones(3), np.ones(3)))])
    right = lower([(np.copyto, (np.zeros(3), np.ones(3)))])
    assert crew([[right], [left]], right) is None
    assert crew([[right], [right]], None) is None
    assert crew([[right], [right]], right) is not None


PROGRAM = """
import os, numpy as np
from xpnet.rules.crew import crew
from xpnet.rules.lowered import lower
total, one = np.zeros(3), np.ones(3)
part = lambda: lower([(np.add, (total, one, total))])
own = crew([[part() for _ in range(4)] for _ in range(2)], lower([(np.copyto, (np.zeros(3), one))]))
for _ in range(10):
    own.run()
child = os.fork()
before = total[0]
for _ in range(10):
    own.run()
assert total[0] == before + 40, total
if not child:
    os._exit(0)
assert os.waitpid(child, 0)[1] == 0
print("both went on")
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this system")
def test_a_forked_child_goes_on_alone():
    assert run_program(PROGRAM) == ["both", "went", "on"]
