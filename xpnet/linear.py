"""Linear algebra with matrices that are known only by their products with vectors.

`product(v)` gives `A v` for a symmetric `A`; `v` is `(P,)`, or `(R, P)` where each of R rows has a matrix
of its own. Dense linear algebra would need P^2 numbers; these methods need a few vectors.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import array_api_compat

from . import checks
from .device.arrays import Array, host_generator
from .device.select import backend_of

Product = Callable[[Array], Array]

OUTCOMES = ("iterations used up", "converged", "negative curvature", "boundary")


@dataclass(frozen=True)
class Solution:
    """What `conjugate_gradient` returns.

    Attributes:
        x: the approximate solution.
        residual: `|b - A x| / |b|`, as updated in the recurrence: a 0-d array, or `(R,)`.
        decrease: `b'x - x'Ax/2`, 0-d or `(R,)`.
        outcome: "converged", "iterations used up", "negative curvature", or "boundary"; a tuple of them
            for rows.
        direction: the last search direction: along it the curvature is not positive where the outcome
            is "negative curvature".
        iterations: products taken.
    """

    x: Array
    residual: Array
    decrease: Array
    outcome: Any
    direction: Array
    iterations: int


def dot(x: Array, y: Array) -> Array:
    """The inner products of the rows of `x` and `y`, `(..., 1)`."""
    xp = array_api_compat.array_namespace(x)
    return xp.vecdot(x, y)[..., None]


def conjugate_gradient(
    product: Product,
    b: Array,
    *,
    tolerance: Any = 1e-10,
    iterations: int | None = None,
    radius: Array | None = None,
) -> Solution:
    """Solves `A x = b` from `x = 0` (Hestenes, Stiefel 1952).

    Stops at the first direction `p` with `p'Ap <= 0`. Then `x` is the solution so far, or `b` if there is
    none yet. With a `radius` it goes on along `p` to `|x| = radius` instead, and does the same when a step
    would leave that ball, so that `x` minimizes `x'Ax/2 - b'x` there approximately (Steihaug 1983).

    Args:
        product: `A v`.
        b: `(P,)` or `(R, P)`.
        tolerance: on `|b - A x| / |b|`: a number or `(R, 1)`.
        iterations: at most so many products; 2 P by default.
        radius: of the ball: 0-d or `(R, 1)`.
    """
    xp = array_api_compat.array_namespace(b)
    most = 2 * b.shape[-1] if iterations is None else checks.count("iterations", iterations)
    x, r, p = xp.zeros_like(b), b, b
    rr = bb = dot(b, b)
    limit = tolerance * tolerance * bb
    code = xp.astype(rr <= limit, xp.int32)  # of the outcome
    done = 0
    while done < most and bool(xp.any(code == 0)):
        q = product(p)
        curvature = dot(p, q)
        going = code == 0
        flat = going & ~(curvature > 0.0)  # NaN too
        length = rr / xp.where(curvature > 0.0, curvature, 1.0)
        if radius is None:
            new = xp.where(flat, 2, code)
            if done == 0:
                x, r = xp.where(flat, b, x), xp.where(flat, b - q, r)
        else:
            leaves = going & (flat | (dot(x + length * p, x + length * p) >= radius * radius))
            t = xp.where(leaves, _to_boundary(x, p, radius), 0.0)
            x, r = x + t * p, r - t * q
            new = xp.where(leaves, 3, code)
        going = new == 0
        x = xp.where(going, x + length * p, x)
        r = xp.where(going, r - length * q, r)
        before, rr = rr, dot(r, r)
        new = xp.where(going & (rr <= limit), 1, new)
        p = xp.where(new == 0, r + rr / xp.where(before > 0.0, before, 1.0) * p, p)
        code = new
        done += 1
    residual = xp.sqrt(dot(r, r) / xp.where(bb > 0.0, bb, 1.0))[..., 0]
    decrease = 0.5 * dot(x, b + r)[..., 0]  # as A x = b - r
    names = tuple(OUTCOMES[int(code[k, 0])] for k in range(b.shape[0])) if b.ndim > 1 else None
    return Solution(x, residual, decrease, names or OUTCOMES[int(code[0])], p, done)


def _to_boundary(x: Array, p: Array, radius: Array) -> Array:
    """The positive `t` with `|x + t p| = radius`, for `x` inside."""
    xp = array_api_compat.array_namespace(x)
    pp, xpp, xx = dot(p, p), dot(x, p), dot(x, x)
    room = xp.maximum(radius * radius - xx, xp.zeros_like(xx))
    root = xp.sqrt(xpp * xpp + pp * room)
    # the form without cancellation, whichever sign x'p has
    beyond = xpp > 0.0
    return xp.where(
        beyond, room / xp.where(beyond, xpp + root, 1.0), (root - xpp) / xp.where(pp > 0.0, pp, 1.0)
    )


def lanczos(product: Product, start: Array, steps: int) -> tuple[Array, Array, Array]:
    """The Lanczos tridiagonalization `V'AV = T`, with full reorthogonalization (Lanczos 1950).

    Ends early where the space that `start` spans is exhausted (for rows: once it is for all of them).

    Args:
        product: `A v`.
        start: not zero, `(P,)` or `(R, P)`.
        steps: the most products, the size of T.

    Returns:
        The diagonal of T `(..., k)`, what stands beside it `(..., k)`, of which the last is the norm of
        the remainder, and `V'` `(..., k, P)`.
    """
    xp = array_api_compat.array_namespace(start)
    steps = min(checks.count("steps", steps), start.shape[-1])
    v = start / xp.sqrt(dot(start, start))
    basis, diagonal, beside = [v], [], []
    scale = xp.zeros_like(v[..., :1])
    while True:
        u = product(basis[-1])
        diagonal.append(dot(basis[-1], u))
        V = xp.stack(basis, axis=-2)
        for _ in range(2):  # twice is enough (Parlett 1980)
            u = u - xp.sum(xp.sum(V * u[..., None, :], axis=-1, keepdims=True) * V, axis=-2)
        norm = xp.sqrt(dot(u, u))
        scale = xp.maximum(scale, xp.maximum(xp.abs(diagonal[-1]), norm))
        sound = norm > 10.0 * float(xp.finfo(u.dtype).eps) * scale
        norm = xp.where(sound, norm, 0.0)
        beside.append(norm)
        if len(basis) == steps or not bool(xp.any(sound)):
            break
        basis.append(xp.where(sound, u / xp.where(sound, norm, 1.0), 0.0))
    return xp.concat(diagonal, axis=-1), xp.concat(beside, axis=-1), V


def ritz(diagonal: Array, beside: Array) -> tuple[Array, Array]:
    """Eigenvalues, ascending, and eigenvectors (in columns) of the T that `lanczos` returns."""
    xp = array_api_compat.array_namespace(diagonal)
    k = diagonal.shape[-1]
    device = array_api_compat.device(diagonal)
    here = xp.eye(k, dtype=diagonal.dtype, device=device)
    above = xp.eye(k, k=1, dtype=diagonal.dtype, device=device)
    upper = above * beside[..., :, None]
    return xp.linalg.eigh(here * diagonal[..., None] + upper + upper.mT)


@dataclass(frozen=True)
class Extremes:
    """The ends of a spectrum: eigenvalues, their eigenvectors, and bounds on the eigenvalues' errors."""

    smallest: float
    largest: float
    smallest_vector: Array
    largest_vector: Array
    bounds: tuple[float, float]
    products: int


def extreme_eigenvalues(
    product: Product, start: Array, *, tolerance: float = 1e-8, steps: int | None = None
) -> Extremes:
    """The smallest and the largest eigenvalue of A, by Lanczos's method.

    Doubles the number of products until both bounds `|A x - theta x|` are at most `tolerance` times the
    larger of the two absolute values, or `steps` (P by default) are taken.

    Raises:
        ValueError: `start` is not `(P,)`, is zero or not finite.
    """
    xp = array_api_compat.array_namespace(start)
    if start.ndim != 1:
        raise ValueError(f"start must be (P,), got shape {tuple(start.shape)}")
    checks.finite(xp, "start", start)
    if not bool(xp.any(start != 0)):
        raise ValueError("start must not be zero")
    most = min(start.shape[0], steps or start.shape[0])
    size, products = min(16, most), 0
    while True:
        diagonal, beside, V = lanczos(product, start, size)
        products += diagonal.shape[0]
        values, vectors = ritz(diagonal, beside)
        low, high = float(values[0]), float(values[-1])
        last = float(beside[-1])
        bounds = (abs(last * float(vectors[-1, 0])), abs(last * float(vectors[-1, -1])))
        good = max(bounds) <= tolerance * max(abs(low), abs(high))
        if good or diagonal.shape[0] < size or size == most:
            return Extremes(low, high, vectors[:, 0] @ V, vectors[:, -1] @ V, bounds, products)
        size = min(2 * size, most)


def probes(w: Array, count: int, *, seed: int = 0, kind: str = "signs") -> Array:
    """`count` random vectors like `w`, `(count, P)`: of "signs" +-1, or "normal".

    They are drawn on the host, so that a seed gives the same ones on every backend.
    """
    checks.choice("kind", kind, ("signs", "normal"))
    random = host_generator(checks.count("seed", seed, 0))
    shape = (checks.count("count", count), w.shape[-1])
    values = 2.0 * random.integers(0, 2, shape) - 1.0 if kind == "signs" else random.standard_normal(shape)
    return backend_of(w).asarray(values, w.dtype)


def trace(product: Product, vectors: Array) -> tuple[float, float]:
    """An estimate of the trace of A, the mean of `z'Az` (Hutchinson 1990), and its standard error.

    Args:
        product: `A v` for all rows of `(K, P)` at once.
        vectors: `(K, P)` from `probes`; K of at least 2 for a standard error, which is NaN for one.
    """
    xp = array_api_compat.array_namespace(vectors)
    terms = dot(vectors, product(vectors))
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
    deviation `width`, by default a hundredth of the spectrum's length.

    Args:
        product: `A v` for all rows of `(K, P)` at once.
        vectors: the starts, `(K, P)`, from `probes`.
        steps: Lanczos steps.
        points: of the grid.

    Returns:
        The grid `(points,)` and the density there, which integrates to one.
    """
    xp = array_api_compat.array_namespace(vectors)
    diagonal, beside, _ = lanczos(product, vectors, steps)
    nodes, directions = ritz(diagonal, beside)
    weights = directions[..., 0, :] ** 2 / vectors.shape[0]
    used = weights > 1e-14
    low = float(xp.min(xp.where(used, nodes, xp.inf)))
    high = float(xp.max(xp.where(used, nodes, -xp.inf)))
    width = width or max((high - low) / 100.0, 1e-12 * max(abs(low), abs(high), 1.0))
    grid = xp.linspace(
        low - 5 * width,
        high + 5 * width,
        points,
        dtype=vectors.dtype,
        device=array_api_compat.device(vectors),
    )
    curves = xp.exp(-0.5 * ((grid[:, None] - xp.reshape(nodes, (1, -1))) / width) ** 2)
    density = xp.sum(curves * xp.reshape(weights, (1, -1)), axis=1) / (width * math.sqrt(2 * math.pi))
    return grid, density
