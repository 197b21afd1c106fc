"""How the samples of a risk are to be walked: how many at a time, by how many threads."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...device.backend import Backend
from ...network import Network
from .chunks import Chunks, default_chunk

if TYPE_CHECKING:
    from .data import Data


def chunk_of(
    backend: Backend,
    network: Network,
    item: int,
    replicas: int | None,
    wanted: int | None,
    samples: int,
    most: int,
) -> int:
    """How many of so many samples are in a chunk: as `wanted`, or as there is room for all replicas."""
    copies = replicas or 1
    work, sample = copies * samples * network.size, copies * network.activation_size * item
    return wanted or default_chunk(backend, samples, sample, item, work, most)


def planned(
    backend: Backend, network: Network, data: Data, chunk: int | None, threads: int | None
) -> Chunks:
    """How `data` are walked: in chunks that have room for all replicas, if `chunk` does not say it."""
    like = backend, network, data.item, data.replicas, chunk
    chunk = chunk_of(*like, data.total, data.most)
    if backend.name == "cupy":  # which has room for the share only
        chunk = min(chunk, chunk_of(*like, max(1, data.samples), data.most))
    work = (data.replicas or 1) * data.samples * network.size
    return Chunks(backend, data.share, chunk, work, threads)
