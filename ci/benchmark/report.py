"""What is read from measured times: ratios, goals met and missed, and their tables."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

PYTORCH = ("PyTorch", "PyTorch compiled")
OURS = ("xpnet", "xpnet iterate", "xpnet minimize")
YARDSTICKS = {"JAX jit": ("JAX",), "PyTorch's best": PYTORCH, "its products": ("its products",)}
MEMORY_GOAL = 0.5  # of PyTorch's, on fashion

# xpnet's time, with compiled rules, is to be at most this share of the yardstick's; None: only reported
_GOALS = {  # of JAX, of JAX where all are held to AVX2, of PyTorch, of the products
    "tiny": (0.2, 0.45, 0.12, None),
    "digits": (0.4, 0.7, 0.28, 1.0),
    "deep": (0.5, 0.85, 0.27, 1.0),
    "fashion": (0.65, 0.9, 0.33, 1.08),
    "fashion-relu": (0.65, 0.9, 0.33, 1.08),
    "wide": (0.85, 1.0, 0.4, 1.1),
    "simplechains": (0.35, 0.5, 0.2, None),
}
LOOP_GOAL = 1.05  # `minimize` beside the bare step, on tiny


class Comparison(NamedTuple):
    """A ratio of times: of the medians, of the fastest runs, and what it is to be at most."""

    text: str
    ratio: float
    best: float
    goal: float | None = None

    @property
    def verdict(self) -> str:
        if self.goal is None:
            return ""
        return "met" if self.ratio <= self.goal else "MISSED"


def goals(workload: str, isa: str) -> dict[str, float | None]:
    """Of each yardstick, for xpnet with compiled rules."""
    jax, avx2, torch, products = _GOALS.get(workload, (None,) * 4)
    return dict(zip(YARDSTICKS, (avx2 if isa == "avx2" else jax, torch, products), strict=True))


def times(entries: dict, names: Sequence[str], key: str) -> list[float]:
    """What was measured of these contestants, where they took part."""
    return [entries[name][key] for name in names if entries.get(name, {}).get(key)]


def ratio(entries: dict, ours: str, theirs: Sequence[str], key: str = "seconds") -> float | None:
    """The time of `ours` as a share of the least of `theirs`; None where one is missing."""
    own, others = times(entries, [ours], key), times(entries, theirs, key)
    return own[0] / min(others) if own and others else None


def compared(entries: dict, ours: str, theirs: Sequence[str], text: str, goal: float | None = None) -> list:
    """The comparison, or nothing where one is missing."""
    medians = ratio(entries, ours, theirs)
    best = ratio(entries, ours, theirs, "best")
    return [] if medians is None or best is None else [Comparison(text, medians, best, goal)]


def shares(workload: str, entries: dict, isa: str) -> Iterator[tuple[str, str, Comparison]]:
    """Of each contestant of xpnet's and each yardstick: `(contestant, yardstick, comparison)`."""
    wanted = goals(workload, isa)
    for kernels in ("numba", "numpy"):
        for own in OURS:
            name = f"{own} {kernels}"
            for yardstick, theirs in YARDSTICKS.items():
                goal = wanted[yardstick] if kernels == "numba" else None
                for comparison in compared(entries, name, theirs, f"{name} / {yardstick}", goal):
                    yield name, yardstick, comparison


def summary(results: dict, isa: str) -> str:
    """The table of the goals: a row for each workload and contestant, a column for each yardstick."""
    head = " ".join(f"{f'of {name}':<24}" for name in YARDSTICKS)
    lines = [f"  {'':<14}{'':<22}{head}".rstrip()]
    for workload, entries in results.items():
        rows: dict[str, dict[str, str]] = {}
        for name, yardstick, found in shares(workload, entries, isa):
            goal = "" if found.goal is None else f"  goal {found.goal:<4g} {found.verdict}"
            rows.setdefault(name, {})[yardstick] = f"{found.ratio:5.2f}{goal}"
        for name, row in rows.items():
            cells = " ".join(f"{row.get(yardstick, '    -'):<24}" for yardstick in YARDSTICKS)
            lines.append(f"  {workload:<14}{name:<22}{cells}".rstrip())
    return "\n".join(lines)


def verdicts(workload: str, entries: dict) -> list[Comparison]:
    """What else is asked of a workload's steps."""
    found = []
    for kernels in ("numba", "numpy"):
        goal = LOOP_GOAL if (workload, kernels) == ("tiny", "numba") else None
        step, minimize = f"xpnet {kernels}", f"xpnet minimize {kernels}"
        found += compared(entries, minimize, [step], f"{minimize} / its bare step", goal)
    found += compared(entries, "xpnet numba", ["xpnet numpy"], "xpnet numba / xpnet numpy")
    if workload == "fashion":
        own = times(entries, ["xpnet numba"], "memory_mb")
        torch = times(entries, ["PyTorch"], "memory_mb")
        if own and torch:
            share = own[0] / torch[0]
            found.append(Comparison("peak memory / PyTorch's", share, share, MEMORY_GOAL))
    return found


def detail(workload: str, entries: dict, comparisons: Sequence[Comparison], others: float) -> str:
    """The times of all that took part in a workload, and what they are compared by."""
    lines = [f"\n{workload}{noise(others)}"]
    lines.append(f"  {'':<24} {'ms':>10} {'best':>10} {'worst':>10} {'peak MB':>8} {'loss off by':>11}")
    for name, entry in entries.items():
        if not entry["seconds"]:
            reason = (entry["missing"] or "no time").splitlines()[0][:80]
            lines.append(f"  {name:<24} not taking part: {reason}")
            continue
        cells = " ".join(f"{1e3 * entry[key]:10.3f}" for key in ("seconds", "best", "worst"))
        off = "" if entry["deviation"] is None else f"{entry['deviation']:.0e}"
        late = "" if not entry["missing"] else f"  ended early: {entry['missing'].splitlines()[0][:60]}"
        lines.append(f"  {name:<24} {cells} {entry['memory_mb']:8.0f} {off:>11}{late}".rstrip())
    return "\n".join([*lines, *map(sentence, comparisons)])


def sentence(comparison: Comparison) -> str:
    goal = "" if comparison.goal is None else f"  goal {comparison.goal:g}: {comparison.verdict}"
    return f"  {comparison.text}: {comparison.ratio:.2f} (of the fastest runs: {comparison.best:.2f}){goal}"


def noise(others: float) -> str:
    """What else the machine did, where it did anything that shows."""
    return f"  (other work kept {others:.1f} processors busy)" if others >= 0.1 else ""


def heading(about: dict, isa: str) -> str:
    """On what, and with what, it was measured."""
    versions = ", ".join(f"{name} {version}" for name, version in about["versions"].items())
    held = "as the processor is" if isa == "native" else f"everyone held to {isa.upper()}"
    uses = ", ".join(f"{name}: {value}" for name, value in about["instructions"].items())
    return "\n".join(
        [
            f"{about['date']}, {about['processor']}, {about['cores']} cores, {held}",
            f"BLAS kernel: {about['blas']}; rules: {about['kernels']}; instructions: {uses}",
            f"Python {about['python']}; {versions}",
            f"load of the machine when it began: {about['load']:.1f}",
        ]
    )


def missed(results: dict, isa: str) -> list[str]:
    """Every goal of the steps that was missed, in words."""
    found = []
    for workload, entries in results.items():
        everything = [c for _, _, c in shares(workload, entries, isa)] + verdicts(workload, entries)
        for comparison in everything:
            if comparison.verdict == "MISSED":
                found.append(
                    f"{workload}: {comparison.text} {comparison.ratio:.2f}, goal {comparison.goal:g}"
                )
    return found
