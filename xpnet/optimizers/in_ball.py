"""The minimum of a quadratic function in a ball, where its matrix is diagonal.

It is the heart of a trust region: in the coordinates of the eigenvectors every matrix is diagonal. The
solution has to be found for every slope and curvature, however large, small, or equal to another.
"""

from __future__ import annotations

from ..device.arrays import Array, Namespace

NEGLIGIBLE = 1e-250  # a slope so much smaller than the largest term is none
ACCURACY = 1e-13  # of the length, relative to the radius
ITERATIONS = 200


def in_ball(xp: Namespace, curvatures: Array, slopes: Array, radii: Array) -> Array:
    """The minimum of `sum_i s_i q_i + c_i q_i^2 / 2` over `|q| <= radius`, for each of N such problems.

    It is `q_i = -s_i / (c_i + t)` with the least `t >= max(0, -min c)` for which `|q| <= radius`. Where
    that is shorter than the radius although the lowest curvature is negative (the hard case) the rest of
    the way goes along the lowest curvature (More, Sorensen 1983).

    Args:
        xp: the namespace of the arrays, which have 64 bits.
        curvatures, slopes: `(N, P)`, finite, in any order.
        radii: `(N,)`, positive.
    """
    with_axis = radii[:, None]
    # the minimum is the same where slopes and curvatures are multiplied by one number
    slopes, curvatures = _scaled(xp, slopes, curvatures)
    # in units of the radius: a u + b u^2 / 2 over |u| <= 1
    a, b = _scaled(xp, slopes, curvatures * with_axis)
    toward = xp.where(a > 0.0, -1.0, 1.0)
    a = xp.where(xp.abs(a) < NEGLIGIBLE, 0.0, a)

    lowest = xp.min(b, axis=1, keepdims=True)
    above = b - lowest  # exactly zero for the lowest, so that nothing cancels in above + t, t >= 0
    least = xp.maximum(lowest, xp.zeros_like(lowest))
    # |u| = 1 lies where t is at least |a_i| - above_i for every i, and at most |a|
    low = xp.maximum(least, xp.max(xp.abs(a) - above, axis=1, keepdims=True))
    high = xp.maximum(low, _length(xp, a))
    t, u = low, _at(xp, a, above, low)
    length = _length(xp, u)
    inside = (length < 1.0) & (low == least)
    for _ in range(ITERATIONS):
        going = ~inside & (xp.abs(length - 1.0) > ACCURACY) & (low < high)
        if not xp.any(going):
            break
        low = xp.where(going & (length > 1.0), t, low)
        high = xp.where(going & (length < 1.0), t, high)
        # Newton's step for 1 / |u| = 1, which is nearly linear in t
        falls = xp.sum(_ratio(xp, u * u, above + t), axis=1, keepdims=True)
        newton = t + _ratio(xp, length * length * (length - 1.0), falls)
        middle = xp.sqrt(low) * xp.sqrt(high)
        new = xp.where((newton > low) & (newton < high), newton, middle)
        closed = (new <= low) | (new >= high)  # no number lies between
        high = xp.where(going & closed, low, high)
        t = xp.where(going, xp.where(closed, low, new), t)
        u = _at(xp, a, above, t)
        length = _length(xp, u)

    hard = inside & (lowest < 0.0)
    room = xp.sqrt(xp.maximum((1.0 - length) * (1.0 + length), xp.zeros_like(length)))
    first = xp.argmin(b, axis=1, keepdims=True) == xp.arange(b.shape[1])[None, :]
    u = xp.where(hard & first, toward * room, u)
    return with_axis * (u / xp.maximum(_length(xp, u), xp.ones_like(length)))


def _at(xp: Namespace, a: Array, above: Array, t: Array) -> Array:
    """`u(t)`; zero where slope and denominator vanish."""
    return -_ratio(xp, a, above + t)


def _ratio(xp: Namespace, numerator: Array, denominator: Array) -> Array:
    """The quotient; zero where the denominator is."""
    return xp.where(denominator > 0.0, numerator / xp.where(denominator > 0.0, denominator, 1.0), 0.0)


def _length(xp: Namespace, u: Array) -> Array:
    """The Euclidean length of each row, `(N, 1)`, for components of about 1 at most."""
    return xp.sqrt(xp.sum(u * u, axis=1, keepdims=True))


def _scaled(xp: Namespace, a: Array, b: Array) -> tuple[Array, Array]:
    """Both divided by the largest absolute number in either, row by row."""
    size = xp.maximum(xp.max(xp.abs(a), axis=1, keepdims=True), xp.max(xp.abs(b), axis=1, keepdims=True))
    size = xp.where(size > 0.0, size, 1.0)
    return a / size, b / size
