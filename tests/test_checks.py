"""Checks: what is taken, as what it comes back, and what is refused with which words."""

from __future__ import annotations

import datetime
import math
from decimal import Decimal
from fractions import Fraction
from typing import Literal

import numpy as np
import pytest

from xpnet import checks


class Index:
    def __index__(self):
        return 3


@pytest.mark.parametrize("value", [3, np.int64(3), np.uint8(3), np.array(3), Index()], ids=repr)
def test_an_integer_of_any_kind_is_an_int(value):
    got = checks.count("units", value)
    assert got == 3
    assert type(got) is int


@pytest.mark.parametrize(
    "value",
    [
        2.7,
        2.0,
        True,
        np.True_,
        np.array(True),
        np.array([3]),
        "3",
        b"3",
        None,
        Fraction(3),
        3j,
        np.float64(3),
    ],
    ids=repr,
)
def test_no_integer(value):
    with pytest.raises(TypeError, match=r"units must be an integer, got "):
        checks.count("units", value)


def test_integers_out_of_range():
    with pytest.raises(ValueError, match="units must be at least 1, got 0"):
        checks.count("units", np.int64(0))
    with pytest.raises(ValueError, match=r"replicas must be at most 1000000, got 1000000000"):
        checks.count("replicas", 10**9, most=10**6)
    with pytest.raises(ValueError, match="units must be at least 1, got a builtins.int"):
        checks.count("units", -(10**5000))  # which Python does not print


@pytest.mark.parametrize(
    "value",
    [
        0.25,
        np.float32(0.25),
        np.float64(0.25),
        np.longdouble(0.25),
        np.float16(0.25),
        Fraction(1, 4),
        Decimal("0.25"),
        np.array(0.25),
        np.array(0.25, ">f4"),
    ],
    ids=repr,
)
def test_a_number_of_any_kind_is_a_float(value):
    got = checks.number("rate", value, 0.0, 1.0)
    assert got == 0.25
    assert type(got) is float


def test_a_number_of_any_library(backend, torch):
    for value in (backend.xp.asarray(0.25), torch.tensor(0.25)):
        assert checks.number("rate", value) == 0.25
    assert type(checks.number("rate", 3)) is float
    assert checks.count("units", torch.tensor(3)) == 3
    for value in (torch.tensor(True), torch.tensor([3])):
        with pytest.raises(TypeError, match="units must be an integer"):
            checks.count("units", value)


@pytest.mark.parametrize(
    "value",
    [
        1j,
        np.complex64(1),
        np.array(1j),
        b"1",
        "1",
        np.str_("1"),
        np.bytes_(b"1"),
        bytearray(b"1"),
        True,
        np.True_,
        np.array(True),
        datetime.timedelta(1),
        np.timedelta64(1, "s"),
        np.datetime64("2020"),
        np.array(1.0, object),
        None,
        [1.0],
        Decimal("sNaN"),
    ],
    ids=repr,
)
def test_no_number(value):
    with pytest.raises(TypeError, match="rate must be a number, got "):
        checks.number("rate", value)


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (10**400, r"rate must be finite, got 10000.*\.\.\.0000"),
        (-(10**5000), "rate must be finite, got a builtins.int"),
        (Fraction(10**400), "rate must be finite"),
        (math.nan, "rate must be finite, got nan"),
        (Decimal("inf"), "rate must be finite"),
    ],
    ids=["large", "larger", "fraction", "nan", "decimal"],
)
def test_numbers_without_end(value, message):
    with pytest.raises(ValueError, match=message):
        checks.number("rate", value)


def test_the_float_is_what_is_compared():
    almost = 1 - Fraction(1, 10**30)  # less than 1, and 1 as a float
    with pytest.raises(ValueError, match=r"momentum must be in \[0, 1\), got "):
        checks.number("momentum", almost, 0.0, 1.0, open=")")
    with pytest.raises(TypeError, match=r"rate must be one number, .* got an array of shape"):
        checks.number("rate", np.ones(1))


@pytest.mark.parametrize("value", [True, False, np.True_, np.False_, np.array(True)], ids=repr)
def test_flags(value):
    assert checks.flag("training", value) is bool(value)


@pytest.mark.parametrize("value", ["False", "", 1, 0, None, np.int8(1), 1.0, np.array([True])], ids=repr)
def test_no_flags(value):
    with pytest.raises(TypeError, match="training must be True or False, got "):
        checks.flag("training", value)


@pytest.mark.parametrize("options", [Literal["first", "unit"], ("first", "unit"), {"first": 1, "unit": 2}])
def test_choices(options):
    got = checks.choice("scaling", np.str_("first"), options)
    assert (got, type(got)) == ("first", str)
    with pytest.raises(ValueError, match="unknown scaling 'firts'; did you mean 'first'"):
        checks.choice("scaling", "firts", options)
    for value in (b"x", 3, ["x"], 10**5000):
        with pytest.raises(ValueError, match=r"unknown scaling .*; use one of \['first', 'unit'\]"):
            checks.choice("scaling", value, options)


def test_intervals_and_rectangles():
    assert checks.interval("limits", [np.int64(0), Fraction(1, 2)]) == (0.0, 0.5)
    assert checks.rectangle("limits", ((0, 1), [2, 3])) == ((0.0, 1.0), (2.0, 3.0))


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (1, r"limits must be \(\(x0, x1\), \(y0, y1\)\), got 1"),
        (((0, 1),), r"limits must be \(\(x0, x1\), \(y0, y1\)\), got "),
        ((0, 1), r"limits\[0\] must be two numbers, got 0"),
        (((0, 1), (0, 1, 2)), r"limits\[1\] must be two numbers, got \(0, 1, 2\)"),
        (((0, 1), (0, "1")), r"limits\[1\]\[1\] must be a number, got '1'"),
        (((math.nan, 1), (0, 1)), r"limits\[0\]\[0\] must be finite, got nan"),
        (((1, 1), (0, 1)), r"limits\[0\] must ascend, got \(1, 1\)"),
    ],
)
def test_no_rectangle(value, message):
    with pytest.raises((TypeError, ValueError), match=message):
        checks.rectangle("limits", value)
