"""How runs end, at which point, and what comes back when they are broken off."""

from __future__ import annotations

import signal
import subprocess
import sys

import numpy as np
import pytest
from conftest import assert_allclose, assert_array_equal
from oracles import BAD, Bowl, interrupt
from oracles import seeded_risk as risk

import xpnet
from xpnet import (
    LBFGS,
    FirstOrder,
    GradientDescent,
    Minibatch,
    Momentum,
    Nesterov,
    NonlinearCG,
    Objective,
    Outcome,
    Quadratic,
    Rprop,
    ThresholdUnit,
    after,
    change_below,
    evaluations,
    gradient_below,
    minimize,
    time_limit,
    value_below,
)

ROSENBROCK = xpnet.PROBLEMS[0]
METHODS = [
    GradientDescent(1e-3),
    Momentum(1e-4),
    Nesterov(1e-4),
    Rprop(),
    NonlinearCG(),
    LBFGS(),
    xpnet.BFGS(),
    xpnet.NewtonCG(),
    xpnet.Newton(),
    xpnet.TrustRegion(),
]
methods = pytest.mark.parametrize("method", METHODS, ids=lambda method: type(method).__name__)


class Shaky(Objective):
    """`objective`, which does something at its evaluation of this number."""

    def __init__(self, objective, when, action):
        self.objective, self.when, self.action, self.calls = objective, when, action, 0
        self.lacks = ~objective.offers
        self.points = []

    def _evaluate(self, method, w, *rest):
        self.calls += 1
        if self.calls == self.when:
            self.action()
        self.points.append(w.copy())
        return method(w, *rest)

    def value(self, w):
        return self._evaluate(self.objective.value, w)

    def value_and_gradient(self, w):
        return self._evaluate(self.objective.value_and_gradient, w)

    def hessian(self, w):
        return self._evaluate(self.objective.hessian, w)

    def hessian_product(self, w, v):
        return self._evaluate(self.objective.hessian_product, w, v)


def raise_interrupt():
    raise KeyboardInterrupt


def raise_error():
    raise RuntimeError("the disk is full")


# the point that comes back


@pytest.mark.parametrize("seed", range(20))
def test_the_point_that_comes_back_is_below_the_limit(seed, device):
    w = device.asarray(np.random.default_rng(seed).standard_normal(2))
    objective = Quadratic(np.diag([1.0, 30.0]), backend=device)
    for stop in (value_below(1e-2), after(3) & value_below(1e-2)):
        run = minimize(objective, Momentum(0.03, 0.95), w, stop=stop | after(2000), check_every=1)
        assert run.outcome is Outcome.CONVERGED
        assert run.value == float(objective.value(run.w)) <= 1e-2
        assert run.value == run.history.value[-1]
        assert np.isnan(run.history.rate[-1])  # that step was not taken
        assert run.steps == len(run.history) - 1


@pytest.mark.parametrize(
    "method", ["gradient descent", "nesterov", "rprop", "cg", "lbfgs", "bfgs", "trust-region", "newton-cg"]
)
def test_the_gradient_is_below_the_limit_where_the_run_ends(method, device):
    objective = risk(device)
    w = xpnet.Network(4, xpnet.Dense(6, "tanh"), xpnet.Dense(3, "softmax")).initialize(1, device, "float64")
    run = minimize(objective, method, w, stop=gradient_below(0.05) | after(3000))
    value, gradient = objective.value_and_gradient(run.w)
    assert run.converged
    assert np.linalg.norm(device.to_numpy(gradient)) <= 0.05 * (1 + 1e-12)
    assert run.value == pytest.approx(float(value), rel=1e-14)


def test_a_warm_start_is_left_where_it_is():
    w = np.full(3, 6e-26)
    run = minimize(Quadratic(np.eye(3)), Rprop(), w, stop=gradient_below(1e-6))
    assert run.steps == 0
    assert_array_equal(run.w, w)


def test_a_stopped_nesterov_goes_on_as_if_it_had_not():
    objective, method = Quadratic(np.diag([1.0, 30.0])), Nesterov(0.02, 0.9)
    whole = minimize(objective, method, np.ones(2), stop=after(60))
    first = minimize(objective, method, np.ones(2), stop=value_below(0.1))
    second = minimize(objective, method, first.w, stop=after(60 - first.steps), state=first.state)
    assert second.history.value[0] == first.value
    assert_array_equal(second.w, whole.w)


@methods
def test_the_first_value_on_going_on_is_that_of_the_point(method):
    objective = ROSENBROCK.objective()
    for stop in (after(3), value_below(4.0) | after(4)):
        first = minimize(objective, method, np.array(ROSENBROCK.start), stop=stop)
        again = minimize(objective, method, first.w, stop=after(1), state=first.state)
        if not isinstance(method, Nesterov):  # which evaluates ahead of `w`
            assert again.history.value[0] == pytest.approx(first.value, rel=1e-14)


# rests, and looks


def test_a_rest_is_not_convergence():
    run = minimize(Quadratic(np.eye(3)), Rprop(), np.full(3, 0.95), stop=change_below(1e-9) | after(500))
    assert run.value < 1e-9


@pytest.mark.parametrize("check_every", [1, 7, 20])
def test_change_below_means_the_same_however_seldom_one_looks(check_every):
    objective, limit = Quadratic(np.diag([1.0, 9.0])), change_below(1e-6)
    want = minimize(objective, GradientDescent(0.02), np.ones(2), stop=limit).steps
    run = minimize(objective, GradientDescent(0.02), np.ones(2), stop=limit, check_every=check_every)
    assert run.steps == -(-want // check_every) * check_every


# outcomes


@pytest.mark.parametrize(
    ("stop", "outcome"),
    [
        (after(1), Outcome.BUDGET_SPENT),
        (evaluations(2), Outcome.BUDGET_SPENT),
        (time_limit(0.0), Outcome.BUDGET_SPENT),
        (value_below(1.0), Outcome.CONVERGED),
        (after(2) & value_below(1.0), Outcome.CONVERGED),
    ],
    ids=str,
)
def test_only_a_test_of_convergence_converges(stop, outcome):
    run = minimize(Bowl(), GradientDescent(0.1), np.ones(2), stop=stop)
    assert run.outcome is outcome
    assert run.converged == (outcome is Outcome.CONVERGED)


def test_growth_is_divergence_long_before_infinity(device):
    objective = Quadratic([[1.0]], backend=device)
    run = minimize(objective, GradientDescent(3.0), device.asarray([1.0]), check_every=1)
    assert run.outcome is Outcome.DIVERGED
    assert run.reason == "value grown by more than 1e+10 times that of the start, at step 18"
    assert run.steps == 18
    assert run.best_value == 0.5
    free = minimize(
        objective, GradientDescent(3.0), device.asarray([1.0]), stop=after(50), diverged_at=np.inf
    )
    assert (free.steps, free.outcome) == (50, Outcome.BUDGET_SPENT)
    last = minimize(objective, GradientDescent(1e7), device.asarray([1.0]), stop=after(1))
    assert last.outcome is Outcome.DIVERGED  # seen at the last point only


@pytest.mark.parametrize("method", [Rprop(), Momentum(0.03, 0.99)], ids=str)
def test_transients_are_not_divergence(method):
    run = minimize(Quadratic(np.diag([1.0, 60.0])), method, np.array([1e-13, 1e-13]), stop=after(200))
    assert run.outcome is Outcome.BUDGET_SPENT


def test_second_order_methods_end_at_their_minimum():
    for method in ("lbfgs", "bfgs", "cg", "newton-cg", "trust-region"):
        run = minimize(ROSENBROCK.objective(), method, np.array(ROSENBROCK.start))
        assert run.converged
        assert run.steps < 200


@pytest.mark.parametrize(("name", "what"), BAD)
def test_numbers_that_are_not_finite_end_a_run(name, what, caplog, device):
    w = device.xp.ones(3)
    run = minimize(Bowl(4, what), GradientDescent(0.1), w, stop=after(50), check_every=1)
    assert run.reason == f"non-finite {name} at step 4"
    assert run.outcome is Outcome.DIVERGED
    assert "non-finite" in caplog.text
    assert_allclose(run.w, 0.9**3, rtol=1e-12)
    assert_allclose(run.best_w, 0.9**3 if name == "value" else 0.9**4, rtol=1e-12)
    assert np.isfinite(run.value)


def test_a_bad_first_value_leaves_the_start(device):
    w = device.xp.ones(3)
    run = minimize(Bowl(0, BAD[0][1]), GradientDescent(0.1), w, check_every=1)
    assert run.steps == 0
    assert_array_equal(run.w, 1)
    assert run.best_value == run.value == 1.5  # the start, evaluated at the end


@pytest.mark.parametrize("rate", [1e160, 1e200, 1e308])
def test_the_last_point_is_looked_at(rate, device):
    for method in (GradientDescent(rate), Momentum(rate), Nesterov(rate)):
        for stop in (after(1), value_below(-1.0) | after(1)):
            objective = Quadratic(np.diag([1.0, 2.0]), backend=device)
            run = minimize(objective, method, device.xp.ones(2), stop=stop)
            assert run.outcome is Outcome.DIVERGED
            assert run.reason == "non-finite value at step 1"
            assert np.isfinite(run.value)
            assert np.isfinite(device.to_numpy(run.w)).all()
            assert run.value == float(objective.value(run.w))


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_a_held_out_risk_that_is_not_finite_is_never_best(bad):
    class HeldOut(Bowl):
        def value(self, w):
            self.calls += 1
            return np.float64(1.0 if self.calls == 1 else bad)

    run = minimize(
        Bowl(),
        GradientDescent(0.1),
        np.ones(2),
        stop=value_below(1e-3),
        held_out=HeldOut(),
        held_out_every=2,
    )
    assert run.reason == "non-finite held-out risk at step 2"
    assert run.outcome is Outcome.DIVERGED
    assert run.best_value == 1.0
    with pytest.raises(ValueError, match="held_out must be finite at w"):
        minimize(Bowl(), GradientDescent(0.1), np.ones(2), held_out=Constant(bad))


class Constant(Objective):
    def __init__(self, number):
        self.number = number

    def value(self, w):
        return np.float64(self.number)

    def value_and_gradient(self, w):
        return self.value(w), 0.0 * w


def test_a_value_of_minus_infinity_is_not_best():
    run = minimize(
        Bowl(3, lambda value, gradient: (value - np.inf, gradient)), GradientDescent(0.1), np.ones(2)
    )
    assert run.outcome is Outcome.DIVERGED
    assert 0 < run.best_value < 1


def test_replicas_end_each_in_its_way(device):
    objective = Quadratic(np.diag([1.0, 2.0]), backend=device)
    rates = device.asarray([[0.4], [3.0], [1e-3]])
    run = minimize(
        objective,
        GradientDescent(rates),
        device.xp.ones((3, 2)),
        stop=after(40) | value_below(1e-3),
        check_every=1,
    )
    assert run.outcome == (Outcome.CONVERGED, Outcome.DIVERGED, Outcome.BUDGET_SPENT)
    assert run.converged.tolist() == [True, False, False]
    assert_array_equal(run.value, objective.value(run.w))


def test_a_replica_that_has_grown_says_when():
    rates = np.array([[0.1], [30.0]])
    run = minimize(Quadratic([[1.0]]), GradientDescent(rates), np.ones((2, 1)), stop=after(20))
    assert run.reason[1] == "value grown by more than 1e+10 times that of the start, at step 4"
    assert run.reason[0] == "20 steps taken"


# the perceptron


def test_a_perceptron_on_xor_keeps_its_best():
    X, targets = [[0, 0], [0, 1], [1, 0], [1, 1]], [-1, 1, 1, -1]
    unit = ThresholdUnit(X, targets)
    run = minimize(unit, "perceptron", np.zeros(3), stop=after(100))
    assert run.best_value == int(unit.mistakes(run.best_w)) <= 2


def test_the_steps_of_a_perceptron_are_its_updates():
    unit = ThresholdUnit([[0, 0], [0, 1], [1, 0], [1, 1]], [-1, -1, -1, 1])
    run = minimize(unit, "perceptron", np.zeros(3))
    assert run.converged
    assert run.steps == run.evaluations["gradient"] - 1
    updates, w = 0, np.zeros(3)
    while (wrong := np.flatnonzero(unit.margins(w) <= 0)).size:
        updates, w = updates + 1, w + unit.signed[wrong[0]]
        if updates > 1000:
            break
    assert run.best_value == 0


# interrupts


@pytest.mark.parametrize("when", [0, 4])
def test_ctrl_c_returns_what_has_been_reached(when, device):
    w = device.xp.ones(3)
    run = minimize(Bowl(when, interrupt), GradientDescent(0.1), w, stop=after(50), check_every=1)
    assert run.reason == f"interrupted at step {when}"
    assert run.outcome is Outcome.INTERRUPTED
    assert run.steps == when
    assert_allclose(run.w, 0.9**when, rtol=1e-12)  # where the step began that was cut short
    assert run.value == pytest.approx(1.5 * 0.81**when)
    assert len(run.history) == when


@methods
def test_an_interrupt_at_any_evaluation_leaves_a_point_where_a_step_began(method):
    start = np.array(ROSENBROCK.start)
    settings = {"stop": after(6)}
    whole = Shaky(ROSENBROCK.objective(), None, None)
    began = [start]
    state_of = minimize(whole, method, start, **settings)
    for steps in range(1, 7):
        began.append(
            minimize(ROSENBROCK.objective(), method, start, stop=after(steps), diverged_at=np.inf).w
        )
    for when in range(1, whole.calls + 1):
        shaky = Shaky(ROSENBROCK.objective(), when, raise_interrupt)
        run = minimize(shaky, method, start, **settings)
        assert run.outcome is Outcome.INTERRUPTED
        ends = [*began, *shaky.points] if isinstance(method, Nesterov) else began
        assert any(np.array_equal(run.w, point) for point in ends)
        assert run.value == pytest.approx(float(ROSENBROCK.objective().value(run.w)), rel=1e-14)
        left = 6 - run.steps
        if left and isinstance(method, FirstOrder):
            # state and point agree: it goes on as if it had not been interrupted
            rest = minimize(ROSENBROCK.objective(), method, run.w, stop=after(left), state=run.state)
            assert_array_equal(rest.w, state_of.w)


@pytest.mark.parametrize("first", [1, 2, 5])
def test_a_second_interrupt_does_not_lose_the_run(first):
    class Stubborn(Bowl):
        def value(self, w):
            raise KeyboardInterrupt

        def value_and_gradient(self, w):
            self.calls += 1
            if self.calls == first + 1:
                raise KeyboardInterrupt
            return np.float64(0.5 * (w * w).sum()), w.copy()

    run = minimize(Stubborn(), GradientDescent(0.1), np.ones(3), stop=after(50))
    assert run.reason == f"interrupted at step {first}"
    assert_allclose(run.w, 0.9 ** (first - 1), rtol=1e-12)
    assert run.value == pytest.approx(1.5 * 0.81 ** (first - 1))


def test_an_interrupt_in_the_last_evaluation_does_not_lose_the_run():
    class Last(Bowl):
        def value(self, w):
            raise KeyboardInterrupt

        def value_and_gradient(self, w):
            return np.float64(0.5 * (w * w).sum()), w.copy()

    run = minimize(Last(), GradientDescent(0.1), np.ones(3), stop=after(5))
    assert run.reason == "interrupted in the evaluation of the last point"
    assert run.outcome is Outcome.INTERRUPTED
    assert run.value == pytest.approx(1.5 * 0.81**4)
    assert len(run.history) == 5


INTERRUPTS = """
import _thread, contextlib, signal, sys
import numpy as np
import xpnet

objective = xpnet.Quadratic(np.diag(np.geomspace(1, 100, 40)))
method = eval("xpnet." + sys.argv[1])
random = np.random.default_rng(0)
signal.signal(signal.SIGALRM, lambda *_: _thread.interrupt_main())
ended = 0
for _ in range(150):
    run = None
    with contextlib.suppress(KeyboardInterrupt):  # before the first step, or after the last
        signal.setitimer(signal.ITIMER_REAL, random.uniform(1e-3, 5e-3))
        run = xpnet.minimize(objective, method, np.ones(40), stop=xpnet.after(100_000))
    signal.setitimer(signal.ITIMER_REAL, 0)
    if run is None:
        continue
    ended += run.outcome is xpnet.Outcome.INTERRUPTED
    assert np.isfinite(run.w).all()
    assert abs(run.value - float(objective.value(run.w))) <= 1e-12 * run.value
    again = xpnet.minimize(objective, method, run.w, stop=xpnet.after(3), state=run.state)
    if not isinstance(method, xpnet.Nesterov) and len(again.history):
        assert abs(again.history.value[0] - run.value) <= 1e-12 * run.value
print(ended)
"""


@pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="no timers on this system")
@pytest.mark.parametrize("method", ["Momentum(1e-3)", "Nesterov(1e-3)", "SteepestDescent()", "Rprop()"])
def test_real_interrupts(method):
    done = subprocess.run([sys.executable, "-c", INTERRUPTS, method], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) > 100


TWICE = """
import signal, traceback
import numpy as np
import xpnet

objective, random = xpnet.Quadratic(np.diag(np.geomspace(1, 100, 40))), np.random.default_rng(0)
left = 0

def press(*_):
    global left
    if left:
        left -= 1
        if left:
            signal.setitimer(signal.ITIMER_REAL, random.uniform(2e-6, 1.5e-4))
        raise KeyboardInterrupt

signal.signal(signal.SIGALRM, press)
xpnet.minimize(objective, xpnet.Momentum(1e-3), np.ones(40), stop=xpnet.after(2))
ended = 0
for _ in range(300):
    run, left = None, 2
    try:
        signal.setitimer(signal.ITIMER_REAL, random.uniform(1e-3, 3e-3))
        run = xpnet.minimize(objective, xpnet.Momentum(1e-3), np.ones(40), stop=xpnet.after(100_000))
        left = 0
    except KeyboardInterrupt as error:
        left = 0
        run = getattr(error, "run", run)
        begun = any(frame.name == "_run" for frame in traceback.extract_tb(error.__traceback__))
        assert run is not None or not begun
    if run is not None:
        ended += 1
        assert run.outcome is xpnet.Outcome.INTERRUPTED
        assert np.isnan(run.value) or abs(run.value - float(objective.value(run.w))) <= 1e-12 * run.value
print(ended)
"""


@pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="no timers on this system")
def test_real_interrupts_one_after_another():
    done = subprocess.run([sys.executable, "-c", TWICE], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) > 200


# errors


@methods
def test_an_error_carries_the_run(method):
    start = np.array(ROSENBROCK.start)
    whole = Shaky(ROSENBROCK.objective(), None, None)
    end = minimize(whole, method, start, stop=after(6)).w
    for when in range(1, whole.calls + 1):
        shaky = Shaky(ROSENBROCK.objective(), when, raise_error)
        with pytest.raises(RuntimeError, match="the disk is full") as caught:
            minimize(shaky, method, start, stop=after(6))
        run = caught.value.run
        assert run.outcome is Outcome.INTERRUPTED
        assert run.reason.endswith("the disk is full")
        assert len(run.history) in (run.steps, run.steps + 1)
        assert np.isfinite(run.w).all()
        assert run.value == pytest.approx(float(ROSENBROCK.objective().value(run.w)), rel=1e-14)
        assert run.best_value <= run.value
        if 6 - run.steps:
            # state and point agree
            rest = minimize(
                ROSENBROCK.objective(), method, run.w, stop=after(6 - run.steps), state=run.state
            )
            assert_array_equal(rest.w, end)


def test_a_rate_that_is_not_a_number_is_named_with_its_step():
    rates = GradientDescent(lambda k: 0.1 if k < 900 else float("nan"))
    with pytest.raises(ValueError, match=r"rate\(900\) must be .*got nan") as caught:
        minimize(Bowl(), rates, np.ones(2))
    run = caught.value.run
    assert (run.steps, len(run.history)) == (900, 901)
    assert_allclose(run.w, 0.9**900, rtol=1e-9)


def test_a_rule_that_raises_carries_the_run():
    class Broken(xpnet.training.stopping.Rule):
        def start(self):
            return lambda progress: 1 / (3 - progress.steps) < 0

        def __str__(self):
            return "broken"

    with pytest.raises(ZeroDivisionError) as caught:
        minimize(Bowl(), GradientDescent(0.1), np.ones(2), stop=Broken() | after(9))
    assert caught.value.run.steps == 3
    assert caught.value.run.value == pytest.approx(0.81**3)


def test_minibatches_end_where_the_whole_is_evaluated(device):
    objective = risk(device)
    w = xpnet.Network(4, xpnet.Dense(6, "tanh"), xpnet.Dense(3, "softmax")).initialize(1, device, "float64")
    run = minimize(objective, Minibatch(Momentum(0.1), 7), w, stop=value_below(0.9) | after(500))
    assert run.value == float(objective.value(run.w))
    assert run.reason == "value at most 0.9, on this step's batch or draw"


@pytest.mark.parametrize("budget", range(2, 30))
@pytest.mark.parametrize("method", [NonlinearCG(), LBFGS(), Momentum(1e-4)], ids=str)
def test_a_budget_of_evaluations_ends_at_the_best_point(method, budget):
    objective = ROSENBROCK.objective()
    run = minimize(objective, method, np.array(ROSENBROCK.start), stop=evaluations(budget))
    assert sum(run.evaluations.values()) <= budget
    assert run.value == run.best_value == float(objective.value(run.w))
