"""Replays of any function that is a sum of parts: what is trusted when, and by whom it is run."""

from __future__ import annotations

import threading

import numpy as np
import pytest
from conftest import assert_array_equal

import xpnet
from xpnet.recording import Differs, Function, NotRecordable, Recorded, Replay

XP = xpnet.backend("numpy", kernels="numpy").xp
A = np.random.default_rng(0).random((7, 4))


class Squares:
    """`sum_k (a_k w)^2` with its gradient, and how often each part has run."""

    def __init__(self, count=7):
        self.count, self.plain, self.recorded = count, 0, 0

    def part(self, k, xp, w, places):
        if isinstance(w, Recorded):
            self.recorded += 1
        else:
            self.plain += 1
        product = A[k, :] * w
        places[0][...] = xp.sum(product * product)
        places[1][...] = 2.0 * product * A[k, :]

    def whole(self, xp, w, parts):
        value, gradient = parts[0]
        for own in parts[1:]:
            value += own[0]
            gradient += own[1]
        return value, gradient + 0.0 * w

    def function(self):
        def part(k):
            return lambda xp, w, places: self.part(k, xp, w, places)

        places = [((), XP.float64), ((4,), XP.float64)]
        return Function(XP, places, [part(k) for k in range(self.count)], self.whole)

    def at(self, w):
        places = [[np.empty(()), np.empty(4)] for _ in range(self.count)]
        for k, own in enumerate(places):
            self.part(k, XP, w, own)
        return self.whole(XP, w, places)


def alone(part, shape=()):
    """The replay of a function of one part, which makes an array of this shape."""

    def whole(xp, w, parts):
        return (parts[0][0],)

    return Replay(Function(XP, [(shape, XP.float64)], [part], whole), (4,), XP.float64)


def check(results, want):
    for got, own in zip(results, want, strict=True):
        assert_array_equal(got, own)


@pytest.mark.parametrize("count", [1, 7])
def test_when_a_replay_is_trusted(count):
    squares = Squares(count)
    replay = Replay(squares.function(), (4,), XP.float64)
    first, second = np.arange(4.0), np.arange(4.0) + 1.0
    for w, plain, recorded, trusted in (
        (first, 1, 1, 0),  # recorded, and computed
        (first, 2, 1, 0),  # replayed, and computed, but at the same point
        (second, 3, 1, count + 1),  # replayed, and computed
        (first, 3, 1, count + 1),  # replayed
        (second * np.nan, 3, 1, count + 1),
    ):
        results = replay(w, 1)
        assert (squares.plain, squares.recorded) == (plain * count, recorded * count)
        assert replay.tapes == trusted
        check(results, Squares(count).at(w))


@pytest.mark.parametrize("threads", [1, 2, 3, 7])
def test_threads(threads):
    squares = Squares()
    replay = Replay(squares.function(), (4,), XP.float64)
    for k in range(30):
        w = np.arange(4.0) * k
        check(replay(w, threads), Squares().at(w))
    assert replay.tapes >= 8
    assert squares.recorded <= 7 * threads


def test_who_evaluates_has_memory_of_his_own():
    squares = Squares()
    replay = Replay(squares.function(), (4,), XP.float64)
    barrier, wrong = threading.Barrier(4), []

    def work(own):
        barrier.wait()
        for k in range(100):
            w = np.arange(4.0) * own + k
            value, gradient = replay(w, 1)
            want = Squares().at(w)
            if value != want[0] or (gradient != want[1]).any():
                wrong.append(own)

    workers = [threading.Thread(target=work, args=(own,)) for own in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert not wrong
    assert replay.bytes > 0


def test_a_difference_in_a_part_is_found():
    calls = []

    def part(xp, w, places):
        calls.append(0)
        places[0][...] = xp.sum(w) + float(len(calls))

    replay = Replay(
        Function(XP, [((), XP.float64)], [part], lambda xp, w, parts: (parts[0][0],)), (4,), XP.float64
    )
    with pytest.raises(Differs):
        replay(np.ones(4), 1)


def test_a_stale_number_is_found_at_another_point():
    """A function that looks at the numbers behind the recording's back, as none should."""

    def part(xp, w, places):
        numbers = w.array if isinstance(w, Recorded) else w
        places[0][...] = xp.sum(w) * float(numbers[0])

    replay = Replay(
        Function(XP, [((), XP.float64)], [part], lambda xp, w, parts: (parts[0][0],)), (4,), XP.float64
    )
    for _ in range(3):
        check(replay(np.ones(4), 1), [4.0])
    with pytest.raises(Differs):
        replay(np.full(4, 2.0), 1)


def test_a_difference_in_the_whole_is_found():
    def whole(xp, w, parts):
        numbers = w.array if isinstance(w, Recorded) else w
        return (parts[0][0] * float(numbers[0]),)

    def part(xp, w, places):
        places[0][...] = xp.sum(w)

    replay = Replay(Function(XP, [((), XP.float64)], [part], whole), (4,), XP.float64)
    check(replay(np.ones(4), 1), [4.0])
    with pytest.raises(Differs):
        replay(np.full(4, 2.0), 1)


def test_bits_are_compared():
    """-0 is not 0, and NaN is NaN."""
    signs = iter((0.0, -0.0))

    def part(xp, w, places):
        places[0][...] = w * next(signs, 0.0)

    replay = Replay(
        Function(XP, [((4,), XP.float64)], [part], lambda xp, w, parts: (parts[0][0],)), (4,), XP.float64
    )
    with pytest.raises(Differs):
        replay(np.ones(4), 1)


def test_what_fails_leaves_nothing_behind():
    failing = [True]

    def part(xp, w, places):
        if isinstance(w, Recorded) and failing[0]:
            raise NotRecordable("xp.something")
        places[0][...] = xp.sum(w)

    replay = Replay(
        Function(XP, [((), XP.float64)], [part], lambda xp, w, parts: (parts[0][0],)), (4,), XP.float64
    )
    with pytest.raises(NotRecordable):
        replay(np.ones(4), 1)
    assert replay.bytes == 0
    failing[0] = False
    check(replay(np.ones(4), 1), [4.0])
