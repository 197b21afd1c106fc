"""Steps as launches of one CUDA graph: the same bits, nothing else in between, and what cannot be so."""

from __future__ import annotations

import logging
import pickle

import numpy as np
import pytest

import xpnet
from xpnet import (
    L2,
    LBFGS,
    Adam,
    CrossEntropy,
    Dense,
    Dropout,
    EmpiricalRisk,
    GradientDescent,
    LayerNorm,
    Minibatch,
    Momentum,
    Nesterov,
    Network,
    Outcome,
    Quadratic,
    RMSprop,
    Rprop,
    SquaredError,
    after,
    evaluations,
    minimize,
)
from xpnet.optimizers import NAMES, FirstOrder, schedules
from xpnet.recording import StepGraph
from xpnet.training.loop import Loop

FIRST_ORDER = [name for name, optimizer in NAMES.items() if isinstance(optimizer, FirstOrder)]
VARIANTS = [
    Momentum(0.1, rate_inside=False, dampening=0.5),
    Nesterov(0.1, rate_inside=False),
    RMSprop(0.01, centred=True, momentum=0.5, epsilon_inside=True),
    Adam(0.01, epsilon_hat=True, weight_decay=0.01),
    *[Rprop(variant) for variant in ("RPROP-", "RPROP+", "iRprop+", "textbook")],
]
RATES = [
    schedules.Cosine(0.3, 20),
    schedules.MultiStep(0.3, (7, 30)),
    schedules.Restarts(schedules.Cosine(0.3, 5), 5, 2),
    schedules.WarmUp(schedules.LinearDecay(0.3), 12),
    schedules.Plateau(0.3, patience=2),
    lambda k: 0.3 / (1 + k),
]


def risk(backend, dtype="float32", *, layers=(), **options):
    random = np.random.default_rng(0)
    X, labels = random.standard_normal((60, 6)), random.integers(0, 3, 60)
    network = Network(6, Dense(5, "tanh"), *layers, Dense(3, "softmax"))
    return EmpiricalRisk(network, CrossEntropy(), X, labels, backend=backend, dtype=dtype, **options)


def run(objective, optimizer, graph, *, replicas=None, steps=47, stop=None, **options):
    backend = objective.backend
    w = objective.network.initialize(0, backend, objective.dtype, replicas=replicas)
    return minimize(objective, optimizer, w, stop=stop or after(steps), graph=graph, **options)


def assert_same(first, second):
    """That two runs have the same bits, and the same looks."""
    for name in ("w", "best_w"):
        assert (getattr(first, name).get() == getattr(second, name).get()).all(), name
    for name in ("step", "value", "gradient_norm", "rate", "held_out", "evaluations"):
        one, other = (getattr(run.history.looks(), name) for run in (first, second))
        np.testing.assert_array_equal(one, other, err_msg=name)
    assert first.state.keys() == second.state.keys()
    for name, own in first.state.items():
        np.testing.assert_array_equal(
            *map(xpnet.backend("numpy").to_numpy, (own, second.state[name])), name
        )
    for name in ("steps", "evaluations", "outcome", "reason"):
        assert getattr(first, name) == getattr(second, name), name


def assert_graph_is_eager(counter, objective, optimizer, **options):
    plain = run(objective, optimizer, False, **options)
    with counter.count() as counts:
        launched = run(objective, optimizer, True, **options)
    assert counts.graph_launches > 0
    assert_same(plain, launched)
    return counts


@pytest.mark.parametrize("replicas", [None, 3])
@pytest.mark.parametrize("name", FIRST_ORDER)
def test_every_method_of_first_order(cupy_backend, counter, name, replicas):
    counts = assert_graph_is_eager(counter, risk(cupy_backend), name, replicas=replicas)
    assert (
        counts.graph_launches == 47 - 4 - 1
    )  # without looks, of which the last is one, and one step before


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("optimizer", VARIANTS, ids=str)
def test_variants(cupy_backend, counter, optimizer, dtype):
    assert_graph_is_eager(counter, risk(cupy_backend, dtype), optimizer)


@pytest.mark.parametrize("replicas", [None, 3])
@pytest.mark.parametrize("kind", [Nesterov, Adam])
@pytest.mark.parametrize("rate", RATES, ids=lambda rate: type(rate).__name__)
def test_schedules(cupy_backend, counter, kind, rate, replicas):
    assert_graph_is_eager(counter, risk(cupy_backend), kind(rate), replicas=replicas)


def test_rates_and_momenta_of_replicas(cupy_backend, counter):
    column = cupy_backend.asarray([[0.1], [0.2], [0.3]])
    assert_graph_is_eager(counter, risk(cupy_backend), Momentum(column, column), replicas=3)


@pytest.mark.parametrize(
    "options",
    [
        {"penalty": L2(0.01), "sample_weight": np.linspace(0.5, 1, 60)},
        {"chunk": 25},
        {"layers": (LayerNorm(),)},
        {"layers": (Dropout(0.3), Dense(4, "relu")), "training": True},
    ],
    ids=str,
)
def test_risks(cupy_backend, counter, options):
    assert_graph_is_eager(counter, risk(cupy_backend, **options), Nesterov(0.2))


def test_a_step_is_one_launch_and_nothing_else(cupy_backend, counter):
    objective = risk(cupy_backend)
    w = objective.network.initialize(0, cupy_backend)
    loop = Loop(objective, Adam(schedules.Cosine(0.1, 50)), w, None, 20, in_place=True)
    loop.use_graph(True)
    with cupy_backend.quiet():
        for k in range(40):
            if k < 4 or k % 20 < 2:
                loop.take(look=k % 20 == 0)
                continue
            forbidden = ("launch", "sync", "h2d", "d2h", "d2d", "alloc")
            with counter.forbid(*forbidden), counter.count() as counts:
                loop.take(look=False)
            assert counts.graph_launches == 1
            assert counts.launches == 0
            assert not counts.cublas
    # three nodes more than the eager step has launches: what takes the numbers of the launch, the norm of
    # the gradient, and what files it with the value
    assert sum(counts.graph_kernels.values()) == 5 + 2
    assert dict(counts.graph_calls["cublas"]) == {"GemmEx": 7 + 1}
    assert loop.launches.recordings == 1


def assert_every_step_is_known(objective, optimizer, **options):
    """That what launches file is what a run finds that looks at each step."""
    seen = run(objective, optimizer, False, check_every=1, **options).history
    history = run(objective, optimizer, True, **options).history
    for name in ("step", "value", "rate", "evaluations"):
        np.testing.assert_array_equal(getattr(history, name), getattr(seen, name), name)
    np.testing.assert_allclose(history.gradient_norm, seen.gradient_norm, rtol=1e-5)
    return history


@pytest.mark.parametrize("replicas", [None, 3])
@pytest.mark.parametrize("rate", [0.3, *RATES], ids=lambda rate: type(rate).__name__)
def test_the_history_has_every_step(cupy_backend, rate, replicas):
    history = assert_every_step_is_known(risk(cupy_backend), Nesterov(rate), replicas=replicas)
    assert history.step[history.looked].tolist() == history.looks().step.tolist() == [0, 20, 40, 46]
    assert (np.diff(history.seconds) >= 0).all()
    assert repr(history).startswith("History(47 steps, 4 looks")


def test_the_history_of_rates_of_each_parameter(cupy_backend):
    objective = risk(cupy_backend)
    rates = cupy_backend.asarray(np.linspace(0.1, 0.2, objective.network.size), "float32")
    assert_every_step_is_known(objective, Momentum(rates))


def test_the_history_of_looks_that_are_far_apart(cupy_backend, counter):
    objective = risk(cupy_backend)
    seen = run(objective, Nesterov(0.1), False, check_every=1, steps=700).history
    with counter.count() as counts:
        history = run(objective, Nesterov(0.1), True, check_every=600, steps=700).history
    assert (history.value == seen.value).all()
    assert counts.d2h.count < 60
    assert len(history.looks()) == 3


def test_the_history_is_read_once_a_look(cupy_backend, counter):
    copies = []
    for graph in (False, True):
        with counter.count() as counts:
            run(risk(cupy_backend), Adam(0.1), graph, steps=200)
        copies.append(counts.d2h.count)
    # once in between, as the graph is recorded, and twice to compare a launch with an ordinary step
    assert copies[1] - copies[0] == 200 // 20 + 1 + 2


def test_points_are_those_of_looks(cupy_backend):
    found = run(risk(cupy_backend), Nesterov(0.1), True, keep_path=True).history
    assert found.looked is None
    assert len(found.path) == len(found.step) == 4


def test_metrics_are_those_of_looks(cupy_backend):
    found = run(risk(cupy_backend), Nesterov(0.1), True, metrics="error_rate").history
    error_rate = found.metrics["error_rate"]
    np.testing.assert_array_equal(np.isnan(error_rate), ~found.looked)


def test_norms_whose_squares_overflow_are_not_known(cupy_backend):
    network, X = Network(2, Dense(1)), np.full((5, 2), 1e6)
    objective = EmpiricalRisk(
        network, SquaredError(), X, np.full((5, 1), 1e15), backend=cupy_backend, dtype="float32"
    )
    found = run(objective, GradientDescent(1e-30), True).history
    assert np.isfinite(found.value).all()
    assert np.isnan(found.gradient_norm[~found.looked]).all()
    assert (found.gradient_norm[found.looked] > 1e20).all()


def test_replicas_that_have_ended(cupy_backend, counter):
    rates = cupy_backend.asarray([[0.1], [1e9], [0.3]])
    options = {"replicas": 3, "steps": 100, "diverged_at": 2.0}
    counts = assert_graph_is_eager(counter, risk(cupy_backend), Momentum(rates), **options)
    assert counts.graph_launches > 60
    launched = run(risk(cupy_backend), Momentum(rates), True, **options)
    assert launched.outcome[1] == Outcome.DIVERGED
    ended = launched.history.step > 20
    assert np.isnan(launched.history.value[ended, 1]).all()
    assert np.isfinite(launched.history.value[:, [0, 2]]).all()


def test_numbers_go_to_the_device_once_a_look(cupy_backend, counter):
    copies = []
    for graph in (False, True):
        with counter.count() as counts:
            run(risk(cupy_backend), Adam(schedules.Cosine(0.1, 200)), graph, steps=200)
        copies.append(counts.h2d.count)
    assert copies[1] - copies[0] <= 200 // 20 + 1


def test_memory_that_is_watched(cupy_backend, counter):
    plain = run(risk(cupy_backend), Adam(0.01), False)
    with counter.poison_pool():
        assert_same(plain, run(risk(cupy_backend), Adam(0.01), True))
    with counter.strict_memory():
        assert_same(plain, run(risk(cupy_backend), Adam(0.01), True))
    for order in ("forward", "reverse", "shuffle"):
        with counter.schedule(order, seed=1):
            assert_same(plain, run(risk(cupy_backend), Adam(0.01), True))


def test_it_goes_on_from_a_run(cupy_backend, counter):
    objective, optimizer = risk(cupy_backend), Adam(schedules.Plateau(0.05, patience=3))
    whole = run(objective, optimizer, False, steps=100)
    first = run(objective, optimizer, True, steps=60)
    rest = minimize(
        objective, optimizer, stop=after(100), resume=pickle.loads(pickle.dumps(first)), graph=True
    )
    for name in ("w", "best_w"):
        assert (getattr(whole, name).get() == getattr(rest, name).get()).all()
    assert rest.evaluations["gradient"] >= whole.evaluations["gradient"]
    assert rest.history.step.tolist() == list(range(100))
    np.testing.assert_array_equal(
        rest.history.value, run(objective, optimizer, False, check_every=1, steps=100).history.value
    )


@pytest.mark.parametrize("rule", [xpnet.change_below(1e-4), xpnet.patience(3)])
def test_rules_remember_looks_only(cupy_backend, rule):
    objective = risk(cupy_backend)
    held_out = objective if isinstance(rule, xpnet.patience) else None
    options = {"held_out": held_out, "held_out_every": 20, "graph": True}
    w = objective.network.initialize(0, cupy_backend)
    whole = minimize(objective, Nesterov(0.05), w, stop=rule | after(2000), **options)
    first = minimize(objective, Nesterov(0.05), w, stop=rule | after(60), **options)
    rest = minimize(objective, Nesterov(0.05), stop=rule | after(2000), resume=first, **options)
    assert rest.reason == whole.reason == str(rule) or isinstance(rule, xpnet.patience)
    assert rest.steps == whole.steps
    assert (rest.w.get() == whole.w.get()).all()


def test_a_budget_is_kept(cupy_backend):
    plain, launched = (
        run(risk(cupy_backend), Nesterov(0.1), graph, stop=evaluations(33)) for graph in (False, True)
    )
    assert_same(plain, launched)
    assert launched.outcome == Outcome.BUDGET_SPENT


def test_an_interrupt_ends_it_between_launches(cupy_backend):
    def rate(k):
        return 0.1

    def interrupt(step):
        if step.step == 40:
            raise KeyboardInterrupt

    plain, launched = (
        run(risk(cupy_backend), Nesterov(rate), graph, callback=interrupt) for graph in (False, True)
    )
    assert_same(plain, launched)
    assert launched.outcome == Outcome.INTERRUPTED


def test_a_rate_that_fails_does_so_in_its_step(cupy_backend):
    def rate(k):
        if k == 30:
            raise ArithmeticError("no rate")
        return 0.1

    found = []
    for graph in (False, True):
        with pytest.raises(ArithmeticError, match="no rate") as error:
            run(risk(cupy_backend), Nesterov(rate), graph)
        found.append(error.value.run)
    assert found[0].steps == found[1].steps == 30


def test_held_out_risks_and_the_schedules_that_watch_them(cupy_backend, counter):
    objective = risk(cupy_backend)
    plateau = Nesterov(schedules.Plateau(0.1, patience=1, watch="held_out"))
    assert_graph_is_eager(counter, objective, plateau, held_out=objective, held_out_every=10)


def test_it_is_recorded_again_where_the_chunk_changes(cupy_backend):
    objective = risk(cupy_backend)
    w = objective.network.initialize(0, cupy_backend)
    loop = Loop(objective, Nesterov(0.1), w, None, 10, in_place=True)
    loop.use_graph(True)
    with cupy_backend.quiet():
        for k in range(40):
            if k == 15:  # as if memory had run out in a look
                objective._chunks._halved["gradient", tuple(w.shape)] = (30, 1000)
            loop.take(look=k % 10 == 0)
    assert loop.launches.recordings == 2
    assert loop.launches.launches == 35


@pytest.mark.parametrize(
    ("make", "optimizer", "options", "reason"),
    [
        (risk, LBFGS(), {}, "LBFGS is not one gradient"),
        (risk, Minibatch(GradientDescent(0.1), 10), {}, "Minibatch is not one gradient"),
        (risk, Nesterov(0.1), {"check_every": 1}, "check_every is 1"),
        (lambda backend: risk(backend, resident=False), Nesterov(0.1), {}, "read from the host"),
    ],
)
def test_what_cannot_be_a_graph_is_said_before_the_first_step(
    cupy_backend, caplog, make, optimizer, options, reason
):
    objective = make(cupy_backend)
    with pytest.raises(ValueError, match=f"graph must be False or 'auto' here, got True: .*{reason}"):
        run(objective, optimizer, True, **options)
    caplog.set_level(logging.INFO, "xpnet")
    plain = run(objective, optimizer, False, **options)
    caplog.clear()
    assert_same(plain, run(objective, optimizer, "auto", **options))
    assert reason in caplog.text


@pytest.mark.parametrize(
    ("optimizer", "reason"),
    [
        (Momentum(schedules.WarmUp(schedules.Plateau(0.1), 5)), "a rate that is a new array"),
        ("foreign", "xp.sqrt in an update"),
        ("operators", "unsupported operand"),
    ],
)
def test_a_recording_that_fails_leaves_the_run_eager_and_right(
    cupy_backend, counter, caplog, optimizer, reason
):
    made = {"foreign": Foreign(0.1), "operators": Operators(0.1)}.get(optimizer, optimizer)
    plain = run(risk(cupy_backend), made, False)
    with counter.count() as counts:
        launched = run(risk(cupy_backend), made, True)
    assert counts.graph_launches == 0
    assert_same(plain, launched)
    assert reason in caplog.text
    assert caplog.text.count("not launches of a graph") == 1


class Foreign(GradientDescent):
    """Does more than rules."""

    def update(self, xp, w, record, state):
        w -= xp.sqrt(xp.asarray(record.gradient)) * 0.0 + record.rate * record.gradient


class Operators(GradientDescent):
    """Bakes a number of the host into an operation of arrays."""

    def update(self, xp, w, record, state):
        w -= 0.1 / (1 + record.step) * record.gradient


@pytest.mark.parametrize("wrong", [1, 2])
@pytest.mark.parametrize("what", ["w", "state"])
def test_a_launch_that_is_no_ordinary_step_is_found_out(cupy_backend, caplog, monkeypatch, wrong, what):
    objective = risk(cupy_backend)
    w = objective.network.initialize(0, cupy_backend)
    loops = [Loop(objective, Adam(0.1), w, None, 20, in_place=False) for _ in range(2)]
    plain, launched = loops
    launched.use_graph(True)
    launch, launches = StepGraph.launch, []

    def spoiled(graph):
        launch(graph)
        launches.append(graph)
        if len(launches) == wrong:
            target = launched.w if what == "w" else launched.state["square"]
            target[3] += 1

    monkeypatch.setattr(StepGraph, "launch", spoiled)
    with cupy_backend.quiet():
        for k in range(30):
            for loop in loops:
                loop.take(look=k % 20 == 0)
    assert len(launches) == wrong
    assert (plain.w == launched.w).all()
    assert all((plain.state[name] == own).all() for name, own in launched.state.items() if name != "step")
    assert caplog.text.count("not the bits of an ordinary step") == 1
    assert [found.step for found in launched.launches.read()] == list(range(1, 1 + wrong))


def test_a_layer_that_waits_breaks_the_capture(cupy_backend, counter, caplog, monkeypatch):
    objective = risk(cupy_backend)
    plain = run(objective, Nesterov(0.1), False)
    evaluate = EmpiricalRisk.value_and_gradient

    def waits(self, w):
        value, gradient = evaluate(self, w)
        float(value)
        return value, gradient

    monkeypatch.setattr(EmpiricalRisk, "value_and_gradient", waits)
    launched = run(objective, Nesterov(0.1), True)
    assert_same(plain, launched)
    assert "not launches of a graph" in caplog.text
    monkeypatch.undo()
    assert_graph_is_eager(counter, objective, Nesterov(0.1))  # the stream is usable again


def test_on_numpy_it_cannot_be(numpy_backend):
    w = np.zeros(2)
    with pytest.raises(ValueError, match="got True: a graph needs backend 'cupy', w is on 'numpy'"):
        minimize(Quadratic(np.eye(2), backend=numpy_backend), Nesterov(0.1), w, stop=after(3), graph=True)
    minimize(Quadratic(np.eye(2), backend=numpy_backend), Nesterov(0.1), w, stop=after(3), graph="auto")


@pytest.mark.parametrize("graph", ["yes", 1, None])
def test_graph_is_checked(numpy_backend, graph):
    with pytest.raises((TypeError, ValueError), match="graph must be"):
        minimize(
            Quadratic(np.eye(2), backend=numpy_backend),
            Nesterov(0.1),
            np.zeros(2),
            stop=after(3),
            graph=graph,
        )
