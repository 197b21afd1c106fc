"""Several processes over an engine that carries bytes: sums, errors and interrupts that all share."""

from __future__ import annotations

import contextlib
import sys
import time
import traceback
from collections.abc import Callable, Generator, Sequence
from typing import TYPE_CHECKING, Any, NoReturn, TypeVar

import numpy as np

from ..device.arrays import Array
from ..device.backend import Backend
from .base import Communicator, Engine, Place, RankError
from .interrupts import Interrupts
from .layout import layout

if TYPE_CHECKING:
    from .nccl import DeviceSums

Result = TypeVar("Result")

SMALL = 2**15  # bytes that leave a process at once, as two exchanges would take longer
HEADER = 3  # interrupts, failures, the clock


class Ranks(Communicator):
    """The processes of `engine`.

    A sum is two exchanges: each process takes its part of the buffers of all, adds them by halves, in the
    order of their ranks, and gives the sums to all. So (size - 1) / size of a buffer leaves each process
    on either way. Small buffers are given to everyone, and each adds them all up: one exchange.
    """

    def __init__(self, engine: Engine) -> None:
        self.engine, self.rank, self.size = engine, engine.rank, engine.size
        self.interrupts = Interrupts()
        self._now = 0.0
        self._devices: dict[Backend, DeviceSums | None] = {}  # of CUDA

    def sum(
        self, backend: Backend, work: Callable[[], Sequence[Array]], places: Sequence[Place]
    ) -> Sequence[Array]:
        devices = self._of_devices(backend) if backend.name == "cupy" else None
        if devices is not None:
            return self._queued(devices, work)
        error, arrays = None, list[Any]()
        try:
            arrays = [backend.to_numpy(array) for array in work()]
        except KeyboardInterrupt:
            self.interrupts.noted = True
        except BaseException as caught:
            error = caught
        own = layout(tuple(places), self.size, HEADER)
        header = (float(self.interrupts.noted), float(error is not None), self._clock())
        sums, told = own.unpacked(self._added(own, own.packed(arrays, header)))
        self._heed(error, told)
        if backend.name == "numpy":
            return [array[()] for array in sums]
        return [backend.asarray(array) for array in sums]

    def _of_devices(self, backend: Backend) -> DeviceSums | None:
        if backend not in self._devices:
            from .nccl import device_sums

            self._devices[backend] = device_sums(self.engine, backend)
        return self._devices[backend]

    def _queued(self, devices: DeviceSums, work: Callable[[], Sequence[Array]]) -> Sequence[Array]:
        """The sums of what is on devices; nobody can be told of a failure in time, so it ends all."""
        try:
            return devices.add(work())
        except BaseException as error:
            self.abort(error)
            raise

    def _added(self, own: Any, given: Any) -> Any:
        """The sum of the buffers of all."""
        engine, size, rank = self.engine, self.size, self.rank
        if own.bytes * (size - 1) <= SMALL:
            came = np.empty(size * own.bytes, np.uint8)
            engine.collect(given, came, [own.bytes] * size)
            return own.added(came)
        mine = own.sizes[rank]
        came = np.empty(size * mine, np.uint8)
        engine.exchange(given, own.sizes, came, mine)
        engine.collect(own.added(came, rank), given, own.sizes)
        return given

    def gather(self, backend: Backend, array: Array, axis: int) -> Array:
        rows = np.ascontiguousarray(np.moveaxis(backend.to_numpy(array), axis, 0))
        counts = self.engine.share(rows.shape[0])
        shape = (sum(counts), *rows.shape[1:])
        one = rows.itemsize * int(np.prod(rows.shape[1:]))
        came = np.empty(one * shape[0], np.uint8)
        self.engine.collect(rows.reshape(-1).view(np.uint8), came, [one * count for count in counts])
        joined = np.moveaxis(came.view(rows.dtype).reshape(shape), 0, axis)
        return backend.asarray(np.ascontiguousarray(joined))

    def each(self, work: Callable[[], Result]) -> list[Result]:
        found: list[Result] = []
        with self.together(found):
            found.append(work())
        return found

    @contextlib.contextmanager
    def together(self, results: list[Any] | None = None) -> Generator[None]:
        """The same; with `results`, to which this process has added one, as a list of those of all."""
        error = None
        try:
            yield
        except KeyboardInterrupt:
            self.interrupts.noted = True
        except BaseException as caught:
            error = caught
        told = None if error is None else self._sentence(error)
        found = self.engine.share((told, results, self._clock(), self.interrupts.noted))
        self._now = found[0][2]
        self._raise(error, [told for told, _, _, _ in found])
        if any(noted for _, _, _, noted in found):
            self._interrupt()
        if results is not None:
            results[:] = [row for _, rows, _, _ in found for row in rows]

    def same(self, backend: Backend, array: Array) -> Array:
        host = np.array(backend.to_numpy(array))
        buffer = np.append(host.reshape(-1).view(np.uint8), np.array([self._clock()]).view(np.uint8))
        self.engine.spread(buffer)
        self._now = float(buffer[-8:].view(np.float64)[0])
        return backend.asarray(buffer[:-8].view(host.dtype).reshape(host.shape))

    def clock(self) -> float:
        return self._now

    def look(self) -> None:
        if any(self._devices.values()):  # else sums have told everything
            found = self.engine.share((self._clock(), self.interrupts.noted))
            self._now = found[0][0]
            if any(noted for _, noted in found):
                self._interrupt()

    def holding_interrupts(self) -> contextlib.AbstractContextManager[Any]:
        return self.interrupts.held()

    def require_common(self, error: BaseException) -> None:
        if not getattr(error, "in_all_processes", False):
            self.abort(error)

    def abort(self, error: BaseException) -> None:
        """Ends all processes with the sentence of `error`, which has come in this one only."""
        traceback.print_exception(error)
        print(f"xpnet: {self._sentence(error)}; all {self.size} end", file=sys.stderr, flush=True)
        self.engine.abort()

    def _clock(self) -> float:
        """What this process adds to the clock of all."""
        return time.perf_counter() if self.rank == 0 else 0.0

    def _heed(self, error: BaseException | None, header: Sequence[float]) -> None:
        """Takes what came with a sum; raises where any process has failed, or was interrupted."""
        interrupts, failures, self._now = header
        if failures:
            told = None if error is None else self._sentence(error)
            self._raise(error, self.engine.share(told))
        if interrupts:
            self._interrupt()

    def _raise(self, error: BaseException | None, told: Sequence[str | None]) -> None:
        """Raises where any process has failed: its own error, or that of the first, in words."""
        first = next((sentence for sentence in told if sentence is not None), None)
        if first is None:
            return
        raised = error or RankError(first)
        with contextlib.suppress(AttributeError, TypeError):  # some exceptions take no attributes
            raised.in_all_processes = True  # type: ignore[attr-defined]
        raise raised

    def _interrupt(self) -> NoReturn:
        self.interrupts.told()
        raise KeyboardInterrupt

    def _sentence(self, error: BaseException) -> str:
        return f"rank {self.rank} of {self.size}: {type(error).__name__}: {error}"

    def __repr__(self) -> str:
        return f"<rank {self.rank} of {self.size}>"
