"""
The plane of a path
===================

The objective on the plane in which the paths of two runs move most, their first two principal
components. The labels say how much of the points' variance that plane holds: what is left over is not in
the picture, so a path may seem to climb where in truth it falls.
"""

import numpy as np

import xpnet
from xpnet import analysis, plotting

random = np.random.default_rng(0)
X = random.uniform(-1, 1, (300, 2))
labels = (X[:, 0] * X[:, 1] > 0).astype(int)
network = xpnet.Network(2, xpnet.Dense(8, "tanh"), xpnet.Dense(2, "softmax"))
risk = xpnet.EmpiricalRisk(network, xpnet.CrossEntropy(), X, labels)
w = network.initialize(seed=0)

paths = {}
for name, method in {"momentum": xpnet.Momentum(0.5), "Adam": xpnet.Adam(0.05)}.items():
    paths[name] = xpnet.minimize(risk, method, w, stop=xpnet.after(200), keep_path=True).history.path
frame = analysis.path_frame(*paths.values())
plane = analysis.plane(risk, frame, around=paths.values())
plotting.contours(plane, paths=paths)
print("farthest from the plane:", frame.distances(paths["Adam"]).max().round(2))
