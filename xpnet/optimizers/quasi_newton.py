"""Methods that learn the inverse Hessian `H` from gradients: BFGS and L-BFGS.

Of a step `s` and the change `y` of the gradient along it both learn, if `y's > 1e-10 |y| |s|`; otherwise
the step is left out, so that `H` stays positive definite. Lengths that are far from 1 are taken out of `s`
and `y` before products are formed, which would under- or overflow.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal, get_args

from .. import checks
from ..device.arrays import Array, Matrix, Namespace, Vector
from ..device.backend import Backend
from ..linear.vectors import dot, times, unit
from ..objectives import Objective
from ..objectives.matrices import require_memory
from .base import Endings, State
from .descent import Descent, nocedal_wright, of_one
from .replicas import Numbers
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
        return {"inverse": _identity(backend, w), "fresh": backend.xp.ones_like(w[..., :1])}

    def learn(self, backend: Backend, state: State, gradient: Vector) -> None:
        xp = backend.xp
        s, y, ys, ratio, good = _pair(xp, state["moved"], gradient - state["before"])
        inverse, fresh = state["inverse"], state["fresh"]
        if self.scaled:
            scale = xp.where(good & (fresh > 0.0), ratio * (ys / _some(xp, good, dot(xp, y, y))), 1.0)
            inverse = inverse * scale[..., None]
        rho = xp.where(good, 1.0 / _some(xp, good, ys), 0.0)
        Hy = times(inverse, y)
        # H - rho (s y'H + H y s') + rho (1 + rho y'H y) s s', in two outer products
        v = Hy - 0.5 * (_some(xp, good, ratio) + rho * dot(xp, y, Hy)) * s
        outer = (rho * s)[..., :, None] * v[..., None, :]
        state["inverse"] = inverse - outer - outer.mT
        state["fresh"] = xp.where(good, 0.0, fresh)

    def direction(
        self, backend: Backend, objective: Objective, w: Vector, gradient: Vector, state: State
    ) -> tuple[Vector, Endings]:
        return -times(state["inverse"], gradient), ()

    def forget(self, backend: Backend, state: State, rows: Any) -> None:
        xp = backend.xp
        size, dtype = state["inverse"].shape[-1], state["inverse"].dtype
        eye = xp.eye(size, dtype=dtype, device=backend.device)
        state["inverse"] = xp.where(rows[..., None], eye, state["inverse"])
        state["fresh"] = xp.where(rows, 1.0, state["fresh"])

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
            "rho": xp.zeros((self.pairs, *w.shape[:-1], 1), dtype=w.dtype, device=backend.device),
            "scale": xp.ones_like(w[..., :1]),
            "fresh": xp.ones_like(w[..., :1]),
            "learned": 0,
        }

    def learn(self, backend: Backend, state: State, gradient: Vector) -> None:
        xp, learned = backend.xp, int(state["learned"])
        s, y, ys, ratio, good = _pair(xp, state["moved"], gradient - state["before"])
        some = _some(xp, good, ratio)
        place = learned % self.pairs
        # both in units of the step, which leaves the recursion as it is; a pair of rho 0 is passed over
        state["s"][place, ...], state["y"][place, ...] = s, y / some
        state["rho"][place, ...] = xp.where(good, some / _some(xp, good, ys), 0.0)
        if self.scaling != "none":
            first = good if self.scaling == "each" else good & (state["fresh"] > 0.0)
            scale = ratio * (ys / _some(xp, good, dot(xp, y, y)))
            state["scale"] = xp.where(first, scale, state["scale"])
        state["fresh"] = xp.where(good, 0.0, state["fresh"])
        state["learned"] = learned + 1

    def direction(
        self, backend: Backend, objective: Objective, w: Vector, gradient: Vector, state: State
    ) -> tuple[Vector, Endings]:
        xp, last = backend.xp, int(state["learned"])
        order = [number % self.pairs for number in range(max(0, last - self.pairs), last)]
        pairs = [tuple(state[name][k, ...] for name in ("s", "y", "rho")) for k in order]
        alphas: list[Array] = []
        q: Vector = -gradient
        for s, y, rho in reversed(pairs):
            alphas.append(rho * xp.vecdot(s, q)[..., None])
            q -= alphas[-1] * y
        q *= state["scale"]
        for s, y, rho in pairs:
            q += (alphas.pop() - rho * xp.vecdot(y, q)[..., None]) * s
        return q, ()

    def forget(self, backend: Backend, state: State, rows: Any) -> None:
        xp = backend.xp
        state["rho"] = xp.where(rows, 0.0, state["rho"])
        state["scale"] = xp.where(rows, 1.0, state["scale"])
        state["fresh"] = xp.where(rows, 1.0, state["fresh"])

    def first_lengths(
        self, backend: Backend, state: State, values: Numbers, slopes: Numbers, norms: Numbers
    ) -> Numbers:
        return of_one(backend, norms) if int(state["learned"]) == 0 else backend.host.ones_like(norms)


def _pair(xp: Namespace, s: Vector, y: Vector) -> tuple[Vector, Vector, Array, Array, Array]:
    """`s` and `y` in units of their own, `y's` in these, the ratio of the units, and whether to learn."""
    long, steep = unit(xp, s), unit(xp, y)
    s, y, ratio = s / long, y / steep, long / steep
    ys = dot(xp, y, s)
    good = ys > SKIP * xp.sqrt(dot(xp, y, y) * dot(xp, s, s))
    return s, y, ys, ratio, good & (ratio > 0.0) & xp.isfinite(ratio)


def _some(xp: Namespace, good: Array, number: Array) -> Array:
    """`number` where it is `good`, else 1."""
    return xp.where(good, number, 1.0)


def _identity(backend: Backend, w: Vector) -> Matrix:
    """The identity, `(P, P)`, or one for each replica."""
    xp, size = backend.xp, w.shape[-1]
    eye = xp.eye(size, dtype=w.dtype, device=backend.device)
    return eye if w.ndim == 1 else xp.asarray(xp.broadcast_to(eye, (*w.shape, size)), copy=True)
