"""Replicas with samples, targets or weights of their own: one run is what a loop of single risks does."""

from __future__ import annotations

import copy
import pickle

import numpy as np
import pytest
from conftest import assert_allclose, assert_array_equal, read_only
from oracles import OPTIMIZERS

import xpnet
from xpnet import (
    L1,
    L2,
    BinaryCrossEntropy,
    CrossEntropy,
    Dense,
    Dropout,
    EmpiricalRisk,
    LayerNorm,
    Minibatch,
    Momentum,
    Network,
    Offers,
    SquaredError,
    after,
    gradient_below,
    minimize,
    value_below,
)
from xpnet.objectives.risk import chunks as chunks_module

R, N = 3, 23
RANDOM = np.random.default_rng(0)
X, OWN_X, WEIGHTS, OWN_WEIGHTS = read_only(
    RANDOM.standard_normal((N, 4)),
    RANDOM.standard_normal((R, N, 4)),
    RANDOM.integers(0, 3, N).astype(float),
    RANDOM.multinomial(N, np.full(N, 1 / N), R).astype(float),
)
LABELS, OWN_LABELS = read_only(RANDOM.integers(0, 3, N), RANDOM.integers(0, 3, (R, N)))
TARGETS, OWN_TARGETS = read_only(RANDOM.random((N, 3)), RANDOM.random((R, N, 3)))
LINE, OWN_LINE = read_only(RANDOM.random(N), RANDOM.random((R, N)))


def network(outputs, activation):
    return Network(4, Dense(5, "tanh"), LayerNorm(), Dense(outputs, activation))


MODELS = {
    "labels": (network(3, "softmax"), CrossEntropy(), LABELS, OWN_LABELS),
    "targets": (network(3, "identity"), SquaredError(), TARGETS, OWN_TARGETS),
    "one output": (network(1, "sigmoid"), BinaryCrossEntropy(), LINE, OWN_LINE),
    "plain": (Network(4, Dense(3, "tanh"), Dense(3)), SquaredError(), TARGETS, OWN_TARGETS),
    # so few outputs beside the inputs that labels are turned into targets
    "few": (Network(32, Dense(2, "softmax")), CrossEntropy(), LABELS % 2, OWN_LABELS % 2),
}
WIDE, OWN_WIDE = RANDOM.standard_normal((N, 32)), RANDOM.standard_normal((R, N, 32))


def of_replica(r, values, ndim):
    return values[r] if values is not None and values.ndim > ndim else values


def several(kind, own, **options):
    """A risk of R replicas, with what `own` says of their own, and the risks of each."""
    net, divergence, targets, own_targets = MODELS[kind]
    inputs, own_inputs = (WIDE, OWN_WIDE) if kind == "few" else (X, OWN_X)
    options = {"backend": "numpy", "dtype": "float64"} | options
    inputs = own_inputs if "X" in own else inputs
    weights = OWN_WEIGHTS if "weights" in own else WEIGHTS if "weighted" in own else None
    targets = own_targets if {"X", "targets"} & {*own} else targets
    ndim = 2 if kind in ("targets", "plain") else 1
    many = EmpiricalRisk(net, divergence, inputs, targets, sample_weight=weights, **options)
    alone = [
        EmpiricalRisk(
            net,
            divergence,
            of_replica(r, inputs, 2),
            of_replica(r, targets, ndim),
            sample_weight=of_replica(r, weights, 1),
            **options,
        )
        for r in range(R)
    ]
    return many, alone


CASES = [
    *[
        (kind, own)
        for kind in ("labels", "targets", "one output", "few")
        for own in (("X",), ("weights",), ("X", "weighted"), ("X", "weights"))
    ],
    ("targets", ("targets",)),
    ("targets", ("targets", "weights")),
]


def start(risk, seed=0):
    return risk.network.initialize(seed, risk.backend, risk.dtype, replicas=R)


def asked(risk, w, v):
    """Whatever can be asked of `risk`."""
    found = [risk.value(w), *risk.value_and_gradient(w), risk.hessian_product(w, v)]
    found += [risk.gauss_newton_product(w, v), risk.hessian(w), risk.gauss_newton(w)]
    found += risk.subset(np.array([7, 3, 8, 20])).value_and_gradient(w)
    if Offers.RESIDUALS in risk.offers:
        found += [risk.residuals(w), risk.jacobian(w), *risk.normal_equations(w)]
    return found


@pytest.mark.parametrize("chunk", [None, 5])
@pytest.mark.parametrize(("kind", "own"), CASES)
def test_equal_to_a_loop_of_single_risks(backend, dtype, tolerance, kind, own, chunk):
    many, alone = several(kind, own, backend=backend, dtype=dtype, penalty=L2(0.1), chunk=chunk)
    assert many.replicas == R
    w = start(many)
    v = backend.asarray(np.random.default_rng(1).standard_normal(tuple(w.shape)), dtype)
    singles = [asked(risk, w[r, :], v[r, :]) for r, risk in enumerate(alone)]
    for k, got in enumerate(asked(many, w, v)):
        want = np.stack([backend.to_numpy(single[k]) for single in singles])
        assert_allclose(got, want, rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("own", [("X",), ("weights",), ("X", "weights")])
@pytest.mark.parametrize("chunk", [None, 5])
def test_several_directions_at_once(device, own, chunk):
    many, _ = several("labels", own, backend=device, chunk=chunk, penalty=[L1(0.1), L2(0.1)])
    w = start(many)
    V = device.asarray(np.random.default_rng(1).standard_normal((4, *w.shape)))
    for product in (many.hessian_product, many.gauss_newton_product):
        got = product(w, V)
        for k in range(4):
            assert_allclose(got[k], product(w, V[k]), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize(("kind", "own"), CASES)
@pytest.mark.parametrize("threads", [1, 3])
def test_the_same_bits_plain_and_replayed(monkeypatch, kind, own, threads):
    monkeypatch.setattr(chunks_module, "THREAD_WORK", 0)
    many, alone = several(kind, own, chunk=5, threads=threads)
    w = start(many)
    plain = many.value(w), *many.value_and_gradient(w)
    for _ in range(3):
        again = many.value(w), *many.value_and_gradient(w)
        for first, second in zip(plain, again, strict=True):
            assert first.tobytes() == second.tobytes()
    for r, risk in enumerate(alone):
        value, gradient = risk.value_and_gradient(w[r])
        assert value.tobytes() == plain[1][r].tobytes()
        assert gradient.tobytes() == plain[2][r].tobytes()
    assert all(replay is not None for replay in many._replays.found.values())


@pytest.mark.parametrize(("kind", "own"), CASES)
def test_some_replicas_alone(device, kind, own):
    many, _ = several(kind, own, backend=device, chunk=5)
    w, some = start(many), many.select_replicas([0, 2])
    assert (some.replicas, some.chunk) == (2, 5)
    rows = device.asarray(np.array([0, 2]))
    for got, want in zip(some.value_and_gradient(w[rows]), many.value_and_gradient(w), strict=True):
        assert_array_equal(got, want[rows])
    assert_array_equal(some.select_replicas([1]).value(w[2:]), many.value(w)[2:])


def test_leave_one_out(backend, dtype, tolerance):
    """A sample of weight 0 is as if it were not there."""
    net, divergence, labels, _ = MODELS["labels"]
    options = {"backend": backend, "dtype": dtype, "penalty": L2(0.01)}
    risk = EmpiricalRisk(net, divergence, X, labels, sample_weight=1 - np.eye(N), **options)
    w = net.initialize(0, backend, dtype, replicas=N)
    values, gradients = risk.value_and_gradient(w)
    for k in range(N):
        rest = EmpiricalRisk(net, divergence, np.delete(X, k, 0), np.delete(labels, k), **options)
        value, gradient = rest.value_and_gradient(w[k, :])
        assert_allclose(values[k], value, rtol=tolerance)
        assert_allclose(gradients[k, :], gradient, rtol=tolerance, atol=tolerance)


def test_the_bootstrap_is_a_draw_with_repetition(device):
    """Counts for weights are the samples that were drawn, as often as they were."""
    net, divergence, labels, _ = MODELS["labels"]
    drawn = np.random.default_rng(3).integers(0, N, (R, N))
    counts = np.array([np.bincount(row, minlength=N) for row in drawn])
    options = {"backend": device, "dtype": "float64"}
    by_weight = EmpiricalRisk(net, divergence, X, labels, sample_weight=counts, **options)
    by_sample = EmpiricalRisk(net, divergence, X[drawn], labels[drawn], **options)
    w = start(by_weight)
    for got, want in zip(by_weight.value_and_gradient(w), by_sample.value_and_gradient(w), strict=True):
        assert_allclose(got, want, rtol=1e-12, atol=1e-13)


def test_only_the_ratios_of_a_replica_s_weights_count():
    net, divergence, labels, _ = MODELS["labels"]
    first = EmpiricalRisk(net, divergence, X, labels, sample_weight=OWN_WEIGHTS, dtype="float64")
    scales = np.array([[1.0], [1e200], [1e-200]])
    second = EmpiricalRisk(net, divergence, X, labels, sample_weight=OWN_WEIGHTS * scales, dtype="float64")
    w = start(first)
    assert_allclose(first.value(w), second.value(w), rtol=1e-14)


METHODS = [
    *(method for method in OPTIMIZERS[:3]),
    xpnet.Rprop(),
    xpnet.LBFGS(),
    xpnet.BFGS(),
    xpnet.NewtonCG(),
    xpnet.Newton(),
    xpnet.TrustRegion(),
    xpnet.LevenbergMarquardt(),
    Minibatch(Momentum(0.1), 8, seed=1),
]


@pytest.mark.parametrize("own", [("X", "weights"), ("targets",), ("weights",)])
@pytest.mark.parametrize("method", METHODS, ids=lambda method: type(method).__name__)
def test_a_run_is_that_of_each(device, method, own):
    """Those that end early are evaluated no longer, and the others have their own samples still."""
    many, alone = several("plain", own, backend=device, penalty=L2(1e-2))
    held_out, held = several("plain", ("X", "weights"), backend=device)
    w = start(many)
    value = minimize(many, method, w, stop=after(6), check_every=1).value
    stop = value_below(1.001 * float(np.median(value))) | after(12)
    options = {"stop": stop, "check_every": 1, "held_out_every": 2}
    run = minimize(many, method, w, held_out=held_out, **options)
    ended = [reason.startswith("value") for reason in run.reason]
    assert any(ended)
    for r in range(R):
        one = minimize(alone[r], method, w[r], held_out=held[r], **options)
        assert run.reason[r] == one.reason
        assert_allclose(run.w[r], one.w, rtol=1e-5, atol=1e-6)
        assert_allclose(run.best_w[r], one.best_w, rtol=1e-5, atol=1e-6)
        looks = len(one.history)
        assert_allclose(run.history.held_out[:looks, r], one.history.held_out, rtol=1e-5)


def test_held_out_data_of_their_own():
    many, alone = several("labels", ("X",))
    run = minimize(many, "rprop", start(many), stop=after(3), held_out=(OWN_X, OWN_LABELS))
    one = minimize(alone[1], "rprop", start(many)[1], stop=after(3), held_out=(OWN_X[1], OWN_LABELS[1]))
    assert_allclose(run.history.held_out[:, 1], one.history.held_out)


@pytest.mark.parametrize("size", [5, 100])
def test_dropout_leaves_out_the_same_of_each(size):
    net = Network(4, Dense(6, "tanh"), Dropout(0.5, seed=3), Dense(3, "softmax"))
    options = {"dtype": "float64", "training": True, "backend": "numpy"}
    many = EmpiricalRisk(net, CrossEntropy(), OWN_X, OWN_LABELS, sample_weight=OWN_WEIGHTS, **options)
    w = start(many)
    run = minimize(many, Minibatch(Momentum(0.1), size), w, stop=after(11))
    for r in range(R):
        weights = OWN_WEIGHTS[r]
        one = EmpiricalRisk(net, CrossEntropy(), OWN_X[r], OWN_LABELS[r], sample_weight=weights, **options)
        alone = minimize(one, Minibatch(Momentum(0.1), size), w[r], stop=after(11))
        assert run.w[r].tobytes() == alone.w.tobytes()


def test_weights_as_those_of_scikit_learn():
    """The minimum of each replica is that of a ridge regression with its weights."""
    linear = pytest.importorskip("sklearn.linear_model", reason="scikit-learn is the oracle")
    strength, targets = 0.05, RANDOM.standard_normal((R, N))
    net = Network(4, Dense(1))
    risk = EmpiricalRisk(
        net,
        SquaredError(),
        OWN_X,
        targets,
        sample_weight=OWN_WEIGHTS,
        penalty=L2(strength),
        dtype="float64",
    )
    run = minimize(risk, "levenberg-marquardt", start(risk), stop=gradient_below(1e-11) | after(100))
    for r in range(R):
        ridge = linear.Ridge(alpha=strength * OWN_WEIGHTS[r].sum())
        ridge.fit(OWN_X[r], targets[r], sample_weight=OWN_WEIGHTS[r])
        assert_allclose(run.w[r], [*ridge.coef_, ridge.intercept_], rtol=1e-6, atol=1e-8)


def test_gradients_as_pytorch_has_them_by_vmap(torch):
    risk = EmpiricalRisk(
        Network(4, Dense(5, "tanh"), Dense(3, "softmax")),
        CrossEntropy(),
        OWN_X,
        OWN_LABELS,
        sample_weight=OWN_WEIGHTS,
        dtype="float64",
        backend="numpy",
    )
    w = start(risk)

    def loss(flat, inputs, labels, weights):
        W, b, V, c = flat[:20].reshape(5, 4), flat[20:25], flat[25:40].reshape(3, 5), flat[40:]
        z = torch.tanh(inputs @ W.T + b) @ V.T + c
        each = torch.nn.functional.cross_entropy(z, labels, reduction="none")
        return (weights * each).sum() / weights.sum()

    arrays = [torch.tensor(np.array(part)) for part in (w, OWN_X, OWN_LABELS, OWN_WEIGHTS)]
    value, gradient = risk.value_and_gradient(w)
    assert_allclose(gradient, torch.func.vmap(torch.func.grad(loss))(*arrays).numpy(), atol=1e-14)
    assert_allclose(value, torch.func.vmap(loss)(*arrays).numpy(), rtol=1e-13)


def test_predictions_for_samples_of_their_own(backend, dtype, tolerance, monkeypatch):
    monkeypatch.setattr("xpnet.network.PREDICTED", 300)  # several parts
    net = MODELS["targets"][0]
    w = net.initialize(0, backend, dtype, replicas=R)
    for given in (OWN_X, OWN_X.tolist(), backend.asarray(OWN_X, dtype)):
        got = net.predict(w, given)
        assert tuple(got.shape) == (R, N, 3)
        for r in range(R):
            assert_allclose(got[r, ...], net.predict(w[r, :], OWN_X[r]), rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("bad", [OWN_X[:2], OWN_X[None], OWN_X[..., :3], OWN_X[:, :0]])
def test_predictions_that_do_not_fit(bad):
    net = MODELS["targets"][0]
    with pytest.raises(ValueError, match="X must be|X is empty"):
        net.predict(net.initialize(0, "numpy", replicas=R), bad)
    with pytest.raises(ValueError, match=r"X must be \(samples, 4\) as the network has 4 inputs"):
        net.predict(net.initialize(0, "numpy"), OWN_X)


def test_samples_from_a_file(tmp_path):
    np.save(tmp_path / "X.npy", OWN_X)
    mapped = np.load(tmp_path / "X.npy", mmap_mode="r")
    net, divergence, _, labels = MODELS["labels"]
    want, got = (
        EmpiricalRisk(net, divergence, inputs, labels, dtype="float64", backend="numpy")
        for inputs in (OWN_X, mapped)
    )
    w = start(want)
    assert got.value(w).tobytes() == want.value(w).tobytes()
    assert_array_equal(net.predict(w, mapped), net.predict(w, OWN_X))
    with pytest.raises(
        ValueError, match=r"resident must be True or 'auto', as replicas have X of their own"
    ):
        EmpiricalRisk(net, divergence, mapped, labels, resident=False)


def test_weights_of_their_own_where_samples_stream():
    net, divergence, _, _ = MODELS["targets"]
    options = {"sample_weight": OWN_WEIGHTS, "dtype": "float64", "chunk": 7, "backend": "numpy"}
    resident, streamed = (
        EmpiricalRisk(net, divergence, X, TARGETS, resident=resident, **options)
        for resident in (True, False)
    )
    w = start(resident)
    for got, want in zip(streamed.value_and_gradient(w), resident.value_and_gradient(w), strict=True):
        assert_allclose(got, want, rtol=1e-13, atol=1e-14)
    some = streamed.select_replicas([1])
    assert_allclose(some.value(w[1:2]), resident.value(w)[1:2], rtol=1e-13)


@pytest.mark.parametrize("shape", [(57,), (1, 57), (2, 57), (23, 57)])
def test_a_w_of_other_replicas_is_refused(shape):
    many, _ = several("targets", ("weights",))
    w = np.zeros((*shape[:-1], many.network.size))
    message = (
        rf"w must be \(3, {many.network.size}\), as 3 replicas have samples or weights of their own, got"
    )
    for method in (
        many.value,
        many.value_and_gradient,
        many.residuals,
        many.jacobian,
        many.normal_equations,
    ):
        with pytest.raises(ValueError, match=message):
            method(w)
    for product in (many.hessian_product, many.gauss_newton_product):
        with pytest.raises(ValueError, match=message):
            product(w, w)
    with pytest.raises(ValueError, match=message):
        minimize(many, "rprop", w)


BAD = [
    (
        {"sample_weight": np.ones((R, N + 1))},
        r"sample_weight must be \(23,\), one for each sample, or \(R, 23",
    ),
    ({"sample_weight": np.ones((2, R, N))}, "sample_weight must be"),
    (
        {"sample_weight": np.ones((R + 1, N))},
        "as many replicas, got X of 3, targets of 3, sample_weight of 4",
    ),
    ({"targets": LABELS}, r"targets must be \(3, 23\) or \(3, 23, 3\), as X has 23 samples of 3 replicas"),
    ({"targets": OWN_LABELS[:2]}, r"targets must be \(3, 23\) or \(3, 23, 3\)"),
    ({"targets": OWN_TARGETS[..., :2]}, r"targets must be \(3, 23, 3\), as the network has 3 outputs"),
    ({"targets": OWN_LABELS + 1}, "labels from 0 to 2"),
    ({"X": X}, r"targets must be \(23,\) or \(23, 3\)"),
    ({"X": OWN_X[None]}, r"X must be \(samples, 4\), or \(R, samples, 4\) of R replicas,"),
    ({"X": OWN_X[:, :0]}, "X is empty"),
    ({"X": np.where(OWN_X[1, 2, 3] == OWN_X, np.nan, OWN_X)}, "X contains NaN"),
]


@pytest.mark.parametrize(("changed", "message"), BAD)
def test_what_does_not_fit_is_refused(changed, message):
    given = {"X": OWN_X, "targets": OWN_LABELS} | changed
    inputs, targets = given.pop("X"), given.pop("targets")
    with pytest.raises(ValueError, match=message):
        EmpiricalRisk(MODELS["labels"][0], CrossEntropy(), inputs, targets, **given)


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (-1.0, "sample_weight of replica 1 must not be negative, and not all zero, got values from -1 to"),
        (np.nan, "sample_weight of replica 1 contains NaN"),
        (np.inf, "sample_weight of replica 1 contains"),
    ],
)
def test_bad_weights_name_the_replica(device, value, message):
    weights = np.ones((R, N))
    weights[1:, 4] = value
    with pytest.raises(ValueError, match=message):
        EmpiricalRisk(MODELS["labels"][0], CrossEntropy(), X, LABELS, sample_weight=weights, backend=device)
    weights[2, :] = 0.0
    weights[1, 4] = 1.0
    with pytest.raises(
        ValueError, match="replica 2 must not be negative, and not all zero, got values from 0"
    ):
        EmpiricalRisk(MODELS["labels"][0], CrossEntropy(), X, LABELS, sample_weight=weights, backend=device)


def test_it_is_a_value_like_any_other():
    many, _ = several("labels", ("X", "weights"))
    w = start(many)
    assert "samples=23, replicas=3, " in repr(many)
    for other in (copy.copy(many), copy.deepcopy(many), pickle.loads(pickle.dumps(many))):
        assert other.replicas == R
        assert other.value(w).tobytes() == many.value(w).tobytes()


def test_a_chunk_has_room_for_all_replicas():
    net = Network(4, Dense(20, "tanh"), Dense(1))
    own = np.broadcast_to(RANDOM.standard_normal((5000, 4)), (200, 5000, 4))
    risk = EmpiricalRisk(net, SquaredError(), own, np.zeros((200, 5000)), backend="numpy")
    assert risk.chunk <= 1016
    assert EmpiricalRisk(net, SquaredError(), own[0], np.zeros(5000), backend="numpy").chunk == 5000
