"""
Spectral density
================

The density of the eigenvalues of the Hessian, without a Hessian: from products with random vectors. Look
at the bulk around zero and the few bumps far to the right of it; the largest of these limits the step
size.
"""

import numpy as np

import xpnet
from xpnet import analysis, plotting

random = np.random.default_rng(0)
X = random.uniform(-1, 1, (300, 8))
labels = np.argmax(X[:, :4] * X[:, 4:], axis=1)
network = xpnet.Network(8, xpnet.Dense(48, "tanh"), xpnet.Dense(4, "softmax"))
risk = xpnet.EmpiricalRisk(network, xpnet.CrossEntropy(), X, labels)
start = network.initialize(seed=0)
run = xpnet.minimize(risk, "momentum", start, stop=xpnet.after(300))

ax = None
for name, w in {"before training": start, "after 300 steps": run.w}.items():
    ax = plotting.density(analysis.hessian_density(risk, w), ax, label=name)
