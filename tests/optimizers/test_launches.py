"""What a training step gives a CUDA device to do: kernels, products, and nothing else."""

from __future__ import annotations

import numpy as np
import pytest
from oracles import OPTIMIZERS, OWN_SOFTMAX

from xpnet import (
    L1,
    L2,
    Adam,
    BinaryCrossEntropy,
    CrossEntropy,
    Dense,
    EmpiricalRisk,
    KullbackLeibler,
    LayerNorm,
    Momentum,
    Nesterov,
    Network,
    RMSprop,
    SquaredError,
    after,
    iterate,
    minimize,
    schedules,
)

NOTHING_ELSE = ("d2h", "h2d", "sync", "alloc")  # what must not happen within a step


def risk(backend, layers=2, divergence=None, output="softmax", activation="tanh", **options):
    random = np.random.default_rng(0)
    X = random.standard_normal((300, 12))
    hidden = [Dense(8, activation)] * (layers - 1)
    network = Network(12, *hidden, Dense(5, output))
    divergence = divergence or CrossEntropy()
    targets = random.integers(0, 5, 300)
    return EmpiricalRisk(network, divergence, X, targets, backend=backend, **options)


def counts(counter, work, *, warm_up=3):
    """Kernels by name, and the number of products, of one `work()` that does nothing else."""
    for _ in range(warm_up):
        work()
    with counter.forbid(*NOTHING_ELSE), counter.count() as counted:
        work()
    assert not counted.syncs
    assert counted.d2h.count == counted.h2d.count == counted.d2d.count == counted.mallocs.count == 0
    assert sum(counted.kernels.values()) == counted.launches
    return dict(counted.kernels), sum(counted.cublas.values())


@pytest.mark.parametrize("activation", ["tanh", "relu", "softplus", "sigmoid", "leaky_relu"])
@pytest.mark.parametrize("layers", [2, 3, 5])
def test_launches_of_a_gradient(counter, cupy_backend, layers, activation):
    """For each layer 2 forward, at most 3 backward, a product for the bias; the divergence is 2."""
    objective = risk(cupy_backend, layers, activation=activation)
    w = objective.network.initialize(0, cupy_backend)
    kernels, products = counts(counter, lambda: objective.value_and_gradient(w))
    hidden = layers - 1
    assert kernels == {
        f"xpnet_{activation}_forward": hidden,  # with the bias
        "xpnet_SoftmaxCrossEntropy_gradient": 1,  # with that of the output layer
        "xpnet_total_sum": 1,
        f"xpnet_{activation}_backward": hidden,
    }
    # forward, weights, inputs of all layers but the first; biases
    assert products == layers + layers + hidden + layers
    assert sum(kernels.values()) + products == 2 * layers + 1 + 3 * layers - 2 + layers


@pytest.mark.parametrize(
    ("divergence", "output", "rule"),
    [
        (CrossEntropy(), "softmax", "SoftmaxCrossEntropy"),
        (KullbackLeibler(), "softmax", "SoftmaxKullbackLeibler"),
        (BinaryCrossEntropy(), "sigmoid", "SigmoidBinaryCrossEntropy"),
        (SquaredError(), "identity", "SquaredError"),
        (SquaredError(), "softmax", "SquaredError"),
        (CrossEntropy(), OWN_SOFTMAX, "CrossEntropy"),
        (BinaryCrossEntropy(), "softmax", "BinaryCrossEntropy"),
        (KullbackLeibler(), OWN_SOFTMAX, "KullbackLeibler"),
    ],
    ids=str,
)
@pytest.mark.parametrize("weighted", [False, True])
def test_a_divergence_is_two_launches(counter, cupy_backend, divergence, output, rule, weighted):
    weights = np.random.default_rng(1).uniform(0.5, 1, 300) if weighted else None
    objective = risk(cupy_backend, 2, divergence, output, sample_weight=weights)
    w = objective.network.initialize(0, cupy_backend)
    total = "xpnet_weighted_total_sum" if weighted else "xpnet_total_sum"
    kernels, _ = counts(counter, lambda: objective.value_and_gradient(w))
    assert kernels[f"xpnet_{rule}_gradient"] == kernels[total] == 1
    assert sum(kernels.values()) <= 6
    kernels, products = counts(counter, lambda: objective.value(w))
    assert kernels[f"xpnet_{rule}_value"] == kernels[total] == 1
    takes_bias = output == "identity" or rule.startswith(("Softmax", "Sigmoid"))
    assert sum(kernels.values()) == (3 if takes_bias else 4)
    assert products == 2


def test_a_layer_norm_is_a_launch_and_back(counter, cupy_backend):
    random = np.random.default_rng(0)
    network = Network(12, Dense(8, "tanh"), LayerNorm(), Dense(5, "softmax"))
    X, targets = random.standard_normal((300, 12)), random.integers(0, 5, 300)
    objective = EmpiricalRisk(network, CrossEntropy(), X, targets, backend=cupy_backend)
    w = network.initialize(0, cupy_backend)
    plain = risk(cupy_backend)
    start = plain.network.initialize(0, cupy_backend)
    bare, products = counts(counter, lambda: plain.value_and_gradient(start))
    kernels, more = counts(counter, lambda: objective.value_and_gradient(w))
    new = {name: n for name, n in kernels.items() if bare.get(name) != n}
    assert new == {"xpnet_layer_norm": 1, "xpnet_layer_norm_backward": 1}
    assert more == products + 2  # the sums for scale and bias


def test_more_replicas_take_no_more_launches(counter, cupy_backend):
    objective = risk(cupy_backend, 3)
    seen = {}
    for replicas in (None, 2, 8):
        w = objective.network.initialize(0, cupy_backend, replicas=replicas)
        seen[replicas] = counts(counter, lambda w=w: objective.value_and_gradient(w))
    assert seen[None] == seen[2] == seen[8]


def test_samples_of_their_own_take_no_more_launches(counter, cupy_backend):
    random = np.random.default_rng(0)
    network = Network(12, Dense(8, "tanh"), Dense(5, "softmax"))
    seen = {}
    for replicas in (2, 8):
        X, labels = random.standard_normal((replicas, 300, 12)), random.integers(0, 5, (replicas, 300))
        weights = random.random((replicas, 300))
        objective = EmpiricalRisk(
            network, CrossEntropy(), X, labels, sample_weight=weights, backend=cupy_backend
        )
        w = network.initialize(0, cupy_backend, replicas=replicas)
        seen[replicas] = counts(counter, lambda w=w, own=objective: own.value_and_gradient(w))
    assert seen[2] == seen[8]


@pytest.mark.parametrize(("penalty", "name"), [(L2(0.1), "l2"), (L1(0.1), "l1")])
def test_a_penalty_is_three_launches(counter, cupy_backend, penalty, name):
    """Its value, the sum of that and the risk, and its gradient."""
    w = risk(cupy_backend).network.initialize(0, cupy_backend)
    bare, objective = risk(cupy_backend), risk(cupy_backend, penalty=penalty)
    plain, _ = counts(counter, lambda: bare.value_and_gradient(w))
    kernels, _ = counts(counter, lambda: objective.value_and_gradient(w))
    new = {kernel: n for kernel, n in kernels.items() if plain.get(kernel) != n}
    add = "cupy_add__float64_float64_float64"
    assert new == {f"xpnet__{name}_sum": 1, f"xpnet__{name}_gradient": 1, add: 1}


@pytest.mark.parametrize("optimizer", OPTIMIZERS, ids=str)
def test_an_update_is_one_launch(counter, cupy_backend, optimizer):
    objective = risk(cupy_backend)
    w = objective.network.initialize(0, cupy_backend)
    state = optimizer.initialize(objective, w)
    gradient, _ = counts(counter, lambda: objective.value_and_gradient(w))
    kernels, _ = counts(counter, lambda: optimizer.step(objective, w, state))
    more = {kernel: n for kernel, n in kernels.items() if gradient.get(kernel) != n}
    expected = 2 if isinstance(optimizer.rate, schedules.Plateau) else 1  # the plateau's own rule
    assert sum(more.values()) == expected
    assert all(kernel.startswith("xpnet_") for kernel in more)


@pytest.mark.parametrize("optimizer", [Adam, RMSprop, Momentum, Nesterov])
@pytest.mark.parametrize(
    "schedule",
    [
        schedules.Constant(0.1),
        schedules.LinearDecay(0.1),
        schedules.QuadraticDecay(0.1),
        schedules.ExponentialDecay(0.1, 0.01),
        schedules.Plateau(0.1),
    ],
    ids=lambda schedule: type(schedule).__name__,
)
def test_the_step_counter_and_the_rate_can_live_on_the_device(counter, cupy_backend, optimizer, schedule):
    """Then no number of a step comes from the host, as a CUDA graph will want it."""
    objective, method = risk(cupy_backend), optimizer(schedule)
    points = []
    for on_device in (False, True):
        w = objective.network.initialize(0, cupy_backend)
        state = method.initialize(objective, w)
        if on_device:
            state["step"] = cupy_backend.asarray(0.0)
            method.step(objective, w, state)  # compiles
            with counter.forbid(*NOTHING_ELSE):
                for _ in range(5):
                    method.step(objective, w, state)
        else:
            for _ in range(6):
                method.step(objective, w, state)
        points.append(cupy_backend.to_numpy(w))
    np.testing.assert_allclose(points[0], points[1], rtol=1e-5, atol=1e-7)


def test_the_loops_read_the_device_only_where_they_look(counter, cupy_backend):
    objective = risk(cupy_backend)
    w = objective.network.initialize(0, cupy_backend)
    steps = iterate(objective, Nesterov(0.1), w, check_every=5)
    for k in range(16):
        if k < 6 or k % 5 == 0:
            next(steps)
        else:
            with counter.forbid(*NOTHING_ELSE):
                next(steps)
    reads = []
    for check_every in (5, 10, 20):
        with counter.count() as counted:
            minimize(objective, Nesterov(0.1), w, stop=after(40), check_every=check_every)
        reads.append(counted.d2h.count)
    looks = [8 + 1, 4 + 1, 2 + 1]  # the last step is looked at too
    per_look = (reads[0] - reads[1]) / (looks[0] - looks[1])
    assert per_look == (reads[1] - reads[2]) / (looks[1] - looks[2])
    assert per_look <= 3  # value, norm, and what of the best point is new


def test_chunks_cost_their_own_launches_only(counter, cupy_backend):
    kernels, products = [], []
    for chunk in (300, 150, 100):  # one, two, three chunks
        objective = risk(cupy_backend, 2, chunk=chunk)
        w = objective.network.initialize(0, cupy_backend)
        own, own_products = counts(counter, lambda o=objective, w=w: o.value_and_gradient(w))
        kernels.append(sum(own.values()))
        products.append(own_products)
    assert products == [7, 14, 21]
    assert kernels[1] - kernels[0] == kernels[2] - kernels[1] == 4 + 1 + 4  # sums of value, weights, biases


def test_rates_for_each_parameter_are_one_launch_and_no_copy(counter, cupy_backend):
    objective = risk(cupy_backend)
    w = objective.network.initialize(0, cupy_backend)
    for rate in (cupy_backend.xp.full(w.shape, 0.1), cupy_backend.xp.full(w.shape, 0.1, dtype="float64")):
        method = Momentum(rate)
        state = method.initialize(objective, w)
        kernels, _ = counts(counter, lambda m=method, s=state: m.step(objective, w, s))
        assert kernels["xpnet_momentum"] == 1
    assert w.dtype == cupy_backend.xp.float32
