"""Learns to read handwritten digits by the full gradient.

    python examples/digits.py

runs on NumPy, or on a GPU with XPNET_BACKEND=cupy.
"""

import argparse
from pathlib import Path

import matplotlib.pyplot as plt
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

import xpnet

parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
parser.add_argument("--steps", type=int, default=300)
parser.add_argument("--seed", type=int, default=0)
parser.add_argument("--output", type=Path, default=Path("digits.png"), help="the picture")
options = parser.parse_args()

images, digits = load_digits(return_X_y=True)  # 1797 images of 8 x 8 pixels, 0 to 16
X, X_test, d, d_test = train_test_split(
    images / 16, digits, test_size=0.25, stratify=digits, random_state=options.seed
)

backend = xpnet.backend()
network = xpnet.Network(64, xpnet.Dense(256, "relu"), xpnet.Dense(10, "softmax"))
divergence = xpnet.CrossEntropy()
risk = xpnet.EmpiricalRisk(network, divergence, X, d, penalty=xpnet.L2(1e-3), backend=backend)
held_out = xpnet.EmpiricalRisk(network, divergence, X_test, d_test, backend=backend)
w = network.initialize(options.seed, backend)

print(network.describe(), "\n")
run = xpnet.minimize(
    risk,
    xpnet.Nesterov(rate=0.1, momentum=0.9),
    w,
    stop=xpnet.after(options.steps),
    held_out=held_out,
    progress=True,
)


def predicted(X):
    return backend.to_numpy(network.predict(run.w, X)).argmax(axis=1)


wrong = predicted(X_test) != d_test
print(f"\nbackend         {backend.describe()}")
print(f"time            {1e3 * run.seconds / run.steps:.2f} ms a step, {run.steps} steps")
print(f"train accuracy  {(predicted(X) == d).mean():.2%}")
print(f"test accuracy   {1 - wrong.mean():.2%}  ({wrong.sum()} of {len(wrong)} misread)")

figure = plt.figure(figsize=(10, 4), layout="constrained")
left, right = figure.subfigures(1, 2)
axes = left.subplots()
history = run.history
axes.semilogy(history.step, history.value, label="training risk, with penalty")
seen = history.held_out == history.held_out  # not NaN
axes.semilogy(history.step[seen], history.held_out[seen], label="held-out risk")
axes.set(xlabel="step", ylabel="mean cross-entropy", title="Full-gradient training")
axes.legend()
right.suptitle("Misread test images" if wrong.any() else "No test image was misread")
guesses = predicted(X_test)
for place, number in zip(right.subplots(3, 5).flat, [*wrong.nonzero()[0], *[None] * 15], strict=False):
    place.set_axis_off()
    if number is not None:
        place.imshow(X_test[number].reshape(8, 8), cmap="gray_r")
        place.set_title(f"{d_test[number]} read as {guesses[number]}", fontsize=8)
figure.savefig(options.output, dpi=120)
print(f"picture         {options.output.resolve()}")
