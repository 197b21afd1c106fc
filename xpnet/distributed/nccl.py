"""Sums on CUDA devices by NCCL, which CuPy brings the calls of: no number comes to the host.

One launch adds up all arrays of an evaluation. It is queued like any other work, so nobody waits for it,
and nothing of errors or interrupts comes with it: these are agreed on where the device is read.
"""

from __future__ import annotations

import importlib
import logging
import socket
import warnings
from collections.abc import Sequence
from typing import Any

from .. import checks
from ..device.backend import Backend
from .base import Engine

logger = logging.getLogger("xpnet")


class DeviceSums:
    """Sums over the devices of all processes, one for each."""

    def __init__(self, nccl: Any, engine: Engine, backend: Backend) -> None:
        self.nccl = nccl
        (key, *_) = engine.share(nccl.get_unique_id() if engine.rank == 0 else None)
        with backend.device:
            self._communicator = nccl.NcclCommunicator(engine.size, key, engine.rank)
        self._cuda = importlib.import_module("cupy.cuda")

    def add(self, arrays: Sequence[Any]) -> Sequence[Any]:
        """The sums of contiguous arrays, in their memory."""
        nccl, stream = self.nccl, self._cuda.get_current_stream().ptr
        nccl.groupStart()
        for array in arrays:
            kind = nccl.NCCL_FLOAT64 if checks.dtype_name(array.dtype) == "float64" else nccl.NCCL_FLOAT32
            place = array.data.ptr
            self._communicator.allReduce(place, place, array.size, kind, nccl.NCCL_SUM, stream)
        nccl.groupEnd()
        return arrays


def device_sums(engine: Engine, backend: Backend) -> DeviceSums | None:
    """Sums by NCCL, if all processes have it, and a device each; else None. The log says which."""
    nccl = _library()
    places = engine.share((socket.gethostname(), _device(backend), nccl is not None))
    lacking = [rank for rank, (_, _, there) in enumerate(places) if not there]
    if lacking:
        reason = f"CuPy finds no NCCL on rank {lacking[0]} (pip install nvidia-nccl-cu12, or cu13)"
    elif len({place[:2] for place in places}) < engine.size:
        reason = "several processes have one device"
    else:
        logger.info("sums of %d devices are made by NCCL", engine.size)
        return DeviceSums(nccl, engine, backend)
    logger.warning("sums of %d devices go through the host: %s", engine.size, reason)
    return None


def _library() -> Any:
    with warnings.catch_warnings(action="ignore"):  # of CuPy, where there is none
        found = importlib.import_module("cupy.cuda.nccl")
    return found if getattr(found, "available", False) else None


def _device(backend: Backend) -> str:
    """What tells the devices of a machine apart, whatever their numbers in this process."""
    properties = importlib.import_module("cupy.cuda.runtime").getDeviceProperties(backend.device.id)
    return ".".join(
        str(properties.get(name)) for name in ("pciDomainID", "pciBusID", "pciDeviceID", "uuid")
    )
