"""Many small steps learn more from a pass than one exact step, and jitter unless the rate decays.

**The claim.** Instead of the gradient over all samples take that of one, or of a few: a step costs less
and points the right way in the mean (Robbins, Monro 1951). At a constant rate it never settles; with rates
whose sum diverges while that of their squares does not, it does. RMSprop (Tieleman, Hinton 2012), Adagrad
(Duchi, Hazan, Singer 2011) and Adam (Kingma, Ba 2015) give each component a step size of its own.

**The prediction.** A batch of all samples is the full gradient, bit for bit. After as many passes over the
data, small batches are far ahead, each at its best rate; **but they took many more steps**. For least
squares on `d` normal features with noise of variance `s`, batches of `b` at the rate `eta` hover in the
mean `eta s d / (2 b (2 - eta (d + 1 + b) / b))` above the minimum, at small rates in proportion to them.
Where each feature has a scale of its own, one rate for all is wrong for most, and adaptive methods win.
**On features of one scale they win less**, and each of them too has to be given its rate.

**Exercises.**

1. How long does a constant rate take to its hovering height? How high is that? Plan a decay from both.
2. Multiply the risk by 1000. At which rates do gradient descent, Adagrad and Adam now do as before?
3. Turn the scaled pixels by a random rotation. What is left of the adaptive methods' lead?
"""

from __future__ import annotations

import time
from typing import Any

import numpy as np

import xpnet
from xpnet import Adam, Dense, EmpiricalRisk, GradientDescent, Minibatch, Momentum, Network, RMSprop
from xpnet.lab import COLOURS, LINES, MARKS, Lab, Result, at_most, digits, equal, panels, reported

ROWS = ("34", "35")
QUICK: dict[str, Any] = {"sizes": (400, 80, 16), "passes": 10, "starts": 2}
METHODS = (GradientDescent, Momentum, RMSprop, xpnet.Adagrad, Adam)
SAMPLES, BATCH = 400, 16  # digits to learn, and the batch of the adaptive methods
RATES = 10.0 ** np.arange(-4, 1.1, 0.5)  # on digits
WHOLE: Any = {"risk": xpnet.EmpiricalRisk.value}  # over all samples
SIZES = (400, 80, 16, 4, 1)  # of batches of digits
FEATURES, FEW, NOISY = 10, 10, (0.05, 0.1, 0.2, 0.4)  # of least squares: `d`, `b`, and rates


def run(lab: Lab, sizes: tuple[int, ...] = SIZES, passes: int = 20, starts: int = 3) -> Result:
    X, labels = (values[:SAMPLES] for values in digits(lab))
    risk, w = _network(lab, X, labels, starts)
    whole, _, _ = lab.path(risk, Momentum(0.3), w[0], 20)
    parts, _, _ = lab.path(risk, Minibatch(Momentum(0.3), SAMPLES), w[0], 20)
    off = np.abs(whole - parts).max()
    found = [equal("34", "batch of all samples: off the full gradient's path", off, 0)]
    curves: dict[int, Any] = {}
    seconds: dict[str, float] = {}
    for size in lab.each(sizes, "batch"):
        begun = time.perf_counter()
        values = _values(lab, risk, GradientDescent, size, w, passes)  # (passes + 1, rates)
        seconds[f"batches of {size}"] = time.perf_counter() - begun
        curves[size] = values[:, np.argmin(values[-1])]
        what = f"batches of {size}: risk after {passes} passes, best rate"
        found.append(reported("34", what, curves[size][-1]))
    lead = curves[BATCH][-1] / curves[SAMPLES][-1]
    found.append(at_most("34", f"risk after {passes} passes: batches of {BATCH} / all samples", lead, 0.5))

    heights, decayed = _jitter(lab, passes)
    theory = [eta * FEATURES / (2 * FEW * (2 - eta * (FEATURES + 1 + FEW) / FEW)) for eta in NOISY]
    for eta, height, wanted in zip(NOISY, heights.mean(axis=0), theory, strict=True):
        found.append(equal("34", f"least squares: height at the rate {eta}", height, wanted, 0.35 * wanted))
    ended = decayed[-20:].mean() / theory[-1]
    found.append(at_most("34", "least squares: at the end of a decay / hovering", ended, 0.1))

    for own in METHODS[2:]:
        path, _, g = lab.path(risk, own(0.01), w[0], 30)
        off = np.abs(np.diff(path, axis=0) - _moves(own(0.01), g)[:-1]).max()
        found.append(at_most("35", f"{own.__name__}: off the formula", off, 1e-12))
    scales: Any = 10.0 ** lab.random(3).uniform(-1, 1, 64)
    ends: dict[str, Any] = {}
    least: Any = {}
    for what, data in (("pixels as they are", X), ("each pixel at its own scale", X * scales)):
        risk, w = _network(lab, data, labels, starts)
        ends[what] = {
            own.__name__: _values(lab, risk, own, BATCH, w, passes)[-1] for own in lab.each(METHODS, what)
        }
        least = {name: values.min() for name, values in ends[what].items()}
        found += [reported("35", f"{what}: {name}, best rate", least[name]) for name in least]
    lead = least["Adam"] / min(least["GradientDescent"], least["Momentum"])
    found.append(at_most("35", "each pixel at its own scale: Adam / better of the first two", lead, 0.7))
    numbers = {"curves": curves, "heights": heights, "decayed": decayed, "theory": theory, "ends": ends}
    return Result(numbers, tuple(found), seconds)


def _network(lab: Lab, X: Any, labels: Any, starts: int) -> tuple[EmpiricalRisk, Any]:
    net = Network(64, Dense(20, "tanh"), Dense(10, "softmax"))
    risk = EmpiricalRisk(net, xpnet.CrossEntropy(), X, labels, backend=lab.backend, dtype="float64")
    return risk, net.initialize(lab.seed, "numpy", "float64", replicas=starts)


def _values(lab: Lab, risk: EmpiricalRisk, own: Any, size: int, w: Any, passes: int) -> Any:
    """The risk over all samples after each pass: `(passes + 1, rates)`, the median over the starts."""
    each = lab.array(np.repeat(RATES, len(w))[:, None])  # every start at every rate, in one run
    many, batches = lab.array(np.tile(w, (len(RATES), 1))), -(-SAMPLES // size)
    method, stop = Minibatch(own(each), size, lab.seed), xpnet.after(passes * batches + 1)
    looks = xpnet.minimize(risk, method, many, stop=stop, metrics=WHOLE, check_every=batches)
    values: Any = looks.history.metrics["risk"][: passes + 1]
    values = np.where(np.isfinite(values), values, np.inf).reshape(passes + 1, len(RATES), -1)
    return np.median(values, axis=-1)


def _jitter(lab: Lab, passes: int) -> tuple[Any, Any]:
    """How far above its minimum least squares is: at each constant rate `(looks, rates)`, and decayed."""
    random, samples = lab.random(1), 4000
    X: Any = random.standard_normal((samples, FEATURES))
    y = X @ random.standard_normal(FEATURES) + random.standard_normal(samples)
    line = Network(FEATURES, Dense(1, bias=False))
    risk = EmpiricalRisk(line, xpnet.SquaredError(), X, y, backend=lab.backend, dtype="float64")
    least = float(risk.value(lab.array(np.linalg.lstsq(X, y)[0])))
    found: list[Any] = []
    for rates in (lab.array(NOISY)[:, None], _decayed):
        w, stop = lab.array(np.zeros((len(NOISY), FEATURES))), xpnet.after(passes * samples // FEW)
        method = Minibatch(GradientDescent(rates), FEW, lab.seed)
        looks = xpnet.minimize(risk, method, w, stop=stop, metrics=WHOLE, check_every=10)
        found.append(looks.history.metrics["risk"] - least)
    return found[0][40:], found[1][:, 0]


def _decayed(step: int) -> float:
    return NOISY[-1] / (1 + step / 20)


def _moves(method: Any, g: Any) -> Any:
    """The steps of an adaptive method on these gradients `(steps, P)`, by the formula."""
    k = np.arange(len(g))[:, None]

    def summed(decay: float, values: Any) -> Any:
        return np.tril(decay ** np.maximum(k - k.T, 0)) @ values

    m, s = g, summed(1.0, g**2)  # Adagrad
    if isinstance(method, RMSprop):
        s = 0.1 * summed(0.9, g**2)
    if isinstance(method, Adam):
        m = 0.1 * summed(0.9, g) / (1 - 0.9 ** (k + 1))
        s = 0.001 * summed(0.999, g**2) / (1 - 0.999 ** (k + 1))
    return -0.01 * m / (np.sqrt(s) + method.epsilon)


def draw(result: Result) -> Any:
    figure, ((passes, jitter), below) = panels(2, 2)
    for k, (size, values) in enumerate(result["curves"].items()):
        label = "all samples" if size == SAMPLES else f"batches of {size}"
        passes.semilogy(values, color=COLOURS[k], linestyle=LINES[k % len(LINES)], label=label)
    passes.set(title="digits: each at its best rate", xlabel="passes over the data", ylabel="risk")
    passes.set_ylim(bottom=0.2 * min(values[-1] for values in result["curves"].values()))
    looks = 10 * np.arange(len(result["decayed"]))
    for k in (0, 3):
        values, label = result["heights"][:, k], f"rate {NOISY[k]}; dashed: theory"
        jitter.semilogy(looks[-len(values) :], values, color=COLOURS[k], linewidth=0.7, label=label)
        jitter.axhline(result["theory"][k], color="black", linestyle="--", linewidth=1)
    jitter.semilogy(looks, result["decayed"], color=COLOURS[1], label="rate decayed", linewidth=0.9)
    jitter.set(title="least squares, batches of 10", xlabel="step", ylabel="risk above the minimum")
    jitter.set_ylim(top=100)
    for panel, (what, ends) in zip(below, result["ends"].items(), strict=True):
        for k, (name, values) in enumerate(ends.items()):
            panel.loglog(RATES, values, color=COLOURS[k], marker=MARKS[k], label=name)
        low = min(values.min() for values in ends.values())
        panel.set(title=f"digits, {what}", xlabel="rate", ylabel="risk at the end", ylim=(0.1 * low, 5))
    for panel in (passes, jitter, *below):
        panel.legend(loc="upper right" if panel is jitter else "lower left")
    return figure
