"""A sum of squares that is written as a formula; its derivatives follow by dual numbers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

from .. import checks
from ..device.arrays import Array, DTypeLike, Matrix, Scalar, Vector
from ..device.backend import Backend
from ..device.select import chosen as choose_backend
from ..dual import Dual, Namespace, tangent_of, value_of
from .along_axes import along_axes
from .base import Objective
from .matrices import check_direction, check_point, check_points, require_memory


class LeastSquares(Objective):
    """`1/2 sum_i r_i(w)^2`.

    Args:
        function: from a namespace `xp` and `w` `(..., P)` to the residuals: an array `(..., N)`, or a
            sequence of arrays `(...)`. It is also called on dual numbers, so it must be made of operators
            and the functions of `xp`, with `w` indexed as `w[..., k]`.
        backend: as `xpnet.backend` takes it.
        dtype: "float64" or "float32", of `w`.

    The derivatives are exact, and cost about P evaluations: this is for few parameters. It pickles if
    `function` does, as one does that a module defines. The formula may have data of its own for each of R
    replicas, so those that have stopped go on being evaluated.

    Raises:
        TypeError: no function; in an evaluation: residuals that are not of the dtype of `w`.
        ValueError: in an evaluation: residuals of another shape.
        MemoryError: in an evaluation: derivatives that would not fit; the message gives their size.

    >>> import numpy as np
    >>> from xpnet import LeastSquares, minimize
    >>> t = np.linspace(0, 2, 20)
    >>> y = 3 * np.exp(-1.5 * t)
    >>> fit = LeastSquares(lambda xp, w: w[..., 0:1] * xp.exp(-w[..., 1:2] * t) - y)
    >>> minimize(fit, "levenberg-marquardt", np.ones(2)).w.round(6).tolist()
    [3.0, 1.5]
    """

    backend: Backend

    def __init__(
        self,
        function: Callable[[Any, Any], Any],
        *,
        backend: Backend | str | None = None,
        dtype: DTypeLike = "float64",
    ) -> None:
        self.function = checks.function("function", function, "a namespace and w")
        self.backend = choose_backend(backend)
        self.dtype = self.backend.dtype(dtype)
        self._count = 0  # residuals; 0 until they have been seen

    def value(self, w: Vector) -> Scalar:
        """The values at `w`, `(..., P)`, where `function` takes any axes in front: `(...)`."""
        check_points(self.backend, w, self.dtype)
        with self.backend.working():
            return self._value(self._call(self.backend.xp, w))

    def value_and_gradient(self, w: Vector) -> tuple[Scalar, Vector]:
        check_point(self.backend, w, self.dtype)
        self._require_memory("Jacobian", w, copies=4)
        xp = self.backend.xp
        with self.backend.working():
            r, columns = self._with_derivatives(xp, w)
            return self._value(r), xp.moveaxis(_products(xp, columns, r), 0, -1)

    def hessian_product(self, w: Vector, v: Vector) -> Vector:
        """`H v`: dual numbers of dual numbers, for one direction after the other."""
        xp = self.backend.xp
        check_point(self.backend, w, self.dtype)
        check_direction(self.backend, w, v)
        self._require_memory("derivatives of the Jacobian", w, copies=8)
        with self.backend.working():
            if v.ndim > w.ndim:
                return xp.stack([self._product(w, v[k, ...]) for k in range(v.shape[0])])
            return self._product(w, v)

    def gauss_newton_product(self, w: Vector, v: Vector) -> Vector:
        """`J'J v`."""
        check_point(self.backend, w, self.dtype)
        check_direction(self.backend, w, v)
        J = self.jacobian(w)
        with self.backend.working():
            return ((J @ v[..., None]).mT @ J)[..., 0, :]

    def residuals(self, w: Vector) -> Vector:
        check_point(self.backend, w, self.dtype)
        with self.backend.working():
            return self._call(self.backend.xp, w)

    def jacobian(self, w: Vector) -> Matrix:
        return self._residuals_and_columns(w)[1]

    def normal_equations(self, w: Vector) -> tuple[Scalar, Vector, Matrix]:
        r, J = self._residuals_and_columns(w)
        with self.backend.working():
            return self._value(r), (r[..., None, :] @ J)[..., 0, :], J.mT @ J

    def _residuals_and_columns(self, w: Vector) -> tuple[Vector, Matrix]:
        check_point(self.backend, w, self.dtype)
        self._require_memory("Jacobian", w, copies=4)
        with self.backend.working():
            r, columns = self._with_derivatives(self.backend.xp, w)
            return r, self.backend.xp.moveaxis(columns, 0, -1)

    def _product(self, w: Vector, v: Vector) -> Vector:
        xp, moving = self.backend.xp, Dual(w, v)
        outer = Namespace(xp)
        r, columns = self._with_derivatives(outer, moving)
        return xp.moveaxis(tangent_of(xp, _products(outer, columns, r), moving), 0, -1)

    def _with_derivatives(self, xp: Any, w: Any) -> tuple[Any, Any]:
        """The residuals, `(..., N)`, and their derivatives, `(P, ..., N)`."""
        dual = along_axes(self.backend, w, self.dtype)
        r = self._call(Namespace(xp), dual)
        return value_of(r), tangent_of(self.backend.xp, r, dual)

    def _call(self, xp: Any, w: Any) -> Any:
        """The residuals, `(..., N)`, of arrays or dual numbers."""
        r, lead = self.function(xp, w), tuple(w.shape[:-1])
        if isinstance(r, list | tuple):
            parts = [*cast("list[Any]", r)]
            for number, part in enumerate(parts):
                own = tuple(getattr(part, "shape", ()))
                if own != lead:
                    raise ValueError(
                        f"function must return residuals of shape {lead} each, as w is {tuple(w.shape)}, "
                        f"got shape {own} for number {number}"
                    )
            if not parts:
                raise ValueError("function must return at least one residual, got none")
            r = xp.stack(parts, axis=-1)
        shape = tuple(getattr(r, "shape", ()))
        if not shape or shape[:-1] != lead:
            wanted = f"({', '.join([*map(str, lead), 'N'])})" if lead else "(N,)"
            raise ValueError(
                f"function must return residuals {wanted}, as w is {tuple(w.shape)}, got "
                f"{f'shape {shape}' if hasattr(r, 'shape') else type(r).__name__}"
            )
        if r.dtype != self.dtype:
            names = [checks.dtype_name(dtype) for dtype in (self.dtype, r.dtype)]
            raise TypeError(f"function must return residuals of {names[0]}, as w is, got {names[1]}")
        self._count = shape[-1]
        return r

    def _value(self, r: Array) -> Scalar:
        return 0.5 * self.backend.xp.sum(r * r, axis=-1, dtype=self.backend.accumulator)

    def _require_memory(self, name: str, w: Vector, copies: int) -> None:
        """Raises MemoryError unless `copies` of all residuals' derivatives fit."""
        size = w.shape[-1]
        rows = self._count or self.residuals(w).shape[-1]
        require_memory(self.backend, name, w, max(rows, size), size, copies=copies)

    def __repr__(self) -> str:
        name = getattr(self.function, "__name__", f"{self.function!r:.200}")
        return (
            f"LeastSquares({name}, backend={self.backend.name!r}, dtype={checks.dtype_name(self.dtype)!r})"
        )


def _products(xp: Any, columns: Any, r: Any) -> Any:
    """`J'r`, the inner product of each column with the residuals, `(P, ...)`."""
    return xp.sum(columns * r, axis=-1)
