"""A risk whose samples several processes hold: values, derivatives and runs of one process that has all."""

import functools

import numpy as np
import pytest
from ranks import succeeded, together

import xpnet
from xpnet import (
    L1,
    L2,
    BinaryCrossEntropy,
    CrossEntropy,
    Dense,
    Dropout,
    EmpiricalRisk,
    Minibatch,
    Network,
    SquaredError,
    after,
    minimize,
)
from xpnet.distributed import ALONE, RankError

RANDOM = np.random.default_rng(0)
SAMPLES = 1000
X = RANDOM.standard_normal((SAMPLES, 4))
LABELS = RANDOM.integers(0, 3, SAMPLES)
TARGETS = np.stack([np.sin(X[:, 0]), X[:, 1] * X[:, 2]], axis=1)
WEIGHTS = RANDOM.uniform(0.1, 2.0, SAMPLES)

CLASSES = Network(4, Dense(6, "tanh"), Dense(3, "softmax"))
NETWORKS = {
    "classes": (CLASSES, CrossEntropy(), LABELS, {}),
    "weighted": (
        CLASSES,
        CrossEntropy(),
        LABELS,
        {"sample_weight": WEIGHTS, "penalty": [L1(0.01), L2(0.1)]},
    ),
    "squares": (Network(4, Dense(5, "tanh"), Dense(2)), SquaredError(), TARGETS, {"penalty": L2(0.1)}),
    "one output": (
        Network(4, Dense(5, "relu"), Dense(1, "sigmoid")),
        BinaryCrossEntropy(),
        (LABELS > 0).astype(float),
        {},
    ),
    "streamed": (CLASSES, CrossEntropy(), LABELS, {"resident": False}),
    "dropout": (
        Network(4, Dense(6, "tanh"), Dropout(0.3), Dense(3, "softmax")),
        CrossEntropy(),
        LABELS,
        {"training": True},
    ),
}


def made(kind, communicator=ALONE, **more):
    network, divergence, targets, options = NETWORKS[kind]
    given = {"backend": "numpy", "dtype": "float64", "chunk": 60} | options | more
    return EmpiricalRisk(network, divergence, X, targets, communicator=communicator, **given)


def point(risk, *lead):
    random = np.random.default_rng(1)
    return random.standard_normal((*lead, risk.network.size)).astype(xpnet.checks.dtype_name(risk.dtype))


def everything(risk, *lead):
    """All that a risk computes: of a value and of a gradient three times, as the second is recorded."""
    w = point(risk, *lead)
    found = []
    for _ in range(3):
        found += [risk.value(w), *risk.value_and_gradient(w)]
    v = np.stack([w, 2 - w])
    found += [risk.hessian_product(w, v), risk.gauss_newton_product(w, w)]
    if isinstance(risk.divergence, SquaredError):
        found += [*risk.normal_equations(w), risk.residuals(w), risk.jacobian(w)]
    return [np.asarray(array) for array in found]


def same_bits(left, right):
    return len(left) == len(right) and all(
        a.shape == b.shape and a.dtype == b.dtype and a.tobytes() == b.tobytes()
        for a, b in zip(left, right, strict=True)
    )


@pytest.mark.parametrize("lead", [(), (3,)], ids=["one", "replicas"])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("kind", NETWORKS)
@pytest.mark.parametrize("size", [2, 4])
def test_bits_are_those_of_one_process(kind, size, dtype, lead):
    expected = everything(made(kind, dtype=dtype), *lead)
    for found in succeeded(size, lambda shared: everything(made(kind, shared, dtype=dtype), *lead)):
        assert same_bits(found, expected)


REPLICAS = 3
OWN_X = RANDOM.standard_normal((REPLICAS, SAMPLES, 4))
OWN_LABELS = RANDOM.integers(0, 3, (REPLICAS, SAMPLES))
OWN_TARGETS = np.where(RANDOM.random((REPLICAS, SAMPLES)) < 0.5, -1.0, 1.0)
OWN_WEIGHTS = RANDOM.uniform(0.0, 2.0, (REPLICAS, SAMPLES))
LINE = Network(4, Dense(5, "tanh"), Dense(1))
OWN = {  # what replicas have of their own, and what there is beside it
    "all": (CLASSES, CrossEntropy(), OWN_X, OWN_LABELS, {"sample_weight": OWN_WEIGHTS}),
    "samples": (CLASSES, CrossEntropy(), OWN_X, OWN_LABELS, {"sample_weight": WEIGHTS, "penalty": L2(0.1)}),
    "targets": (LINE, SquaredError(), X, OWN_TARGETS[..., None], {}),
    "weights": (CLASSES, CrossEntropy(), X, LABELS, {"sample_weight": OWN_WEIGHTS}),
    "squares": (LINE, SquaredError(), OWN_X, OWN_TARGETS, {"penalty": L2(0.1)}),
}


def owned(kind, communicator=ALONE, **more):
    network, divergence, inputs, targets, options = OWN[kind]
    given = {"backend": "numpy", "dtype": "float64", "chunk": 60} | options | more
    return EmpiricalRisk(network, divergence, inputs, targets, communicator=communicator, **given)


def distance(xp, outputs, targets):
    return xp.sum(xp.abs(outputs - targets), axis=-2)


def means(risk, *lead):
    w = point(risk, *lead)
    return [np.asarray(array) for array in (risk.error_rate(w), risk.mean(distance, w))]


@pytest.mark.parametrize("kind", OWN)
@pytest.mark.parametrize("size", [2, 4])
def test_own_samples_of_replicas_are_cut_too(kind, size):
    def work(shared):
        risk = owned(kind, shared)
        some = risk.select_replicas([2, 0])
        return everything(risk, REPLICAS) + everything(some, 2) + means(risk, REPLICAS) + means(some, 2)

    expected = work(ALONE)
    for found in succeeded(size, work):
        assert same_bits(found, expected)


def test_own_samples_that_are_read_in_parts_are_cut_too():
    network, divergence, inputs, labels, options = OWN["samples"]

    def work(shared):
        given = {"backend": "numpy", "dtype": "float64", "chunk": 60, "communicator": shared} | options
        risk = EmpiricalRisk(network, divergence, Source(inputs), Source(labels), **given)
        return everything(risk, REPLICAS)

    expected = everything(owned("samples"), REPLICAS)
    for found in succeeded(2, work):
        assert same_bits(found, expected)


@pytest.mark.parametrize("kind", OWN)
def test_a_batch_of_own_samples_is_that_of_one_process(kind):
    def work(shared):
        part = owned(kind, shared).subset(np.array([1, 3, 400, 500, 999]))
        return everything(part, REPLICAS) + means(part, REPLICAS)

    expected = work(ALONE)
    for found in succeeded(3, work):
        for left, right in zip(found, expected, strict=True):
            np.testing.assert_allclose(left, right, rtol=1e-10, atol=1e-12)


def test_own_samples_of_replicas_may_be_handed_over():
    network, divergence, inputs, labels, options = OWN["all"]
    ends = [0, 300, 301, SAMPLES]

    def work(shared):
        own = slice(ends[shared.rank], ends[shared.rank + 1])
        given = {"backend": "numpy", "dtype": "float64", "chunk": 60, "communicator": shared, "local": True}
        given["sample_weight"] = options["sample_weight"][:, own]
        risk = EmpiricalRisk(network, divergence, inputs[:, own], labels[:, own], **given)
        return everything(risk, REPLICAS) + means(risk, REPLICAS)

    risk = owned("all")
    expected = everything(risk, REPLICAS) + means(risk, REPLICAS)
    for found in succeeded(3, work):
        for left, right in zip(found, expected, strict=True):
            np.testing.assert_allclose(left, right, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("what", ["replicas", "weights", "number"])
def test_what_is_handed_over_must_fit_together(what):
    def work(shared):
        odd = shared.rank == 1
        inputs = OWN_X[:2] if odd and what == "replicas" else OWN_X
        weights = None if what == "replicas" or (odd and what == "weights") else OWN_WEIGHTS
        weights = weights[:, 1:] if odd and what == "number" else weights
        labels = OWN_LABELS[: len(inputs)]
        given = {"backend": "numpy", "sample_weight": weights, "communicator": shared, "local": True}
        return EmpiricalRisk(CLASSES, CrossEntropy(), inputs, labels, **given)

    wanted = {
        "replicas": r"of as many replicas in all, got \[3, 2\]",
        "weights": r"or None in all, got shapes \[\(3, 1000\), None\]",
        "number": r"sample_weight must be \(1000,\) or \(R, 1000\)",
    }
    for error in together(2, work):
        with pytest.raises((ValueError, RankError), match=wanted[what]):
            raise error


@pytest.mark.parametrize("lead", [(), (3,)], ids=["one", "replicas"])
@pytest.mark.parametrize("kind", [kind for kind in NETWORKS if kind != "squares"])
@pytest.mark.parametrize("size", [2, 4])
def test_means_are_over_the_samples_of_all(kind, size, lead):
    expected = means(made(kind), *lead)
    for found in succeeded(size, lambda shared: means(made(kind, shared), *lead)):
        assert same_bits(found, expected)


def test_two_values_are_sought_in_all_processes():
    """The first half of the targets has one, the second the other; then there is a third in one process."""
    halves = np.where(np.arange(SAMPLES) < SAMPLES // 2, -1.0, 3.0)

    def work(shared, targets):
        given = {"backend": "numpy", "dtype": "float64", "communicator": shared}
        risk = EmpiricalRisk(LINE, SquaredError(), X, targets, **given)
        return float(risk.error_rate(point(risk)))

    expected = work(ALONE, halves)
    assert 0.0 < expected < 1.0
    np.testing.assert_allclose(succeeded(2, lambda shared: work(shared, halves)), expected, rtol=1e-12)
    halves[-1] = 0.5
    for error in together(2, lambda shared: work(shared, halves)):
        assert isinstance(error, ValueError)
        assert "numbers from -1 to 3" in str(error)
        assert error.in_all_processes


@pytest.mark.parametrize("resident", [True, False])
def test_a_process_may_hold_no_sample(resident):
    def work(shared):
        given = {"backend": "numpy", "dtype": "float64", "communicator": shared, "resident": resident}
        risk = EmpiricalRisk(CLASSES, CrossEntropy(), X[:1], LABELS[:1], **given)
        return everything(risk) + means(risk)

    expected = work(ALONE)
    for found in succeeded(3, work):
        assert same_bits(found, expected)


def test_a_grid_has_the_values_of_one_process():
    w = point(made("classes"), 7, 5)
    expected = made("classes").value(w)
    for found in succeeded(2, lambda shared: made("classes", shared).value(w)):
        assert same_bits([found], [expected])


@pytest.mark.parametrize("kind", ["classes", "samples"])
def test_metrics_are_those_of_one_process(kind):
    """With replicas that end at different steps, and a run that goes on."""

    def work(shared):
        many = kind in OWN
        risk = owned(kind, shared) if many else made(kind, shared)
        metrics = {"error_rate": "error_rate", "distance": lambda risk, w: risk.mean(distance, w)}
        options = {"metrics": metrics, "held_out": risk, "held_out_every": 2}
        ends = np.array([3, 2, 50])

        def callback(step):
            return (step.step >= ends) & True if many else None

        first = minimize(
            risk, "lbfgs", risk.initialize(seed=0), stop=after(4), callback=callback, **options
        )
        run = minimize(risk, "lbfgs", resume=first, stop=after(8), **options)
        return [run.w, run.history.value, *map(np.asarray, run.history.metrics.values())]

    expected = work(ALONE)
    assert len(expected) == 6
    for found in succeeded(2, work):
        assert same_bits(found, expected)


def test_a_metric_of_the_samples_of_one_process_is_refused():
    def work(shared):
        risk = made("classes", shared)
        return minimize(
            risk, "rprop", point(risk), stop=after(3), metrics={"x": lambda own, w: own.X[0, 0]}
        )

    for error in together(2, work):
        assert isinstance(error, ValueError)
        assert "metric 'x' must be the same in all processes" in str(error)
        assert error.run is not None


def test_a_change_of_variables_keeps_the_processes():
    def work(shared):
        risk = made("classes", shared)
        scaled = xpnet.Scaled(risk, np.linspace(1.0, 2.0, risk.network.size))
        assert scaled.communicator is (-scaled).communicator is shared
        stop = [lambda step: shared.rank == 1 and step.step == 3]
        return minimize(scaled, "rprop", point(risk) + shared.rank, stop=after(9), callback=stop).w

    first, second = succeeded(2, work)
    assert same_bits([first], [second])


@pytest.mark.parametrize("size", [8, 16])
def test_sixteen_groups_are_dealt_out_evenly(size):
    expected = everything(made("weighted"))
    for found in succeeded(size, lambda shared: everything(made("weighted", shared))):
        assert same_bits(found, expected)


@pytest.mark.parametrize("kind", NETWORKS)
@pytest.mark.parametrize("size", [3, 5])
def test_any_number_of_processes_has_the_numbers_of_one(kind, size):
    expected = everything(made(kind))
    found = succeeded(size, lambda shared: everything(made(kind, shared)))
    for own in found:
        assert same_bits(own, found[0])
        for left, right in zip(own, expected, strict=True):
            np.testing.assert_allclose(left, right, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("size", [2, 3, 4])
@pytest.mark.parametrize("chunk", [30, 400, 1000])
def test_every_sample_is_held_once(size, chunk):
    risks = succeeded(size, lambda shared: made("classes", shared, chunk=chunk))
    assert risks[0].data.share.first == 0
    held = np.concatenate([risk.X for risk in risks])
    np.testing.assert_array_equal(held, X)
    assert all(risk.samples == SAMPLES for risk in risks)
    largest = max(risk.data.samples for risk in risks)
    assert largest <= -(-SAMPLES // size) + (chunk if chunk < SAMPLES / size else 0)


@pytest.mark.parametrize("kind", ["classes", "weighted", "squares", "dropout"])
def test_own_samples_may_be_handed_over(kind):
    network, divergence, targets, options = NETWORKS[kind]
    ends = [0, 300, 301, SAMPLES]

    def work(shared):
        own = slice(ends[shared.rank], ends[shared.rank + 1])
        more = {name: value[own] if name == "sample_weight" else value for name, value in options.items()}
        risk = EmpiricalRisk(
            network,
            divergence,
            X[own],
            targets[own],
            backend="numpy",
            dtype="float64",
            communicator=shared,
            local=True,
            **more,
        )
        return everything(risk)

    expected = everything(made(kind))
    for found in succeeded(3, work):
        for left, right in zip(found, expected, strict=True):
            np.testing.assert_allclose(left, right, rtol=1e-10, atol=1e-12)


class Source:
    """What is read in parts, and notes which."""

    def __init__(self, values):
        self.values, self.shape, self.dtype, self.read = values, values.shape, values.dtype, []

    def __getitem__(self, part):
        self.read.append(part)
        return self.values[part]


@pytest.mark.parametrize("resident", [True, False])
def test_only_the_own_rows_are_read(resident):
    def work(shared):
        source = Source(X)
        risk = EmpiricalRisk(
            CLASSES,
            CrossEntropy(),
            source,
            LABELS,
            backend="numpy",
            dtype="float64",
            chunk=60,
            resident=resident,
            communicator=shared,
        )
        value, gradient = risk.value_and_gradient(point(risk))
        share = risk.data.share
        assert min(part.start for part in source.read) == share.first
        assert max(part.stop for part in source.read) == share.first + share.samples
        return [np.asarray(value), gradient]

    risk = made("classes")
    expected = [np.asarray(array) for array in risk.value_and_gradient(point(risk))]
    for found in succeeded(4, work):
        assert same_bits(found, expected)


def test_a_memory_map_is_read_by_shares(tmp_path):
    path = tmp_path / "X.npy"
    np.save(path, X)
    expected = everything(made("classes"))

    def work(shared):
        mapped = np.load(path, mmap_mode="r")
        risk = EmpiricalRisk(
            CLASSES,
            CrossEntropy(),
            mapped,
            LABELS,
            backend="numpy",
            dtype="float64",
            chunk=60,
            communicator=shared,
        )
        assert risk.data.streamed
        return everything(risk)

    for found in succeeded(2, work):
        assert same_bits(found, expected)


@pytest.mark.parametrize("kind", ["classes", "weighted", "dropout", "streamed", "squares"])
@pytest.mark.parametrize("numbers", [[3], [999, 0, 500, 501], list(range(200)), list(range(999, 0, -7))])
def test_a_subset_is_that_of_one_process(kind, numbers):
    numbers = np.asarray(numbers)
    chosen = np.arange(len(numbers))[::2]
    alone = made(kind).subset(numbers)

    def work(shared):
        part = made(kind, shared).subset(numbers)
        w = point(part)
        found = [*part.value_and_gradient(w), part.value(w), part.hessian_product(w, w)]
        found += [*part.value_and_gradient(w), *part.subset(chosen).value_and_gradient(w)]
        if kind == "squares":
            found += part.normal_equations(w)
        return found

    for found in succeeded(3, work):
        for left, right in zip(found, work(ALONE), strict=True):
            np.testing.assert_allclose(left, right, rtol=1e-10, atol=1e-12)
    assert alone.samples == len(numbers)


@pytest.mark.parametrize("optimizer", ["rprop", "lbfgs", "newton-cg", "levenberg-marquardt", "adam"])
@pytest.mark.parametrize("size", [2, 4])
def test_runs_are_those_of_one_process(optimizer, size):
    def work(shared):
        risk = made("squares", shared)
        held_out = made("squares", shared, penalty=None)
        run = minimize(risk, optimizer, point(risk), stop=after(6), held_out=held_out, held_out_every=2)
        return [run.w, run.history.value, run.history.gradient_norm, run.history.held_out, run.best_w]

    expected = work(ALONE)
    for found in succeeded(size, work):
        assert same_bits(found, expected)


def test_minibatches_are_those_of_one_process():
    def work(shared):
        risk = made("dropout", shared)
        return minimize(risk, Minibatch("adam", size=64), point(risk), stop=after(20)).w

    found = succeeded(3, work)
    np.testing.assert_allclose(found, np.stack([work(ALONE)] * 3), rtol=1e-9, atol=1e-12)


def test_an_evaluation_is_one_buffer_and_no_more():
    """Bytes that leave a rank on either way, and how many exchanges there are."""
    network = Network(4, Dense(2000, "tanh"), Dense(3, "softmax"))
    for dtype, item in (("float32", 4), ("float64", 8)):
        for size in (2, 4):

            def work(shared, dtype=dtype):
                risk = EmpiricalRisk(
                    network, CrossEntropy(), X, LABELS, backend="numpy", dtype=dtype, communicator=shared
                )
                w = point(risk)
                log = shared.engine.log
                log.clear()
                risk.value_and_gradient(w)
                both, one = [*log], len(log)
                risk.value(w)
                return both, log[one:]

            for both, value in succeeded(size, work):
                assert [kind for kind, _ in both] == ["exchange", "collect"]
                up, down = (count for _, count in both)
                whole = item * network.size + 8 + 24
                assert up <= whole * (size - 1) / size + 512
                assert up <= 8 * (network.size + 1)
                assert down <= whole / size + 512  # of which each of the others gets one
                assert value == [("collect", 32)]


class Odd(xpnet.Layer):
    """Hands its inputs on, until `rank` has it fail, or give what is not finite."""

    def __init__(self):
        self.fails = self.overflows = False

    def shapes(self, inputs):
        return {}

    def initialize(self, random, inputs):
        return {}

    def forward(self, xp, parameters, inputs):
        if self.fails:
            raise LookupError("lost it")
        return inputs * (np.inf if self.overflows else 1.0), None

    def backward(self, xp, parameters, cache, gradient, accumulate, *, input_gradient=True):
        return 1.0 * gradient


def odd(shared, rank, kind):
    layer = Odd()
    network = Network(4, Dense(6, "tanh"), layer, Dense(3, "softmax"))
    risk = EmpiricalRisk(
        network, CrossEntropy(), X, LABELS, backend="numpy", dtype="float64", communicator=shared
    )
    return risk, lambda step: setattr(layer, kind, shared.rank == rank and step.step == 3)


@pytest.mark.parametrize("optimizer", ["rprop", "lbfgs", "newton-cg"])
def test_a_layer_that_fails_in_one_process_fails_in_all(optimizer):
    def work(shared):
        risk, callback = odd(shared, 1, "fails")
        return minimize(risk, optimizer, point(risk), callback=callback)

    errors = together(3, work)
    assert [type(error) for error in errors] == [RankError, LookupError, RankError]
    assert str(errors[0]) == "rank 1 of 3: LookupError: lost it"
    assert len({(error.run.steps, error.run.reason[:9]) for error in errors}) <= 2
    assert len({error.run.w.tobytes() for error in errors}) == 1


@pytest.mark.parametrize("optimizer", ["rprop", "lbfgs", "newton-cg"])
def test_what_is_not_finite_in_one_process_ends_the_run_of_all(optimizer):
    def work(shared):
        risk, callback = odd(shared, 1, "overflows")
        return minimize(risk, optimizer, point(risk), stop=after(9), callback=callback)

    runs = succeeded(3, work)
    assert len({(run.outcome, run.reason, run.steps, run.w.tobytes()) for run in runs}) == 1
    assert np.isfinite(runs[0].w).all()


def test_errors_of_the_data_are_those_of_all():
    def work(shared):
        inputs = X.copy()
        inputs[900, 1] = np.nan
        return EmpiricalRisk(CLASSES, CrossEntropy(), inputs, LABELS, backend="numpy", communicator=shared)

    *others, last = together(3, work)
    assert isinstance(last, ValueError)
    for error in others:
        assert isinstance(error, RankError)
        assert str(error) == f"rank 2 of 3: ValueError: {last}"


def test_a_callback_that_fails_carries_the_run_everywhere():
    def callback(shared, step):
        if shared.rank == 1 and step.step == 2:
            raise LookupError("lost it")

    def work(shared):
        risk = made("classes", shared)
        return minimize(risk, "rprop", point(risk), callback=functools.partial(callback, shared))

    first, second = together(2, work)
    assert isinstance(second, LookupError)
    assert str(first) == "rank 1 of 2: LookupError: lost it"
    assert first.run.steps == second.run.steps == 3
    assert first.run.value == second.run.value


def test_a_callback_of_one_process_stops_all():
    def work(shared):
        risk = made("classes", shared)
        return minimize(
            risk, "rprop", point(risk), callback=lambda step: shared.rank == 1 and step.step == 4
        )

    runs = succeeded(2, work)
    assert [run.outcome.name for run in runs] == ["STOPPED"] * 2
    assert [run.steps for run in runs] == [5, 5]


def noted(shared, step):
    shared.interrupts.noted = shared.rank == 1 and step.step == 4


def raised(shared, step):
    if shared.rank == 1 and step.step == 4:
        raise KeyboardInterrupt


@pytest.mark.parametrize("callback", [noted, raised])
def test_an_interrupt_of_one_process_is_one_of_all(callback):
    def work(shared):
        risk = made("classes", shared)
        return minimize(risk, "rprop", point(risk), callback=functools.partial(callback, shared))

    runs = succeeded(3, work)
    assert [run.outcome.name for run in runs] == ["INTERRUPTED"] * 3
    assert len({(run.steps, run.value) for run in runs}) == 1


def test_time_is_that_of_the_first_process():
    def work(shared):
        risk = made("classes", shared)
        return minimize(risk, "rprop", point(risk), stop=xpnet.time_limit(0.2))

    runs = succeeded(3, work)
    assert len({run.steps for run in runs}) == 1
    assert len({tuple(run.history.seconds) for run in runs}) == 1
    assert runs[0].outcome.name == "BUDGET_SPENT"


def test_the_point_is_that_of_the_first_process():
    def work(shared):
        risk = made("classes", shared)
        w = point(risk) + shared.rank
        run = minimize(risk, "rprop", w, stop=after(3), in_place=True)
        return [run.w, w]

    found = succeeded(2, work)
    assert same_bits(found[0], found[1])


def test_one_process_writes_and_another_number_goes_on(tmp_path):
    path = tmp_path / "run.npz"
    rows = tmp_path / "run.csv"

    def work(shared):
        risk = made("classes", shared)
        writers = [xpnet.Checkpoint(path, every=5), xpnet.CSVLog(rows)]
        minimize(risk, "lbfgs", point(risk), stop=after(10), callback=writers)

    def resumed(shared):
        return minimize(made("classes", shared), "lbfgs", resume=path, stop=after(20)).w

    succeeded(4, work)
    assert len(rows.read_text().splitlines()) == 11
    risk = made("classes")
    expected = minimize(risk, "lbfgs", point(risk), stop=after(20)).w
    for found in [*succeeded(2, resumed), resumed(ALONE)]:
        np.testing.assert_array_equal(found, expected)


HANDED = {  # X, targets and weights, of which one is of each replica
    "X": (np.stack([X, X[::-1], 0.5 * X]), np.stack([TARGETS] * 3), None),
    "targets": (X, np.stack([TARGETS, -TARGETS, 2 * TARGETS]), WEIGHTS),
    "weights": (X, TARGETS, np.stack([WEIGHTS, WEIGHTS[::-1], 1 + WEIGHTS])),
}


@pytest.mark.parametrize("kind", HANDED)
@pytest.mark.parametrize("local", [False, True])
def test_replicas_may_have_samples_of_their_own(kind, local):
    inputs, targets, weights = HANDED[kind]
    network = Network(4, Dense(5, "tanh"), Dense(2))

    def work(shared):
        part, given = slice(250 * shared.rank, 250 * (shared.rank + 1)), [inputs, targets, weights]
        if local and shared.size > 1:
            given[0] = inputs[..., part, :]
            given[1] = targets[..., part, :]
            given[2] = None if weights is None else weights[..., part]
        options = {"backend": "numpy", "dtype": "float64", "chunk": 60, "penalty": L2(0.1)}
        risk = EmpiricalRisk(
            network,
            SquaredError(),
            given[0],
            given[1],
            sample_weight=given[2],
            communicator=shared,
            local=local,
            **options,
        )
        assert risk.replicas == 3
        w = point(risk, 3)
        chosen = np.arange(0, SAMPLES, 7)
        found = [*everything(risk, 3), risk.error_rate(w), risk.subset(chosen).value(w)]
        found += [risk.select_replicas([0, 2]).value_and_gradient(w[[0, 2]])[1]]
        run = minimize(risk, "rprop", w, stop=after(4), metrics="error_rate")
        return [np.asarray(array) for array in (*found, run.w, run.history.metrics["error_rate"])]

    expected = work(ALONE)
    for found in succeeded(4, work):
        for left, right in zip(found, expected, strict=True):
            np.testing.assert_allclose(left, right, rtol=1e-9, atol=1e-11)
        if not local:
            assert same_bits(found[:6], expected[:6])


def test_error_rates_and_means_are_those_of_one_process():
    def work(shared):
        found = []
        for kind in ("classes", "weighted", "one output", "streamed"):
            risk = made(kind, shared)
            w = point(risk)
            found += [risk.error_rate(w), risk.mean(lambda xp, y, t: xp.sum((y - t) ** 2, axis=-2), w)]
        two = EmpiricalRisk(
            Network(4, Dense(5, "tanh"), Dense(1)),
            SquaredError(),
            X,
            np.where(np.arange(SAMPLES) < 999, -1.0, 3.0),  # only one process has the second
            backend="numpy",
            dtype="float64",
            communicator=shared,
        )
        return [*found, two.error_rate(point(two))]

    for found in succeeded(3, work):
        np.testing.assert_allclose(found, work(ALONE), rtol=1e-12)


@pytest.mark.parametrize(
    "wrap", [lambda risk: -risk, lambda risk: xpnet.Scaled(risk, np.full(risk.network.size, 2.0))]
)
def test_what_is_made_of_a_shared_risk_is_shared(wrap):
    def work(shared):
        assert wrap(made("classes", shared)).communicator is shared

    succeeded(2, work)
