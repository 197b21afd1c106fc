"""
What a classifier decides
=========================

The class that a network gives to each point of the plane, with its training samples, a tenth of which
have wrong labels. Look at the islands around single samples: a network that makes them has learnt these
by heart; a penalty on its weights takes them away.
"""

import matplotlib.pyplot as plt
import numpy as np

import xpnet
from xpnet import analysis, plotting

random = np.random.default_rng(0)
labels = np.repeat([0, 1, 2], 60)
length = random.uniform(0.2, 1.0, 180)
angle = 4 * length + 2 * np.pi / 3 * labels + random.normal(0, 0.15, 180)
X = (length * np.stack([np.cos(angle), np.sin(angle)])).T
labels[random.permutation(180)[:18]] = random.integers(0, 3, 18)
network = xpnet.Network(2, xpnet.Dense(32, "tanh"), xpnet.Dense(32, "tanh"), xpnet.Dense(3, "softmax"))

_, axes = plt.subplots(1, 2, figsize=(10, 4.8), layout="constrained")
penalties = {"no penalty": None, "L2 penalty, 0.01": xpnet.L2(0.01)}
for ax, (name, penalty) in zip(axes, penalties.items(), strict=True):
    risk = xpnet.EmpiricalRisk(network, xpnet.CrossEntropy(), X, labels, penalty=penalty)
    run = xpnet.minimize(risk, "lbfgs", network.initialize(seed=0), stop=xpnet.after(300))
    found = analysis.decision_regions(network, run.w, X=X)
    plotting.regions(found, ax, X=X, labels=labels).set_title(name)
    ax.locator_params(nbins=5)
