"""The suite of steps: one step of an optimizer on all samples, of every contestant on every workload."""

import json
import os
import statistics
import subprocess
import sys
import time
from pathlib import Path

import report
from contestants import CONTESTANTS
from race import BEFORE, KERNELS, Contestant, differing, environment, measure
from workloads import ON_HOST

WORKLOADS = list(ON_HOST)
OURS = [f"{name} {kernels}" for kernels in KERNELS for name in report.OURS]
NAMES = [*OURS, *(name for name in CONTESTANTS if name not in report.OURS)]


def run(options, about: dict, output: Path, workloads: list[str]) -> list[str]:
    """Measures, writes the report, and returns whose losses differ."""
    imports = import_times(options.isa)
    print(f"import: xpnet {1e3 * imports['xpnet']:.0f} ms, numpy {1e3 * imports['numpy']:.0f} ms")
    results, others = {}, {}
    text = report.heading(about, options.isa)
    details = ""
    for workload in workloads:
        began = time.perf_counter()
        names = [*options.contestants]
        if options.before:
            names += [BEFORE + name for name in OURS[:2] if name in names]
        results[workload], others[workload] = measure(
            workload,
            names,
            options.repeats,
            "contestants",
            isa=options.isa,
            sample=options.sample,
            before=options.before,
        )
        comparisons = report.verdicts(workload, results[workload])
        part = report.detail(workload, results[workload], comparisons, others[workload])
        print(report.summary({workload: results[workload]}, options.isa))
        print(f"{part}\n  [{time.perf_counter() - began:.0f} s]", flush=True)
        details += f"\n{part}"
    grown = growth(options) if options.growth else []

    missed = report.missed(results, options.isa)
    closing = [f"missed: {line}" for line in missed] or ["no goal was missed"]
    text = "\n".join(
        [
            text,
            "",
            "Time of a step as a share of each other's (medians)",
            report.summary(results, options.isa),
            "",
            *closing,
            details,
        ]
    )
    whole = {"machine": about, "isa": options.isa, "import_seconds": imports, "others_busy": others}
    whole |= {"results": results, "growth": grown}
    Path(f"{output}.json").write_text(json.dumps(whole, indent=1) + "\n")
    Path(f"{output}.txt").write_text(f"{text}\n")
    print("\n" + report.summary(results, options.isa))
    print("\n".join(closing))
    if options.isa == "native":
        try:
            chart(results, about, Path(f"{output}.png"))
        except ImportError as error:
            print(f"no picture: {error}")
    print(f"\nwritten: {output}.json, .txt")
    return differing(results)


def growth(options) -> list[dict]:
    """Time of a step and peak memory as samples, then parameters, grow; each in a fresh process."""
    sizes = [f"{samples}x20-32-32-2" for samples in (1_000, 10_000, 100_000, 1_000_000)]
    sizes += [f"4096x64-{width}-{width}-10" for width in (16, 64, 256, 1024, 2048)]
    rows = []
    for size in sizes:
        for name in ("xpnet numba", "xpnet numpy", "PyTorch"):
            if name not in options.contestants:
                continue
            contestant = Contestant(name, size, "contestants", options.isa)
            contestant.begin()
            one = None if contestant.missing else contestant.steps(2)
            if one is not None:
                count = max(1, round(options.sample / one))
                seconds = statistics.median(contestant.steps(count) for _ in range(3))
                memory = contestant.memory
                rows.append({"size": size, "contestant": name, "seconds": seconds, "memory_mb": memory})
                print(f"  {size:>24}  {name:<16} {1e3 * seconds:10.3f} ms {memory:8.0f} MB", flush=True)
            contestant.end()
    return rows


def import_times(isa: str, repeats: int = 5) -> dict[str, float]:
    """Seconds to import xpnet and to import NumPy, each in fresh processes, in turns."""
    times: dict[str, list[float]] = {"numpy": [], "xpnet": []}
    compiled = environment(isa, {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"})
    subprocess.run([sys.executable, "-c", "import xpnet"], check=True, env=compiled)
    for _ in range(repeats):
        for name in times:
            program = f"import time; t = time.perf_counter(); import {name}; print(time.perf_counter() - t)"
            done = subprocess.run(
                [sys.executable, "-c", program], capture_output=True, check=True, env=compiled
            )
            times[name].append(float(done.stdout))
    return {name: statistics.median(values) for name, values in times.items()}


def chart(results: dict, about: dict, path: Path) -> None:
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    unit = next(
        (name for name in OURS if all(report.times(r, [name], "seconds") for r in results.values())), ""
    )
    if not unit:
        return
    names = [name for name in NAMES if "iterate" not in name]
    names = [n for n in names if any(report.times(r, [n], "seconds") for r in results.values())]
    figure, axes = plt.subplots(figsize=(11, 4.5), layout="constrained")
    width = 0.85 / len(names)
    for k, name in enumerate(names):
        places, heights = [], []
        for place, entries in enumerate(results.values()):
            for seconds in report.times(entries, [name], "seconds"):
                places.append(place + (k - (len(names) - 1) / 2) * width)
                heights.append(seconds / entries[unit]["seconds"])
        bars = axes.bar(places, heights, width, label=name)
        axes.bar_label(bars, fmt="%.2g", fontsize=5)
    axes.axhline(1, color="black", linewidth=0.8)
    axes.set_yscale("log")
    axes.set_xticks(range(len(results)), list(results))
    axes.set_ylabel(f"time of a step, {unit} = 1 (lower is faster)")
    axes.set_title(f"One step on all samples: {about['device']}, {about['date']}", fontsize=10)
    axes.legend(fontsize=7, ncols=6, loc="upper center", bbox_to_anchor=(0.5, -0.08))
    figure.savefig(path, dpi=130)
