"""Several threads run parts of lists of calls, without the interpreter and its lock.

A thread that is woken comes tens of microseconds late, and by the interpreter's lock; a part of a step of a
small network takes a few hundred. So a helper looks out for more work for a moment before it sleeps: from
step to step of a training it is there at once. It looks into a mailbox, of one word that changes hands by
compare-and-swap. Whoever is free takes the next part. A helper that has not come when no part is left is
not waited for, so one that the system does not let run costs nothing but its help.
"""

from __future__ import annotations

import functools
import logging
from collections.abc import Sequence
from typing import Any

import numpy as np

from ..device.threads import summon
from .cache import STORE
from .lowered import Lowered
from .lowered_numpy import address
from .machine_code import KERNEL

logger = logging.getLogger("xpnet")

LOOKS = 250_000  # into a mailbox, some 60 microseconds, before a helper sleeps
_ABSENT, _HERE, _WORK, _BUSY = range(4)  # what the word in a mailbox says
_LINE = 16  # words from one mailbox to the next: two lines of a cache

_HEAD = f"""from llvmlite import ir
from numba import njit, types
from numba.extending import intrinsic

ABSENT, HERE, WORK, BUSY = {_ABSENT}, {_HERE}, {_WORK}, {_BUSY}
LONG = ir.IntType(64)


def at(builder, address):
    return builder.inttoptr(address, LONG.as_pointer())


@intrinsic
def read(context, address):
    def generate(context, builder, signature, values):
        return builder.load_atomic(at(builder, values[0]), "seq_cst", 8)
    return types.int64(types.int64), generate


@intrinsic
def write(context, address, value):
    def generate(context, builder, signature, values):
        builder.store_atomic(values[1], at(builder, values[0]), "seq_cst", 8)
        return context.get_dummy_value()
    return types.void(types.int64, types.int64), generate


@intrinsic
def change(context, address, before, after):  # whether it was `before`
    def generate(context, builder, signature, values):
        address, before, after = values
        pair = builder.cmpxchg(at(builder, address), before, after, "seq_cst", "seq_cst")
        return builder.extract_value(pair, 1)
    return types.boolean(types.int64, types.int64, types.int64), generate


@intrinsic
def count(context, address):
    def generate(context, builder, signature, values):
        return builder.atomic_rmw("add", at(builder, values[0]), LONG(1), "seq_cst")
    return types.int64(types.int64), generate


@intrinsic
def call(context, function, arrays, numbers):
    def generate(context, builder, signature, values):
        kind = ir.FunctionType(ir.VoidType(), [LONG] * 2).as_pointer()
        builder.call(builder.inttoptr(values[0], kind), values[1:])
        return context.get_dummy_value()
    return types.void(types.int64, types.int64, types.int64), generate


@njit(inline="always")
def run(table, part):
    entry = table + 32 * part
    functions, arrays, numbers = read(entry), read(entry + 8), read(entry + 16)
    for k in range(read(entry + 24)):
        call(read(functions + 8 * k), read(arrays + 8 * k), read(numbers + 8 * k))


@njit(inline="always")
def work(table, counter, parts):
    part = count(counter)
    while part < parts:
        run(table, part)
        part = count(counter)
"""

_SERVE = f"""{_HEAD}{KERNEL}['int64'] * 2, 0

def kernel(BOX, nBOX, sBOX, LOOKS, nLOOKS, sLOOKS):
    box, left = BOX[0], LOOKS[0]
    change(box, ABSENT, HERE)
    while True:
        if read(box) == WORK and change(box, WORK, BUSY):
            work(read(box + 8), read(box + 16), read(box + 24))
            write(box, HERE)
            left = LOOKS[0]
        left -= 1
        if left < 0 and (change(box, HERE, ABSENT) or read(box) == ABSENT):
            return
"""

_POST = f"""{_HEAD}{KERNEL}['int64'] * 2, 0

def kernel(BOXES, nBOXES, sBOXES, ABSENT_ONES, nABSENT, sABSENT):
    write(read(BOXES[0] + 16), 0)
    for k in range(nBOXES[0]):
        here = change(BOXES[k], HERE, WORK)
        ABSENT_ONES[k] = 0 if here else change(BOXES[k], ABSENT, WORK)
"""

_LEAD = f"""{_HEAD}{KERNEL}['int64'] * 3, 0

def kernel(BOXES, nBOXES, sBOXES, ABSENT_ONES, nABSENT, sABSENT, TABLE, nTABLE, sTABLE):
    parts = read(BOXES[0] + 24)
    work(TABLE[0], read(BOXES[0] + 16), parts)
    for k in range(nBOXES[0]):
        if not change(BOXES[k], WORK, ABSENT if ABSENT_ONES[k] else HERE):
            while read(BOXES[k]) == BUSY:
                pass
    run(TABLE[0], parts)
"""


class Crew:
    """A thread and its helpers, who together make the calls of `lists[k]`, k = 0, 1, ..., and then `last`.

    `lists[t][k]` does part k in what belongs to thread t; the helpers' parts are the same in memory of
    their own. One thread at a time may run it.
    """

    def __init__(self, lists: Sequence[Sequence[Lowered]], last: Lowered) -> None:
        self._kept = [*lists], last
        helpers, parts = len(lists) - 1, len(lists[0])
        tables = [[part.program for part in own] for own in lists]
        tables[0] = [*tables[0], last.program]
        self._tables = [np.array(table, np.int64) for table in tables]
        self._counter = np.zeros(_LINE, np.int64)
        self._boxes = np.zeros((helpers, _LINE), np.int64)
        for box, table in zip(self._boxes, self._tables[1:], strict=True):
            box[1:4] = address(table), address(self._counter), parts
        self._places = np.array([address(box) for box in self._boxes], np.int64)
        self._absent = np.zeros(helpers, np.int64)
        self._table = np.array([address(self._tables[0])], np.int64)
        self._asked = [False] * helpers
        self._post, self._lead, self._serve = _kernels()

    def run(self) -> None:
        self._post(self._places, self._absent)
        if self._absent.any():
            for k in self._absent.nonzero()[0].tolist():
                if not self._asked[k]:
                    self._asked[k] = True
                    summon(functools.partial(self._help, k))
        self._lead(self._places, self._absent, self._table)

    def _help(self, k: int) -> None:
        self._asked[k] = False
        self._serve(self._places[k : k + 1], _LOOKS)


_LOOKS = np.array([LOOKS], np.int64)


@functools.cache
def _kernels() -> tuple[Any, Any, Any]:
    return STORE.kernel("post", _POST), STORE.kernel("lead", _LEAD), STORE.kernel("serve", _SERVE)


def crew(lists: Sequence[Sequence[Lowered | None]], last: Lowered | None) -> Crew | None:
    """The crew for these lists; None where one of them is not wholly without the interpreter."""
    if last is None or any(part is None or part.left for own in (*lists, [last]) for part in own):
        return None
    try:
        return Crew(lists, last)  # pyright: ignore[reportArgumentType] # none is None
    except Exception as error:  # of Numba, of which there are many kinds
        logger.warning("threads are woken for each evaluation, as what they run has no code: %s", error)
        return None
