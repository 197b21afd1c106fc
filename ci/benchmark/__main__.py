"""Runs the contestants of each suite side by side on the host; reports medians, ratios and peak memory.

Every contestant works in a process of its own on the same data, weights and numbers of steps. They take
turns, so that whatever else slows the machine down slows all of them; the loss of each after the same
number of steps is compared with xpnet's. xpnet takes part with compiled rules ("numba") and without.
"""

import argparse
import importlib
import json
import os
import subprocess
import sys
import textwrap
import time
from pathlib import Path

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE))

import gpu  # noqa: E402
import race  # noqa: E402
import report  # noqa: E402
import start  # noqa: E402
import steps  # noqa: E402

SUITES = {  # and for how long each reads the clock at once, in seconds
    "steps": 0.15,
    "kernels": 0.05,
    "fits": 0.1,
    "curvature": 0.1,
    "scale": 0.15,
    "start": 0.0,
}
TWICE = ("steps", "kernels", "fits")  # what is also measured where all are held to less


def measure_suite(suite: str, options: argparse.Namespace, about: dict, output: Path) -> list[str]:
    """Runs the suite of a module beside this file and writes its report; returns whose losses differ."""
    module = importlib.import_module(suite)
    text = f"{textwrap.fill(' '.join(module.__doc__.split()), 100)}\n{report.heading(about, options.isa)}"
    print(f"\n{text}")
    results, others, missed = {}, {}, []
    for workload in wanted(suite, options):
        began = time.perf_counter()
        results[workload], others[workload] = race.measure(
            workload,
            module.NAMES,
            options.repeats,
            suite,
            isa=options.isa,
            sample=options.sample,
            launch=getattr(module, "launch", None),
            orders=getattr(module, "ORDERS", {}).get(workload, 1),
        )
        comparisons = list(module.comparisons(workload, results[workload]))
        part = report.detail(workload, results[workload], comparisons, others[workload])
        print(f"{part}\n  [{time.perf_counter() - began:.0f} s]", flush=True)
        text += f"\n{part}"
        lines = [report.sentence(c).strip() for c in comparisons if c.verdict == "MISSED"]
        missed += [f"missed: {workload}: {line}" for line in lines]
    text += "\n\n" + "\n".join(missed or ["no goal was missed"])
    path = f"{output}-{suite}"
    whole = {"machine": about, "isa": options.isa, "others_busy": others, "results": results}
    Path(f"{path}.json").write_text(json.dumps(whole, indent=1) + "\n")
    Path(f"{path}.txt").write_text(f"{text}\n")
    print(f"\nwritten: {path}.json, .txt")
    return race.differing(results) if getattr(module, "SAME_LOSS", True) else []


def wanted(suite: str, options: argparse.Namespace) -> list[str]:
    """The workloads of a suite that were asked for."""
    names = getattr(importlib.import_module(suite), "WORKLOADS", ())
    return [name for name in names if not options.workloads or name in options.workloads]


def measure(suite: str, options: argparse.Namespace, about: dict, output: Path) -> list[str]:
    began, given = time.perf_counter(), options.sample
    options.sample = SUITES[suite] if given is None else given
    print(f"\n== {suite}, {options.isa}", flush=True)
    try:
        if suite == "steps":
            return steps.run(options, about, output, wanted(suite, options))
        if suite == "start":
            return start.run(options, about, output)
        return measure_suite(suite, options, about, output)
    finally:
        options.sample = given
        print(f"== {suite}, {options.isa}: {time.perf_counter() - began:.0f} s in all", flush=True)


def about_machine(isa: str) -> dict:
    """What machine.py says in the environment of the contestants."""
    command = [sys.executable, str(HERE / "machine.py")]
    told = race.environment(isa, dict(os.environ)) | {"XPNET_KERNELS": "auto"}
    done = subprocess.run(command, env=told, capture_output=True, text=True, check=True)
    return json.loads(done.stdout) | {"load": os.getloadavg()[0]}


def choose() -> tuple[str, argparse.ArgumentParser, list[str]]:
    """The backend to measure, the parser that has read it, and what is left of the command line."""
    import xpnet

    parser = argparse.ArgumentParser(prog="ci/bench", add_help=False, allow_abbrev=False)
    parser.add_argument(
        "--backend",
        default=os.environ.get("XPNET_BACKEND", "").strip() or "numpy",
        help="numpy, cupy or auto; by default what XPNET_BACKEND says, else numpy. On cupy another "
        "benchmark runs, with options of its own: ci/bench --backend cupy --help tells them",
    )
    chosen, rest = parser.parse_known_args()
    try:
        name = xpnet.backend(chosen.backend).name
    except xpnet.BackendError as error:
        parser.error(str(error))
    if ":" in chosen.backend:
        parser.error(
            "CUDA_VISIBLE_DEVICES chooses the device, for all contestants alike; use --backend cupy"
        )
    return name, parser, rest


def main() -> None:
    backend, chooser, arguments = choose()
    if backend == "cupy":
        return gpu.main(arguments)
    os.environ["XPNET_BACKEND"] = backend  # for the workers

    parser = argparse.ArgumentParser(
        prog="ci/bench", description=__doc__.splitlines()[0], parents=[chooser]
    )
    parser.add_argument(
        "--isa",
        choices=race.ISA,
        default="native",
        help="native: as the processor is, whatever OPENBLAS_CORETYPE and OPENBLAS_L2_SIZE say; "
        "avx2: everyone held to AVX2",
    )
    parser.add_argument(
        "--suite",
        nargs="+",
        choices=SUITES,
        help=f"what to measure (default: all; with --isa avx2 {', '.join(TWICE)})",
    )
    parser.add_argument("--workloads", nargs="+", help="of the suites, by their names (default: all)")
    parser.add_argument(
        "--contestants", nargs="+", choices=steps.NAMES, default=steps.NAMES, help="of the steps"
    )
    parser.add_argument(
        "--before", type=Path, help="another checkout, whose steps take part as 'before: ...'"
    )
    parser.add_argument("--repeats", type=int, default=7, help="turns of each contestant")
    parser.add_argument("--sample", type=float, help="seconds of a turn, at least")
    parser.add_argument("--quick", action="store_true", help="one short turn each: does everything run?")
    parser.add_argument("--growth", action="store_true", help="also growth with samples and parameters")
    parser.add_argument(
        "--output", type=Path, help="a name for the .json, .txt and .png (default: ci/results/...)"
    )
    options = parser.parse_args(arguments)
    suites = options.suite or (SUITES if options.isa == "native" else TWICE)
    unknown = set(options.workloads or ()).difference(*(wanted(suite, options) for suite in suites))
    if unknown:
        parser.error(f"no suite that runs has a workload {', '.join(map(repr, sorted(unknown)))}")
    if options.quick:
        options.repeats, options.sample = 1, 0.0

    about = about_machine(options.isa)
    print(json.dumps(about, indent=2))
    name = "numpy" if options.isa == "native" else f"numpy-{options.isa}"
    output = options.output or HERE.parent / "results" / name
    output.parent.mkdir(parents=True, exist_ok=True)
    wrong = []
    for suite in suites:
        wrong += measure(suite, options, about, output)
    if wrong:
        sys.exit(f"losses that differ from xpnet's by more than 1e-3: {', '.join(wrong)}")


if __name__ == "__main__":
    main()
