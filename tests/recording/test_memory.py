"""Memory of recordings: used again as soon as it can be, and never before."""

from __future__ import annotations

import numpy as np
from conftest import assert_array_equal

import xpnet
from xpnet.recording import Memory, Recording, Tape

A = np.random.default_rng(0).random((3, 5)) + 0.5


def recording(memory=None):
    """A namespace that records, and its tape."""
    tape = Tape(memory or Memory())
    return Recording(xpnet.backend("numpy", kernels="numpy").xp, tape), tape


def test_memory_is_used_again_as_lifetimes_end():
    xp, tape = recording()
    x = xp.given(A)
    for _ in range(50):
        x = xp.exp(x * 0.1) - 1.0
    assert len(tape.calls) == 150
    assert tape.memory.bytes <= 4 * A.nbytes


def test_what_lives_is_not_overwritten():
    xp, tape = recording()
    place = A.copy()
    x = xp.given(place)
    views = [one[0, :] for one in [x + float(k) for k in range(5)]]
    for _ in range(5):
        x = x * 2.0
    results = [view * 1.0 for view in views]
    place += 1.0
    tape.close()()
    for k, result in enumerate(results):
        assert_array_equal(result.array, (A[0, :] + 1.0) + float(k))


def test_copies_for_loops_live_until_they_are_read():
    """A copy that makes an array contiguous for a kernel lies apart from what the kernel writes to."""
    from xpnet.rules import elementwise

    xp, tape = recording()
    xp._loops = True  # copies as for compiled loops

    @elementwise
    def twice(xp, x):
        return x + x

    result = twice.compute(xp, xp.given(A)[:, ::2])
    copy, own = tape.calls[0][1][0], result.array
    assert not np.shares_memory(copy, own)


def test_the_same_again_is_kept_once():
    memory, tapes = Memory(), []
    for _ in range(3):
        xp, tape = recording(memory)
        x = xp.given(A)
        y = xp.exp(x) * 2.0
        y = xp.sum(y @ y.mT, axis=0)
        del x, y
        tapes.append(tape)
    assert memory.bytes <= 3 * A.nbytes + 3 * 3 * 8
    for calls in zip(*[tape.calls[:-1] for tape in tapes], strict=True):
        assert all(call is calls[0] for call in calls)


def test_buffers_lie_on_lines_of_the_cache():
    memory = Memory()
    for count in (1, 3, 100):
        array, owner = memory.empty((count,), np.float32)
        assert array.ctypes.data % 64 == 0
        del owner
    assert_array_equal(memory.empty((0, 3), np.float64)[0], np.empty((0, 3)))
