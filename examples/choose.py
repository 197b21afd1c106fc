"""Trains two small networks with every optimizer and prints what it took to reach the same risk.

A classifier, 600 of scikit-learn's digits, 64-8-10 tanh, to a cross-entropy of 0.02; and a regression, 500
points of a function of two variables, 2-10-10-1 tanh, to a squared error of 1e-4. A cell is the number of
evaluations (values, gradients and products with second derivatives alike) and the seconds that they took,
or a dash where 15 seconds were not enough. First-order optimizers have a rate to choose: a first run tries
eight as replicas, and is not counted; its best rate is the one that is shown. `python examples/choose.py`
is how ci/results/networks.txt is made.
"""

from __future__ import annotations

import argparse
import dataclasses
from pathlib import Path

import numpy as np
from sklearn.datasets import load_digits

import xpnet

RATES = 10.0 ** np.arange(-3, 0.6, 0.5)
SECONDS = 15.0
NAMES = {name: optimizer for name, optimizer in xpnet.optimizers.NAMES.items() if name != "perceptron"}


def digits() -> tuple[xpnet.EmpiricalRisk, float]:
    X, d = load_digits(return_X_y=True)
    network = xpnet.Network(64, xpnet.Dense(8, "tanh"), xpnet.Dense(10, "softmax"))
    return risk(network, xpnet.CrossEntropy(), X[:600] / 16, d[:600]), 0.02


def regression() -> tuple[xpnet.EmpiricalRisk, float]:
    X = np.random.default_rng(0).uniform(-1, 1, (500, 2))
    d = np.sin(3 * X[:, 0]) * np.cos(2 * X[:, 1])
    network = xpnet.Network(2, xpnet.Dense(10, "tanh"), xpnet.Dense(10, "tanh"), xpnet.Dense(1))
    return risk(network, xpnet.SquaredError(), X, d), 1e-4


def risk(network: xpnet.Network, divergence: xpnet.Divergence, X: np.ndarray, d: np.ndarray):
    return xpnet.EmpiricalRisk(network, divergence, X, d, backend="numpy", dtype="float64")


PROBLEMS = {"digits": digits, "regression": regression}


def best_rate(objective: xpnet.EmpiricalRisk, target: float, optimizer: xpnet.FirstOrder) -> float:
    """The rate that is first to reach `target`; if none does, the one that comes nearest."""
    w = np.tile(objective.network.initialise(0, "numpy", "float64"), (len(RATES), 1))
    stop = xpnet.value_below(target) | xpnet.after(3000) | xpnet.time_limit(SECONDS)
    run = xpnet.minimize(objective, dataclasses.replace(optimizer, rate=RATES[:, None]), w, stop=stop)
    reached = run.history.value <= target
    steps = np.where(reached.any(axis=0), reached.argmax(axis=0), run.steps)
    return float(RATES[np.lexsort((run.best_value, steps))[0]])


def reach(problem: str, name: str) -> tuple[int | None, float, float | None]:
    """Evaluations (None if too many), seconds, and the rate where there is one to choose."""
    objective, target = PROBLEMS[problem]()
    optimizer, rate = NAMES[name], None
    if isinstance(optimizer, xpnet.FirstOrder):
        rate = best_rate(objective, target, optimizer)
        optimizer = dataclasses.replace(optimizer, rate=rate)
    w = objective.network.initialise(0, "numpy", "float64")
    stop = xpnet.value_below(target) | xpnet.time_limit(SECONDS) | xpnet.after(100_000)
    run = xpnet.minimize(objective, optimizer, w, stop=stop)
    solved = run.best_value <= target
    return sum(run.evaluations.values()) if solved else None, run.seconds, rate


def table() -> list[str]:
    lines = [f"{'evaluations / seconds / rate':26}" + "".join(f"{problem:>26}" for problem in PROBLEMS)]
    for name in NAMES:
        cells = []
        for problem in PROBLEMS:
            count, seconds, rate = reach(problem, name)
            text = "-" if count is None else f"{count} / {seconds:.3f}"
            cells.append(text if rate is None or count is None else f"{text} / {rate:.3g}")
        lines.append(f"{name:26}" + "".join(f"{cell:>26}" for cell in cells))
    return lines


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--output", type=Path, help="a file to write the table to as well")
    arguments = parser.parse_args()
    lines = table()
    print("\n".join(lines))
    if arguments.output:
        arguments.output.write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
