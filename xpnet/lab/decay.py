"""A large rate that decays can leave a poor well, and a good one; decayed too fast, it arrives nowhere.

**The claim.** Begin with a large rate and let it fall: `eta_0/(k+1)`, `eta_0/(k+1)^2`, `eta_0 e^(-beta k)`
(search, then converge: Darken, Moody 1990), or `alpha eta` whenever the loss stagnates. Early, large steps
jump out of poor minima; late, small ones settle. Newton's steps diverge beyond a factor of 2: begin at 4.

**The prediction.** On `(w^2-1)^2 + .3 w` no fixed rate up to .2 leaves the poor well, at .96; `.7/(k+1)`
does from 25 of 51 starts in [.7, 1.2], `.4 e^(-.1k)` from all in [1.25, 1.4] and none below 1.2, Newton's
step times `4 e^(-.05k)` from 35 of 51. It sounds stronger than it is: a jump does not know where it goes.
From the good well some end in the poor one; a few of Newton's are far away when the steps vanish. Where the
rates' sum is finite, so is the way: of a distance on `w^2/2`, `.5/(k+1)^2` leaves `sin(pi r)/(pi r)`,
`r^2 = .5`, for ever, and `.5/(k+1)` about `1/sqrt(pi k)`. On a network the plateau rule with `alpha = .5`
mends a rate that is far too large; the best constant rate mostly beats it, as jumps count as stagnation.

**Exercises.**

1. Draw by hand the first two steps of `.4 e^(-.1 k)` from 1.2 and from 1.3. Where is the border, and why?
2. Give `.7/(k+1)` twice the steps: do more starts escape? Give it `.9`: what becomes of starts near 1.2?
3. On the network try `alpha = .1`, as lectures do, with a patience of 10 and of 100. What is lost by haste?
"""

from __future__ import annotations

from typing import Any

import numpy as np

import xpnet
from xpnet import Formula, GradientDescent, Newton, Quadratic
from xpnet.lab import COLOURS, LINES, MARKS, Lab, Result, at_least, at_most, equal, panels, reported, share
from xpnet.optimizers.schedules import ExponentialDecay, LinearDecay, Plateau, QuadraticDecay

ROWS = ("26", "27", "28", "47")
QUICK: dict[str, Any] = {"starts": 300, "networks": 6, "rates": (8.0, 64.0)}
GOOD, TOP, POOR = -1.03558, 0.07543, 0.96015  # where (w^2 - 1)^2 + .3 w is level
LARGE = 64.0  # a rate that is far too large for the network
LARGE_STEPS: dict[str, Any] = {
    ".7/(k+1)": GradientDescent(LinearDecay(0.7)),
    ".4 e^(-.1k)": GradientDescent(ExponentialDecay(0.4, 0.1)),
    "Newton, 4 e^(-.05k)": Newton(search=xpnet.Fixed(ExponentialDecay(4.0, 0.05))),
}


def run(
    lab: Lab,
    starts: int = 3000,
    networks: int = 20,
    rates: tuple[float, ...] = (1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0),
) -> Result:
    found: list[Any] = []
    k, left = np.arange(3000), dict[str, Any]()
    forms = {"linear": 0.5 / (k + 1), "quadratic": 0.5 / (k + 1) ** 2}
    forms["exponential"] = 0.5 * np.exp(-0.2 * k)
    bowl = Quadratic(np.eye(1), backend=lab.backend)
    rules = LinearDecay(0.5), QuadraticDecay(0.5), ExponentialDecay(0.5, 0.2)
    for (name, form), rule in zip(forms.items(), rules, strict=True):
        history = _run(lab, bowl, GradientDescent(rule), [1.0], len(k), True)
        left[name], off = history.path[:, 0], np.abs(history.rate / form - 1.0).max()
        found.append(at_most("26", f"{name}: off its formula", off, 1e-12))
    theory = (np.pi * k[-1]) ** -0.5, np.sinc(0.5**0.5), left["exponential"][300]  # there it stands still
    for name, wanted in zip(forms, theory, strict=True):
        found.append(equal("26", f"{name}: way left / theory", left[name][-1] / wanted, 1.0, 2e-3))

    well = Formula(lambda xp, w: _well(w[..., 0]), backend=lab.backend)
    w = lab.random(0).uniform(0.1, 1.4, (starts, 1))
    ends = {name: _ends(lab, well, method, w) for name, method in lab.each(LARGE_STEPS.items(), "schedule")}
    inside = w[w[:, 0] < 1.2]
    for rate in (0.05, 0.1, 0.2):
        out = (_ends(lab, well, GradientDescent(rate), inside) < TOP).sum()
        found.append(share("28", f"fixed rate {rate}: leave the poor well", out, len(inside), high=0.0))
    for low, high, wanted in ((1.25, 1.4, 1.0), (0.1, 1.2, 0.0)):
        kind = (w[:, 0] >= low) & (w[:, 0] <= high)
        what, out = f".4 e^(-.1k), from {low} to {high}: leave", (ends[".4 e^(-.1k)"][kind] < TOP).sum()
        found.append(share("28", what, out, kind.sum(), wanted, wanted))
    poor, good = np.linspace(0.7, 1.2, 51)[:, None], np.linspace(-1.3, -0.8, 51)[:, None]
    for name, row, wanted, slack in ((".7/(k+1)", "28", 25, 1), ("Newton, 4 e^(-.05k)", "47", 35, 3)):
        there, back = (_ends(lab, well, LARGE_STEPS[name], start) for start in (poor, good))
        found.append(equal(row, f"{name}: leave, of 51", (there < TOP).sum(), wanted, slack))
        arrived, worse = (np.abs(there - GOOD) < 0.02).sum(), (np.abs(back - POOR) < 0.02).sum()
        found.append(reported(row, f"{name}: arrive in the good well, of 51", arrived))
        found.append(at_least(row, f"{name}: from the good well to the poor one, of 51", worse, 5))
    plain = _ends(lab, well, Newton(search=xpnet.Fixed(1.0)), poor)
    found.append(equal("47", "Newton's step itself: leave, of 51", (plain < TOP).sum(), 0))
    methods = {"fixed .2": GradientDescent(0.2), ".7/(k+1)": LARGE_STEPS[".7/(k+1)"]}
    paths = {name: _run(lab, well, method, [1.15], 30, True).path[:, 0] for name, method in methods.items()}

    edges = np.linspace(0.1, 1.4, 27)
    many = np.histogram(w, edges)[0]
    shares = {name: np.histogram(w[end < TOP], edges)[0] / many for name, end in ends.items()}
    final, curves = _plateaus(lab, networks, rates, found)
    numbers = {"forms": forms, "left": left, "edges": edges, "shares": shares, "paths": paths}
    return Result(numbers | {"rates": rates, "final": final, "curves": curves}, tuple(found))


def _plateaus(lab: Lab, starts: int, rates: tuple[float, ...], found: list[Any]) -> tuple[Any, Any]:
    """The plateau rule on a network: median risks at the end for each first rate; and a run."""
    X = lab.random(1).standard_normal((200, 2))
    inside = (np.hypot(X[:, 0], X[:, 1]) < 1.1).astype(float)
    net = xpnet.Network(2, xpnet.Dense(8, "tanh"), xpnet.Dense(1, "sigmoid"))
    loss = xpnet.BinaryCrossEntropy()
    risk = xpnet.EmpiricalRisk(net, loss, X, inside, backend=lab.backend, dtype="float64")
    w = net.initialize(lab.seed, "numpy", "float64", replicas=starts)
    rules = {"constant": None, "alpha = .5": 0.5, "alpha = .1": 0.1}
    final: dict[str, Any] = {name: [] for name in rules}
    curves: dict[str, Any] = {}
    for name, alpha in lab.each(rules.items(), "rule"):
        for rate in rates:
            method = GradientDescent(Plateau(rate, factor=alpha) if alpha else rate)
            history = _run(lab, risk, method, w, 600)
            final[name].append(np.median(history.value[-100:]))
            if rate == LARGE:
                curves[name] = np.median(history.value, axis=1)
            if rate == LARGE and alpha:
                off = np.abs(history.rate / _replayed(history.value, rate, alpha) - 1.0).max()
                found.append(at_most("27", f"{name}: rates off the rule of PyTorch", off, 1e-12))
    constant, at = final["constant"], rates.index(LARGE)
    for name in ("alpha = .5", "alpha = .1"):
        what, gain = f"network, {name}: risk of a constant rate / its own", constant[at] / final[name][at]
        start = f"{what}, from {LARGE:g}"
        found.append(at_least("27", start, gain, 1.2) if ".5" in name else reported("27", start, gain))
        found.append(reported("27", f"{what}, both at their best", min(constant) / min(final[name])))
    return final, curves


def _replayed(values: Any, rate: float, alpha: float) -> Any:
    """The rates of PyTorch's ReduceLROnPlateau after each of these values `(steps, R)`: patience 10."""
    rates, best, stale = np.full(values.shape, rate), np.full(values.shape[1], np.inf), 0
    for k, value in enumerate(values):
        better = value < best * (1.0 - 1e-4)
        best, stale = np.where(better, value, best), np.where(better, 0, stale + 1)
        rates[k:] *= np.where(stale > 10, alpha, 1.0)
        stale = np.where(stale > 10, 0, stale)
    return rates


def _run(lab: Lab, objective: xpnet.Objective, method: Any, w: Any, steps: int, path: bool = False) -> Any:
    stop = xpnet.after(steps)
    return xpnet.minimize(objective, method, lab.array(w), stop=stop, keep_path=path, check_every=1).history


def _well(w: Any) -> Any:
    return (w**2 - 1.0) ** 2 + 0.3 * w


def _ends(lab: Lab, well: xpnet.Objective, method: Any, w: Any) -> Any:
    """Where runs from each of `w`, `(R, 1)`, end."""
    run = xpnet.minimize(well, method, lab.array(w), stop=xpnet.after(300), check_every=1)
    return lab.numpy(run.w)[:, 0]


def draw(result: Result) -> Any:
    figure, ((rates, left, well), (shares, curve, final)) = panels(2, 3)
    for m, (name, distance) in enumerate(result["left"].items()):
        look = {"color": COLOURS[m], "linestyle": LINES[m], "label": name}
        rates.semilogy(result["forms"][name][:100], **look)
        left.loglog(np.arange(1, len(distance) + 1), distance, **look)
    rates.set(title="rates that decay", xlabel="step", ylabel="rate", ylim=(1e-5, 1))
    left.set(title="w^2/2: where the rates' sum ends", xlabel="steps", ylabel="distance left")
    w = np.linspace(-1.5, 1.5, 200)
    well.plot(w, _well(w), color="0.6", linewidth=1)
    for m, (name, path) in enumerate(result["paths"].items()):
        well.plot(path, _well(path), LINES[m], color=COLOURS[m], marker=MARKS[m], label=name)
    well.set(title="30 steps from 1.15", xlabel="w", ylabel="(w^2 - 1)^2 + .3 w")
    for m, (name, part) in enumerate(result["shares"].items()):
        shares.plot(result["edges"][:-1] + 0.025, part, color=COLOURS[m], linestyle=LINES[m], label=name)
    shares.set(title="leave the poor well (bottom: .96)", xlabel="start", ylabel="share", ylim=(-0.05, 1.5))
    for m, (name, values) in enumerate(result["curves"].items()):
        look = {"color": COLOURS[m], "linestyle": LINES[m], "label": name}
        curve.semilogy(values, **look)
        final.loglog(result["rates"], result["final"][name], marker=MARKS[m], **look)
    curve.set(title=f"a network from a rate of {LARGE:g}", xlabel="step", ylabel="median risk")
    final.set(title="the network, 100 last steps of 600", xlabel="rate at the start", ylabel="median risk")
    for panel in figure.axes:
        panel.legend()
    return figure
