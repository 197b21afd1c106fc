"""Evaluations of a risk that are recorded: the same bits as the passes', and when they are not recorded."""

from __future__ import annotations

import copy
import gc
import logging
import pickle
import threading
import weakref
from dataclasses import dataclass

import numpy as np
import pytest
from conftest import assert_array_equal, read_only

import xpnet
from xpnet import (
    L1,
    L2,
    BinaryCrossEntropy,
    CrossEntropy,
    Dense,
    Divergence,
    Dropout,
    EmpiricalRisk,
    KullbackLeibler,
    Layer,
    LayerNorm,
    Network,
    SquaredError,
)
from xpnet.device.select import has_numba
from xpnet.layers import activations
from xpnet.objectives.risk import chunks as chunks_module
from xpnet.objectives.risk import recorded as recorded_module
from xpnet.objectives.risk.passes import Passes
from xpnet.objectives.risk.recorded import Replays
from xpnet.recording import Recording, Replay

needs_numba = pytest.mark.skipif(not has_numba(), reason="needs Numba")
KERNELS = ["numpy", pytest.param("numba", marks=needs_numba)]
SAMPLES = 53


class Never(Replays):
    """Lets nothing be recorded."""

    def evaluate(self, *_):
        return None


@pytest.fixture(autouse=True)
def _log_again():
    recorded_module._say.cache_clear()


def data(outputs, labels, samples=SAMPLES):
    random = np.random.default_rng(0)
    X = random.standard_normal((samples, 4))
    if labels:
        return read_only(X, random.integers(0, outputs, samples))
    targets = random.random((samples, outputs))
    return read_only(X, targets / targets.sum(axis=1, keepdims=True))


def make(layers, divergence, *, labels=False, kernels="numpy", samples=SAMPLES, plain=False, **options):
    network = Network(4, *layers)
    X, targets = data(network.outputs, labels, samples)
    backend = xpnet.backend("numpy", kernels=kernels)
    risk = EmpiricalRisk(
        network, divergence, X, targets, **{"backend": backend, "dtype": "float64", **options}
    )
    if plain:
        risk._replays = Never()
    return risk


def points(risk, count, replicas=None, seed=0):
    w = risk.network.initialize(seed, "numpy", xpnet.checks.dtype_name(risk.dtype), replicas)
    return read_only(*[np.asarray(w * (1 + 0.1 * k), w.dtype) for k in range(count)])


def evaluate(risk, kind, w):
    return (risk.value(w),) if kind == "value" else risk.value_and_gradient(w)


def replay_of(risk, kind):
    """The recording of a risk's evaluations of this kind, of which there is one."""
    (found,) = [replay for key, replay in risk._replays.found.items() if key[0] == kind]
    return found


def check(monkeypatch, *arguments, replicas=None, count=6, kinds=("value", "gradient"), **options):
    """Recorded evaluations have the bits of those that are not; and they are recorded."""
    risk, plain = make(*arguments, **options), make(*arguments, plain=True, **options)
    for kind in kinds:
        several = points(risk, count + 1, replicas)
        for w in several[:-1]:
            got, want = evaluate(risk, kind, w), evaluate(plain, kind, w)
            for own, other in zip(got, want, strict=True):
                assert type(own) is type(other)
                assert own.dtype == other.dtype
                assert own.tobytes() == other.tobytes()
        replay = replay_of(risk, kind)
        assert isinstance(replay, Replay)
        assert replay.tapes > 1
        if risk.threads > 1:
            continue
        want = evaluate(plain, kind, several[-1])
        with monkeypatch.context() as patch:
            for name in ("value", "gradient", "forward"):
                patch.setattr(Passes, name, None)  # nothing but the recording can have done it
            got = evaluate(risk, kind, several[-1])
        for own, other in zip(got, want, strict=True):
            assert own.tobytes() == other.tobytes()
    return risk


ACTIVATIONS = ["identity", "sigmoid", "tanh", "relu", "leaky_relu", "softplus", "softmax"]


@pytest.mark.parametrize("kernels", KERNELS)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_activations(monkeypatch, activation, dtype, kernels):
    layers = Dense(5, activation), Dense(1, activation), Dense(3, activation, bias=False)
    check(monkeypatch, layers, SquaredError(), dtype=dtype, kernels=kernels, chunk=20)


def swish(xp, z):
    return z / (1.0 + xp.exp(-z))


def swish_slope(xp, z):
    y = 1.0 / (1.0 + xp.exp(-z))
    return y * (1.0 + z * (1.0 - y))


LAYERS = {
    "norm": (Dense(5, "tanh"), LayerNorm(), Dense(3)),
    "norm first": (LayerNorm(), Dense(3)),
    "dropout": (Dropout(0.2), Dense(5, "tanh"), Dropout(0.5), Dense(3)),
    "own activation": (Dense(5, xpnet.ElementwiseActivation("swish", swish, swish_slope)), Dense(3)),
}


@pytest.mark.parametrize("kernels", KERNELS)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", LAYERS)
def test_layers(monkeypatch, name, dtype, kernels):
    training = True if name == "dropout" else None
    check(monkeypatch, LAYERS[name], SquaredError(), dtype=dtype, kernels=kernels, training=training)


ENDS = {
    "softmax": (Dense(3, "softmax"), CrossEntropy()),
    "logits": (Dense(3), CrossEntropy(from_logits=True)),
    "own softmax": (Dense(3, "softmax"), SquaredError()),
    "divergence": (Dense(3, "softmax"), KullbackLeibler()),
    "sigmoid": (Dense(3, "sigmoid"), BinaryCrossEntropy()),
    "probabilities": (Dense(3, activations.sigmoid_with_offset(0.0)), BinaryCrossEntropy()),
}


@pytest.mark.parametrize("kernels", KERNELS)
@pytest.mark.parametrize("labels", [True, False])
@pytest.mark.parametrize("name", ENDS)
def test_divergences(monkeypatch, name, labels, kernels):
    layer, divergence = ENDS[name]
    weights = np.random.default_rng(2).random(SAMPLES)
    layers = Dense(5, "tanh"), layer
    check(monkeypatch, layers, divergence, labels=labels, kernels=kernels, dtype="float32", chunk=53)
    check(
        monkeypatch,
        layers,
        divergence,
        labels=labels,
        kernels=kernels,
        chunk=10,
        sample_weight=weights,
    )


@pytest.mark.parametrize("kernels", KERNELS)
@pytest.mark.parametrize("replicas", [None, 3])
@pytest.mark.parametrize("penalty", [L2(0.1), L1(0.1, biases=True), [L1(0.2), L2(0.3)]], ids=repr)
def test_penalties_and_replicas(monkeypatch, penalty, replicas, kernels):
    check(
        monkeypatch,
        (Dense(5, "tanh"), LayerNorm(), Dense(3, "softmax")),
        CrossEntropy(),
        labels=True,
        penalty=penalty,
        replicas=replicas,
        kernels=kernels,
        dtype="float32",
        chunk=20,
    )


@pytest.mark.parametrize("kernels", KERNELS)
@pytest.mark.parametrize("threads", [1, 2, 3, 7])
@pytest.mark.parametrize("chunk", [1, 2, 11, 50])
def test_groups_and_threads(monkeypatch, chunk, threads, kernels):
    """One chunk is the smallest, and the groups of a chunk of 2 are of one and of two chunks."""
    monkeypatch.setattr(chunks_module, "THREAD_WORK", 0)
    layers = Dense(5, "tanh"), Dense(3, "softmax")
    options = {"labels": True, "kernels": kernels, "penalty": L2(0.1), "chunk": chunk}
    check(monkeypatch, layers, CrossEntropy(), threads=threads, count=9, **options)


# what a user may write


@dataclass(frozen=True)
class Scaled(Layer):
    """`s y + s^2`, with most of what arrays can do."""

    def shapes(self, inputs):
        return {"scale": (inputs,)}

    def initialize(self, random, inputs):
        return {"scale": 1.5}

    def forward(self, xp, parameters, inputs):
        s = parameters["scale"][..., None]
        product = s * inputs
        outputs = xp.zeros(product.shape, dtype=inputs.dtype)
        outputs[...] = product
        outputs[..., :1, :] = outputs[..., :1, :] + 0.0
        outputs += s**2
        top = xp.max(xp.stack([inputs, -inputs]), axis=0) * 0.0
        return xp.where(
            top > 1.0, outputs, xp.concat([outputs, outputs], axis=-2)[..., : s.shape[-2], :]
        ), inputs

    def backward(self, xp, parameters, cache, gradient, accumulate, *, input_gradient=True):
        s = parameters["scale"][..., None]
        accumulate.add("scale", xp.sum(gradient * (cache + 2.0 * s), axis=-1))
        return s * gradient if input_gradient else None


@dataclass(frozen=True)
class Cubic(Divergence):
    def value(self, xp, outputs, targets):
        return xp.sum(xp.abs(outputs - targets) ** 3, axis=-2)

    def value_and_gradient(self, xp, outputs, targets):
        error = outputs - targets
        return xp.sum(xp.abs(error) ** 3, axis=-2), 3.0 * error * xp.abs(error)


@pytest.mark.parametrize("kernels", KERNELS)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("replicas", [None, 2])
def test_own_layers_and_divergences(monkeypatch, replicas, dtype, kernels):
    layers = Scaled(), Dense(3, "tanh"), Scaled()
    check(monkeypatch, layers, Cubic(), replicas=replicas, dtype=dtype, kernels=kernels, chunk=20)


@dataclass(frozen=True)
class Odd(Scaled):
    """Does what a recording cannot know."""

    how: str = ""

    def forward(self, xp, parameters, inputs):
        scale = parameters["scale"]
        if self.how == "truth" and scale[..., 0] > 1e9:
            return inputs, inputs
        if self.how == "number":
            return inputs * float(scale[..., 0]), inputs
        if self.how == "method":
            return inputs * scale.max(), inputs
        if self.how == "library":
            return np.multiply(scale[..., None], inputs), inputs
        if self.how == "array":
            return np.asarray(scale)[..., None] * inputs, inputs
        if self.how == "choice":
            return inputs * xp.sum(scale[scale > 0.0]), inputs
        if self.how == "unknown":
            return inputs * xp.unique_values(scale)[0], inputs
        if self.how == "written":
            fixed = np.zeros(inputs.shape, inputs.dtype)
            fixed[...] = scale[..., None] * inputs
            return fixed, inputs
        raise AssertionError


@pytest.mark.parametrize(
    "how", ["truth", "number", "method", "library", "array", "choice", "unknown", "written"]
)
def test_what_cannot_be_recorded_stays_as_it_is_and_the_log_says_so(caplog, how):
    if how == "truth":

        @dataclass(frozen=True)
        class Branch(Odd):
            def forward(self, xp, parameters, inputs):
                big = bool(parameters["scale"][0] > 1e9)
                return Scaled.forward(self, xp, parameters, inputs * (2.0 if big else 1.0))

        layer = Branch()
    else:
        layer = Odd(how)
    risk, plain = (make((layer, Dense(3)), SquaredError(), plain=own) for own in (False, True))
    with caplog.at_level(logging.INFO, "xpnet"):
        for w in points(risk, 5):
            for got, want in zip(risk.value_and_gradient(w), plain.value_and_gradient(w), strict=True):
                assert_array_equal(got, want)
    assert replay_of(risk, "gradient") is None
    (said,) = [record.getMessage() for record in caplog.records]
    assert said.startswith("the risk's gradient is not recorded")


class Annealed(Scaled.__mro__[1]):
    """A layer whose settings may change, which they should not."""

    factor = 1.0
    shapes, initialize = Scaled.shapes, Scaled.initialize

    def __init__(self):
        self.factor = 1.0

    def forward(self, xp, parameters, inputs):
        return self.factor * parameters["scale"][..., None] * inputs, inputs

    backward = Scaled.backward


def test_what_may_change_is_not_recorded(caplog):
    layer = Annealed()
    risk = make((layer, Dense(3)), SquaredError())
    with caplog.at_level(logging.INFO, "xpnet"):
        values = []
        for w in points(risk, 4):
            risk.value(w)
        for factor in (1.0, 2.0):
            layer.factor = factor
            values.append(risk.value(w))
    assert values[0] != values[1]
    assert "Annealed may change" in caplog.text
    assert replay_of(risk, "value") is None


CALLS = []


@dataclass(frozen=True)
class Restless(Scaled):
    """Adds a number of its surroundings, which is another each time."""

    def forward(self, xp, parameters, inputs):
        CALLS.append(0)
        return parameters["scale"][..., None] * inputs + float(len(CALLS)), inputs


def test_the_guard_finds_what_changes(caplog):
    risk = make((Restless(), Dense(3)), SquaredError())
    with caplog.at_level(logging.INFO, "xpnet"):
        values = [float(risk.value(w)) for w in points(risk, 8)]
    assert replay_of(risk, "value") is None
    assert "a replay is not the same" in caplog.text
    assert len(set(values)) == 8


@dataclass(frozen=True)
class First(Scaled):
    """Remembers the first array that it sees of each kind, which is wrong from the second point on."""

    def forward(self, xp, parameters, inputs):
        kept = REMEMBERED.setdefault(type(inputs), parameters["scale"])
        return kept[..., None] * inputs, inputs


REMEMBERED = {}


def test_an_array_of_another_recording_is_refused(caplog):
    REMEMBERED.clear()
    several = points(make((First(), Dense(3)), SquaredError()), 4)
    for _ in range(2):
        risk = make((First(), Dense(3)), SquaredError())
        with caplog.at_level(logging.INFO, "xpnet"):
            for w in several:
                risk.value(w)
    assert replay_of(risk, "value") is None
    assert "an array of another evaluation" in caplog.text
    REMEMBERED.clear()


def test_a_replay_at_the_point_of_the_recording_proves_nothing():
    risk = make((Dense(3),), SquaredError())
    first, second = points(risk, 2)
    for _ in range(5):
        risk.value(first)
    assert replay_of(risk, "value").tapes == 0
    risk.value(second)
    assert replay_of(risk, "value").tapes == 2


# who evaluates


def test_results_are_new_arrays():
    risk = make((Dense(3),), SquaredError())
    several = points(risk, 6)
    found = [risk.value_and_gradient(w) for w in several]
    kept = [(float(value), gradient.copy()) for value, gradient in found]
    for w in several:
        risk.value_and_gradient(w)
    for (value, gradient), (own, copied) in zip(found, kept, strict=True):
        assert value == own
        assert_array_equal(gradient, copied)
        gradient[...] = 0.0
    assert_array_equal(risk.value_and_gradient(several[0])[1], kept[0][1])


@pytest.mark.parametrize("kernels", KERNELS)
def test_threads_evaluate_one_risk_at_once(monkeypatch, kernels):
    monkeypatch.setattr(chunks_module, "THREAD_WORK", 0)
    options = {"labels": True, "kernels": kernels, "chunk": 300, "threads": 2, "samples": 3000}
    layers = Dense(20, "tanh"), Dense(3, "softmax")
    risk, plain = (make(layers, CrossEntropy(), plain=own, **options) for own in (False, True))
    several = points(risk, 12)
    want = [plain.value_and_gradient(w) for w in several]
    wrong = []

    def work(start):
        for k in range(60):
            number = (start + k) % len(several)
            value, gradient = risk.value_and_gradient(several[number])
            if value != want[number][0] or gradient.tobytes() != want[number][1].tobytes():
                wrong.append(number)

    workers = [threading.Thread(target=work, args=(3 * k,)) for k in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert not wrong
    assert replay_of(risk, "gradient").tapes > 1


INSIDE = {}


@dataclass(frozen=True)
class Inside(Divergence):
    """Evaluates a risk within."""

    def value(self, xp, outputs, targets):
        return self.value_and_gradient(xp, outputs, targets)[0]

    def value_and_gradient(self, xp, outputs, targets):
        offset = 0.0
        if INSIDE and not INSIDE["busy"]:
            INSIDE["busy"] = True
            offset = float(INSIDE["risk"].value(INSIDE["w"]))
            INSIDE["busy"] = False
        error = outputs - targets
        return xp.sum(error * error, axis=-2) + offset, 2.0 * error


@pytest.mark.parametrize("kernels", KERNELS)
def test_a_risk_is_evaluated_within_itself(kernels):
    INSIDE.clear()
    risk, plain = (make((Dense(3),), Inside(), plain=own, kernels=kernels) for own in (False, True))
    several = points(risk, 8)
    other = points(risk, 1, seed=5)[0]
    for w in several:
        INSIDE.update(risk=risk, w=other, busy=False)
        got = risk.value_and_gradient(w)
        INSIDE.update(risk=plain, w=other, busy=False)
        want = plain.value_and_gradient(w)
        assert got[0] == want[0]
        assert_array_equal(got[1], want[1])
    assert isinstance(replay_of(risk, "gradient"), Replay)
    INSIDE.clear()


# which evaluations


def test_one_evaluation_records_nothing():
    risk = make((Dense(3),), SquaredError())
    (w,) = points(risk, 1)
    risk.value(w)
    risk.value_and_gradient(w)
    assert not risk._replays.found


def test_subsets_and_redraws_have_their_own():
    risk = make((Dropout(0.5), Dense(3)), SquaredError(), training=True)
    plain = make((Dropout(0.5), Dense(3)), SquaredError(), training=True, plain=True)
    several = points(risk, 5)
    for w in several:
        risk.value_and_gradient(w)
    for change in (lambda own: own.redraw(3), lambda own: own.subset(np.arange(7))):
        other, want = change(risk), change(plain)
        assert not other._replays.found
        want._replays = Never()
        for w in several:
            assert_array_equal(other.value_and_gradient(w)[1], want.value_and_gradient(w)[1])
        assert replay_of(other, "gradient").tapes == 2
    assert_array_equal(risk.value_and_gradient(w)[1], plain.value_and_gradient(w)[1])


def test_few_kinds_are_kept():
    risk = make((Dense(3),), SquaredError())
    for replicas in range(1, 12):
        for w in points(risk, 3, replicas):
            risk.value_and_gradient(w)
    assert len(risk._replays.found) <= 4


def test_streams_are_not_recorded():
    risk = make((Dense(3),), SquaredError(), resident=False)
    for w in points(risk, 4):
        risk.value_and_gradient(w)
    assert not risk._replays.found


@pytest.mark.parametrize(
    "again", [copy.deepcopy, lambda risk: pickle.loads(pickle.dumps(risk))], ids=["deepcopy", "pickle"]
)
def test_copies_begin_anew(again):
    risk = make((Dense(3),), SquaredError())
    several = points(risk, 5)
    for w in several:
        risk.value_and_gradient(w)
    other = again(risk)
    assert not other._replays.found
    for w in several:
        assert_array_equal(other.value_and_gradient(w)[1], risk.value_and_gradient(w)[1])
    assert replay_of(other, "gradient").tapes == 2
    shallow = copy.copy(risk)
    assert_array_equal(shallow.value_and_gradient(w)[1], risk.value_and_gradient(w)[1])


# memory


@pytest.mark.parametrize("kernels", KERNELS)
def test_memory_goes_with_the_risk(kernels):
    risk = make((Dense(4, "tanh"), LayerNorm(), Dense(3)), SquaredError(), kernels=kernels, chunk=20)
    for w in points(risk, 5):
        risk.value_and_gradient(w)
    held = weakref.ref(replay_of(risk, "gradient"))
    gc.disable()
    try:
        del risk
        assert held() is None
    finally:
        gc.enable()


@pytest.mark.parametrize("kernels", KERNELS)
def test_memory_does_not_grow_with_the_samples(kernels):
    layers = Dense(30, "tanh"), Dropout(0.1), Dense(30, "relu"), Dense(3, "softmax")
    sizes = []
    for samples in (1000, 8000):
        options = {"labels": True, "kernels": kernels, "chunk": 100, "samples": samples, "training": True}
        risk = make(layers, CrossEntropy(), **options)
        for w in points(risk, 4):
            risk.value_and_gradient(w)
        sizes.append(replay_of(risk, "gradient").bytes)
    assert sizes[1] <= sizes[0] + 16 * 8 * 2000
    assert sizes[0] < 8 * 100 * 30 * 20  # some arrays of one chunk


def test_too_little_memory_for_a_recording(monkeypatch, caplog):
    risk, plain = (make((Dense(3),), SquaredError(), plain=own) for own in (False, True))

    def full(*_, **__):
        raise MemoryError

    monkeypatch.setattr(Recording, "empty", full)
    with caplog.at_level(logging.INFO, "xpnet"):
        for w in points(risk, 4):
            assert risk.value(w) == plain.value(w)
    assert replay_of(risk, "value") is None
    assert "too little memory" in caplog.text
    assert risk._chunks._halved == {}


def test_halved_chunks_are_recorded_too(monkeypatch):
    forward, most = Network.forward, [100]

    def limited(network, xp, parameters, inputs):
        if inputs.shape[-1] > most[0]:
            raise MemoryError
        return forward(network, xp, parameters, inputs)

    monkeypatch.setattr(Network, "forward", limited)
    risk = make((Dense(5, "tanh"), Dense(3)), SquaredError(), chunk=40)
    plain = make((Dense(5, "tanh"), Dense(3)), SquaredError(), chunk=20, plain=True)
    most[0] = 20
    for w in points(risk, 6):
        assert_array_equal(risk.value_and_gradient(w)[1], plain.value_and_gradient(w)[1])
    assert isinstance(risk._replays.found["gradient", tuple(w.shape), 20], Replay)


FACTOR = [2.0]


class Outside(Layer):
    """Multiplies by a number that is none of its settings."""

    def shapes(self, inputs):
        return {}

    def initialize(self, random, inputs):
        return {}

    def forward(self, xp, parameters, inputs):
        return FACTOR[0] * inputs, None

    def backward(self, xp, parameters, cache, gradient, accumulate, *, input_gradient=True):
        return FACTOR[0] * gradient if input_gradient else None


@pytest.mark.parametrize("record", ["0", "1", ""])
def test_what_a_layer_reads_elsewhere_counts_where_nothing_is_recorded(record, monkeypatch):
    monkeypatch.setenv("XPNET_RECORD", record)
    network = Network(4, Outside(), Dense(3))
    risk = EmpiricalRisk(network, SquaredError(), *data(3, False), backend="numpy", dtype="float64")
    monkeypatch.delenv("XPNET_RECORD")
    w = network.initialize(seed=1, backend="numpy", dtype="float64")
    values = [float(risk.value(k * w)) for k in (1.0, 2.0, 3.0, 1.0)]
    try:
        FACTOR[0] = 5.0
        assert (float(risk.value(w)) == values[0]) == (record != "0")
    finally:
        FACTOR[0] = 2.0
    assert bool(risk._replays.found) == (record != "0")


@pytest.mark.parametrize("record", ["2", "no", "off"])
def test_another_word_is_refused(record, monkeypatch):
    monkeypatch.setenv("XPNET_RECORD", record)
    with pytest.raises(ValueError, match="XPNET_RECORD must be 0 or 1, got"):
        make([Dense(3)], SquaredError())
