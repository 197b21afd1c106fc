"""Rules as values: pickled, copied, compared; what they may be made of; their names in C."""

from __future__ import annotations

import copy
import pickle
import re
from dataclasses import dataclass
from functools import partial

import array_api_compat.numpy as xp
import numpy as np
import pytest
from oracles import everything

from xpnet.layers.activations import softmax
from xpnet.optimizers.rules import momentum
from xpnet.rules import Elementwise, Samplewise, elementwise, samplewise
from xpnet.rules.graph import Graph


def doubled(xp, a):
    return 2.0 * a


@dataclass(frozen=True)
class Leaky:
    """A function with a setting."""

    slope: float

    def __call__(self, xp, a):
        return xp.maximum(a, self.slope * a)


@pytest.mark.parametrize("rule", [momentum, everything, softmax], ids=repr)
def test_a_rule_of_a_module_is_itself_again(rule):
    for other in (pickle.loads(pickle.dumps(rule)), copy.copy(rule), copy.deepcopy([rule])[0]):
        assert other is rule


@pytest.mark.parametrize("kind", [elementwise, samplewise])
@pytest.mark.parametrize("function", [doubled, Leaky(0.1), partial(Leaky(0.2))], ids=str)
def test_other_rules_are_their_function(kind, function):
    rule = kind(function)
    x = np.array([-1.0, 2.0])
    rule(xp, x)
    for other in (pickle.loads(pickle.dumps(rule)), copy.copy(rule), copy.deepcopy(rule)):
        np.testing.assert_array_equal(other(xp, x), rule(xp, x))
        if not isinstance(function, partial):  # which compare by identity
            assert other == rule
            assert hash(other) == hash(rule)
    assert rule == kind(function)
    assert rule != kind(Leaky(0.3))
    assert elementwise(doubled) != samplewise(doubled)
    assert (rule == 3) is False


def test_a_rule_with_a_setting_is_a_kernel():
    rule = elementwise(Leaky(0.25))
    assert rule.name == "Leaky"
    assert rule.compute(xp, np.array([-1.0, 2.0])).tolist() == [-0.25, 2.0]
    assert rule.source().name == "xpnet_Leaky"


def test_a_closure_says_that_it_cannot_be_pickled():
    rule = elementwise(lambda xp, a: a + 1.0)
    assert copy.deepcopy(rule) == rule
    with pytest.raises((AttributeError, pickle.PicklingError), match="lambda"):
        pickle.dumps(rule)


@pytest.mark.parametrize(
    ("function", "message"),
    [
        (lambda xp, *arrays: arrays[0], "named arguments only"),
        (lambda xp, a, **options: a, "named arguments only"),
        (lambda xp: 1.0, "at least one array"),
        (3, "function must be a function of xp and arrays, got 3"),
    ],
)
@pytest.mark.parametrize("kind", [Elementwise, Samplewise])
def test_what_is_no_rule(kind, function, message):
    with pytest.raises(TypeError, match=message):
        kind(function)


NAMES = ["plain", "nul\0byte", "größe", "grösse", "a b", "a-b", "a_b", "σ", "", "1st", "\ud800"]


def test_names_become_identifiers_that_differ():
    identifiers = [Graph(name, ("a",), ()).identifier for name in NAMES]
    assert len(set(identifiers)) == len(NAMES)
    assert all(re.fullmatch(r"xpnet_[A-Za-z0-9_]*", name) for name in identifiers)
    assert identifiers[0] == "xpnet_plain"


@pytest.mark.parametrize("name", NAMES)
def test_rules_of_any_name_run(name, device):
    def function(xp, a, *, σ):
        return xp.exp(a) * σ

    function.__name__ = name
    a = device.asarray([0.0, 1.0])
    rule = elementwise(function)
    np.testing.assert_allclose(device.to_numpy(rule.compute(device.xp, a, σ=2.0)), [2.0, 2.0 * np.e])
    assert rule.source().name.isascii()

    def over_units(xp, a):
        return xp.sum(a, axis=-2)

    over_units.__name__ = name
    assert device.to_numpy(samplewise(over_units)(device.xp, a[:, None])).tolist() == [1.0]
