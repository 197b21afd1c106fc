"""The error surface of a linear network with one hidden layer, in closed form."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, cast

from .. import checks
from ..device.arrays import Array, DTypeLike, Matrix, Samples, Vector
from ..device.backend import Backend
from ..device.select import backend as choose_backend
from ..network import Network

Subset = tuple[int, ...]


@dataclass(frozen=True, eq=False, repr=False)
class LinearNetwork:
    """What `linear_network` returns. Arrays are NumPy's, in double precision.

    A subset of eigenvectors is a sequence of their numbers, 0 for that of the largest eigenvalue.

    Attributes:
        p: hidden units.
        eigenvalues: of `S = S_yx S_xx^-1 S_xy`, the largest first, `(outputs,)`.
        eigenvectors: `U`, in columns, `(outputs, outputs)`.
        least_squares: `S_yx S_xx^-1`, what a network without a bottleneck computes, `(outputs, features)`.
        rest: `1/2 tr(S_yy - S)`, the value of that; 0 where the targets are the inputs.
        subsets: the critical points of full rank, each by its `min(p, outputs)` eigenvectors; the first
            is the minimum.
        values: the risk at each of them, `(subsets,)`.
    """

    p: int
    eigenvalues: Vector
    eigenvectors: Matrix
    least_squares: Matrix
    rest: float
    subsets: tuple[Subset, ...]
    values: Vector

    @property
    def minimum(self) -> float:
        """`E*`, the value of the only minimum."""
        return float(self.values[0])

    def value(self, subset: Sequence[int]) -> float:
        """`rest + 1/2 sum lambda_i` over the eigenvectors that are not in the subset.

        Raises:
            TypeError, ValueError: no numbers of at most p different eigenvectors.
        """
        return _value(self.eigenvalues, self.rest, self._subset(subset))

    def weights(self, subset: Sequence[int] | None = None) -> tuple[Matrix, Matrix]:
        """The weights of a critical point, `(p, features)` and `(outputs, p)`: `U_I' S_yx S_xx^-1`, `U_I`.

        Any `C U_I' S_yx S_xx^-1` and `U_I C^-1` are those of the same network. Units that the subset leaves
        over have weights of zero.

        Args:
            subset: at most p eigenvectors; those of the minimum if not given.

        Raises:
            TypeError, ValueError: as `value`.
        """
        own = self.subsets[0] if subset is None else self._subset(subset)
        xp = choose_backend("numpy").xp
        outputs, features = self.least_squares.shape
        first, second = xp.zeros((self.p, features)), xp.zeros((outputs, self.p))
        for unit, number in enumerate(own):
            second[:, unit] = self.eigenvectors[:, number]
            first[unit, :] = self.eigenvectors[:, number] @ self.least_squares
        return first, second

    def point(
        self,
        network: Network,
        subset: Sequence[int] | None = None,
        *,
        backend: Backend | str | None = None,
        dtype: DTypeLike = "float64",
    ) -> Vector:
        """The critical point as parameters `w` of a network, `(P,)`; biases are zero.

        Args:
            network: `Network(features, Dense(p, "identity"), Dense(outputs, "identity"))`, with or without
                biases. With them inputs and targets must have means of zero, or the point is not critical.
            subset: as in `weights`.
            backend: as `xpnet.backend` takes it.
            dtype: "float64" or "float32".

        Raises:
            TypeError, ValueError: another network; as `value`.
        """
        checks.instance("network", network, Network, "a Network")
        first, second = self.weights(subset)
        shapes = [shape for name, shape in network.layout.shapes.items() if name.endswith(".weights")]
        wanted = [tuple(first.shape), tuple(second.shape)]
        if shapes != wanted or len(network.layers) != 2:
            raise ValueError(f"network must be of two layers with weights {wanted}, got {shapes}")
        there = choose_backend(backend)
        xp = choose_backend("numpy").xp
        w = xp.zeros(network.size)
        for number, weights in enumerate((first, second)):
            w[network.layout.slice(f"{number}.weights")] = xp.reshape(weights, (-1,))
        return there.asarray(w, there.dtype(dtype))

    def _subset(self, subset: Any) -> Subset:
        if isinstance(subset, str) or not isinstance(subset, Sequence):
            raise TypeError(f"subset must be numbers of eigenvectors, got {checks.shown(subset)}")
        numbers, last = cast("Sequence[Any]", subset), len(self.eigenvalues) - 1
        own = tuple([checks.count("each of subset", number, 0, last) for number in numbers])
        if len(set(own)) != len(own) or len(own) > self.p:
            raise ValueError(f"subset must be at most {self.p} different eigenvectors, got {own}")
        return own

    def __repr__(self) -> str:
        return f"LinearNetwork(p={self.p}, minimum={self.minimum:.6g}, critical points={len(self.subsets)})"


def linear_network(X: Samples, Y: Samples, p: int) -> LinearNetwork:
    """All critical points of a linear network `y = B A x` with p hidden units (Baldi, Hornik 1989).

    The risk is `E = 1/(2 T) sum_t |y_t - B A x_t|^2`, as `EmpiricalRisk` with `SquaredError` has it,
    without biases. With `S_xx = X'X / T` and so on, and the eigenvectors of `S = S_yx S_xx^-1 S_xy`, each
    subset of p of them is a critical point, up to an invertible `C` between the layers, of the value
    `1/2 (tr S_yy - sum_(i in I) lambda_i)`. The p largest are the minimum `E*`, every other subset is a
    saddle; so are the subsets of fewer than p. It holds where the eigenvalues differ and are positive;
    where two are equal, eigenvectors of the same value make up a continuum.

    Args:
        X: `(samples, features)`, linearly independent features.
        Y: `(samples, outputs)` or `(samples,)`; X itself for an autoencoder.
        p: hidden units.

    Raises:
        TypeError, ValueError: no numbers, NaN or infinity, shapes that do not fit, features that are not
            linearly independent.
        MemoryError: so many subsets would not fit.

    >>> from xpnet.analysis import linear_network
    >>> X = [[2.0, 0.0], [-2.0, 0.0], [0.0, 1.0], [0.0, -1.0]]
    >>> found = linear_network(X, X, 1)
    >>> found.eigenvalues.tolist(), found.subsets, found.values.tolist()
    ([2.0, 0.5], ((0,), (1,)), [0.25, 1.0])
    """
    p = checks.count("p", p)
    host = choose_backend("numpy")
    xp = host.xp
    inputs, targets = _samples(host, "X", X), _samples(host, "Y", Y)
    samples, features = inputs.shape
    if targets.shape[0] != samples:
        raise ValueError(f"Y must have as many samples as X, {samples}, got shape {tuple(targets.shape)}")
    outputs = targets.shape[1]
    count = math.comb(outputs, min(p, outputs))
    host.require_room("p", p, count * (min(p, outputs) + 1))
    with host.working():
        rank = int(xp.linalg.matrix_rank(inputs))
        if rank < features:
            got = f"rank {rank} of shape {tuple(inputs.shape)}"
            raise ValueError(f"X must have linearly independent features, got {got}")
        across = inputs.T @ targets / samples
        least_squares = xp.linalg.solve(inputs.T @ inputs / samples, across).T
        matrix = least_squares @ across
        values, vectors = xp.linalg.eigh(0.5 * (matrix + matrix.T))
        values, vectors = xp.maximum(xp.flip(values), 0.0), xp.flip(vectors, axis=1)
        rest = targets - inputs @ least_squares.T
        unexplained = 0.5 * float(xp.sum(rest * rest)) / samples
    subsets = tuple(itertools.combinations(range(outputs), min(p, outputs)))
    at = xp.asarray([_value(values, unexplained, subset) for subset in subsets])
    return LinearNetwork(p, values, vectors, least_squares, unexplained, subsets, at)


def _value(eigenvalues: Vector, rest: float, subset: Subset) -> float:
    others = [k for k in range(len(eigenvalues)) if k not in subset]
    return rest + 0.5 * math.fsum(float(eigenvalues[k]) for k in others)


def _samples(host: Backend, name: str, given: Any) -> Array:
    array = host.asarray(given, "float64", name=name)
    array = array[:, None] if array.ndim == 1 and name == "Y" else array
    if array.ndim != 2 or not array.size:
        wanted = "(samples, features)" if name == "X" else "(samples, outputs) or (samples,)"
        raise ValueError(f"{name} must be {wanted}, got shape {tuple(array.shape)}")
    checks.finite(host.xp, name, array)
    return array
