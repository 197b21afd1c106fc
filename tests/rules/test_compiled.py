"""Compiled rules: each gives what NumPy gives, however arrays lie, whatever becomes of the cache."""

from __future__ import annotations

import itertools
import logging
import os
import pickle
import subprocess
import sys
from pathlib import Path

import array_api_compat.numpy as xp
import numpy as np
import pytest
from oracles import as_tuple, everything, numbers, one_operation, run_program

import xpnet
from xpnet.__main__ import rules
from xpnet.device import select
from xpnet.dual import Namespace
from xpnet.layers import activations, norm
from xpnet.layers.activation import REAL
from xpnet.objectives.risk.terms import divergence_rules
from xpnet.rules import OPERATIONS, cache, compiled, elementwise, machine_code, samplewise, shares
from xpnet.rules import numpy as host

needs_numba = pytest.mark.skipif(not select.has_numba(), reason="Numba is not installed")

# What is rounded as NumPy rounds it; the others are approximations, or the C library's.
EXACT = set(
    """negative abs sign square reciprocal sqrt ceil floor round trunc add subtract multiply divide copysign
    remainder floor_divide maximum minimum less less_equal greater greater_equal equal not_equal isnan isinf
    isfinite signbit logical_and logical_or logical_xor logical_not where positive clip zeros_like ones_like
    full_like""".split()  # noqa: SIM905
)
FULL = [everything, *rules().values()]
DIVERGENCES = [
    xpnet.SquaredError(),
    xpnet.CrossEntropy(),
    xpnet.BinaryCrossEntropy(),
    xpnet.KullbackLeibler(),
]
DIVERGENCES += [own for divergence in DIVERGENCES for own in divergence.logits.values()]


@pytest.fixture
def own():
    """A namespace that asks for compiled rules."""
    pytest.importorskip("numba", reason="Numba is not installed")
    return xpnet.backend("numpy", kernels="numba").xp


@pytest.fixture
def compiled_only(monkeypatch):
    """Fails where a rule would fall back on NumPy."""

    def fail(*arguments):
        raise AssertionError("a rule ran on NumPy")

    monkeypatch.setattr(host, "call", fail)


def scalars_of(rule):
    return {name: 0.3 + 0.2 * k for k, name in enumerate(rule.scalars)}


def close(got, want, dtype, exact=False):
    assert got.dtype == want.dtype == dtype
    assert got.shape == want.shape
    if exact:
        np.testing.assert_array_equal(got, want)
    else:
        np.testing.assert_allclose(got, want, rtol=3e-6 if dtype == "float32" else 1e-13)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", OPERATIONS)
def test_operations(name, dtype, own, compiled_only):
    rule = one_operation(name)
    a, b = numbers(dtype)
    with np.errstate(all="ignore"):
        want = np.broadcast_to(rule(xp, a, b), a.shape)
    got = rule.compute(own, a, b)
    close(got, want, dtype, name in EXACT)
    signs = np.signbit(got) == np.signbit(want)
    assert np.all(signs | np.isnan(want)) or name in ("maximum", "minimum", "clip")
    into = a.copy()
    rule.write(own, (into,), into, b)
    assert into.tobytes() == got.tobytes()


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("rule", FULL, ids=lambda rule: rule.graph.name)
def test_rules(rule, dtype, own, compiled_only):
    pairs = numbers(dtype)
    arrays = [np.roll(pairs[k % 2], k // 2) for k in range(len(rule.arrays))]
    with np.errstate(all="ignore"):
        want = [
            np.broadcast_to(part, pairs[0].shape)
            for part in as_tuple(rule(xp, *arrays, **scalars_of(rule)))
        ]
    got = as_tuple(rule.compute(own, *arrays, **scalars_of(rule)))
    used = {node.operation for node in rule.graph.nodes if not node.uniform} - {"array"}
    for ours, theirs in zip(got, want, strict=True):
        close(ours, theirs, dtype, used <= EXACT)
    # outputs that lie on inputs, and numbers that come as arrays
    copies = [array.copy() for array in arrays]
    into = (*copies, *[np.empty_like(arrays[0]) for _ in want])[: len(want)]
    rule.write(own, into, *copies, **scalars_of(rule))
    for ours, theirs in zip(into, got, strict=True):
        assert ours.tobytes() == theirs.tobytes()
    if rule.scalars:
        on_device = {name: np.full((1,), value) for name, value in scalars_of(rule).items()}
        for ours, theirs in zip(as_tuple(rule.compute(own, *arrays, **on_device)), got, strict=True):
            close(ours, theirs, dtype)


SHAPES = [(), (1,), (4, 1), (4, 6), (3, 1, 6)]


@elementwise
def spread(xp, a, b, *, p):
    return xp.where(p < 0.5, a, b) * p + b


@pytest.mark.parametrize("parameter", [None, (), (4, 1)], ids=str)
@pytest.mark.parametrize("second", SHAPES, ids=str)
@pytest.mark.parametrize("first", [(), (4, 6), (3, 4, 6)], ids=str)
def test_broadcasting(first, second, parameter, own, compiled_only):
    random = np.random.default_rng(2)
    a, b = (np.asarray(random.standard_normal(shape)) for shape in (first, second))
    p = 0.25 if parameter is None else np.asarray(random.random(parameter))
    want = spread(xp, a, b, p=p)
    got = spread.compute(own, a, b, p=p)
    assert np.shape(got) == np.shape(want)
    np.testing.assert_array_equal(got, want)


@pytest.mark.parametrize("shape", [(0,), (0, 3), (3, 0), (2, 0, 3)], ids=str)
def test_empty_arrays(shape, own):
    a = np.empty(shape, "float32")
    assert spread.compute(own, a, a, p=0.5).shape == shape
    assert np.all(spread.sum(own, a, a, p=0.5, dtype=np.float64) == 0)
    if len(shape) > 1 and shape[-2]:
        assert activations.softmax(own, a).shape == shape


def test_numbers_combine_in_double_precision(own):
    rule = elementwise(lambda xp, a, *, decay: a * (1.0 - decay))
    assert rule.compute(own, np.ones(3, np.float32), decay=0.999)[0] == np.float32(1.0 - 0.999)


def test_functions_of_numbers_alone(own, compiled_only):
    rule = elementwise(lambda xp, a, *, p: a * xp.exp(-p) + xp.where(p > 0.5, 1.0, xp.tanh(a)) ** p)
    a = np.linspace(0.1, 1, 5, dtype=np.float32)
    for p in (0.3, 0.9):
        np.testing.assert_allclose(rule.compute(own, a, p=p), rule(xp, a, p=np.float32(p)), rtol=1e-6)


EXCHANGES = [
    ((0, 1, 2), (0, 1, None)),
    ((0, 1, 2), (1, 0, 2)),
    ((0, 1, 2), (2, None, 0)),
    ((0, 0, 1), (0, None, 1)),
    ((0, 1, 0), (1, 0, None)),
    ((0, 0, 0), (0, None, None)),
    ((0, 0, 0), (None, None, None)),
]


@pytest.mark.parametrize("shape", [(5,), (3, 40), (2, 3, 50)], ids=str)
@pytest.mark.parametrize(("inputs", "targets"), EXCHANGES)
def test_outputs_may_lie_on_inputs(inputs, targets, shape, own, compiled_only):
    rule = elementwise(lambda xp, a, b, c, *, p: (b, a * p + c, xp.where(c > a, a, b - c)))
    distinct = list(np.random.default_rng(1).standard_normal((3, *shape)).copy())
    distinct = [part.copy() for part in distinct]
    arrays = [distinct[n] for n in inputs]
    want = [part.copy() for part in rule(xp, *arrays, p=0.5)]
    into = tuple(np.full(shape, np.nan) if k is None else distinct[k] for k in targets)
    rule.write(own, into, *arrays, p=0.5)
    for got, expected in zip(into, want, strict=True):
        np.testing.assert_array_equal(got, expected)


def layouts(array):
    """The same numbers, lying in memory in other ways."""
    locked = array.copy()
    locked.flags.writeable = False
    apart = np.repeat(array, 2, axis=-1)[..., ::2]
    odd = np.frombuffer(b"\0" + array.tobytes(), np.uint8)[1:].view(array.dtype).reshape(array.shape)
    assert not odd.flags.aligned
    return [locked, np.asfortranarray(array), apart, array[..., ::-1].copy()[..., ::-1], odd]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_bits_depend_on_no_layout(dtype, own):
    random = np.random.default_rng(0)
    a, b = (random.standard_normal((5, 67)).astype(dtype) for _ in range(2))
    bias = random.standard_normal((5, 1)).astype(dtype)
    want = everything.compute(own, a, b, p=0.25, q=0.75)
    total = everything_sum.sum(own, a, b, dtype=np.float64)
    softmax = activations.biased_softmax(own, a, bias)
    for other in layouts(a):
        for got, expected in zip(everything.compute(own, other, b, p=0.25, q=0.75), want, strict=True):
            assert got.tobytes() == expected.tobytes()
        assert everything_sum.sum(own, other, b, dtype=np.float64).tobytes() == total.tobytes()
        assert activations.biased_softmax(own, other, bias).tobytes() == softmax.tobytes()
    into = np.zeros((5, 134), dtype)[:, ::2]
    spread.write(own, (into,), a, b, p=0.25)
    want = spread.compute(own, a, b, p=0.25)
    assert into.tobytes() == want.tobytes()
    into[...] = a
    spread.write(own, (into,), into, b, p=0.25)
    assert into.tobytes() == want.tobytes()


@elementwise
def everything_sum(xp, a, b):
    return xp.tanh(a) * b + xp.exp(-a * a)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("shape", [(1,), (255,), (256,), (1801,), (3, 700), (2, 3, 10)], ids=str)
def test_sums(shape, dtype, own, monkeypatch):
    random = np.random.default_rng(0)
    a, b = (random.standard_normal(shape).astype(dtype) for _ in range(2))
    want = 0.5 * np.sum(everything_sum(xp, a, b).astype(np.float64), axis=-1)
    got = everything_sum.sum(own, a, b, factor=0.5, dtype=np.float64)
    assert got.dtype == np.float64
    assert np.shape(got) == shape[:-1]
    assert isinstance(got, np.ndarray) == (len(shape) > 1)
    np.testing.assert_allclose(got, want, rtol=1e-6 if dtype == "float32" else 1e-13, atol=1e-5)
    weights = b[..., :1] if len(shape) > 1 else b[:1]
    got = everything_sum.sum(own, a, weights, dtype=np.float64)
    want = np.sum(everything_sum(xp, a, weights).astype(np.float64), axis=-1)
    np.testing.assert_allclose(got, want, rtol=1e-6 if dtype == "float32" else 1e-13, atol=1e-5)


def test_sums_let_nan_and_infinity_through(own):
    add = elementwise(lambda xp, a: a)
    for odd in (np.nan, np.inf, -np.inf):
        a = np.ones(1000)
        a[777] = odd
        np.testing.assert_equal(add.sum(own, a, dtype=np.float64), odd)


def test_sums_are_as_good_as_those_of_pairs(own):
    a = np.random.default_rng(0).uniform(0.5, 1, 1_000_000)
    add = elementwise(lambda xp, a: a)
    want = float(np.sum(a.astype(np.longdouble)))
    assert abs(add.sum(own, a, dtype=np.float64) - want) < 4 * np.spacing(want)


@elementwise
def tanh_backward(xp, y, gradient):
    return gradient * (1.0 - y * y)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("shape", [(1,), (1801,), (0,), (3, 700), (2, 3, 10), (4, 0), (0, 4)], ids=str)
def test_a_result_comes_with_its_sum(shape, dtype, own, compiled_only):
    random = np.random.default_rng(0)
    y, gradient = (random.standard_normal(shape).astype(dtype) for _ in range(2))
    for rule, which in ((tanh_backward, 0), (swapped, 1)):
        want = as_tuple(rule.compute(own, y, gradient))
        got, total = rule.compute_with_sum(own, y, gradient)
        for ours, theirs in zip(as_tuple(got), want, strict=True):
            assert ours.tobytes() == theirs.tobytes()
        assert (total.dtype, total.shape) == (dtype, shape[:-1])
        exact = np.sum(want[which].astype(np.longdouble), axis=-1)
        small = np.finfo(dtype).eps
        np.testing.assert_allclose(total, exact, rtol=small, atol=1e-12)
        # a row has its sum, wherever it lies
        for place in np.ndindex(*shape[:-1]):
            alone = rule.compute_with_sum(own, y[place], gradient[place])[1]
            assert alone.tobytes() == total[place].tobytes()


@elementwise
def swapped(xp, a, b):
    return b, a


def test_a_sum_is_no_work_of_its_own(own, monkeypatch):
    y, gradient = np.full((2, 3, 10), 0.5), np.ones((2, 3, 10))
    for namespace in (xp, Namespace(xp)):
        got, total = tanh_backward.compute_with_sum(namespace, y, gradient)
        assert total is None
        np.testing.assert_array_equal(got, 0.75)
    monkeypatch.setattr(host, "THREAD_BYTES", y.nbytes)  # threads would cut it
    got, total = tanh_backward.compute_with_sum(own, y, gradient)
    assert total is None
    np.testing.assert_array_equal(got, 0.75)
    assert tanh_backward.compute_with_sum(own, y[0], gradient[0])[1] is not None
    with pytest.raises(TypeError, match="tanh_backward: gradient must be an array of NumPy"):
        tanh_backward.compute_with_sum(own, y, [1.0])


def test_a_sum_is_as_good_as_a_product_with_ones(own):
    random = np.random.default_rng(0)
    y, gradient = (random.uniform(-1, 1, (20, 4000)).astype("float32") for _ in range(2))
    got, total = tanh_backward.compute_with_sum(own, y, gradient)
    exact = np.sum(got.astype(np.float64), axis=-1)
    assert np.max(np.abs(total - exact)) <= np.max(np.abs(got @ np.ones(4000, "float32") - exact))
    np.testing.assert_allclose(total, exact, rtol=np.finfo("float32").eps)


@samplewise
def three_loops(xp, a, b, *, p):
    """Reductions that wait for others, of values made of them, and results of every kind."""
    top = xp.max(a - p, axis=-2, keepdims=True)
    share = xp.exp(a - top) / xp.sum(xp.exp(a - top), axis=-2, keepdims=True)
    far = xp.max(xp.abs(share - b), axis=-2)
    low = xp.min(a, axis=-2) * xp.prod(b, axis=-2)
    return share * b, far + xp.squeeze(top, axis=-2), xp.sum(share * b, axis=-2), a, low


SAMPLEWISE = [activations.softmax, activations.biased_softmax, activations.softmax_backward, three_loops]
SAMPLEWISE += [norm.layer_norm, norm.layer_norm_backward]
SAMPLEWISE += [
    rule
    for divergence in DIVERGENCES
    for labels in (False, True)
    for weighted in (False, True)
    for rule in divergence_rules(
        divergence, labels=labels, weighted=weighted, biased=weighted and divergence.domain == REAL
    )
]


def arguments(rule, shape, dtype, kind="usual"):
    """Arrays that mean something to `rule`, most of them smaller than `shape`."""
    random = np.random.default_rng(0)
    units, samples = shape[-2:]
    first = random.uniform(0.05, 0.95, shape)
    if kind == "extreme":
        first = first * 2e4 - 1e4
    if kind == "special":
        first.flat[: 3 * first.size // 4 : 5] = [
            *np.resize([np.nan, np.inf, -np.inf, 0, 1e-310], first.size)
        ][: len(range(0, 3 * first.size // 4, 5))]
    by_label = any(node.operation == "equal" for node in rule.graph.nodes)
    targets = random.dirichlet(np.ones(units), samples).T
    made = {
        "targets": random.integers(0, units, samples) if by_label else targets,
        "classes": np.arange(units)[:, None],
        "weights": random.uniform(0.5, 2, samples),
        "bias": random.standard_normal((units, 1)),
        "scale": random.standard_normal((units, 1)),
        "inverse": random.uniform(0.5, 2, (1, samples)),
        "gradient": random.standard_normal(shape),
        "b": random.standard_normal((units, 1)),
    }
    return [np.asarray(made.get(name, first), dtype) for name in rule.arrays], {
        n: 0.3 for n in rule.scalars
    }


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("number", range(len(SAMPLEWISE)))
def test_samplewise_rules(number, dtype, own, monkeypatch):
    rule = SAMPLEWISE[number]
    for shape in [(4, 700), (2, 3, 6)] if dtype == "float32" else [(4, 5)]:
        for kind in ("usual", "extreme", "special"):
            arrays, options = arguments(rule, shape, dtype, kind)
            with np.errstate(all="ignore"), monkeypatch.context() as patch:
                want = as_tuple(rule.function(xp, *[array.copy() for array in arrays], **options))
                patch.setattr(rule, "function", None)  # nothing falls back on it
                got = as_tuple(rule(own, *arrays, **options))
            for ours, theirs in zip(got, want, strict=True):
                assert ours.dtype == dtype
                tolerance = 2e-5 if dtype == "float32" else 1e-12
                np.testing.assert_allclose(ours, theirs, rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("shape", [(4, 1300), (2, 3, 6), (1, 1)], ids=str)
def test_samplewise_results_come_with_the_sum_of_the_last(shape, dtype, own):
    rules = [rule for rule in SAMPLEWISE if not rule.graph.nodes[rule.graph.outputs[-1]].per_sample]
    assert len(rules) > 3
    for rule in rules:
        arrays, options = arguments(rule, shape, dtype)
        want = as_tuple(rule(own, *arrays, **options))
        got, total = rule.compute_with_sum(own, *arrays, **options)
        for ours, theirs in zip(as_tuple(got), want, strict=True):
            assert ours.tobytes() == theirs.tobytes()
        assert (total.dtype, total.shape) == (dtype, shape[:-1])
        exact = np.sum(want[-1].astype(np.longdouble), axis=-1)
        small = 4 * np.finfo(dtype).eps  # a block of samples at a time
        np.testing.assert_allclose(total, exact, rtol=small, atol=1e-13)
        plain, none = rule.compute_with_sum(xp, *[array.copy() for array in arrays], **options)
        assert none is None
        np.testing.assert_allclose(as_tuple(plain)[-1], want[-1], rtol=1e-5, atol=1e-5)
    arrays, options = arguments(three_loops, shape, dtype)
    assert three_loops.compute_with_sum(own, *arrays, **options)[1] is None  # the last has no units


def test_samplewise_replicas_are_a_loop(own):
    a, options = arguments(three_loops, (3, 4, 1000), "float32")
    whole = three_loops(own, *a, **options)
    for replica in range(3):
        for got, want in zip(three_loops(own, a[0][replica], a[1], **options), whole, strict=True):
            assert got.tobytes() == want[replica].tobytes()


def test_samples_do_not_depend_on_their_chunk(own):
    a, options = arguments(three_loops, (4, 1300), "float32")
    whole = three_loops(own, *a, **options)
    for first in (0, 1, 500, 1299):
        part = three_loops(own, np.ascontiguousarray(a[0][:, first:]), a[1], **options)
        for got, want in zip(part, whole, strict=True):
            assert got.tobytes() == np.ascontiguousarray(want[..., first:]).tobytes()


def layouts_of_samples(array):
    """Arrays of samples as they come: of the usual order, turned round, and with gaps."""
    return [array, np.ascontiguousarray(array.swapaxes(-1, -2)).swapaxes(-1, -2), *layouts(array)]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("shape", [(5, 1300), (3, 4, 600)], ids=str)
def test_samples_and_sums_depend_on_no_number_of_threads_or_layout(shape, dtype, own, monkeypatch):
    (a, b), options = arguments(three_loops, shape, dtype)
    samples, total = three_loops(own, a, b, **options), everything_sum.sum(own, a, a, dtype=np.float64)
    monkeypatch.setattr(shares, "SEGMENT", 256)
    segments = everything_sum.sum(own, a, a, dtype=np.float64, factor=0.5)
    np.testing.assert_allclose(2 * segments, total, rtol=1e-12)
    for count in (1, 2, 3, 7):
        monkeypatch.setattr(host, "THREAD_BYTES", 0 if count > 1 else 2**22)
        monkeypatch.setattr(shares, "available", lambda count=count: count)
        for other in layouts_of_samples(a):
            got = everything_sum.sum(own, other, other, dtype=np.float64, factor=0.5)
            assert got.tobytes() == segments.tobytes()
            for ours, theirs in zip(three_loops(own, other, b, **options), samples, strict=True):
                assert ours.tobytes() == theirs.tobytes()


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_what_is_written_may_lie_anywhere(dtype, own, compiled_only):
    random = np.random.default_rng(3)
    a, b = (random.standard_normal((6, 50)).astype(dtype) for _ in range(2))
    want = spread.compute(own, a, b, p=0.25)
    for into in layouts_of_samples(a)[1:]:
        if into.flags.writeable:
            spread.write(own, (into,), into, b, p=0.25)
            np.testing.assert_array_equal(into, want)
    whole = np.zeros((12, 150), dtype)
    spread.write(own, (whole[::2, ::3],), a, b, p=0.25)
    np.testing.assert_array_equal(whole[::2, ::3], want)
    assert np.count_nonzero(whole) == np.count_nonzero(want)


@pytest.mark.parametrize("name", ["adam", "irprop_plus", "quickprop", "adadelta"])
def test_an_update_is_the_same_in_any_chunks(name, own):
    rule, random = rules()[name], np.random.default_rng(4)
    arrays = [np.abs(random.standard_normal(1000)).astype("float32") for _ in rule.arrays]
    want = as_tuple(rule.compute(own, *arrays, **scalars_of(rule)))
    for cuts in ([0, 1, 3, 17, 999, 1000], [0, 500, 1000]):
        parts = [
            as_tuple(rule.compute(own, *[array[i:j] for array in arrays], **scalars_of(rule)))
            for i, j in itertools.pairwise(cuts)
        ]
        for k, whole in enumerate(want):
            assert np.concatenate([part[k] for part in parts]).tobytes() == whole.tobytes()


@needs_numba
def test_code_that_only_numba_can_resolve_is_refused():
    rule = elementwise(lambda xp, a: xp.tanh(a))
    rule.compute(xpnet.backend("numpy", kernels="numba").xp, np.ones(3))
    text = "import random\n" + machine_code.KERNEL + "['float64'], 0\n"
    text += "def kernel(a, n, s):\n    a[0] = random.random()\n"
    with pytest.raises(RuntimeError, match="no function of C"):
        machine_code.made("0" * 24, text, "", "")


@needs_numba
def test_a_kernel_refuses_another_number_of_arguments(own):
    a = np.ones(3)
    spread.compute(own, a, a, p=0.5)
    kernel = next(kernel for kernel in spread._loops._known.values() if kernel)
    for wrong in ((), (a,), (a, a, a, a, 0.5, 0.5)):
        with pytest.raises(TypeError):
            kernel(*wrong)


@pytest.mark.parametrize("shape", [(4000,), (7, 500), (2, 3, 600)], ids=str)
def test_bits_depend_on_no_number_of_threads(shape, own, monkeypatch):
    random = np.random.default_rng(0)
    a = random.standard_normal(shape).astype("float32")
    b = random.standard_normal((*shape[:-1], 1)).astype("float32")
    want = everything.compute(own, a, b, p=0.25, q=0.75)
    monkeypatch.setattr(host, "THREAD_BYTES", 0)
    for count in (1, 2, 3, 7):
        for size in (128, 1000):
            monkeypatch.setattr(shares, "available", lambda count=count: count)
            monkeypatch.setattr(shares, "BLOCK_BYTES", size)
            got = everything.compute(own, a, b, p=0.25, q=0.75)
            for ours, theirs in zip(got, want, strict=True):
                assert ours.tobytes() == theirs.tobytes()


def test_what_cannot_be_compiled_runs_on_numpy_and_is_said_once(own, monkeypatch, caplog):
    monkeypatch.setattr(compiled.STORE, "kernel", lambda *_: 1 / 0)
    rule = elementwise(lambda xp, a: xp.tanh(a))
    with caplog.at_level(logging.WARNING, "xpnet"):
        for size in (3, 4):
            np.testing.assert_array_equal(rule.compute(own, np.ones(size)), np.tanh(np.ones(size)))
    assert caplog.text.count("runs on NumPy") == 1
    odd = samplewise(lambda xp, a: xp.sort(a, axis=-2))
    with caplog.at_level(logging.INFO, "xpnet"):
        for _ in range(2):
            assert odd(own, np.array([[2.0], [1.0]])).tolist() == [[1.0], [2.0]]
    assert caplog.text.count("no 'xp.sort' for kernels") == 1


# the cache


def fresh(monkeypatch, place):
    """As a process that starts now."""
    monkeypatch.setenv("XPNET_CACHE", str(place))
    monkeypatch.setattr(compiled, "STORE", cache.Store())


def doubled():
    return elementwise(lambda xp, a: xp.tanh(a) * 2.0).compute(
        xpnet.backend("numpy", kernels="numba").xp, np.ones(3)
    )[0]


WANT = 2 * np.tanh(1.0)


def kept(place):
    return sorted(path for path in place.rglob("*") if path.is_file())


@needs_numba
def test_kernels_are_kept_and_never_written_again(monkeypatch, tmp_path):
    place = tmp_path / "not" / "yet"
    fresh(monkeypatch, place)
    assert doubled() == pytest.approx(WANT)
    files = kept(place)
    assert [path.suffix for path in files] == [".o"]
    before = [(path, path.stat().st_mtime_ns, path.read_bytes()) for path in files]
    fresh(monkeypatch, place)
    monkeypatch.setattr(machine_code, "made", None)  # nothing is compiled
    assert doubled() == pytest.approx(WANT)
    assert [(path, path.stat().st_mtime_ns, path.read_bytes()) for path in kept(place)] == before


@needs_numba
@pytest.mark.parametrize("damage", ["cut", "changed", "removed", "emptied"])
def test_a_damaged_cache_is_made_anew(damage, monkeypatch, tmp_path):
    fresh(monkeypatch, tmp_path)
    doubled()
    (path,) = kept(tmp_path)
    whole = path.read_bytes()
    if damage == "removed":
        path.unlink()
    else:
        middle = len(whole) // 2
        changed = whole[:middle] + bytes([whole[middle] ^ 255]) + whole[middle + 1 :]
        path.write_bytes({"cut": whole[:middle], "changed": changed, "emptied": b""}[damage])
    fresh(monkeypatch, tmp_path)
    assert doubled() == pytest.approx(WANT)
    assert kept(tmp_path) == [path]
    monkeypatch.setattr(machine_code, "made", None)  # nothing is compiled
    fresh(monkeypatch, tmp_path)
    assert doubled() == pytest.approx(WANT)


@needs_numba
def test_a_cache_that_cannot_be_is_no_error(monkeypatch, tmp_path, caplog):
    file = tmp_path / "file"
    file.write_text("")
    with caplog.at_level(logging.WARNING, "xpnet"):
        for place in (file, file / "below", "/proc/nothing", "\0"):
            if place == "\0":
                monkeypatch.setattr(cache, "directory", lambda: Path("\0"))
                monkeypatch.setattr(compiled, "STORE", cache.Store())
            else:
                fresh(monkeypatch, place)
            assert doubled() == pytest.approx(WANT)
    assert "NumPy" not in caplog.text


@needs_numba
def test_what_is_of_another_version_is_not_used(monkeypatch, tmp_path):
    fresh(monkeypatch, tmp_path)
    doubled()
    place = cache._place()
    monkeypatch.setattr(cache, "_place", lambda: place._replace(versions="others"))
    fresh(monkeypatch, tmp_path)
    doubled()
    assert len(list(tmp_path.iterdir())) == 2


PROGRAM = """
import numpy as np, xpnet
from xpnet.layers import activations
w = np.ones(5)
f = xpnet.Quadratic(np.eye(5), backend=xpnet.backend("numpy", kernels="numba"))
run = xpnet.minimize(f, xpnet.Adam(0.1), w, stop=xpnet.after(20))
print(run.w.tobytes().hex())
"""


@needs_numba
def test_processes_at_once_do_no_harm(tmp_path):
    environment = os.environ | {"XPNET_CACHE": str(tmp_path), "XPNET_KERNELS": "numba"}
    environment["PYTHONPATH"] = str(Path(xpnet.__file__).parents[1])
    running = [
        subprocess.Popen(
            [sys.executable, "-c", PROGRAM], stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment
        )
        for _ in range(3)
    ]
    said = {process.communicate(timeout=100) for process in running}
    said.add(
        (subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, env=environment).stdout, b"")
    )
    assert len(said) == 1
    assert not list(tmp_path.glob(".new-*"))


@needs_numba
def test_the_first_process_says_what_takes_its_time(monkeypatch, tmp_path, caplog):
    fresh(monkeypatch, tmp_path)
    compiled.STORE._seconds = 1.5
    with caplog.at_level(logging.WARNING, "xpnet"):
        doubled()
        doubled()
    assert caplog.text.count("rules are being compiled") == 1
    assert str(tmp_path) in caplog.text


@needs_numba
@pytest.mark.parametrize("broken", ["numba", "llvmlite.binding"])
def test_a_numba_that_cannot_work_is_said_once(broken, monkeypatch, tmp_path):
    monkeypatch.setenv("XPNET_CACHE", str(tmp_path))
    said = run_program(
        f"""
        import sys; sys.modules[{broken!r}] = None
        import io, logging, numpy as np, xpnet
        log = io.StringIO()
        logging.basicConfig(stream=log)
        from xpnet.device import select
        place = select._numpy_backend("numba")
        for k in range(3):
            rule = xpnet.elementwise(lambda xp, a: a + 1.0)
            assert rule.compute(place.xp, np.ones(3)).tolist() == [2, 2, 2]
        print(log.getvalue().count("rules run on NumPy"))
        """
    )
    assert said == ["1"]


@needs_numba
def test_importing_and_asking_import_no_numba():
    said = run_program("""
        import sys, xpnet
        place = xpnet.backend("numpy", kernels="numba")
        w = xpnet.Network(2, xpnet.Dense(3, "tanh")).initialize(0, place)
        print("numba" in sys.modules, place.kernels)
    """)
    assert said == ["False", "numba"]


@needs_numba
def test_a_later_process_does_without_numba(monkeypatch, tmp_path):
    monkeypatch.setenv("XPNET_CACHE", str(tmp_path))
    said = [
        run_program(
            """
            import sys, numpy as np, xpnet
            place = xpnet.backend("numpy", kernels="numba")
            f = xpnet.Quadratic(np.eye(3), backend=place)
            run = xpnet.minimize(f, "adam", np.ones(3), stop=xpnet.after(5))
            print("numba" in sys.modules, run.kernels, run.w.tobytes().hex())
            """
        )
        for _ in range(2)
    ]
    assert [first for first, *_ in said] == ["True", "False"]
    assert said[0][1:] == said[1][1:]


# the choice


def test_kernels_are_chosen(monkeypatch):
    monkeypatch.delenv("XPNET_KERNELS", raising=False)
    for there, auto in ((True, "numba"), (False, "numpy")):
        monkeypatch.setattr(select, "has_numba", lambda there=there: there)
        assert xpnet.backend("numpy").kernels == auto
        assert xpnet.backend("numpy", kernels="auto").kernels == auto
        assert xpnet.backend("numpy", kernels="numpy").kernels == "numpy"
        assert select.backend_of(np.ones(2)).kernels == auto
        monkeypatch.setenv("XPNET_KERNELS", " NumPy ")
        assert xpnet.backend("numpy").kernels == "numpy"
        assert select.backend_of(np.ones(2)).kernels == "numpy"
        monkeypatch.delenv("XPNET_KERNELS")
    with pytest.raises(xpnet.BackendError, match=r"kernels='numba' needs Numba.*\.\[fast\]"):
        xpnet.backend("numpy", kernels="numba")
    with pytest.raises(xpnet.BackendError, match="kernels='fast' are no kernels: use 'auto', 'numpy' or"):
        xpnet.backend("numpy", kernels="fast")
    monkeypatch.setenv("XPNET_KERNELS", "fast")
    with pytest.raises(xpnet.BackendError, match="XPNET_KERNELS='fast' are no kernels"):
        xpnet.backend("numpy")


def test_backends_of_other_kernels_are_others(monkeypatch):
    monkeypatch.setattr(select, "has_numba", lambda: True)
    plain, fast = (xpnet.backend("numpy", kernels=kernels) for kernels in ("numpy", "numba"))
    assert plain != fast
    assert fast == xpnet.backend(plain, kernels="numba") == pickle.loads(pickle.dumps(fast))
    assert pickle.loads(pickle.dumps(plain)) == plain == xpnet.backend(plain)
    assert fast.owns(np.ones(2))
    assert fast.asarray([1.0]).tolist() == [1.0]
    assert fast.xp.linalg.norm(np.ones(4)) == 2
