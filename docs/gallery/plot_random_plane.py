"""
Around a solution
=================

The risk on a plane through trained parameters, along two random directions that are made as long as the
weights of each unit (Li and others 2018), so that one unit of the axes changes weights by as much as
they are. Look at how far one can go before the risk grows: a wide, round basin is robust, a sharp or
crooked one is not.
"""

import numpy as np

import xpnet
from xpnet import analysis, plotting

random = np.random.default_rng(0)
X = random.uniform(-1, 1, (300, 2))
labels = (X[:, 0] * X[:, 1] > 0).astype(int)
network = xpnet.Network(2, xpnet.Dense(16, "tanh"), xpnet.Dense(2, "softmax"))
risk = xpnet.EmpiricalRisk(network, xpnet.CrossEntropy(), X, labels, penalty=xpnet.L2(1e-3))
run = xpnet.minimize(risk, "lbfgs", network.initialize(seed=0), stop=xpnet.after(100))

frame = analysis.random_frame(run.w, seed=1, network=network)
plotting.contours(analysis.plane(risk, frame), paths={"trained": run.w[None, :]})
