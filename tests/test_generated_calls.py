"""Ten thousand generated calls of the public API: each has a right result, or a clear error on purpose."""

from __future__ import annotations

import inspect
import types
from typing import Any

import hypothesis
import hypothesis.strategies as st
import pytest
from generated import Call, attempt
from generated_calls import CALLS

import xpnet
import xpnet.testing
from xpnet import analysis, linear, optimizers, training
from xpnet.layers import activations
from xpnet.optimizers import schedules

EXAMPLES = 50  # of each, with --slow; a fifth of them without

# What has no call of its own, and why.
TYPES = {"Array", "Matrix", "Namespace", "Samples", "Scalar", "Units", "Vector", "Rate", "OptimizerName"}
RESULTS = {
    "Begun",
    "Extremes",
    "History",
    "Look",
    "Record",
    "Run",
    "Saved",
    "Solution",
    "Step",
    "Axis",
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
