"""Calls without the interpreter: they do what the calls do, in kernels, in BLAS, and on several threads."""

from __future__ import annotations

import gc
import itertools
import threading
import weakref

import numpy as np
import pytest
from oracles import run_program

from xpnet.optimizers.rules import momentum
from xpnet.rules.cache import STORE
from xpnet.rules.loops import Argument, elementwise_text
from xpnet.rules.lowered import lower


@pytest.fixture(autouse=True)
def _numba():
    pytest.importorskip("numba", reason="Numba is not installed")


def kernel(dtype):
    """Of momentum: `w` and the velocity are written to, the gradient is read, then come two numbers."""
    names = ["A0", "A1", "A2"]
    arguments = [Argument(name, "1", 1, written=name != "A1") for name in names]
    return STORE.kernel(
        "momentum", elementwise_text(momentum.graph, arguments, names, ["A0", "A2"], None, dtype)
    )


def vectors(dtype, n=1000):
    return np.random.default_rng(0).standard_normal((3, n)).astype(dtype)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_kernel_gets_other_arrays_and_numbers(dtype):
    rule = kernel(dtype)
    mine, theirs = vectors(dtype), vectors(dtype)
    lowered = lower([(rule, (*mine, 0.1, 0.9))] * 2)
    assert lowered.left == 0
    assert lowered.numbers == [0.1, 0.9, 0.1, 0.9]
    for rate in (0.1, 0.2, -1e300):
        lowered.numbers = [rate, 0.9, rate, 0.8]
        lowered.run()
        rule(*theirs, rate, 0.9)
        rule(*theirs, rate, 0.8)
        np.testing.assert_array_equal(mine, theirs)


def layouts(shape, dtype):
    """Arrays of one shape that lie differently in memory."""
    random = np.random.default_rng(shape)
    m, n = shape
    plain = random.standard_normal(shape).astype(dtype)
    yield plain
    yield np.asfortranarray(plain)
    yield random.standard_normal((m, n + 7)).astype(dtype)[:, 3 : 3 + n]
    yield random.standard_normal((n, m + 5)).astype(dtype)[:, 2 : 2 + m].T
    yield random.standard_normal((m, 2 * n)).astype(dtype)[:, ::2]
    yield plain[::-1]
    yield np.broadcast_to(plain[:1], shape)


def run_both(function, values, out):
    """What the call writes, what the lowered call writes, and how many calls were left."""
    function(*values, out)
    wanted = out.copy()
    out[...] = np.nan
    lowered = lower([(function, (*values, out))])
    lowered.run()
    return wanted, out, lowered.left


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("function", [np.dot, np.matmul], ids=["dot", "matmul"])
def test_products_are_those_of_numpy_bit_for_bit(function, dtype):
    lowered = 0
    for m, k, n in itertools.product((1, 2, 33), (1, 3, 64), (1, 7, 300)):
        for a, b in itertools.product(layouts((m, k), dtype), layouts((k, n), dtype)):
            for out in [*layouts((m, n), dtype)][: 1 if function is np.dot else 3]:
                wanted, got, left = run_both(function, (a, b), out)
                lowered += not left
                assert wanted.tobytes() == got.tobytes(), (m, k, n, a.strides, b.strides, out.strides)
    assert lowered > (50 if function is np.dot else 500)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_what_a_step_needs_is_lowered(dtype):
    """Layers, gradients of weights and biases, of one unit too, chunks of data, and replicas."""
    random = np.random.default_rng(0)

    def array(*shape):
        return random.standard_normal(shape).astype(dtype)

    X, ones = array(500, 30), np.ones(500, dtype)
    for o, i in [(20, 30), (20, 1), (1, 20), (2, 2)]:
        W, dz, y = array(o, i), array(o, 500), array(i, 500)
        for a, b in [(W, y), (W, X[:, :i].T), (W.T, dz), (dz, y.T), (dz, X[:, :i]), (dz, ones)]:
            if (a.shape[0], *b.shape[1:]) == (1, 1) or (b is ones and o == 1):
                continue  # NumPy's own dot
            wanted, got, left = run_both(np.matmul, (a, b), np.empty((a.shape[0], *b.shape[1:]), dtype))
            assert wanted.tobytes() == got.tobytes()
            assert left == 0, (a.shape, b.shape)
    stacks = [
        (array(3, 4, 5), array(5, 7)),
        (array(3, 4, 5), array(3, 5, 7)),
        (array(2, 1, 4, 5), array(3, 5, 7)),
    ]
    stacks += [
        (array(3, 4, 5), array(5)),
        (array(3, 4, 1), array(3, 1, 7)),
        (array(3, 4, 7), array(3, 5, 7).mT),
    ]
    for a, b in stacks:
        wanted, got, left = run_both(np.matmul, (a, b), np.matmul(a, b))
        assert wanted.tobytes() == got.tobytes()
        assert left == 0, (a.shape, b.shape)


@pytest.mark.parametrize("shape", [(0, 3), (3, 0)])
def test_empty_products_are_left(shape):
    a = np.ones(shape)
    wanted, got, left = run_both(np.matmul, (a, a.T), np.empty((shape[0],) * 2))
    np.testing.assert_array_equal(got, wanted)
    assert left == 1


def test_what_numpy_does_otherwise_is_left():
    a, out = np.ones((4, 4)), np.empty((4, 4))
    whole = np.random.default_rng(0).standard_normal(40)
    left = [
        (np.matmul, (a, a.T, out)),  # syrk
        (np.dot, (whole, whole, np.empty(()))),  # a sum in parts
        (np.matmul, (a, a.astype(np.float32), out)),
        (np.copyto, (a, a.astype(np.float32))),
        (np.copyto, (a, 1.0)),
        (np.add, (whole[:-1], whole[1:], whole[1:])),  # each after the other
        (np.matmul, (whole[:16].reshape(4, 4), a, whole[8:24].reshape(4, 4))),
        (np.sqrt, (a, out)),
    ]
    other = whole.copy()
    lowered = lower([*left, (np.add, (whole, whole, whole))])
    assert lowered.left == len(left)
    lowered.run()
    np.add(other[:-1], other[1:], other[1:])
    np.matmul(other[:16].reshape(4, 4), a, other[8:24].reshape(4, 4))
    np.testing.assert_array_equal(whole, 2 * other)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_arithmetic_is_that_of_numpy(dtype):
    edges = np.array([0.0, -0.0, 1.5, np.inf, -np.inf, np.nan, 1e-45, 3e38], dtype)
    left, right = (own.ravel() for own in np.meshgrid(edges, edges))
    with np.errstate(all="ignore"):
        for function in (np.add, np.subtract, np.multiply, np.divide):
            wanted, got, count = run_both(function, (left, right), np.empty_like(left))
            assert count == 0
            assert wanted.tobytes() == got.tobytes()
    for a, b in itertools.product(layouts((5, 6), dtype), repeat=2):
        for out in [*layouts((5, 6), dtype)][:5]:
            for values in ((a, b), (a[:1], b), (b, a[:, :1]), (a, b[0, 0].reshape(())), (out, b)):
                start = out.copy()
                function = np.subtract
                function(*values, out)
                wanted = out.copy()
                out[...] = start
                lower([(function, (*values, out))]).run()
                np.testing.assert_array_equal(out, wanted)
    outer = np.array([[-0.0], [1.0], [np.inf]], dtype), np.array([[1.0, -2.0, 0.0, np.nan]], dtype)
    with np.errstate(all="ignore"):
        wanted, got, count = run_both(np.matmul, outer, np.empty((3, 4), dtype))
    assert count == 0
    assert wanted.tobytes() == got.tobytes()


def test_copies():
    source = np.random.default_rng(0).standard_normal((2, 3, 4, 5))
    shapes = [source, source[:, ::2], source.mT, source.T, source[..., None, ::-1], source[0, 0, 0]]
    for own in shapes:
        target = np.zeros_like(own)
        lowered = lower([(np.copyto, (target, own))])
        lowered.run()
        np.testing.assert_array_equal(target, own)
        np.copyto(target, 0)
        lower([(np.copyto, (target, own[..., :1]))]).run()
        np.testing.assert_array_equal(target, np.broadcast_to(own[..., :1], own.shape))


def test_stretches_keep_their_order():
    a, b, c = np.ones(3), np.zeros(3), np.zeros(3)
    calls = [
        (np.add, (a, b, b)),
        (np.exp, (b, c)),
        (np.add, (b, c, b)),
        (np.sqrt, (b, b)),
        (np.copyto, (a, b)),
    ]
    lowered = lower(calls)
    assert lowered.left == 2
    lowered.run()
    np.testing.assert_array_equal(a, np.sqrt(1 + np.exp(np.ones(3))))
    assert lower([]).run() is None


def test_arrays_are_kept_alive():
    a = np.ones(1000)
    gone = weakref.ref(a)
    lowered = lower([(np.add, (a, a, a))])
    del a
    gc.collect()
    lowered.run()
    assert gone() is not None
    run = lowered.run
    del lowered
    assert gone() is not None
    run()
    del run
    assert gone() is None  # at once, there is no circle


def test_other_threads_run_at_the_same_time():
    """A lowered list lets go of the interpreter's lock: this thread works on while another runs one."""
    a = np.ones(2_000_000)
    lowered = lower([(np.add, (a, a, np.empty_like(a)))] * 200)
    worker = threading.Thread(target=lowered.run)
    worker.start()
    count = 0
    while worker.is_alive():
        count += 1
    worker.join()
    assert count > 1000


def test_a_second_process_compiles_nothing(tmp_path):
    program = """
        import os, sys
        os.environ["XPNET_CACHE"] = sys.argv[1]
        import numpy as np
        from xpnet.rules import cache
        from xpnet.rules.lowered import lower
        if sys.argv[2] == "second":
            cache._made = None
        a, b, c = np.ones((20, 20)), np.ones((20, 300)), np.empty((20, 300))
        lowered = lower([(np.matmul, (a, b, c)), (np.matmul, (a, b[:, 0], c[:, 0])), (np.add, (b, c, c))])
        lowered.run()
        print(c.sum(), lowered.left)
    """
    first, second = (run_program(program, str(tmp_path), which) for which in ("first", "second"))
    assert first == second == ["126000.0", "0"]
