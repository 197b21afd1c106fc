"""Dropout and layer normalization: against PyTorch, on every backend, in every place of a network."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from conftest import assert_resumes, read_only

import xpnet
from xpnet import (
    L1,
    L2,
    LBFGS,
    CrossEntropy,
    Dense,
    Dropout,
    EmpiricalRisk,
    GradientDescent,
    LayerNorm,
    Minibatch,
    Momentum,
    Network,
    SquaredError,
    after,
    minimize,
)
from xpnet.objectives.risk import chunks as chunks_module
from xpnet.testing import check_gradient, check_layer

X = np.random.default_rng(0).standard_normal((40, 4))
LABELS = np.random.default_rng(1).integers(0, 3, 40)
TARGETS = np.random.default_rng(2).standard_normal((40, 3))
NETWORK = Network(
    4,
    LayerNorm(),
    Dense(6, "tanh"),
    Dropout(0.4, seed=3),
    Dense(5, "softplus"),
    LayerNorm(1e-3),
    Dropout(0.2),
    Dense(3, "softmax"),
)
REGRESSION = Network(4, Dropout(0.3), Dense(6, "tanh"), LayerNorm(), Dense(3), LayerNorm())


def classification(backend="numpy", dtype="float64", **options):
    options = {"training": True} | options
    return EmpiricalRisk(NETWORK, CrossEntropy(), X, LABELS, backend=backend, dtype=dtype, **options)


def regression(backend="numpy", dtype="float64", **options):
    options = {"training": True} | options
    return EmpiricalRisk(REGRESSION, SquaredError(), X, TARGETS, backend=backend, dtype=dtype, **options)


def start(objective, replicas=None, seed=0):
    w = objective.network.initialize(seed, objective.backend, objective.dtype, replicas)
    # away from scales of one and biases of zero
    return w + objective.backend.asarray(
        0.1 * np.random.default_rng(9).standard_normal(w.shape[-1]), objective.dtype
    )


def mask(units, samples, dropout=None, place=0, draw=0):
    dropout = dropout or Dropout()
    numbers = np.arange(samples, dtype=np.uint32)
    return dropout.mask(xpnet.backend("numpy").xp, units, numbers, np.dtype(float), place=place, draw=draw)


@pytest.mark.parametrize("layer", [LayerNorm(), LayerNorm(0.1), Dropout(0.5)], ids=str)
def test_derivatives(layer):
    check_layer(layer, inputs=5)


@pytest.mark.parametrize("size", [1e-3, 1.0, 1e3])
def test_layer_norm_is_pytorch_s(torch, size):
    random = np.random.default_rng(0)
    x, gradient = size * random.standard_normal((7, 9)) + size, random.standard_normal((7, 9))
    scale, bias = random.standard_normal(7), random.standard_normal(7)
    theirs = torch.nn.LayerNorm(7, eps=1e-5, dtype=torch.float64)
    with torch.no_grad():
        theirs.weight[:], theirs.bias[:] = torch.tensor(scale), torch.tensor(bias)
    inputs = torch.tensor(x.T, requires_grad=True)
    outputs = theirs(inputs)
    outputs.backward(torch.tensor(gradient.T))
    found = {"scale": np.empty(7), "bias": np.empty(7)}
    accumulate = xpnet.objectives.risk.accumulate.Accumulator(xpnet.backend("numpy"), found, np.ones(9))
    parameters = {"scale": scale, "bias": bias}
    xp = xpnet.backend("numpy").xp
    got, cache = LayerNorm().forward(xp, parameters, x)
    back = LayerNorm().backward(xp, parameters, cache, gradient, accumulate)
    for ours, want in (
        (got, outputs.detach().numpy().T),
        (back, inputs.grad.numpy().T),
        (found["scale"], theirs.weight.grad.numpy()),
        (found["bias"], theirs.bias.grad.numpy()),
    ):
        np.testing.assert_allclose(ours, want, rtol=1e-12, atol=1e-12 * abs(want).max())


def torch_layers(torch, network, w, masks):
    """The network in PyTorch, as a function of the inputs: dropout multiplies by `masks`, by place."""
    shapes, parts, at = network.layout.shapes, {}, 0
    for name, shape in shapes.items():
        size = int(np.prod(shape))
        parts[name] = w[at : at + size].reshape(shape)
        at += size

    def function(y):
        for place, layer in enumerate(network.layers):
            if isinstance(layer, Dropout):
                y = y * masks[place]
            elif isinstance(layer, LayerNorm):
                scale, bias = parts[f"{place}.scale"], parts[f"{place}.bias"]
                # written out, as the forward mode of torch.nn.functional.layer_norm's gradient is wrong
                centred = y - y.mean(dim=-1, keepdim=True)
                y = centred / (centred.square().mean(dim=-1, keepdim=True) + layer.epsilon).sqrt()
                y = y * scale + bias
            else:
                y = y @ parts[f"{place}.weights"].T + parts[f"{place}.bias"]
                name = layer.activation.name
                y = {"tanh": torch.tanh, "softplus": torch.nn.functional.softplus}.get(name, lambda z: z)(y)
        return y

    return function


@pytest.mark.parametrize("make", [classification, regression], ids=["classification", "regression"])
def test_risk_and_curvature_equal_pytorch_given_the_same_masks(make, torch):
    objective = make(chunk=11)
    network, w = objective.network, start(objective)
    units = [network.inputs]
    for layer in network.layers:
        units.append(layer.units or units[-1])
    masks = {
        place: torch.tensor(mask(units[place], 40, layer, place).T)
        for place, layer in enumerate(network.layers)
        if isinstance(layer, Dropout)
    }

    def loss(flat):
        y = torch_layers(torch, network, flat, masks)(torch.tensor(X))
        if make is classification:
            return torch.nn.functional.cross_entropy(y, torch.tensor(LABELS))
        return 0.5 * ((y - torch.tensor(TARGETS)) ** 2).sum(axis=1).mean()

    variable = torch.tensor(w, requires_grad=True)
    want = loss(variable)
    want.backward()
    value, gradient = objective.value_and_gradient(w)
    assert float(value) == pytest.approx(want.item(), rel=1e-13)
    assert float(objective.value(w)) == pytest.approx(want.item(), rel=1e-13)
    np.testing.assert_allclose(gradient, variable.grad.numpy(), rtol=1e-12, atol=1e-13)
    H = objective.hessian_product(w, np.eye(w.size))
    exact = torch.func.hessian(loss)(torch.tensor(w)).numpy()
    np.testing.assert_allclose(H, exact, atol=1e-10 * abs(exact).max())
    np.testing.assert_allclose(H, H.T, atol=1e-12 * abs(H).max())


def test_residuals_and_jacobian_have_the_masks():
    objective = regression(chunk=7, penalty=L2(0.1))
    w = start(objective)
    check_gradient(objective, w)
    r, J = objective.residuals(w), objective.jacobian(w)
    value, gradient = objective.value_and_gradient(w)
    assert 0.5 * r @ r == pytest.approx(float(value), rel=1e-12)
    np.testing.assert_allclose(J.T @ r, gradient, atol=1e-13)
    np.testing.assert_allclose(J.T @ J, objective.gauss_newton(w), atol=1e-12)
    np.testing.assert_allclose(objective.normal_equations(w)[2], J.T @ J, atol=1e-12)


@pytest.mark.parametrize("make", [classification, regression], ids=["classification", "regression"])
def test_every_backend_gives_the_same(make, backend, dtype, tolerance):
    results = []
    for own in (backend, xpnet.backend("numpy")):
        objective = make(own, dtype, chunk=13, penalty=[L1(0.1), L2(0.1)]).redraw(5)
        w = start(objective, replicas=2)
        parts = [*objective.value_and_gradient(w), objective.value(w)]
        parts += [objective.hessian_product(w, w), objective.gauss_newton_product(w, w)]
        parts.append(objective.network.predict(w, X))
        assert parts[1].dtype == parts[3].dtype == parts[5].dtype == own.dtype(dtype)
        results.append([own.to_numpy(part) for part in parts])
    for ours, host in zip(*results, strict=True):
        np.testing.assert_allclose(ours, host, rtol=50 * tolerance, atol=50 * tolerance)


def test_masks_are_the_same_everywhere(backend, dtype):
    numbers = backend.xp.asarray(np.arange(300).tolist(), dtype=backend.xp.uint32, device=backend.device)
    ours = Dropout(0.3, seed=7).mask(backend.xp, 20, numbers, backend.dtype(dtype), place=2, draw=4)
    assert ours.dtype == backend.dtype(dtype)
    want = mask(20, 300, Dropout(0.3, seed=7), 2, 4)
    np.testing.assert_array_equal(backend.to_numpy(ours), want.astype(dtype))


@pytest.mark.parametrize("make", [classification, regression], ids=["classification", "regression"])
def test_replicas_equal_a_loop(make):
    objective = make(chunk=13, penalty=L2(0.1))
    w = start(objective, replicas=3)
    value, gradient = objective.value_and_gradient(w)
    products = objective.hessian_product(w, w), objective.gauss_newton_product(w, w)
    for r in range(3):
        alone, own = objective.value_and_gradient(w[r])
        assert value[r] == pytest.approx(float(alone), rel=1e-13)
        np.testing.assert_allclose(gradient[r], own, rtol=1e-11, atol=1e-14)
        np.testing.assert_allclose(products[0][r], objective.hessian_product(w[r], w[r]), atol=1e-12)
        np.testing.assert_allclose(products[1][r], objective.gauss_newton_product(w[r], w[r]), atol=1e-12)


def test_chunks_and_threads_change_nothing(monkeypatch):
    whole, w = classification(chunk=40), start(classification())
    for chunk in (1, 7, 39):
        for got, want in zip(
            classification(chunk=chunk).value_and_gradient(w), whole.value_and_gradient(w), strict=True
        ):
            np.testing.assert_allclose(got, want, rtol=1e-12, atol=1e-15)
    monkeypatch.setattr(chunks_module, "THREAD_WORK", 0)
    bits = {
        classification(chunk=5, threads=threads).value_and_gradient(w)[1].tobytes() for threads in (1, 2, 5)
    }
    assert len(bits) == 1


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_nothing_given_is_written_to_and_the_dtype_stays(dtype):
    x, gradient, scale, bias = read_only(
        *(np.random.default_rng(0).standard_normal(s).astype(dtype) for s in ((4, 6), (4, 6), 4, 4))
    )
    xp = xpnet.backend("numpy").xp
    for layer, parameters in (
        (LayerNorm(), {"scale": scale, "bias": bias}),
        (Dropout(), {"mask": read_only(mask(4, 6).astype(dtype))[0]}),
    ):
        found = {name: np.empty(4, dtype) for name in layer.shapes(4)}
        accumulate = xpnet.objectives.risk.accumulate.Accumulator(
            xpnet.backend("numpy"), found, np.ones(6, dtype)
        )
        outputs, cache = layer.forward(xp, parameters, x)
        back = layer.backward(xp, parameters, cache, gradient, accumulate)
        assert outputs.dtype == back.dtype == dtype


def test_penalties_leave_scales_out():
    objective = classification(penalty=[L1(0.1), L2(0.1)])
    plain = classification()
    w = start(objective)
    difference = objective.value_and_gradient(w)[1] - plain.value_and_gradient(w)[1]
    touched = {name for name in NETWORK.layout.shapes if difference[NETWORK.layout.slice(name)].any()}
    assert touched == {"1.weights", "3.weights", "6.weights"}


def test_the_table_names_the_layers():
    text = NETWORK.describe()
    assert "scale (5,), bias (5,)" in text
    assert [line.split()[0] for line in text.splitlines()[2:9]] == [
        type(layer).__name__ for layer in NETWORK.layers
    ]


@pytest.mark.parametrize("rate", [0.0, 0.1, 0.5, 0.9])
def test_masks_keep_the_expectation(rate):
    found = mask(200, 2000, Dropout(rate))
    assert set(np.unique(found)) <= {0.0, 1 / (1 - rate)}
    error = 4 * np.sqrt(rate / (1 - rate) / found.size)
    assert found.mean() == pytest.approx(1, abs=max(error, 1e-12))
    # as even as chance over units and over samples
    for axis in (0, 1):
        spread = np.sqrt(rate / (1 - rate) / found.shape[axis])
        assert found.mean(axis=axis).std() == pytest.approx(spread, rel=0.15, abs=1e-12)


def test_masks_are_independent():
    masks = [
        mask(50, 1000, Dropout(0.5, seed), place, draw)
        for seed, place, draw in itertools.product((0, 1), repeat=3)
    ]
    masks.append(mask(50, 1001)[:, 1:])  # of the next sample
    masks.append(mask(51, 1000)[1:])  # of the next unit
    rows = np.array([found.ravel() for found in masks]) - 1
    correlation = rows @ rows.T / rows.shape[1]
    np.testing.assert_allclose(correlation, np.eye(len(rows)), atol=5 / np.sqrt(rows.shape[1]))
    units = masks[0] - 1
    correlation = units @ units.T / 1000
    assert abs(correlation - np.eye(50)).max() < 6 / np.sqrt(1000)


def test_dropout_in_expectation_is_the_network_without_it():
    """Exactly so for a linear network; PyTorch's inverted dropout has the same property."""
    network = Network(4, Dropout(0.3), Dense(3))
    objective = EmpiricalRisk(
        network, SquaredError(), X, np.zeros((40, 3)), backend="numpy", dtype="float64", training=True
    )
    w = network.initialize(0, "numpy", "float64")
    draws = [objective.redraw(k).residuals(w) for k in range(2000)]
    outputs = np.mean(draws, axis=0).reshape(40, 3) * np.sqrt(40)
    error = np.std(draws, axis=0).reshape(40, 3) * np.sqrt(40 / 2000)
    assert (abs(outputs - network.predict(w, X)) <= 5 * error).all()


def test_it_must_be_said_whether_dropout_acts():
    with pytest.raises(ValueError, match="training must be given as the network has Dropout"):
        EmpiricalRisk(NETWORK, CrossEntropy(), X, LABELS, backend="numpy")
    without = Network(4, *(layer for layer in NETWORK.layers if not isinstance(layer, Dropout)))
    held_out = classification(training=False)
    w = start(held_out)
    plain = EmpiricalRisk(without, CrossEntropy(), X, LABELS, backend="numpy", dtype="float64")
    assert held_out.value(w) == plain.value(w)
    np.testing.assert_array_equal(NETWORK.predict(w, X), without.predict(w, X))
    assert abs(classification().value(w) - held_out.value(w)) > 1e-3
    assert xpnet.Offers.REDRAW in classification().offers
    assert xpnet.Offers.REDRAW not in held_out.offers
    assert xpnet.Offers.REDRAW not in plain.offers
    for objective in (held_out, plain, xpnet.Quadratic(np.eye(2), backend="numpy")):
        with pytest.raises(NotImplementedError, match="random|redraw"):
            objective.redraw(1)


def test_a_risk_keeps_its_masks_until_they_are_drawn_anew():
    objective = classification()
    w = start(objective)
    value = objective.value(w)
    assert objective.value(w) == value == classification().value(w)
    other = objective.redraw(1)
    assert other.value(w) != value
    assert other.redraw(0).value(w) == objective.value(w) == value
    # a subset's samples keep theirs
    parts = [
        objective.subset(np.array(part)) for part in ([3, 17, 5], [2], sorted({*range(40)} - {2, 3, 5, 17}))
    ]
    mean = sum(float(part.value(w)) * part.samples for part in parts) / 40
    assert mean == pytest.approx(float(value), rel=1e-12)


@pytest.mark.parametrize("size", [40, 16])
def test_every_epoch_of_minibatches_draws_new_masks(size):
    objective, method = classification(), Minibatch(GradientDescent(1e-12), size)
    w = start(objective)
    run = minimize(objective, method, w, stop=after(6), held_out=classification(training=False))
    assert len(set(run.history.value)) == 6
    if size == 40:
        want = [float(objective.redraw(k).value(w)) for k in range(6)]
        np.testing.assert_allclose(run.history.value, want, rtol=1e-9)
    assert run.best_value == np.nanmin(run.history.held_out)
    assert run.value == pytest.approx(float(objective.value(w)))


def test_without_minibatches_the_masks_stay():
    objective = classification()
    run = minimize(objective, GradientDescent(1e-12), start(objective), stop=after(5))
    np.testing.assert_allclose(run.history.value, run.history.value[0], rtol=1e-9)
    lower = minimize(objective, LBFGS(), start(objective), stop=after(30))
    assert (np.diff(lower.history.value) <= 1e-12).all()
    assert lower.value < 0.3 * lower.history.value[0]


@pytest.mark.parametrize("size", [40, 16])
def test_snapshot_and_resume_bit_for_bit(size):
    objective = classification()
    assert_resumes(objective, Minibatch(Momentum(0.1), size), start(objective))


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: Dropout(1.0), ValueError, r"rate must be in \[0, 1\), got 1.0"),
        (lambda: Dropout(-0.1), ValueError, r"rate must be in \[0, 1\), got -0.1"),
        (lambda: Dropout("half"), TypeError, "rate must be a number, got 'half'"),
        (lambda: Dropout(seed=-1), ValueError, "seed must be at least 0, got -1"),
        (lambda: LayerNorm(0), ValueError, r"epsilon must be in \(0, inf\), got 0"),
        (lambda: classification().redraw(-1), ValueError, "draw must be at least 0, got -1"),
    ],
)
def test_bad_settings(make, error, message):
    with pytest.raises(error, match=message):
        make()
