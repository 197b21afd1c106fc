"""The suite of starts: what processes pay before they train, with compiled rules and without.

Whole processes, from the command to its end: `import xpnet`; the example of digits with a single step,
where nothing is yet kept for rules ("cold") and where an earlier process has kept it ("warm"); and with all
its steps.
"""

import json
import os
import statistics
import subprocess
import sys
import tempfile
import textwrap
import time
from pathlib import Path

import race
import report

IMPORT = ("-c", "import xpnet")
EXAMPLE = "examples/digits.py"
WARM_GOAL = 0.25  # seconds that a second process pays at most for compiled rules
PROCESSES = {  # name: what Python runs, the kernels, and whether the cache of rules is empty
    "import numpy": (("-c", "import numpy"), "numpy", False),
    "import xpnet": (IMPORT, "auto", False),
    "one step, numpy": ((EXAMPLE, "--steps", "1"), "numpy", False),
    "one step, numba warm": ((EXAMPLE, "--steps", "1"), "numba", False),
    "one step, numba cold": ((EXAMPLE, "--steps", "1"), "numba", True),
    "300 steps, numpy": ((EXAMPLE,), "numpy", False),
    "300 steps, numba warm": ((EXAMPLE,), "numba", False),
}
COLD_ROUNDS = 3


def run(options, about: dict, output: Path) -> list[str]:
    """Measures, writes the report; no losses are compared."""
    text = f"{textwrap.fill(' '.join(__doc__.split()), 100)}\n{report.heading(about, options.isa)}"
    print(f"\n{text}")
    with tempfile.TemporaryDirectory() as place:
        seconds, missing = measure(Path(place), options.isa, options.repeats)
    lines = table(seconds, missing)
    print(lines, flush=True)
    whole = {"machine": about, "isa": options.isa, "seconds": seconds, "missing": missing}
    Path(f"{output}-start.json").write_text(json.dumps(whole, indent=1) + "\n")
    Path(f"{output}-start.txt").write_text(f"{text}\n\n{lines}\n")
    print(f"\nwritten: {output}-start.json, .txt")
    return []


def measure(place: Path, isa: str, repeats: int) -> tuple[dict[str, list[float]], dict[str, str]]:
    """Seconds of each process, in turns; and why one could not be measured."""
    seconds: dict[str, list[float]] = {name: [] for name in PROCESSES}
    missing: dict[str, str] = {}
    for number in range(-1, repeats):  # the first only makes files and caches warm
        for name, (arguments, kernels, cold) in PROCESSES.items():
            if name in missing or (cold and not 0 <= number < COLD_ROUNDS):
                continue
            cache = place / (f"cold-{number}" if cold else "warm")
            own = {"XPNET_KERNELS": kernels, "XPNET_CACHE": str(cache), "MPLBACKEND": "Agg"}
            told = race.environment(isa, dict(os.environ)) | own
            told.pop("PYTHONDONTWRITEBYTECODE", None)
            extra = ("--output", str(place / "digits.png")) if EXAMPLE in arguments else ()
            began = time.perf_counter()
            done = subprocess.run(
                [sys.executable, *arguments, *extra],
                env=told,
                cwd=race.ROOT,
                capture_output=True,
                text=True,
            )
            taken = time.perf_counter() - began
            if done.returncode:
                missing[name] = (done.stderr.strip().splitlines() or ["it failed"])[-1]
            elif number >= 0:
                seconds[name].append(taken)
    return seconds, missing


def table(seconds: dict[str, list[float]], missing: dict[str, str]) -> str:
    """The medians, and what compiled rules add."""
    lines = [f"{'':<26}{'s':>8}{'least':>8}{'most':>8}"]
    for name, values in seconds.items():
        if name in missing or not values:
            lines.append(f"{name:<26}not measured: {missing.get(name, 'no turn')[:70]}")
        else:
            cells = (statistics.median(values), min(values), max(values))
            lines.append(f"{name:<26}" + "".join(f"{value:8.3f}" for value in cells))
    for text, more, less, goal in (
        ("import xpnet, beyond NumPy", "import xpnet", "import numpy", None),
        ("the first process, beyond NumPy's rules", "one step, numba cold", "one step, numpy", None),
        ("a second process, beyond NumPy's rules", "one step, numba warm", "one step, numpy", WARM_GOAL),
        ("the same with all steps", "300 steps, numba warm", "300 steps, numpy", WARM_GOAL),
    ):
        if seconds.get(more) and seconds.get(less):
            added = statistics.median(seconds[more]) - statistics.median(seconds[less])
            verdict = "" if goal is None else f"  goal {goal:g}: {'met' if added <= goal else 'MISSED'}"
            lines.append(f"{text}: {added:+.3f} s{verdict}")
    return "\n".join(lines)
