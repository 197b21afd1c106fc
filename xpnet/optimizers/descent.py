"""Methods that choose a direction of descent and search along it."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass, field
from typing import Any

import array_api_compat

from .. import checks
from ..device.arrays import Array, host
from ..device.backend import Backend
from ..linear import dot
from ..objectives import Objective
from . import searches
from .base import Optimizer, Record, State
from .outcome import Ending
from .searches import Search
from .wolfe import StrongWolfe

IDLE = 3  # steps without a lower value, as rounding may bring about, that end a run


class Descent(Optimizer):
    """A direction of descent, and a search along it.

    A subclass has a `search` and defines the direction and what it learns from a step. Where its direction
    does not descend, or nothing lower is found along it, that replica forgets what it has learned and goes
    along the negative gradient; if nothing lower is found there either, it is at its end.

    Value and gradient at the end of a search are kept for the next step. Who moves `w` between steps must
    start from a new state.
    """

    search: Search

    @abstractmethod
    def memory(self, backend: Backend, objective: Objective, w: Array) -> State:
        """What the method remembers from step to step, at the start."""

    @abstractmethod
    def learn(self, state: State, gradient: Array) -> None:
        """Learns from the last step, `state["moved"]`, from `state["before"]`, the gradient there."""

    @abstractmethod
    def direction(
        self, objective: Objective, w: Array, gradient: Array, state: State
    ) -> tuple[Array, tuple[Ending | None, ...]]:
        """The direction at `w`, and for each replica None or why there is none (empty: no problems)."""

    @abstractmethod
    def forget(self, state: State, rows: Array) -> None:
        """Forgets what has been learned, where `rows`, `(1,)` or `(R, 1)`, is true."""

    @abstractmethod
    def first_lengths(self, state: State, value: Any, slope: Any, norm: Any) -> Any:
        """The lengths to try first, `(R,)` on the host, given numbers `(R,)` of the host."""

    def begin(self, backend: Backend, objective: Objective, w: Array) -> State:
        rows = (w.shape[0] if w.ndim > 1 else 1,)
        state = {
            "step": 0,
            "active": host.ones(rows, dtype=bool),  # replicas that take part
            "idle": host.zeros(rows, dtype=int),  # steps in a row that have not lowered the value
            "plain": host.zeros(rows, dtype=bool),  # those that go along the negative gradient next
            "earlier": host.full(rows, host.nan),  # the value before the last step
        }
        return state | self.search.initialize(backend, objective, w) | self.memory(backend, objective, w)

    def resume(self, backend: Backend, objective: Objective, w: Array, state: State) -> None:
        pass

    def advance(self, backend: Backend, objective: Objective, w: Array, state: State) -> Record:
        xp, step = backend.xp, state["step"]
        if "gradient" not in state:
            state["value"], state["gradient"] = objective.value_and_gradient(w)
        value, gradient = state["value"], state["gradient"]
        if "moved" in state:
            self.learn(state, gradient)
            del state["moved"], state["before"]

        plain = state["plain"]
        direction, problems = self.direction(objective, w, gradient, state)
        slope = dot(gradient, direction)
        rows = xp.asarray(plain[:, None] if w.ndim > 1 else plain, device=backend.device)
        # along the gradient where the direction does not descend; NaN goes there too
        rows = rows | ~(slope < 0.0)
        norm = dot(gradient, gradient)
        plain = backend.to_numpy(rows).reshape(-1)
        if plain.any():
            direction = xp.where(rows, -gradient, direction)
            slope = xp.where(rows, -norm, slope)
            self.forget(state, rows)
        if any(problems):
            state["active"] = state["active"] & host.array([problem is None for problem in problems])
        if not state["active"].all():
            still = backend.asarray(state["active"])
            direction = xp.where(still[:, None] if w.ndim > 1 else still, direction, 0.0)

        values = backend.to_numpy(value).reshape(-1)
        norms = host.sqrt(backend.to_numpy(norm).reshape(-1))
        first = self.first_lengths(state, values, backend.to_numpy(slope).reshape(-1), norms)
        first = host.where(plain, host.minimum(1.0, 1.0 / host.where(norms > 0, norms, 1.0)), first)
        move = self.search.along(objective, w, value, gradient, direction, first, state)

        moved = (move.lengths > 0.0) & state["active"]
        stuck = state["active"] & ~moved
        problems = problems or (None,) * len(moved)
        problems = tuple(
            own or (problem if along else None)
            for own, problem, along in zip(problems, move.problems, plain, strict=True)
        )
        if move.value is not None:
            rounding = searches.ROUNDING * float(xp.finfo(w.dtype).eps) * abs(values)
            lower = backend.to_numpy(move.value).reshape(-1) < values - rounding
            state["idle"] = host.where(lower, 0, state["idle"] + 1)
            idle = state["active"] & (state["idle"] >= IDLE)
            problems = tuple(
                own or (searches.NOT_LOWER if still else None)
                for own, still in zip(problems, idle, strict=True)
            )
        state["plain"] = stuck & ~plain
        state["active"] = state["active"] & ~host.array([problem is not None for problem in problems])
        state["earlier"] = host.where(moved, values, state["earlier"])
        state["before"], state["moved"] = gradient, move.w - w
        w[...] = move.w
        if move.gradient is None:
            del state["value"], state["gradient"]
        else:
            state["value"], state["gradient"] = move.value, move.gradient
        state["step"] = step + 1
        lengths = host.where(moved, move.lengths, 0.0)
        rate = lengths[:, None] if w.ndim > 1 else float(lengths[0])
        return Record(step, value, gradient, rate, problems if any(problems) else ())


def nocedal_wright(state: State, slope: Any, value: Any, norm: Any) -> Any:
    """The first length `min(1, 1.01 * 2 (f - f_before) / slope)`, or `1.01 / |g|` in the first step.

    J. Nocedal, S. J. Wright, "Numerical Optimization", 2006, equation 3.60; as SciPy has it.
    """
    earlier = host.where(host.isnan(state["earlier"]), value + 0.5 * norm, state["earlier"])
    with host.errstate(all="ignore"):
        length = 2.02 * (value - earlier) / slope
    return host.where((length > 0.0) & (length < 1.0), length, 1.0)


@dataclass(frozen=True)
class SteepestDescent(Descent):
    """`d = -g` (Cauchy 1847).

    Attributes:
        search: along the negative gradient.
    """

    search: Search = field(default_factory=StrongWolfe)

    def __post_init__(self) -> None:
        check_search(self.search)

    def memory(self, backend: Backend, objective: Objective, w: Array) -> State:
        return {}

    def learn(self, state: State, gradient: Array) -> None:
        pass

    def direction(
        self, objective: Objective, w: Array, gradient: Array, state: State
    ) -> tuple[Array, tuple[Ending | None, ...]]:
        return -gradient, ()

    def forget(self, state: State, rows: Array) -> None:
        pass

    def first_lengths(self, state: State, value: Any, slope: Any, norm: Any) -> Any:
        return nocedal_wright(state, slope, value, norm)


FORMULAS = ("PR+", "HZ")


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

    formula: str = "PR+"
    search: Search = field(default_factory=lambda: StrongWolfe(1e-4, 0.4))

    def __post_init__(self) -> None:
        checks.choice("formula", self.formula, FORMULAS)
        check_search(self.search)

    def memory(self, backend: Backend, objective: Objective, w: Array) -> State:
        xp = array_api_compat.array_namespace(w)
        return {"direction": xp.zeros_like(w), "beta": xp.zeros_like(w[..., :1])}

    def learn(self, state: State, gradient: Array) -> None:
        xp = array_api_compat.array_namespace(gradient)
        d, before = state["direction"], state["before"]
        y = gradient - before
        if self.formula == "PR+":
            beta = xp.maximum(_ratio(xp, dot(gradient, y), dot(before, before)), 0.0)
        else:
            dy = dot(d, y)
            beta = _ratio(xp, dot(y, gradient) - 2.0 * dot(d, gradient) * _ratio(xp, dot(y, y), dy), dy)
            least = xp.minimum(xp.sqrt(dot(before, before)), 0.01)
            beta = xp.maximum(beta, -_ratio(xp, xp.ones_like(least), xp.sqrt(dot(d, d)) * least))
        state["beta"] = beta

    def direction(
        self, objective: Objective, w: Array, gradient: Array, state: State
    ) -> tuple[Array, tuple[Ending | None, ...]]:
        xp = array_api_compat.array_namespace(w)
        d = state["beta"] * state["direction"] - gradient
        state["direction"] = xp.where(dot(gradient, d) < 0.0, d, -gradient)
        return state["direction"], ()

    def forget(self, state: State, rows: Array) -> None:
        xp = array_api_compat.array_namespace(state["direction"])
        state["direction"] = xp.where(rows, -state["gradient"], state["direction"])

    def first_lengths(self, state: State, value: Any, slope: Any, norm: Any) -> Any:
        return nocedal_wright(state, slope, value, norm)


def _ratio(xp: Any, above: Array, below: Array) -> Array:
    """`above / below`, and 0 where `below` is 0."""
    return xp.where(below != 0.0, above / xp.where(below != 0.0, below, 1.0), 0.0)


def check_search(search: Any) -> None:
    """Raises TypeError unless `search` is one along a direction."""
    if not isinstance(search, searches.Search):
        raise TypeError(f"search must be a Search such as StrongWolfe(), got {search!r}")
