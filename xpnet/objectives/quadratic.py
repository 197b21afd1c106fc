"""The quadratic, on which every optimizer can be understood."""

from __future__ import annotations

import copy
from typing import Any

from .. import checks
from ..device.arrays import Array
from ..device.backend import Backend
from ..device.select import backend as choose_backend
from .base import Objective, check_direction


class Quadratic(Objective):
    """`1/2 w'Aw + b'w + c`.

    Args:
        A: `(P, P)`, symmetric, or `(R, P, P)`, one for each replica.
        b: `(P,)` or `(R, P)`; zero if not given.
        c: a number or `(R,)`.
        backend: as `xpnet.backend` takes it.
        dtype: "float64" (the default, as this is for study) or "float32".

    Raises:
        ValueError: shapes that do not fit, `A` not symmetric, NaN or infinity.
    """

    def __init__(
        self,
        A: Any,
        b: Any = None,
        c: Any = 0.0,
        *,
        backend: Backend | str | None = None,
        dtype: Any = "float64",
    ) -> None:
        self.backend = choose_backend(backend)
        xp = self.backend.xp
        dtype = self.backend.dtype(dtype)
        self.A = self.backend.asarray(A, dtype, name="A")
        if self.A.ndim not in (2, 3) or self.A.shape[-1] != self.A.shape[-2] or not self.A.size:
            raise ValueError(f"A must be square, (P, P) or (R, P, P), got shape {tuple(self.A.shape)}")
        size, lead = self.A.shape[-1], tuple(self.A.shape[:-2])
        self.b = self.backend.asarray([0.0] * size if b is None else b, dtype, name="b")
        self.c = self.backend.asarray(c, dtype, name="c")
        if self.b.ndim not in (1, 2) or self.b.shape[-1] != size:
            raise ValueError(f"b must be ({size},) or (R, {size}), got shape {tuple(self.b.shape)}")
        if self.c.ndim > 1:
            raise ValueError(f"c must be a number or (R,), got shape {tuple(self.c.shape)}")
        replicas = {shape[0] for shape in (lead, self.b.shape[:-1], self.c.shape) if shape}
        if len(replicas) > 1:
            raise ValueError(f"A, b, c must have the same number of replicas, got {replicas}")
        for name, array in (("A", self.A), ("b", self.b), ("c", self.c)):
            checks.finite(xp, name, array)
        scale = float(xp.max(xp.abs(self.A)))
        if float(xp.max(xp.abs(self.A - self.A.mT))) > 1e-6 * scale:
            raise ValueError("A must be symmetric; take (A + A') / 2, which gives the same values")
        self._replicas = replicas.pop() if replicas else None

    def value(self, w: Array) -> Array:
        return self._value(w, self._product(w))

    def value_and_gradient(self, w: Array) -> tuple[Array, Array]:
        product = self._product(w)
        return self._value(w, product), product + self.b

    def hessian_product(self, w: Array, v: Array) -> Array:
        """`A v`."""
        self._check(w)
        check_direction(self.backend, w, v)
        return self._times(v)

    def gauss_newton_product(self, w: Array, v: Array) -> Array:
        """`A v`: a quadratic is its own Gauss-Newton model."""
        return self.hessian_product(w, v)

    def select_replicas(self, rows: list[int]) -> Quadratic:
        """The quadratic of these replicas."""
        if self._replicas is None:
            return self
        part = copy.copy(self)
        there = self.backend.xp.asarray(rows, device=self.backend.device)
        part.A, part.b, part.c = (
            array if array.ndim == ndim else self.backend.xp.take(array, there, axis=0)
            for array, ndim in ((self.A, 2), (self.b, 1), (self.c, 0))
        )
        part._replicas = len(rows)
        return part

    def _product(self, w: Array) -> Array:
        self._check(w)
        return self._times(w)

    def _times(self, v: Array) -> Array:
        return (self.A @ v[..., None])[..., 0]

    def _check(self, w: Array) -> None:
        self.backend.check("w", w, self.A.dtype)
        size = self.A.shape[-1]
        if w.ndim not in (1, 2) or w.shape[-1] != size:
            raise ValueError(f"w must be ({size},) or (R, {size}), got shape {tuple(w.shape)}")
        if self._replicas is not None and tuple(w.shape[:-1]) != (self._replicas,):
            raise ValueError(
                f"w must be ({self._replicas}, {size}) as there are {self._replicas} replicas, "
                f"got shape {tuple(w.shape)}"
            )

    def _value(self, w: Array, product: Array) -> Array:
        xp = self.backend.xp
        terms = w * (0.5 * product + self.b)
        return xp.sum(terms, axis=-1, dtype=self.backend.accumulator) + xp.astype(
            self.c, self.backend.accumulator
        )
