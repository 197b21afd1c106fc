"""How far one linear boundary is turned against another."""

from __future__ import annotations

import math
from typing import Any

from .. import checks
from ..device.arrays import Array, Namespace
from ..device.select import backend


def boundary_angle(first: Any, second: Any) -> float | Array:
    """The angle between the boundaries `u.x + b = 0` and `v.x + c = 0`, in degrees, from 0 to 180.

    It is that of their normals `u` and `v`, which point to the class +1: where the classes change sides,
    the boundary has turned by 180 degrees. It is exact for the smallest angles too (Kahan 2006):
    `2 atan2(|u/|u| - v/|v||, |u/|u| + v/|v||)`.

    Args:
        first, second: the weights `u` and `v` without the biases, `(n,)`, or `(R, n)` for R boundaries; one
            stands for all.

    Returns:
        A float, or `(R,)` on the host.

    Raises:
        TypeError, ValueError: weights of another kind or shape, not finite, or all zero.

    >>> from xpnet.analysis import boundary_angle
    >>> boundary_angle([1.0, 0.0], [3.0, 3.0])
    45.0
    >>> boundary_angle([[1.0, 0.0], [0.0, -2.0]], [0.0, 1.0]).tolist()
    [90.0, 180.0]
    """
    host = backend("numpy")
    xp = host.xp
    with host.quiet():
        u, v = (
            _units(xp, "first", host.asarray(first, "float64", name="first")),
            _units(xp, "second", host.asarray(second, "float64", name="second")),
        )
        if u.shape[-1] != v.shape[-1] or (u.ndim == v.ndim == 2 and u.shape[0] != v.shape[0]):
            raise ValueError(
                f"second must fit first, of shape {tuple(u.shape)}, got shape {tuple(v.shape)}"
            )
        apart, along = xp.linalg.vector_norm(u - v, axis=-1), xp.linalg.vector_norm(u + v, axis=-1)
        angles = 2.0 * xp.atan2(apart, along) * (180.0 / math.pi)
    return angles if angles.ndim else float(angles)


def _units(xp: Namespace, name: str, normals: Array) -> Array:
    if normals.ndim not in (1, 2) or not normals.size:
        raise ValueError(f"{name} must be (n,) or (R, n), got shape {tuple(normals.shape)}")
    checks.finite(xp, name, normals)
    size = xp.max(xp.abs(normals), axis=-1, keepdims=True)
    if not bool(xp.all(size > 0.0)):
        raise ValueError(f"{name} must not be all zero, as such weights have no boundary")
    scaled = normals / size
    return scaled / xp.linalg.vector_norm(scaled, axis=-1, keepdims=True)
