"""What a run begins with, where it may be said in several ways: held-out data, an earlier run, its file."""

from __future__ import annotations

import os
from typing import Any, cast

from .. import checks
from ..device.machine import free_host_memory
from ..objectives import EmpiricalRisk, Objective
from ..run import Run
from ..storage import Saved, load
from .loop import Loop
from .rule import Rule
from .stopping import after, patience


def held_out_risk(objective: Objective, held_out: Any) -> Objective:
    """`held_out`, a risk; or that of such data, `(X, targets)`, with the model of `objective`.

    Raises:
        TypeError: something else; data where the objective is no risk.
    """
    if isinstance(held_out, Objective):
        return held_out
    if not isinstance(held_out, tuple | list) or len(cast("tuple[Any, ...]", held_out)) != 2:
        raise TypeError(
            f"held_out must be an Objective, or other data as (X, targets), got {checks.shown(held_out)}"
        )
    if not isinstance(objective, EmpiricalRisk):
        name = type(objective).__name__
        raise TypeError(f"held_out must be an Objective where the objective is a {name}, got data")
    X, targets = cast("tuple[Any, Any]", held_out)
    network = objective.network
    return EmpiricalRisk(
        network,
        objective.divergence,
        X,
        targets,
        backend=objective.backend,
        dtype=objective.dtype,
        training=False if network.random else None,
        communicator=objective.communicator,
    )


def require_held_out(stop: Rule | None, held_out: Objective | None) -> None:
    """Raises ValueError if a rule asks for a held-out risk, and none is given."""
    leaves = stop.leaves() if stop is not None else ()
    if held_out is None and any(isinstance(rule, patience) for rule in leaves):
        raise ValueError("stop has a rule on the held-out risk, so held_out must be given")


def require_held_out_state(loop: Loop, held_out: Objective | None) -> None:
    """Raises ValueError if a schedule waits for a held-out risk, and none is given."""
    if held_out is None and "held_out" in loop.state:
        raise ValueError("the rate's schedule watches the held-out risk, so held_out must be given")


def resumed_run(objective: Objective, resume: Any, w: Any, state: Any, in_place: bool) -> Run:
    """The run that `resume` is, holds, or names the file of.

    Raises:
        TypeError, ValueError: it is none; what a run has is given besides.
    """
    for name, given in (("w", w), ("state", state)):
        if given is not None:
            raise ValueError(f"{name} must not be given where resume is, whose {name} is taken")
    if in_place:
        raise ValueError("in_place must be False where resume is given, whose w is left as it is")
    found: Any = resume
    if isinstance(found, str | os.PathLike):
        backend = objective.backend if isinstance(objective, EmpiricalRisk) else None
        found = load(cast("Any", found), backend=backend)
    if isinstance(found, Saved):
        if found.run is None:
            raise ValueError(
                "resume must hold a run, as save(path, network, run=run) writes it; it has none"
            )
        return found.run
    return checks.instance("resume", found, Run, "a Run that minimize has returned, or the file of one")


def require_path(loop: Loop, stop: Rule) -> None:
    """Raises MemoryError unless the host has room for all points that a run may look at."""
    steps = min([rule.steps for rule in stop.parts() if isinstance(rule, after)], default=1)
    looks = max(0, steps - loop.steps) // loop.check_every + 1
    size, free = loop.w.size, free_host_memory()
    needed = 2 * looks * size * (4 if checks.dtype_name(loop.w.dtype) == "float32" else 8)
    if needed > free:
        raise MemoryError(
            f"keep_path must be False: {looks:,} points of {size:,} numbers ask for {needed / 1e9:.3g} GB, "
            f"more than the {free / 1e9:.3g} GB that are free"
        )
