"""Steps of Newton's kind by conjugate gradients that are broken off early, for models known by products."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..device.arrays import Vector
from ..device.backend import Backend
from ..linear.solve import solve as solve_linear
from .base import State
from .newton import forcing
from .replicas import Numbers, column, numbers, row_norms


def memory(backend: Backend, w: Vector) -> State:
    """What `remember` keeps: the largest norm of a gradient so far."""
    return {"steepest": backend.host.zeros((w.shape[0] if w.ndim > 1 else 1,))}


def remember(backend: Backend, gradient: Vector, state: State) -> None:
    """Looks at the gradient of a step, before `solve` is called."""
    host, size = backend.host, row_norms(backend, gradient)
    state["steepest"] = host.maximum(state["steepest"], host.where(host.isfinite(size), size, 0.0))


def solve(
    backend: Backend,
    product: Callable[[Vector], Vector],
    gradient: Vector,
    state: State,
    radius: Numbers | None = None,
) -> tuple[Vector, Numbers, Numbers, Numbers]:
    """The step `p` that nearly minimizes `g'p + p'Ap/2`, in a ball where there is a `radius`.

    The residual is at most `min(.5, sqrt(|g| / |g|_largest)) |g|`, with the largest gradient so far, so
    that the steps do not depend on the unit of the value (after Dembo, Steihaug 1983).

    Returns:
        `p`, by how much the model falls, `|p|`, and where it has a minimum, as far as was seen.
    """
    xp, host = backend.xp, backend.host
    # both sides in units of the gradient's largest component, so that what it promises does not overflow
    largest = xp.max(xp.abs(gradient), axis=-1, keepdims=True)
    finite = xp.isfinite(largest)
    unit = xp.where((largest > 0.0) & finite, largest, 1.0)
    b = xp.where(finite, -gradient / unit, 0.0)
    steepest = column(backend, state["steepest"], gradient, gradient.dtype)
    ball = None
    if radius is not None:
        least = xp.full_like(unit, float(xp.finfo(gradient.dtype).smallest_normal))
        ball = xp.maximum(column(backend, radius, gradient, gradient.dtype), least)
    found = solve_linear(xp, lambda v: product(v) / unit, b, forcing(xp, b, steepest / unit), radius=ball)
    outcomes: Any = found.outcome if gradient.ndim > 1 else (found.outcome,)
    bounded = host.asarray(
        [outcome in ("converged", "iterations used up") for outcome in outcomes], dtype=bool
    )
    promised = numbers(backend, found.decrease) * numbers(backend, unit[..., 0])
    return found.x, promised, row_norms(backend, found.x), bounded
