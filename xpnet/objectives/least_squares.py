"""A sum of squares that is written as a formula; its derivatives follow by dual numbers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..device.arrays import Array
from ..device.backend import Backend
from ..device.select import backend as choose_backend
from ..dual import Dual, Namespace, tangent_of, value_of
from .base import Objective, check_direction, require_memory


class LeastSquares(Objective):
    """`1/2 sum_i r_i(w)^2`.

    Args:
        function: from a namespace `xp` and `w` `(..., P)` to the residuals: an array `(..., N)`, or a
            sequence of arrays `(...)`. It is also called on dual numbers, so it must be made of operators
            and the functions of `xp`, with `w` indexed as `w[..., k]`.
        backend: as `xpnet.backend` takes it.
        dtype: "float64" or "float32", of `w`.

    The derivatives are exact, and cost about P evaluations: this is for few parameters.
    """

    def __init__(
        self,
        function: Callable[[Any, Any], Any],
        *,
        backend: Backend | str | None = None,
        dtype: Any = "float64",
    ) -> None:
        if not callable(function):
            raise TypeError(f"function must be a function of a namespace and w, got {function!r}")
        self.function, self.backend = function, choose_backend(backend)
        self.dtype = self.backend.dtype(dtype)

    def value(self, w: Array) -> Array:
        r = self.residuals(w)
        return 0.5 * self.backend.xp.sum(r * r, axis=-1, dtype=self.backend.accumulator)

    def value_and_gradient(self, w: Array) -> tuple[Array, Array]:
        r, columns = self._with_derivatives(self.backend.xp, self._check(w))
        return self._value(r), self.backend.xp.moveaxis(_products(self.backend.xp, columns, r), 0, -1)

    def hessian_product(self, w: Array, v: Array) -> Array:
        """`H v`: dual numbers of dual numbers, for one direction after the other."""
        xp = self.backend.xp
        check_direction(self.backend, self._check(w), v)
        if v.ndim > w.ndim:
            return xp.stack([self.hessian_product(w, v[k, ...]) for k in range(v.shape[0])])
        outer = Namespace(xp)
        r, columns = self._with_derivatives(outer, Dual(w, v))
        return xp.moveaxis(tangent_of(xp, _products(outer, columns, r), Dual(w, v)), 0, -1)

    def gauss_newton_product(self, w: Array, v: Array) -> Array:
        """`J'J v`."""
        check_direction(self.backend, w, v)
        J = self.jacobian(w)
        return ((J @ v[..., None]).mT @ J)[..., 0, :]

    def residuals(self, w: Array) -> Array:
        with self.backend.quiet():
            return self._call(self.backend.xp, self._check(w))

    def jacobian(self, w: Array) -> Array:
        return self._residuals_and_jacobian(w)[1]

    def normal_equations(self, w: Array) -> tuple[Array, Array, Array]:
        r, J = self._residuals_and_jacobian(w)
        return self._value(r), (r[..., None, :] @ J)[..., 0, :], J.mT @ J

    def _residuals_and_jacobian(self, w: Array) -> tuple[Array, Array]:
        r, columns = self._with_derivatives(self.backend.xp, self._check(w))
        return r, self.backend.xp.moveaxis(columns, 0, -1)

    def _with_derivatives(self, xp: Any, w: Any) -> tuple[Any, Any]:
        """The residuals, `(..., N)`, and their derivatives, `(P, ..., N)`."""
        size = w.shape[-1]
        plain = self.backend.xp
        eye = plain.eye(size, dtype=self.dtype, device=self.backend.device)
        eye = plain.reshape(eye, (size, *[1] * (w.ndim - 1), size))
        with self.backend.quiet():
            zero = plain.zeros((size, *w.shape), dtype=self.dtype, device=self.backend.device)
            # some arrays refuse a dual number on their right, so among duals these are duals too
            ones = Dual(eye + zero, zero) if isinstance(w, Dual) else eye + zero
            dual = Dual(w, ones)
            r = self._call(Namespace(xp), dual)
        return value_of(r), tangent_of(plain, r, dual)

    def _call(self, xp: Any, w: Any) -> Any:
        r = self.function(xp, w)
        return xp.stack(list(r), axis=-1) if isinstance(r, list | tuple) else r

    def _value(self, r: Array) -> Array:
        with self.backend.quiet():
            return 0.5 * self.backend.xp.sum(r * r, axis=-1, dtype=self.backend.accumulator)

    def _check(self, w: Array) -> Array:
        self.backend.check("w", w, self.dtype)
        if w.ndim not in (1, 2):
            raise ValueError(f"w must be (P,) or (R, P), got shape {tuple(w.shape)}")
        require_memory("Jacobian", w, w.shape[-1])
        return w


def _products(xp: Any, columns: Any, r: Any) -> Any:
    """`J'r`, the inner product of each column with the residuals, `(P, ...)`."""
    return xp.sum(columns * r, axis=-1)
