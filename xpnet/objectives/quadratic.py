"""The quadratic, on which every optimizer can be understood."""

from __future__ import annotations

import copy
from typing import Any

from .. import checks
from ..device.arrays import DTypeLike, Scalar, Vector
from ..device.backend import Backend
from ..device.select import chosen as choose_backend
from ..linear.vectors import times
from .base import Objective
from .matrices import check_direction, check_point, check_points


class Quadratic(Objective):
    """`1/2 w'Aw + b'w + c`.

    `A` need not be symmetric: as `w'Aw = w'(A + A')/2 w`, its symmetric part, found in double precision, is
    kept in its place, and gives the same values, gradients and steps.

    Args:
        A: `(P, P)`, or `(R, P, P)`, one for each replica.
        b: `(P,)` or `(R, P)`; zero if not given.
        c: a number or `(R,)`.
        backend: as `xpnet.backend` takes it.
        dtype: "float64" (the default, as this is for study) or "float32".

    Raises:
        TypeError, ValueError: no numbers, shapes that do not fit, NaN or infinity.

    >>> import numpy as np
    >>> from xpnet import Quadratic
    >>> quadratic = Quadratic([[2.0, 0.0], [0.0, 1.0]], b=[-2.0, 0.0], c=1.0)
    >>> value, gradient = quadratic.value_and_gradient(np.array([0.0, 1.0]))
    >>> float(value), gradient.tolist()
    (1.5, [-2.0, 1.0])
    """

    backend: Backend

    def __init__(
        self,
        A: Any,
        b: Any = None,
        c: Any = 0.0,
        *,
        backend: Backend | str | None = None,
        dtype: DTypeLike = "float64",
    ) -> None:
        self.backend = choose_backend(backend)
        xp, self.dtype = self.backend.xp, self.backend.dtype(dtype)
        whole = self.backend.asarray(A, name="A")
        if whole.ndim not in (2, 3) or whole.shape[-1] != whole.shape[-2] or not whole.size:
            raise ValueError(f"A must be square, (P, P) or (R, P, P), got shape {tuple(whole.shape)}")
        with self.backend.quiet():
            half = 0.5 * xp.astype(whole, self.backend.accumulator)
            self.A = xp.astype(half + half.mT, self.dtype, copy=False)
        size, lead = self.A.shape[-1], tuple(self.A.shape[:-2])
        b = self.backend.asarray([0.0] * size if b is None else b, dtype, name="b")
        c = self.backend.asarray(c, dtype, name="c")
        # copies, as A is one: whoever moves what was handed over does not change the function
        self.b, self.c = xp.asarray(b, copy=True), xp.asarray(c, copy=True)
        if self.b.ndim not in (1, 2) or self.b.shape[-1] != size or not self.b.size:
            whose, shape = tuple(whole.shape), tuple(self.b.shape)
            raise ValueError(f"b must be ({size},) or (R, {size}), as A is {whose}, got shape {shape}")
        if self.c.ndim > 1 or not self.c.size:
            raise ValueError(f"c must be a number or (R,), got shape {tuple(self.c.shape)}")
        replicas = {shape[0] for shape in (lead, self.b.shape[:-1], self.c.shape) if shape}
        if len(replicas) > 1:
            shapes = ", ".join(str(tuple(array.shape)) for array in (whole, self.b, self.c))
            raise ValueError(f"A, b, c must have the same number of replicas, got shapes {shapes}")
        for name, array in (("A", self.A), ("b", self.b), ("c", self.c)):
            checks.finite(xp, name, array)
        self._replicas = replicas.pop() if replicas else None

    def value(self, w: Vector) -> Scalar:
        """The values at `w`, `(..., P)`, or `(..., R, P)` where there are replicas: `(...)`."""
        check_points(self.backend, w, self.dtype, self.A.shape[-1])
        self._check_rows(w)
        with self.backend.working():
            return self._value(w, times(self.A, w))

    def value_and_gradient(self, w: Vector) -> tuple[Scalar, Vector]:
        self._check(w)
        with self.backend.working():
            product = times(self.A, w)
            return self._value(w, product), product + self.b

    def hessian_product(self, w: Vector, v: Vector) -> Vector:
        """`A v`."""
        self._check(w)
        check_direction(self.backend, w, v)
        with self.backend.working():
            return times(self.A, v)

    def gauss_newton_product(self, w: Vector, v: Vector) -> Vector:
        """`A v`: a quadratic is its own Gauss-Newton model."""
        return self.hessian_product(w, v)

    def select_replicas(self, rows: list[int]) -> Quadratic:
        """The quadratic of these replicas."""
        if self._replicas is None:
            return self
        if not isinstance(rows, list | tuple) or not rows:
            raise TypeError(f"rows must be a list of the numbers of replicas, got {checks.shown(rows)}")
        rows = [checks.count("each of rows", row, 0, self._replicas - 1) for row in rows]
        part = copy.copy(self)
        there = self.backend.xp.asarray(rows, device=self.backend.device)
        for name, ndim in (("A", 2), ("b", 1), ("c", 0)):
            array = getattr(self, name)
            if array.ndim > ndim:
                setattr(part, name, self.backend.xp.take(array, there, axis=0))
        part._replicas = len(rows)
        return part

    def _check(self, w: Vector) -> None:
        check_point(self.backend, w, self.dtype, self.A.shape[-1])
        self._check_rows(w)

    def _check_rows(self, w: Vector) -> None:
        if self._replicas is not None and tuple(w.shape[-2:-1]) != (self._replicas,):
            size = self.A.shape[-1]
            raise ValueError(
                f"w must be ({self._replicas}, {size}) as there are {self._replicas} replicas, "
                f"got shape {tuple(w.shape)}"
            )

    def _value(self, w: Vector, product: Vector) -> Scalar:
        xp, accumulator = self.backend.xp, self.backend.accumulator
        terms = w * (0.5 * product + self.b)
        return xp.sum(terms, axis=-1, dtype=accumulator) + xp.astype(self.c, accumulator)

    def __repr__(self) -> str:
        replicas = "" if self._replicas is None else f"replicas={self._replicas}, "
        return (
            f"Quadratic(parameters={self.A.shape[-1]}, {replicas}backend={self.backend.name!r}, "
            f"dtype={checks.dtype_name(self.dtype)!r})"
        )
