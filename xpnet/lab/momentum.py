"""Momentum is faster where the condition number is large, and slower where it is small.

**The claim.** A step adds to a part of the last one: `dW = beta dW - eta g`, `W += dW` (Polyak 1964);
Nesterov (1983) takes the gradient ahead, at `W + beta dW`. Along steep axes gradients alternate and cancel,
along flat ones they add up. On a quadratic of condition number `k`, each method at its best rate, gradient
descent needs steps in proportion to `k`, and both momentum methods in proportion to its square root.

**The prediction.** `dW_k = -eta sum_i beta^(k-i) g_i`, a running average, component by component. Of the
distance to the minimum a step of gradient descent leaves `(k-1)/(k+1)`, one of the heavy ball in the long
run `(sqrt k - 1)/(sqrt k + 1)`, one of Nesterov about `1 - 1/sqrt k`. But with the customary `beta = .9` a
step leaves at least `sqrt(.9)`: at `k = 10` gradient descent is faster. On a network one rate for all says
little, as momentum makes it `1 / (1 - beta)` times as large in effect: compare them over all rates.

**Exercises.**

1. At which `k` do gradient descent and the heavy ball with `beta = .9`, both at the rate `1/L`, take as
   many steps?
2. On the network, momentum at a small rate `eta` takes as many steps as gradient descent at
   `eta / (1 - beta)`. Why? Then what is it that momentum adds?
3. Try `beta = .5` and `.99` on the network. What would you choose for one that you do not know?
"""

from __future__ import annotations

from typing import Any

import numpy as np

import xpnet
from xpnet import GradientDescent, Momentum, Nesterov, Quadratic, analysis, plotting
from xpnet.lab import COLOURS, MARKS, Lab, Result, at_least, at_most, circle, equal, panels

ROWS = ("31", "32", "33", "49")
QUICK: dict[str, Any] = {"kappas": (3, 10, 100, 1000), "starts": 6}
NAMES = ("gradient descent", "heavy ball", "Nesterov")
MEASURED = {100: (691, 93, 155), 1000: (6908, 315, 508)}  # steps, by independent code
RATES = 2.0 ** np.arange(-3, 6)  # on the network
BETA, LOW = 0.9, 0.1  # the customary momentum; the risk that the network is to reach


def run(lab: Lab, kappas: tuple[int, ...] = (3, 10, 30, 100, 300, 1000, 3000), starts: int = 20) -> Result:
    found: list[Any] = []
    steps = {
        k: [_steps(lab, k, method) for method in _best(k)] for k in lab.each(kappas, "condition number")
    }
    usual = {k: [_steps(lab, k, method) for method in _methods(1 / k)] for k in kappas if k <= 300}  # 1/L
    powers = np.polyfit(np.log(kappas[-2:]), np.log([steps[k] for k in kappas[-2:]]), 1)[0]
    for m, (name, count, power) in enumerate(zip(NAMES, (128, 240, 114), (1.0, 0.5, 0.5), strict=True)):
        found += [
            equal("33", f"{name}: steps at k = {k}", steps[k][m], MEASURED[k][m], 1) for k in MEASURED
        ]
        found.append(equal("33", f"{name}: power of k in the steps", powers[m], power, 0.06))
        found.append(equal("33", f"{name}: steps at k = 10, rate 1/L, beta {BETA}", usual[10][m], count, 1))

    bowl, start = Quadratic(np.diag([1.0, 30.0]), backend=lab.backend), np.ones(2)
    paths = {name: lab.path(bowl, own, start, 60)[0] for name, own in zip(NAMES, _best(30), strict=True)}
    plane = analysis.plane(bowl, analysis.coordinate_frame(start, 0, 1), around=list(paths.values()))
    _, _, g = lab.path(bowl, Momentum(1.8 / 30, BETA), start, 40)
    left = np.abs(_running(g)) / _running(np.abs(g))  # 1 where all gradients had one sign
    found.append(at_least("49", "flat axis: left of the gradients' sum", left[:10, 0].mean(), 0.9))
    found.append(at_most("49", "steep axis: left of the gradients' sum", left[10:, 1].mean(), 0.35))

    risk, w = _network(lab, starts)
    path, _, g = lab.path(risk, Momentum(0.5, BETA), w[0], 100)
    moves, polyak = np.diff(path, axis=0), BETA * np.diff(path, axis=0)[:-1] - 0.5 * g[1:-1]
    ahead, _, h = lab.path(risk, Nesterov(0.5, BETA), w[0], 100)
    nesterov = BETA * np.diff(ahead - 0.5 * h, axis=0) - 0.5 * h[1:]  # from one point ahead to the next
    found += [
        at_most("31", "network: off the step of the claim", np.abs(moves[1:] - polyak).max(), 1e-12),
        at_most(
            "32",
            "network: off it, Nesterov",
            np.abs(np.diff(ahead, axis=0)[1:] - nesterov[:-1]).max(),
            1e-12,
        ),
        at_most(
            "49", "network: off the running average", np.abs(moves + 0.5 * _running(g)[:-1]).max(), 1e-12
        ),
    ]
    each = lab.array(np.repeat(RATES, starts)[:, None])  # every start at every rate, in one run
    long: dict[str, Any] = {}
    for name, method in lab.each([*zip(NAMES, _methods(each), strict=True)], "network"):
        stop, many = xpnet.value_below(LOW) | xpnet.after(600), lab.array(np.tile(w, (len(RATES), 1)))
        values = xpnet.minimize(risk, method, many, stop=stop, check_every=1).history.value
        counts = np.where(np.nanmin(values, axis=0) <= LOW, (values > LOW).sum(axis=0), np.inf)
        long[name] = np.median(counts.reshape(-1, starts), axis=1)
        if name != NAMES[0]:
            gain = min(long[NAMES[0]]) / min(long[name])
            found.append(
                at_least("33", f"network: fewest steps of gradient descent / of {name}", gain, 2.0)
            )
    numbers = {
        "steps": steps,
        "usual": usual,
        "paths": paths,
        "plane": plane,
        "left": left,
        "network": long,
    }
    return Result(numbers, tuple(found))


def _methods(rate: Any) -> tuple[Any, ...]:
    return GradientDescent(rate), Momentum(rate, BETA), Nesterov(rate, BETA)


def _best(k: float) -> tuple[Any, ...]:
    """The three methods at their best rates for curvatures from 1 to `k`."""
    root = k**0.5
    beta = (root - 1) / (root + 1)
    return GradientDescent(2 / (1 + k)), Momentum(4 / (1 + root) ** 2, beta**2), Nesterov(1 / k, beta)


def _steps(lab: Lab, k: int, method: Any) -> int:
    """How many steps leave a millionth of the distance from the minimum of `(w_0^2 + k w_1^2) / 2`."""
    bowl, stop = Quadratic(np.diag([1.0, k]), backend=lab.backend), xpnet.after(15 * k + 300)

    def near(step: xpnet.Step) -> bool:
        return float(step.w @ step.w) <= 2e-12

    return (
        xpnet.minimize(bowl, method, lab.array([1, 1]), stop=stop, callback=near, check_every=1).steps - 1
    )


def _running(gradients: Any) -> Any:
    """`sum_i beta^(k-i) g_i` over i up to k, for each k."""
    k = np.arange(len(gradients))
    return np.tril(BETA ** np.maximum(k[:, None] - k, 0)) @ gradients


def _network(lab: Lab, starts: int) -> tuple[xpnet.Objective, Any]:
    """The risk of a network that tells the inside of a circle from the outside, and where to start."""
    X, inside = circle(lab)
    net = xpnet.Network(2, xpnet.Dense(8, "tanh"), xpnet.Dense(1, "sigmoid"))
    loss = xpnet.BinaryCrossEntropy()
    risk = xpnet.EmpiricalRisk(net, loss, X, inside, backend=lab.backend, dtype="float64")
    return risk, net.initialize(lab.seed, "numpy", "float64", replicas=starts)


def draw(result: Result) -> Any:
    figure, ((plane, steps), (average, network)) = panels(2, 2)
    plotting.contours(result["plane"], plane, paths=result["paths"], bar=False)
    plane.set_title("k = 30, the best rates, 60 steps")
    k, counts = np.geomspace(2, max(result["steps"])), np.array([*result["steps"].values()])
    for m, name in enumerate(NAMES):
        look = {"color": COLOURS[m], "marker": MARKS[m], "label": name}
        steps.loglog([*result["steps"]], counts[:, m], linestyle="", **look)
        network.plot(RATES, result["network"][name], **look)
        if name != "Nesterov":
            own, words = result["usual"], "rate 1/L" if name == NAMES[0] else f"beta {BETA}, 1/L"
            some = [own[k][m] for k in own]
            steps.loglog([*own], some, "--", color=COLOURS[m], label=f"{name}, {words}", linewidth=1.2)
    for root, colour in ((k, COLOURS[0]), (np.sqrt(k), COLOURS[1])):
        steps.loglog(k, np.log(1e6) / np.log((root + 1) / (root - 1)), color=colour, linewidth=1)
    steps.set(
        title="steps to 1e-6 of the distance (lines: theory)", xlabel="condition number", ylabel="steps"
    )
    average.plot(result["left"], label=["flat axis", "steep axis"])
    average.set(
        title="beta = .9: what the running average leaves", xlabel="step", ylabel="share of the gradients"
    )
    network.set(title=f"network: median steps to a risk of {LOW}", xlabel="rate", ylabel="steps")
    network.set_xscale("log", base=2)
    network.set_yscale("log")
    for panel in (steps, average, network):
        panel.legend()
    return figure
