"""The spectrum of a symmetric matrix from its products: ends, trace and density, by Lanczos's method."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from .. import checks
from ..device.arrays import Array, Matrix, Namespace, Vector, host_generator
from ..device.backend import Backend
from .arguments import Product, checked_product, checked_vectors, not_zero, sound
from .vectors import dot, norm

Kind = Literal["signs", "normal"]
KINDS: tuple[Kind, ...] = ("signs", "normal")


def lanczos(product: Product, start: Vector, steps: int) -> tuple[Array, Array, Array]:
    """The Lanczos tridiagonalization `V'AV = T`, with full reorthogonalization (Lanczos 1950).

    Ends early where the space that `start` spans is exhausted (for rows: once it is for all of them).

    Args:
        product: `A v`.
        start: no row of it zero, `(P,)` or `(R, P)`.
        steps: the most products, the size of T.

    Returns:
        The diagonal of T `(..., k)`, what stands beside it `(..., k)`, of which the last is the norm of
        the remainder, and `V'` `(..., k, P)`.

    Raises:
        TypeError, ValueError: an argument of the wrong kind, shape or range; products that are not like
            the vectors they are taken with, or not finite.
    """
    backend = checked_vectors("start", start)
    not_zero(backend, "start", start)
    steps = checks.count("steps", steps)
    with backend.working():
        return _tridiagonal(backend, checked_product(backend, product), start, steps)


def _tridiagonal(
    backend: Backend, product: Product, start: Vector, steps: int
) -> tuple[Array, Array, Array]:
    xp, steps = backend.xp, min(steps, start.shape[-1])
    v = start / norm(xp, start)
    basis: Matrix = v[..., None, :]
    diagonal: list[Array] = []
    beside: list[Array] = []
    scale = xp.zeros_like(v[..., :1])
    while True:
        u = product(v)
        diagonal.append(dot(xp, v, u))
        for _ in range(2):  # twice is enough (Parlett 1980)
            u = u - xp.sum(xp.sum(basis * u[..., None, :], axis=-1, keepdims=True) * basis, axis=-2)
        length = norm(xp, u)
        sound(backend, diagonal[-1], length)
        scale = xp.maximum(scale, xp.maximum(xp.abs(diagonal[-1]), length))
        new = length > 10.0 * float(xp.finfo(u.dtype).eps) * scale
        beside.append(xp.where(new, length, 0.0))
        if len(beside) == steps or not bool(xp.any(new)):
            break
        v = xp.where(new, u / xp.where(new, length, 1.0), 0.0)
        basis = xp.concat([basis, v[..., None, :]], axis=-2)
    return xp.concat(diagonal, axis=-1), xp.concat(beside, axis=-1), basis


def ritz(diagonal: Array, beside: Array) -> tuple[Array, Matrix]:
    """Eigenvalues, ascending, and eigenvectors (in columns) of the T that `lanczos` returns.

    Raises:
        TypeError, ValueError: they are not two arrays of the same shape, finite.
    """
    backend = checked_vectors("diagonal", diagonal)
    backend.check("beside", beside, diagonal.dtype)
    if tuple(beside.shape) != tuple(diagonal.shape):
        shapes = tuple(diagonal.shape), tuple(beside.shape)
        raise ValueError(f"beside must have the shape of diagonal, {shapes[0]}, got {shapes[1]}")
    with backend.working():
        checks.finite(backend.xp, "beside", beside)
        return _ritz(backend, diagonal, beside)


def _ritz(backend: Backend, diagonal: Array, beside: Array) -> tuple[Array, Matrix]:
    xp, k = backend.xp, diagonal.shape[-1]
    here = xp.eye(k, dtype=diagonal.dtype, device=backend.device)
    above = xp.eye(k, k=1, dtype=diagonal.dtype, device=backend.device)
    upper = above * beside[..., :, None]
    return xp.linalg.eigh(here * diagonal[..., None] + upper + upper.mT)


@dataclass(frozen=True)
class Extremes:
    """The ends of a spectrum: eigenvalues, their eigenvectors, and bounds on the eigenvalues' errors.

    A bound is `|A x - theta x|`, and at least a unit in the last place of the larger absolute value.
    """

    smallest: float
    largest: float
    smallest_vector: Vector
    largest_vector: Vector
    bounds: tuple[float, float]
    products: int

    __repr__ = checks.described


def extreme_eigenvalues(
    product: Product, start: Vector, *, tolerance: float = 1e-8, steps: int | None = None
) -> Extremes:
    """The smallest and the largest eigenvalue of A, by Lanczos's method.

    Doubles the number of products until both bounds `|A x - theta x|` are at most `tolerance` times the
    larger of the two absolute values, or `steps` (P by default) are taken. A start in a space that A maps
    into itself, as symmetric problems have them, would never leave it; so a random vector of the same
    length, always the same one, is added to `start`.

    Args:
        product: `A v`.
        start: near the vectors sought, if something is known of them: `(P,)`, not zero.
        tolerance: at least 0.
        steps: the most products of a try.

    Raises:
        TypeError, ValueError: as `lanczos`.

    >>> import numpy as np
    >>> from xpnet.linear import extreme_eigenvalues
    >>> A = np.diag([-1.0, 2.0, 3.0])
    >>> ends = extreme_eigenvalues(lambda v: A @ v, np.ones(3))
    >>> round(ends.smallest, 6), round(ends.largest, 6)
    (-1.0, 3.0)
    """
    backend = checked_vectors("start", start, (1,))
    not_zero(backend, "start", start)
    tolerance = checks.number("tolerance", tolerance, 0.0)
    size = start.shape[0]
    most = size if steps is None else min(size, checks.count("steps", steps))
    product = checked_product(backend, product)
    with backend.working():
        random = backend.asarray(host_generator(0).standard_normal(size), start.dtype)
        start = start / norm(backend.xp, start) + random / norm(backend.xp, random)
        k, products = min(16, most), 0
        while True:
            diagonal, beside, V = _tridiagonal(backend, product, start, k)
            products += diagonal.shape[0]
            values, modes = _ritz(backend, diagonal, beside)
            low, high = float(values[0]), float(values[-1])
            last = float(beside[-1])
            bounds = (abs(last * float(modes[-1, 0])), abs(last * float(modes[-1, -1])))
            greatest = max(abs(low), abs(high))
            good = max(bounds) <= tolerance * greatest
            if good or diagonal.shape[0] < k or k == most:
                off = float(backend.xp.finfo(start.dtype).eps) * greatest
                bounds = max(bounds[0], off), max(bounds[1], off)  # rounding cannot be told away
                return Extremes(low, high, modes[:, 0] @ V, modes[:, -1] @ V, bounds, products)
            k = min(2 * k, most)


def probes(w: Vector, count: int, *, seed: int = 0, kind: Kind = "signs") -> Array:
    """`count` random vectors like `w`, `(count, P)`: of "signs" +-1, or "normal".

    They are drawn on the host, so that a seed gives the same ones on every backend.

    Raises:
        TypeError, ValueError: an argument of the wrong kind or range.
    """
    backend = checked_vectors("w", w)
    kind = checks.choice("kind", kind, KINDS)
    random = host_generator(checks.seed("seed", seed))
    shape = (checks.count("count", count), w.shape[-1])
    backend.require_room("count", shape[0], 3 * shape[0] * shape[1])
    values = 2.0 * random.integers(0, 2, shape) - 1.0 if kind == "signs" else random.standard_normal(shape)
    return backend.asarray(values, w.dtype)


def trace(product: Product, vectors: Array) -> tuple[float, float]:
    """An estimate of the trace of A, the mean of `z'Az` (Hutchinson 1990), and its standard error.

    Args:
        product: `A v` for all rows of `(K, P)` at once.
        vectors: `(K, P)` from `probes`; K of at least 2 for a standard error, which is NaN for one.

    Raises:
        TypeError, ValueError: as `lanczos`.

    >>> import numpy as np
    >>> from xpnet.linear import probes, trace
    >>> A = np.diag([-1.0, 2.0, 3.0])
    >>> trace(lambda v: v @ A, probes(np.ones(3), 10))  # without error for a diagonal matrix
    (4.0, 0.0)
    """
    backend = checked_vectors("vectors", vectors, (2,))
    xp = backend.xp
    with backend.working():
        terms = dot(xp, vectors, checked_product(backend, product)(vectors))
        sound(backend, terms)
        count = vectors.shape[0]
        mean = float(xp.mean(terms))
        if count == 1:
            return mean, math.nan
        return mean, math.sqrt(float(xp.var(terms, correction=1)) / count)


def spectral_density(
    product: Product, vectors: Array, steps: int, *, points: int = 400, width: float | None = None
) -> tuple[Array, Array]:
    """The density of A's eigenvalues, by stochastic Lanczos quadrature (Ghorbani, Krishnan, Xiao 2019).

    Each start gives a Gauss quadrature of the spectrum; their mean is drawn with normal curves of standard
    deviation `width`, by default a hundredth of the spectrum's length, or as little more as the points and
    the dtype can show.

    Args:
        product: `A v` for all rows of `(K, P)` at once.
        vectors: the starts, `(K, P)`, from `probes`.
        steps: Lanczos steps.
        points: of the grid, at least 24.
        width: at least the distance between two points of the grid, which reaches 5 widths beyond the
            spectrum.

    Returns:
        The grid `(points,)` and the density there, which integrates to one.

    Raises:
        TypeError, ValueError: as `lanczos`; a `width` too small for the points.
    """
    backend = checked_vectors("vectors", vectors, (2,))
    not_zero(backend, "vectors", vectors)
    steps, points = checks.count("steps", steps), checks.count("points", points, 24)
    width = None if width is None else checks.number("width", width, 0.0, open="(")
    backend.require_room("points", points, 3 * points * vectors.shape[0])
    with backend.working():
        diagonal, beside, _ = _tridiagonal(backend, checked_product(backend, product), vectors, steps)
        nodes, directions = _ritz(backend, diagonal, beside)
        weights = directions[..., 0, :] ** 2 / vectors.shape[0]
        return _drawn(backend, nodes, weights, points, width)


def _drawn(
    backend: Backend, nodes: Array, weights: Array, points: int, width: float | None
) -> tuple[Array, Array]:
    """A grid, and normal curves of these weights around the nodes."""
    xp: Namespace = backend.xp
    used = weights > 1e-14
    low = float(xp.min(xp.where(used, nodes, xp.inf)))
    high = float(xp.max(xp.where(used, nodes, -xp.inf)))
    # a distance of two points is at most a width, and rounding does not blur it
    gaps = points - 1
    least = max(
        (high - low) / (gaps - 10), gaps * float(xp.finfo(nodes.dtype).eps) * max(abs(low), abs(high))
    )
    if width is None:
        width = max((high - low) / 100.0, least) or 1.0
    elif width < least:
        raise ValueError(
            f"width must be at least {least:.3g}, what {points} points from {low:.3g} to {high:.3g} can "
            f"show in {checks.dtype_name(nodes.dtype)}, got {width!r}"
        )
    ends = low - 5 * width, high + 5 * width
    if not math.sqrt(float(xp.finfo(nodes.dtype).max)) > ends[1] - ends[0]:
        kind = checks.dtype_name(nodes.dtype)
        raise ValueError(f"width must be one whose square {kind} can hold, got {width!r}")
    grid = xp.linspace(*ends, points, dtype=nodes.dtype, device=backend.device)
    curves = xp.exp(-0.5 * ((grid[:, None] - xp.reshape(nodes, (1, -1))) / width) ** 2)
    density = xp.sum(curves * xp.reshape(weights, (1, -1)), axis=1) / (width * math.sqrt(2 * math.pi))
    return grid, density
