"""Every public value: it survives pickle, copy and deepcopy, compares and hashes, wherever it goes."""

from __future__ import annotations

import copy
import dataclasses
import inspect
import multiprocessing
import os
import pickle

import numpy as np
import pytest
from oracles import NETWORK, Bowl, seeded_risk

import xpnet
from xpnet import (
    Saved,
    analysis,
    distributed,
    layers,
    linear,
    objectives,
    optimizers,
    schedules,
    training,
)
from xpnet.layers.activations import ACTIVATIONS
from xpnet.optimizers import NAMES
from xpnet.parameters import INITIALIZERS

A, B, C = xpnet.after(3), xpnet.value_below(0.1), xpnet.gradient_below(1e-3)
RATES = np.array([[0.1], [0.2]])


@xpnet.elementwise
def twice(xp, x):
    return 2.0 * x


@xpnet.samplewise
def total(xp, x):
    return xp.sum(x, axis=-2)


# a value of each public class that can be made, or several
VALUES = [
    *NAMES.values(),
    *ACTIVATIONS.values(),
    *INITIALIZERS.values(),
    *xpnet.PROBLEMS,
    *xpnet.Outcome,
    *xpnet.Offers,
    xpnet.Adam(RATES, weight_decay=0.1),
    xpnet.Minibatch(xpnet.Momentum(RATES, RATES)),
    xpnet.Projected(xpnet.Momentum(RATES), RATES),
    xpnet.Newton(blocks=[range(3), [3, 4]]),
    xpnet.NonlinearCG(search=xpnet.Backtracking()),
    xpnet.SteepestDescent(xpnet.Exact()),
    xpnet.SteepestDescent(xpnet.Fixed(0.1)),
    *(xpnet.StrongWolfe(), xpnet.Backtracking(), xpnet.Exact(), xpnet.Fixed(0.1)),
    xpnet.RMSprop(0.1, momentum=0.5, centred=True),
    xpnet.Momentum(0.1, dampening=0.5),
    schedules.Constant(0.1),
    schedules.Cyclic(0.1, 0.2, 9),
    schedules.Lambda(0.1, abs),
    schedules.MultiStep(0.1, (3, 9)),
    schedules.OneCycle(0.1, 9),
    schedules.Polynomial(0.1, 9),
    schedules.Step(0.1, 9),
    schedules.Cosine(0.1, 9),
    schedules.ExponentialDecay(0.1, 0.5),
    schedules.LinearDecay(0.1),
    schedules.QuadraticDecay(0.1),
    schedules.Plateau(0.1),
    schedules.Restarts(schedules.Cosine(0.1, 9), 9),
    schedules.WarmUp(RATES, 9),
    *(A, B, C, A | B, A & B, (A | B) & C, A | B & C),
    *(xpnet.change_below(0.1), xpnet.evaluations(9), xpnet.patience(2), xpnet.time_limit(3.0)),
    *(xpnet.L1(0.1), xpnet.L2(0.2, biases=True)),
    *(xpnet.BinaryCrossEntropy(), xpnet.CrossEntropy(from_logits=True), xpnet.SquaredError()),
    xpnet.KullbackLeibler(),
    xpnet.ThresholdSquaredError(0.1),
    *(xpnet.leaky_relu(0.2), xpnet.uniform(0.3), xpnet.backend("numpy")),
    *(xpnet.Dense(3, "tanh"), xpnet.Dropout(0.5), xpnet.LayerNorm(), NETWORK, NETWORK.layout),
    *(twice, total, optimizers.Ending("why"), *analysis.axes([1.0], 0.1)),
    distributed.ALONE,
    *(xpnet.CSVLog("run.csv"), xpnet.TensorBoard("runs", 2), xpnet.Checkpoint("run.npz", every=3)),
]
TOLD = []  # what callbacks have been told


@dataclasses.dataclass(frozen=True)
class Telling(xpnet.Callback):
    def start(self, begun):
        TOLD.append(begun)
        return xpnet.CSVLog(os.devnull).start(begun)


xpnet.minimize(Bowl(), "adam", np.ones(3), stop=xpnet.after(1), callback=[Telling(), TOLD.append])
BOWL = xpnet.Quadratic(np.eye(2), backend="numpy")
LINE, PLANE = analysis.coordinate_frame(np.ones(2), 0), analysis.coordinate_frame(np.ones(2), 0, 1)
# these are equal to nothing but themselves: what they hold is data
OBJECTS = [
    seeded_risk(),
    xpnet.Quadratic(np.eye(2), backend="numpy"),
    -xpnet.Quadratic(np.eye(2), backend="numpy"),
    xpnet.Scaled(xpnet.Quadratic(np.eye(2), backend="numpy"), [1.0, 2.0]),
    xpnet.ThresholdUnit(np.eye(2), [1, -1], backend="numpy"),
    xpnet.Formula(np.multiply, backend="numpy"),
    xpnet.LeastSquares(np.multiply, backend="numpy"),
    xpnet.minimize(Bowl(), xpnet.Momentum(RATES), np.ones((2, 3)), stop=A),
    xpnet.minimize(Bowl(), "lbfgs", np.ones(3), stop=A).history,
    next(iter(xpnet.iterate(Bowl(), "bfgs", np.ones(3)))),
    *TOLD,
    analysis.band(xpnet.minimize(Bowl(), "adam", np.ones(3), stop=A)),
    *(PLANE, analysis.line(BOWL, LINE), analysis.plane(BOWL, PLANE, points=3)),
    *(analysis.hessian_spectrum(BOWL, np.ones(2)), analysis.hessian_density(BOWL, np.ones(2))),
    analysis.critical_points(BOWL, np.ones(2)),
    analysis.decision_regions(xpnet.Network(2, xpnet.Dense(1)), np.ones(3), ((0, 1), (0, 1))),
    analysis.linear_network(np.eye(3), np.eye(3), 1),
    Saved(NETWORK, np.ones(3), None, None, None, None, {}, "numpy", "numba", "0.2.0"),
]
# errors, rows of numbers, and what others see to
NONE = {"Accumulate", "Look", "BackendError", "NonFiniteError", "StorageError", "TraceError"}


# what is typed in again with these names, arrays without their dtype
TYPED = {**vars(xpnet), **vars(analysis), **vars(schedules), **vars(optimizers), "array": np.array}
TYPED["communicator"] = distributed.communicator
DEEP = xpnet.Network(3, *[xpnet.Dense(20, "tanh", initializer=xpnet.uniform(0.3)) for _ in range(60)])
WIDE = np.linspace(0.1, 0.9, 900)[:, None]
FAR = Bowl(), np.ones((900, 3))
LONG = [
    *(DEEP, DEEP.layout, Saved(DEEP, FAR[1], None, None, None, None, {}, "numpy", "numpy", "0.2.0")),
    xpnet.EmpiricalRisk(DEEP, "squared_error", np.ones((2, 3)), np.ones((2, 20)), backend="numpy"),
    *(
        xpnet.Adam(WIDE),
        xpnet.Minibatch(xpnet.Momentum(WIDE, WIDE)),
        xpnet.SteepestDescent(xpnet.Fixed(WIDE)),
    ),
    *(schedules.WarmUp(WIDE, 9), schedules.MultiStep(0.1, range(1000))),
    xpnet.Problem("many", np.multiply, (0.1,) * 999, (0.2,) * 999),
    xpnet.Quadratic(np.eye(300), backend="numpy"),
    xpnet.minimize(*[FAR[0], xpnet.Momentum(WIDE), FAR[1]], stop=A),
    xpnet.minimize(*[FAR[0], xpnet.Momentum(WIDE), FAR[1]], stop=A).history,
    next(iter(xpnet.iterate(FAR[0], xpnet.Momentum(WIDE), FAR[1].copy()))),
    linear.conjugate_gradient(lambda v: 2 * v, FAR[1]),
    linear.extreme_eigenvalues(lambda v: 2 * v, np.ones(300)),
]


@pytest.mark.parametrize("value", [*VALUES, *OBJECTS, *LONG], ids=lambda value: type(value).__name__)
def test_a_repr_is_short(value):
    text = repr(value)
    assert len(text) < 400
    assert "\n" not in text
    assert " object at 0x" not in text or isinstance(value, xpnet.Begun)  # of a user's own objective


@pytest.mark.parametrize("value", VALUES, ids=repr)
def test_a_repr_can_be_typed_in_again(value):
    if isinstance(value, xpnet.Problem | xpnet.Elementwise | xpnet.Samplewise):
        pytest.skip("it names a function")
    if isinstance(value, xpnet.Activation):
        value = xpnet.Dense(3, value)
    if isinstance(value, xpnet.Initializer):
        value = xpnet.Dense(3, initializer=value)
    again = eval(repr(value).replace("<built-in function abs>", "abs"), dict(TYPED))
    assert again == value
    assert type(again) is type(value)


def copies(value):
    yield copy.copy(value)
    yield copy.deepcopy(value)
    yield pickle.loads(pickle.dumps(value))


@pytest.mark.parametrize("value", VALUES, ids=repr)
def test_a_value_is_equal_to_its_copies(value):
    for same in copies(value):
        assert same == value
        assert hash(same) == hash(value)
        assert repr(same) == repr(value)
        assert same != "another"


def test_different_values_differ():
    assert len({*VALUES}) == len(VALUES)
    for number, value in enumerate(VALUES):
        assert value not in VALUES[:number]


@pytest.mark.parametrize("value", OBJECTS, ids=lambda value: type(value).__name__)
def test_an_object_can_be_kept(value):
    assert len(repr(value)) < 400
    assert value == value
    assert {value: 1}[value] == 1
    for other in copies(value):
        assert type(other) is type(value)
        assert other != value


def public_classes():
    for module in (xpnet, analysis, layers, objectives, optimizers, schedules, training):
        for name in module.__all__:
            value = getattr(module, name)
            if inspect.isclass(value) and value.__module__.startswith("xpnet"):
                yield value


@pytest.mark.parametrize("kind", [*dict.fromkeys(public_classes())], ids=lambda kind: kind.__name__)
def test_there_is_a_value_of_each_public_class(kind):
    """So that a new one is looked at here."""
    if not inspect.isabstract(kind) and kind.__name__ not in NONE:
        assert any(isinstance(value, kind) for value in [*VALUES, *OBJECTS])
    for same in copies(kind):
        assert same is kind


@pytest.mark.parametrize("name", xpnet.__all__)
def test_a_public_name_is_found_again(name):
    value = getattr(xpnet, name)
    if not inspect.ismodule(value):
        assert pickle.loads(pickle.dumps(value)) == value


@pytest.mark.parametrize("way", ["loky", "threading", "multiprocessing"])
def test_joblib_trains(way):
    joblib = pytest.importorskip("joblib", reason="joblib is not installed")
    objective = seeded_risk()
    starts = [NETWORK.initialize(seed, "numpy", "float64") for seed in range(2)]
    stop = xpnet.after(4) | xpnet.value_below(1e-9)
    want = [xpnet.minimize(objective, "lbfgs", w, stop=stop) for w in starts]
    work = joblib.delayed(xpnet.minimize)
    runs = joblib.Parallel(2, backend=way)(work(objective, "lbfgs", w, stop=stop) for w in starts)
    for run, one in zip(runs, want, strict=True):
        assert run.outcome is one.outcome
        for name in ("w", "best_w"):
            np.testing.assert_array_equal(getattr(run, name), getattr(one, name))
        np.testing.assert_array_equal(run.history.value, one.history.value)


def test_a_process_that_is_started_anew_trains():
    """As all are on Windows and macOS."""
    start = xpnet.uniform(0.3).draw(np.random.default_rng(0), (NETWORK.size,))
    given = (seeded_risk(), xpnet.Minibatch("adam", 16), start)
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        run = pool.apply(xpnet.minimize, given, {"stop": xpnet.after(4)})
    np.testing.assert_array_equal(run.w, xpnet.minimize(*given, stop=xpnet.after(4)).w)


def test_an_error_takes_its_run_along():
    with pytest.raises(ValueError, match="must be") as caught:
        xpnet.minimize(Bowl(), xpnet.GradientDescent(lambda k: 0.1 if k < 4 else float("nan")), np.ones(3))
    again = pickle.loads(pickle.dumps(caught.value))
    assert str(again) == str(caught.value)
    assert again.run.value == caught.value.run.value
    assert again.run.steps == 4


def test_what_is_looked_up_where_it_is_asked_for():
    assert xpnet.__version__.split(".")[0].isdigit()
    assert xpnet.export.to_c.__module__ == "xpnet.export.c"
    with pytest.raises(AttributeError, match="module 'xpnet' has no attribute 'nothing'"):
        xpnet.nothing  # noqa: B018
