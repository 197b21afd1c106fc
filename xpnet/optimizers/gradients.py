"""Descent with first derivatives and hardly any memory: steepest descent, nonlinear conjugate gradients."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal, get_args

from .. import checks
from ..device.arrays import Array, Namespace, Vector
from ..device.backend import Backend
from ..linear.vectors import dot, unit
from ..objectives import Objective
from .base import Endings, State
from .descent import Descent, Memoryless, nocedal_wright
from .replicas import Numbers
from .searches import Search, check_search
from .settings import keep
from .wolfe import StrongWolfe


@dataclass(frozen=True)
class SteepestDescent(Memoryless):
    """`d = -g` (Cauchy 1847).

    Attributes:
        search: along the negative gradient.

    Raises:
        TypeError: no search.
    """

    search: Search = field(default_factory=StrongWolfe)

    def __post_init__(self) -> None:
        check_search(self.search)

    def memory(self, backend: Backend, objective: Objective, w: Vector) -> State:
        return {}

    def direction(
        self, backend: Backend, objective: Objective, w: Vector, gradient: Vector, state: State
    ) -> tuple[Vector, Endings]:
        return -gradient, ()

    def first_lengths(
        self, backend: Backend, state: State, values: Numbers, slopes: Numbers, norms: Numbers
    ) -> Numbers:
        # of the order of the last step, where that was long
        most = backend.host.maximum(1.0, state["length"])
        return nocedal_wright(backend, state, values, slopes, norms, most)


Formula = Literal["PR+", "HZ"]


@dataclass(frozen=True)
class NonlinearCG(Descent):
    """Nonlinear conjugate gradients: `d = -g + beta d_before`, with `y = g - g_before`.

    "PR+": `beta = max(0, g'y / |g_before|^2)` (Polak, Ribiere 1969; Powell 1984).
    "HZ": `beta = (y - 2 d |y|^2 / d'y)'g / d'y`, at least `-1 / (|d| min(.01, |g_before|))`, with `d` for
    `d_before` (Hager, Zhang 2005).

    Attributes:
        formula: "PR+" or "HZ".
        search: should find a small slope; the default has c2 = .4, as SciPy's.

    Raises:
        TypeError, ValueError: another formula, or no search.
    """

    formula: Formula = "PR+"
    search: Search = field(default_factory=lambda: StrongWolfe(1e-4, 0.4))

    def __post_init__(self) -> None:
        keep(self, formula=checks.choice("formula", self.formula, get_args(Formula)))
        check_search(self.search)

    def memory(self, backend: Backend, objective: Objective, w: Vector) -> State:
        return {"direction": backend.xp.zeros_like(w)}

    def learn(self, backend: Backend, state: State, gradient: Vector) -> None:
        xp = backend.xp
        size, reach = unit(xp, state["before"]), unit(xp, state["direction"])
        d, before, g = state["direction"] / reach, state["before"] / size, gradient / size
        y = g - before
        if self.formula == "PR+":
            beta = xp.maximum(_ratio(xp, dot(xp, g, y), dot(xp, before, before)), 0.0) * reach
        else:
            dy = dot(xp, d, y)
            beta = _ratio(xp, dot(xp, y, g) - 2.0 * dot(xp, d, g) * _ratio(xp, dot(xp, y, y), dy), dy)
            least = xp.minimum(size * xp.sqrt(dot(xp, before, before)), 0.01)
            least = xp.sqrt(dot(xp, d, d)) * size * least
            beta = xp.maximum(beta, -_ratio(xp, xp.ones_like(least), least)) * size
        state["direction"] = beta * d - gradient

    def direction(
        self, backend: Backend, objective: Objective, w: Vector, gradient: Vector, state: State
    ) -> tuple[Vector, Endings]:
        xp, d = backend.xp, state["direction"]
        fall = dot(xp, gradient / unit(xp, gradient), d / unit(xp, d))
        state["direction"] = xp.where(fall < 0.0, d, -gradient)
        return state["direction"], ()

    def forget(self, backend: Backend, state: State, rows: Any) -> None:
        state["direction"] = backend.xp.where(rows, -state["gradient"], state["direction"])

    def first_lengths(
        self, backend: Backend, state: State, values: Numbers, slopes: Numbers, norms: Numbers
    ) -> Numbers:
        # of the order of the last step, where that was long
        most = backend.host.maximum(1.0, state["length"])
        return nocedal_wright(backend, state, values, slopes, norms, most)


def _ratio(xp: Namespace, above: Array, below: Array) -> Array:
    """`above / below`, and 0 where `below` is 0."""
    return xp.where(below != 0.0, above / xp.where(below != 0.0, below, 1.0), 0.0)
