"""Passes through a network over some chunks of samples: what a group of them adds to each result."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from ...device.arrays import Array, Namespace, Scalar, Vector
from ...device.backend import Backend
from ...distributed.tree import added
from ...divergences import Divergence
from ...dual import tangent_of, values_of
from ...layers import Accumulate, Dense
from ...layers.activations import IDENTITY
from ...network import Network, Parameters
from ...recording import Recording
from ..matrices import check_result
from .accumulate import Accumulator, TangentAccumulator
from .data import Chunk, Data
from .terms import Terms, one_hot, total, weighted_total


@dataclass(frozen=True, eq=False)
class Passes:
    """What all passes have in common; who runs them sees to `backend.working()`.

    Attributes:
        network: whose outputs the divergence takes.
        stem: the same, without the last bias if `terms` add that; whose outputs they take.
        ones: at least as many as a chunk has samples.
        draw: the number of the masks of dropout.
    """

    backend: Backend
    network: Network
    stem: Network
    terms: Terms
    data: Data
    ones: Vector
    draw: int

    def value(
        self, parameters: Parameters, shape: tuple[int, ...], group: Sequence[slice]
    ) -> tuple[Scalar]:
        """What the samples of `group` add to the mean divergence; `shape` is that of `w`."""
        xp = self.backend.xp
        values: list[Scalar] = []
        for chunk in self.data.walk(group):
            outputs, _ = self.forward(self.stem, xp, parameters, chunk)
            bias = self._bias(parameters)
            value = self.terms.value(xp, outputs, bias, chunk.targets, self.data.classes)
            values.append(self._mean(value, chunk.weights))
        return (self._whole(values, shape),)

    def mean(
        self,
        function: Callable[..., Array],
        network: Network,
        parameters: Parameters,
        whole: tuple[int, ...],
        group: Sequence[slice],
    ) -> tuple[Scalar]:
        """What the samples of `group` add to the mean of `function(xp, outputs, targets)`.

        `whole` is the shape of `w`.
        """
        xp, data = self.backend.xp, self.data
        values: list[Scalar] = []
        for chunk in data.walk(group):
            outputs, _ = self.forward(network, xp, parameters, chunk)
            targets = one_hot(xp, chunk.targets, data.classes, data.dtype) if data.labels else chunk.targets
            found = xp.astype(function(xp, outputs, targets), data.dtype)
            shape = (*outputs.shape[:-2], outputs.shape[-1])
            check_result(self.backend, "what is averaged over the samples", found, shape, data.dtype)
            values.append(self._mean(found, chunk.weights))
        return (self._whole(values, whole),)

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
        total, accumulators = self._accumulators(shape, group, total)
        for chunk in self.data.walk(group):
            outputs, caches = self.forward(self.stem, xp, parameters, chunk)
            value, gradient, summed = self._terms(xp, parameters, outputs, chunk)
            values.append(self._mean(value, chunk.weights))
            self._backward(xp, parameters, caches, gradient, summed, accumulators)
        return self._whole(values, shape), total

    def hessian_product(
        self, xp: Namespace, duals: Parameters, shape: tuple[int, ...], group: Sequence[slice]
    ) -> tuple[Vector]:
        """The derivative of the gradient, of `shape`; `duals` move along the directions, `xp` is dual."""
        total, accumulators = self._accumulators(shape, group)
        for chunk in self.data.walk(group):
            outputs, caches = self.forward(self.stem, xp, duals, chunk)
            _, gradient, summed = self._terms(xp, duals, outputs, chunk)
            tangents = [TangentAccumulator(own) for own in accumulators]
            self._backward(xp, duals, caches, gradient, summed, tangents)
        return (total,)

    def gauss_newton_product(
        self,
        xp: Namespace,
        duals: Parameters,
        parameters: Parameters,
        shape: tuple[int, ...],
        group: Sequence[slice],
    ) -> tuple[Vector]:
        """The gradient of the outputs times that of the divergence's gradient along the directions."""
        total, accumulators = self._accumulators(shape, group)
        for chunk in self.data.walk(group):
            outputs, caches = self.forward(self.stem, xp, duals, chunk)
            _, gradient, _ = self._terms(xp, duals, outputs, chunk)
            tangent = tangent_of(xp.xp, gradient, outputs)
            self._backward(xp.xp, parameters, values_of(caches), tangent, None, accumulators)
        return (total,)

    def forward(
        self, network: Network, xp: Namespace, parameters: Parameters, chunk: Chunk
    ) -> tuple[Any, list[Any]]:
        """The outputs of `network`, or the `stem`, of some samples, and the caches of the layers."""
        if chunk.numbers is not None:
            parameters = self.network.with_draws(
                self.backend.xp, parameters, chunk.numbers, self.draw, self.data.dtype
            )
        return network.forward(xp, parameters, chunk.inputs)

    def _backward(
        self,
        xp: Namespace,
        parameters: Parameters,
        caches: list[Any],
        gradient: Any,
        total: Any,
        accumulate: Sequence[Accumulate],
    ) -> None:
        """Carries the `gradient` back, whose sum over the samples is `total`, if that is known."""
        if self.terms.biased:
            accumulate[-1].add_sum("bias", gradient, total)
        self.stem.backward(xp, parameters, caches, gradient, accumulate)

    def _whole(self, values: list[Scalar], shape: tuple[int, ...]) -> Scalar:
        """The sum of the values of chunks; 0 where there are none."""
        if values:
            return added(values)
        return self.backend.xp.zeros(shape[:-1], dtype=self.backend.accumulator, device=self.backend.device)

    def _bias(self, parameters: Parameters) -> Any:
        return parameters[-1]["bias"][..., None] if self.terms.biased else self.ones[:1]

    def recorded(self, xp: Recording) -> Passes:
        """The same passes on what `xp` records."""
        backend = Backend(self.backend.name, xp, self.backend.device)
        return replace(self, backend=backend, data=self.data.seen(xp.given), ones=xp.given(self.ones))

    def of(self, data: Data, chunk: int) -> Passes:
        """The same passes over `data`, so many samples at once at most."""
        length, ones = max(1, min(chunk, data.samples)), self.ones
        if ones.shape[0] < length:
            with self.backend.quiet():
                ones = self.backend.xp.ones(length, dtype=data.dtype, device=self.backend.device)
        return replace(self, data=data, ones=ones)

    def _accumulators(
        self, shape: tuple[int, ...], group: Sequence[slice], total: Vector | None = None
    ) -> tuple[Vector, list[Accumulator]]:
        """A flat array, and for each layer what adds to its parts; the first time it sets them."""
        given: Any = total
        if given is None:
            new = self.backend.xp.empty if group else self.backend.xp.zeros
            given = new(shape, dtype=self.data.dtype, device=self.backend.device)
        views = self.network.parameters(given, self.backend.xp)
        return given, [Accumulator(self.backend, own, self.ones) for own in views]

    def _terms(
        self, xp: Namespace, parameters: Parameters, outputs: Any, chunk: Chunk
    ) -> tuple[Any, Any, Any]:
        """The divergence of each sample of a chunk, and what its outputs add to the mean's gradient.

        Also the sum of that over the samples, if it is wanted and no work of its own.
        """
        weights = self.ones[:1] if chunk.weights is None else chunk.weights[..., None, :]
        arrays = (outputs, self._bias(parameters), chunk.targets, self.data.classes, weights)
        rule, scale, total = self.terms.gradient, 1.0 / self.data.total, None
        if self.terms.biased:
            (value, gradient), total = rule.compute_with_sum(xp, *arrays, scale=scale)
        else:
            value, gradient = rule(xp, *arrays, scale=scale)
        return value, gradient, total

    def _mean(self, values: Array, weights: Array | None) -> Scalar:
        """What `values`, one for each sample of a chunk, add to the mean over all samples."""
        factor, dtype = 1.0 / self.data.total, self.backend.accumulator
        if weights is None:
            return total.sum(self.backend.xp, values, factor=factor, dtype=dtype)
        return weighted_total.sum(self.backend.xp, values, weights, factor=factor, dtype=dtype)


def passes_of(backend: Backend, network: Network, divergence: Divergence, data: Data) -> Passes:
    """The passes of a network and a divergence of its outputs; `of` gives them what they add up with."""
    stem = without_last_bias(network)
    terms = Terms(divergence, data.labels, data.weights is not None, stem is not network)
    ones = backend.xp.empty(0, dtype=data.dtype, device=backend.device)
    return Passes(backend, network, stem, terms, data, ones, draw=0)


def without_last_bias(network: Network) -> Network:
    """`network` without the bias that is the last thing added to its outputs; itself if there is none.

    It takes the parameters of `network`. That bias can then be added where the outputs are read.
    """
    last = network.layers[-1]
    if type(last) is not Dense or not last.bias or last.activation != IDENTITY:
        return network
    return Network(network.inputs, *network.layers[:-1], replace(last, bias=False))
