"""An objective that is written as a formula; its derivatives follow by dual numbers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from .. import checks
from ..device.arrays import Array, DTypeLike, Scalar, Vector
from ..device.backend import Backend
from ..device.select import chosen as choose_backend
from ..dual import Dual, Namespace, tangent_of, value_of
from .along_axes import along_axes
from .base import Objective
from .matrices import BLOCK, check_direction, check_point, check_points, require_memory


class Formula(Objective):
    """A function of `w` that is written as a formula.

    Args:
        function: from a namespace `xp` and `w` `(..., P)` to values `(...)`. It is also called on dual
            numbers, so it must be made of operators and the functions of `xp`, with `w` indexed as
            `w[..., k]`, and what it says of one row must not depend on the others.
        backend: as `xpnet.backend` takes it.
        dtype: "float64" (the default, as this is for study) or "float32", of `w`.

    The derivatives are exact, of every order that an optimizer asks for: a gradient runs the formula once,
    on dual numbers with P directions, and so costs about as much as P + 1 values, time and memory; K
    products with the Hessian cost about K (P + 1) values, the whole Hessian P (P + 1). So this is for few
    parameters. There are no Gauss-Newton products: `LeastSquares` has them. It pickles if `function` does,
    as one does that a module defines.

    Raises:
        TypeError: no function; in an evaluation: values that are not of the dtype of `w`.
        ValueError: in an evaluation: values of another shape.
        MemoryError: in an evaluation: derivatives that would not fit; the message gives their size.

    >>> import numpy as np
    >>> from xpnet import Formula, minimize
    >>> double_well = Formula(lambda xp, w: (w[..., 0] ** 2 - 1) ** 2 + 0.3 * w[..., 0])
    >>> double_well.hessian(np.array([1.0])).tolist()
    [[8.0]]
    >>> minimize(double_well, "bfgs", np.array([-2.0])).w.round(4).tolist()
    [-1.0356]
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

    def value(self, w: Vector) -> Scalar:
        """The values at `w`, `(..., P)` with any axes in front, such as those of a grid: `(...)`."""
        check_points(self.backend, w, self.dtype)
        with self.backend.working():
            return self._number(self._call(self.backend.xp, w))

    def value_and_gradient(self, w: Vector) -> tuple[Scalar, Vector]:
        check_point(self.backend, w, self.dtype)
        require_memory(self.backend, "derivatives", w, w.shape[-1], w.shape[-1], copies=4)
        xp = self.backend.xp
        with self.backend.working():
            value, slopes = self._with_slopes(xp, w)
            return self._number(value), xp.moveaxis(slopes, 0, -1)

    def hessian_product(self, w: Vector, v: Vector) -> Vector:
        """`H v`: dual numbers of dual numbers."""
        check_point(self.backend, w, self.dtype)
        check_direction(self.backend, w, v)
        size, xp = w.shape[-1], self.backend.xp
        require_memory(self.backend, "second derivatives", w, size, size, copies=8)
        with self.backend.working():
            if v.ndim == w.ndim:
                return self._products(w, v)
            step = max(1, BLOCK // (size * w.size))
            starts, count = range(0, v.shape[0], step), v.shape[0]
            parts = [self._products(w, v[k : min(k + step, count), ...]) for k in starts]
            return parts[0] if len(parts) == 1 else xp.concat(parts, axis=0)

    def select_replicas(self, rows: list[int]) -> Formula:
        """The formula itself, which has all replicas be treated alike."""
        return self

    def _products(self, w: Vector, v: Vector) -> Vector:
        """The products with `v`, one or several on an axis in front."""
        xp, moving = self.backend.xp, Dual(w, v)
        _, slopes = self._with_slopes(Namespace(xp), moving)
        return xp.moveaxis(tangent_of(xp, slopes, moving), v.ndim - w.ndim, -1)

    def _with_slopes(self, xp: Any, w: Any) -> tuple[Any, Any]:
        """The values, `(...)`, and their derivatives, `(P, ...)`."""
        dual = along_axes(self.backend, w, self.dtype)
        found = self._call(Namespace(xp), dual)
        return value_of(found), tangent_of(self.backend.xp, found, dual)

    def _call(self, xp: Any, w: Any) -> Any:
        """The values, `(...)`, of arrays or dual numbers."""
        found, lead = self.function(xp, w), tuple(w.shape[:-1])
        shape = checks.shape_of(found)
        if shape != lead:
            got = checks.shown(found) if shape is None else f"shape {shape}"
            raise ValueError(f"function must return values {lead}, as w is {tuple(w.shape)}, got {got}")
        if found.dtype != self.dtype:
            names = [checks.dtype_name(dtype) for dtype in (self.dtype, found.dtype)]
            raise TypeError(f"function must return values of {names[0]}, as w is, got {names[1]}")
        return found

    def _number(self, value: Array) -> Scalar:
        """A new array of the precision in which values are told."""
        xp = self.backend.xp
        return xp.asarray(value, dtype=self.backend.accumulator, copy=True)

    def __repr__(self) -> str:
        name = getattr(self.function, "__name__", f"{self.function!r:.200}")
        return f"Formula({name}, backend={self.backend.name!r}, dtype={checks.dtype_name(self.dtype)!r})"
