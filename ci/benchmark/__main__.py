"""Runs the contestants of each suite side by side on NumPy; reports medians, ratios and peak memory.

Every contestant works in a process of its own on the same data, weights and numbers of steps. They take
turns, so that whatever else slows the machine down slows all of them; the loss of each after the same
number of steps is compared with xpnet's.
"""

import argparse
import datetime
import importlib
import json
import os
import platform
import statistics
import subprocess
import sys
import textwrap
import time
from pathlib import Path
from types import ModuleType

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE))

import gpu  # noqa: E402
from contestants import CONTESTANTS  # noqa: E402
from workloads import WORKLOADS  # noqa: E402

# the goals on two cores: xpnet's time at most this share of the contestant's
GOALS = {
    "PyTorch": dict.fromkeys(WORKLOADS, 0.8),
    "JAX": {name: 1.0 if name[:4] in ("fash", "wide") else 1.5 for name in WORKLOADS},
    "its products": {"fashion": 1.4},
}
SUITES = ("steps", "kernels", "fits", "curvature")  # the last three are modules beside this file
BEFORE = "before: "  # a contestant of another checkout
SAMPLE = 0.5  # seconds of steps between two readings of the clock


class Contestant:
    """A worker process, and what it has measured."""

    def __init__(
        self, name: str, workload: str, suite: str = "contestants", before: Path | None = None
    ) -> None:
        self.name, self.times, self.memory = name, [], None
        own = name.removeprefix(BEFORE)
        root = before.resolve() if before and own != name else HERE.parent.parent
        self.process = subprocess.Popen(
            [sys.executable, str(root / "ci/benchmark/worker.py"), suite, own, workload],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            env=os.environ | {"PYTHONPATH": str(root)},
        )

    def begin(self) -> None:
        """Waits until it has made itself ready."""
        first = self.read()
        self.missing, self.details = first.get("missing"), first.get("details")
        self.loss = first.get("loss")

    def read(self) -> dict:
        line = self.process.stdout.readline()
        return json.loads(line) if line else {"missing": "the process ended"}

    def steps(self, count: int) -> dict:
        self.process.stdin.write(json.dumps({"steps": count}) + "\n")
        self.process.stdin.flush()
        return self.read()

    def end(self) -> None:
        self.process.stdin.close()
        self.process.stdout.close()
        self.process.wait()


def measure(
    workload: str, names: list[str], repeats: int, suite: str = "contestants", before: Path | None = None
) -> dict:
    entered = [Contestant(name, workload, suite, before) for name in names]
    for contestant in entered:
        contestant.begin()
    running = [contestant for contestant in entered if not contestant.missing]
    counts = {}
    for contestant in running:
        one = contestant.steps(2)["seconds"] / 2
        counts[contestant.name] = max(1, round(SAMPLE / one))
    for _ in range(repeats):
        for contestant in running:
            time.sleep(0.2)  # until threads that wait for the last one's work have gone to sleep
            count = counts[contestant.name]
            answer = contestant.steps(count)
            contestant.times.append(answer["seconds"] / count)
            contestant.memory = answer["memory"]
    for contestant in entered:
        contestant.end()
    reference = next((c.loss for c in running if c.name == "xpnet"), None)
    return {
        contestant.name: {
            "missing": contestant.missing,
            "seconds": statistics.median(contestant.times) if contestant.times else None,
            "best": min(contestant.times, default=None),
            "worst": max(contestant.times, default=None),
            "memory_mb": contestant.memory,
            "loss": contestant.loss,
            "deviation": abs(contestant.loss - reference) / abs(reference)
            if contestant.loss is not None and reference
            else None,
            "details": contestant.details,
        }
        for contestant in entered
    }


def suite_table(module: ModuleType, workload: str, entries: dict) -> str:
    """The times of one workload of a suite, and what the suite compares."""
    medians = {name: entry["seconds"] for name, entry in entries.items() if entry["seconds"]}
    fastest = {name: entries[name]["best"] for name in medians}
    lines = [f"\n{workload}", f"  {'':<26} {'ms':>10} {'best':>10} {'worst':>10}"]
    for name, entry in entries.items():
        if entry["missing"]:
            lines.append(f"  {name:<26} not taking part: {entry['missing'].splitlines()[0][:75]}")
        else:
            times = [f"{1e3 * entry[key]:10.3f}" for key in ("seconds", "best", "worst")]
            lines.append(f"  {name:<26} {' '.join(times)}")
    compared = zip(
        module.comparisons(workload, medians), module.comparisons(workload, fastest), strict=True
    )
    for (text, ratio, goal), (_, best, _) in compared:
        # other work on the machine slows some contestants more than others: both must say so
        met = goal is not None and max(ratio, best) <= goal
        verdict = "" if goal is None else f"  goal {goal}: {'met' if met else 'missed'}"
        lines.append(f"  {text}: {ratio:.2f} (of the fastest runs: {best:.2f}){verdict}")
    return "\n".join(lines)


def measure_suite(suite: str, about: dict, repeats: int, output: Path) -> list[str]:
    """Runs a suite of one of the modules and writes its report; returns whose losses differ."""
    module = importlib.import_module(suite)
    load = os.getloadavg()[0]
    text = "\n".join(
        [
            textwrap.fill(" ".join(module.__doc__.split()), 100),
            f"{about['date']}, {about['device']}; tasks that ran when it began: {load:.1f}",
        ]
    )
    print(f"\n{text}")
    results = {}
    for workload in module.WORKLOADS:
        results[workload] = measure(workload, list(module.CONTESTANTS), repeats, suite)
        lines = suite_table(module, workload, results[workload])
        print(lines, flush=True)
        text += f"\n{lines}"
    path = output.with_name(f"{output.name}-{suite}")
    report = {"machine": about | {"load": load}, "results": results}
    path.with_suffix(".json").write_text(json.dumps(report, indent=1) + "\n")
    path.with_suffix(".txt").write_text(f"{text}\n")
    print(f"\nwritten: {path}.json, .txt")
    return differing(results)


def differing(results: dict) -> list[str]:
    """Contestants whose loss is not xpnet's."""
    return [
        f"{name} on {workload}"
        for workload, entries in results.items()
        for name, entry in entries.items()
        if entry["deviation"] is not None and entry["deviation"] > 1e-3
    ]


def growth(names: list[str]) -> list[dict]:
    """Time of a step and peak memory as samples, then parameters, grow; each in a fresh process."""
    sizes = [f"{samples}x20-32-32-2" for samples in (1_000, 10_000, 100_000, 1_000_000)]
    sizes += [f"4096x64-{width}-{width}-10" for width in (16, 64, 256, 1024, 2048)]
    rows = []
    for size in sizes:
        for name in names:
            contestant = Contestant(name, size)
            contestant.begin()
            if not contestant.missing:
                one = contestant.steps(2)["seconds"] / 2
                count = max(1, round(SAMPLE / one))
                answers = [contestant.steps(count) for _ in range(3)]
                seconds = statistics.median(answer["seconds"] / count for answer in answers)
                memory = answers[-1]["memory"]
                rows.append({"size": size, "contestant": name, "seconds": seconds, "memory_mb": memory})
                print(f"  {size:>24}  {name:<16} {1e3 * seconds:10.3f} ms {memory:8.0f} MB", flush=True)
            contestant.end()
    return rows


def import_times(repeats: int = 9) -> dict[str, float]:
    """Seconds to import xpnet and to import NumPy, each in fresh processes, in turns."""
    times = {"numpy": [], "xpnet": []}
    compiled = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
    subprocess.run([sys.executable, "-c", "import xpnet"], check=True, env=compiled)
    for _ in range(repeats):
        for name in times:
            program = f"import time; t = time.perf_counter(); import {name}; print(time.perf_counter() - t)"
            done = subprocess.run([sys.executable, "-c", program], capture_output=True, check=True)
            times[name].append(float(done.stdout))
    return {name: statistics.median(values) for name, values in times.items()}


def machine() -> dict:
    import numpy
    from threadpoolctl import threadpool_info

    import xpnet

    blas = [f"{each['internal_api']} {each.get('architecture', '')}" for each in threadpool_info()]
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return {
        "date": datetime.date.today().isoformat(),
        "device": xpnet.backend("numpy").describe(),
        "cores": os.cpu_count(),
        "memory_gb": round(memory, 1),
        "system": platform.platform(),
        "python": platform.python_version(),
        "numpy": numpy.__version__,
        "blas": ", ".join(blas),
    }


def table(results: dict) -> str:
    lines = []
    for workload, entries in results.items():
        lines.append(f"\n{workload}")
        lines.append(
            f"  {'':<16} {'ms a step':>10} {'best':>9} {'xpnet/it':>9} {'peak MB':>8} {'loss off by':>11}"
        )
        ours = entries.get("xpnet", {}).get("seconds")
        for name, entry in entries.items():
            if entry["missing"]:
                lines.append(f"  {name:<16} not taking part: {entry['missing'].splitlines()[0][:80]}")
                continue
            ratio = ours / entry["seconds"] if ours else float("nan")
            goal = GOALS.get(name, {}).get(workload)
            verdict = "" if goal is None else f"  goal {goal}: {'met' if ratio <= goal else 'missed'}"
            off = "" if entry["deviation"] is None else f"{entry['deviation']:.0e}"
            lines.append(
                f"  {name:<16} {1e3 * entry['seconds']:10.3f} {1e3 * entry['best']:9.3f} "
                f"{ratio:9.2f} {entry['memory_mb']:8.0f} {off:>11}{verdict}"
            )
        torch = entries.get("PyTorch", {}).get("memory_mb")
        if workload == "fashion" and torch:
            share = entries["xpnet"]["memory_mb"] / torch
            verdict = "met" if share <= 0.5 else "missed"
            lines.append(f"  peak memory: {share:.2f} of PyTorch's  goal 0.5: {verdict}")
    return "\n".join(lines)


def chart(results: dict, about: dict, path: Path) -> None:
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    names = [
        name
        for name in CONTESTANTS
        if name != "xpnet iterate" and any(r.get(name, {}).get("seconds") for r in results.values())
    ]
    figure, axes = plt.subplots(figsize=(10, 4.5), layout="constrained")
    width = 0.8 / len(names)
    for k, name in enumerate(names):
        places, heights = [], []
        for place, entries in enumerate(results.values()):
            entry, ours = entries.get(name, {}), entries["xpnet"]["seconds"]
            if entry.get("seconds"):
                places.append(place + (k - (len(names) - 1) / 2) * width)
                heights.append(entry["seconds"] / ours)
        bars = axes.bar(places, heights, width, label=name)
        axes.bar_label(bars, fmt="%.2g", fontsize=7)
    axes.axhline(1, color="black", linewidth=0.8)
    axes.set_yscale("log")
    axes.set_xticks(range(len(results)), list(results))
    axes.set_ylabel("time of a step, xpnet = 1 (lower is faster)")
    axes.set_title(f"One Nesterov step on all samples: {about['device']}, {about['date']}", fontsize=10)
    axes.legend(fontsize=8, ncols=len(names), loc="upper center", bbox_to_anchor=(0.5, -0.08))
    figure.savefig(path, dpi=130)


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
    parser.add_argument("--suite", nargs="+", choices=SUITES, default=list(SUITES), help="what to measure")
    parser.add_argument("--workloads", nargs="+", choices=WORKLOADS, default=list(WORKLOADS))
    parser.add_argument("--contestants", nargs="+", choices=CONTESTANTS, default=list(CONTESTANTS))
    parser.add_argument(
        "--before", type=Path, help="another checkout, whose steps take part as 'before: xpnet'"
    )
    parser.add_argument("--repeats", type=int, default=9)
    parser.add_argument("--growth", action="store_true", help="also growth with samples and parameters")
    parser.add_argument(
        "--output", type=Path, help="a name for the .json and .png (default: ci/results/...)"
    )
    options = parser.parse_args(arguments)

    about = machine()
    print(json.dumps(about, indent=2))
    output = options.output or HERE.parent / "results" / "numpy"
    output.parent.mkdir(parents=True, exist_ok=True)
    wrong = []
    if "steps" in options.suite:
        wrong += measure_steps(options, about, output)
    for suite in options.suite:
        if suite != "steps":
            wrong += measure_suite(suite, about, options.repeats, output)
    if wrong:
        sys.exit(f"losses that differ from xpnet's by more than 1e-3: {', '.join(wrong)}")


def measure_steps(options: argparse.Namespace, about: dict, output: Path) -> list[str]:
    """Runs the suite of training steps and writes its report; returns whose losses differ."""
    imports = import_times()
    print(f"import: xpnet {1e3 * imports['xpnet']:.0f} ms, numpy {1e3 * imports['numpy']:.0f} ms")
    results = {}
    for workload in options.workloads:
        names = [*options.contestants]
        if options.before:
            names += [BEFORE + name for name in ("xpnet", "xpnet iterate") if name in names]
        results[workload] = measure(workload, names, options.repeats, before=options.before)
        print(table({workload: results[workload]}), flush=True)
    grown = growth([n for n in ("xpnet", "PyTorch") if n in options.contestants]) if options.growth else []

    report = {"machine": about, "import_seconds": imports, "results": results, "growth": grown}
    output.with_suffix(".json").write_text(json.dumps(report, indent=1) + "\n")
    if any("xpnet" in entries for entries in results.values()):
        chart(results, about, output.with_suffix(".png"))
        head = f"{about['date']}, {about['device']}, BLAS: {about['blas']}"
        output.with_suffix(".txt").write_text(f"{head}\n{table(results)}\n")
    print(f"\nwritten: {output}.json, .txt, .png")
    return differing(results)


if __name__ == "__main__":
    main()
