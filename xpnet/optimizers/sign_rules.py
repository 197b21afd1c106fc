"""The updates of Rprop and QuickProp, each one kernel over all parameters; see `rules`."""

from __future__ import annotations

from ..device.arrays import Namespace as XP
from ..device.arrays import Vector as V
from ..rules import elementwise
from .rules import S


def _step_sizes(xp: XP, agreement: V, size: V, up: S, down: S, smallest: S, largest: S):
    """Rprop's step sizes: larger where a derivative kept its sign, smaller where it changed."""
    factor = xp.where(agreement > 0.0, up, xp.where(agreement < 0.0, xp.ones_like(size) * down, 1.0))
    return xp.minimum(xp.maximum(size * factor, smallest), largest)


# In Rprop's rules `last` is the sign of the last derivative, so that no product of two can underflow.


@elementwise
def rprop_minus(xp: XP, w: V, gradient: V, last: V, size: V, *, up: S, down: S, smallest: S, largest: S):
    """RPROP-: every step has the sign of the derivative."""
    size = _step_sizes(xp, gradient * last, size, up, down, smallest, largest)
    sign = xp.sign(gradient)
    return w - sign * size, sign, size


@elementwise
def irprop_minus(xp: XP, w: V, gradient: V, last: V, size: V, *, up: S, down: S, smallest: S, largest: S):
    """iRprop-: no step where the derivative has changed its sign, and that is forgotten at once."""
    agreement = gradient * last
    size = _step_sizes(xp, agreement, size, up, down, smallest, largest)
    sign = xp.where(agreement < 0.0, 0.0, xp.sign(gradient))
    return w - sign * size, sign, size


@elementwise
def rprop_plus(
    xp: XP, w: V, gradient: V, last: V, size: V, move: V, *, up: S, down: S, smallest: S, largest: S
):
    """RPROP+: where the derivative has changed its sign, the last step is taken back."""
    agreement = gradient * last
    size = _step_sizes(xp, agreement, size, up, down, smallest, largest)
    turned, sign = agreement < 0.0, xp.sign(gradient)
    move = xp.where(turned, -move, -sign * size)
    return w + move, xp.where(turned, 0.0, sign), size, move


@elementwise
def irprop_plus(
    xp: XP,
    w: V,
    gradient: V,
    last: V,
    size: V,
    move: V,
    *,
    value: S,
    before: S,
    up: S,
    down: S,
    smallest: S,
    largest: S,
):
    """iRprop+: the last step is taken back only if the value has risen."""
    agreement = gradient * last
    size = _step_sizes(xp, agreement, size, up, down, smallest, largest)
    turned, sign = agreement < 0.0, xp.sign(gradient)
    back = xp.where(value > before, -move, xp.zeros_like(move))
    move = xp.where(turned, back, -sign * size)
    return w + move, xp.where(turned, 0.0, sign), size, move


@elementwise
def rprop_textbook(
    xp: XP, w: V, gradient: V, last: V, move: V, *, first: S, up: S, down: S, smallest: S, largest: S
):
    """The limits are taken of signed steps, which goes wrong."""
    sign = xp.sign(gradient)
    turned = gradient * last < 0.0
    shrunk = xp.maximum(down * move, smallest)
    onward = xp.where(move == 0.0, first * sign, xp.minimum(up * move, largest))
    w = xp.where(turned, w + (move - shrunk), w - onward)
    return w, xp.where(turned, last, sign), xp.where(turned, shrunk, onward)


@elementwise
def secant(xp: XP, w: V, gradient: V, last: V, move: V, *, rate: S):
    """QuickProp's plain secant step; a gradient step where there is no secant yet."""
    change = gradient - last
    usable = (change != 0.0) & (move != 0.0)
    quotient = -gradient / xp.where(usable, change, 1.0)
    move = xp.where(usable, quotient * move, -rate * gradient)
    return w + move, gradient, move


@elementwise
def quickprop(xp: XP, w: V, gradient: V, last: V, move: V, *, rate: S, growth: S, weight_decay: S):
    """Fahlman's QuickProp: the secant step, at most `growth` times the last one, and a gradient term."""
    slope = gradient + weight_decay * w
    along = move != 0.0
    onward = slope * move < 0.0  # the slope still falls in the direction of the last step
    shrink = growth / (1.0 + growth)
    # beyond this the secant would ask for more than `growth` times the last step, or turn back
    far = (move > 0.0) & (slope <= shrink * last) | (move < 0.0) & (slope >= shrink * last)
    change = last - slope
    secant = slope / xp.where(change != 0.0, change, 1.0) * move
    jump = xp.where(far, growth * move, secant)
    descent = -rate * slope
    move = xp.where(along, jump + xp.where(onward, descent, 0.0), descent)
    return w + move, slope, move
