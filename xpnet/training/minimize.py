"""Training to the end: `minimize` takes steps until a rule, the optimizer, or the numbers say so."""

from __future__ import annotations

import contextlib
import os
from typing import Any, Literal

from .. import checks
from ..device.arrays import Vector
from ..glossary import hinted
from ..objectives import Objective, ThresholdUnit
from ..optimizers import Optimizer, OptimizerName, Perceptron
from ..optimizers.base import State
from ..run import Run
from ..storage import Saved
from . import stopping
from .beginning import (
    held_out_risk,
    require_held_out,
    require_held_out_state,
    require_path,
    resumed_run,
)
from .callbacks import Callbacks, as_callbacks
from .graph import checked_graph
from .loop import Loop
from .metrics import Given, as_metrics
from .progress import ProgressBar
from .rule import Rule
from .session import Session

STEPS, UPDATES = 1_000, 10_000  # the default limits: of steps, and of those that see one sample
GRADIENT = 1e-5  # the default tolerance of methods that wait for the device
DIVERGED = 1e10


@hinted
def minimize(
    objective: Objective,
    optimizer: Optimizer | OptimizerName,
    w: Vector | None = None,
    *,
    stop: Rule | None = None,
    held_out: Objective | tuple[Any, Any] | None = None,
    held_out_every: int = 10,
    metrics: Given | None = None,
    callback: Callbacks | None = None,
    progress: bool = False,
    keep_path: bool = False,
    resume: Run | Saved | str | os.PathLike[str] | None = None,
    state: State | None = None,
    in_place: bool = False,
    check_every: int | None = None,
    diverged_at: float = DIVERGED,
    graph: bool | Literal["auto"] = False,
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
        held_out: a risk on other data, or these, `(X, targets)`, for a risk of the objective's kind without
            its penalties, and not in training; evaluated every `held_out_every` steps, where the gradient
            of the step is to be taken and before a schedule is asked for its rate.
        metrics: what `Run.history.metrics` is to have beside value and held-out risk, for both of them:
            "error_rate" or "accuracy" of what classifies, or several; or a mapping of names to these or to
            functions of an objective and a `w`, as `{"largest": lambda risk, w: abs(w).max()}`, which give
            one number, or `(R,)` for replicas. Each is asked at every look, of the objective as it is given
            (with `Minibatch` the whole), and of the held-out risk where that is evaluated; the error rate
            costs a forward pass. It counts as no evaluation.
        callback: a function of a `Step`, a `Callback` such as `CSVLog("run.csv")`, or several. Each is
            told of every step at which the device is read, in this order, once it has been taken; and of
            the point at which a rule ends the run. If one returns True, or raises StopIteration, the run
            ends there with the outcome STOPPED; for replicas it may return truth values `(R,)` of the host.
        progress: whether to show a progress bar (needs tqdm: `pip install '.[progress]'` in a checkout).
        keep_path: whether to keep the points in `Run.history.path`.
        resume: a `Run`, or the file of one, to go on from: `w` and `state` are its own, budgets count the
            whole run, rules remember what they saw, and best point and history go on. It is bit for bit
            the run that had never been interrupted, if objective, optimizer and rules are the same.
            Replicas that had ended before the others, and whatever has STALLED or DIVERGED, stay so.
        state: to go on from `run.w` and `run.state` as a new run.
        in_place: move `w`, and `state` if one is given, themselves rather than copies.
        check_every: steps between looks at the device, at which history is kept, rules are checked and
            the best point is kept; 1 by default, and 20 on CuPy for the methods of first order, so
            that the device stays busy.
        diverged_at: a replica has diverged where its value has grown by more than this times the magnitude
            of its first, or 1 if that is more. Only points where steps begin are judged, not a search's
            trials. Infinity turns this off.
        graph: whether steps at which the device is not read are launches of one recorded CUDA graph, with
            the same bits: for methods of first order on a risk that is resident on CuPy. The history has
            these steps too, unless `keep_path` wants the points. "auto" takes ordinary steps where they
            cannot be, and the log says why; so does True where recording fails. Rates are then asked for
            ahead, up to the next look. It has never been run on a real GPU.

    Raises:
        TypeError, ValueError: as `iterate`; a rule that needs a held-out risk where none is given; a
            held-out risk that is not finite at `w`; `w` or `state` beside `resume`; `graph=True` where
            steps cannot be launches of a graph.
        StorageError, OSError: the file that `resume` names cannot be read.
        MemoryError: the points of `keep_path` would not fit.
        Exception: whatever objective, rule or schedule raise. In whichever step it comes, it carries the
            run as `error.run`, with its history, its best point, and the last point known to be sound.

    >>> import numpy as np
    >>> from xpnet import Quadratic, after, gradient_below, minimize
    >>> quadratic = Quadratic([[2.0, 0.0], [0.0, 1.0]], b=[-2.0, -1.0])
    >>> run = minimize(quadratic, "lbfgs", np.zeros(2), stop=after(100) | gradient_below(1e-8))
    >>> run.outcome, run.converged, run.reason
    (Outcome.CONVERGED, True, 'gradient norm at most 1e-08')
    >>> bool(np.allclose(run.w, 1))
    True
    """
    progress, in_place = checks.flag("progress", progress), checks.flag("in_place", in_place)
    keep_path = checks.flag("keep_path", keep_path)
    if stop is not None:
        checks.instance("stop", stop, Rule, "a stopping rule such as after(100)")
    risk = None if held_out is None else held_out_risk(objective, held_out)
    require_held_out(stop, risk)
    held_out_every = checks.count("held_out_every", held_out_every)
    diverged_at = checks.number("diverged_at", diverged_at, 1.0, infinite=True)
    callbacks, functions = as_callbacks(callback), as_metrics(metrics)
    graph = checked_graph(graph)
    before = None if resume is None else resumed_run(objective, resume, w, state, in_place)
    point: Any = w
    if before is not None:
        point, state = before.w, before.state
    loop = Loop(objective, optimizer, point, state, check_every, in_place=in_place)
    loop.use_graph(graph, keeps=not keep_path)  # whose points are those of looks
    require_held_out_state(loop, risk)
    stop = default_stop(loop.optimizer) if stop is None else stop
    if keep_path:
        require_path(loop, stop)
    if progress:
        callbacks = {"the progress bar": ProgressBar(stop)} | callbacks
    score = objective.mistakes if isinstance(objective, ThresholdUnit) else None
    run: Run | None = None
    try:
        with loop.communicator.holding_interrupts(), loop.backend.working():
            session = Session(
                loop, stop, risk, held_out_every, diverged_at, score, functions, before, keep_path=keep_path
            )
            names = session.metrics.names
            session.audience.start(callbacks, loop, session.journal, session.snapshot, names)
            run = _run(session)
    except KeyboardInterrupt:
        if run is None:  # else it was over
            raise
    return run


def _run(session: Session) -> Run:
    failure: BaseException | None = None
    try:
        run = session.run()
    except BaseException as error:
        failure, run = error, session.broken(error)
    try:
        session.audience.close(run)
    except KeyboardInterrupt:
        pass  # it was over
    except BaseException as error:
        failure = failure or error
    if failure is None:
        return run
    try:
        with contextlib.suppress(AttributeError, TypeError):  # some exceptions take no attributes
            failure.run = run  # type: ignore[attr-defined]
        raise failure
    finally:
        del failure  # which knows this frame by its traceback


def default_stop(optimizer: Optimizer) -> Rule:
    """When a run ends if it is not told."""
    if isinstance(optimizer, Perceptron):
        return stopping.after(UPDATES)
    steps = stopping.after(STEPS)
    return steps | stopping.gradient_below(GRADIENT) if optimizer.waits else steps
