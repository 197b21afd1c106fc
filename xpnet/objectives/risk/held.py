"""Which samples of a risk this process holds: all, or its share of those that several have together."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ...device.backend import Backend
from ...device.host_data import rows_of
from ...distributed import Communicator
from .chunks import Share, shares


class Holding:
    """How the samples that are handed over become those that are held.

    Attributes:
        communicator: the processes.
        chunk: how many samples there are in a chunk, of so many in all; and how many at most.
        counts: how many each process is handed, where these are its own; None where each is handed all.
    """

    def __init__(self, communicator: Communicator, chunk: Callable[[int, int], int]) -> None:
        self.communicator, self.chunk = communicator, chunk
        self.counts: list[int] | None = None

    def count(self, backend: Backend, X: Any, weights: Any) -> Any:
        """Takes note of how many samples each is handed; the weights of all."""

        def own() -> tuple[int, Any]:
            inputs = backend.admit(X, name="X")
            given = None if weights is None else backend.to_numpy(backend.asarray(weights))
            return int(inputs.shape[0]), given

        found = self.communicator.each(own)
        self.counts = [count for count, _ in found]
        return None if weights is None else backend.host.concat([given for _, given in found])

    def share(self, backend: Backend, given: int) -> Share:
        """That of this process, where it was handed so many."""
        rank, size = self.communicator.rank, self.communicator.size
        if self.counts is not None:
            return Share(sum(self.counts[:rank]), given, sum(self.counts))
        if size == 1:
            return Share(0, given, given)
        return shares(backend, given, self.chunk(given, given), size)[rank]

    def rows(self, share: Share, values: Any) -> Any:
        """Those of `values`, what was handed over, that this process holds."""
        if self.counts is not None or share.samples == share.total:
            return values
        return rows_of(values, slice(share.first, share.first + share.samples))
