"""Training: `iterate` yields a record for each step, `minimize` runs to the end and reports.

Both watch the objective from outside, so that a line search inside an optimizer is watched like any other
evaluation: the best and the last finite point are kept, and evaluations counted, wherever they are made.
"""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from .. import checks
from ..device.arrays import Array, host
from ..device.backend import Backend
from ..device.select import backend_of
from ..objectives import Objective, Offers
from ..optimizers import NAMES, Optimizer, Record
from ..optimizers.base import State
from ..optimizers.outcome import Outcome
from . import stopping
from .stopping import Progress, Rule

logger = logging.getLogger("xpnet")

CHECK_EVERY = {"cupy": 20}  # steps between looks at a device that the optimizer does not wait for


class NonFiniteError(ArithmeticError):
    """A value or gradient is NaN or infinite; `w` has been put back to the last finite point."""


@dataclass(frozen=True)
class History:
    """What was read in the course of a run, one entry for each look at the device.

    Where there are replicas, `value`, `gradient_norm`, `held_out` are `(looks, R)`; what a replica did
    after it had stopped is NaN.

    Attributes:
        step: the number of the step, 0 for the first, `(looks,)`.
        value: the objective, at the point where the gradient of the step was taken.
        gradient_norm: the Euclidean norm of that gradient.
        rate: the learning rate; `(looks, R)` where each replica has its own.
        held_out: the held-out risk at the same point; NaN where it was not evaluated.
        seconds: since the start, when the step was over.
        evaluations: of the objective so far, gradients and values alike.
    """

    step: Any
    value: Any
    gradient_norm: Any
    rate: Any
    held_out: Any
    seconds: Any
    evaluations: Any


@dataclass(frozen=True)
class Run:
    """What `minimize` returns.

    Attributes:
        w: the final point; the very array that was handed over.
        value: the objective at `w`, a float, or `(R,)`.
        best_w: the best finite point at which the objective, or where one was given the held-out risk,
            was evaluated.
        best_value: the objective, or held-out risk, at `best_w`.
        reason: why the run stopped; where there are replicas a tuple with a reason for each.
        converged: False if a value was not finite or the run was interrupted; `(R,)` for replicas.
        history: a `History`.
        steps: the number of steps taken.
        seconds: the time they took.
        evaluations: how often the objective was evaluated: {"value": ..., "gradient": ..., "product": ...}
            (products with second derivatives; those of all replicas at once count once).
    """

    w: Array
    value: Any
    best_w: Array
    best_value: Any
    reason: Any
    converged: Any
    history: History
    steps: int
    seconds: float
    evaluations: dict[str, int]

    def __repr__(self) -> str:
        return (
            f"Run(value={self.value}, best_value={self.best_value}, steps={self.steps}, "
            f"reason={self.reason!r}, seconds={self.seconds:.3g})"
        )


def iterate(
    objective: Objective,
    optimizer: Optimizer | str,
    w: Array,
    *,
    state: dict[str, Any] | None = None,
    check_every: int | None = None,
) -> Iterator[Record]:
    """Yields a `Record` for each step; `w` moves in place.

    It ends only where the optimizer cannot go on: then the last record's `problems` say why.

    Args:
        objective: what to minimize.
        optimizer: how: an `Optimizer`, or the name of one with its default settings, such as "lbfgs"; see
            `xpnet.optimizers.NAMES`.
        w: where to start, `(P,)` or `(R, P)`.
        state: to go on from a state that an earlier run left; it is updated in place.
        check_every: steps between tests that all numbers are finite, each of which waits for the
            device; 1 by default, and 20 on CuPy for the methods of first order.

    Raises:
        TypeError, ValueError: arguments of the wrong kind, `w` read-only or not finite, before any step.
        NonFiniteError: a value or gradient is not finite; the message names the step, and `w` is back
            at the last point tested that was.
    """
    loop = _Loop(objective, optimizer, w, state, check_every)
    return _records(loop, w)


def _records(loop: _Loop, w: Array) -> Iterator[Record]:
    while True:
        record = loop.step()
        if loop.watch.looking:
            problem = loop.problem()
            if problem:
                with loop.backend.quiet():
                    w[...] = loop.watch.last
                raise NonFiniteError(f"{problem}; w is back at the last finite point")
        yield record
        if record.endings and all(record.endings):
            return


def minimize(
    objective: Objective,
    optimizer: Optimizer | str,
    w: Array,
    *,
    stop: Rule | None = None,
    held_out: Objective | None = None,
    held_out_every: int = 10,
    progress: bool = False,
    state: dict[str, Any] | None = None,
    check_every: int | None = None,
) -> Run:
    """Moves `w` in place until `stop` says so, and returns a `Run`.

    Ctrl-C ends the run like a rule. A value or gradient that is not finite ends it at once; `w` then is
    the last finite point. A replica that has stopped, or met such a value, stays where it is while the
    others go on.

    Args:
        objective, optimizer, w, state: as in `iterate`.
        stop: a stopping rule, such as `after(300) | gradient_below(1e-6)`; `after(1000)` by default.
        held_out: a risk on other data, evaluated every `held_out_every` steps.
        progress: whether to show a progress bar (needs tqdm: `pip install xpnet[progress]`).
        check_every: steps between looks at the device, at which history is kept, rules are checked and
            the best point is kept; 1 by default, and 20 on CuPy for the methods of first order, so
            that the device stays busy.

    Raises:
        TypeError, ValueError: as `iterate`; a rule that needs a held-out risk where none is given.
    """
    stop = stopping.after(1000) if stop is None else stop
    if not isinstance(stop, Rule):
        raise TypeError(f"stop must be a stopping rule such as after(100), got {stop!r}")
    if held_out is None and stopping.needs_held_out(stop):
        raise ValueError("stop has a rule on the held-out risk, so held_out must be given")
    if held_out is not None and not isinstance(held_out, Objective):
        raise TypeError(f"held_out must be an Objective, got {held_out!r}")
    checks.count("held_out_every", held_out_every)
    loop = _Loop(objective, optimizer, w, state, check_every)
    if held_out is None and "held_out" in loop.state:
        raise ValueError("the rate's schedule watches the held-out risk, so held_out must be given")
    with loop.backend.quiet():
        return _Training(loop, stop, held_out, held_out_every).run(_bar(stop) if progress else None)


class _OutOfBudget(Exception):
    """The objective may not be evaluated any more."""


class _Watch(Objective):
    """An objective seen from outside: counts evaluations, and while `looking` keeps points.

    `last` is the last point at which value and gradient were finite, `best` the one with the least
    value; of each the rows of replicas that are still `active`. `values` and `norm` are those of
    `gradient`, the last one, on the host.
    """

    def __init__(self, objective: Objective, backend: Backend, w: Array) -> None:
        self.objective, self.backend = objective, backend
        self.samples, self.lacks = objective.samples, ~objective.offers
        self.looking = self.keeps_best = True
        self.counts = {"value": 0, "gradient": 0, "product": 0}
        self.limit: int | None = None
        xp = backend.xp
        self.last, self.best = xp.asarray(w, copy=True), xp.asarray(w, copy=True)
        self.best_value = host.full(tuple(w.shape[:-1]), math.inf)
        self.active = host.ones(tuple(w.shape[:-1]), dtype=bool)
        self.gradient: Array = None
        self.values = self.norm = host.zeros(tuple(w.shape[:-1]))

    def __getattr__(self, name: str) -> Any:
        return getattr(self.objective, name)  # what else an optimizer asks of its own kind of objective

    def count(self, kind: str, number: int = 1) -> None:
        if self.limit is not None and sum(self.counts.values()) + number > self.limit:
            raise _OutOfBudget
        self.counts[kind] += number

    def value(self, w: Array) -> Array:
        self.count("value")
        value = self.objective.value(w)
        if self.looking and self.keeps_best:
            self.keep_best(w, self.backend.to_numpy(value))
        return value

    def value_and_gradient(self, w: Array) -> tuple[Array, Array]:
        self.count("gradient")
        value, gradient = self.objective.value_and_gradient(w)
        self.see(w, value, gradient, best=True)
        return value, gradient

    def normal_equations(self, w: Array) -> tuple[Array, Array, Array]:
        self.count("gradient")
        value, gradient, matrix = self.objective.normal_equations(w)
        self.see(w, value, gradient, best=True)
        return value, gradient, matrix

    def hessian_product(self, w: Array, v: Array) -> Array:
        self.count("product", v.shape[0] if v.ndim > w.ndim else 1)
        return self.objective.hessian_product(w, v)

    def gauss_newton_product(self, w: Array, v: Array) -> Array:
        self.count("product", v.shape[0] if v.ndim > w.ndim else 1)
        return self.objective.gauss_newton_product(w, v)

    def hessian(self, w: Array) -> Array:
        self.count("product", w.shape[-1])
        return self.objective.hessian(w)

    def gauss_newton(self, w: Array) -> Array:
        whole = Offers.NORMAL_EQUATIONS in self.objective.offers
        self.count(*(("gradient",) if whole else ("product", w.shape[-1])))
        return self.objective.gauss_newton(w)

    def residuals(self, w: Array) -> Array:
        self.count("value")
        return self.objective.residuals(w)

    def jacobian(self, w: Array) -> Array:
        self.count("gradient")
        return self.objective.jacobian(w)

    def subset(self, samples: Array) -> Objective:
        return _Part(self, self.objective.subset(samples))

    def redraw(self, draw: int) -> Objective:
        return _Part(self, self.objective.redraw(draw))

    def see(self, w: Array, value: Array, gradient: Array, *, best: bool) -> None:
        """Keeps what is to be kept of an evaluation."""
        if not self.looking:
            return
        self.gradient = gradient
        self.values, self.norm = self.backend.to_numpy(value), _norm(self.backend, gradient)
        _copy_rows(self.backend, self.last, w, self.finite & self.active)
        if best and self.keeps_best:
            self.keep_best(w, self.values)

    def look_at(self, record: Record) -> None:
        """Makes `values` and `norm` those of the record."""
        if record.gradient is not self.gradient:
            self.gradient = record.gradient
            self.values = self.backend.to_numpy(record.value)
            self.norm = _norm(self.backend, record.gradient)

    @property
    def finite(self) -> Any:
        return host.isfinite(self.values) & host.isfinite(self.norm)

    def keep_best(self, w: Array, value: Any) -> None:
        better = (value < self.best_value) & self.active  # never so for NaN
        _copy_rows(self.backend, self.best, w, better)
        self.best_value = host.where(better, value, self.best_value)


class _Part(Objective):
    """Some samples of a watched objective, or another draw; its values do not say which point is best."""

    def __init__(self, watch: _Watch, objective: Objective) -> None:
        self.watch, self.objective = watch, objective
        self.samples, self.lacks = objective.samples, ~objective.offers

    def value(self, w: Array) -> Array:
        self.watch.count("value")
        return self.objective.value(w)

    def value_and_gradient(self, w: Array) -> tuple[Array, Array]:
        self.watch.count("gradient")
        value, gradient = self.objective.value_and_gradient(w)
        self.watch.see(w, value, gradient, best=False)
        return value, gradient

    def subset(self, samples: Array) -> Objective:
        return _Part(self.watch, self.objective.subset(samples))


def _norm(backend: Backend, vectors: Array) -> Any:
    """The Euclidean norm over the last axis, on the host."""
    xp = backend.xp
    squares = backend.to_numpy(xp.sum(vectors * vectors, axis=-1))
    if bool(host.all(host.isfinite(squares) & (squares > 0))):
        return host.sqrt(squares)
    # something overflowed, underflowed, or is not finite: scale first
    largest = xp.max(xp.abs(vectors), axis=-1, keepdims=True)
    sound = (largest > 0) & xp.isfinite(largest)
    scale = xp.where(sound, largest, xp.ones_like(largest))
    scaled = vectors / scale
    return backend.to_numpy(scale[..., 0] * xp.sqrt(xp.sum(scaled * scaled, axis=-1)))


def _copy_rows(backend: Backend, target: Array, source: Array, rows: Any) -> None:
    """Copies `source` to `target`, only the replicas in `rows`, truth values on the host."""
    if rows.all():
        target[...] = source
    elif rows.any():
        mask = backend.xp.asarray(rows, device=backend.device)[:, None]
        target[...] = backend.xp.where(mask, source, target)


class _Loop:
    """The steps of an optimizer on a watched objective."""

    def __init__(
        self,
        objective: Objective,
        optimizer: Optimizer | str,
        w: Array,
        state: dict[str, Any] | None,
        check_every: int | None,
    ) -> None:
        if not isinstance(objective, Objective):
            raise TypeError(f"objective must be an Objective, got {objective!r}")
        if isinstance(optimizer, str):
            optimizer = NAMES[checks.choice("optimizer", optimizer, NAMES)]
        if not isinstance(optimizer, Optimizer):
            raise TypeError(f"optimizer must be an Optimizer such as Nesterov(), got {optimizer!r}")
        self.backend = backend_of(w)
        if w.ndim not in (1, 2) or not w.size:
            raise ValueError(f"w must be (P,) or (R, P), got shape {tuple(w.shape)}")
        if w.dtype not in (self.backend.xp.float32, self.backend.xp.float64):
            raise TypeError(f"w must be float32 or float64, got {w.dtype}")
        checks.writeable("w", w)
        if check_every is None:
            check_every = 1 if optimizer.waits else CHECK_EVERY.get(self.backend.name, 1)
        self.check_every = checks.count("check_every", check_every)
        self.optimizer, self.w = optimizer, w
        with self.backend.quiet():
            checks.finite(self.backend.xp, "w", w)
            self.watch = _Watch(objective, self.backend, w)
            self.state = optimizer.initialize(objective, w)
        if state is not None:
            _check_state(self.backend, state, self.state, optimizer)
            self.state = state
        if "active" in self.state:  # of a run before
            self.state["active"] = host.ones_like(self.state["active"])
        self.steps = 0

    def step(self, *, look: bool = False) -> Record:
        self.watch.looking = look or self.steps % self.check_every == 0
        with self.backend.quiet():
            record = self.optimizer.step(self.watch, self.w, self.state)
            if self.watch.looking or record.endings:
                self.watch.looking = True
                self.watch.look_at(record)
        self.steps += 1
        return record

    def problem(self) -> str | None:
        """What was not finite at the step just taken, if anything."""
        if self.watch.finite.all():
            return None
        values_finite = bool(host.isfinite(self.watch.values).all())
        return f"non-finite {'gradient' if values_finite else 'value'} at step {self.steps - 1}"


def _check_state(backend: Backend, state: Any, fresh: State, optimizer: Optimizer) -> None:
    """Raises unless `state` has what a fresh one of `optimizer` has: shapes, dtypes, and where they are."""
    if not isinstance(state, dict):
        raise TypeError(f"state must be a dict that an earlier run left, got {state!r}")
    missing = fresh.keys() - state.keys()
    if missing:
        raise ValueError(
            f"state is not one of {optimizer!r}: it has no {', '.join(map(repr, sorted(missing)))}"
        )
    for name, value in fresh.items():
        own = state[name]
        shape, wanted = tuple(getattr(own, "shape", ())), tuple(getattr(value, "shape", ()))
        if shape != wanted:
            raise ValueError(f"state[{name!r}] must have shape {wanted} for this w, got {shape}")
        if getattr(own, "dtype", None) != getattr(value, "dtype", None):
            raise ValueError(
                f"state[{name!r}] must be {getattr(value, 'dtype', type(value).__name__)} for this w, "
                f"got {getattr(own, 'dtype', type(own).__name__)}"
            )
        if backend.owns(value):
            backend.check(f"state[{name!r}]", own, value.dtype)


class _Training:
    """One run of `minimize`."""

    def __init__(self, loop: _Loop, stop: Rule, held_out: Objective | None, held_out_every: int) -> None:
        self.loop, self.stop = loop, stop
        self.held_out, self.held_out_every = held_out, held_out_every
        loop.watch.keeps_best = held_out is None
        budgets = [rule for rule in stop.parts() if isinstance(rule, stopping.evaluations)]
        self.budget = min(budgets, key=lambda rule: rule.limit, default=None)
        if self.budget is not None:
            loop.watch.limit = self.budget.limit - 1  # the last one is for the final point
        self.checks = [(rule, rule.start()) for rule in stop.parts()]
        shape = tuple(loop.w.shape[:-1])
        self.reasons = host.full(shape, "", dtype=object)
        self.sound = host.ones(shape, dtype=bool)
        self.next_held_out = 0
        self.point: Array = None
        self.rows: list[tuple[Any, ...]] = []
        self.start = time.perf_counter()

    def run(self, bar: Any) -> Run:
        loop, watch = self.loop, self.loop.watch
        frozen = loop.backend.xp.asarray(loop.w, copy=True)
        try:
            while watch.active.any():
                look = self.stop.due(loop.steps + 1)
                if self.held_out is not None:
                    # where the gradient of this step will be taken
                    self.point = loop.backend.xp.asarray(loop.state.get("ahead", loop.w), copy=True)
                record = loop.step(look=look)
                if watch.looking:
                    self.look(record, bar)
                    failed = watch.active & ~watch.finite
                    _copy_rows(loop.backend, loop.w, watch.last, failed)
                    done = watch.active & (self.reasons != "")
                    _copy_rows(loop.backend, frozen, loop.w, done)
                    watch.active = watch.active & ~done
                    if "active" in loop.state:
                        loop.state["active"] = loop.state["active"] & watch.active.reshape(-1)
                if not watch.active.all():
                    _copy_rows(loop.backend, loop.w, frozen, ~watch.active)
        except _OutOfBudget:
            # perhaps in the middle of a search: the best point is what the evaluations were spent on
            better = watch.active & host.isfinite(watch.best_value)
            _copy_rows(loop.backend, loop.w, watch.best, better)
            self.end(watch.active, str(self.budget))
        except KeyboardInterrupt:
            # a step may have been cut short, so go back to where the last one began
            _copy_rows(loop.backend, loop.w, watch.last, watch.active)
            self.end(watch.active, f"interrupted at step {loop.steps}", sound=False)
        finally:
            if bar is not None:
                bar.close()
        return self.result(time.perf_counter() - self.start)

    def look(self, record: Record, bar: Any) -> None:
        """Reads the device: history, rules, the bar."""
        loop, watch = self.loop, self.loop.watch
        seconds = time.perf_counter() - self.start
        held_out = None
        if self.held_out is not None and loop.steps > self.next_held_out:
            value = self.held_out.value(self.point)
            held_out = loop.backend.to_numpy(value)
            watch.keep_best(self.point, held_out)
            self.next_held_out += self.held_out_every
            if "held_out" in loop.state:  # a schedule is waiting for it
                loop.state["held_out"] = loop.backend.xp.reshape(value, loop.state["held_out"].shape)
        finite, active = watch.finite, watch.active
        self.rows.append(
            (
                record.step,
                host.where(active, watch.values, math.nan),
                host.where(active, watch.norm, math.nan),
                loop.backend.to_numpy(record.rate),
                host.where(active, math.nan if held_out is None else held_out, math.nan),
                seconds,
                sum(watch.counts.values()),
            )
        )
        if not finite[active].all():
            problem = loop.problem()
            self.end(active & ~finite, problem, sound=False)
            logger.warning("%s; that point is left for the last finite one", problem)
        made = sum(watch.counts.values())
        progress = Progress(loop.steps, watch.values, watch.norm, seconds, held_out, made)
        for rule, check in self.checks:
            self.end(active & check(progress), str(rule))
        for r, found in enumerate(record.endings):
            if found is not None:
                mine = active & (host.arange(active.size).reshape(active.shape) == r)
                self.end(
                    mine, f"step {record.step}: {found.text}", sound=found.outcome is not Outcome.STALLED
                )
        if bar is not None:
            bar.update(loop.steps - bar.n)
            bar.set_postfix_str(_postfix(self.rows), refresh=False)

    def end(self, replicas: Any, reason: str | None, *, sound: bool = True) -> None:
        """Notes why `replicas` stop, where no other reason has been noted."""
        new = replicas & (self.reasons == "")
        self.reasons = host.where(new, reason, self.reasons)
        self.sound = self.sound & (sound | ~new)

    def result(self, seconds: float) -> Run:
        loop, watch = self.loop, self.loop.watch
        watch.looking, watch.active, watch.limit = True, host.ones_like(watch.active), None
        value = loop.backend.to_numpy(watch.value(loop.w))
        columns = [host.asarray(column) for column in zip(*self.rows, strict=True)]
        if not columns:
            columns = [host.zeros(0)] * 7
        step, values, norms, rate, held_out, when, evaluations = columns
        if rate.ndim == 3:  # (looks, R, 1)
            rate = rate[..., 0]
        single = loop.w.ndim == 1
        return Run(
            w=loop.w,
            value=float(value) if single else value,
            best_w=watch.best,
            best_value=float(watch.best_value) if single else watch.best_value,
            reason=str(self.reasons) if single else tuple(self.reasons.tolist()),
            converged=bool(self.sound) if single else self.sound,
            history=History(step, values, norms, rate, held_out, when, evaluations),
            steps=loop.steps,
            seconds=seconds,
            evaluations=dict(watch.counts),
        )


def _bar(stop: Rule) -> Any:
    try:
        from tqdm.auto import tqdm
    except ImportError as error:
        raise ImportError(
            "progress=True needs tqdm: install it with 'pip install xpnet[progress]'"
        ) from error
    steps = [rule.steps for rule in stop.parts() if isinstance(rule, stopping.after)]
    return tqdm(total=min(steps, default=None), unit="step")


def _postfix(rows: list[tuple[Any, ...]]) -> str:
    """The last row in words, with the last held-out risk that was evaluated."""
    _, value, _, rate, *_ = rows[-1]
    text = f"value {host.nanmin(value):.4g}, rate {host.max(rate):.3g}"
    for row in reversed(rows):
        if not host.isnan(row[4]).all():
            return text + f", held out {host.nanmin(row[4]):.4g}"
    return text
