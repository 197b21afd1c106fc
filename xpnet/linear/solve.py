"""Linear systems by conjugate gradients, with an eye on negative curvature and on a ball not to be left."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from .. import checks
from ..device.arrays import Array, Namespace, Scalar, Vector
from .arguments import Product, checked_product, checked_vectors, column
from .vectors import dot, norm

Ended = Literal["iterations used up", "converged", "negative curvature", "boundary", "not finite"]
OUTCOMES: tuple[Ended, ...] = (
    "iterations used up",
    "converged",
    "negative curvature",
    "boundary",
    "not finite",
)


@dataclass(frozen=True)
class Solution:
    """What `conjugate_gradient` returns.

    Attributes:
        x: the approximate solution.
        residual: `|b - A x| / |b|`, as updated in the recurrence: a 0-d array, or `(R,)`.
        decrease: `b'x - x'Ax/2`, 0-d or `(R,)`.
        outcome: "converged", "iterations used up", "negative curvature", "boundary", or "not finite",
            where a product was not; a tuple of them for rows.
        direction: the last search direction: along it the curvature is not positive where the outcome
            is "negative curvature".
        iterations: products taken.
    """

    x: Vector
    residual: Scalar
    decrease: Scalar
    outcome: Ended | tuple[Ended, ...]
    direction: Vector
    iterations: int

    __repr__ = checks.described


def conjugate_gradient(
    product: Product,
    b: Vector,
    *,
    tolerance: Any = 1e-10,
    iterations: int | None = None,
    radius: Any = None,
) -> Solution:
    """Solves `A x = b` from `x = 0` (Hestenes, Stiefel 1952).

    Stops at the first direction `p` with `p'Ap <= 0`. Then `x` is the solution so far, or `b` if there is
    none yet. With a `radius` it goes on along `p` to `|x| = radius` instead, and does the same when a step
    would leave that ball, so that `x` minimizes `x'Ax/2 - b'x` there approximately (Steihaug 1983).

    Args:
        product: `A v`.
        b: `(P,)` or `(R, P)`.
        tolerance: on `|b - A x| / |b|`, at least 0: a number or `(R, 1)`.
        iterations: at most so many products; 2 P by default.
        radius: of the ball, at least 0: a number, 0-d or `(R, 1)`.

    Raises:
        TypeError, ValueError: an argument of the wrong kind, shape or range, or a product whose result is
            not like the vector that it is given; a number in `b` that is not finite.

    >>> import numpy as np
    >>> from xpnet.linear import conjugate_gradient
    >>> A = np.diag([2.0, 4.0])
    >>> solution = conjugate_gradient(lambda v: A @ v, np.array([2.0, 2.0]))
    >>> solution.x.round(12).tolist(), solution.outcome, solution.iterations
    ([1.0, 0.5], 'converged', 2)
    """
    backend = checked_vectors("b", b)
    tolerance = column(backend, "tolerance", tolerance, b)
    if iterations is not None:
        iterations = checks.count("iterations", iterations)
    if radius is not None:
        radius = column(backend, "radius", radius, b)
    with backend.working():
        return solve(backend.xp, checked_product(backend, product), b, tolerance, iterations, radius)


def solve(
    xp: Namespace,
    product: Product,
    b: Vector,
    tolerance: Any,
    iterations: int | None = None,
    radius: Any = None,
) -> Solution:
    """`conjugate_gradient` for those who know what they hand over, which is not checked."""
    most = 2 * b.shape[-1] if iterations is None else iterations
    # in units of |b|, so that no square over- or underflows
    size = norm(xp, b)
    size = xp.where((size > 0.0) & xp.isfinite(size), size, 1.0)
    b = b / size
    radius = None if radius is None else radius / size
    x, r, p = xp.zeros_like(b), b, b
    rr = bb = dot(xp, b, b)
    limit = tolerance * tolerance * bb
    code = xp.astype(rr <= limit, xp.int32)  # of the outcome
    done = 0
    while done < most and bool(xp.any(code == 0)):
        q = product(p)
        curvature = dot(xp, p, q)
        going = code == 0
        length = rr / xp.where(curvature > 0.0, curvature, 1.0)
        flat = going & ~((curvature > 0.0) & xp.isfinite(length))  # NaN too
        broken = going & ~xp.isfinite(curvature)
        if radius is None:
            new = xp.where(flat, 2, code)
            if done == 0:
                x, r = xp.where(flat, b, x), xp.where(flat, b - q, r)
        else:
            ahead = x + length * p
            leaves = going & (flat | (dot(xp, ahead, ahead) >= radius * radius))
            t = xp.where(leaves, _to_boundary(xp, x, p, radius), 0.0)
            x, r = x + t * p, xp.where(leaves, r - t * q, r)
            new = xp.where(leaves, 3, code)
        new = xp.where(broken, 4, new)
        going = new == 0
        x = xp.where(going, x + length * p, x)
        r = xp.where(going, r - length * q, r)
        before, rr = rr, dot(xp, r, r)
        new = xp.where(going & (rr <= limit), 1, new)
        p = xp.where(new == 0, r + rr / xp.where(before > 0.0, before, 1.0) * p, p)
        code = new
        done += 1
    residual = xp.sqrt(dot(xp, r, r) / xp.where(bb > 0.0, bb, 1.0))[..., 0]
    decrease = (size * (size * (0.5 * dot(xp, x, b + r))))[..., 0]  # as A x = b - r
    codes = [int(code[k, 0]) for k in range(b.shape[0])] if b.ndim > 1 else [int(code[0])]
    names: tuple[Ended, ...] = tuple(OUTCOMES[number] for number in codes)
    outcome: Ended | tuple[Ended, ...] = names if b.ndim > 1 else names[0]
    return Solution(size * x, residual, decrease, outcome, p, done)


def _to_boundary(xp: Namespace, x: Array, p: Array, radius: Any) -> Array:
    """The positive `t` with `|x + t p| = radius`, for `x` inside."""
    pp, xpp, xx = dot(xp, p, p), dot(xp, x, p), dot(xp, x, x)
    room = xp.maximum(radius * radius - xx, xp.zeros_like(xx))
    root = xp.sqrt(xpp * xpp + pp * room)
    # the form without cancellation, whichever sign x'p has
    beyond = xpp > 0.0
    return xp.where(
        beyond, room / xp.where(beyond, xpp + root, 1.0), (root - xpp) / xp.where(pp > 0.0, pp, 1.0)
    )
