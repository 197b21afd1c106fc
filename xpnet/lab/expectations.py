"""What is expected of an experiment: a measured number beside the wanted one, and a verdict."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

from .. import checks

Verdict: TypeAlias = Literal["holds", "fails", "reported"]


@dataclass(frozen=True)
class Expectation:
    """One line of an experiment's outcome.

    Attributes:
        row: the row of the lecture's table that says so, such as "33" or "7b".
        what: what was measured, in words.
        measured: the number.
        wanted: what was wanted of it, in words.
        verdict: "holds", "fails", or "reported" where nothing was wanted.
        chance: the share of seeds at which it fails though all is well; 0 if at none that was tried.
    """

    row: str
    what: str
    measured: float | int | str
    wanted: str
    verdict: Verdict
    chance: float = 0.0

    def __str__(self) -> str:
        mark = {"holds": "ok", "fails": "FAILED", "reported": "-"}[self.verdict]
        shown = f"{self.measured:.6g}" if isinstance(self.measured, float) else str(self.measured)
        wanted = f", wanted {self.wanted}" if self.wanted else ""
        chance = f" (fails at {self.chance:g} of all seeds)" if self.chance else ""
        return f"{mark:7} row {self.row:3} {self.what}: {shown}{wanted}{chance}"


def equal(
    row: str, what: str, measured: Any, wanted: float, tolerance: float = 0.0, *, chance: float = 0.0
) -> Expectation:
    """`|measured - wanted| <= tolerance`."""
    wanted = checks.number("wanted", wanted)
    tolerance = checks.number("tolerance", tolerance, 0.0)
    words = f"{wanted:.6g}" + (f" ± {tolerance:.3g}" if tolerance else "")
    number = _number(measured)
    return _judged(row, what, number, words, abs(number - wanted) <= tolerance, chance)


def at_most(row: str, what: str, measured: Any, most: float, *, chance: float = 0.0) -> Expectation:
    """`measured <= most`."""
    most, number = checks.number("most", most), _number(measured)
    return _judged(row, what, number, f"at most {most:.6g}", number <= most, chance)


def at_least(row: str, what: str, measured: Any, least: float, *, chance: float = 0.0) -> Expectation:
    """`measured >= least`."""
    least, number = checks.number("least", least), _number(measured)
    return _judged(row, what, number, f"at least {least:.6g}", number >= least, chance)


def between(
    row: str, what: str, measured: Any, low: float, high: float, *, chance: float = 0.0
) -> Expectation:
    """`low <= measured <= high`."""
    low, high = checks.interval("low and high", (low, high))
    number = _number(measured)
    return _judged(row, what, number, f"{low:.6g} to {high:.6g}", low <= number <= high, chance)


def share(
    row: str, what: str, count: Any, of: Any, low: float = 0.0, high: float = 1.0, chance: float = 1e-3
) -> Expectation:
    """So many `of` independent trials, where each has a probability in [`low`, `high`].

    It fails where, at whatever probability in that interval, a count so far off has less than `chance`: as
    rarely does it fail if the claim is right.
    """
    trials = checks.count("of", of)
    found = checks.count("count", count, 0, trials)
    low, high = checks.number("low", low, 0.0, 1.0), checks.number("high", high, low, 1.0)
    chance = checks.number("chance", chance, 0.0, 1.0)
    too_few = _at_most_so_many(found, trials, low)
    too_many = _at_most_so_many(trials - found, trials, 1.0 - high)
    words = f"{low:g}" if low == high else f"{low:g} to {high:g}"
    if low == high and low in (0.0, 1.0):
        chance = 0.0  # luck has no part in it
    good = min(too_few, too_many) >= chance and (chance > 0.0 or found == round(low * trials))
    return _judged(row, what, f"{found} of {trials}", f"a share of {words}", good, chance)


def holds(row: str, what: str, truth: Any, *, chance: float = 0.0) -> Expectation:
    """A statement that is to be true."""
    good = checks.flag("truth", truth)
    return _judged(row, what, "yes" if good else "no", "yes", good, chance)


def reported(row: str, what: str, measured: Any) -> Expectation:
    """A number that nothing is claimed of; or words."""
    number = measured if isinstance(measured, str) else _number(measured)
    return Expectation(row, what, number, "", "reported")


def _judged(
    row: str, what: str, measured: float | int | str, wanted: str, good: bool, chance: float
) -> Expectation:
    chance = checks.number("chance", chance, 0.0, 1.0)
    return Expectation(row, what, measured, wanted, "holds" if good else "fails", chance)


def _number(measured: Any) -> float | int:
    """A Python number; what is not finite stays so, and fails wherever it is compared."""
    number = float(measured)
    return int(number) if number.is_integer() and abs(number) < 1e15 else number


def _at_most_so_many(count: int, of: int, probability: float) -> float:
    """The chance of at most `count` successes in so many trials; by logarithms, as there may be many."""
    if probability in (0.0, 1.0):
        return float(probability == 0.0 or count == of)
    yes, no, all_ways = math.log(probability), math.log1p(-probability), math.lgamma(of + 1)
    return math.fsum(
        math.exp(all_ways - math.lgamma(k + 1) - math.lgamma(of - k + 1) + k * yes + (of - k) * no)
        for k in range(count + 1)
    )
