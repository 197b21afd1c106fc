"""Training to the end: `minimize` takes steps until a rule, the optimizer, or the numbers say so."""

from __future__ import annotations

import contextlib

from .. import checks
from ..device.arrays import Vector
from ..objectives import Objective, ThresholdUnit
from ..optimizers import Optimizer, OptimizerName, Perceptron
from ..optimizers.base import State
from . import stopping
from .loop import Loop
from .progress import Bar
from .rule import Rule
from .run import Run
from .session import Session

STEPS, UPDATES = 1_000, 10_000  # the default limits: of steps, and of those that see one sample
GRADIENT = 1e-5  # the default tolerance of methods that wait for the device
DIVERGED = 1e10


def minimize(
    objective: Objective,
    optimizer: Optimizer | OptimizerName,
    w: Vector,
    *,
    stop: Rule | None = None,
    held_out: Objective | None = None,
    held_out_every: int = 10,
    progress: bool = False,
    state: State | None = None,
    in_place: bool = False,
    check_every: int | None = None,
    diverged_at: float = DIVERGED,
) -> Run:
    """Takes steps from `w` until `stop` says so, and returns a `Run`, whose `w` is a new array.

    What is returned is the point that `Run.reason` speaks of. A rule that judges value or gradient is
    asked before each step, at the point where its gradient is taken (for Nesterov the one ahead), and a
    run that it stops ends there. (With `Minibatch` it sees the batch, as the reason says, and `Run.value`
    is that of the whole objective.) A limit of steps or seconds ends it after a step. Ctrl-C ends the run
    like a rule, where the step that it cut short began. A value or gradient that is not finite ends it at
    once, at the last finite point. A replica that has ended stays where it is, and is no longer evaluated
    where the objective can `select_replicas`, while the others go on.

    Args:
        objective, optimizer, w: as in `iterate`; but `w` is left as it is.
        stop: a stopping rule, such as `after(300) | gradient_below(1e-6)`. By default `after(1000)` (10,000
            for the perceptron, whose steps see one sample), and for methods that read the device in every
            step, as those with a line search or second derivatives do, `gradient_below(1e-5)` too.
        held_out: a risk on other data, evaluated every `held_out_every` steps, where the gradient of the
            step is to be taken and before a schedule is asked for its rate.
        progress: whether to show a progress bar (needs tqdm: `pip install '.[progress]'` in a checkout).
        state: to go on from `Run.state`.
        in_place: move `w`, and `state` if one is given, themselves rather than copies.
        check_every: steps between looks at the device, at which history is kept, rules are checked and
            the best point is kept; 1 by default, and 20 on CuPy for the methods of first order, so
            that the device stays busy.
        diverged_at: a replica has diverged where its value has grown by more than this times the magnitude
            of its first, or 1 if that is more. Only points where steps begin are judged, not a search's
            trials. Infinity turns this off.

    Raises:
        TypeError, ValueError: as `iterate`; a rule that needs a held-out risk where none is given; a
            held-out risk that is not finite at `w`.
        Exception: whatever objective, rule or schedule raise. In whichever step it comes, it carries the
            run as `error.run`, with its history, its best point, and the last point known to be sound.

    >>> import numpy as np
    >>> from xpnet import Quadratic, after, gradient_below, minimize
    >>> quadratic = Quadratic([[2.0, 0.0], [0.0, 1.0]], b=[-2.0, -1.0])
    >>> run = minimize(quadratic, "lbfgs", np.zeros(2), stop=after(100) | gradient_below(1e-8))
    >>> run.outcome, run.converged, run.reason
    (<Outcome.CONVERGED: 'converged'>, True, 'gradient norm at most 1e-08')
    >>> bool(np.allclose(run.w, 1))
    True
    """
    progress, in_place = checks.flag("progress", progress), checks.flag("in_place", in_place)
    if stop is not None:
        checks.instance("stop", stop, Rule, "a stopping rule such as after(100)")
    leaves = stop.leaves() if stop is not None else ()
    if held_out is None and any(isinstance(rule, stopping.patience) for rule in leaves):
        raise ValueError("stop has a rule on the held-out risk, so held_out must be given")
    if held_out is not None:
        checks.instance("held_out", held_out, Objective, "an Objective")
    held_out_every = checks.count("held_out_every", held_out_every)
    diverged_at = checks.number("diverged_at", diverged_at, 1.0, infinite=True)
    loop = Loop(objective, optimizer, w, state, check_every, in_place=in_place)
    if held_out is None and "held_out" in loop.state:
        raise ValueError("the rate's schedule watches the held-out risk, so held_out must be given")
    stop = default_stop(loop.optimizer) if stop is None else stop
    score = objective.mistakes if isinstance(objective, ThresholdUnit) else None
    run: Run | None = None
    try:
        with loop.backend.working():
            session = Session(loop, stop, held_out, held_out_every, diverged_at, score)
            run = _run(session, Bar(stop) if progress else None)
    except KeyboardInterrupt:
        if run is None:  # else it was over
            raise
    return run


def _run(session: Session, bar: Bar | None) -> Run:
    run: Run | None = None
    try:
        try:
            run = session.run(bar)
            return run
        finally:
            if bar is not None:
                bar.close()
    except BaseException as error:
        if run is None:
            run = session.broken(error)
        elif isinstance(error, KeyboardInterrupt):  # it was over
            return run
        with contextlib.suppress(AttributeError, TypeError):  # some exceptions take no attributes
            error.run = run  # type: ignore[attr-defined]
        raise


def default_stop(optimizer: Optimizer) -> Rule:
    """When a run ends if it is not told."""
    if isinstance(optimizer, Perceptron):
        return stopping.after(UPDATES)
    steps = stopping.after(STEPS)
    return steps | stopping.gradient_below(GRADIENT) if optimizer.waits else steps
