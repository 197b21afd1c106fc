"""The perceptron rule ends within a bound of mistakes; no divergence counts mistakes.

**The claim.** While a sample is on the wrong side, add it: `w += d x`, with an input of 1 for the bias
(Rosenblatt 1958). Where some `w*` separates the samples this ends after at most
`max |x|^2 |w*|^2 / min (d w*.x)^2` updates (Novikoff 1962). Networks are trained by a divergence instead,
which is smooth: it stands for the number of wrong samples, and is another thing.

**The prediction.** The points (1, 0), (0, 1), (0, -t) of class +1 and (-1, 0) of class -1 are separated
best by `w* = (2, 0, 1)`: the bound is `5 (t^2 + 1)`. It is far off: from `w = 0`, in this order, the rule
takes `t + 4` updates, or `t + 3` where 3 divides t. The criterion `mean max(0, -d w.x)` is 0 at `w = 0`,
where every sample is wrong: it is no measure of the error. Nor is cross-entropy, convex as it is: a tenth
of the samples, far on the other side, outweigh the rest. Train without these, add them, train on: the
divergence falls in every step of gradient descent, and the error rises to a half, though at first all but
these were right.

**Exercises.**

1. In which order of the four points does the rule take the fewest updates? From which `w` none?
2. How far out must the added samples lie for the error to rise? Why does it stay with the squared error?
3. Give the rule samples that cannot be separated (Minsky, Papert 1969). What does its error rate do?
"""

from __future__ import annotations

from itertools import permutations
from typing import Any

import numpy as np

import xpnet
from xpnet import GradientDescent, Perceptron, ThresholdUnit, analysis, plotting
from xpnet.lab import COLOURS, MARKS, Lab, Result, at_least, at_most, between, equal, holds, panels

ROWS = ("5", "38")
QUICK: dict[str, Any] = {"ts": (10, 100), "sets": 20}
WIDEST = (2.0, 0.0, 1.0)  # the weights and the bias of the widest margin
GAPS = (0.3, 0.1, 0.03, 0.01)  # between the classes of random sets
FAR = 10  # samples on the wrong side, beside 100
UNIT = xpnet.Network(2, xpnet.Dense(1, "sigmoid"))


def run(lab: Lab, ts: tuple[int, ...] = (3, 10, 30, 100, 300, 1000, 3000), sets: int = 200) -> Result:
    found: list[Any] = []
    bounds = [_four(lab, t).mistake_bound(lab.array(WIDEST)) for t in ts]
    updates = [_trained(lab, _four(lab, t)).steps for t in lab.each(ts, "spoiler")]
    for t, count, bound in zip(ts, updates, bounds, strict=True):
        found.append(equal("5", f"t = {t}: updates", count, t + 3 + (t % 3 > 0)))
        found.append(equal("5", f"t = {t}: bound / (5 t^2 + 5)", bound / (5 * t * t + 5), 1.0, 1e-12))
    orders = [_trained(lab, _four(lab, 10, order)).steps for order in permutations(range(4))]
    found.append(at_most("5", "t = 10: updates, the most in any order of the points", max(orders), 505))

    random, pairs = lab.random(0), np.zeros((sets, 2))
    for k in lab.each(range(sets), "random set"):
        unit, w = _random(lab, random, GAPS[k % len(GAPS)])
        pairs[k] = unit.mistake_bound(lab.array(w)), _trained(lab, unit).steps
    most = (pairs[:, 1] / pairs[:, 0]).max()
    found.append(at_most("5", f"{sets} random sets: updates / bound, the most", most, 1.0))

    way = _trained(lab, _four(lab, 10), metrics="error_rate").history
    criterion, wrong = way.value, way.metrics["error_rate"]
    against = (np.diff(criterion) <= 0) & (np.diff(wrong) > 0)
    found += [
        equal("38", "w = 0: share of the samples that are wrong", wrong[0], 1.0),
        equal("38", "w = 0: the criterion", criterion[0], 0.0),
        at_least("38", "updates after which more are wrong and it is no larger", against.sum(), 1),
    ]

    X, labels = _classes(lab.random(1))
    clean, all_of_them = _risk(lab, X[FAR:], labels[FAR:]), _risk(lab, X, labels)
    start = xpnet.minimize(clean, GradientDescent(0.5), lab.array([0, 0, 0]), stop=xpnet.after(200)).w
    named: dict[str, Any] = {"stop": xpnet.after(400), "metrics": "error_rate", "check_every": 1}
    on = xpnet.minimize(all_of_them, GradientDescent(0.02), start, **named)
    loss, error = on.history.value, on.history.metrics["error_rate"]
    found += [
        holds("38", "cross-entropy falls in every step", bool((np.diff(loss) < 0).all())),
        equal("38", "share that is wrong before the first", error[0], FAR / len(X), 1e-12),
        between("38", "share that is wrong after the last", error[-1], 0.3, 0.7),
    ]
    limits = ((-23.0, 9.0), (-6.0, 6.0))
    regions = {
        "before": analysis.decision_regions(UNIT, start, limits),
        "after": analysis.decision_regions(UNIT, on.w, limits),
    }
    numbers = {
        "t": ts,
        "updates": updates,
        "bounds": bounds,
        "pairs": pairs,
        "criterion": criterion,
        "wrong": wrong,
        "loss": loss,
        "error": error,
        "X": X,
        "labels": labels,
        "regions": regions,
    }
    return Result(numbers, tuple(found))


def _four(lab: Lab, t: float, order: Any = (0, 1, 2, 3)) -> ThresholdUnit:
    """The unit that is to separate three points and their spoiler."""
    X, d = np.array([(1, 0), (0, 1), (-1, 0), (0, -t)]), np.array((1, 1, -1, 1))
    return ThresholdUnit(X[list(order)], d[list(order)], backend=lab.backend)


def _random(lab: Lab, random: np.random.Generator, gap: float) -> tuple[ThresholdUnit, Any]:
    """A unit of 100 samples that none lies nearer than `gap` to the boundary `w`."""
    w = random.standard_normal(6)
    X = random.uniform(-1, 1, (1000, 5))
    margins = (X @ w[:-1] + w[-1]) / np.linalg.norm(w)
    kept = np.abs(margins) > gap
    return ThresholdUnit(X[kept][:100], np.sign(margins[kept][:100]), backend=lab.backend), w


def _trained(lab: Lab, unit: ThresholdUnit, **named: Any) -> xpnet.Run:
    stop = xpnet.after(100_000)
    return xpnet.minimize(unit, Perceptron(), lab.array(np.zeros(unit.size)), stop=stop, **named)


def _classes(random: np.random.Generator) -> tuple[Any, Any]:
    """Two classes, 50 samples each, side by side; before them samples of one, far beyond the other."""
    labels = np.repeat([1, 1, 0], (FAR, 50, 50))
    x = random.uniform(1, 2, len(labels)) * np.where(labels, 1, -1)
    x[:FAR] = -20 + random.uniform(-1, 1, FAR)
    return np.stack([x, random.uniform(-1, 1, len(labels))], axis=1), labels


def _risk(lab: Lab, X: Any, labels: Any) -> xpnet.Objective:
    loss = xpnet.BinaryCrossEntropy()
    return xpnet.EmpiricalRisk(UNIT, loss, X, labels, backend=lab.backend, dtype="float64")


def draw(result: Result) -> Any:
    figure, ((count, random, way), (before, after, course)) = panels(2, 3, size=(4.9, 4.0))
    count.loglog(
        result["t"], result["bounds"], color=COLOURS[1], marker=MARKS[1], label="bound, 5 (t^2 + 1)"
    )
    count.loglog(result["t"], result["updates"], color=COLOURS[0], marker=MARKS[0], label="updates")
    count.set(title="three points and a spoiler at (0, -t)", xlabel="t", ylabel="updates")
    count.legend()
    bounds, updates = result["pairs"].T
    ends = [bounds.min(), bounds.max()]
    random.loglog(bounds, np.maximum(updates, 0.5), color=COLOURS[0], marker=MARKS[0], linestyle="")
    random.loglog(ends, ends, color=COLOURS[1], label="as many as the bound")
    random.set(title="random sets of 100 samples", xlabel="bound", ylabel="updates")
    random.legend()
    way.plot(result["wrong"], color=COLOURS[0], marker=MARKS[0], label="share of samples wrong")
    way.plot(result["criterion"], color=COLOURS[1], marker=MARKS[1], label="criterion")
    way.set(title="t = 10: what the rule does", xlabel="update", ylabel="error and criterion")
    way.legend()
    for panel, name in ((before, "before"), (after, "after")):
        plotting.regions(result["regions"][name], panel, X=result["X"], labels=result["labels"])
        panel.set_title(f"{name} training on with all samples")
    course.plot(result["loss"] / result["loss"][0], color=COLOURS[1], label="cross-entropy, of its first")
    course.plot(result["error"], color=COLOURS[0], linestyle="--", label="share of samples wrong")
    course.set(title="the divergence falls, the error rises", xlabel="step", ylabel="error and divergence")
    course.legend()
    return figure
