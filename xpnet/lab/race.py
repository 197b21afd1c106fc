"""Gradient descent is overtaken; by whom depends on what an evaluation costs.

**The claim.** Momentum, adaptive steps and curvature each make training faster than plain gradient descent.

**The prediction.** From the same starts on the same network, gradient descent at its best rate spends its
whole budget to come down to some risk; the others are there (within a fiftieth, as they may end in other
minima) with fewer evaluations. Those that need a rate have their best one from powers of 4, a search that
Rprop, QuickProp and the methods with a line search do without. A Hessian counts as many evaluations as
there are parameters, though all its products are made at once: methods that use it whole take few steps
and many evaluations, and by the clock they look better than by the count. Nothing is claimed of Adagrad,
whose steps shrink for ever, nor of Levenberg-Marquardt, which is made for squares. **The order is that of
this network and budget**: gradient descent is quick at first, and slow in the end.

**Exercises.**

1. Which of the methods is the best for a budget of 30 evaluations?
2. Give the network four times as many hidden units. Whose rank changes most, by the count and by the clock?
3. Remove the penalty. Why do some methods now go on for ever, and which risk do they reach?
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

import xpnet
from xpnet import Dense, analysis, plotting
from xpnet.lab import COLOURS, LINES, Lab, Result, at_most, components, digits, panels, reported

ROWS = ("21", "23", "24", "25", "29", "30", "31", "32", "35")
QUICK: dict[str, Any] = {"budget": 300, "starts": 5}
RATES = 4.0 ** np.arange(-6, 4)
RATED: dict[str, tuple[str, Callable[[Any], xpnet.Optimizer]]] = {
    "gradient descent": ("31", xpnet.GradientDescent),
    "momentum": ("31", xpnet.Momentum),
    "Nesterov": ("32", xpnet.Nesterov),
    "RMSprop": ("35", xpnet.RMSprop),
    "Adagrad": ("35", xpnet.Adagrad),
    "Adam": ("35", xpnet.Adam),
}
OTHERS: dict[str, tuple[str, xpnet.Optimizer]] = {
    "Rprop": ("29", xpnet.Rprop()),
    "QuickProp": ("30", xpnet.QuickProp()),
    "BFGS": ("23", xpnet.BFGS()),
    "L-BFGS": ("24", xpnet.LBFGS()),
    "Newton-CG": ("21", xpnet.NewtonCG()),
    "Newton": ("21", xpnet.TrustRegion()),
    "Levenberg-Marquardt": ("25", xpnet.LevenbergMarquardt()),
}
WHOLE = ("Newton", "Levenberg-Marquardt")  # with the whole matrix: they have 60 steps
SHOWN = ("gradient descent", "momentum", "Adam", "L-BFGS", "Newton")


def run(lab: Lab, budget: int = 1000, starts: int = 10) -> Result:
    risk, w = _network(lab, starts)
    many, each = np.tile(w, (len(RATES), 1)), lab.array(np.repeat(RATES, starts)[:, None])
    rates: dict[str, float] = {}
    for name, (_, kind) in lab.each([*RATED.items()], "method with a rate"):
        end = np.reshape(_run(lab, risk, kind(each), many, budget).value, (-1, starts))
        rates[name] = float(RATES[np.argmin(np.median(np.where(np.isfinite(end), end, np.inf), axis=1))])
    methods = {name: (row, kind(rates[name])) for name, (row, kind) in RATED.items()} | OTHERS
    found: list[Any] = []
    numbers: dict[str, Any] = {"rates": rates, "evaluations": {}, "values": {}, "needed": {}}
    clock: dict[str, Any] = {}
    paths: dict[str, Any] = {}
    goal = -np.inf
    for name, (row, method) in lab.each([*methods.items()], "method"):
        most = 60 * (w.shape[1] + 2) if name in WHOLE else budget
        history = _run(lab, risk, method, w, most).history
        values = np.fmin.accumulate(history.value, axis=0)  # the best so far, of starts that have ended too
        middle = np.median(values, axis=1)
        goal = 1.02 * middle[-1] if name == "gradient descent" else goal
        there = int(np.argmax(middle <= goal)) if middle[-1] <= goal else None
        numbers["evaluations"][name], numbers["values"][name] = history.evaluations, middle
        needed = np.inf if there is None else float(history.evaluations[there])
        numbers["needed"][name], clock[name] = needed, history.seconds
        words = f"{name}: evaluations to where gradient descent is after {budget}"
        if name == "Newton":
            steps = np.inf if there is None else there
            found.append(at_most(row, f"{name}: steps to there", steps, 60))
        elif name in ("gradient descent", "Adagrad", "Levenberg-Marquardt"):
            found.append(reported(row, words, needed))
        else:
            found.append(at_most(row, words, needed, budget))
        if name in SHOWN:
            path = lab.numpy(_run(lab, risk, method, w[0], most, keep_path=True).history.path)
            paths[name] = path[:: max(1, len(path) // 50)]
    frame = analysis.path_frame(*paths.values())
    plane = analysis.plane(risk, frame, around=list(paths.values()), points=31)
    return Result(numbers | {"plane": plane, "paths": paths}, tuple(found), {"clock": clock})


def _run(lab: Lab, risk: Any, method: xpnet.Optimizer, w: Any, budget: int, **options: Any) -> xpnet.Run:
    stop = xpnet.evaluations(budget)
    return xpnet.minimize(risk, method, lab.array(w), stop=stop, check_every=1, **options)


def _network(lab: Lab, starts: int) -> tuple[Any, Any]:
    """The risk of 5-8-3 on five principal components of the digits 3, 8, 9, and where to start."""
    X, labels = digits(lab, (3, 8, 9))
    some = components(X, 5)[:200], labels[:200]
    net = xpnet.Network(5, Dense(8, "tanh"), Dense(3, "softmax"))
    risk = xpnet.EmpiricalRisk(
        *(net, xpnet.CrossEntropy(), *some),
        penalty=xpnet.L2(1e-3),
        backend=lab.backend,
        dtype="float64",
    )
    return risk, net.initialize(lab.seed, "numpy", "float64", replicas=starts)


def draw(result: Result) -> Any:
    figure, ((evaluations, seconds), (plane, bars)) = panels(2, 2, size=(6.2, 4.6))
    least = min(np.min(values) for values in result["values"].values()) - 1e-6
    for m, (name, values) in enumerate(result["values"].items()):
        values = values - least
        look = {"color": COLOURS[m % 7], "linestyle": LINES[m // 7], "label": name}
        evaluations.loglog(result["evaluations"][name], values, **look)
        seconds.loglog(result.seconds["clock"][name], values, **look)
    evaluations.set(title="by evaluations", xlabel="evaluations", ylabel="risk above the least, median")
    seconds.set(
        title="by the clock", xlabel="seconds, all starts at once", ylabel="risk above the least, median"
    )
    evaluations.legend(fontsize=8, loc="lower left")
    plotting.contours(result["plane"], plane, paths=result["paths"], bar=False)
    plane.set_title("the plane nearest to five paths")
    needed = {name: count for name, count in result["needed"].items() if np.isfinite(count)}
    names = sorted(needed, key=needed.__getitem__, reverse=True)
    bars.barh(names, [needed[name] for name in names])
    bars.set(title="to where gradient descent ends", xlabel="evaluations", ylabel="method", xscale="log")
    return figure
