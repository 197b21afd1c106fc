"""Whether steps between looks can be launches of one recorded CUDA graph, as `minimize(graph=)` asks."""

from __future__ import annotations

from typing import Any, Literal, TypeAlias

from .. import checks
from ..device import cublas
from ..device.arrays import Vector
from ..device.backend import Backend
from ..objectives import EmpiricalRisk, Objective
from ..optimizers import FirstOrder, Optimizer

Graph: TypeAlias = bool | Literal["auto"]


def checked_graph(graph: Any) -> Graph:
    """`graph`, which must be True, False, or "auto"."""
    if graph == "auto":
        return "auto"
    if not isinstance(graph, bool):
        raise TypeError(f"graph must be True, False or 'auto', got {checks.shown(graph)}")
    return graph


def obstacle(
    backend: Backend, objective: Objective, optimizer: Optimizer, w: Vector, check_every: int
) -> str | None:
    """Why steps cannot be launches of a graph; None if that can be tried."""
    if backend.name != "cupy":
        return f"a graph needs backend 'cupy', w is on {backend.name!r}"
    kind = type(optimizer).__name__
    if not isinstance(optimizer, FirstOrder):
        return f"a step of {kind} is not one gradient and one rule"
    if not isinstance(objective, EmpiricalRisk):
        return f"the evaluations of {type(objective).__name__} are not known to be recordable"
    found = objective.recording(w)
    if isinstance(found, str):
        return f"the risk cannot be recorded: {found}"
    if check_every == 1:
        return "check_every is 1, so every step is looked at"
    return "cuBLAS cannot be called" if cublas.library() is None else None
