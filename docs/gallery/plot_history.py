"""
Runs side by side
=================

The norm of the gradient, step by step, of four methods that start from the same point. Look at the slope
on the logarithmic axis: a straight line is linear convergence, one that bends down is superlinear, as
Newton's is at the end. A method is also to be judged by what its steps cost, which the second picture
shows.
"""

import matplotlib.pyplot as plt
import numpy as np

import xpnet
from xpnet import plotting

random = np.random.default_rng(0)
X = random.uniform(-1, 1, (300, 2))
labels = (X[:, 0] * X[:, 1] > 0).astype(int)
network = xpnet.Network(2, xpnet.Dense(8, "tanh"), xpnet.Dense(2, "softmax"))
options = {"penalty": xpnet.L2(1e-3), "dtype": "float64"}
risk = xpnet.EmpiricalRisk(network, xpnet.CrossEntropy(), X, labels, **options)
w = network.initialize(seed=0, dtype="float64")

methods = {"momentum": xpnet.Momentum(0.5), "Adam": xpnet.Adam(0.05), "L-BFGS": "lbfgs", "Newton": "newton"}
stop = xpnet.after(300) | xpnet.gradient_below(1e-10)
runs = {name: xpnet.minimize(risk, method, w, stop=stop) for name, method in methods.items()}

ax = None
for name, run in runs.items():
    ax = plotting.history(run, ax, columns=["gradient_norm"], label=name)

# %%
# Along the axis below, evaluations of the objective, or seconds, can stand instead of steps:

_, ax = plt.subplots(layout="constrained")
for name, run in runs.items():
    plotting.history(run, ax, columns=["gradient_norm"], label=name, along="seconds")
