"""Training step by step: `iterate` yields a record for each."""

from __future__ import annotations

from collections.abc import Iterator

from ..device.arrays import Vector
from ..objectives import Objective
from ..optimizers import Optimizer, OptimizerName, Record
from ..optimizers.base import State
from .loop import Loop, NonFiniteError


def iterate(
    objective: Objective,
    optimizer: Optimizer | OptimizerName,
    w: Vector,
    *,
    state: State | None = None,
    check_every: int | None = None,
) -> Iterator[Record]:
    """Yields a `Record` for each step; `w` moves in place.

    It ends only where the optimizer cannot go on: then the last record's `endings` say why.

    Args:
        objective: what to minimize.
        optimizer: how: an `Optimizer`, or the name of one with its default settings, such as "lbfgs"; see
            `xpnet.optimizers.NAMES`.
        w: where to start, `(P,)` or `(R, P)`.
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
    loop = Loop(objective, optimizer, w, state, check_every, in_place=True)
    loop.watch.keeps_best = loop.watch.measures = False
    return _records(loop)


def _records(loop: Loop) -> Iterator[Record]:
    watch, host = loop.watch, loop.backend.host
    everyone = host.ones(watch.rows, dtype=host.bool)

    def judge() -> None:
        if not host.all(host.asarray(watch.finite)):
            loop.put(loop.last, everyone)
            raise NonFiniteError(f"{loop.problem()}; w is back at the last finite point")
        loop.accept(watch.values)

    watch.judge = judge
    backend = loop.backend
    # methods of first order make no products but the objective's, which sees to its own
    hold = backend.working if loop.optimizer.waits else backend.quiet
    while True:
        with hold():
            record = loop.step(look=loop.steps % loop.check_every == 0)
        yield record
        if record.endings and all(record.endings):
            return
