"""How the samples of a risk are walked: in fixed chunks, in groups of chunks, by threads.

A chunk is small enough that its activations stay in the cache (on a GPU: in memory), so that memory does
not grow with the number of samples. Consecutive chunks form groups; a group adds its chunks into one
partial sum, in order, and the partial sums are added in the order of the groups. Threads take whole
groups, so the bits of the result do not depend on how many threads there are. Where memory runs out, chunks
are halved.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Hashable, Sequence
from typing import Any, TypeVar

from ...device.arrays import Array
from ...device.backend import Backend
from ...device.machine import available
from ...device.retry import halving
from ...device.threads import run_all

# Measured on NumPy, see ci/results. A chunk holds about CHUNK_BYTES of activations, but not so few samples
# that threads wait for the interpreter lock between short calls, or that adding up the weight gradients
# costs more than their products. Below THREAD_WORK multiplications a second thread does not pay.
CHUNK_BYTES = 2**22
CHUNK_SAMPLES = 1000
THREAD_WORK = 4_000_000
GROUPS = 16  # the most partial gradients held at once
PATIENCE = 20  # evaluations with halved chunks, after which whole ones are tried again

Result = TypeVar("Result")


class Chunks:
    """The samples 0 to `samples` in chunks.

    Args:
        chunk: samples in a chunk.
        work: multiplications that a pass over all samples takes.
        threads: the most to use; all processors if None.

    Attributes:
        threads: how many walk.
        work: see above.
    """

    def __init__(
        self, backend: Backend, samples: int, chunk: int, work: float, threads: int | None
    ) -> None:
        self.backend, self.samples, self.chunk = backend, samples, chunk
        self.work, self._most = work, threads
        self._whole = min(chunk, samples)
        self._groups = self._grouped(chunk)
        self.threads = min(self.threads_for(work), len(self._groups))
        # by kind of evaluation: the chunk that there was memory for, and evaluations before the next try
        self._halved: dict[Hashable, tuple[int, int]] = {}

    def threads_for(self, work: float) -> int:
        """How many threads this many multiplications are worth."""
        small = work < THREAD_WORK or self.backend.name == "cupy"
        return 1 if small else self._most or available()

    def sum(self, kind: Hashable, function: Callable[..., tuple[Any, ...]], *arguments: Any) -> list[Any]:
        """The sums of the arrays that `function(*arguments, group)` returns for each group of chunks.

        `kind` says which evaluations take as much memory as this one.
        """

        def work(chunk: int) -> list[Any]:
            return self.total(chunk, function, *arguments)

        return self.in_memory(kind, work, self.chunk)

    def total(self, chunk: int, function: Callable[..., tuple[Any, ...]], *arguments: Any) -> list[Any]:
        """The same with so many samples in a chunk."""
        tasks = [functools.partial(function, *arguments, group) for group in self.groups(chunk)]
        return self.add(tasks, self.threads)

    def add(self, tasks: Sequence[Callable[[], tuple[Any, ...]]], threads: int) -> list[Any]:
        """The sums of the arrays that `tasks` return, in their order, on so many threads."""
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
        last = whole = min(chunk, self.samples)
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
        chunks = parts(chunk, 0, self.samples)
        # groups are for threads; on CuPy one pass through the chunks keeps the device busy
        groups = 1 if self.backend.name == "cupy" else min(len(chunks), GROUPS)
        ends = [len(chunks) * k // groups for k in range(groups + 1)]
        return [chunks[ends[k] : ends[k + 1]] for k in range(groups)]


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


def added(arrays: Sequence[Array]) -> Array:
    """The sum of `arrays` in their order, in the memory of the first."""
    total = arrays[0]
    for array in arrays[1:]:
        total += array
    return total
