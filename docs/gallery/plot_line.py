"""
A line through a solution
=========================

Training and held-out risk along one random direction through trained parameters. Look at whether both
are least at the same place: where they are not, the solution fits its samples better than what they were
drawn from.
"""

import numpy as np

import xpnet
from xpnet import analysis, plotting

random = np.random.default_rng(0)
X = random.uniform(-1, 1, (600, 2))
labels = (X[:, 0] * X[:, 1] > 0).astype(int)
network = xpnet.Network(2, xpnet.Dense(16, "tanh"), xpnet.Dense(2, "softmax"))
training, held_out = (
    xpnet.EmpiricalRisk(network, xpnet.CrossEntropy(), X[part], labels[part])
    for part in (slice(0, 100), slice(100, 600))
)
run = xpnet.minimize(training, "lbfgs", network.initialize(seed=0), stop=xpnet.after(50))

frame = analysis.random_frame(run.w, 1, seed=3, network=network)
ax = plotting.line(analysis.line(training, frame), label="training")
plotting.line(analysis.line(held_out, frame), ax, label="held out")
