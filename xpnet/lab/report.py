"""The outcome of an experiment as JSON and as text."""

from __future__ import annotations

import dataclasses
import json
import math
import platform
from collections.abc import Mapping, Sequence
from importlib import metadata
from typing import Any, cast

import numpy as np

from ..version import version
from .bench import Lab, Result
from .experiment import Experiment

PACKAGES = ("numpy", "scipy", "matplotlib", "scikit-learn", "numba", "cupy", "cupy-cuda12x", "cupy-cuda13x")


def as_json(
    experiment: Experiment, lab: Lab, quick: bool, result: Result, seconds: Mapping[str, float]
) -> str:
    """All of it; what `seconds` holds is all that differs from run to run."""
    settings = {
        "seed": lab.seed,
        "quick": quick,
        "backend": lab.backend.name,
        "kernels": lab.backend.kernels,
    }
    content = {
        "experiment": experiment.name,
        "claim": experiment.title,
        "rows": experiment.rows,
        "settings": settings | experiment.settings(quick),
        "versions": versions(),
        "figures": result.numbers,
        "expectations": [dataclasses.asdict(one) for one in result.expectations],
        "passed": result.passed,
    }
    plain = _plain(experiment.name, content)
    plain["seconds"] = _plain("seconds", {**seconds, **result.seconds})
    return _lines(plain) + "\n"


def as_text(experiment: Experiment, lab: Lab, quick: bool, result: Result) -> str:
    """The claim, and each expectation in a line."""
    rows = ", ".join(experiment.rows)
    size = "quick, " if quick else ""
    head = f"{experiment.name} (rows {rows}; {size}seed {lab.seed}, {lab.backend.describe()})"
    lines = [head, experiment.title, *(f"  {one}" for one in result.expectations)]
    judged = [one for one in result.expectations if one.verdict != "reported"]
    good = sum(one.verdict == "holds" for one in judged)
    return "\n".join([*lines, f"  {good} of {len(judged)} as expected"]) + "\n"


def versions() -> dict[str, str]:
    """Of Python, of this library, and of what it may have used."""
    found = {"python": platform.python_version(), "xpnet": version()}
    for name in PACKAGES:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found


def _lines(plain: dict[str, Any]) -> str:
    """JSON with a line for each thing that is in one of the first level."""
    parts: list[str] = []
    for key, value in plain.items():
        text = json.dumps(value, allow_nan=False)
        if isinstance(value, dict) and value:
            inner = cast("dict[str, Any]", value).items()
            text = ",\n  ".join(f"{json.dumps(name)}: {json.dumps(own)}" for name, own in inner)
            text = f"{{\n  {text}\n }}"
        elif isinstance(value, list) and key == "expectations":
            text = ",\n  ".join(map(json.dumps, cast("list[Any]", value)))
            text = f"[\n  {text}\n ]"
        parts.append(f" {json.dumps(key)}: {text}")
    return "{\n" + ",\n".join(parts) + "\n}"


def _plain(name: str, value: Any) -> Any:
    """`value` as JSON has it, without times; NaN and infinity as words."""
    if isinstance(value, np.ndarray | np.generic):
        value = cast("Any", value).tolist()
    if isinstance(value, float):
        return value if math.isfinite(value) else str(value)
    if value is None or isinstance(value, bool | int | str):
        return value
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        value = {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}
    if isinstance(value, Mapping):
        parts = cast("Mapping[Any, Any]", value)
        return {str(key): _plain(f"{name}, {key}", own) for key, own in parts.items() if key != "seconds"}
    if isinstance(value, Sequence):
        return [_plain(name, own) for own in cast("Sequence[Any]", value)]
    kind = cast("type[Any]", type(value))
    raise TypeError(
        f"{name} must be numbers, words, or arrays of NumPy, got {kind.__module__}.{kind.__qualname__}"
    )
