"""An objective seen from outside, so that evaluations inside a line search are watched like any others.

They are counted wherever they are made, the best point is kept, and the first one at the point where a step
begins is judged before the step goes on: that is how a run can end at the very point that its reason
speaks of, with `w` and the optimizer's state as they were.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import array_api_compat

from .. import checks
from ..device.arrays import Array, Matrix, Scalar, Vector
from ..device.backend import Backend
from ..device.plain import is_masked
from ..objectives import Objective, Offers
from ..objectives.matrices import check_result
from ..optimizers.replicas import lowest, row_norms


class OutOfBudget(Exception):
    """The objective may not be evaluated any more."""


class Watch(Objective):
    """`objective`, watched.

    Attributes:
        objective: what is evaluated: `original`, or some replicas of it.
        counts: the evaluations so far; `limit` is how many there may be.
        looking: whether the device is read; `keeps_best` whether values say which point is best.
        point: where the step that is watched begins, until it has been evaluated; `judge` is called then.
        free: what makes of a point and its gradient the part whose norm tells a minimum; None if it is all.
        values, norm, finite: of the last step looked at: floats, or `(R,)` on the host; `whole` says
            whether they are those of `objective`, not of some samples or of another draw.
        best, best_value: the best point so far of each replica that is `active`.
        measures: whether the norms of gradients are found where a step begins.
        fresh: whether nothing has been evaluated since the step began, so that `w` has not moved.
    """

    backend: Backend

    def __init__(self, objective: Objective, backend: Backend, w: Vector) -> None:
        self.objective, self.original, self.backend = objective, objective, backend
        self.samples, self.layout = objective.samples, objective.layout
        self.lacks = ~objective.offers | Offers.SELECT_REPLICAS
        self.shape, self.rows = tuple(w.shape), tuple(w.shape[:-1])
        self.counts = {"value": 0, "gradient": 0, "product": 0}
        self.limit: int | None = None
        self.looking = self.keeps_best = self.measures = self.fresh = True
        self.point: Vector | None = None
        self.judge: Callable[[], None] | None = None
        self.free: Callable[[Vector, Vector], Vector] | None = None
        host = backend.host
        self.active: Any = host.ones(self.rows, dtype=host.bool)
        self.values: Any = math.nan if not self.rows else host.full(self.rows, math.nan)
        self.norm: Any = self.values
        self.finite: Any = True
        self.whole = True
        self.best: Vector = backend.xp.asarray(w, copy=True)
        self.best_value: Any = math.inf if not self.rows else host.full(self.rows, math.inf)
        self._least = lowest(backend.xp.finfo(w.dtype))
        self._isfinite: Callable[[Any], Any] = host.isfinite if self.rows else math.isfinite
        self._checked = False
        self._symmetric: set[str] = set()  # methods whose first matrix was
        self._real: set[Any] = set()  # the dtypes of values that have been looked at

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)  # copy and pickle ask before there is an objective
        return getattr(self.original, name)  # what else an optimizer asks of its own kind of objective

    def count(self, kind: str, number: int = 1) -> None:
        """Notes evaluations to be made; raises OutOfBudget if they may not be."""
        if self.limit is not None and self.made() + number > self.limit:
            raise OutOfBudget
        self.counts[kind] += number

    def made(self) -> int:
        """How many evaluations have been made, of all kinds."""
        return sum(self.counts.values())

    def value(self, w: Vector) -> Scalar:
        self.count("value")
        value = self.number(self.objective.value(w))
        if self.looking and self.keeps_best:
            self.keep_best(w, self.read(value))
        return value

    def value_and_gradient(self, w: Vector) -> tuple[Scalar, Vector]:
        self.count("gradient")
        value, gradient = self.objective.value_and_gradient(w)
        value = self.number(value)
        self.see(w, value, gradient)
        return value, gradient

    def normal_equations(self, w: Vector) -> tuple[Scalar, Vector, Matrix]:
        self.count("gradient")
        value, gradient, matrix = self.objective.normal_equations(w)
        value = self.number(value)
        self.see(w, value, gradient)
        return value, gradient, self._matrix("normal_equations", matrix, w)

    def hessian_product(self, w: Vector, v: Vector) -> Vector:
        self.count("product", v.shape[0] if v.ndim > w.ndim else 1)
        return self._product("hessian_product", self.objective.hessian_product(w, v), v)

    def gauss_newton_product(self, w: Vector, v: Vector) -> Vector:
        self.count("product", v.shape[0] if v.ndim > w.ndim else 1)
        return self._product("gauss_newton_product", self.objective.gauss_newton_product(w, v), v)

    def hessian(self, w: Vector) -> Matrix:
        self.count("product", w.shape[-1])
        return self._matrix("hessian", self.objective.hessian(w), w)

    def gauss_newton(self, w: Vector) -> Matrix:
        if Offers.NORMAL_EQUATIONS in self.original.offers:
            self.count("gradient")
        else:
            self.count("product", w.shape[-1])
        return self._matrix("gauss_newton", self.objective.gauss_newton(w), w)

    def residuals(self, w: Vector) -> Vector:
        self.count("value")
        return self.objective.residuals(w)

    def jacobian(self, w: Vector) -> Matrix:
        self.count("gradient")
        return self.objective.jacobian(w)

    def subset(self, samples: Array) -> Objective:
        return Part(self, self.objective.subset(samples))

    def redraw(self, draw: int) -> Objective:
        return Part(self, self.objective.redraw(draw))

    def see(self, w: Vector, value: Scalar, gradient: Vector, *, whole: bool = True) -> None:
        """Keeps what is to be kept of an evaluation; judges it if it is that of the step's point."""
        if not self._checked:
            self._check(w, gradient)
        if not self.looking:
            pass
        elif w is self.point:
            self.look(w, value, gradient, whole=whole)
        elif whole and self.keeps_best:
            self.keep_best(w, self.read(value))
        self.fresh = False

    def look(self, w: Vector, value: Scalar, gradient: Vector, *, whole: bool = True) -> None:
        """Reads the value and gradient where a step begins, and has them judged."""
        self.point, self.whole = None, whole
        gradient = gradient if self.free is None else self.free(w, gradient)
        if self.rows:
            self.values = values = self.read(value)
            if self.measures:
                self.norm = row_norms(self.backend, gradient)
            self.finite = self._isfinite(values) & self.sound(w, gradient)
        else:  # in every step of most runs: so in plain numbers, and here
            vecdot = self.backend.xp.vecdot
            self.values = values = float(value)
            if self.measures:
                square = float(vecdot(gradient, gradient))
                safe = self._least < square < math.inf
                self.norm = math.sqrt(square) if safe else float(row_norms(self.backend, gradient)[0])
            sound = math.isfinite(vecdot(w, gradient)) or self.sound(w, gradient)
            self.finite = sound and math.isfinite(values)
        if whole and self.keeps_best:
            self.keep_best(w, values, sure=self.finite is True)
        if self.judge is not None:
            self.judge()

    def keep_best(self, w: Vector, values: Any, *, sure: bool = False) -> None:
        """Keeps `w` where it is the best so far; only what is finite ever is (the point `sure` is)."""
        if not self.rows:
            if -math.inf < values < self.best_value and (sure or bool(self.sound(w))):
                self.best[...] = w
                self.best_value = values
            return
        host = self.backend.host
        better = (values < self.best_value) & self.active & host.isfinite(values)  # never so for NaN
        if host.any(better):
            better = better & self.sound(w)
            mask = self.backend.xp.asarray(better, device=self.backend.device)[:, None]
            best = self.backend.xp.where(mask, w, self.best)
            self.best, self.best_value = best, host.where(better, values, self.best_value)

    def read(self, value: Scalar) -> Any:
        """A value on the host: a float, or `(R,)`."""
        return self.backend.to_numpy(value) if self.rows else float(value)

    def number(self, value: Any, name: str = "objective's value") -> Scalar:
        """`value`, which must be one real number, or one for each replica, where `w` is."""
        dtype = getattr(value, "dtype", None)
        if dtype is None or dtype not in self._real:
            self._check_number(value, dtype, name)
        shape = getattr(value, "shape", ())
        if shape == self.rows:
            return value
        if shape == (1,) and not self.rows:
            return value[0]
        wanted = f"{self.rows}, one for each replica" if self.rows else "a number"
        raise ValueError(f"the {name} must be {wanted} for this w, got shape {shape}")

    def _check_number(self, value: Any, dtype: Any, name: str) -> None:
        """Raises unless `value` is real, and where `w` is; `dtype` is its own, if it has one."""
        if dtype is None:
            if isinstance(value, int | float) and not isinstance(value, bool):
                return
            raise TypeError(f"the {name} must be a number, got {checks.shown(value)}")
        own = array_api_compat.is_numpy_array if self.backend.name == "numpy" else self.backend.owns
        if not own(value) or is_masked(value):
            kind = f"{type(value).__module__.split('.')[0]}.{type(value).__name__}"
            raise TypeError(f"the {name} must be on {self.backend.name!r}, as w, got a {kind}")
        if not self.backend.xp.isdtype(dtype, ("real floating", "integral")):
            raise TypeError(f"the {name} must be real, got {checks.dtype_name(dtype)}")
        self._real.add(dtype)

    def _check(self, w: Vector, gradient: Vector) -> None:
        """Raises unless the gradient is what an optimizer can work with."""
        backend, name = self.backend, "the objective's gradient"
        backend.check(name, gradient, getattr(gradient, "dtype", None))  # where it is
        if gradient.dtype != w.dtype:
            wanted, got = checks.dtype_name(w.dtype), checks.dtype_name(gradient.dtype)
            raise TypeError(f"{name} must be {wanted}, as w, got {got}")
        if tuple(gradient.shape) != self.shape:
            raise ValueError(f"{name} must be {self.shape}, as w, got shape {tuple(gradient.shape)}")
        if gradient is w or getattr(gradient, "base", None) is w:
            raise ValueError(f"{name} must be a new array, got w itself, which the optimizer moves")
        self._checked = True

    def _product(self, method: str, product: Vector, v: Vector) -> Vector:
        """`product`, which must be like the `v` that it was taken with."""
        check_result(self.backend, f"the objective's {method}", product, tuple(v.shape), v.dtype)
        return product

    def _matrix(self, method: str, matrix: Matrix, w: Vector) -> Matrix:
        """`matrix`, which must be square for this `w`, and the first time also be symmetric."""
        xp, name = self.backend.xp, f"the objective's {method}"
        check_result(self.backend, name, matrix, (*w.shape, w.shape[-1]), w.dtype)
        if method not in self._symmetric:
            off = xp.abs(matrix - matrix.mT)
            if bool(xp.any(off > float(xp.finfo(w.dtype).eps) ** 0.5 * xp.max(xp.abs(matrix)))):
                raise ValueError(f"{name} must be symmetric, got one that is off by {float(xp.max(off)):g}")
            self._symmetric.add(method)
        return matrix

    def sound(self, w: Vector, other: Vector | None = None) -> Any:
        """Whether `w`, and `other` if there is one, are finite, each replica, on the host."""
        xp = self.backend.xp
        total = xp.sum(w, axis=-1) if other is None else xp.vecdot(w, other)
        # a sum is finite only if every term is, and a product only if both factors are
        found: Any = math.isfinite(total) if not self.rows else self._isfinite(self.read(total))
        if found is True or (self.rows and found.all()):
            return found
        finite = xp.all(xp.isfinite(w if other is None else xp.stack([w, other])), axis=-1)
        finite = self.backend.to_numpy(finite if other is None else xp.all(finite, axis=0))
        return finite if self.rows else bool(finite)


class Part(Objective):
    """Some samples of a watched objective, or another draw; its values do not say which point is best."""

    def __init__(self, watch: Watch, objective: Objective) -> None:
        self.watch, self.objective, self.backend = watch, objective, watch.backend
        self.samples, self.lacks = objective.samples, ~objective.offers | Offers.SELECT_REPLICAS

    def value(self, w: Vector) -> Scalar:
        self.watch.count("value")
        return self.watch.number(self.objective.value(w))

    def value_and_gradient(self, w: Vector) -> tuple[Scalar, Vector]:
        self.watch.count("gradient")
        value, gradient = self.objective.value_and_gradient(w)
        value = self.watch.number(value)
        self.watch.see(w, value, gradient, whole=False)
        return value, gradient

    def subset(self, samples: Array) -> Objective:
        return Part(self.watch, self.objective.subset(samples))
