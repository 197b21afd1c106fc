"""Compares ways to a smaller gap between training and test risk, on few handwritten digits.

`python examples/generalize.py` trains the same network on 200 of scikit-learn's digits, 30 of them with a
label drawn at random, so that there is something not to learn; 300 steps from five starts at once. It
prints the mean cross-entropy on the training and the test images at the end, their difference, and the
accuracy, each the mean over the starts. Early stopping takes the point that was best on 300 images kept
for it. It is how ci/results/generalization.txt is made.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from sklearn.datasets import load_digits

import xpnet
from xpnet import L1, L2, Dense, Dropout, LayerNorm, Minibatch, Nesterov

STARTS = 5
HIDDEN = Dense(64, "tanh")
METHODS = {  # layers between input and output, penalty
    "nothing": ([HIDDEN], None),
    "L2, 0.01": ([HIDDEN], L2(0.01)),
    "L1, 0.001": ([HIDDEN], L1(0.001)),
    "early stopping": ([HIDDEN], None),
    "dropout, 0.5": ([HIDDEN, Dropout(0.5)], None),
    "dropout, 0.5, and L2": ([HIDDEN, Dropout(0.5)], L2(0.01)),
    "layer norm": ([HIDDEN, LayerNorm()], None),
}


def images(seed: int = 0) -> list[tuple[np.ndarray, np.ndarray]]:
    """Images and digits to train on, to stop by, and to test on."""
    X, d = load_digits(return_X_y=True)
    order = np.random.default_rng(seed).permutation(len(X))
    parts = [(X[part] / 16, d[part]) for part in np.split(order, [200, 500])]
    parts[0][1][:30] = np.random.default_rng(seed).integers(0, 10, 30)
    return parts


def train(name: str, steps: int = 300) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Training risk, test risk and test accuracy of each start."""
    hidden, penalty = METHODS[name]
    network = xpnet.Network(64, *hidden, Dense(10, "softmax"))
    training, stopping, test = images()

    def risk(data: tuple[np.ndarray, np.ndarray], **options: object) -> xpnet.EmpiricalRisk:
        options = {"training": False, "backend": "numpy"} | options
        return xpnet.EmpiricalRisk(network, xpnet.CrossEntropy(), *data, **options)

    objective = risk(training, training=True, penalty=penalty)
    optimizer = Nesterov(0.2, 0.9)
    if xpnet.Offers.REDRAW in objective.offers:  # new masks at each step
        optimizer = Minibatch(optimizer, size=objective.samples)
    run = xpnet.minimize(
        objective,
        optimizer,
        network.initialize(0, "numpy", replicas=STARTS),
        held_out=risk(stopping),
        stop=xpnet.after(steps),
    )
    w = run.best_w if name == "early stopping" else run.w
    right = network.predict(w, test[0]).argmax(axis=-1) == test[1]
    return risk(training).value(w), risk(test).value(w), right.mean(axis=-1)


def table(steps: int = 300) -> list[str]:
    lines = [f"{'':26}{'training':>10}{'test':>10}{'gap':>10}{'accuracy':>10}"]
    for name in METHODS:
        inside, outside, right = (values.mean() for values in train(name, steps))
        cells = f"{inside:10.3f}{outside:10.3f}{outside - inside:10.3f}{right:10.1%}"
        lines.append(f"{name:26}{cells}")
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
