"""Other libraries' words are answered with ours, and what they are answered with is there."""

from __future__ import annotations

import ast
import inspect
import pickle
import re

import numpy as np
import pytest
from generated import BACKEND
from oracles import NETWORK, Bowl, seeded_risk

import xpnet
from xpnet import divergences, glossary, optimizers, parameters, schedules, training
from xpnet.layers.activations import ACTIVATIONS

RISK = seeded_risk()
W = np.ones(3)


def run(**options):
    return xpnet.minimize(Bowl(), "adam", W, stop=xpnet.after(2), **options)


ASKED = {
    "Adam has no argument 'lr'; its name here is rate": lambda: xpnet.Adam(lr=0.1),
    "Adam has no argument 'learning_rate'; its name here is rate": lambda: xpnet.Adam(learning_rate=0.1),
    "Adam has no argument 'betas'; its name here is beta1=..., beta2=...": lambda: xpnet.Adam(
        betas=(0.9, 0.99)
    ),
    "Adam has no argument 'eps'; its name here is epsilon": lambda: xpnet.Adam(eps=1e-8),
    "LBFGS has no argument 'lr'; its name here is search=Fixed(rate=...)": lambda: xpnet.LBFGS(lr=1),
    "LBFGS has no argument 'max_iter'; its name here is stop=after(...) of minimize": (
        lambda: xpnet.LBFGS(max_iter=20)
    ),
    "after has no argument 'max_iter'; its name here is steps": lambda: xpnet.after(max_iter=20),
    "RMSprop has no argument 'alpha'; its name here is rho": lambda: xpnet.RMSprop(alpha=0.9),
    "Rprop has no argument 'weight_decay'; its name here is penalty=L2(c, biases=True) of EmpiricalRisk": (
        lambda: xpnet.Rprop(weight_decay=1e-4)
    ),
    "Minibatch has no argument 'batch_size'; its name here is size": (
        lambda: xpnet.Minibatch("adam", batch_size=8)
    ),
    "Step has no argument 'step_size'; its name here is every": lambda: schedules.Step(0.1, step_size=3),
    "Cosine has no argument 'lr'; its name here is initial": lambda: schedules.Cosine(lr=0.1, steps=3),
    "minimize has no argument 'lr'; its name here is optimizer=Adam(rate=...)": lambda: run(lr=0.1),
    "minimize has no argument 'verbose'; its name here is progress": lambda: run(verbose=True),
    "minimize has no argument 'epochs'; its name here is stop=after(...)": lambda: run(epochs=3),
    "minimize has no argument 'tol'; its name here is stop=gradient_below(...)": lambda: run(tol=3),
    "minimize has no argument 'callbacks'; its name here is callback": lambda: run(callbacks=[]),
    "minimize has no argument 'x0'; its name here is w": lambda: xpnet.minimize(Bowl(), "bfgs", x0=W),
    "iterate has no argument 'max_iter'; its name here is stop=after(...)": (
        lambda: xpnet.iterate(Bowl(), "bfgs", W, max_iter=3)
    ),
    "EmpiricalRisk has no argument 'loss'; its name here is divergence": (
        lambda: xpnet.EmpiricalRisk(NETWORK, loss="mse", X=W, targets=W)
    ),
    "EmpiricalRisk has no argument 'y'; its name here is targets": (
        lambda: xpnet.EmpiricalRisk(NETWORK, "squared_error", X=W, y=W)
    ),
    "Dense has no argument 'out_features'; its name here is units": lambda: xpnet.Dense(out_features=3),
    "Dropout has no argument 'p'; its name here is rate": lambda: xpnet.Dropout(p=0.5),
    "L2 has no argument 'alpha'; its name here is strength": lambda: xpnet.L2(alpha=0.1),
    "leaky_relu has no argument 'negative_slope'; its name here is slope": (
        lambda: xpnet.leaky_relu(negative_slope=0.1)
    ),
    "Network has no argument 'layers'; its name here is *layers, one after the other": (
        lambda: xpnet.Network(3, layers=[xpnet.Dense(3)])
    ),
    "initialize has no argument 'random_state'; its name here is seed": (
        lambda: NETWORK.initialize(random_state=3)
    ),
    "unknown optimizer 'sgd'; its name here is 'gradient descent'": lambda: xpnet.minimize(
        Bowl(), "sgd", W
    ),
    "unknown optimizer 'SGD'; its name here is 'gradient descent'": lambda: xpnet.Minibatch("SGD"),
    "unknown optimizer 'L-BFGS-B'; its name here is 'lbfgs'": lambda: xpnet.minimize(Bowl(), "L-BFGS-B", W),
    "unknown activation 'logistic'; its name here is 'sigmoid'": lambda: xpnet.Dense(3, "logistic"),
    "unknown activation 'linear'; its name here is 'identity'": lambda: xpnet.Dense(3, "linear"),
    "unknown initializer 'xavier'; its name here is 'glorot'": lambda: xpnet.Dense(3, initializer="xavier"),
    "unknown divergence 'MSE'; its name here is 'squared_error'": (
        lambda: xpnet.EmpiricalRisk(NETWORK, "MSE", W, W)
    ),
    "name='gpu' is no backend: use 'auto', 'numpy', 'cupy' or 'cupy:1'; did you mean 'cupy'?": (
        lambda: xpnet.backend("gpu")
    ),
    "module 'xpnet' has no attribute 'SGD'; its name here is GradientDescent, Momentum or Nesterov": (
        lambda: xpnet.SGD
    ),
    "module 'xpnet' has no attribute 'Linear'; its name here is Dense(units)": lambda: xpnet.Linear,
    "'Network' object has no attribute 'initialise'; its name here is initialize": (
        lambda: NETWORK.initialise
    ),
    "'Network' object has no attribute 'fit'; its name here is minimize(risk, optimizer, w)": (
        lambda: NETWORK.fit
    ),
    "'EmpiricalRisk' object has no attribute 'predict'; its name here is network.predict(w, X)": (
        lambda: RISK.predict
    ),
    "'Run' object has no attribute 'x'; its name here is w": lambda: run().x,
    "'History' object has no attribute 'val_loss'; its name here is held_out": lambda: (
        run().history.val_loss
    ),
}


@pytest.mark.parametrize("message", ASKED)
def test_a_word_of_others_is_answered_with_ours(message):
    with pytest.raises((TypeError, ValueError, AttributeError, xpnet.BackendError)) as caught:
        ASKED[message]()
    assert str(caught.value) == message


def test_an_unknown_name_stays_what_python_makes_of_it():
    for make in (lambda: xpnet.Adam(ratio=1), lambda: xpnet.Exact(lr=0.1), lambda: run(ratio=1)):
        with pytest.raises(TypeError, match="got an unexpected keyword argument"):
            make()
    for make in (lambda: Plain(ratio=1), lambda: Plain(1), lambda: Plain(lr=1)):
        with pytest.raises(TypeError, match=r"Plain\(\) takes no arguments"):
            make()
    for make in (lambda: run().ratio, lambda: NETWORK.ratio, lambda: RISK.ratio, lambda: xpnet.ratio):
        with pytest.raises(AttributeError, match="has no attribute 'ratio'$"):
            make()


class Plain(xpnet.Objective):
    """One without settings."""

    def value(self, w):
        raise NotImplementedError

    value_and_gradient = value


class Own(xpnet.Objective):
    """A user's objective, with arguments of his own."""

    def __init__(self, lr, *, alpha=1.0, **options):
        self.given = lr, alpha, options

    def value(self, w):
        raise NotImplementedError

    value_and_gradient = value


def test_ones_own_part_may_call_its_arguments_as_it_likes():
    assert Own(lr=1, alpha=2, verbose=True).given == (1, 2, {"verbose": True})
    assert [*inspect.signature(Own).parameters] == ["lr", "alpha", "options"]


def test_a_property_that_fails_says_what_it_says():
    with pytest.raises(AttributeError, match="has no attribute 'data'"):
        xpnet.EmpiricalRisk.__new__(xpnet.EmpiricalRisk).X  # noqa: B018


def test_signatures_are_those_of_what_is_called():
    assert not inspect.signature(xpnet.Objective).parameters
    assert [*inspect.signature(xpnet.L2).parameters] == ["strength", "biases"]
    assert [*inspect.signature(xpnet.iterate).parameters][:3] == ["objective", "optimizer", "w"]
    assert pickle.loads(pickle.dumps(xpnet.minimize)) is xpnet.minimize


def callables():
    for module in (xpnet, schedules, training, optimizers):
        for name in module.__all__:
            value = getattr(module, name)
            if inspect.isclass(value) or inspect.isfunction(value):
                yield value
    yield from (NETWORK.initialize, RISK.initialize)


def takes(called):
    try:
        return inspect.signature(called).parameters
    except ValueError:
        return {}


def test_every_answer_is_of_use():
    """To what is looked for under our name, somebody has a parameter of this name."""
    pytest.importorskip("sklearn", reason="scikit-learn is not installed")
    from xpnet.sklearn import NetworkClassifier

    known = {name for called in (*callables(), NetworkClassifier) for name in takes(called)}
    for theirs, answers in glossary.ARGUMENTS.items():
        for ours in answers:
            assert glossary.first(ours) in known or ours.startswith("the "), f"{theirs}: {ours}"
        assert len({*answers}) == len(answers)


def test_every_word_is_an_option_somewhere():
    tables = (optimizers.NAMES, ACTIVATIONS, parameters.INITIALIZERS, divergences.NAMES)
    options = {name for table in tables for name in table} | {"numpy", "cupy", "float32", "float64"}
    for theirs, answers in glossary.WORDS.items():
        assert {*answers} <= options, theirs
        assert theirs not in options


def test_no_word_has_two_rows():
    for node in ast.walk(ast.parse(inspect.getsource(glossary))):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "_each":
            words = [word for key in node.args[0].keys for word in key.value.split()]
            assert len({*words}) == len(words)


@pytest.mark.parametrize("owner", glossary.ATTRIBUTES)
def test_no_attribute_of_ours_is_answered(owner):
    values = [xpnet, NETWORK, RISK, run(), run().history]
    for name in glossary.ATTRIBUTES[owner]:
        (value,) = [
            v for v in values if owner in (type(v).__name__, f"module {getattr(v, '__name__', '')!r}")
        ]
        assert not hasattr(value, name), name
        with pytest.raises(AttributeError, match=re.escape(f"attribute {name!r}; its name here is ")):
            getattr(value, name)


def test_a_divergence_is_taken_by_its_name():
    given = np.eye(4)[:, :4], np.arange(4) % 3
    one = xpnet.EmpiricalRisk(NETWORK, "cross_entropy", *given, backend=BACKEND)
    assert one.divergence == xpnet.CrossEntropy()
    assert {name: type(own).__name__ for name, own in divergences.NAMES.items()} == {
        "squared_error": "SquaredError",
        "cross_entropy": "CrossEntropy",
        "binary_cross_entropy": "BinaryCrossEntropy",
        "kullback_leibler": "KullbackLeibler",
        "threshold_squared_error": "ThresholdSquaredError",
    }


@pytest.mark.parametrize("penalty", ["l2", 0.1])
def test_a_penalty_has_no_strength_by_its_name(penalty):
    with pytest.raises(TypeError, match=r"penalty must be L2, L1, .*; it has a strength, as in L2\(1e-4\)"):
        xpnet.EmpiricalRisk(NETWORK, "cross_entropy", np.ones((3, 4)), [0, 1, 2], penalty=penalty)


def test_a_schedule_has_no_settings_by_its_name():
    with pytest.raises(TypeError, match=r"rate must be a number, got 'cosine'; a schedule is given"):
        xpnet.Adam("cosine")
