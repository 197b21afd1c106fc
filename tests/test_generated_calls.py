"""Ten thousand generated calls of the public API: each has a right result, or a clear error on purpose."""

from __future__ import annotations

import inspect
import re
import types
import warnings
from typing import Any

import hypothesis
import hypothesis.strategies as st
import pytest
from generated import Call, attempt, in_own_function, on_purpose
from generated_calls import CALLS

import xpnet
import xpnet.testing
from xpnet import analysis, linear, optimizers, plotting, training
from xpnet.layers import activations
from xpnet.optimizers import schedules

EXAMPLES = 50  # of each, with --slow; a fifth of them without

# What has no call of its own, and why.
TYPES = {"Array", "Matrix", "Namespace", "Samples", "Scalar", "Units", "Vector", "Rate", "OptimizerName"}
RESULTS = {
    "Begun",
    "Extremes",
    "History",
    "LinearNetwork",
    "Look",
    "Record",
    "Run",
    "Saved",
    "Solution",
    "Step",
    "Axis",
    "Band",
    "Density",
    "Line",
    "Plane",
    "Regions",
    "CriticalPoints",
    "Spectrum",
    "Ending",
    "Offers",
    "Outcome",
}
TO_DERIVE_FROM = {
    *(
        "Accumulate",
        "Activation",
        "Callback",
        "Descent",
        "Divergence",
        "FirstOrder",
        "GainRatio",
        "Layer",
        "LineSearch",
    ),
    *("Objective", "Optimizer", "Penalty", "RandomLayer", "Schedule", "Search", "SumOfSquares", "Watcher"),
}
RAISED = {"BackendError", "NonFiniteError", "StorageError", "TraceError"}
CONSTANTS = {"KINDS", "NAMES", "PROBLEMS"}
# what the library calls with what it has made, and checked, itself
INNER = {
    "EmpiricalRisk.recording",
    *("Backend.quiet", "Backend.working", "Backend.stream", "Backend.require_room"),
    *("Network.forward", "Network.backward", "Network.with_draws"),
    *("Elementwise.source", "checked_schedule", "dot", "norm"),
    *("Elementwise.computed", "Elementwise.written", "Elementwise.summed", "Samplewise.computed"),
    "Elementwise.computed_with_sum",
    *("load", "save"),  # of files: tests/storage hands them what is wrong
}
INNER_METHODS = {
    *(
        "advance",
        "begin",
        "resume",
        "memory",
        "update",
        "look_ahead",
        "direction",
        "first_lengths",
        "forget",
        "free_gradient",
    ),
    *(
        "learn",
        "model",
        "adjust",
        "exhausted",
        "along",
        "walk",
        "leaves",
        "looks",
        "parts",
        "spends",
        "start",
        "ending",
    ),
    *("forward", "backward", "shapes", "draws", "mask", "on", "observe", "rate", "add_gradient", "point"),
}
OF_RISK = ("risk", "squares", "EmpiricalRisk")


def drawn(call: Call) -> st.SearchStrategy[tuple[dict[str, int], dict[str, int]]]:
    """Which of the choices for each argument, and which odd values for none, one or two of them."""
    chosen = st.fixed_dictionaries(
        {key: st.integers(0, len(argument.choices) - 1) for key, argument in call.arguments.items()}
    )
    free = [key for key, argument in call.arguments.items() if not argument.fixed]
    if not free:
        return st.tuples(chosen, st.just({}))
    one = st.sampled_from(free).flatmap(
        lambda key: st.fixed_dictionaries({key: st.integers(0, len(call.arguments[key].odds) - 1)})
    )
    two = st.tuples(one, one).map(lambda pair: pair[0] | pair[1])
    return st.tuples(chosen, st.one_of(st.just({}), one, one, one, two))


@pytest.mark.parametrize("name", CALLS)
def test_calls(name: str, request: pytest.FixtureRequest) -> None:
    call = CALLS[name]
    examples = EXAMPLES if request.config.getoption("--slow") else EXAMPLES // 5

    @hypothesis.seed(0)
    @hypothesis.settings(
        max_examples=examples,
        database=None,
        deadline=None,
        derandomize=True,
        suppress_health_check=list(hypothesis.HealthCheck),
        phases=[hypothesis.Phase.generate],
    )
    @hypothesis.given(drawn(call))
    def run(case: tuple[dict[str, int], dict[str, int]]) -> None:
        attempt(name, call, *case)

    run()


# What messages speak of that is a part of an argument, such as a setting of what was handed over.
PARTS = {
    "array": {"w"},  # which is the name given for it
    "change": {"state"},
    "draw": {"layers", "weights"},
    "first": {"layers"},
    "function": {"own_forward", "own_backward"},
    "last": {"layers"},
    "layer": {"shapes", "shape", "length", "layers", "units", "a", "name"},
    "matrix": {"objective"},
    "metrics": {"metric"},
    "objective": {"gradient", "Line", "w"},
    "optimizer": {"rate"},
    "other": {"stop"},  # of an operator, whose argument has no name
    "resume": {"w", "path"},
    "settings": {"kind", "initial"},
    "shapes": {"shape", "length"},
    "starts": {"w"},
}
THINGS = {"the", "what", "there", "arrays"}  # "the objective's gradient", "what f returns": of no argument
OF_RULE = r"(?:[\w<>.]+: )?"  # whose argument it is, where rules are called
SUBJECT = re.compile(
    rf"^(?:unknown (\w+) |{OF_RULE}(?:each (?:of |end of |name in (?:the )?|length in the )?)?"
    r"'?([A-Za-z_]\w*)(?:\[.*?\]|\(.*?\)|=\S+|'| of [^ ]+)* (?:must|is|contains|holds|has)\b)"
)


def subject(error: Exception) -> str | None:
    """What a message speaks of, where it says what it must be or is."""
    found = SUBJECT.match(" ".join(str(error).split()))
    return None if found is None else found[1] or found[2]


@pytest.mark.parametrize("name", CALLS)
def test_the_word_in_the_message_is_the_word_in_the_signature(name: str) -> None:
    call, wrong = CALLS[name], list[str]()
    for key, argument in call.arguments.items():
        known = {None, *call.arguments, *PARTS.get(key, ()), *THINGS}
        for odd in [] if argument.fixed else argument.odds[:40]:
            given = {own: other.made(0) for own, other in call.arguments.items()}
            try:
                with warnings.catch_warnings():
                    warnings.simplefilter("ignore")
                    call.function(**given | {key: odd.make()})
            except Exception as error:
                if on_purpose(error) and not in_own_function(error) and subject(error) not in known:
                    wrong.append(f"{key}={odd.text}: {error}")
    assert not wrong


def test_subjects_are_found() -> None:
    messages = {
        "rate must be a number, got 'a'": "rate",
        "layers[0] must be a Layer such as Dense, got ''": "layers",
        "each of milestones must be an integer, got 2.5": "milestones",
        "name='gpu' is no backend": "name",
        "unknown kind None; did you mean 'Cosine'?": "kind",
        "own_rule: a must be an array of NumPy": "a",
        "there are 3": None,
    }
    assert {text: subject(ValueError(text)) for text in messages} == messages


def public() -> dict[str, Any]:
    """Everything public, by name."""
    found: dict[str, Any] = {}
    for module in (xpnet, linear, analysis, xpnet.testing, optimizers, schedules, training):
        for name in module.__all__:
            thing = getattr(module, name)
            if not isinstance(thing, types.ModuleType):
                found[name] = thing
    found["sigmoid_with_offset"] = activations.sigmoid_with_offset
    return found


def stands(name: str) -> bool:
    return any(own == name or own.endswith(f".{name}") for own in CALLS)


def test_nothing_public_is_missing() -> None:
    left_out = TYPES | RESULTS | TO_DERIVE_FROM | RAISED | CONSTANTS | INNER
    missing = [name for name in public() if name not in left_out and not stands(name)]
    assert not missing


def test_no_picture_is_missing() -> None:
    pytest.importorskip("matplotlib", reason="matplotlib is not installed")
    assert {f"plotting.{name}" for name in plotting.__all__} <= {*CALLS}


def test_no_public_method_is_missing() -> None:
    missing: list[str] = []
    for kind in public().values():
        if not inspect.isclass(kind) or inspect.isabstract(kind) or kind.__name__ in RESULTS | RAISED:
            continue
        if kind.__name__ in TO_DERIVE_FROM:
            continue
        for name, method in inspect.getmembers(kind, inspect.isfunction):
            whole = f"{kind.__name__}.{name}"
            if name.startswith("_") or name in INNER_METHODS or whole in INNER:
                continue
            if issubclass(kind, xpnet.Objective):
                names = OF_RISK if kind is xpnet.EmpiricalRisk else (kind.__name__,)
            elif issubclass(kind, xpnet.Optimizer):
                names = ("Optimizer",)
            elif issubclass(kind, xpnet.Layer | xpnet.Search | schedules.Schedule) and name == "initialize":
                continue  # called by networks, searches and rules with what they have made
            elif issubclass(kind, xpnet.Penalty | xpnet.Divergence):
                continue  # called by risks
            else:
                names = (kind.__name__,)
            if method.__module__.startswith("xpnet") and not any(f"{own}.{name}" in CALLS for own in names):
                missing.append(whole)
    assert not missing


def test_ten_thousand_calls() -> None:
    assert len(CALLS) * EXAMPLES >= 10_000
