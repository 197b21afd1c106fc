"""A change of variables: an objective seen from scaled, or turned, axes."""

from __future__ import annotations

from typing import Any

from .. import checks
from ..device.arrays import Array, Matrix, Scalar, Vector
from ..device.backend import Backend
from ..device.select import chosen as choose_backend
from ..linear.vectors import times
from .base import Objective
from .matrices import check_points


class Scaled(Objective):
    """`f(S^-1 u)`, the objective `f(w)` as a function of `u = S w`.

    Its gradient is `S^-T g`, its Hessian `S^-T H S^-1`. Gradient descent in `u` is
    `w -= eta (S'S)^-1 g` in `w`: with `S = A^(1/2)` of a quadratic it is Newton's method, and with a
    diagonal `S` it has a rate for each parameter. All else that `f` offers is handed through, residuals,
    subsets and replicas too. Values are those of `f`; norms of gradients, and so `gradient_below`, are
    those in `u`. A run starts from `scaled.to(w)`, and `scaled.back(run.w)` is where it came to.

    Args:
        objective: `f`.
        S: `(P,)`, a diagonal without zeros, or `(P, P)`, a matrix that can be inverted. One whose condition
            number is kappa leaves errors of kappa roundings in `w`.
        backend: as `xpnet.backend` takes it; that of the objective if it has one.

    Raises:
        TypeError, ValueError: no objective; no numbers, another shape, NaN or infinity; a matrix that
            cannot be inverted.

    >>> import numpy as np
    >>> from xpnet import GradientDescent, Quadratic, Scaled, after, minimize
    >>> steep = Quadratic([[100.0, 0.0], [0.0, 1.0]], [-100.0, -1.0])
    >>> round_ = Scaled(steep, [10.0, 1.0])
    >>> run = minimize(round_, GradientDescent(1.0), round_.to(np.zeros(2)), stop=after(1))
    >>> round_.back(run.w).tolist()
    [1.0, 1.0]
    """

    backend: Backend

    def __init__(self, objective: Objective, S: Any, *, backend: Backend | str | None = None) -> None:
        self.objective: Objective = checks.instance("objective", objective, Objective, "an Objective")
        self.samples, self.lacks = objective.samples, ~objective.offers
        self.communicator = objective.communicator
        self.backend = choose_backend(objective.backend if backend is None else backend)
        xp = self.backend.xp
        self.S: Array = xp.asarray(self.backend.asarray(S, self.backend.accumulator, name="S"), copy=True)
        shape = tuple(self.S.shape)
        if len(shape) not in (1, 2) or shape[0] != shape[-1] or not self.S.size:
            raise ValueError(f"S must be (P,) or (P, P), got shape {shape}")
        checks.finite(xp, "S", self.S)
        self.inverse: Array = _inverse(self.backend, self.S)

    def to(self, w: Vector) -> Vector:
        """`u = S w`, of points `(..., P)`."""
        return self._moved("w", w, self.S)

    def back(self, u: Vector) -> Vector:
        """`w = S^-1 u`, of points `(..., P)`."""
        return self._at("u", u)

    def value(self, w: Vector) -> Scalar:
        return self.objective.value(self._at("w", w))

    def value_and_gradient(self, w: Vector) -> tuple[Scalar, Vector]:
        value, gradient = self.objective.value_and_gradient(self._at("w", w))
        return value, self._turned(gradient)

    def hessian_product(self, w: Vector, v: Vector) -> Vector:
        return self._turned(self.objective.hessian_product(self._at("w", w), self._at("v", v)))

    def hessian(self, w: Vector) -> Matrix:
        return self._both_sides(self.objective.hessian(self._at("w", w)))

    def gauss_newton_product(self, w: Vector, v: Vector) -> Vector:
        return self._turned(self.objective.gauss_newton_product(self._at("w", w), self._at("v", v)))

    def gauss_newton(self, w: Vector) -> Matrix:
        return self._both_sides(self.objective.gauss_newton(self._at("w", w)))

    def residuals(self, w: Vector) -> Vector:
        return self.objective.residuals(self._at("w", w))

    def jacobian(self, w: Vector) -> Matrix:
        """`J S^-1`."""
        return self._columns(self.objective.jacobian(self._at("w", w)))

    def normal_equations(self, w: Vector) -> tuple[Scalar, Vector, Matrix]:
        value, gradient, matrix = self.objective.normal_equations(self._at("w", w))
        return value, self._turned(gradient), self._both_sides(matrix)

    def subset(self, samples: Array) -> Objective:
        return Scaled(self.objective.subset(samples), self.S, backend=self.backend)

    def redraw(self, draw: int) -> Objective:
        return Scaled(self.objective.redraw(draw), self.S, backend=self.backend)

    def select_replicas(self, rows: list[int]) -> Objective:
        return Scaled(self.objective.select_replicas(rows), self.S, backend=self.backend)

    def _at(self, name: str, point: Vector) -> Vector:
        return self._moved(name, point, self.inverse)

    def _moved(self, name: str, point: Vector, by: Array) -> Vector:
        """The product of `by`, a diagonal or a matrix, with each point."""
        xp, dtype = self.backend.xp, getattr(point, "dtype", None)
        check_points(self.backend, point, dtype, self.S.shape[-1], name)
        if dtype not in (xp.float32, xp.float64):
            check_points(self.backend, point, xp.float64, name=name)
        with self.backend.working():
            own = xp.astype(by, dtype, copy=False)
            return own * point if own.ndim == 1 else times(own, point)

    def _turned(self, gradient: Vector) -> Vector:
        """`S^-T g`."""
        with self.backend.working():
            own = self.backend.xp.astype(self.inverse, gradient.dtype, copy=False)
            return own * gradient if own.ndim == 1 else times(own.mT, gradient)

    def _columns(self, matrix: Matrix) -> Matrix:
        """`M S^-1`."""
        with self.backend.working():
            own = self.backend.xp.astype(self.inverse, matrix.dtype, copy=False)
            return matrix * own if own.ndim == 1 else matrix @ own

    def _both_sides(self, matrix: Matrix) -> Matrix:
        """`S^-T M S^-1`, made symmetric."""
        found = self._columns(self._columns(matrix).mT)
        return 0.5 * (found + found.mT)

    def __repr__(self) -> str:
        return f"Scaled({self.objective!r}, S of shape {tuple(self.S.shape)})"


def _inverse(backend: Backend, S: Array) -> Array:
    xp = backend.xp
    with backend.working():
        size = xp.abs(S) if S.ndim == 1 else xp.linalg.svdvals(S)
        least, most = float(xp.min(size)), float(xp.max(size))
        room = 0.0 if S.ndim == 1 else S.shape[-1] * float(xp.finfo(S.dtype).eps)
        if not least > room * most:
            raise ValueError(
                "S must be a matrix that can be inverted, got one whose singular values go from "
                f"{least:.3g} to {most:.3g}"
            )
        inverse = 1.0 / S if S.ndim == 1 else xp.linalg.inv(S)
    checks.finite(xp, "the inverse of S", inverse)
    return inverse
