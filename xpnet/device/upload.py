"""Copies samples from the host to a CUDA device, part by part, while the part before is at work."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Any, cast

import numpy as np

from . import host_data
from .plain import HostArray


class _Slot:
    """Page-locked memory of the host and memory of the device for one part of each of some sources."""

    def __init__(
        self, cupy: Any, shapes: Sequence[tuple[int, ...]], dtypes: Sequence[np.dtype[Any]]
    ) -> None:
        import cupyx

        pinned: Any = cast(Any, cupyx).empty_pinned
        pairs = list(zip(shapes, dtypes, strict=True))
        self.host: list[HostArray] = [pinned(shape, dtype) for shape, dtype in pairs]
        self.device: list[Any] = [cupy.empty(shape, dtype) for shape, dtype in pairs]
        self.copied = cupy.cuda.Event(block=True, disable_timing=True)
        self.used = cupy.cuda.Event(disable_timing=True)
        self.used.record()  # what the device's memory was before


def upload(
    cupy: Any,
    context: Callable[[], AbstractContextManager[Any]],
    sources: Mapping[str, Any],
    parts: Sequence[slice],
    dtype: np.dtype[Any],
) -> Iterator[list[Any]]:
    """`Backend.stream` on CuPy: two slots take turns, filled on a stream of their own.

    Only events order that stream and the current one. The host waits for nothing but that a slot's last
    copy has been made, before it writes there again. What is done on the device is done in a `context()`.
    """
    most = max(part.stop - part.start for part in parts)
    shapes = [(most, *source.shape[1:]) for source in sources.values()]
    dtypes = [_sent(source.dtype, dtype) for source in sources.values()]
    with context():
        copying = cupy.cuda.Stream(non_blocking=True)
        slots = [_Slot(cupy, shapes, dtypes) for _ in parts[:2]]
    try:
        for number, part in enumerate(parts):
            slot, count = slots[number % 2], part.stop - part.start
            arrays = [array[:count] for array in slot.device]
            slot.copied.synchronize()
            for (name, source), rows in zip(sources.items(), slot.host, strict=True):
                host_data.read(name, source, part, rows[:count])
            with context():
                copying.wait_event(slot.used)
                for rows, array in zip(slot.host, arrays, strict=True):
                    array.set(rows[:count], stream=copying)
                slot.copied.record(copying)
                cupy.cuda.get_current_stream().wait_event(slot.copied)
            yield arrays
            with context():
                slot.used.record()
    finally:
        for slot in slots:
            slot.copied.synchronize()


def _sent(own: Any, wanted: np.dtype[Any]) -> np.dtype[Any]:
    """The dtype in which numbers go to the device: their own unless that is larger."""
    own = np.dtype(own).newbyteorder("=")
    return own if own.kind in "biuf" and own.itemsize <= wanted.itemsize else wanted
