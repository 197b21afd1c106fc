"""Rules over the units of each sample: the reference, the text compiled for the host, and CuPy."""

from __future__ import annotations

import ctypes
import logging
import shutil
import subprocess

import array_api_compat.numpy as xp
import numpy as np
import pytest

from xpnet import (
    BinaryCrossEntropy,
    CrossEntropy,
    Dense,
    Divergence,
    EmpiricalRisk,
    KullbackLeibler,
    Network,
    SquaredError,
    TraceError,
)
from xpnet.layers import activations, norm
from xpnet.layers.activation import REAL
from xpnet.objectives.risk.terms import divergence_rules
from xpnet.rules import samplewise
from xpnet.rules.cuda import samplewise_source
from xpnet.rules.numpy import uniform_values

DIVERGENCES = [SquaredError(), CrossEntropy(), BinaryCrossEntropy(), KullbackLeibler()]
DIVERGENCES += [own for divergence in DIVERGENCES for own in divergence.logits.values()]


@samplewise
def three_loops(xp, a, b, *, p):
    """Reductions that wait for others, of values made of them, and results of every kind."""
    top = xp.max(a - p, axis=-2, keepdims=True)
    share = xp.exp(a - top) / xp.sum(xp.exp(a - top), axis=-2, keepdims=True)
    far = xp.max(xp.abs(share - b), axis=-2)
    return share * b, far + xp.squeeze(top, axis=-2), xp.sum(share * b, axis=-2), a


RULES = [activations.softmax, activations.biased_softmax, activations.softmax_backward, three_loops]
RULES += [norm.layer_norm, norm.layer_norm_backward]
RULES += [
    rule
    for divergence in DIVERGENCES
    for labels in (False, True)
    for weighted in (False, True)
    for rule in divergence_rules(
        divergence, labels=labels, weighted=weighted, biased=weighted and divergence.domain == REAL
    )
]
IDS = [f"{rule.__name__}-{number}" for number, rule in enumerate(RULES)]


def arguments(rule, shape, dtype, seed=0, extreme=False):
    """Arrays that mean something to `rule`, most of them smaller than `shape`."""
    random = np.random.default_rng(seed)
    units, samples = shape[-2:]
    first = random.uniform(0.05, 0.95, shape)
    targets = random.dirichlet(np.ones(units), samples).T
    made = {
        "outputs": first * 2e4 - 1e4 if extreme else first,
        "targets": random.integers(0, units, samples) if _labels(rule) else targets,
        "classes": np.arange(units)[:, None],
        "weights": random.uniform(0.5, 2, samples),
        "bias": random.standard_normal((units, 1)),
        "scale": random.standard_normal((units, 1)),
        "inverse": random.uniform(0.5, 2, (1, samples)),
        "gradient": random.standard_normal(shape),
        "b": random.standard_normal((units, 1)),
    }
    arrays = [np.asarray(made.get(name, first), dtype) for name in rule.arrays]
    return arrays, {name: 0.3 for name in rule.scalars}


def _labels(rule):
    """Whether the rule compares its targets with the classes."""
    return any(node.operation == "equal" for node in rule.graph.nodes)


def as_list(results):
    return list(results) if isinstance(results, tuple) else [results]


compiler = shutil.which("g++") or shutil.which("c++")


@pytest.fixture(scope="module")
def library(tmp_path_factory):
    if compiler is None:
        pytest.skip("there is no C++ compiler")
    lines = ["#include <cmath>", "using namespace std;"]
    for number, rule in enumerate(RULES):
        source = samplewise_source(rule.graph)
        for kind in ("float", "double"):
            names = [name for name in source.inputs if name[0] == "r"]
            pointers = [f"{kind} *{name} = (T*)p[{k}];" for k, name in enumerate([*names, *source.outputs])]
            values = [name for name in source.inputs if name[0] == "h"]
            numbers = [f"const {kind} {name} = (T)h[{k}];" for k, name in enumerate(values)]
            lines += [
                f'extern "C" void rule{number}_{kind}',
                "(void **p, double *h, long n, long units, long width) {",
                f"typedef {kind} T;",
                *pointers,
                *numbers,
                "for (long i = 0; i < n; ++i) {",
                source.text,
                "} }",
            ]
    folder = tmp_path_factory.mktemp("kernels")
    (folder / "rules.cpp").write_text("\n".join(lines))
    command = [compiler, "-O1", "-ffp-contract=off", "-Wall", "-Werror", "-Wno-unused-variable"]
    subprocess.run(
        [*command, "-shared", "-fPIC", "-o", folder / "rules.so", folder / "rules.cpp"], check=True
    )
    return ctypes.CDLL(str(folder / "rules.so"))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("shape", [(4, 7), (1, 3), (5, 1), (2, 3, 6)], ids=str)
@pytest.mark.parametrize("number", range(len(RULES)), ids=IDS)
def test_text_equals_reference(library, number, shape, dtype):
    rule = RULES[number]
    arrays, numbers = arguments(rule, shape, dtype)
    with np.errstate(all="ignore"):
        want = as_list(rule.function(xp, *map(np.copy, arrays), **numbers))
    source = samplewise_source(rule.graph)
    inputs = [np.ascontiguousarray(np.broadcast_to(array, shape)) for array in arrays]
    outputs = [np.full(part.shape, np.nan, dtype) for part in want]
    pointers = (ctypes.c_void_p * (len(inputs) + len(outputs)))(
        *[array.ctypes.data for array in (*inputs, *outputs)]
    )
    host = np.array(uniform_values(rule.graph, source.host_values, numbers, np.dtype(dtype)), float)
    kind = "float" if dtype == "float32" else "double"
    units, width = shape[-2:]
    getattr(library, f"rule{number}_{kind}")(
        pointers,
        ctypes.c_void_p(host.ctypes.data),
        *map(ctypes.c_long, (outputs_size(shape), units, width)),
    )
    for got, expected in zip(outputs, want, strict=True):
        np.testing.assert_allclose(got, expected, rtol=1e-5 if dtype == "float32" else 1e-12, atol=1e-6)


def outputs_size(shape):
    return int(np.prod(shape)) // shape[-2]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("shape", [(5, 1), (2, 3, 6)], ids=str)
@pytest.mark.parametrize("rule", RULES, ids=IDS)
def test_cupy_gives_the_reference(rule, shape, dtype, cupy_backend):
    tolerance = 1e-5 if dtype == "float32" else 1e-12
    for extreme in (False, True):
        arrays, numbers = arguments(rule, shape, dtype, extreme=extreme)
        with np.errstate(all="ignore"):
            want = as_list(rule.function(xp, *map(np.copy, arrays), **numbers))
        on_device = [cupy_backend.asarray(array, dtype) for array in arrays]
        got = as_list(rule(cupy_backend.xp, *on_device, **numbers))
        for own, expected in zip(got, want, strict=True):
            assert own.dtype == dtype
            np.testing.assert_allclose(own.get(), expected, rtol=tolerance, atol=tolerance)


def test_any_of_the_arrays_may_be_the_larger_one(cupy_backend):
    """As of a Gauss-Newton product in several directions: one output, several gradients."""
    random = np.random.default_rng(0)
    y, gradient = random.dirichlet(np.ones(4), 5).T, random.standard_normal((3, 4, 5))
    want = activations.softmax_backward.function(xp, y, gradient)
    got = activations.softmax_backward(cupy_backend.xp, *map(cupy_backend.asarray, (y, gradient)))
    np.testing.assert_allclose(got.get(), want, rtol=1e-12, atol=1e-14)


def test_kernels_let_nan_through_and_depend_on_no_order(counter, cupy_backend):
    z = np.random.default_rng(0).standard_normal((5, 300))
    z[2, 7], z[0, 8], z[4, 9] = np.nan, np.nan, np.nan
    on_device, seen = cupy_backend.asarray(z, "float64"), []
    for order in ("forward", "reverse", "shuffle"):
        with counter.schedule(order, seed=1):
            seen.append(activations.softmax(cupy_backend.xp, on_device).get())
    assert np.isnan(seen[0][:, 7:10]).all()
    assert np.isnan(seen[0]).sum() == 15
    for other in seen[1:]:
        np.testing.assert_array_equal(other, seen[0])


class Odd(Divergence):
    """One that no kernel can be made of: it sorts."""

    def value(self, xp, outputs, targets):
        return self.value_and_gradient(xp, outputs, targets)[0]

    def value_and_gradient(self, xp, outputs, targets):
        error = outputs - targets
        return 0.5 * xp.sum(xp.sort(error * error, axis=-2), axis=-2), error


def test_a_divergence_that_cannot_be_a_kernel_is_called_as_it_is(backend, dtype, tolerance, caplog):
    X, targets = np.random.default_rng(0).standard_normal((2, 20, 3))
    network = Network(3, Dense(3))
    w = network.initialize(0, backend, dtype)
    with caplog.at_level(logging.INFO, "xpnet"):
        odd = EmpiricalRisk(network, Odd(), X, targets, backend=backend, dtype=dtype).value_and_gradient(w)
    usual = EmpiricalRisk(network, SquaredError(), X, targets, backend=backend, dtype=dtype)
    for got, want in zip(odd, usual.value_and_gradient(w), strict=True):
        np.testing.assert_allclose(backend.to_numpy(got), backend.to_numpy(want), rtol=100 * tolerance)
    if backend.name == "cupy":
        assert "there is no 'xp.sort' for kernels" in caplog.text


@pytest.mark.parametrize(
    ("function", "message"),
    [
        (lambda xp, a: xp.sum(a, axis=-1), "'xp.sum' takes numbers and axis=-2"),
        (lambda xp, a: xp.max(a > 0.0, axis=-2), "'xp.max' takes numbers and axis=-2"),
        (lambda xp, a: a - xp.sum(a, axis=-2), "'subtract' mixes an array without the axis of units"),
        (lambda xp, a: xp.sum(xp.sum(a, axis=-2), axis=-2), "'xp.sum' takes numbers and axis=-2"),
        (lambda xp, a: xp.squeeze(a, axis=-2), "'xp.squeeze' takes what was reduced with keepdims=True"),
        (lambda xp, a: xp.mean(a), "there is no 'xp.mean' for kernels"),
        (lambda xp, a: xp.sum(a, axis=-2, keepdims=True), "a value for each sample with keepdims=True"),
    ],
)
def test_what_cannot_be_traced_is_named(function, message):
    with pytest.raises(TraceError, match=message):
        samplewise(function).graph  # noqa: B018


@samplewise
def spread(xp, a, b, *, p):
    return xp.sum(a * p, axis=-2) / (xp.max(b, axis=-2) - xp.min(b, axis=-2)), xp.prod(a, axis=-2)


def test_products_and_extremes(device):
    a, b = np.random.default_rng(0).uniform(0.5, 1.5, (2, 3, 4, 5))
    got = spread(device.xp, device.asarray(a), device.asarray(b), p=2.0)
    np.testing.assert_allclose(device.to_numpy(got[0]), 2 * a.sum(1) / (b.max(1) - b.min(1)), rtol=1e-13)
    np.testing.assert_allclose(device.to_numpy(got[1]), a.prod(1), rtol=1e-13)


def test_bad_arguments_are_named(cupy_backend):
    a = cupy_backend.asarray(np.ones((4, 5)))
    for arrays, options, error, message in [
        ((a,), {"p": 1.0}, TypeError, "spread takes arrays a, b and scalars p; got 1 arrays"),
        ((a, a.get()), {"p": 1.0}, TypeError, "spread: b must be an array of CuPy"),
        ((a, a.astype("float32")), {"p": 1.0}, TypeError, "spread: arrays must share one dtype"),
        ((a, a), {"p": "1"}, TypeError, "spread: p must be a number"),
        ((a, a[:3, :]), {"p": 1.0}, ValueError, r"spread: shapes that do not broadcast: a \(4, 5\), b"),
        ((a[0, :], a[0, :]), {"p": 1.0}, ValueError, r"spread: arrays must be \(..., units, samples\)"),
    ]:
        with pytest.raises(error, match=message):
            spread(cupy_backend.xp, *arrays, **options)
