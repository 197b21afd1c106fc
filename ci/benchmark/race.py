"""Contestants in processes of their own, which take turns: whatever slows the machine slows all of them."""

import contextlib
import json
import math
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

HERE = Path(__file__).parent
ROOT = HERE.parent.parent
BEFORE = "before: "  # a contestant of another checkout
KERNELS = ("numba", "numpy")  # a name that ends with one says what runs xpnet's rules
PAUSE = 0.1  # seconds until threads that wait for the last one's work have gone to sleep
CALIBRATED = 3  # a step's time is known once a try takes a third of a turn; each may triple the last
FEWEST, LONGEST = 3, 8.0  # rounds that everyone takes part in; seconds after which the slow are excused

# what holds somebody alone to an older processor than this one is
HOLDS = ("OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE")
ISA = {
    "native": {},
    "avx2": {
        "NPY_DISABLE_CPU_FEATURES": "X86_V4",
        "NUMBA_CPU_NAME": "haswell",
        "XLA_FLAGS": "--xla_cpu_max_isa=AVX2",
        "ATEN_CPU_CAPABILITY": "avx2",
        "ONEDNN_MAX_CPU_ISA": "AVX2",
        "OPENBLAS_CORETYPE": "Haswell",
    },
}


def environment(isa: str, given: dict[str, str], root: Path = ROOT) -> dict[str, str]:
    """The variables of a contestant's process: nobody is held to less or uses more than `isa`."""
    kept = {name: value for name, value in given.items() if name not in HOLDS}
    kept.setdefault("XPNET_CACHE", str(Path(sys.prefix) / "kernels"))
    return kept | ISA[isa] | {"PYTHONPATH": str(root)}


def parsed(name: str) -> tuple[bool, str, str]:
    """Of a contestant's name: whether it is of another checkout, its own name there, and its kernels.

    "before: xpnet iterate numba" is `(True, "xpnet iterate", "numba")`; no kernels named are "auto".
    """
    own = name.removeprefix(BEFORE)
    short, _, kernels = own.rpartition(" ")
    return (own != name, *((short, kernels) if kernels in KERNELS else (own, "auto")))


def busy(seconds: float = 0.5) -> float:
    """How many processors work, or are taken away, while this process waits; -1 if unknown."""

    def read() -> tuple[int, int]:
        numbers = [int(word) for word in Path("/proc/stat").read_text().splitlines()[0].split()[1:9]]
        return sum(numbers), numbers[3] + numbers[4]  # all; idle, and waiting for a disk

    try:
        before = read()
        time.sleep(seconds)
        after = read()
    except (OSError, ValueError, IndexError):  # another system than Linux
        return -1.0
    total, idle = after[0] - before[0], after[1] - before[1]
    return (os.cpu_count() or 1) * (total - idle) / max(total, 1)


class Contestant:
    """A worker process, and what it has measured."""

    def __init__(
        self,
        name: str,
        workload: str,
        suite: str,
        isa: str = "native",
        before: Path | None = None,
        launch: Callable[[str], list[str]] | None = None,
    ) -> None:
        self.name, self.times, self.memory = name, [], None
        elsewhere, own, kernels = parsed(name)
        root = before.resolve() if before and elsewhere else ROOT
        self.process = subprocess.Popen(
            [
                *(launch(own) if launch else []),
                sys.executable,
                str(root / "ci/benchmark/worker.py"),
                suite,
                own,
                workload,
            ],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            env=environment(isa, dict(os.environ), root) | {"XPNET_KERNELS": kernels},
        )
        self.missing = self.loss = None
        self.details = {}

    def begin(self) -> None:
        """Waits until it has made itself ready."""
        first = self.read()
        self.missing, self.loss = first.get("missing"), first.get("loss")
        self.details = first.get("details") or {}

    def read(self) -> dict:
        line = self.process.stdout.readline()
        if not line:
            return {"missing": f"the process ended with status {self.process.wait()}"}
        return json.loads(line)

    def steps(self, count: int) -> float | None:
        """Seconds for a step; None, and `missing` says why, if there is no answer."""
        try:
            self.process.stdin.write(json.dumps({"steps": count}) + "\n")
            self.process.stdin.flush()
            answer = self.read()
        except OSError as error:
            answer = {"missing": str(error)}
        self.missing = answer.get("missing")
        if self.missing:
            return None
        self.memory = answer["memory"]
        return answer["seconds"] / count

    def round(self, count: int) -> None:
        seconds = self.steps(count)
        if seconds is not None:
            self.times.append(seconds)

    def end(self) -> None:
        for pipe in (self.process.stdin, self.process.stdout):
            with contextlib.suppress(OSError):  # it has ended
                pipe.close()
        self.process.wait()

    def result(self, reference: float | None) -> dict:
        known = self.loss is not None and reference
        return {
            "missing": self.missing,
            "seconds": statistics.median(self.times) if self.times else None,
            "best": min(self.times, default=None),
            "worst": max(self.times, default=None),
            "memory_mb": self.memory,
            "loss": self.loss,
            "deviation": abs(self.loss - reference) / abs(reference) if known else None,
            "details": self.details,
        }


def calibrated(contestant: Contestant, sample: float) -> float | None:
    """Seconds for a step, once enough of them have been taken that the first ones do not count.

    Each try takes more, until one has taken a good part of `sample` seconds.
    """
    count = contestant.details.get("least", 1)
    while True:
        one = contestant.steps(count)
        if one is None or one * count >= sample / CALIBRATED:
            return one
        count = max(count + 1, min(CALIBRATED * count, round(sample / CALIBRATED / one) + 1))


def measure(
    workload: str,
    names: list[str],
    repeats: int,
    suite: str,
    *,
    isa: str = "native",
    sample: float = 0.25,
    before: Path | None = None,
    launch: Callable[[str], list[str]] | None = None,
    orders: int = 1,
) -> tuple[dict, float]:
    """The results of each, and how busy others kept the machine before the first turn.

    `sample` is the time in seconds between two readings of the clock; a step may take longer. `launch`
    says what the command of a contestant begins with. In `orders` orders all begin anew, so that the
    memory that the machine gives to who comes first is not always the same one's.
    """
    found: dict[str, Contestant] = {}
    most = 0.0
    for order in range(orders):
        first = order * len(names) // orders
        entered = [
            Contestant(name, workload, suite, isa, before, launch) for name in names[first:] + names[:first]
        ]
        most = max(most, _race(entered, math.ceil(repeats / orders), sample))
        for contestant in entered:
            if contestant.name in found:
                contestant.times += found[contestant.name].times
            found[contestant.name] = contestant
    ours = (found[n].loss for n in names if found[n].loss is not None and parsed(n)[1].startswith("xpnet"))
    reference = next(ours, None)
    return {name: found[name].result(reference) for name in names}, most


def _race(entered: list[Contestant], repeats: int, sample: float) -> float:
    """Has all take turns; returns how busy others kept the machine before the first."""
    try:
        for contestant in entered:
            contestant.begin()
        others = busy()
        counts = {}
        for contestant in entered:
            one = None if contestant.missing else calibrated(contestant, sample)
            if one is not None:
                counts[contestant.name] = max(contestant.details.get("least", 1), round(sample / one))
                if one > LONGEST / FEWEST:  # too long for what came before it to matter: a turn already
                    contestant.times.append(one)
        for _ in range(repeats):
            for contestant in entered:
                count = counts.get(contestant.name)
                excused = len(contestant.times) >= FEWEST and sum(contestant.times) * (count or 1) > LONGEST
                if count and not contestant.missing and not excused:
                    time.sleep(PAUSE)
                    contestant.round(count)
        return others
    finally:
        for contestant in entered:
            contestant.end()


def differing(results: dict) -> list[str]:
    """Contestants whose loss is not xpnet's."""
    return [
        f"{name} on {workload}"
        for workload, entries in results.items()
        for name, entry in entries.items()
        if entry["deviation"] is not None and entry["deviation"] > 1e-3
    ]
