"""
A run at a glance
=================

Value and held-out risk, gradient norm and learning rate of one run. Look for the step at which the held-
out risk turns up while the objective still falls, as what is learnt from there on is noise; and whether
the gradient is small at the end, which a flat value alone does not say.
"""

import numpy as np

import xpnet
from xpnet import plotting

random = np.random.default_rng(0)
X = random.uniform(-1, 1, (400, 2))
labels = (X[:, 0] * X[:, 1] > 0).astype(int)
wrong = random.random(400) < 0.1
labels[wrong] = 1 - labels[wrong]
network = xpnet.Network(2, xpnet.Dense(32, "tanh"), xpnet.Dense(2, "softmax"))
risk = xpnet.EmpiricalRisk(network, xpnet.CrossEntropy(), X[:150], labels[:150])

method = xpnet.Nesterov(xpnet.schedules.Cosine(0.5, 800), 0.9)
held_out = X[150:], labels[150:]
w = network.initialize(seed=0)
run = xpnet.minimize(risk, method, w, stop=xpnet.after(800), held_out=held_out, held_out_every=20)
plotting.overview(run)
