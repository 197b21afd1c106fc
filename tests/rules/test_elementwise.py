"""Elementwise rules: reference = NumPy kernel = CuPy kernel, and what cannot become one."""

from __future__ import annotations

import math
import threading
import tracemalloc

import array_api_compat.numpy as xp
import numpy as np
import pytest
from conftest import read_only
from hypothesis import given, settings
from hypothesis import strategies as st
from oracles import SPECIAL, everything

import xpnet
from xpnet.device import threads
from xpnet.rules import OPERATIONS, Elementwise, elementwise
from xpnet.rules import numpy as host


def arguments(dtype, shape=(7, 11)):
    random = np.random.default_rng(0)
    return [random.standard_normal(shape).astype(dtype) for _ in range(2)]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("block", [2**4, 2**6, 2**19])
def test_compute_equals_reference(dtype, block, monkeypatch):
    monkeypatch.setattr(host, "BLOCK_BYTES", block)
    a, b = read_only(*arguments(dtype))
    expected = everything(xp, a, b, p=0.25, q=0.75)
    result = everything.compute(xp, a, b, p=0.25, q=0.75)
    for got, want in zip(result, expected, strict=True):
        assert got.dtype == dtype
        np.testing.assert_allclose(got, want, rtol=1e-6 if dtype == "float32" else 1e-14)


def test_rules_run_on_every_backend(backend, dtype):
    a, b = (backend.asarray(part, dtype) for part in arguments("float64"))
    want = everything(xp, *arguments(dtype), p=0.25, q=0.75)
    for got, expected in zip(everything.compute(backend.xp, a, b, p=0.25, q=0.75), want, strict=True):
        np.testing.assert_allclose(backend.to_numpy(got), expected, rtol=1e-5)
    into = tuple(backend.xp.zeros_like(a) for _ in want)
    everything.write(backend.xp, into, a, b, p=0.25, q=0.75)
    np.testing.assert_allclose(backend.to_numpy(into[2]), want[2], rtol=1e-5)


UNARY = [n for n, o in OPERATIONS.items() if o.count == 1 and o.takes == "numbers" and not o.condition]
BINARY = [n for n, o in OPERATIONS.items() if o.count == 2 and o.takes == "numbers" and not o.condition]
COMPARISONS = [n for n, o in OPERATIONS.items() if o.count == 2 and o.takes == "numbers" and o.condition]


# Rules drawn at random: a few steps, each an operation on what there is so far, several outputs.
steps = st.lists(
    st.tuples(
        st.sampled_from([*UNARY, *BINARY, "where", "where"]),
        st.sampled_from(COMPARISONS),
        st.sampled_from(["plain", "and", "or", "xor", "not", "parameter"]),
        *[st.integers(0, 9)] * 3,
    ),
    min_size=1,
    max_size=8,
)


def random_rule(program, outputs) -> Elementwise:
    """A rule of three arrays and a parameter; the numbers in `program` choose among what there is."""

    def rule(xp, a, b, c, *, p):
        values = [a, b, c]
        for operation, comparison, kind, i, j, k in program:
            x, z = values[i % len(values)], values[k % len(values)]
            y = [*values, p, 0.75][j % (len(values) + 2)]
            if operation == "where":
                condition = getattr(xp, comparison)(x, y)
                if kind == "and":
                    condition = condition & (x > z)
                elif kind == "or":
                    condition = (x <= z) | condition
                elif kind == "xor":
                    condition = (x <= z) ^ condition
                elif kind == "not":
                    condition = ~condition
                elif kind == "parameter":
                    condition = p < 0.5
                values.append(xp.where(condition, z, y))
            elif operation in UNARY:
                values.append(getattr(xp, operation)(x))
            elif operation == "full_like":  # of a number: an array need not fit
                values.append(xp.full_like(x, [p, 0.75][j % 2]))
            else:
                values.append(getattr(xp, operation)(x, y))
        return tuple(values[n % len(values)] for n in outputs)

    return elementwise(rule)


@settings(max_examples=300)
@given(
    program=steps,
    outputs=st.lists(st.integers(0, 12), min_size=1, max_size=3),
    inputs=st.sampled_from([(0, 1, 2), (0, 1, 2), (0, 0, 1), (0, 1, 0), (1, 0, 0), (0, 0, 0)]),
    aliases=st.permutations([0, 1, 2, None, None]),
    shape=st.sampled_from([(5,), (3, 4), (40,), (9, 30), (2, 3, 50)]),
    parameter=st.sampled_from(["number", "0-d", "column"]),
    bias=st.booleans(),
)
def test_outputs_may_lie_on_inputs(program, outputs, inputs, aliases, shape, parameter, bias):
    rule = random_rule(program, outputs)
    random = np.random.default_rng(1)
    distinct = [random.standard_normal(shape) for _ in range(3)]
    if bias and 2 in inputs:  # an array that is broadcast; nothing can be written over it
        distinct[2] = distinct[2][..., :1]
        aliases = [None if alias == 2 else alias for alias in aliases]
    arrays = [distinct[n] for n in inputs]  # one of them may be given twice
    p = {"number": 0.5, "0-d": np.asarray(0.5), "column": random.random((*shape[:-1], 1))}[parameter]
    into = tuple(
        np.full(shape, np.nan) if alias is None else distinct[alias]
        for alias, _ in zip(aliases, outputs, strict=False)
    )
    with pytest.MonkeyPatch.context() as patch, np.errstate(all="ignore"):
        patch.setattr(host, "BLOCK_BYTES", 8 * 16)
        want = [np.broadcast_to(part, shape).copy() for part in rule(xp, *arrays, p=p)]
        rule.write(xp, into, *arrays, p=p)
    for got, expected in zip(into, want, strict=True):
        np.testing.assert_array_equal(got, expected)


shapes = st.sampled_from([(), (1,), (6,), (4, 1), (4, 6), (1, 6), (3, 4, 6), (3, 1, 1), (3, 4, 1)])


@given(first=shapes, second=shapes, parameter=shapes)
def test_broadcasting(first, second, parameter):
    random = np.random.default_rng(2)
    a, b, p = (np.asarray(random.standard_normal(s)) for s in (first, second, parameter))
    rule = elementwise(lambda xp, a, b, *, p: a * p + b)
    want = a * p + b
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(host, "BLOCK_BYTES", 8 * 5)
        np.testing.assert_array_equal(rule.compute(xp, a, b, p=p), want)


def test_float32_stays_float32_beside_float64_parameters():
    a, b = arguments("float32")
    column = np.linspace(0, 1, 7)[:, None]  # float64
    for p in (0.1, np.float64(0.1), np.asarray(0.1), column):
        for result in everything.compute(xp, a, b, p=p, q=0.5):
            assert result.dtype == np.float32


def test_numbers_combine_in_double_precision():
    rule = elementwise(lambda xp, a, *, decay: a * (1.0 - decay))
    got = rule.compute(xp, np.ones(3, np.float32), decay=0.999)
    assert got[0] == np.float32(1.0 - 0.999)  # not float32(1) - float32(0.999)


def test_a_number_may_stand_for_an_array():
    rule = elementwise(lambda xp, a, b: xp.tanh(a) * b)
    b = np.ones(3)
    assert rule.compute(xp, np.float64(2.0), np.float64(3.0)) == np.tanh(2.0) * 3.0
    np.testing.assert_array_equal(rule.compute(xp, np.float64(2.0), b), np.tanh(2.0) * b)


def test_both_zeros_are_constants_of_their_own():
    rule = elementwise(lambda xp, a: xp.where(a > 0.0, a * 0.0, a * a * -0.0))
    assert np.signbit(rule.compute(xp, np.array([1.0, -1.0]))).tolist() == [False, True]
    assert "(T)-0.0" in rule.source().text


def test_arrays_may_be_exchanged(backend):
    rule = elementwise(lambda xp, a, b: (b, a))
    a, b = backend.asarray([1.0, 2.0], "float32"), backend.asarray([3.0, 4.0], "float32")
    rule.write(backend.xp, (a, b), a, b)
    assert backend.to_numpy(a).tolist() == [3, 4]
    assert backend.to_numpy(b).tolist() == [1, 2]


def test_write_needs_no_arrays_to_speak_of(monkeypatch):
    monkeypatch.setattr(host, "available", lambda: 2)
    a, b, c = (np.ones(2_000_000, np.float32) for _ in range(3))
    rule = elementwise(lambda xp, a, b, *, p: (a + p * b, xp.tanh(a) - b))
    rule.write(xp, (a, b), a, b, p=0.5)
    tracemalloc.start()
    rule.write(xp, (a, c), a, b, p=0.5)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 2 * 2 * host.SHARED_BLOCK_BYTES < a.nbytes


@pytest.mark.parametrize("shape", [(40,), (3, 50), (2, 3, 30)])
def test_blocks_of_large_arrays_are_spread_over_threads(shape, monkeypatch):
    random = np.random.default_rng(2)
    a, b = (random.standard_normal(shape).astype("float32") for _ in range(2))
    want = everything.compute(xp, a, b, p=0.25, q=0.75)
    calls = []

    def run_all(tasks, count):
        calls.append((len(tasks), count))
        return threads.run_all(tasks, count)

    monkeypatch.setattr(host, "run_all", run_all)
    monkeypatch.setattr(host, "BLOCK_BYTES", 32)
    monkeypatch.setattr(host, "SHARED_BLOCK_BYTES", 32)
    monkeypatch.setattr(host, "available", lambda: 3)
    for least, count in ((a.nbytes, 3), (a.nbytes + 1, 1)):
        monkeypatch.setattr(host, "THREAD_BYTES", least)
        got = everything.compute(xp, a, b, p=0.25, q=0.75)
        assert all(np.array_equal(one, two) for one, two in zip(got, want, strict=True))
        assert calls.pop() == (np.ceil(shape[-1] / 8) * a.size // shape[-1], count)


def test_helpers_keep_the_warnings_of_the_caller(monkeypatch):
    monkeypatch.setattr(host, "BLOCK_BYTES", 32)
    monkeypatch.setattr(host, "SHARED_BLOCK_BYTES", 32)
    monkeypatch.setattr(host, "THREAD_BYTES", 0)
    monkeypatch.setattr(host, "available", lambda: 3)
    root = elementwise(lambda xp, a: xp.sqrt(a))
    with np.errstate(invalid="ignore"):
        assert np.isnan(root.compute(xp, np.full(400, -1.0))).all()
    with np.errstate(invalid="raise"), pytest.raises(FloatingPointError):
        root.compute(xp, np.full(400, -1.0))


def test_spread_blocks_inside_tasks_of_several_threads(monkeypatch):
    monkeypatch.setattr(host, "BLOCK_BYTES", 64)
    monkeypatch.setattr(host, "SHARED_BLOCK_BYTES", 64)
    monkeypatch.setattr(host, "THREAD_BYTES", 0)
    monkeypatch.setattr(host, "available", lambda: 2)
    a, b = arguments("float64", (30, 20))
    want = everything.compute(xp, a, b, p=0.25, q=0.75)
    results = []

    def work():
        tasks = [lambda: everything.compute(xp, a, b, p=0.25, q=0.75)] * 12
        results.extend(threads.run_all(tasks, 2))

    callers = [threading.Thread(target=work, daemon=True) for _ in range(3)]
    for caller in callers:
        caller.start()
    for caller in callers:
        caller.join(20)
    assert len(results) == 36
    for got in results:
        assert all(np.array_equal(one, two) for one, two in zip(got, want, strict=True))


@elementwise
def with_idle_operations(xp, a, b, *, p, q):
    return (a + p) * q - p, q * (p + b) / q, (b - a) / (q + p)


@pytest.mark.parametrize(("p", "q", "calls"), [(0.0, 1.0, 3), (0.0, 2.0, 5), (1.0, 1.0, 5), (2.0, 3.0, 8)])
def test_operations_that_change_nothing_are_left_out(p, q, calls):
    a, b = (part.ravel() for part in np.meshgrid(SPECIAL, SPECIAL))
    with np.errstate(all="ignore"):
        for got, want in zip(
            with_idle_operations.compute(xp, a, b, p=p, q=q),
            with_idle_operations(xp, a, b, p=p, q=q),
            strict=True,
        ):
            np.testing.assert_array_equal(got, want)
    text = list(with_idle_operations._programs.values())[-1].text
    assert sum(line.endswith(")") for line in text.splitlines()[1:] if "empty" not in line) == calls


def with_if(xp, a):
    if a > 0.0:
        return a
    return -a


def with_and(xp, a):
    return xp.where((a > 0.0) and (a < 1.0), a, 0.0)


def with_nextafter(xp, a):
    return xp.nextafter(a, a)


def with_shape(xp, a):
    return a * a.shape[0]


def with_index(xp, a):
    return a[0]


def with_loop(xp, a):
    return sum(x for x in a)


def with_float(xp, a):
    return float(a) + a


def with_divmod(xp, a):
    return divmod(a, 2.0)


def with_boolean_arithmetic(xp, a):
    return (a > 0.0) * a


def with_numbers_only(xp, a):
    return xp.where(a > 0.0, 1.0, 0.0)


def with_keyword(xp, a):
    return xp.sqrt(a, out=a)


def with_numpy(xp, a):
    return np.exp(a)


def with_assignment(xp, a):
    a[...] = 0.0


def with_minimum_of_python(xp, a):
    return min(a, 1.0)


def with_math(xp, a):
    return math.exp(a)


def with_math_floor(xp, a):
    return math.floor(a)


def with_round(xp, a):
    return round(a)


def with_matrix_product(xp, a):
    return a @ a


def with_another_dtype(xp, a):
    return xp.astype(a > 0.0, "float64")


def with_huge_number(xp, a):
    return a * 10**400


def with_clip_of_conditions(xp, a):
    return xp.clip(a > 0.0, 0.0, 1.0)


def with_unknown_option(xp, a):
    return xp.clip(a, low=0.0)


def with_text(xp, a):
    return a * "2"


@pytest.mark.parametrize(
    ("function", "named"),
    [
        (with_if, "'if'"),
        (with_and, "'and'"),
        (with_nextafter, "xp.nextafter.*only negative, abs"),
        (with_shape, r"\.shape"),
        (with_index, "indexing"),
        (with_loop, "iteration"),
        (with_float, r"float\(\)"),
        (with_divmod, "divmod"),
        (with_boolean_arithmetic, "multiply"),
        (with_numbers_only, "where"),
        (with_keyword, "sqrt"),
        (with_numpy, "ufuncs"),
        (with_assignment, "item assignment"),
        (with_minimum_of_python, "'if'"),
        (with_math, r"float\(\)"),
        (with_math_floor, r"float\(\)"),
        (with_round, "__round__"),
        (with_matrix_product, "'@'"),
        (with_another_dtype, "xp.astype.*x.dtype"),
        (with_huge_number, "multiply.*a float can hold"),
        (with_clip_of_conditions, "clip.*numbers"),
        (with_unknown_option, "xp.clip.*low"),
        (with_text, "multiply.*str"),
    ],
)
def test_what_cannot_be_traced_is_named_with_its_line(function, named):
    line = function.__code__.co_firstlineno + 1
    with pytest.raises(xpnet.TraceError, match=rf"{named}.*test_elementwise.py, line {line}\b"):
        elementwise(function).compute(xp, np.ones(3))


def test_returning_a_comparison_is_refused():
    with pytest.raises(xpnet.TraceError, match="comparison"):
        elementwise(lambda xp, a: a > 0.0).compute(xp, np.ones(3))


def test_a_rule_takes_named_arguments_only():
    with pytest.raises(TypeError, match="named arguments"):
        elementwise(lambda xp, *arrays: arrays[0])
