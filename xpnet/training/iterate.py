"""Training step by step: `iterate` yields a record for each."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import replace
from typing import Any

from .. import checks
from ..device.arrays import Vector
from ..glossary import hinted
from ..objectives import Objective
from ..optimizers import Optimizer, OptimizerName, Record
from ..optimizers.base import State
from .asking import Asking
from .beginning import held_out_risk, require_held_out, require_held_out_state
from .loop import Loop, NonFiniteError
from .replicas import differ
from .rule import Check, Progress, Rule


@hinted
def iterate(
    objective: Objective,
    optimizer: Optimizer | OptimizerName,
    w: Vector,
    *,
    stop: Rule | None = None,
    held_out: Objective | tuple[Any, Any] | None = None,
    held_out_every: int = 10,
    state: State | None = None,
    check_every: int | None = None,
) -> Generator[Record, None, str]:
    """Yields a `Record` for each step; `w` moves in place.

    It ends where the optimizer cannot go on: then the last record's `endings` say why. It also ends where
    `stop` says so, for all replicas at once, at the same points as in `minimize`: a test is asked before
    the step, at the point where its gradient is taken, and `w` is left there. The generator's value, as
    `yield from` gives it, is the reason in words.

    Args:
        objective: what to minimize.
        optimizer: how: an `Optimizer`, or the name of one with its default settings, such as "lbfgs"; see
            `xpnet.optimizers.NAMES`.
        w: where to start, `(P,)` or `(R, P)`.
        stop: a stopping rule; without one it goes on for as long as it is asked.
        held_out: as in `minimize`; the records of steps at which it was evaluated have it as `held_out`.
        held_out_every: steps between these.
        state: to go on from a state that an earlier run left; it is updated in place.
        check_every: steps between tests that all numbers are finite, each of which waits for the
            device; 1 by default, and 20 on CuPy for the methods of first order.

    Raises:
        TypeError, ValueError: arguments of the wrong kind, `w` read-only or not finite, before any step; a
            value or gradient of another kind than that of `w`, in the first.
        NonFiniteError: a value or gradient is not finite; the message names the step, and `w` is back
            at the last point tested that was.

    >>> import numpy as np
    >>> from xpnet import GradientDescent, Quadratic, iterate
    >>> w = np.array([1.0, 1.0])
    >>> for record in iterate(Quadratic([[2.0, 0.0], [0.0, 1.0]]), GradientDescent(0.5), w):
    ...     print(record.step, float(record.value))
    ...     if record.step == 2:
    ...         break
    0 1.5
    1 0.125
    2 0.03125
    """
    if stop is not None:
        checks.instance("stop", stop, Rule, "a stopping rule such as after(100)")
    risk = None if held_out is None else held_out_risk(objective, held_out)
    held_out_every = checks.count("held_out_every", held_out_every)
    require_held_out(stop, risk)
    loop = Loop(objective, optimizer, w, state, check_every, in_place=True)
    if state is None:  # else whoever has it may tell it
        require_held_out_state(loop, risk)
    return _records(loop, stop, risk, held_out_every)


def _records(
    loop: Loop, stop: Rule | None, held_out: Objective | None, held_out_every: int
) -> Generator[Record, None, str]:
    watch, backend, host = loop.watch, loop.backend, loop.backend.host
    asking = Asking(stop, loop.check_every)
    everyone = host.ones(watch.rows, dtype=host.bool)
    # none is given up in the midst of a step
    tests = asking.tests + ([(asking.budget, asking.budget.start())] if asking.budget is not None else [])
    first, start, held = int(loop.state.get("step", 0)), loop.communicator.clock(), None
    watch.keeps_best, watch.measures = False, bool(tests)
    moved: Any = True

    def met(own: list[tuple[Rule, Check]]) -> str | None:
        """The rule among `own` that holds for all replicas; each of them sees every point."""
        seconds = loop.communicator.clock() - start
        progress = Progress(loop.steps, watch.values, watch.norm, seconds, held, watch.made(), moved)
        found = [str(rule) for rule, check in own if host.all(host.asarray(check(progress)))]
        return found[0] if found else None

    def judge() -> None:
        nonlocal moved
        loop.communicator.look()
        if not host.all(host.asarray(watch.finite)):
            loop.put(loop.last, everyone)
            raise NonFiniteError(f"{loop.problem()}; w is back at the last finite point")
        if tests:
            moved = differ(backend, loop.begin, loop.last) if asking.compares and loop.steps else True
            reason = met(tests)
            if reason is not None:
                raise _Met(reason)
        loop.accept(watch.values)

    watch.judge = judge
    # methods of first order make no products but the objective's, which sees to its own
    hold = backend.working if loop.optimizer.waits or tests else backend.quiet
    while True:
        k, held = loop.steps, None
        look = asking.looks_at(k)
        try:
            with hold():
                if held_out is not None and (k == 0 or (k + first) % held_out_every == 0):
                    look, held = True, loop.evaluate(held_out, tell=(k + first) % held_out_every == 0)
                record = loop.step(look=look)
        except _Met as met_rule:
            return met_rule.reason
        yield record if held is None else replace(record, held_out=held)
        if record.endings and all(record.endings):
            return " and ".join(dict.fromkeys(ending.text for ending in record.endings if ending))
        if asking.limited(loop.steps):
            reason = met(asking.limits)
            if reason is not None:
                return reason


class _Met(Exception):
    """A rule holds where a step begins."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason
