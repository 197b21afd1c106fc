"""Backpropagation fails where the perceptron succeeds: one sample far away, and it does not see it.

**The claim.** One logistic unit, the squared error, targets .9 and .1: of (1, 0) and (0, 1) of class +1 and
(-1, 0) of class -1 it finds the only solution. Add a spoiler, (0, -t) of class +1. The perceptron separates
all four from every start; gradient descent misses the spoiler (Brady, Raghavan, Slawny 1989). It is said
that this cannot happen if a divergence asks for no more than its targets (Sontag, Sussmann 1991).

**The prediction.** With `u = ln 9` the three points have `w = (u, u)`, `b = 0`. There the spoiler adds
`2 (.9 - y) y (1 - y) sqrt(t^2 + 1)` to the gradient, `y = 1 / (1 + 9^t)`: at t = 10 nothing, in effect.
Trained on, the unit misses it from t = 5; from random starts in nine of ten cases where `w_y > 0` at first
and else never, though a minimum that separates lies lower. Cross-entropy, convex, separates all, by
gradient descent in some `t^2` steps. Threshold LMS has no bad minimum, but plains without a slope: gradient
descent misses as often. In a ball of radius less than `sqrt 5 u` no `w` reaches all targets.

**Exercises.**

1. The spoiler's gradient vanishes as `9^-t`. What becomes of it with tanh units? With targets .99 and .01?
2. Divide the second input by t: which of the methods see the spoiler then, and why?
3. Start the squared error at the perceptron's `w`, or at its multiple of norm .1. Where does it end?
"""

from __future__ import annotations

from typing import Any

import numpy as np

import xpnet
from xpnet import GradientDescent, Momentum, Projected, analysis, plotting
from xpnet.lab import COLOURS, LINES, MARKS, Lab, Result, at_least, at_most, equal, panels, reported, share

ROWS = ("6", "7", "7b", "39")
QUICK: dict[str, Any] = {"ts": (10, 30), "starts": 30}
X, D = np.array([(1, 0), (0, 1), (-1, 0)]), np.array([1, 1, -1])
U = float(np.log(9))
ALONE = np.array([U, U, 0])  # the solution of the three points
RADII = np.sqrt(5) * U * np.array([0.1, 0.15, 0.2, 0.27, 0.36, 0.48, 0.6, 0.8, 0.97, 1.01, 1.3, 1.7, 2.2])
EACH = 8  # starts in a ball


def run(lab: Lab, ts: tuple[int, ...] = (3, 5, 10, 30, 100, 300, 1000), starts: int = 100) -> Result:
    found: list[Any] = []
    w, many = lab.random(0).standard_normal((starts, 3)), lab.random(1).standard_normal((600, 3))
    three = _end(lab, _risk(lab, X, D), GradientDescent(6.0), w, 20_000, 1e-15)[0]
    off = np.abs(three - ALONE).max()
    found.append(at_most("6", f"{starts} starts: off (u, u, 0), the most", off, 1e-12))
    pull = {t: _pull(lab, t) for t in (1, 2, 3, 5, 7, 10, 20, 350)}
    for t, y in ((t, 1 / (1 + 9.0**t)) for t in (3, 10, 20)):
        theory = 2 * (0.9 - y) * y * (1 - y) * np.hypot(t, 1)
        found.append(equal("7", f"t = {t}: spoiler's gradient / {theory:.1e}", pull[t] / theory, 1, 1e-9))
    found.append(equal("7", "t = 350: the spoiler's gradient", pull[350], 0.0))
    after: dict[int, Any] = {}
    for t in lab.each((3, 5, 7, 10, 20, 100), "trained on"):
        after[t] = _end(lab, _all(lab, t), GradientDescent(8.0), three, 20_000, 1e-14)[0]
        missed, all_or_none = _missed(lab, after[t], t)[:, 3].sum(), float(t > 3)
        found.append(share("7", f"trained on, t = {t}: missed", missed, starts, all_or_none, all_or_none))
    moved = {t: np.abs(w - three).max() for t, w in after.items()}
    found.append(equal("7", "trained on, t = 10: moved by", moved[10], 5e-7, 1e-7))

    end, value = _end(lab, _all(lab, 100), GradientDescent(0.2), many, 2000)
    missed, up = _missed(lab, end, 100)[:, 3], many[:, 1] > 0
    best = 8 * _end(lab, _all(lab, 100), "bfgs", many[:starts], 1000, 1e-12)[1].min()
    found += [
        share("7", "t = 100, starts with w_y > 0: missed", missed[up].sum(), up.sum(), 0.9),
        share("7", "t = 100, starts with w_y < 0: missed", missed[~up].sum(), (~up).sum(), high=0.0),
        equal("7", "t = 100: error in the trap", 8 * np.median(value[missed]), 0.81, 0.02),
        equal("7", "t = 100: least error, which separates", best, 0.0097, 1e-4),
    ]
    missing: dict[str, list[int]] = {}
    for t in lab.each(ts, "t"):
        some = {10: (0.2, 0.4), 100: (0.4, 0.6)}.get(t)  # of threshold LMS; half have w_y < 0 at first
        wanted = (None, some, (0.0, 0.0) if t <= 100 else None, (0.0, 0.0), (0.0, 0.0))
        for (rule, (loss, *how)), limits in zip(_rules(t).items(), wanted, strict=True):
            end = _end(lab, _all(lab, t, loss), how[0], w, *how[1:])[0]
            count = int(_missed(lab, end, t).any(axis=1).sum())
            missing.setdefault(rule, []).append(count)
            at = "7" if rule == "perceptron" else "7b", f"t = {t}: {rule} misses some", count
            found.append(share(*at, starts, *limits) if limits else reported(*at))
    radius = np.repeat(RADII, EACH)[:, None]
    ball, loss = Projected(Momentum(0.3), lab.array(radius)), xpnet.ThresholdSquaredError()
    begin = ball.project(lab.array(lab.random(2).standard_normal((len(radius), 3))))
    end, value = _end(lab, _all(lab, 10, loss), ball, lab.numpy(begin), 3000)
    least, inside = value.reshape(-1, EACH).min(axis=1), np.sqrt(5) * U > RADII
    trapped = _missed(lab, end, 10).any(axis=1).reshape(-1, EACH).any(axis=1)
    found += [
        at_least("39", "t = 10, balls below sqrt 5 u: least error", least[inside].min(), 1e-7),
        at_most("39", "t = 10, balls above it: least error", least[~inside].max(), 1e-9),
        at_least("39", "t = 10, balls below it with a trap", trapped[inside].sum(), 1),
    ]
    surface, frame = _all(lab, 10), analysis.coordinate_frame(ALONE, 1, 2)
    plane = analysis.plane(surface, frame, ((-1.5, 3.5), (-2.5, 3.5)))
    begins = {"trap": (U, 1.5, -2.0), "minimum": (U, -0.5, -2.0)}
    paths = {k: lab.path(surface, GradientDescent(0.8), own, 1000)[0][::4] for k, own in begins.items()}
    perceptron = _end(lab, _all(lab, 10, None), "perceptron", [0, 0, 0])[0]
    lines = {"three points": ALONE, "all, trained on": after[10][0], "perceptron": perceptron}
    numbers = {"pull": pull, "moved": moved, "many": many, "missed": missed, "t": ts, "missing": missing}
    numbers |= {"plane": plane, "paths": paths, "lines": lines, "least": least}
    return Result(numbers, tuple(found))


def _end(lab: Lab, objective: Any, method: Any, w: Any, steps: int = 10_000, gradient: float = 0.0) -> Any:
    """Where a run from `w` ends, and the value there."""
    stop = xpnet.after(steps) | xpnet.gradient_below(gradient)
    run = xpnet.minimize(objective, method, lab.array(w), stop=stop)
    return lab.numpy(run.w), run.value


def _all(lab: Lab, t: float, loss: Any = "squared_error") -> Any:
    """The risk of all points (a rate of 8 is 1 for a sum of squares); without a loss the threshold unit."""
    points, d = np.vstack([X, (0, -t)]), np.append(D, 1)
    if loss is None:
        return xpnet.ThresholdUnit(points, d, backend=lab.backend)
    return _risk(lab, points, d, loss)


def _risk(lab: Lab, points: Any, d: Any, loss: Any = "squared_error") -> xpnet.Objective:
    net, targets = xpnet.Network(2, xpnet.Dense(1, "sigmoid")), np.where(d > 0, 0.9, 0.1)
    return xpnet.EmpiricalRisk(net, loss, points, targets, backend=lab.backend, dtype="float64")


def _pull(lab: Lab, t: float) -> float:
    """What the spoiler adds to the gradient of the sum at the three points' solution."""
    alone = _risk(lab, np.array([(0, -t)]), np.array([1]))
    return 2 * float(np.linalg.norm(lab.numpy(alone.value_and_gradient(lab.array(ALONE))[1])))


def _missed(lab: Lab, w: Any, t: float) -> Any:
    """Which of the four points are on the wrong side, `(R, 4)`."""
    return lab.numpy(_all(lab, t, None).margins(lab.array(w)) <= 0)


def _rules(t: float) -> dict[str, Any]:
    """What is minimized, by which method, and how long."""
    L = float(np.linalg.norm([(1, 0, 1), (0, 1, 1), (-1, 0, 1), (0, -t, 1)], 2)) ** 2 / 16  # curvature
    slow, long = min(0.8, 80 / t), min(max(1000, int(t * t)), 10_000)
    return {
        "squared error": ("squared_error", GradientDescent(slow), 2000),
        "threshold LMS": (xpnet.ThresholdSquaredError(), GradientDescent(slow), 2000),
        "cross-entropy": ("binary_cross_entropy", GradientDescent(1 / L), long),
        "cross-entropy, BFGS": ("binary_cross_entropy", xpnet.BFGS(), 1000, 1e-8),
        "perceptron": (None, xpnet.Perceptron()),
    }


def draw(result: Result) -> Any:
    figure, ((lines, pull, plane), (starts, rules, ball)) = panels(2, 3, size=(4.9, 4.0))
    for k, (name, (a, b, c)) in enumerate(result["lines"].items()):
        lines.plot(
            [-3, 3], [(3 * a - c) / b, (-3 * a - c) / b], color=COLOURS[k], linestyle=LINES[k], label=name
        )
    lines.plot([1, 0, 0], [0, 1, -10], "kP", [-1], [0], "ko", markersize=9)
    lines.set(title="boundaries, t = 10", xlabel="x", ylabel="y", xlim=(-3, 3), ylim=(-11, 4))
    for k, (name, what) in enumerate((("pull", "its gradient"), ("moved", "training on moves w by"))):
        pairs = [(t, value) for t, value in result[name].items() if value > 0]
        pull.loglog(*zip(*pairs, strict=True), color=COLOURS[k], marker=MARKS[k], label=what)
    pull.set(title="what the spoiler does to the solution", xlabel="t", ylabel="norm")
    plotting.contours(result["plane"], plane, paths=result["paths"], levels=20, scale="linear", bar=False)
    plane.set(title="squared error, t = 10", xlabel="w_y", ylabel="b")
    many, missed = result["many"], result["missed"]
    for k, (rows, name) in enumerate(((missed, "misses the spoiler"), (~missed, "separates"))):
        look = {"color": COLOURS[1 - k], "marker": MARKS[k], "markersize": 4, "linestyle": ""}
        starts.plot(many[rows, 1], many[rows, 2], label=name, **look)
    starts.set(
        title="squared error, t = 100", xlabel="w_y at the start", ylabel="b at the start", ylim=(-4, 5.5)
    )
    for k, (name, values) in enumerate(result["missing"].items()):
        look = {"color": COLOURS[k], "marker": MARKS[k], "linestyle": LINES[k % 4], "label": name}
        rules.semilogx(result["t"], values, **look)
    rules.set(title="random starts that miss a point", xlabel="t", ylabel="starts")
    ball.semilogy(RADII, np.maximum(result["least"], 1e-16), "o-", label="least error")
    ball.axvline(np.sqrt(5) * U, color="black", linewidth=1, linestyle=":", label="sqrt 5 u")
    ball.set(title="threshold LMS, |w| at most B, t = 10", xlabel="B", ylabel="error")
    for panel in (lines, pull, starts, rules, ball):
        panel.legend()
    return figure
