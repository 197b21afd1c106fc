"""What a risk adds up at a point: over its groups of chunks, over all processes, and with its penalties."""

from __future__ import annotations

import functools
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar, cast

from ...device.arrays import Array, Scalar, Vector
from ...distributed import Communicator
from ...distributed.base import Place
from ...dual import Dual, Namespace
from ...network import Network, Parameters
from .chunks import Chunks
from .passes import Passes
from .penalties import Penalties
from .recorded import Kind, Replays, unsettled
from .squares import Squares

Result = TypeVar("Result")


@dataclass(frozen=True, eq=False)
class Sums:
    """The sums of one risk.

    Attributes:
        penalties: added where a process that is alone adds up its samples; else once those of all are.
    """

    communicator: Communicator
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
            parameters = passes.network.parameters(w, backend.xp)
            function = passes.value if kind == "value" else passes.gradient
            return inside.added(backend.xp, chunks.total(chunk, function, parameters, shape), w)

        def own() -> Sequence[Any]:
            return chunks.in_memory((kind, shape), work, chunks.chunk)

        value = shape[:-1], backend.accumulator
        places = (value,) if kind == "value" else (value, (shape, passes.data.dtype))
        with backend.working():
            return outside.added(backend.xp, self.communicator.sum(backend, own, places), w)

    def recording(self, w: Vector) -> int | str:
        """The chunk that a recording of gradients at such a `w` holds for; or why there can be none."""
        if self.communicator.size > 1:
            return "its sums are exchanged between processes"
        return unsettled(self.passes, self.penalties) or self.chunks.fitting(("gradient", tuple(w.shape)))

    def mean(self, function: Callable[..., Array], network: Network, w: Vector) -> Scalar:
        """The mean of `function(xp, outputs, targets)` of the outputs of `network`."""
        shape, backend = tuple(w.shape), self.passes.backend
        arguments = function, network, network.parameters(w, backend.xp), shape
        with backend.working():
            return self._sum("mean", (shape[:-1], backend.accumulator), self.passes.mean, *arguments)

    def hessian_product(self, w: Vector, v: Vector) -> Vector:
        """The gradient's code run on dual numbers that move along `v`."""
        return self._product(v, self.passes.hessian_product, *self._moving(w, v))

    def gauss_newton_product(self, w: Vector, v: Vector) -> Vector:
        """The outputs' gradient times that of the divergence's gradient along `v`."""
        parameters = self.passes.network.parameters(w, self.passes.backend.xp)
        return self._product(v, self.passes.gauss_newton_product, *self._moving(w, v), parameters)

    def _moving(self, w: Vector, v: Vector) -> tuple[Namespace, Parameters]:
        """The namespace of dual numbers, and the parameters as such, which move along `v`."""
        dual, w_along_v = Namespace(self.passes.backend.xp), cast(Any, Dual(w, v))
        return dual, self.passes.network.parameters(w_along_v, dual)

    def _product(self, v: Vector, function: Callable[..., tuple[Vector]], *arguments: Any) -> Vector:
        """The sum of what `function(*arguments, shape, group)` gives, and of the penalties' products."""
        shape, passes = tuple(v.shape), self.passes
        place, kind = (shape, passes.data.dtype), (function.__name__, shape)
        with passes.backend.working():
            product = self._sum(kind, place, function, *arguments, shape)
            self.penalties.add_product(product, v)
            return product

    def squares(self, asked: Callable[[Squares, Parameters, Vector], Result], w: Vector) -> Result:
        """What is asked of the risk as a sum of squares."""
        own = Squares(self.passes, self.chunks, self.penalties, self.communicator)
        with self.passes.backend.working():
            return asked(own, self.passes.network.parameters(w, self.passes.backend.xp), w)

    def _sum(self, kind: Hashable, place: Place, function: Callable[..., Any], *arguments: Any) -> Any:
        """The sum of what `function(*arguments, group)` gives for each group, an array of this place."""
        chunks = self.chunks

        def work(chunk: int) -> Sequence[Any]:
            return chunks.total(chunk, function, *arguments)

        def own() -> Sequence[Any]:
            return chunks.in_memory(kind, work, chunks.chunk)

        (found,) = self.communicator.sum(self.passes.backend, own, (place,))
        return found
