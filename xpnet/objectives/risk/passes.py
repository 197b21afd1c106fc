"""Passes through a network over some chunks of samples: what a group of them adds to each result."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from ...device.arrays import Array, Namespace, Scalar, Vector
from ...device.backend import Backend
from ...dual import tangent_of, values_of
from ...network import Network, Parameters
from ...recording import Recording
from .accumulate import Accumulator, TangentAccumulator
from .chunks import added
from .data import Chunk, Data
from .terms import Terms, total, weighted_total


@dataclass(frozen=True, eq=False)
class Passes:
    """What all passes have in common; who runs them sees to `backend.working()`.

    Attributes:
        network: whose outputs `terms` take.
        ones: at least as many as a chunk has samples.
        draw: the number of the masks of dropout.
    """

    backend: Backend
    network: Network
    terms: Terms
    data: Data
    ones: Vector
    draw: int

    def value(self, parameters: Parameters, group: Sequence[slice]) -> tuple[Scalar]:
        """What the samples of `group` add to the mean divergence."""
        xp = self.backend.xp
        values: list[Scalar] = []
        for chunk in self.data.walk(group):
            outputs, _ = self.forward(xp, parameters, chunk)
            value = self.terms.value(xp, outputs, chunk.targets, self.data.classes)
            values.append(self._mean(value, chunk.weights))
        return (added(values),)

    def gradient(
        self,
        parameters: Parameters,
        shape: tuple[int, ...],
        group: Sequence[slice],
        total: Vector | None = None,
    ) -> tuple[Scalar, Vector]:
        """Likewise with the gradient, of `shape`, in `total` if that is given."""
        xp = self.backend.xp
        values: list[Scalar] = []
        total, accumulators = self._accumulators(shape, total)
        for chunk in self.data.walk(group):
            outputs, caches = self.forward(xp, parameters, chunk)
            value, gradient = self._terms(xp, outputs, chunk)
            values.append(self._mean(value, chunk.weights))
            self.network.backward(xp, parameters, caches, gradient, accumulators)
        return added(values), total

    def hessian_product(
        self, xp: Namespace, duals: Parameters, shape: tuple[int, ...], group: Sequence[slice]
    ) -> tuple[Vector]:
        """The derivative of the gradient, of `shape`; `duals` move along the directions, `xp` is dual."""
        total, accumulators = self._accumulators(shape)
        for chunk in self.data.walk(group):
            outputs, caches = self.forward(xp, duals, chunk)
            _, gradient = self._terms(xp, outputs, chunk)
            tangents = [TangentAccumulator(own) for own in accumulators]
            self.network.backward(xp, duals, caches, gradient, tangents)
        return (total,)

    def gauss_newton_product(
        self,
        xp: Namespace,
        parameters: Parameters,
        duals: Parameters,
        shape: tuple[int, ...],
        group: Sequence[slice],
    ) -> tuple[Vector]:
        """The gradient of the outputs times that of the divergence's gradient along the directions."""
        total, accumulators = self._accumulators(shape)
        for chunk in self.data.walk(group):
            outputs, caches = self.forward(xp, duals, chunk)
            _, gradient = self._terms(xp, outputs, chunk)
            tangent = tangent_of(xp.xp, gradient, outputs)
            self.network.backward(xp.xp, parameters, values_of(caches), tangent, accumulators)
        return (total,)

    def forward(self, xp: Namespace, parameters: Parameters, chunk: Chunk) -> tuple[Any, list[Any]]:
        """The outputs of some samples, and the caches of the layers."""
        if chunk.numbers is not None:
            parameters = self.network.with_draws(
                self.backend.xp, parameters, chunk.numbers, self.draw, self.data.dtype
            )
        return self.network.forward(xp, parameters, chunk.inputs)

    def recorded(self, xp: Recording) -> Passes:
        """The same passes on what `xp` records."""
        backend = Backend(self.backend.name, xp, self.backend.device)
        return replace(self, backend=backend, data=self.data.seen(xp.given), ones=xp.given(self.ones))

    def _accumulators(
        self, shape: tuple[int, ...], total: Vector | None = None
    ) -> tuple[Vector, list[Accumulator]]:
        """A flat array, and for each layer what adds to its parts; the first time it sets them."""
        given: Any = total
        if given is None:
            given = self.backend.xp.empty(shape, dtype=self.data.dtype, device=self.backend.device)
        views = self.network.parameters(given, self.backend.xp)
        return given, [Accumulator(self.backend, own, self.ones) for own in views]

    def _terms(self, xp: Namespace, outputs: Any, chunk: Chunk) -> tuple[Any, Any]:
        """The divergence of each sample of a chunk, and what its outputs add to the mean's gradient."""
        weights = self.ones[:1] if chunk.weights is None else chunk.weights
        scale = 1.0 / self.data.samples
        return self.terms.gradient(xp, outputs, chunk.targets, self.data.classes, weights, scale=scale)

    def _mean(self, values: Array, weights: Array | None) -> Scalar:
        """What `values`, one for each sample of a chunk, add to the mean over all samples."""
        factor, dtype = 1.0 / self.data.samples, self.backend.accumulator
        if weights is None:
            return total.sum(self.backend.xp, values, factor=factor, dtype=dtype)
        return weighted_total.sum(self.backend.xp, values, weights, factor=factor, dtype=dtype)
