"""The benchmark on a CUDA GPU: steps, launches, update kernels against the card's own speed, streamed data.

`ci/bench --backend cupy` measures

- the card: how fast it copies, multiplies matrices and takes data from the host, at the start and the end;
- steps of full-gradient training on the workloads, and what each launches, for xpnet, naive CuPy, PyTorch
  (eager, compiled, as one CUDA graph) and JAX: whoever is installed;
- updates of 1e5 to 1e8 parameters by xpnet and by PyTorch's fused and foreach optimizers, as a share of
  the copying speed: bytes that the rule must read and write / time / speed of a large copy;
- a step on data that streams from the host, against data that stays on the device.

Each library works in a process of its own, one after the other. Products are in full float32 for everyone,
or in TF32 for everyone with --tf32. The whole takes at most --minutes: what does not fit in is left out,
and the report says so.
"""

import argparse
import datetime
import json
import os
import platform
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from gpu_worker import GROUPS
from workloads import WORKLOADS

HERE = Path(__file__).parent
METHODS = ("momentum", "Nesterov", "RMSprop", "Adam", "Rprop")
FULL = {
    "workloads": list(WORKLOADS),
    "sizes": [10**5, 10**6, 10**7, 10**8],
    "streamed": "fashion",
    "budget": 0.5,  # seconds for a measurement
    "repeats": 9,
    "copy_bytes": 2**30,
    "matrix": 8192,
}
QUICK = {
    "workloads": ["tiny", "digits"],
    "sizes": [10**5, 10**6],
    "streamed": "5000x64-32-10",
    "budget": 0.1,
    "repeats": 5,
    "copy_bytes": 2**27,
    "matrix": 1024,
}
WORST = 1e-3  # the most that losses, and distances after updates, may differ from xpnet's


def environment(tf32: bool) -> dict[str, str]:
    """What the contestants' processes are told: one precision for all, and no more memory than they use."""
    own = {
        "XPNET_BACKEND": "cupy",
        "CUPY_TF32": str(int(tf32)),
        "JAX_DEFAULT_MATMUL_PRECISION": "tensorfloat32" if tf32 else "float32",
        "XLA_PYTHON_CLIENT_PREALLOCATE": "false",
    }
    if not tf32:
        own["NVIDIA_TF32_OVERRIDE"] = "0"  # NVIDIA's libraries, whoever calls them
    return os.environ | own


def run(group: str, settings: dict, seconds: float) -> tuple[list[dict], str]:
    """What a group's process answers within its time, and why it ended early, if it did."""
    told = json.dumps(settings | {"seconds": seconds})
    command = [sys.executable, str(HERE / "gpu_worker.py"), group, told]
    with tempfile.TemporaryFile("w+") as out, tempfile.TemporaryFile("w+") as errors:
        process = subprocess.Popen(
            command, env=environment(settings["tf32"]), stdout=out, stderr=errors, start_new_session=True
        )
        problem = ""
        try:
            if process.wait(timeout=seconds):
                errors.seek(0)
                problem = (errors.read().strip().splitlines() or ["the process ended"])[-1]
        except subprocess.TimeoutExpired:
            problem = f"out of time after {seconds:.0f} s"
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)  # compilers that it started too
                process.wait()
        out.seek(0)
        lines = [line for line in out if line.endswith("\n")]
    return [json.loads(line) for line in lines], problem


def gather(settings: dict, groups: list[str], minutes: float) -> dict:
    """The answers of all groups in one report."""
    parts = ("card", "card_afterwards", "steps", "updates", "streaming", "problems")
    report: dict = {part: {} for part in parts}
    for name in settings["workloads"]:
        report["steps"][name] = {}
    for method in settings["methods"]:
        report["updates"][method] = {str(size): {} for size in settings["sizes"]}
    end = time.monotonic() + 60 * minutes
    turns = ["card", *groups, "card_afterwards"]
    for number, group in enumerate(turns):
        start = time.monotonic()
        answers, problem = run(group, settings, (end - start) / (len(turns) - number))
        print(f"{group}: {time.monotonic() - start:.0f} s {problem}", flush=True)
        if problem:
            report["problems"][group] = problem
        for message in answers:
            place = report[message["part"]]
            for key in message.get("place", []):
                place = place.setdefault(key, {})
            place.update(message["entry"])
    return report


def compare(report: dict) -> None:
    """Adds shares of the card's speed, and how far results are from xpnet's."""
    card = report["card"]
    for entries in report["steps"].values():
        for entry in measured(entries):
            entry["matrix_share"] = share(entry["operations"], entry, card.get("matrix_rate"))
            entry["deviation"] = deviation(entry["loss"], entries.get("xpnet", {}).get("loss"))
    for sizes in report["updates"].values():
        for size, entries in sizes.items():
            for entry in measured(entries):
                entry["copy_share"] = share(int(size) * entry["bytes"], entry, card.get("copy_rate"))
                own = entries.get("xpnet", {}).get("distance")
                entry["deviation"] = deviation(entry["distance"], own)
    streaming = report["streaming"]
    if streaming.get("streamed"):
        streamed = streaming["streamed"]
        streamed["transfer_share"] = share(streaming["data_bytes"], streamed, card.get("transfer_rate"))
        streamed["deviation"] = deviation(streamed["loss"], streaming["resident"]["loss"])


def measured(entries: dict) -> list[dict]:
    return [entry for entry in entries.values() if entry.get("seconds")]


def share(amount: float, entry: dict, rate: float | None) -> float | None:
    return amount / entry["seconds"] / rate if rate else None


def deviation(value: float | None, reference: float | None) -> float | None:
    return abs(value - reference) / abs(reference) if value is not None and reference else None


def wrong(report: dict) -> list[str]:
    """What xpnet itself could not do, and who came out elsewhere."""
    places = {f"on {name}": entries for name, entries in report["steps"].items()}
    for method, sizes in report["updates"].items():
        places |= {f"in {method}, {size}": entries for size, entries in sizes.items()}
    streaming = report["streaming"]
    places["on streamed data"] = {"xpnet": streaming | streaming.get("streamed", {})}
    places["in measuring the card"] = {"xpnet": report["card"]}
    problems = report["problems"]
    return [f"{group}: {problems[group]}" for group in ("card", "xpnet") if group in problems] + [
        f"{name} {place}"
        for place, entries in places.items()
        for name, entry in entries.items()
        if not (entry.get("deviation") or 0) <= WORST or (name in GROUPS["xpnet"] and entry.get("missing"))
    ]


def text(report: dict) -> str:
    about, card, streaming = report["machine"], report["card"], report["streaming"]
    away = absent(report)
    lines = [f"{about['device']}, {about['date']}"]
    if card.get("copy_rate"):
        lines += [
            f"copies {card['copy_rate'] / 1e9:.0f} GB/s, read and written",
            f"takes {card['transfer_rate'] / 1e9:.1f} GB/s from the host",
            f"multiplies {card['matrix_rate'] / 1e12:.2f} Tflop/s in {precision(report)} "
            f"(matrices of {card['matrix_side']} x {card['matrix_side']})",
        ]
        after = report["card_afterwards"]
        for what in ("copy", "transfer", "matrix") if after.get("copy_rate") else ():
            change = after[f"{what}_rate"] / card[f"{what}_rate"]
            lines.append(f"{what} rate after all measurements: {change:.2f} of that before")
    heads = ("ms a step", "best", "xpnet/it", "launches", "kernels", "of products", "loss off by")
    for name, entries in report["steps"].items():
        lines += ["", line(name, heads)]
        lines += rows("", entries, away, 1e3, "matrix_share")
    heads = ("us a step", "best", "xpnet/it", "of copying", "off by")
    for method, sizes in report["updates"].items():
        lines += ["", line(f"{method}: parameters", heads)]
        for size, entries in sizes.items():
            lines += rows(f"{int(size):.0e} ", entries, away, 1e6, "copy_share")
    lines += ["", line(f"data of {report['settings']['streamed']}", ("ms a step", "of transfer", "off by"))]
    for name in ("resident", "streamed"):
        entry = streaming.get(name)
        if entry:
            parts = (f"{1e3 * entry['seconds']:.3f}", percent(entry, "transfer_share"), off(entry))
            lines.append(line(name, parts))
    if "streamed" not in streaming:
        lines.append(f"  not measured {streaming.get('missing', '')}".rstrip())
    lines += ["", *(f"{name} does not take part: {reason}" for name, reason in away.items())]
    lines += [f"{group}: {problem}" for group, problem in report["problems"].items()]
    return "\n".join(lines).rstrip()


def line(label: str, parts: tuple[str, ...]) -> str:
    return f"{label:<24}" + "".join(f"{part:>12}" for part in parts).rstrip()


def absent(report: dict) -> dict[str, str]:
    """Who has measured nothing, and why."""
    tables = [
        *report["steps"].values(),
        *(t for sizes in report["updates"].values() for t in sizes.values()),
    ]
    present = {name for entries in tables for name, entry in entries.items() if not entry["missing"]}
    reasons = {name: entry["missing"] for entries in tables for name, entry in entries.items()}
    return {name: reason for name, reason in reasons.items() if name not in present}


def rows(prefix: str, entries: dict, away: dict, unit: float, kind: str) -> list[str]:
    shown = {name: entry for name, entry in entries.items() if name not in away}
    return [row(prefix + name, entry, entries, unit, kind) for name, entry in shown.items()]


def row(label: str, entry: dict, entries: dict, unit: float, kind: str) -> str:
    if entry["missing"]:
        return line(f"  {label}", ()) + f"  {entry['missing'].splitlines()[0][:80]}"
    ours = entries.get("xpnet", {}).get("seconds")
    ratio = f"{ours / entry['seconds']:.2f}" if ours else ""
    parts = [f"{unit * entry['seconds']:.3f}", f"{unit * entry['best']:.3f}", ratio]
    if kind == "matrix_share":
        parts += [str(entry.get(key) or "?") for key in ("launches", "kernels")]
    return line(f"  {label}", (*parts, percent(entry, kind), off(entry)))


def percent(entry: dict, kind: str) -> str:
    return "" if entry.get(kind) is None else f"{100 * entry[kind]:.3g} %"


def off(entry: dict) -> str:
    return "" if entry.get("deviation") is None else f"{entry['deviation']:.0e}"


def precision(report: dict) -> str:
    return "float32, TF32 on for all" if report["settings"]["tf32"] else "float32, TF32 off for all"


def chart(report: dict, path: Path) -> None:
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    about, steps, updates = report["machine"], report["steps"], report["updates"]
    figure = plt.figure(figsize=(16, 13), layout="constrained")
    upper, middle, lower = figure.subfigures(3, 1)
    names = list(dict.fromkeys(n for e in steps.values() for n, entry in e.items() if entry.get("seconds")))
    axes = upper.subplots()
    bars(axes, steps, names, relative, "time of a step, xpnet = 1 (lower is faster)")
    axes.axhline(1, color="black", linewidth=0.8)
    axes.set_yscale("log")
    axes.legend(fontsize=8, ncols=len(names), loc="upper center", bbox_to_anchor=(0.5, -0.08))
    left, right = middle.subplots(1, 2)
    bars(left, steps, names, lambda e, _: e.get("launches"), "launches in a step")
    title = f"rate of a step's products, % of a large product's ({precision(report)})"
    bars(right, steps, names, lambda e, _: 100 * (e["matrix_share"] or 0), title)
    *panels, last = lower.subplots(1, len(updates) + 1)
    styles = {"xpnet": "C0o-", "PyTorch fused": "C3s--", "PyTorch foreach": "C4^:"}
    for axes, (method, sizes) in zip(panels, updates.items(), strict=True):
        axes.sharey(panels[0])
        for name, style in styles.items():
            points = [
                (int(size), entries.get(name, {}).get("copy_share")) for size, entries in sizes.items()
            ]
            points = [(size, 100 * value) for size, value in points if value]
            if points:
                axes.plot(*zip(*points, strict=True), style, label=name)
        axes.axhline(100, color="black", linewidth=0.8)
        axes.set_xscale("log")
        axes.set_title(method, fontsize=10)
        axes.set_xlabel("parameters")
    panels[0].set_ylabel("rate of an update, % of a large copy's\n(more than 100: in the card's cache)")
    panels[0].legend(fontsize=8)
    panels[0].set_ylim(bottom=0)
    pair = {n: report["streaming"][n] for n in ("resident", "streamed") if n in report["streaming"]}
    drawn = last.bar(list(pair), [1e3 * entry["seconds"] for entry in pair.values()])
    last.bar_label(drawn, fmt="%.3g", fontsize=8)
    last.set_title(f"ms a step, {report['settings']['streamed']} data", fontsize=10)
    figure.suptitle(
        f"One Nesterov step on all samples, and updates alone: {about['device']}, {about['date']}"
    )
    figure.savefig(path, dpi=100)


def relative(entry: dict, entries: dict) -> float | None:
    ours = entries.get("xpnet", {}).get("seconds")
    return entry["seconds"] / ours if ours else None


def bars(axes, steps: dict, names: list[str], value, title: str) -> None:
    """For each workload a bar of each contestant, as high as `value(entry, entries)`."""
    width = 0.8 / max(1, len(names))
    for k, name in enumerate(names):
        places, heights = [], []
        for place, entries in enumerate(steps.values()):
            entry = entries.get(name, {})
            height = value(entry, entries) if entry.get("seconds") else None
            if height:
                places.append(place + (k - (len(names) - 1) / 2) * width)
                heights.append(height)
        drawn = axes.bar(places, heights, width, label=name)
        axes.bar_label(drawn, fmt="%.3g", fontsize=6, rotation=90, padding=2)
    axes.set_xticks(range(len(steps)), list(steps), fontsize=8)
    axes.set_title(title, fontsize=10)
    axes.margins(y=0.15)


def main(arguments: list[str]) -> None:
    parser = argparse.ArgumentParser(
        prog="ci/bench --backend cupy",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--quick", action="store_true", help="few and small measurements")
    parser.add_argument("--workloads", nargs="+", choices=WORKLOADS)
    parser.add_argument("--sizes", nargs="+", type=int, help="numbers of parameters to update")
    parser.add_argument("--methods", nargs="+", choices=METHODS, default=list(METHODS))
    parser.add_argument("--contestants", nargs="+", choices=GROUPS, default=list(GROUPS))
    parser.add_argument("--repeats", type=int, help="times that each measurement is taken")
    parser.add_argument("--tf32", action="store_true", help="products in TF32 instead of float32")
    parser.add_argument("--minutes", type=float, default=9.0, help="for all together (default: 9)")
    parser.add_argument(
        "--output", type=Path, help="a name for the .json, .txt and .png (default: ci/results/cupy)"
    )
    options = parser.parse_args(arguments)

    settings = dict(QUICK if options.quick else FULL, methods=options.methods, tf32=options.tf32)
    for name in ("workloads", "sizes", "repeats"):
        if getattr(options, name):
            settings[name] = getattr(options, name)
    start = time.monotonic()
    about = machine()
    print(json.dumps(about, indent=2))
    report = {"machine": about, "settings": settings} | gather(
        settings, options.contestants, options.minutes
    )
    compare(report)
    report["minutes"] = (time.monotonic() - start) / 60
    output = options.output or HERE.parent / "results" / "cupy"
    output.parent.mkdir(parents=True, exist_ok=True)
    Path(f"{output}.json").write_text(json.dumps(report, indent=1) + "\n")
    Path(f"{output}.txt").write_text(text(report) + "\n")
    chart(report, Path(f"{output}.png"))
    print(f"\n{text(report)}\n\nwritten: {output}.json, .txt, .png")
    if wrong(report):
        sys.exit(f"failed, or more than {WORST} from xpnet's result: {'; '.join(wrong(report))}")


def machine() -> dict:
    import numpy

    import xpnet

    return {
        "date": datetime.date.today().isoformat(),
        "device": xpnet.backend("cupy").describe(),
        "system": platform.platform(),
        "python": platform.python_version(),
        "numpy": numpy.__version__,
    }
