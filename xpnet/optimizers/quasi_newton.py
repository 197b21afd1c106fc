"""Methods that learn the inverse Hessian `H` from gradients: BFGS and L-BFGS.

Of a step `s` and the change `y` of the gradient along it both learn, if `y's > 1e-10 |y| |s|`; otherwise
the step is left out, so that `H` stays positive definite.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import array_api_compat

from .. import checks
from ..device.arrays import Array, host
from ..device.backend import Backend
from ..linear import dot
from ..objectives import Objective
from ..objectives.matrices import require_memory
from .base import State
from .descent import Descent, check_search, nocedal_wright
from .outcome import Ending
from .searches import Search
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
        TypeError: no search.
        MemoryError: in `initialize`, if `H` would not fit.
    """

    search: Search = field(default_factory=StrongWolfe)
    scaled: bool = True

    def __post_init__(self) -> None:
        check_search(self.search)

    def memory(self, backend: Backend, objective: Objective, w: Array) -> State:
        require_memory(backend, "inverse Hessian of BFGS", w, w.shape[-1], w.shape[-1], copies=4)
        xp = array_api_compat.array_namespace(w)
        return {"inverse": _identity(w), "fresh": xp.ones_like(w[..., :1])}

    def learn(self, state: State, gradient: Array) -> None:
        xp = array_api_compat.array_namespace(gradient)
        s, y = state["moved"], gradient - state["before"]
        H, fresh = state["inverse"], state["fresh"]
        ys, yy, good = _curvature(s, y)
        if self.scaled:
            scale = xp.where(good & (fresh > 0.0), ys / xp.where(good, yy, 1.0), 1.0)
            H = H * scale[..., None]
        rho = xp.where(good, 1.0 / xp.where(good, ys, 1.0), 0.0)
        Hy = _times(H, y)
        # H - rho (s y'H + H y s') + rho (1 + rho y'H y) s s', in two outer products
        v = Hy - 0.5 * (1.0 + rho * dot(y, Hy)) * s
        outer = (rho * s)[..., :, None] * v[..., None, :]
        state["inverse"] = H - outer - outer.mT
        state["fresh"] = xp.where(good, 0.0, fresh)

    def direction(
        self, objective: Objective, w: Array, gradient: Array, state: State
    ) -> tuple[Array, tuple[Ending | None, ...]]:
        return -_times(state["inverse"], gradient), ()

    def forget(self, state: State, rows: Array) -> None:
        xp = array_api_compat.array_namespace(state["inverse"])
        eye = _identity(state["gradient"])
        state["inverse"] = xp.where(rows[..., None], eye, state["inverse"])
        state["fresh"] = xp.where(rows, 1.0, state["fresh"])

    def first_lengths(self, state: State, value: Any, slope: Any, norm: Any) -> Any:
        return nocedal_wright(state, slope, value, norm)


SCALINGS = ("each", "first", "none")


@dataclass(frozen=True)
class LBFGS(Descent):
    """`d = -H g` from the last `memory` pairs by the two-loop recursion (Nocedal 1980; Liu, Nocedal 1989).

    Attributes:
        pairs: the pairs (s, y) that are kept.
        search: the strong Wolfe conditions with 1e-4 and .9 by default.
        scaling: the matrix that the recursion starts from: "each": `s'y / y'y I` of the last pair;
            "first": of the first one, which with enough memory gives the steps of BFGS; "none": the
            identity.

    Raises:
        TypeError, ValueError: a setting outside its range.
    """

    pairs: int = 10
    search: Search = field(default_factory=StrongWolfe)
    scaling: str = "each"

    def __post_init__(self) -> None:
        checks.count("pairs", self.pairs)
        checks.choice("scaling", self.scaling, SCALINGS)
        check_search(self.search)

    def memory(self, backend: Backend, objective: Objective, w: Array) -> State:
        xp = array_api_compat.array_namespace(w)
        device = array_api_compat.device(w)
        pairs = xp.zeros((self.pairs, *w.shape), dtype=w.dtype, device=device)
        return {
            "s": pairs,
            "y": xp.asarray(pairs, copy=True),
            "rho": xp.zeros((self.pairs, *w.shape[:-1], 1), dtype=w.dtype, device=device),
            "scale": xp.ones_like(w[..., :1]),
            "learned": 0,
        }

    def learn(self, state: State, gradient: Array) -> None:
        xp = array_api_compat.array_namespace(gradient)
        s, y = state["moved"], gradient - state["before"]
        ys, yy, good = _curvature(s, y)
        place = state["learned"] % self.pairs
        state["s"][place, ...], state["y"][place, ...] = s, y
        # a pair of rho 0 is passed over
        state["rho"][place, ...] = xp.where(good, 1.0 / xp.where(good, ys, 1.0), 0.0)
        if self.scaling == "each" or (self.scaling == "first" and state["learned"] == 0):
            state["scale"] = xp.where(good, ys / xp.where(good, yy, 1.0), state["scale"])
        state["learned"] += 1

    def direction(
        self, objective: Objective, w: Array, gradient: Array, state: State
    ) -> tuple[Array, tuple[Ending | None, ...]]:
        xp, last = array_api_compat.array_namespace(gradient), state["learned"]
        order = [number % self.pairs for number in range(max(0, last - self.pairs), last)]
        pairs = [tuple(state[name][k, ...] for name in ("s", "y", "rho")) for k in order]
        alphas, q = [], -gradient
        for s, y, rho in reversed(pairs):
            alphas.append(rho * xp.vecdot(s, q)[..., None])
            q -= alphas[-1] * y
        q *= state["scale"]
        for s, y, rho in pairs:
            q += (alphas.pop() - rho * xp.vecdot(y, q)[..., None]) * s
        return q, ()

    def forget(self, state: State, rows: Array) -> None:
        xp = array_api_compat.array_namespace(state["rho"])
        state["rho"] = xp.where(rows, 0.0, state["rho"])
        state["scale"] = xp.where(rows, 1.0, state["scale"])

    def first_lengths(self, state: State, value: Any, slope: Any, norm: Any) -> Any:
        if state["learned"] == 0:
            return host.minimum(1.0, 1.0 / host.where(norm > 0.0, norm, 1.0))
        return host.ones_like(norm)


def _curvature(s: Array, y: Array) -> tuple[Array, Array, Array]:
    """`y's`, `y'y`, and whether the pair is one to learn from, each `(..., 1)`."""
    xp = array_api_compat.array_namespace(s)
    ys, yy = dot(y, s), dot(y, y)
    return ys, yy, ys > SKIP * xp.sqrt(yy * dot(s, s))


def _identity(w: Array) -> Array:
    """The identity, `(P, P)`, or one for each replica."""
    xp = array_api_compat.array_namespace(w)
    size = w.shape[-1]
    eye = xp.eye(size, dtype=w.dtype, device=array_api_compat.device(w))
    return eye if w.ndim == 1 else xp.asarray(xp.broadcast_to(eye, (*w.shape, size)), copy=True)


def _times(matrix: Array, vector: Array) -> Array:
    return (matrix @ vector[..., None])[..., 0]
