"""Methods that learn the inverse Hessian `H` from gradients: BFGS and L-BFGS.

Of a step `s` and the change `y` of the gradient along it both learn, if `y's > 1e-10 |y| |s|`; otherwise
the step is left out, so that `H` stays positive definite. Lengths that are far from 1 are taken out of `s`
and `y` before products are formed, which would under- or overflow.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple, get_args

from .. import checks
from ..device.arrays import Array, Matrix, Vector
from ..device.backend import Backend
from ..linear.vectors import dot, times, unit
from ..objectives import Objective
from ..objectives.matrices import require_memory
from .base import Endings, State
from .descent import Descent, nocedal_wright, of_one
from .replicas import Numbers, column, numbers
from .searches import Search, check_search
from .settings import keep
from .wolfe import StrongWolfe

SKIP = 1e-10


@dataclass(frozen=True)
class BFGS(Descent):
    """`d = -H g`, `H+ = (I - rho s y') H (I - rho y s') + rho s s'`, `rho = 1 / y's`.

    Broyden; Fletcher; Goldfarb; Shanno 1970. `H` is kept whole, `(P, P)`.

    Attributes:
        search: the strong Wolfe conditions with 1e-4 and .9 by default.
        scaled: whether `H` is `y's / y'y I` before the first pair is learned (Nocedal, Wright 2006,
            6.20), or the identity, as in SciPy.

    Raises:
        TypeError: no search; no truth value.
        MemoryError: in `initialize`, if `H` would not fit.
    """

    search: Search = field(default_factory=StrongWolfe)
    scaled: bool = True

    def __post_init__(self) -> None:
        keep(self, scaled=checks.flag("scaled", self.scaled))
        check_search(self.search)

    def memory(self, backend: Backend, objective: Objective, w: Vector) -> State:
        require_memory(backend, "inverse Hessian of BFGS", w, w.shape[-1], w.shape[-1], copies=4)
        return {"inverse": _identity(backend, w), "fresh": _ones(backend, w)}

    def learn(self, backend: Backend, state: State, gradient: Vector) -> None:
        xp, host = backend.xp, backend.host
        pair = _pair(backend, state["moved"], gradient - state["before"])
        s, y, inverse = pair.s, pair.y, state["inverse"]
        fresh = pair.good & (state["fresh"] > 0.0)
        if self.scaled and any(fresh):
            scale = column(backend, host.where(fresh, pair.scale, 1.0), s, s.dtype)
            inverse = inverse * scale[..., None]
        rho, ratio = (column(backend, own, s, s.dtype) for own in (pair.good / pair.ys, pair.ratio))
        Hy = times(inverse, y)
        # H - rho (s y'H + H y s') + rho (1 + rho y'H y) s s', in two outer products
        v = Hy - 0.5 * (ratio + rho * dot(xp, y, Hy)) * s
        outer = (rho * s)[..., :, None] * v[..., None, :]
        state["inverse"] = inverse - outer - outer.mT
        state["fresh"] = host.where(pair.good, 0.0, state["fresh"])

    def direction(
        self, backend: Backend, objective: Objective, w: Vector, gradient: Vector, state: State
    ) -> tuple[Vector, Endings]:
        return -times(state["inverse"], gradient), ()

    def forget(self, backend: Backend, state: State, rows: Any) -> None:
        xp = backend.xp
        size, dtype = state["inverse"].shape[-1], state["inverse"].dtype
        eye = xp.eye(size, dtype=dtype, device=backend.device)
        state["inverse"] = xp.where(rows[..., None], eye, state["inverse"])
        state["fresh"] = _forgotten(backend, rows, state["fresh"])

    def first_lengths(
        self, backend: Backend, state: State, values: Numbers, slopes: Numbers, norms: Numbers
    ) -> Numbers:
        return nocedal_wright(backend, state, values, slopes, norms, backend.host.ones_like(norms))


Scaling = Literal["each", "first", "none"]


@dataclass(frozen=True)
class LBFGS(Descent):
    """`d = -H g` from the last `pairs` pairs by the two-loop recursion (Nocedal 1980; Liu, Nocedal 1989).

    Attributes:
        pairs: the pairs (s, y) that are kept.
        search: the strong Wolfe conditions with 1e-4 and .9 by default.
        scaling: the matrix that the recursion starts from: "each": `s'y / y'y I` of the last pair;
            "first": of the first one, and of the first one after it has forgotten, which with enough
            pairs gives the steps of BFGS; "none": the identity.

    Raises:
        TypeError, ValueError: a setting outside its range.
        MemoryError: in `initialize`, if the pairs would not fit.
    """

    pairs: int = 10
    search: Search = field(default_factory=StrongWolfe)
    scaling: Scaling = "each"

    def __post_init__(self) -> None:
        keep(
            self,
            pairs=checks.count("pairs", self.pairs),
            scaling=checks.choice("scaling", self.scaling, get_args(Scaling)),
        )
        check_search(self.search)

    def memory(self, backend: Backend, objective: Objective, w: Vector) -> State:
        xp = backend.xp
        require_memory(backend, "pairs of LBFGS", w, self.pairs, w.shape[-1])
        pairs = xp.zeros((self.pairs, *w.shape), dtype=w.dtype, device=backend.device)
        return {
            "s": pairs,
            "y": xp.asarray(pairs, copy=True),
            "unit": _ones(backend, w),
            "fresh": _ones(backend, w),
            "learned": 0,
        }

    def learn(self, backend: Backend, state: State, gradient: Vector) -> None:
        host, learned = backend.host, int(state["learned"])
        pair = _pair(backend, state["moved"], gradient - state["before"])
        place, w = learned % self.pairs, pair.s
        # in units in which y's is 1; a pair of zeros is passed over
        root = pair.good * host.sqrt(pair.ratio / pair.ys)
        state["s"][place, ...] = pair.s * column(backend, root, w, w.dtype)
        state["y"][place, ...] = pair.y * column(backend, root / pair.ratio, w, w.dtype)
        if self.scaling != "none":
            first = pair.good if self.scaling == "each" else pair.good & (state["fresh"] > 0.0)
            state["unit"] = host.where(first, pair.scale, state["unit"])
        state["fresh"] = host.where(pair.good, 0.0, state["fresh"])
        state["learned"] = learned + 1

    def direction(
        self, backend: Backend, objective: Objective, w: Vector, gradient: Vector, state: State
    ) -> tuple[Vector, Endings]:
        vecdot, last = backend.xp.vecdot, int(state["learned"])
        all_s, all_y = state["s"], state["y"]
        order = [number % self.pairs for number in range(max(0, last - self.pairs), last)]
        pairs = [(all_s[k, ...], all_y[k, ...]) for k in order]
        each = (..., None) if w.ndim > 1 else ()  # the products of rows as what multiplies them
        alphas: list[Array] = []
        q: Vector = -gradient
        for s, y in reversed(pairs):
            alphas.append(vecdot(s, q)[each])
            q -= alphas[-1] * y
        q *= column(backend, state["unit"], w, w.dtype)
        for s, y in pairs:
            q += (alphas.pop() - vecdot(y, q)[each]) * s
        return q, ()

    def forget(self, backend: Backend, state: State, rows: Any) -> None:
        for name in ("s", "y"):
            state[name] = backend.xp.where(rows, 0.0, state[name])
        for name in ("unit", "fresh"):
            state[name] = _forgotten(backend, rows, state[name])

    def first_lengths(
        self, backend: Backend, state: State, values: Numbers, slopes: Numbers, norms: Numbers
    ) -> Numbers:
        return of_one(backend, norms) if int(state["learned"]) == 0 else backend.host.ones_like(norms)


class _Pair(NamedTuple):
    """What is learned from a step, in numbers for each replica.

    Attributes:
        s, y: the step and the change of the gradient, in units of their own; `ratio` is that of the units.
        ys: `y's` in these units, 1 where the pair is not `good` to learn from.
        scale: `y's / y'y` in the units of the objective.
    """

    s: Vector
    y: Vector
    ratio: Numbers
    ys: Numbers
    scale: Numbers
    good: Numbers


def _pair(backend: Backend, s: Vector, y: Vector) -> _Pair:
    xp, host = backend.xp, backend.host
    ss, ys, yy = _products(backend, s, y)
    least, most = (float(xp.finfo(s.dtype).smallest_normal) ** 0.5, float(xp.finfo(s.dtype).max) ** 0.5)
    ratio: Numbers = host.ones_like(ys)
    if not all(least < a < most and least < b < most for a, b in zip(ss, yy, strict=True)):
        long, steep = unit(xp, s), unit(xp, y)
        s, y = s / long, y / steep
        ratio = numbers(backend, long) / numbers(backend, steep)
        ss, ys, yy = _products(backend, s, y)
    good = (ys > SKIP * host.sqrt(yy * ss)) & (ratio > 0.0) & host.isfinite(ratio)
    scale = ratio * (ys / yy)
    if not all(good):
        ratio, ys = host.where(good, ratio, 1.0), host.where(good, ys, 1.0)
        scale = host.where(good, scale, 1.0)
        s, y = (xp.where(column(backend, good, v), v, 0.0) for v in (s, y))
    return _Pair(s, y, ratio, ys, scale, good)


def _products(backend: Backend, s: Vector, y: Vector) -> list[Numbers]:
    """`s's`, `y's` and `y'y`."""
    vecdot = backend.xp.vecdot
    return [numbers(backend, vecdot(a, b)) for a, b in ((s, s), (y, s), (y, y))]


def _ones(backend: Backend, w: Vector) -> Numbers:
    return backend.host.ones(w.shape[0] if w.ndim > 1 else 1)


def _forgotten(backend: Backend, rows: Array, own: Numbers) -> Numbers:
    """`own`, and 1 where `rows`, `(1,)` or `(R, 1)`, is true."""
    return backend.host.where(numbers(backend, rows) > 0.0, 1.0, own)


def _identity(backend: Backend, w: Vector) -> Matrix:
    """The identity, `(P, P)`, or one for each replica."""
    xp, size = backend.xp, w.shape[-1]
    eye = xp.eye(size, dtype=w.dtype, device=backend.device)
    return eye if w.ndim == 1 else xp.asarray(xp.broadcast_to(eye, (*w.shape, size)), copy=True)
