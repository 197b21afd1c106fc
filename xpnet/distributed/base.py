"""What a risk and a run ask of the processes that train together; one that is alone asks nobody."""

from __future__ import annotations

import contextlib
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from ..device.arrays import Array
from ..device.backend import Backend

Result = TypeVar("Result")
Place = tuple[tuple[int, ...], Any]
"""Shape and dtype of an array."""


class RankError(RuntimeError):
    """Another process has failed; the message has its rank and its error."""


class Communicator(ABC):
    """The processes that train together, each with the number `rank`, from 0, of `size`.

    All of them run the same script. What is asked here, each must ask in the same order; nobody goes on
    before all have. Where one fails all raise, and where one is interrupted all are.

    Attributes:
        rank: the number of this process.
        size: how many there are.
    """

    rank: int
    size: int

    @abstractmethod
    def sum(
        self, backend: Backend, work: Callable[[], Sequence[Array]], places: Sequence[Place]
    ) -> Sequence[Array]:
        """The sums over all processes of the arrays that `work()` returns, which are of these `places`.

        They have the same bits everywhere. One exchange of one buffer; what fails or is interrupted in one
        process comes with it.
        """

    @abstractmethod
    def gather(self, backend: Backend, array: Array, axis: int) -> Array:
        """The arrays of all processes, joined along `axis` in the order of their ranks."""

    @abstractmethod
    def each(self, work: Callable[[], Result]) -> list[Result]:
        """What `work()` returns in each process, in the order of their ranks; it must be picklable."""

    @abstractmethod
    def together(self) -> contextlib.AbstractContextManager[Any]:
        """A context in which all fail, at its end, if one does."""

    @abstractmethod
    def same(self, backend: Backend, array: Array) -> Array:
        """The `array` of rank 0, in all."""

    @abstractmethod
    def clock(self) -> float:
        """Seconds, of the clock of rank 0, as of the last exchange."""

    @abstractmethod
    def look(self) -> None:
        """Is called where the device is read, at the same steps everywhere: agrees on what sums do not."""

    @abstractmethod
    def holding_interrupts(self) -> contextlib.AbstractContextManager[Any]:
        """A context in which an interrupt of one process comes in all, where their next sum does."""

    @abstractmethod
    def require_common(self, error: BaseException) -> None:
        """Ends all processes, with its sentence, unless all of them have raised on account of `error`."""


class Alone(Communicator):
    """One process: everything is as it is."""

    rank, size = 0, 1

    def sum(
        self, backend: Backend, work: Callable[[], Sequence[Array]], places: Sequence[Place]
    ) -> Sequence[Array]:
        return work()

    def gather(self, backend: Backend, array: Array, axis: int) -> Array:
        return array

    def each(self, work: Callable[[], Result]) -> list[Result]:
        return [work()]

    def together(self) -> contextlib.AbstractContextManager[Any]:
        return contextlib.nullcontext()

    def same(self, backend: Backend, array: Array) -> Array:
        return array

    def clock(self) -> float:
        return time.perf_counter()

    def look(self) -> None:
        pass

    def holding_interrupts(self) -> contextlib.AbstractContextManager[Any]:
        return contextlib.nullcontext()

    def require_common(self, error: BaseException) -> None:
        pass

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Alone)

    def __hash__(self) -> int:
        return hash(Alone)

    def __reduce__(self) -> str | tuple[Any, ...]:
        return Alone, ()

    def __repr__(self) -> str:
        return "communicator('self')"


ALONE = Alone()


class Engine(ABC):
    """What carries bytes and small values between processes; `rank` and `size` as of a communicator.

    Buffers are arrays of NumPy of bytes on the host; a rank's part begins where that of the rank before
    ends.
    """

    rank: int
    size: int

    @abstractmethod
    def exchange(self, given: Any, sizes: Sequence[int], came: Any, own: int) -> None:
        """Gives each rank its part of `given`, of these `sizes`; takes `own` bytes of each into `came`."""

    @abstractmethod
    def collect(self, given: Any, came: Any, sizes: Sequence[int]) -> None:
        """Takes what each rank gives, of these `sizes`, into `came`."""

    @abstractmethod
    def spread(self, buffer: Any) -> None:
        """Copies the buffer of rank 0 to that of all others."""

    @abstractmethod
    def share(self, value: Any) -> list[Any]:
        """The value of each rank."""

    @abstractmethod
    def abort(self) -> None:
        """Ends all processes."""
