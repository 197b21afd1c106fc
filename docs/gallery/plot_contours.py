"""
Contours, and paths on them
===========================

Three methods in Rosenbrock's valley, from hollow marks to full ones. Look at how they take the curved
floor: gradient descent, always at right angles to the contours, drops to it and then creeps; momentum
swings from side to side, and is carried along; Newton's steps know the curvature, and follow it to the
minimum.
"""

import numpy as np

import xpnet
from xpnet import analysis, plotting

valley = xpnet.LeastSquares(
    lambda xp, w: xp.stack([10.0 * (w[..., 1] - w[..., 0] ** 2), 1.0 - w[..., 0]], axis=-1), backend="numpy"
)
start = np.array([-1.2, 1.0])
methods = {
    "Newton": "newton",
    "momentum": xpnet.Momentum(1e-3),
    "gradient descent": xpnet.GradientDescent(1e-3),
}
paths = {
    name: xpnet.minimize(valley, method, start, stop=xpnet.after(1000), keep_path=True).history.path
    for name, method in methods.items()
}

frame = analysis.coordinate_frame(start, 0, 1)
plane = analysis.plane(valley, frame, around=paths.values(), points=121)
plotting.contours(plane, paths=paths)
