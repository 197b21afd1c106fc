"""Adds up the gradients of one layer's parameters, chunk after chunk."""

from __future__ import annotations

from collections.abc import Mapping

from ...device.arrays import Array
from ...device.backend import Backend
from ...device.products import multiply
from ...dual import Dual
from ...dual import matmul as dual_matmul
from ...rules.products import matmul


class Accumulator:
    """Adds to `views`, arrays by name; what they held before the first time does not matter.

    `ones` is a vector at least as long as a chunk has samples: a sum over samples is a product with it,
    which is faster than a sum and goes where it belongs without an array between.
    """

    def __init__(self, backend: Backend, views: Mapping[str, Array], ones: Array) -> None:
        self.backend, self.views, self.ones = backend, views, ones
        self.begun: set[str] = set()

    def add(self, name: str, value: Array | float) -> None:
        view = self.views[name]
        if name in self.begun:
            view += value
        else:
            self.begun.add(name)
            view[...] = value

    def add_product(self, name: str, left: Array, right: Array) -> None:
        if name in self.begun:
            self.add(name, matmul(self.backend.xp, left, right))
        else:
            self.begun.add(name)
            matmul(self.backend.xp, left, right, into=self.views[name])

    def add_sum(self, name: str, values: Array, total: Array | None = None) -> None:
        if total is None:
            self.add_product(name, values, self.ones[: values.shape[-1]])
        else:
            self.add(name, total)


class TangentAccumulator:
    """Adds the tangents of dual numbers to `accumulator`."""

    def __init__(self, accumulator: Accumulator) -> None:
        self.accumulator = accumulator

    def add(self, name: str, value: Array | Dual | float) -> None:
        # what does not depend on the direction has a tangent of zero
        self.accumulator.add(name, value.tangent if isinstance(value, Dual) else 0.0)

    def add_product(self, name: str, left: Array | Dual, right: Array | Dual) -> None:
        self.add(name, dual_matmul(left, right))

    def add_sum(self, name: str, values: Array | Dual, total: Array | Dual | None = None) -> None:
        if isinstance(values, Dual):
            self.accumulator.add_sum(name, values.tangent)
        else:
            self.add(name, 0.0)


class SampleAccumulator:
    """Keeps each sample's own gradients, in `views`, arrays by name `(..., samples, *shape)`."""

    def __init__(self, backend: Backend, views: Mapping[str, Array]) -> None:
        self.backend, self.views = backend, views

    def add(self, name: str, value: Array) -> None:
        raise NotImplementedError(
            f"the layer adds the gradient of {name!r} without its samples, so there is no Jacobian; "
            "it must use add_product or add_sum"
        )

    def add_product(self, name: str, left: Array, right: Array) -> None:
        multiply(self.backend.xp, left.mT[..., None], right[..., None, :], into=self.views[name])

    def add_sum(self, name: str, values: Array, total: Array | None = None) -> None:
        self.views[name][...] = values.mT
