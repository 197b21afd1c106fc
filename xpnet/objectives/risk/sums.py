"""What a risk adds up at a point: over its groups of chunks, over all processes, and with its penalties."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from ...device.arrays import Vector
from ...distributed import Communicator
from ...network import Network
from .chunks import Chunks
from .passes import Passes
from .penalties import Penalties
from .recorded import Kind, Replays


@dataclass(frozen=True, eq=False)
class Sums:
    """The sums of one risk; who asks sees to `backend.working()`.

    Attributes:
        network: whose parameters the passes take.
        penalties: added where a process that is alone adds up its samples; else once those of all are.
    """

    communicator: Communicator
    network: Network
    passes: Passes
    chunks: Chunks
    replays: Replays
    penalties: Penalties

    @functools.cached_property
    def _parted(self) -> tuple[Penalties, Penalties]:
        """Those that are added here, and those that are added once the sums of all processes are."""
        none = self.penalties.without()
        return (self.penalties, none) if self.communicator.size == 1 else (none, self.penalties)

    def evaluate(self, kind: Kind, w: Vector) -> Sequence[Any]:
        """The value, and the gradient if that is wanted: recorded, or as the passes go."""
        passes, chunks, shape = self.passes, self.chunks, tuple(w.shape)
        backend, (inside, outside) = passes.backend, self._parted

        def work(chunk: int) -> Sequence[Any]:
            found = self.replays.evaluate((kind, shape, chunk), passes, inside, chunks, w)
            if found is not None:
                return found
            parameters = self.network.parameters(w, backend.xp)
            function = passes.value if kind == "value" else passes.gradient
            return inside.added(backend.xp, chunks.total(chunk, function, parameters, shape), w)

        def own() -> Sequence[Any]:
            return chunks.in_memory((kind, shape), work, chunks.chunk)

        value = shape[:-1], backend.accumulator
        places = (value,) if kind == "value" else (value, (shape, passes.data.dtype))
        return outside.added(backend.xp, self.communicator.sum(backend, own, places), w)

    def product(self, kind: str, v: Vector, function: Callable[..., Any], *arguments: Any) -> Vector:
        """The sum of what `function(*arguments, shape, group)` gives, and of the penalties' products."""
        chunks, backend, shape = self.chunks, self.passes.backend, tuple(v.shape)

        def work(chunk: int) -> Sequence[Vector]:
            return chunks.total(chunk, function, *arguments, shape)

        def own() -> Sequence[Vector]:
            return chunks.in_memory((kind, shape), work, chunks.chunk)

        (product,) = self.communicator.sum(backend, own, ((shape, self.passes.data.dtype),))
        self.penalties.add_product(product, v)
        return product
