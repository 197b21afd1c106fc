"""How the samples of a risk are walked: in fixed chunks, in groups of chunks, by threads.

A chunk is small enough that its activations stay in the cache (on a GPU: in memory), so that memory does
not grow with the number of samples. Consecutive chunks form groups; a group adds its chunks into one
partial sum, in order, and the partial sums are added by halves. Threads take whole groups, so the bits of
the result do not depend on how many threads there are; and 2 or 4 processes take whole halves or quarters
of them. Where memory runs out, chunks are halved.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, TypeVar

from ...device.backend import Backend
from ...device.machine import available
from ...device.retry import halving
from ...device.threads import run_all
from ...distributed.tree import added, halves

# Measured on NumPy, see ci/results. A chunk holds about CHUNK_BYTES of activations, but not so few samples
# that threads wait for the interpreter lock between short calls, or that adding up the weight gradients
# costs more than their products. Below THREAD_WORK multiplications a second thread does not pay.
CHUNK_BYTES = 2**22
CHUNK_SAMPLES = 1000
THREAD_WORK = 4_000_000
GROUPS = 16  # the most partial gradients held at once
PATIENCE = 20  # evaluations with halved chunks, after which whole ones are tried again

Result = TypeVar("Result")


@dataclass(frozen=True)
class Share:
    """The samples that one process holds, of all.

    Attributes:
        first: the number of its first sample.
        samples: how many it holds.
        total: how many all processes hold.
    """

    first: int
    samples: int
    total: int

    def spans(self, whole: Sequence[tuple[int, int]]) -> list[tuple[int, int]]:
        """Those of `whole`, spans of all samples, that make up this share; none if they do not."""
        last = self.first + self.samples
        own = [(a - self.first, b - self.first) for a, b in whole if self.first <= a and b <= last]
        return own if sum(b - a for a, b in own) == self.samples else []


def shares(backend: Backend, total: int, chunk: int, processes: int) -> list[Share]:
    """The samples in a share for each process: whole groups where that is as even, else as many each."""
    groups = _ends(backend, total, chunk)
    count = len(groups)
    power = processes & (processes - 1) == 0
    if power and count >= processes and (processes <= 4 or count % processes == 0):
        spans = halves(groups, processes)
    else:
        ends = [total * r // processes for r in range(processes + 1)]
        spans = list(pairwise(ends))
    return [Share(start, stop - start, total) for start, stop in spans]


class Chunks:
    """The samples of `share` in chunks.

    Args:
        chunk: samples in a chunk.
        work: multiplications that a pass over all samples takes.
        threads: the most to use; all processors if None.

    Attributes:
        threads: how many walk.
        work: see above.
    """

    def __init__(
        self, backend: Backend, share: Share, chunk: int, work: float, threads: int | None
    ) -> None:
        self.backend, self.share, self.samples, self.chunk = backend, share, share.samples, chunk
        self.work, self._most = work, threads
        self._whole = max(1, min(chunk, self.samples))
        self._groups = self._grouped(chunk)
        self.threads = min(self.threads_for(work), len(self._groups))
        # by kind of evaluation: the chunk that there was memory for, and evaluations before the next try
        self._halved: dict[Hashable, tuple[int, int]] = {}

    def threads_for(self, work: float) -> int:
        """How many threads this many multiplications are worth."""
        small = work < THREAD_WORK or self.backend.name == "cupy"
        return 1 if small else self._most or available()

    def spans(self, count: int) -> list[tuple[int, int]]:
        """The samples in at most `count` spans, which 2 or 4 processes have together as one alone has."""
        whole = halves(_ends(self.backend, self.share.total, self.chunk), min(count, self.share.total))
        own = self.share.spans(whole)
        return own or halves([(0, self.samples)], max(1, min(count, self.samples)))

    def total(self, chunk: int, function: Callable[..., tuple[Any, ...]], *arguments: Any) -> list[Any]:
        """The sums of the arrays that `function(*arguments, group)` returns for each group of chunks.

        `chunk` is how many samples these have.
        """
        tasks = [functools.partial(function, *arguments, group) for group in self.groups(chunk)]
        return self.add(tasks, self.threads)

    def add(self, tasks: Sequence[Callable[[], tuple[Any, ...]]], threads: int) -> list[Any]:
        """The sums of the arrays that `tasks` return, by halves, on so many threads."""
        if threads > 1:  # this one is quiet, the others are not yet
            tasks = [functools.partial(_quietly, self.backend, task) for task in tasks]
        return [added(part) for part in zip(*run_all(tasks, threads), strict=True)]

    def in_memory(self, kind: Hashable, work: Callable[[int], Result], chunk: int) -> Result:
        """What `work(chunk)` returns; where memory runs out it is begun again with half of the samples.

        The half that fits is kept for evaluations of this kind; after PATIENCE of them the whole is tried
        again.

        Raises:
            MemoryError: there is too little even for one sample.
        """
        last = whole = max(1, min(chunk, self.samples))
        if self._halved:
            fits, left = self._halved.pop(kind, (whole, 0))
            if left:
                self._halved[kind] = fits, left - 1
                last = whole = min(whole, fits)

        def attempt(chunk: int) -> Result:
            nonlocal last
            last = chunk
            return work(chunk)

        result = halving(self.backend, whole, attempt)
        if last < whole:
            self._halved[kind] = last, PATIENCE
        return result

    def fitting(self, kind: Hashable) -> int:
        """The samples in a chunk that there is memory for, as far as those of this kind have shown."""
        return self._halved.get(kind, (self._whole, 0))[0]

    def groups(self, chunk: int) -> list[list[slice]]:
        """The chunks of so many samples, in groups."""
        return self._groups if chunk == self._whole else self._grouped(chunk)

    def _grouped(self, chunk: int) -> list[list[slice]]:
        own = self.share.spans(_ends(self.backend, self.share.total, chunk))
        own = own or _ends(self.backend, self.samples, chunk)
        return [parts(chunk, *span) for span in own]


def _ends(backend: Backend, samples: int, chunk: int) -> list[tuple[int, int]]:
    """Where the groups of chunks begin and end; one that is empty where there are no samples."""
    chunks = max(1, math.ceil(samples / chunk))
    # groups are for threads; on CuPy one pass through the chunks keeps the device busy
    groups = 1 if backend.name == "cupy" else min(chunks, GROUPS)
    return list(pairwise(min(chunk * (chunks * k // groups), samples) for k in range(groups + 1)))


def _quietly(backend: Backend, task: Callable[[], Result]) -> Result:
    with backend.quiet():
        return task()


def default_chunk(backend: Backend, samples: int, sample: int, item: int, work: float, most: int) -> int:
    """How many samples to take at a time: of `sample` bytes of activations each, `item` bytes a number.

    `work` is as in `Chunks`; `most` is what should be on its way from the host at once.
    """
    if backend.name == "cupy":
        fits = min(max(1, backend.free_memory() // (4 * sample)), most)
        return math.ceil(samples / math.ceil(samples / fits))
    chunks = math.ceil(samples / min(max(CHUNK_SAMPLES, CHUNK_BYTES // sample), most))
    if work >= THREAD_WORK:
        chunks += chunks % 2  # so that two threads end together
    chunk = math.ceil(samples / chunks)
    # rows that are a multiple of a page apart fall on the same cache lines: 0.7 of the speed
    return chunk + 16 if chunk * item % 4096 == 0 else chunk


def parts(step: int, start: int, stop: int) -> list[slice]:
    """Slices of `step` samples that cover those from `start` to `stop`."""
    return [slice(first, min(first + step, stop)) for first in range(start, stop, step)]
