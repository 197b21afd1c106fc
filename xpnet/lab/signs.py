"""Rprop needs no rate, only signs; with signed steps, as in textbooks, it sticks or runs away.

**The claim.** Each parameter has a step size of its own: `1.2` times as large while its derivative keeps
its sign, half as large when that turns, however large the derivative (Riedmiller, Braun 1993; Igel, Huesken
2003). The textbook's short version scales and limits the step with its sign: `max(.5 step, 1e-6)` makes of
a negative step that is to shrink a positive one. QuickProp (Fahlman 1988) takes secants,
`dw = -E' dw_prev / (E' - E'_prev)`, to where the slope is 0: be that a minimum or not.

**The prediction.** The four variants of the papers solve every quadratic, aligned or turned. The textbook's
solves those with the axes for axes, if all derivatives are positive at the start: that hides it. Turned by
30 degrees it fails from 9 of 10 starts at least. What sounds stronger than it is: "no rate" is not "no
axes". Turned by 30 degrees at `k = 100`, all four need 3 times the steps at least. The secant is exact in
two steps where parameters are not coupled; coupled, some starts never get there, and on `(w^2 - 1)^2` it
climbs from .1 to the top, and stays. Fahlman's guards (growth at most 1.75, a gradient term) save both.

**Exercises.**

1. Of the textbook's failures on the aligned quadratic, how many began with both derivatives positive?
   Follow by hand a start at -1 until the derivative turns.
2. Which two of the four variants are least hurt by the angle? What do they do that the others do not?
3. From where on `(w^2 - 1)^2` does the secant go to the top? Begin with `E'' = 12 w^2 - 4`. Try
   `growth=1.1` and `growth=5` in `QuickProp`.
"""

from __future__ import annotations

from typing import Any

import numpy as np

import xpnet
from xpnet import Formula, Quadratic, QuickProp, Rprop, analysis, plotting
from xpnet.lab import COLOURS, LINES, MARKS, Lab, Result, at_least, at_most, circle, equal, panels, share

ROWS = ("29", "30", "50")
QUICK: dict[str, Any] = {"angles": (0, 30, 60, 90), "starts": 30, "secants": 300, "networks": 6}
PAPERS = ("RPROP+", "RPROP-", "iRprop+", "iRprop-")
KAPPAS = (10, 100)
NEAR, LOW = 1e-6, 0.1  # what is a value at the minimum; a risk that the network is to reach
CLIMB = (0.9801, 0.9715, 0.99999)  # of the secant on the double well, by independent code


def run(
    lab: Lab,
    angles: tuple[int, ...] = tuple(range(0, 95, 5)),
    starts: int = 50,
    secants: int = 2000,
    networks: int = 20,
) -> Result:
    found: list[Any] = []
    missed, steps = _rprop(lab, angles, starts, found)
    turned = Quadratic(_turned(10, 30), backend=lab.backend)
    paths = {v: lab.path(turned, Rprop(v), (-1.5, -0.5), 26)[0] for v in ("iRprop-", "textbook")}
    plane = analysis.plane(turned, analysis.coordinate_frame(np.zeros(2), 0, 1), around=[*paths.values()])
    larger = Quadratic(1024.0 * _turned(10, 30), backend=lab.backend)
    for variant in PAPERS:
        here, there = (lab.path(one, Rprop(variant), (-1.5, -0.5), 100)[0] for one in (turned, larger))
        found.append(at_most("29", f"{variant}: off its path, E times 1024", np.abs(here - there).max(), 0))

    aligned = Quadratic(np.diag([1.0, 3.0, 10.0]), [1.0, -2.0, 0.5], backend=lab.backend)
    path = lab.path(aligned, QuickProp(0.05, guards=False), np.ones(3), 3)[0]
    off = np.abs(path[2] - (-1, 2 / 3, -0.05)).max()
    found.append(at_most("30", "secant, not coupled: from the minimum after 2 steps", off, 1e-12))
    w, bowl = lab.random(1).standard_normal((secants, 2)), Quadratic(_turned(10, 45), backend=lab.backend)
    late: dict[str, Any] = {}
    wells = Formula(lambda xp, w: (w[..., 0] ** 2 - 1.0) ** 2, backend=lab.backend)
    climbs: dict[str, Any] = {}
    for name, guards, low, high in (("secant only", False, 0.002, 0.06), ("with guards", True, 0.0, 0.0)):
        values = _values(bowl, QuickProp(0.05, guards=guards), lab.array(w), 2000)
        late[name] = (~(np.fmin.accumulate(values) <= NEAR)).mean(axis=1)
        count = round(late[name][-1] * secants)
        found.append(share("30", f"{name}, coupled, k = 10: starts missed", count, secants, low, high))
        path, climbs[name], _ = lab.path(wells, QuickProp(0.05, guards=guards), [0.1], 60)
        end = abs(path[-1, 0])
        found.append(equal("50", f"double well, {name}: |w| at the end", end, float(guards), 1e-3))
    for k, (climbed, value) in enumerate(zip(climbs["secant only"], CLIMB, strict=False)):
        found.append(equal("50", f"secant: value after {k} steps", climbed, value, 1e-4))

    risk, w = _network(lab, networks)
    risks: dict[str, Any] = {}
    methods: dict[str, Any] = {variant: Rprop(variant, 0.01) for variant in (*PAPERS, "textbook")}
    methods |= {name: QuickProp(0.1, guards=g) for name, g in (("secant only", False), ("QuickProp", True))}
    for name, method in lab.each(methods.items(), "network"):
        values = _values(risk, method, lab.array(w), 400)
        risks[name] = np.nanmedian(values, axis=1)
        good = name not in ("textbook", "secant only")
        row = "29" if isinstance(method, Rprop) else "30" if good else "50"
        count = int((np.nanmin(values, axis=0) <= LOW).sum())
        limits = (0.95, 1.0) if good else (0.0, 0.1)
        found.append(share(row, f"network, {name}: reach a risk of {LOW}", count, networks, *limits))
    numbers = {"angles": angles, "missed": missed, "steps": steps, "paths": paths, "plane": plane}
    return Result(numbers | {"late": late, "climbs": climbs, "risks": risks}, tuple(found))


def _rprop(lab: Lab, angles: tuple[int, ...], starts: int, found: list[Any]) -> tuple[Any, Any]:
    """The share of starts that each variant misses, and the median of its steps, at each angle."""
    missed: dict[str, Any] = {}
    steps: dict[str, Any] = {}
    w = np.tile(lab.random(0).uniform(-2.0, 2.0, (starts, 2)), (len(angles), 1))  # all angles in one run
    for k in lab.each(KAPPAS, "condition number"):
        bowls = Quadratic(np.repeat(_turned(k, angles), starts, axis=0), backend=lab.backend)
        for variant in (*PAPERS, "textbook"):
            values = _values(bowls, Rprop(variant), lab.array(w), 1000)
            lost = (~(values[-1] <= NEAR)).reshape(-1, starts)
            missed[f"{variant}, k = {k}"] = lost.mean(axis=1)
            counts = np.median((values > NEAR).sum(axis=0).reshape(-1, starts), axis=1)
            what, at = f"{variant}, k = {k}: starts missed", angles.index(30)
            if variant == "textbook":
                kind = (w[:starts] > 0.0).all(axis=1)  # both derivatives are positive, as at (1, 1)
                lucky = lost[angles.index(0)][kind]
                found.append(share("29", f"{what}, from w > 0, aligned", lucky.sum(), lucky.size, 0.0, 0.0))
                found.append(share("29", f"{what} at 30 degrees", lost[at].sum(), starts, 0.9))
                continue
            steps[f"{variant}, k = {k}"] = counts
            found.append(share("29", f"{what} at all angles", lost.sum(), lost.size, 0.0, 0.0))
            if k == 100:
                ratio = counts[at] / counts[angles.index(0)]
                found.append(at_least("29", f"{variant}, k = 100: steps at 30 / at 0 degrees", ratio, 3))
    return missed, steps


def _turned(k: float, degrees: Any) -> Any:
    """`(w_0^2 + k w_1^2) / 2` turned by so many degrees: its matrix, or one for each angle."""
    c, s = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    mixed = (1.0 - k) * c * s
    return np.moveaxis(np.array([[c * c + k * s * s, mixed], [mixed, s * s + k * c * c]]), (0, 1), (-2, -1))


def _values(objective: xpnet.Objective, method: Any, w: Any, steps: int) -> Any:
    """The values of a run of many replicas, `(steps, R)`; NaN from where one has run away."""
    return xpnet.minimize(objective, method, w, stop=xpnet.after(steps), check_every=1).history.value


def _network(lab: Lab, starts: int) -> tuple[xpnet.Objective, Any]:
    """The risk of a network that tells the inside of a circle from the outside, and where to start."""
    X, inside = circle(lab, 2)
    net = xpnet.Network(2, xpnet.Dense(8, "tanh"), xpnet.Dense(1, "sigmoid"))
    loss = xpnet.BinaryCrossEntropy()
    risk = xpnet.EmpiricalRisk(net, loss, X, inside, backend=lab.backend, dtype="float64")
    return risk, net.initialize(lab.seed, "numpy", "float64", replicas=starts)


def draw(result: Result) -> Any:
    figure, ((paths, missed, steps), (secant, well, network)) = panels(2, 3)
    plotting.contours(result["plane"], paths, paths=result["paths"], bar=False)
    paths.set_title("k = 10, turned by 30 degrees, 26 steps")
    angles = result["angles"]
    for m, k in enumerate(KAPPAS):
        look = {"color": COLOURS[m], "marker": MARKS[m]}
        missed.plot(angles, result["missed"][f"textbook, k = {k}"], label=f"textbook, k = {k}", **look)
    worst = np.max([result["missed"][f"{v}, k = {k}"] for v in PAPERS for k in KAPPAS], axis=0)
    missed.plot(angles, worst, color=COLOURS[2], marker=MARKS[2], label="worst of the papers' four")
    missed.set(title="signed steps, turned or not", xlabel="angle (degrees)", ylabel="share missed")
    missed.legend(loc="center")
    for m, variant in enumerate(PAPERS):
        look = {"color": COLOURS[m], "marker": MARKS[m], "label": variant}
        steps.semilogy(angles, result["steps"][f"{variant}, k = 100"], **look)
    steps.set(title="k = 100: no rate, but axes", xlabel="angle (degrees)", ylabel="median of steps")
    steps.legend(loc="lower center")
    for m, (name, late) in enumerate(result["late"].items()):
        secant.loglog(np.arange(1, len(late) + 1), late, color=COLOURS[m], linestyle=LINES[m], label=name)
        values = result["climbs"][name][:16]
        well.plot(values, color=COLOURS[m], marker=MARKS[m], linestyle=LINES[m], label=name)
    secant.set(title="QuickProp, k = 10, 45 degrees", xlabel="steps", ylabel="share not at the minimum yet")
    well.set(title="from .1 the secant climbs to the top", xlabel="steps", ylabel="(w^2 - 1)^2")
    for m, (name, risks) in enumerate(result["risks"].items()):
        look = {"color": COLOURS[m], "linestyle": LINES[m], "label": name}
        network.loglog(np.arange(1, len(risks) + 1), risks, **look)
    network.set(title="on a network: medians", xlabel="steps", ylabel="risk", ylim=(0.005, 30.0))
    for panel in (secant, well, network):
        panel.legend()
    return figure
