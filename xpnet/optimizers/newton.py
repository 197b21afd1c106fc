"""Methods that use second derivatives, with a search along their direction: Newton and Gauss-Newton."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal, get_args

from .. import checks
from ..device.arrays import Array, Matrix, Namespace, Vector
from ..device.backend import Backend
from ..linear.solve import solve
from ..linear.vectors import norm, times
from ..objectives import Objective, Offers
from ..objectives.base import require
from .base import Endings, State
from .blocks import checked_blocks, diagonal_blocks, grouped, numbered
from .descent import Memoryless
from .outcome import Ending
from .replicas import Numbers, column, numbers
from .searches import Search, check_search
from .settings import keep
from .wolfe import StrongWolfe


class _Whole(Memoryless):
    """A method whose direction goes to the minimum of a model, so that the first length is 1."""

    def first_lengths(
        self, backend: Backend, state: State, values: Numbers, slopes: Numbers, norms: Numbers
    ) -> Numbers:
        return backend.host.ones_like(norms)


Indefinite = Literal["absolute", "damp", "error", "ignore"]


@dataclass(frozen=True)
class Newton(_Whole):
    """`d = -H^-1 g` with the Hessian `H` whole, by its eigenvalues.

    Where `H` is not positive definite, `indefinite` says what to do:

    - "absolute": `|H|^-1 g`, with the absolute values of the eigenvalues, the saddle-free Newton method
      (Dauphin et al. 2014);
    - "damp": `(H + t I)^-1 g` with the least `t` that makes the smallest eigenvalue `damping` times the
      largest absolute one (Goldfeld, Quandt, Trotter 1966);
    - "error": end there, and say so;
    - "ignore": `H^-1 g` all the same, which climbs along negative curvature, and goes to saddles and maxima
      as readily as to minima: to be shown, not to be used. It needs the search `Fixed`.

    `TrustRegion` is another way.

    With `blocks` the Hessian is taken for block-diagonal: what couples parameters of different blocks is
    left out, each block is dealt with by itself as above, and what is kept is the blocks, not P x P
    numbers. All P products are made all the same. Where the blocks are not coupled it is Newton's step.

    Attributes:
        indefinite, damping: see above.
        search: tries the length 1 first; `Fixed(1.0)` is Newton's method as the textbooks have it.
        blocks: None for the whole Hessian; "layer" or "unit", of the risk of a network, where a unit has
            its incoming weights and its bias; or a sequence of ranges, slices, or lists of the numbers of
            parameters, that hold each parameter once.

    Raises:
        TypeError, ValueError: a setting outside its range; "ignore" with a search that needs descent; an
            objective without `hessian_product`; blocks that do not fit `w`, or words for an objective
            that has no layout.
        MemoryError: in the first step, if `H` would not fit; the message gives its size.
    """

    indefinite: Indefinite = "absolute"
    search: Search = field(default_factory=StrongWolfe)
    damping: float = 1e-3
    blocks: Any = None

    def __post_init__(self) -> None:
        keep(
            self,
            blocks=checked_blocks(self.blocks),
            indefinite=checks.choice("indefinite", self.indefinite, get_args(Indefinite)),
            damping=checks.number("damping", self.damping, 0.0, 1.0, open="()"),
        )
        check_search(self.search)
        if self.indefinite == "ignore" and self.search.descends:
            raise ValueError(
                "search must be one that needs no descent, such as Fixed(1.0), "
                f"where indefinite is 'ignore', got {checks.shown(self.search)}"
            )

    def memory(self, backend: Backend, objective: Objective, w: Vector) -> State:
        require(objective, Offers.HESSIAN_PRODUCT, "Newton")
        if self.blocks is None:
            return {}
        return {"blocks": numbered(backend, self.blocks, objective.layout, w.shape[-1])}

    def direction(
        self, backend: Backend, objective: Objective, w: Vector, gradient: Vector, state: State
    ) -> tuple[Vector, Endings]:
        if self.blocks is None:
            return self._step(backend, objective.hessian(w), gradient)
        xp, rows = backend.xp, w.shape[0] if w.ndim > 1 else 1
        parts: list[Vector] = []
        order: list[int] = []
        endings: list[Ending | None] = [None] * rows
        for members in grouped(state["blocks"]):
            matrix = diagonal_blocks(backend, objective, w, members)
            flat = [place for block in members for place in block]
            order += flat
            own = xp.take(gradient, xp.asarray(flat, dtype=xp.int64, device=backend.device), axis=-1)
            step, found = self._step(backend, matrix, xp.reshape(own, tuple(matrix.shape[:-1])))
            parts.append(xp.reshape(step, (*w.shape[:-1], len(flat))))
            for number, ending in enumerate(found):  # of each block of each replica
                row = number // len(members)
                endings[row] = endings[row] or ending
        back = [0] * len(order)
        for number, place in enumerate(order):
            back[place] = number
        there = xp.asarray(back, dtype=xp.int64, device=backend.device)
        return xp.take(xp.concat(parts, axis=-1), there, axis=-1), tuple(endings) if any(endings) else ()

    def _step(self, backend: Backend, matrix: Matrix, gradient: Vector) -> tuple[Vector, Endings]:
        """`-H^-1 g`, as `indefinite` has it, and an ending for each matrix that has none."""
        xp = backend.xp
        values, vectors, endings = eigen(backend, "Hessian", matrix)
        size = xp.max(xp.abs(values), axis=-1, keepdims=True)
        size = xp.where(size > 0.0, size, 1.0)
        values, least = values / size, xp.min(values, axis=-1, keepdims=True)
        if self.indefinite == "absolute":
            values = xp.abs(values)
        elif self.indefinite == "damp":
            values = values + xp.where(least > 0.0, 0.0, self.damping - least / size)
        elif self.indefinite == "error" and not endings:
            endings = _not_definite(backend, "Hessian", least)
        floor = float(xp.finfo(gradient.dtype).eps)
        sign = xp.where(values < 0.0, -1.0, 1.0) if self.indefinite == "ignore" else 1.0
        values = sign * xp.maximum(sign * values, xp.full_like(values, floor))
        return -_apply(vectors, 1.0 / values, gradient / size), endings


@dataclass(frozen=True)
class NewtonCG(_Whole):
    """`H d = -g` solved by conjugate gradients, up to the first direction of negative curvature.

    The truncated Newton method (Dembo, Steihaug 1983): the residual is at most `min(.5, sqrt(|g| / |g_0|))`
    of `|g|`, with the largest gradient so far `g_0`, which does not depend on the unit of the value. It
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
            keep(self, iterations=checks.count("iterations", self.iterations))
        check_search(self.search)

    def memory(self, backend: Backend, objective: Objective, w: Vector) -> State:
        require(objective, Offers.HESSIAN_PRODUCT, "NewtonCG")
        return {}

    def direction(
        self, backend: Backend, objective: Objective, w: Vector, gradient: Vector, state: State
    ) -> tuple[Vector, Endings]:
        def product(v: Vector) -> Vector:
            return objective.hessian_product(w, v)

        tolerance = forcing(backend.xp, gradient, column(backend, state["largest"], w, w.dtype))
        return solve(backend.xp, product, -gradient, tolerance, self.iterations).x, ()


@dataclass(frozen=True)
class GaussNewton(_Whole):
    """`d = -G^-1 g` with the Gauss-Newton matrix `G = J' H_L J`; `J'J` for least squares (Gauss 1809).

    Attributes:
        matrix_free: solve by conjugate gradients, as `NewtonCG` does, rather than with `G` whole. With `G`
            whole a singular one ends the run, and the reason says so.
        search: tries the length 1 first.

    Raises:
        TypeError: no search, no truth value; an objective without residuals or `gauss_newton_product`.
        MemoryError: in the first step, if `G` would not fit; the message gives its size.
    """

    matrix_free: bool = False
    search: Search = field(default_factory=StrongWolfe)

    def __post_init__(self) -> None:
        keep(self, matrix_free=checks.flag("matrix_free", self.matrix_free))
        check_search(self.search)

    def memory(self, backend: Backend, objective: Objective, w: Vector) -> State:
        require(objective, Offers.GAUSS_NEWTON_PRODUCT, "GaussNewton")
        return {}

    def direction(
        self, backend: Backend, objective: Objective, w: Vector, gradient: Vector, state: State
    ) -> tuple[Vector, Endings]:
        xp = backend.xp
        if self.matrix_free:

            def product(v: Vector) -> Vector:
                return objective.gauss_newton_product(w, v)

            tolerance = forcing(xp, gradient, column(backend, state["largest"], w, w.dtype))
            return solve(xp, product, -gradient, tolerance).x, ()
        matrix = objective.gauss_newton(w)
        scale = xp.linalg.diagonal(matrix)
        scale = xp.where(scale > 0.0, scale, 1.0) ** 0.5
        matrix = matrix / (scale[..., :, None] * scale[..., None, :])
        values, vectors, endings = eigen(backend, "Gauss-Newton matrix", matrix)
        least = xp.min(values, axis=-1, keepdims=True)
        floor = w.shape[-1] * float(xp.finfo(w.dtype).eps) * xp.max(values, axis=-1, keepdims=True)
        endings = endings or _not_definite(backend, "Gauss-Newton matrix", least, floor)
        values = xp.where(values > 0.0, values, 1.0)
        return -_apply(vectors, 1.0 / values, gradient / scale) / scale, endings


def forcing(xp: Namespace, gradient: Vector, first: Array | float = 1.0) -> Array:
    """The relative residual asked of conjugate gradients, `min(.5, sqrt(|g| / |g_0|))`, `(..., 1)`.

    Args:
        gradient: `g`.
        first: `|g_0|`, the norm of the first or the largest gradient: a number, or `(..., 1)`.
    """
    size = norm(xp, gradient)
    larger = xp.where(first > size, first, xp.where(size > 0.0, size, 1.0))
    return xp.minimum(xp.sqrt(size / larger), xp.full_like(size, 0.5))


def eigen(backend: Backend, name: str, matrix: Matrix) -> tuple[Array, Matrix, Endings]:
    """Eigenvalues and eigenvectors, and an ending for each replica whose matrix is not finite."""
    xp = backend.xp
    sound = xp.all(xp.isfinite(matrix), axis=(-2, -1))
    endings: Endings = ()
    if not bool(xp.all(sound)):
        matrix = xp.where(sound[..., None, None], matrix, 0.0)
        flags = backend.to_numpy(sound).reshape(-1)
        endings = tuple(None if flag else Ending(f"the {name} is not finite") for flag in flags)
    values, vectors = xp.linalg.eigh(matrix)
    return values, vectors, endings


def _not_definite(backend: Backend, name: str, least: Array, floor: Any = 0.0) -> Endings:
    flags = backend.to_numpy(least > floor).reshape(-1)
    if flags.all():
        return ()
    return tuple(
        None
        if flag
        else Ending(f"the {name} is not positive definite: its least eigenvalue is {value:.3g}")
        for flag, value in zip(flags, numbers(backend, least), strict=True)
    )


def _apply(vectors: Matrix, factors: Array, v: Vector) -> Vector:
    """`V diag(factors) V' v`."""
    return times(vectors, factors * times(vectors.mT, v))
