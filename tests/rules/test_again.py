"""A call like the last one is made without its checks; whatever has changed between the two is seen."""

from __future__ import annotations

import numpy as np
import pytest

import xpnet
from xpnet.device import select
from xpnet.rules import elementwise


def moved(xp, w, g, v, *, rate, momentum):
    v = momentum * v - rate * g
    return w + v, v, w * v


def plain(xp, w, g):
    return w + 2.0 * g


def of_the_rest(xp, w, g, *, p):
    return w + (1.0 - p) * g


def unfolded(xp, w, *, p, q):
    return w * xp.tanh(q) + xp.exp(p), w + xp.log(p + 2.0) * q


@pytest.fixture(params=["numpy", pytest.param("numba", marks=pytest.mark.skipif(
    not select.has_numba(), reason="Numba is not installed"))])  # fmt: skip
def own(request):
    return xpnet.backend("numpy", kernels=request.param).xp


def made(shape=(6, 4), dtype="float64"):
    random = np.random.default_rng(0)
    return [random.standard_normal(shape).astype(dtype) for _ in range(4)]


NUMBERS = {"rate": 0.25, "momentum": 0.5}


def standard(w, g, v, other):
    return (w, v, other), (w, g, v), NUMBERS


def resized(w, g, v, other):
    for array in (w, g, v, other):
        array.resize((3, 4), refcheck=False)
    return standard(w, g, v, other)


def reshaped(w, g, v, other):
    g.shape = (4, 6)
    return standard(w, g, v, other)


def retyped(w, g, v, other):
    g.dtype = np.dtype(">f8")
    return standard(w, g, v, other)


def halved(w, g, v, other):
    g.dtype = np.dtype("float32")
    return standard(w, g, v, other)


def locked(w, g, v, other):
    v.flags.writeable = False
    return standard(w, g, v, other)


def locked_output(w, g, v, other):
    other.flags.writeable = False
    return standard(w, g, v, other)


def read_only_input(w, g, v, other):
    g.flags.writeable = False
    return standard(w, g, v, other)


def unaligned(w, g, v, other):
    raw = np.zeros(g.nbytes + 1, np.uint8)[1:].view(g.dtype).reshape(g.shape)
    raw[...] = g
    return (w, v, raw), (w, raw, v), NUMBERS


class Own(np.ndarray):
    """A subclass of arrays."""


CHANGES = {
    "the same": standard,
    "resized": resized,
    "another shape": reshaped,
    "another order of bytes": retyped,
    "another dtype": halved,
    "read-only": locked,
    "a read-only output": locked_output,
    "a read-only input": read_only_input,
    "not aligned": unaligned,
    "replaced": lambda w, g, v, o: ((w, v, o), (w, g.copy(), v), NUMBERS),
    "of axes in another order": lambda w, g, v, o: ((w, v, o), (w, np.asfortranarray(g), v), NUMBERS),
    "with strides": lambda w, g, v, o: ((w, v, o), (w, np.repeat(g, 2, 1)[:, ::2], v), NUMBERS),
    "backwards": lambda w, g, v, o: ((w, v, o), (w, g[::-1], v), NUMBERS),
    "broadcast": lambda w, g, v, o: ((w, v, o), (w, g[:1].copy(), v), NUMBERS),
    "of no axes": lambda w, g, v, o: ((w, v, o), (w, np.array(2.0), v), NUMBERS),
    "overlapping": lambda w, g, v, o: ((w, v, o), (w, w[::-1], v), NUMBERS),
    "a view of all": lambda w, g, v, o: ((w, v, o), (w, w[...], v), NUMBERS),
    "the same twice": lambda w, g, v, o: ((w, v, o), (w, w, v), NUMBERS),
    "one output twice": lambda w, g, v, o: ((w, v, v), (w, g, v), NUMBERS),
    "a view of an output": lambda w, g, v, o: ((w, v, v[...]), (w, g, v), NUMBERS),
    "no output on an input": lambda w, g, v, o: ((g.copy(), v.copy(), o), (w, g, v), NUMBERS),
    "outputs changed over": lambda w, g, v, o: ((v, w, o), (w, g, v), NUMBERS),
    "another output on an input": lambda w, g, v, o: ((w, v, g), (w, g, v), NUMBERS),
    "nothing to write into": lambda w, g, v, o: (None, (w, g, v), NUMBERS),
    "one output": lambda w, g, v, o: ((w,), (w, g, v), NUMBERS),
    "outputs in a list": lambda w, g, v, o: ([w, v, o], (w, g, v), NUMBERS),
    "one array": lambda w, g, v, o: ((w, v, o), (w,), NUMBERS),
    "four arrays": lambda w, g, v, o: ((w, v, o), (w, g, v, o), NUMBERS),
    "a subclass": lambda w, g, v, o: ((w, v, o), (w, g.view(Own), v), NUMBERS),
    "masked": lambda w, g, v, o: ((w, v, o), (w, np.ma.masked_array(g), v), NUMBERS),
    "a list": lambda w, g, v, o: ((w, v, o), (w, g.tolist(), v), NUMBERS),
    "an integer": lambda w, g, v, o: ((w, v, o), (w, g, v), NUMBERS | {"rate": 2}),
    "a truth value": lambda w, g, v, o: ((w, v, o), (w, g, v), NUMBERS | {"rate": True}),
    "a number of NumPy": lambda w, g, v, o: ((w, v, o), (w, g, v), NUMBERS | {"rate": np.float64(3.0)}),
    "an array of numbers": lambda w, g, v, o: ((w, v, o), (w, g, v), NUMBERS | {"rate": g[:, :1]}),
    "text": lambda w, g, v, o: ((w, v, o), (w, g, v), NUMBERS | {"rate": "1"}),
    "other numbers": lambda w, g, v, o: ((w, v, o), (w, g, v), {"momentum": 0.75, "rate": -1.0}),
    "another name": lambda w, g, v, o: ((w, v, o), (w, g, v), {"rate": 0.25, "beta": 0.5}),
    "one number": lambda w, g, v, o: ((w, v, o), (w, g, v), {"rate": 0.25}),
    "one number more": lambda w, g, v, o: ((w, v, o), (w, g, v), NUMBERS | {"beta": 0.5}),
}  # fmt: skip


def outcome(rule, xp, change, dtype):
    """What a call after one that is as usual leaves in all arrays, or the error that it raises."""
    arrays = made(dtype=dtype)
    into, read, numbers = change(*arrays)
    try:
        rule.write(xp, into, *read, **numbers)
    except (TypeError, ValueError) as error:
        return [str(error), *map(np.array, arrays)]
    return [np.array(array) for array in (*arrays, *into)]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("change", CHANGES)
def test_what_has_changed_since_the_last_call_is_seen(change, dtype, own):
    used = elementwise(moved)
    for _ in range(2):
        outcome(used, own, standard, dtype)
    assert used._last is not None or getattr(own, "kernels", "numpy") == "numpy"
    got = outcome(used, own, CHANGES[change], dtype)
    want = outcome(elementwise(moved), own, CHANGES[change], dtype)
    assert len(got) == len(want)
    for a, b in zip(got, want, strict=True):
        np.testing.assert_array_equal(a, b)
    again = outcome(used, own, standard, dtype)  # and what comes after that
    for a, b in zip(again, outcome(elementwise(moved), own, standard, dtype), strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("first", CHANGES)
def test_no_unusual_call_stands_for_a_usual_one(first, own):
    used = elementwise(moved)
    outcome(used, own, CHANGES[first], "float64")
    got = outcome(used, own, standard, "float64")
    for a, b in zip(got, outcome(elementwise(moved), own, standard, "float64"), strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize(
    ("function", "count", "names"),
    [(plain, 2, ()), (of_the_rest, 2, ("p",)), (unfolded, 1, ("p", "q"))],
)
def test_rules_without_numbers_and_with_functions_of_numbers(function, count, names, own):
    used = elementwise(function)
    one = 0.5
    for numbers in [(one, one), (one, one), (2.0, 0.25), (0.25, 2.0)]:
        scalars = dict(zip(names, numbers, strict=False))
        arrays = made()[:count]
        into = tuple(made()[: 1 if count == 2 else 2])
        used.write(own, into, *arrays, **scalars)
        results = function(own, *arrays, **{name: np.asarray(x) for name, x in scalars.items()})
        for a, b in zip(into, results if isinstance(results, tuple) else (results,), strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-13)


def test_each_namespace_has_its_own_calls():
    pytest.importorskip("numba", reason="Numba is not installed")
    used, w, g = elementwise(plain), *made()[:2]
    for kernels in ("numba", "numpy", "numba"):
        before = w.copy()
        used.write(xpnet.backend("numpy", kernels=kernels).xp, (w,), w, g)
        np.testing.assert_array_equal(w, before + 2.0 * g)


def test_another_namespace_is_called():
    met, other = [], type("Other", (), {"__name__": "other", "asarray": np.array})()

    def noted(xp, w, g):
        met.append(xp)
        return w + g

    used, (w, g, *_) = elementwise(noted), made()
    for xp in (xpnet.backend("numpy").xp, other):
        used.write(xp, (w,), w, g)
    assert met[-1] is other
