"""
Between two solutions
=====================

The risk on the straight way from one trained network to another. Look at the barrier, the height above
the chord: two starts usually end in basins with a mountain between them, although the risk is small at
both ends; networks that share the first part of their training do not (Frankle and others 2020).
"""

import numpy as np

import xpnet
from xpnet import analysis, plotting

random = np.random.default_rng(0)
X = random.uniform(-1, 1, (300, 2))
labels = (X[:, 0] * X[:, 1] > 0).astype(int)
network = xpnet.Network(2, xpnet.Dense(16, "tanh"), xpnet.Dense(2, "softmax"))
risk = xpnet.EmpiricalRisk(network, xpnet.CrossEntropy(), X, labels, penalty=xpnet.L2(1e-3))

stop = xpnet.after(100)
other = xpnet.minimize(risk, "lbfgs", network.initialize(seed=1), stop=stop).w
early = xpnet.minimize(risk, "lbfgs", network.initialize(seed=0), stop=xpnet.after(15)).w
first, second = (xpnet.minimize(risk, method, early, stop=stop).w for method in ("lbfgs", "rprop"))

ax = plotting.line(analysis.between(risk, first, other), label="another start", chord=True)
plotting.line(analysis.between(risk, first, second), ax, label="15 shared steps", chord=True)
ax.legend(fontsize="small", loc="upper right")
