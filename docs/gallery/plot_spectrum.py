"""
Eigenvalues
===========

All eigenvalues of the Hessian of a network's risk before and after training. Look at how few are large,
about as many as there are outputs or classes, beside the many near zero, directions in which nothing
changes; and at the negative ones, down which it still goes.
"""

import matplotlib.pyplot as plt
import numpy as np

import xpnet
from xpnet import analysis, plotting

random = np.random.default_rng(0)
X = random.uniform(-1, 1, (300, 2))
labels = (X[:, 0] * X[:, 1] > 0).astype(int)
network = xpnet.Network(2, xpnet.Dense(8, "tanh"), xpnet.Dense(2, "softmax"))
risk = xpnet.EmpiricalRisk(network, xpnet.CrossEntropy(), X, labels, dtype="float64")
start = network.initialize(seed=0, dtype="float64")
run = xpnet.minimize(risk, "momentum", start, stop=xpnet.after(500))

_, axes = plt.subplots(1, 2, figsize=(9, 4), layout="constrained")
for ax, name, w in zip(axes, ("before training", "after 500 steps"), (start, run.w), strict=True):
    plotting.spectrum(analysis.hessian_spectrum(risk, w), ax).set_title(name)
