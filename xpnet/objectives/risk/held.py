"""Which samples of a risk this process holds: all, or its share of those that several have together."""

from __future__ import annotations

from typing import Any

from ...device.arrays import Array
from ...device.backend import Backend
from ...device.host_data import rows_of
from ...distributed import Communicator
from ...network import Network
from .checked import whole
from .chunks import Share, shares


class Holding:
    """How the samples that are handed over become those that are held.

    Attributes:
        communicator: the processes.
        wanted: how many samples are to be in a chunk, if that is said.
        counts: how many each process is handed, where these are its own; None where each is handed all.
    """

    def __init__(self, communicator: Communicator, wanted: int | None) -> None:
        self.communicator, self.wanted = communicator, wanted
        self.counts: list[int] | None = None

    def count(self, backend: Backend, network: Network, X: Any, weights: Any) -> Any:
        """Takes note of how many samples each is handed; the weights of all."""

        def own() -> tuple[int, Any]:
            inputs = backend.admit(X, name="X")
            network.check_shape(inputs, replicas=True)
            count = int(inputs.shape[-2])
            if weights is None:
                return count, None
            given = backend.to_numpy(backend.asarray(whole(weights), name="sample_weight"))
            if given.ndim not in (1, 2) or given.shape[-1] != count:
                raise ValueError(
                    f"sample_weight must be ({count},) or (R, {count}), as X has {count} samples here, "
                    f"got shape {given.shape}"
                )
            return count, given

        found = self.communicator.each(own)
        self.counts = [count for count, _ in found]
        given = [own for _, own in found if own is not None]
        shapes = [own.shape[:-1] for own in given]
        if given and (len(given) < len(found) or len(set(shapes)) > 1):
            got = [None if own is None else own.shape for _, own in found]
            with self.communicator.together():  # which says that it comes in all
                raise ValueError(
                    f"sample_weight must be of as many replicas in all, or None in all, got shapes {got}"
                )
        return backend.host.concat(given, axis=-1) if given else None

    def require_same(self, replicas: int | None) -> None:
        """Raises ValueError, in all, unless the data of each process are of as many replicas."""
        if self.counts is None:
            return
        found = self.communicator.each(lambda: replicas)
        if len(set(found)) > 1:
            with self.communicator.together():
                raise ValueError(f"X, targets and weights must be of as many replicas in all, got {found}")

    def total(self, given: int) -> int:
        """How many samples all have together, where this process was handed so many."""
        return given if self.counts is None else sum(self.counts)

    def share(self, backend: Backend, given: int, chunk: int) -> Share:
        """The samples of this process, where it was handed so many, for chunks of this size."""
        rank, size = self.communicator.rank, self.communicator.size
        if self.counts is not None:
            return Share(sum(self.counts[:rank]), given, sum(self.counts))
        if size == 1:
            return Share(0, given, given)
        return shares(backend, given, chunk, size)[rank]

    def rows(self, share: Share, values: Any, axis: int) -> Any:
        """Those of `values`, what was handed over, that this process holds; `axis` is of the samples."""
        if self.counts is not None or share.samples == share.total:
            return values
        return rows_of(values, slice(share.first, share.first + share.samples), len(values.shape) + axis)


def held_here(backend: Backend, numbers: Array, share: Share, places: Array | None) -> tuple[Array, Array]:
    """Of samples, by their `numbers` among all: where those that are held here lie, and which these are.

    `share` follows one another among all, or has these `places` there.
    """
    xp = backend.xp
    if places is None:
        own = numbers - share.first
        inside = (own >= 0) & (own < share.samples)
    else:
        where = xp.full(share.total, -1, dtype=xp.int64, device=backend.device)
        where[places] = xp.arange(share.samples, dtype=xp.int64, device=backend.device)
        own = xp.take(where, numbers)
        inside = own >= 0
    chosen = xp.nonzero(inside)[0]
    return xp.take(own, chosen), chosen
