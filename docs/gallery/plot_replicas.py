"""
Many starts at once
===================

A band from the tenth to the ninetieth percentile of 30 starts, trained as one, and their median. Look
for a band that stays wide: some starts have found a much better minimum than others, and one run alone
tells little.
"""

import numpy as np

import xpnet
from xpnet import plotting

random = np.random.default_rng(0)
X = random.uniform(-1, 1, (300, 2))
labels = (X[:, 0] * X[:, 1] > 0).astype(int)
network = xpnet.Network(2, xpnet.Dense(4, "tanh"), xpnet.Dense(2, "softmax"))
risk = xpnet.EmpiricalRisk(network, xpnet.CrossEntropy(), X, labels)
w = network.initialize(seed=0, replicas=30)

ax = None
for name, method in {"momentum": xpnet.Momentum(0.5), "Adam": xpnet.Adam(0.05)}.items():
    run = xpnet.minimize(risk, method, w, stop=xpnet.after(200))
    ax = plotting.history(run, ax, label=name)
