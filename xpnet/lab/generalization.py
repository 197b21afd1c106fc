"""Penalties and early stopping close the gap between training and test; a closed gap is not yet a gain.

**The claim.** What a network learns of few samples is partly their noise. Penalties on the weights, L2
(Krogh, Hertz 1992) and L1 (Tibshirani 1996), early stopping on held-out data (Prechelt 1998), dropout
(Srivastava et al. 2014) and normalization (Ba, Kiros, Hinton 2016) make it generalize.

**The prediction.** 200 digits, 30 of them with a label drawn at random, so that there is something not to
learn. Of the risks on test and training data the difference is the gap. (It may be negative: only training
has false labels.) With L2, L1 or early stopping it is below nine tenths of what it is with nothing, and the
test risk is lower too. **Dropout and normalization alone promise no such thing**: trained to the end, the
thinned network learns the false labels as well, and normalization makes all training faster, that too. And
the gap alone is no aim: as a penalty grows it closes, but the test risk has a minimum and rises again,
until nothing at all is learned.

**Exercises.**

1. Where on its way does early stopping end, in steps? Where would it with `Nesterov(0.02, 0.9)`?
2. Dropout alone: find a probability at which the test risk is below that with nothing. What of the gap?
3. Give all 200 digits their true labels. Which remedies are still worth it?
"""

from __future__ import annotations

from typing import Any

import numpy as np

import xpnet
from xpnet import L1, L2, Dense, Dropout, EmpiricalRisk, LayerNorm, Minibatch, Nesterov, Network
from xpnet.lab import COLOURS, MARKS, Lab, Result, at_least, at_most, digits, panels, reported

ROWS = ("36",)
QUICK: dict[str, Any] = {"steps": 150, "starts": 3, "strengths": (1e-3, 1e-2, 1.0)}
HIDDEN = Dense(64, "tanh")
REMEDIES: dict[str, tuple[Any, Any]] = {  # layers before the last, penalty
    "nothing": ([HIDDEN], None),
    "L2, 0.01": ([HIDDEN], L2(0.01)),
    "L1, 0.001": ([HIDDEN], L1(0.001)),
    "early stopping": ([HIDDEN], None),
    "dropout, 0.5": ([HIDDEN, Dropout(0.5)], None),
    "dropout and L2": ([HIDDEN, Dropout(0.5)], L2(0.01)),
    "layer norm": ([HIDDEN, LayerNorm()], None),
}
SURE = ("L2, 0.01", "L1, 0.001", "early stopping", "dropout and L2")
SHOWN = ("nothing", "L2, 0.01", "dropout, 0.5", "layer norm")
STRENGTHS = (1e-4, 1e-3, 3e-3, 1e-2, 3e-2, 0.1, 0.3, 1.0)


def run(lab: Lab, steps: int = 300, starts: int = 5, strengths: tuple[float, ...] = STRENGTHS) -> Result:
    data = _parts(lab)
    ends: dict[str, Any] = {}  # risk in training, risk and error rate on test data: means over the starts
    curves: dict[str, Any] = {}
    for name in lab.each(REMEDIES, "remedy"):
        layers, penalty = REMEDIES[name]
        ends[name], curves[name] = _trained(
            lab, data, layers, penalty, steps, starts, early=name == "early stopping"
        )
    gaps = {name: end[1] - end[0] for name, end in ends.items()}
    found: list[Any] = []
    for name, (_, test, error) in ends.items():
        what = f"{name}: gap"
        if name in SURE:
            found.append(at_most("36", f"{what} / gap with nothing", gaps[name] / gaps["nothing"], 0.9))
            found.append(at_most("36", f"{name}: test risk / with nothing", test / ends["nothing"][1], 1.0))
        else:
            found.append(reported("36", what, gaps[name]))
            found.append(reported("36", f"{name}: test risk", test))
        found.append(reported("36", f"{name}: test accuracy", 1 - error))
    sweep = np.stack(
        [_trained(lab, data, [HIDDEN], L2(c), steps, starts)[0] for c in lab.each(strengths, "penalty")]
    )
    closed = (sweep[-1, 1] - sweep[-1, 0]) / gaps["nothing"]
    found.append(at_most("36", f"L2, {strengths[-1]:g}: gap / gap with nothing", closed, 0.25))
    worse = sweep[-1, 1] / sweep[:, 1].min()
    found.append(at_least("36", f"L2, {strengths[-1]:g}: test risk / that of the best L2", worse, 1.5))
    numbers = {"ends": ends, "curves": curves, "strengths": strengths, "sweep": sweep}
    return Result(numbers, tuple(found))


def _parts(lab: Lab) -> list[tuple[Any, Any]]:
    """Images and digits to train on, to stop by, and to test on."""
    X, labels = digits(lab)
    labels[:30] = lab.random(1).integers(0, 10, 30)
    return [(X[:200], labels[:200]), (X[200:500], labels[200:500]), (X[500:], labels[500:])]


def _trained(
    lab: Lab, data: Any, layers: Any, penalty: Any, steps: int, starts: int, early: bool = False
) -> tuple[Any, Any]:
    """Risk in training, risk and error rate on test data at the end; and both risks on the way."""
    net = Network(64, *layers, Dense(10, "softmax"))

    def risk(part: int, **options: Any) -> EmpiricalRisk:
        own: Any = {"training": False, "backend": lab.backend, "dtype": "float64"} | options
        return EmpiricalRisk(net, xpnet.CrossEntropy(), *data[part], **own)

    inside, outside, objective = risk(0), risk(2), risk(0, training=True, penalty=penalty)
    method: Any = Nesterov(0.2, 0.9)
    if xpnet.Offers.REDRAW in objective.offers:  # new masks at each step
        method = Minibatch(method, size=objective.samples)

    def training(_: Any, w: Any) -> Any:
        return inside.value(w)

    def test(_: Any, w: Any) -> Any:
        return outside.value(w)

    looks = xpnet.minimize(
        objective,
        method,
        net.initialize(lab.seed, lab.backend, "float64", replicas=starts),
        held_out=risk(1),
        stop=xpnet.after(steps),
        metrics={"training": training, "test": test},
        check_every=10,
    )
    w: Any = looks.best_w if early else looks.w
    ends = (inside.value(w), outside.value(w), outside.error_rate(w))
    way: Any = looks.history.metrics
    end = np.stack([lab.numpy(values) for values in ends]).mean(axis=1)
    return end, np.stack([way["training"], way["test"]]).mean(axis=2)


def draw(result: Result) -> Any:
    figure, ((way, gap), (sweep, accuracy)) = panels(2, 2)
    for k, name in enumerate(SHOWN):
        training, test = result["curves"][name]
        at = 10 * np.arange(len(test))
        way.semilogy(at, test, color=COLOURS[k], marker=MARKS[k], markevery=5, label=name)
        way.semilogy(at, training, color=COLOURS[k], marker=MARKS[k], markevery=5, linestyle="--")
    way.set(title="risk on the way (dashed: in training)", xlabel="step", ylabel="risk")
    names, ends = [*result["ends"]], np.stack([*result["ends"].values()])
    place = np.arange(len(names))
    gap.barh(place, ends[:, 1] - ends[:, 0], left=ends[:, 0], color="0.8")
    gap.plot(ends[:, 0], place, COLOURS[0], marker=MARKS[0], linestyle="", label="in training")
    gap.plot(ends[:, 1], place, COLOURS[1], marker=MARKS[1], linestyle="", label="test")
    gap.set(title="the gap of each remedy", xlabel="risk at the end", ylabel="remedy", xlim=(-0.05, None))
    accuracy.plot(100 * (1 - ends[:, 2]), place, COLOURS[2], marker=MARKS[2], linestyle="", markersize=9)
    accuracy.set(title="what they are for", xlabel="test accuracy, percent", ylabel="remedy", xlim=(70, 95))
    for panel in (gap, accuracy):
        panel.set_yticks(place, names)
        panel.invert_yaxis()
        panel.grid(axis="y", alpha=0.3)
    for k, label in ((1, "test"), (0, "in training")):
        sweep.semilogx(
            result["strengths"], result["sweep"][:, k], color=COLOURS[k], marker=MARKS[k], label=label
        )
    sweep.set(
        title="L2: the gap closes, and then?", xlabel="strength of the penalty", ylabel="risk at the end"
    )
    for panel in (way, gap, sweep):
        panel.legend()
    return figure
