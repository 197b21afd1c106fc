"""Methods that use second derivatives, with a search along their direction: Newton and Gauss-Newton."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import array_api_compat

from .. import checks, linear
from ..device.arrays import Array, host
from ..device.backend import Backend
from ..device.select import backend_of
from ..linear import dot
from ..objectives import Objective, Offers
from ..objectives.base import require
from .base import State
from .descent import Descent, check_search
from .outcome import Ending
from .searches import Search
from .wolfe import StrongWolfe

INDEFINITE = ("absolute", "damp", "error")


@dataclass(frozen=True)
class Newton(Descent):
    """`d = -H^-1 g` with the Hessian `H` whole, by its eigenvalues.

    Where `H` is not positive definite, `indefinite` says what to do:

    - "absolute": `|H|^-1 g`, with the absolute values of the eigenvalues, the saddle-free Newton method
      (Dauphin et al. 2014);
    - "damp": `(H + t I)^-1 g` with the least `t` that makes the smallest eigenvalue `damping` times the
      largest absolute one (Goldfeld, Quandt, Trotter 1966);
    - "error": end there, and say so.

    `TrustRegion` is the fourth way.

    Attributes:
        indefinite, damping: see above.
        search: tries the length 1 first; `Fixed(1.0)` is Newton's method as the textbooks have it.

    Raises:
        TypeError, ValueError: a setting outside its range; an objective without `hessian_product`.
        MemoryError: in the first step, if `H` would not fit; the message gives its size.
    """

    indefinite: str = "absolute"
    search: Search = field(default_factory=StrongWolfe)
    damping: float = 1e-3

    def __post_init__(self) -> None:
        checks.choice("indefinite", self.indefinite, INDEFINITE)
        check_search(self.search)
        checks.number("damping", self.damping, 0.0, 1.0, open="()")

    def memory(self, backend: Backend, objective: Objective, w: Array) -> State:
        require(objective, Offers.HESSIAN_PRODUCT, "Newton")
        return {}

    def learn(self, state: State, gradient: Array) -> None:
        pass

    def direction(
        self, objective: Objective, w: Array, gradient: Array, state: State
    ) -> tuple[Array, tuple[Ending | None, ...]]:
        xp = array_api_compat.array_namespace(w)
        values, vectors, problems = eigen("Hessian", objective.hessian(w))
        size = xp.max(xp.abs(values), axis=-1, keepdims=True)
        least = xp.min(values, axis=-1, keepdims=True)
        if self.indefinite == "absolute":
            values = xp.abs(values)
        elif self.indefinite == "damp":
            values = values + xp.where(least > 0.0, 0.0, self.damping * size - least)
        elif not problems:
            problems = _not_definite("Hessian", least)
        floor = float(xp.finfo(w.dtype).eps) * size
        values = xp.maximum(values, xp.where(floor > 0.0, floor, 1.0))
        return -_apply(vectors, 1.0 / values, gradient), problems

    def forget(self, state: State, rows: Array) -> None:
        pass

    def first_lengths(self, state: State, value: Any, slope: Any, norm: Any) -> Any:
        return host.ones_like(norm)


@dataclass(frozen=True)
class NewtonCG(Descent):
    """`H d = -g` solved by conjugate gradients, up to the first direction of negative curvature.

    The truncated Newton method (Dembo, Steihaug 1983): the residual is at most `min(.5, sqrt |g|) |g|`. It
    needs products with `H` only. `TrustRegion("cg")` goes on along negative curvature.

    Attributes:
        iterations: at most so many products a step; 2 P by default.
        search: tries the length 1 first.

    Raises:
        TypeError, ValueError: a setting outside its range; an objective without `hessian_product`.
    """

    iterations: int | None = None
    search: Search = field(default_factory=StrongWolfe)

    def __post_init__(self) -> None:
        if self.iterations is not None:
            checks.count("iterations", self.iterations)
        check_search(self.search)

    def memory(self, backend: Backend, objective: Objective, w: Array) -> State:
        require(objective, Offers.HESSIAN_PRODUCT, "NewtonCG")
        return {}

    def learn(self, state: State, gradient: Array) -> None:
        pass

    def direction(
        self, objective: Objective, w: Array, gradient: Array, state: State
    ) -> tuple[Array, tuple[Ending | None, ...]]:
        solution = linear.conjugate_gradient(
            lambda v: objective.hessian_product(w, v),
            -gradient,
            tolerance=forcing(gradient),
            iterations=self.iterations,
        )
        return solution.x, ()

    def forget(self, state: State, rows: Array) -> None:
        pass

    def first_lengths(self, state: State, value: Any, slope: Any, norm: Any) -> Any:
        return host.ones_like(norm)


@dataclass(frozen=True)
class GaussNewton(Descent):
    """`d = -G^-1 g` with the Gauss-Newton matrix `G = J' H_L J`; `J'J` for least squares (Gauss 1809).

    Attributes:
        matrix_free: solve by conjugate gradients, as `NewtonCG` does, rather than with `G` whole. With `G`
            whole a singular one ends the run, and the reason says so.
        search: tries the length 1 first.

    Raises:
        TypeError: an objective without residuals or `gauss_newton_product`.
        MemoryError: in the first step, if `G` would not fit; the message gives its size.
    """

    matrix_free: bool = False
    search: Search = field(default_factory=StrongWolfe)

    def __post_init__(self) -> None:
        check_search(self.search)

    def memory(self, backend: Backend, objective: Objective, w: Array) -> State:
        require(objective, Offers.GAUSS_NEWTON_PRODUCT, "GaussNewton")
        return {}

    def learn(self, state: State, gradient: Array) -> None:
        pass

    def direction(
        self, objective: Objective, w: Array, gradient: Array, state: State
    ) -> tuple[Array, tuple[Ending | None, ...]]:
        if self.matrix_free:
            solution = linear.conjugate_gradient(
                lambda v: objective.gauss_newton_product(w, v), -gradient, tolerance=forcing(gradient)
            )
            return solution.x, ()
        xp = array_api_compat.array_namespace(w)
        matrix = objective.gauss_newton(w)
        scale = diagonal(matrix)
        scale = xp.where(scale > 0.0, scale, 1.0) ** 0.5
        matrix = matrix / (scale[..., :, None] * scale[..., None, :])
        values, vectors, problems = eigen("Gauss-Newton matrix", matrix)
        least = xp.min(values, axis=-1, keepdims=True)
        floor = w.shape[-1] * float(xp.finfo(w.dtype).eps) * xp.max(values, axis=-1, keepdims=True)
        problems = problems or _not_definite("Gauss-Newton matrix", least, floor)
        values = xp.where(values > 0.0, values, 1.0)
        return -_apply(vectors, 1.0 / values, gradient / scale) / scale, problems

    def forget(self, state: State, rows: Array) -> None:
        pass

    def first_lengths(self, state: State, value: Any, slope: Any, norm: Any) -> Any:
        return host.ones_like(norm)


def forcing(gradient: Array) -> Array:
    """The relative residual asked of conjugate gradients, `min(.5, sqrt |g|)`."""
    xp = array_api_compat.array_namespace(gradient)
    return xp.minimum(xp.sqrt(xp.sqrt(dot(gradient, gradient))), 0.5)


def diagonal(matrix: Array) -> Array:
    """The diagonal of each matrix, `(..., P)`."""
    xp = array_api_compat.array_namespace(matrix)
    eye = xp.eye(matrix.shape[-1], dtype=matrix.dtype, device=array_api_compat.device(matrix))
    return xp.sum(xp.where(eye > 0.0, matrix, 0.0), axis=-1)


def eigen(name: str, matrix: Array) -> tuple[Array, Array, tuple[Ending | None, ...]]:
    """Eigenvalues and eigenvectors, and a problem for each replica whose matrix is not finite."""
    xp = array_api_compat.array_namespace(matrix)
    sound = xp.all(xp.isfinite(matrix), axis=(-2, -1))
    problems: tuple[Ending | None, ...] = ()
    if not bool(xp.all(sound)):
        matrix = xp.where(sound[..., None, None], matrix, 0.0)
        flags = backend_of(matrix).to_numpy(sound).reshape(-1)
        problems = tuple(None if flag else Ending(f"the {name} is not finite") for flag in flags)
    values, vectors = xp.linalg.eigh(matrix)
    return values, vectors, problems


def _not_definite(name: str, least: Array, floor: Array | float = 0.0) -> tuple[Ending | None, ...]:
    flags = backend_of(least).to_numpy(least > floor).reshape(-1)
    if flags.all():
        return ()
    values = backend_of(least).to_numpy(least).reshape(-1)
    return tuple(
        None
        if flag
        else Ending(f"the {name} is not positive definite: its least eigenvalue is {value:.3g}")
        for flag, value in zip(flags, values, strict=True)
    )


def _apply(vectors: Array, factors: Array, v: Array) -> Array:
    """`V diag(factors) V' v`."""
    return (vectors @ (factors * (v[..., None, :] @ vectors)[..., 0, :])[..., None])[..., 0]
