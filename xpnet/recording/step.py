"""One step of an optimizer as a CUDA graph, whose numbers of the host are read from slots on the device.

An update is a function of a namespace, as all that is recorded. `Rows` runs it on arrays that have no
numbers, and finds what the host would hand its kernels in this step; `Slots` runs it while a stream is
captured, with places for these numbers. So nothing of the host is kept in a graph: before some launches
the numbers of all of them go to the device in one copy, and the first node of a launch takes its own.
What a step finds stays on the device, in a `Ring`, until it is read for many steps at once.
"""

from __future__ import annotations

import contextlib
import functools
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NoReturn

import numpy as np

from ..device import cublas
from ..rules import cuda
from ..rules.rule import Call, Carrier, now
from .recorded import NotRecordable


@dataclass(frozen=True)
class Place:
    """An array of which only this is known; all else that is asked of it raises."""

    shape: tuple[int, ...]
    dtype: Any

    @property
    def ndim(self) -> int:
        return len(self.shape)


class _Update(Carrier):
    """What an update may do beside rules that write: name arrays otherwise. All else is refused."""

    __name__ = "xpnet.recording"  # which libraries look at

    def __getattr__(self, name: str) -> NoReturn:
        if name.startswith("__"):
            raise AttributeError(name)
        raise NotRecordable(f"xp.{name} in an update, which is to be made of rules")

    def compute(self, rule: Any, arrays: tuple[Any, ...], scalars: dict[str, Any]) -> Any:
        raise NotRecordable(f"{rule.name}, which makes arrays, in an update")

    def total(
        self, rule: Any, arrays: tuple[Any, ...], scalars: dict[str, Any], factor: float, dtype: Any
    ) -> Any:
        raise NotRecordable(f"a sum of {rule.name} in an update")

    def product(self, left: Any, right: Any, into: Any = None) -> Any:
        raise NotRecordable("a product in an update")

    def compute_with_sum(self, rule: Any, arrays: tuple[Any, ...], scalars: dict[str, Any]) -> Any:
        return self.compute(rule, arrays, scalars)

    def samplewise(
        self, rule: Any, arrays: tuple[Any, ...], numbers: dict[str, Any], *, summed: bool = False
    ) -> Any:
        raise NotRecordable(f"{rule.name} in an update")


class Rows(_Update):
    """The numbers that the host hands the kernels of an update; nothing is launched.

    Attributes:
        numbers: in the order of the kernels' arguments.
        kernels: what they are made of, in their order.
    """

    def __init__(self) -> None:
        self.numbers: list[float] = []
        self.kernels: list[Any] = []

    def asarray(self, array: Any, *, dtype: Any = None) -> Any:
        return Place(tuple(array.shape), dtype or array.dtype)

    def reshape(self, array: Any, shape: tuple[int, ...]) -> Any:
        return Place(shape, array.dtype)

    def write(
        self, rule: Any, into: tuple[Any, ...], arrays: tuple[Any, ...], scalars: dict[str, Any]
    ) -> None:
        known = {name: own if hasattr(own, "shape") else float(own) for name, own in scalars.items()}
        source = rule.source(frozenset(name for name, value in known.items() if type(value) is not float))
        self.numbers += cuda.host_numbers(rule.graph, source, known, arrays[0].dtype)
        self.kernels.append(source)


class Slots(_Update):
    """Does an update on arrays of CuPy, with `slots`, one-dimensional, for the numbers of the host."""

    def __init__(self, xp: Any, slots: Any) -> None:
        self.xp, self.slots, self.used = xp, slots, 0

    def asarray(self, array: Any, *, dtype: Any = None) -> Any:
        return self.xp.asarray(array, dtype=dtype)

    def reshape(self, array: Any, shape: tuple[int, ...]) -> Any:
        return self.xp.reshape(array, shape)

    def write(
        self, rule: Any, into: tuple[Any, ...], arrays: tuple[Any, ...], scalars: dict[str, Any]
    ) -> None:
        rule.written(self.xp, self.xp.ndarray, into, arrays, scalars, self._launch)

    def _launch(self, call: Call) -> None:
        function, arguments = call
        taken = [self._slot() if isinstance(value, np.generic) else value for value in arguments]
        now((function, tuple(taken)))

    def _slot(self) -> Any:
        self.used += 1
        return self.slots[self.used - 1 : self.used].reshape(())


@functools.cache
def _cupy() -> Any:
    import cupy

    return cupy


@functools.cache
def _next() -> Any:
    """The kernel that takes the numbers of a launch: each thread one, and its own place in the rows."""
    return _cupy().ElementwiseKernel(
        "raw float64 rows, int64 width",
        "T slot, int64 place",
        "slot = (T)rows[place * width + i]; place += 1",
        "xpnet_next_numbers",
    )


@functools.cache
def _file() -> Any:
    """The kernel that files what a step has found: each thread that of one replica, at its own place."""
    return _cupy().ElementwiseKernel(
        "V value, S square, R rate, int64 width",
        "raw float64 ring, int64 place",
        """
        const long long at = 3 * place * width + i;
        ring[at] = (double)value; ring[at + width] = (double)square; ring[at + 2 * width] = (double)rate;
        place += 1;
        """,
        "xpnet_file_step",
    )


class Ring:
    """The values, squared norms of gradients, and rates on the device, of steps that nobody has read.

    Args:
        rows: the shape of a value.
        length: how many steps there is room for.
    """

    def __init__(self, rows: tuple[int, ...], length: int) -> None:
        cupy, self._rows = _cupy(), rows
        width = math.prod(rows)
        self._ring, self._place = cupy.zeros((length, 3, width)), cupy.zeros(width, "int64")

    def file(self, value: Any, gradient: Any, rate: Any) -> None:
        """Files what a step has found; a rate of the host, or of each parameter, is left to it."""
        width = self._place.size
        square = cublas.matmul(gradient[..., None, :], gradient[..., :, None])
        own = rate if getattr(rate, "size", 0) == width else value
        columns = [column.reshape(width) for column in (value, square, own)]
        _file()(*columns, width, self._ring, self._place)

    def clear(self) -> None:
        """Begins anew."""
        self._place.fill(0)

    def read(self, steps: int) -> tuple[Any, Any, Any]:
        """Values, norms, and rates of the `steps` filed since the last time, on the host, one row each.

        A norm is NaN where its square has overflowed.
        """
        found = self._ring[:steps].get()
        self.clear()
        values, squares, rates = found.reshape(steps, 3, *self._rows).swapaxes(0, 1)
        return values, np.where(np.isinf(squares), math.nan, np.sqrt(squares)), rates


class StepGraph:
    """One step, recorded: `work(carrier)` evaluates, moves what it moves in place, and returns its value.

    It is done once, not recorded, by `rehearse`, which compiles kernels and fills the pool: that is to be
    the same work on copies.

    Args:
        xp: CuPy's namespace.
        dtype: of the numbers in kernels.
        numbers: how many the host hands over in a step.
        length: how many steps' numbers there is room for.

    Raises:
        Exception: whatever a stream that is captured refuses.
    """

    def __init__(
        self,
        xp: Any,
        rehearse: Callable[[Slots], Any],
        work: Callable[[Slots], Any],
        *,
        dtype: Any,
        numbers: int,
        length: int,
    ) -> None:
        cupy = _cupy()
        self._left = 0
        self._slots, self._rows = cupy.zeros(numbers, dtype), cupy.zeros((length, numbers))
        self._at = cupy.zeros(numbers, "int64")
        self._pool = cupy.cuda.MemoryPool()  # which nothing else takes memory from
        self._stream = cublas.recording_stream()
        cupy.cuda.get_current_stream().synchronize()
        with cupy.cuda.using_allocator(self._pool.malloc), self._stream:
            self._handle = cublas.handle()  # whose workspace the graph goes on using
            self._done(Slots(xp, self._slots), rehearse)
            self._stream.synchronize()
            self._stream.begin_capture()
            try:
                self._held = self._done(Slots(xp, self._slots), work)
            except BaseException:
                with contextlib.suppress(Exception):  # the first error is the one to tell
                    self._stream.end_capture()
                raise
            self._graph = self._stream.end_capture()

    def _done(self, carrier: Slots, work: Callable[[Slots], Any]) -> Any:
        if self._slots.size:
            _next()(self._rows, self._slots.size, self._slots, self._at)
        value = work(carrier)
        if carrier.used != self._slots.size:
            raise NotRecordable("an update whose kernels differ from those that it says")
        return value

    def load(self, rows: Sequence[Sequence[float]]) -> None:
        """Takes the numbers of the next launches, as many as there are rows: one copy to the device."""
        if self._slots.size:
            self._rows[: len(rows)].set(np.asarray(rows, np.float64))
            self._at.fill(0)
        self._left = len(rows)

    def launch(self) -> None:
        """Takes a step, on the current stream."""
        assert self._left, "a launch whose numbers have not been loaded"
        self._left -= 1
        self._graph.launch(_cupy().cuda.get_current_stream())
