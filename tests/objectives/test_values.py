"""Objectives as values: pickled, copied, compared, printed; other processes; other numbers of threads."""

from __future__ import annotations

import copy
import multiprocessing
import operator
import pickle
from concurrent.futures import ProcessPoolExecutor
from fractions import Fraction

import numpy as np
import pytest

import xpnet
from xpnet import (
    L1,
    L2,
    PROBLEMS,
    BinaryCrossEntropy,
    CrossEntropy,
    Dense,
    Dropout,
    EmpiricalRisk,
    LeastSquares,
    Network,
    Offers,
    Quadratic,
    SquaredError,
    SumOfSquares,
    ThresholdUnit,
)

RANDOM = np.random.default_rng(0)
X, LABELS, TARGETS = RANDOM.standard_normal((30, 3)), RANDOM.integers(0, 2, 30), RANDOM.random((30, 2))
WEIGHTS = RANDOM.uniform(0.5, 2, 30)


def exponential(xp, w):
    return xp.exp(w) - 1.0


class Line(SumOfSquares):
    def residuals(self, w):
        return w - 1.0

    def jacobian(self, w):
        return np.broadcast_to(np.eye(w.shape[-1]), (*w.shape, w.shape[-1])).copy()


def risk(divergence, activation, targets, backend="numpy", **options):
    network = Network(3, Dense(4, "tanh"), Dense(2, activation))
    return EmpiricalRisk(network, divergence, X, targets, backend=backend, dtype="float64", **options)


def dropout(backend="numpy"):
    network = Network(3, Dense(4, "tanh"), Dropout(0.5), Dense(2, "softmax"))
    options = {"backend": backend, "dtype": "float64", "training": True}
    return EmpiricalRisk(network, CrossEntropy(), X, LABELS, **options).redraw(3)


MAKE = {
    "labels": lambda backend: risk(CrossEntropy(), "softmax", LABELS, backend, sample_weight=WEIGHTS),
    "squares": lambda backend: risk(
        SquaredError(), "identity", TARGETS, backend, penalty=[L2(0.1), L2(0.2, True)], chunk=7
    ),
    "binary": lambda backend: risk(BinaryCrossEntropy(), "sigmoid", TARGETS, backend, penalty=L1(0.1)),
    "streamed": lambda backend: risk(SquaredError(), "tanh", TARGETS, backend, resident=False, chunk=9),
    "subset": lambda backend: risk(SquaredError(), "tanh", TARGETS, backend).subset([1, 5, 7]),
    "dropout": dropout,
    "quadratic": lambda backend: Quadratic(np.eye(4) + 1.0, np.ones(4), 3.0, backend=backend),
    "quadratics": lambda backend: Quadratic(np.stack([np.eye(4)] * 2), backend=backend),
    "formula": lambda backend: LeastSquares(exponential, backend=backend),
    "problem": lambda backend: PROBLEMS[11].objective(backend),
    "threshold": lambda backend: ThresholdUnit(X, 2 * LABELS - 1, backend=backend),
}


def point(objective):
    if isinstance(objective, EmpiricalRisk):
        return objective.network.initialize(1, objective.backend, "float64")
    w = np.linspace(0.1, 0.4, 4)
    if isinstance(objective, Quadratic) and objective.A.ndim == 3:
        w = np.stack([w, 2 * w])
    return objective.backend.asarray(w)


def bits(objective):
    """Whatever can be asked, to the last bit."""
    w = point(objective)
    found = [objective.value(w), *objective.value_and_gradient(w)]
    if Offers.HESSIAN_PRODUCT in objective.offers:
        found.append(objective.hessian_product(w, w))
    if Offers.NORMAL_EQUATIONS in objective.offers:
        found += [objective.jacobian(w), *objective.normal_equations(w)]
    return [np.asarray(objective.backend.to_numpy(part)).tobytes() for part in found]


def pickled(objective):
    return pickle.loads(pickle.dumps(objective))


COPIES = {"pickle": pickled, "copy": copy.copy, "deepcopy": copy.deepcopy}


@pytest.mark.parametrize("way", COPIES)
@pytest.mark.parametrize("name", MAKE)
def test_copies_compute_the_same_bits(name, way, device):
    objective = MAKE[name](device)
    for own in (objective, *([objective.subset([2, 1])] if Offers.SUBSET in objective.offers else [])):
        other = COPIES[way](own)
        assert other is not own
        assert bits(other) == bits(own)
        assert other.offers == own.offers
        assert repr(other) == repr(own)
        assert bits(COPIES[way](other)) == bits(own)  # also one that has been used


@pytest.mark.parametrize("name", MAKE)
def test_they_are_themselves_and_say_what_they_are(name):
    objective = MAKE[name]("numpy")
    assert objective == objective
    assert objective != MAKE[name]("numpy")
    assert hash(objective) == hash(objective)
    text = repr(objective)
    assert 20 < len(text) < 400
    assert " at 0x" not in text
    assert text.startswith(type(objective).__name__)


def test_a_deep_network_is_told_in_short():
    network = Network(3, *[Dense(4, "tanh")] * 30)
    text = repr(EmpiricalRisk(network, SquaredError(), X, RANDOM.random((30, 4)), backend="numpy"))
    assert len(text) < 400
    assert "30 layers, 596 parameters" in text


def test_a_deep_copy_has_data_of_its_own():
    objective = Quadratic(np.eye(2), np.ones(2), backend="numpy")
    other = copy.deepcopy(objective)
    other.b[...] = 5.0
    assert objective.b[0] == 1.0


def test_settings_compare_by_value():
    for kind in (L1, L2):
        assert kind(0.5) == kind(Fraction(1, 2)) == pickled(kind(0.5)) == eval(repr(kind(0.5)))
        assert hash(kind(0.5)) == hash(kind(Fraction(1, 2)))
        assert kind(0.5) != kind(0.5, biases=True)
    for problem in PROBLEMS:
        assert pickled(problem) == copy.deepcopy(problem) == problem
        assert hash(pickled(problem)) == hash(problem)
        assert len(repr(problem)) < 400
        assert " at 0x" not in repr(problem)


def test_a_sum_of_squares_of_a_user_s():
    assert np.array_equal(pickled(Line()).value_and_gradient(np.zeros(2))[1], -np.ones(2))


@pytest.mark.parametrize("way", ["spawn", "fork"])
def test_other_processes_compute_the_same_bits(way):
    if way not in multiprocessing.get_all_start_methods():
        pytest.skip(f"no {way} here")
    context = multiprocessing.get_context(way)
    objectives = [MAKE[name]("numpy") for name in ("labels", "squares", "quadratic", "problem")]
    with ProcessPoolExecutor(2, context) as pool:
        asked = [
            pool.submit(operator.methodcaller("value_and_gradient", point(objective)), objective)
            for objective in objectives
        ]
        for objective, answer in zip(objectives, asked, strict=True):
            for got, want in zip(
                answer.result(timeout=60), objective.value_and_gradient(point(objective)), strict=True
            ):
                assert np.asarray(got).tobytes() == np.asarray(want).tobytes()


@pytest.mark.parametrize("kind", ["quadratic", "formula", "squares", "derived", "dense", "threshold"])
def test_bits_do_not_depend_on_blas_s_threads(kind):
    threadpoolctl = pytest.importorskip("threadpoolctl")
    size = 700
    random = np.random.default_rng(0)
    M, w = random.standard_normal((size, size)), random.standard_normal(size)

    class Own(SumOfSquares):
        def residuals(self, w):
            return M @ w

        def jacobian(self, w):
            return M.copy()

    def formula(xp, w):
        t = xpnet.backend("numpy").asarray(np.linspace(0, 1, size), "float64")
        return w[..., 0:1] * t + w[..., 1:2] * t * t + xp.sin(t * w[..., 2:3])

    def evaluate():
        if kind == "quadratic":
            objective = Quadratic(M, w, backend="numpy")
            return [objective.value(w), *objective.value_and_gradient(w), objective.hessian_product(w, w)]
        if kind == "formula":
            objective, own = LeastSquares(formula, backend="numpy"), w[:300].copy()
            return [*objective.normal_equations(own), objective.gauss_newton_product(own, own)]
        if kind == "squares":
            network = Network(20, Dense(30, "tanh"), Dense(3))
            X, targets = random_data
            objective = EmpiricalRisk(network, SquaredError(), X, targets, backend="numpy", dtype="float64")
            own = network.initialize(0, "numpy", "float64")
            return [*objective.value_and_gradient(own), *objective.normal_equations(own)]
        if kind == "derived":
            objective = Own()
            return [*objective.normal_equations(w), objective.gauss_newton_product(w, w)]
        if kind == "dense":
            objective = type("Plain", (Quadratic,), {})(M, backend="numpy")
            return [objective.hessian(w)]
        objective = ThresholdUnit(M, np.sign(w), backend="numpy")
        own = np.append(w, 1.0)
        return [objective.margins(own), *objective.value_and_gradient(own)]

    random_data = random.standard_normal((3000, 20)), random.standard_normal((3000, 3))
    results = []
    for threads in (1, 2, 3):
        with threadpoolctl.threadpool_limits(threads, user_api="blas"):
            results.append([np.asarray(part).tobytes() for part in evaluate()])
    assert results[0] == results[1] == results[2]
