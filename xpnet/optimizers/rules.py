"""The updates of the first-order optimizers, each one kernel over all parameters.

In the signatures `V` is an array like `w`, and `S` a number, or an array that broadcasts against `w`.
"""

from __future__ import annotations

from typing import TypeAlias

from ..device.arrays import Namespace as XP
from ..device.arrays import Vector as V
from ..rules import elementwise

S: TypeAlias = float


@elementwise
def gradient_descent(xp: XP, w: V, gradient: V, *, rate: S):
    return w - rate * gradient


@elementwise
def momentum(xp: XP, w: V, gradient: V, velocity: V, *, rate: S, momentum: S):
    velocity = momentum * velocity - rate * gradient
    return w + velocity, velocity


@elementwise
def momentum_outside(xp: XP, w: V, gradient: V, velocity: V, *, rate: S, momentum: S, share: S):
    """The rate is outside the velocity, which takes a `share` of the gradient."""
    velocity = momentum * velocity - share * gradient
    return w + rate * velocity, velocity


@elementwise
def nesterov(xp: XP, ahead: V, gradient: V, velocity: V, *, rate: S, momentum: S):
    """From the look-ahead point `ahead = w + momentum * velocity` to the next `w` and `ahead`."""
    w = ahead - rate * gradient
    velocity = momentum * velocity - rate * gradient
    return w, velocity, w + momentum * velocity


@elementwise
def nesterov_outside(xp: XP, ahead: V, gradient: V, velocity: V, *, rate: S, momentum: S):
    """The rate is outside the velocity: from `ahead = w + rate * momentum * velocity`."""
    w = ahead - rate * gradient
    velocity = momentum * velocity - gradient
    return w, velocity, w + rate * (momentum * velocity)


@elementwise
def look_ahead(xp: XP, w: V, velocity: V, *, rate: S, momentum: S):
    return w + rate * (momentum * velocity)


@elementwise
def rmsprop(xp: XP, w: V, gradient: V, square: V, *, rate: S, rho: S, inside: S, outside: S):
    square = rho * square + (1.0 - rho) * gradient * gradient
    return w - rate * (gradient / (xp.sqrt(square + inside) + outside)), square


@elementwise
def rmsprop_momentum(
    xp: XP,
    w: V,
    gradient: V,
    square: V,
    velocity: V,
    *,
    rate: S,
    rho: S,
    momentum: S,
    inside: S,
    outside: S,
):
    square = rho * square + (1.0 - rho) * gradient * gradient
    velocity = momentum * velocity - gradient / (xp.sqrt(square + inside) + outside)
    return w + rate * velocity, square, velocity


@elementwise
def rmsprop_centred(
    xp: XP,
    w: V,
    gradient: V,
    square: V,
    mean: V,
    velocity: V,
    *,
    rate: S,
    rho: S,
    momentum: S,
    inside: S,
    outside: S,
):
    square = rho * square + (1.0 - rho) * gradient * gradient
    mean = rho * mean + (1.0 - rho) * gradient
    variance = xp.maximum(square - mean * mean, 0.0)  # rounding may take it below
    velocity = momentum * velocity - gradient / (xp.sqrt(variance + inside) + outside)
    return w + rate * velocity, square, mean, velocity


@elementwise
def adagrad(xp: XP, w: V, gradient: V, square: V, *, rate: S, inside: S, outside: S):
    square = square + gradient * gradient
    return w - rate * (gradient / (xp.sqrt(square + inside) + outside)), square


@elementwise
def adam(
    xp: XP,
    w: V,
    gradient: V,
    mean: V,
    square: V,
    *,
    rate: S,
    beta1: S,
    beta2: S,
    weight_decay: S,
    seen1: S,
    seen2: S,
    inside: S,
    outside: S,
):
    """`seen1 = 1 - beta1^k`, `seen2 = 1 - beta2^k` at step k; the weights' decay is decoupled."""
    mean = beta1 * mean + (1.0 - beta1) * gradient
    square = beta2 * square + (1.0 - beta2) * gradient * gradient
    # as move = (mean / seen1) / (sqrt(square / seen2 + inside) + outside), in fewer passes
    root = seen2**0.5
    move = mean / (xp.sqrt(square + seen2 * inside) + root * outside)
    return (1.0 - rate * weight_decay) * w - rate * root / seen1 * move, mean, square


@elementwise
def amsgrad(
    xp: XP,
    w: V,
    gradient: V,
    mean: V,
    square: V,
    most: V,
    *,
    rate: S,
    beta1: S,
    beta2: S,
    weight_decay: S,
    seen1: S,
    seen2: S,
    inside: S,
    outside: S,
):
    """As `adam`, divided by the largest of the mean squares so far."""
    mean = beta1 * mean + (1.0 - beta1) * gradient
    square = beta2 * square + (1.0 - beta2) * gradient * gradient
    most = xp.maximum(most, square)
    root = seen2**0.5
    move = mean / (xp.sqrt(most + seen2 * inside) + root * outside)
    return (1.0 - rate * weight_decay) * w - rate * root / seen1 * move, mean, square, most


@elementwise
def nadam(
    xp: XP,
    w: V,
    gradient: V,
    mean: V,
    square: V,
    *,
    rate: S,
    beta1: S,
    beta2: S,
    weight_decay: S,
    now: S,
    ahead: S,
    seen2: S,
    epsilon: S,
):
    """`now` and `ahead` are the shares of the gradient and of the mean in the move."""
    mean = beta1 * mean + (1.0 - beta1) * gradient
    square = beta2 * square + (1.0 - beta2) * gradient * gradient
    root = seen2**0.5
    move = (now * gradient + ahead * mean) / (xp.sqrt(square) + root * epsilon)
    return (1.0 - rate * weight_decay) * w - rate * root * move, mean, square


@elementwise
def radam(
    xp: XP,
    w: V,
    gradient: V,
    mean: V,
    square: V,
    *,
    rate: S,
    beta1: S,
    beta2: S,
    weight_decay: S,
    plain: S,
    scaled: S,
    epsilon: S,
):
    """`plain` and `scaled` are what the mean, and the mean by the root of the square, count; one is 0."""
    mean = beta1 * mean + (1.0 - beta1) * gradient
    square = beta2 * square + (1.0 - beta2) * gradient * gradient
    move = mean * (plain + scaled / (xp.sqrt(square) + epsilon))
    return (1.0 - rate * weight_decay) * w - rate * move, mean, square


@elementwise
def lion(xp: XP, w: V, gradient: V, mean: V, *, rate: S, beta1: S, beta2: S, weight_decay: S):
    move = xp.sign(beta1 * mean + (1.0 - beta1) * gradient)
    w = (1.0 - rate * weight_decay) * w - rate * move
    return w, beta2 * mean + (1.0 - beta2) * gradient


@elementwise
def adadelta(xp: XP, w: V, gradient: V, square: V, moved: V, *, rate: S, rho: S, epsilon: S):
    square = rho * square + (1.0 - rho) * gradient * gradient
    move = xp.sqrt(moved + epsilon) / xp.sqrt(square + epsilon) * gradient
    return w - rate * move, square, rho * moved + (1.0 - rho) * move * move


@elementwise
def plateau(
    xp: XP,
    rate: V,
    best: V,
    stale: V,
    rest: V,
    value: V,
    *,
    sign: S,
    factor: S,
    patience: S,
    relative: S,
    absolute: S,
    cooldown: S,
    minimum: S,
):
    """The rule of `schedules.Plateau`: `stale` counts the values in a row that were no better.

    `best` is the best of `sign * value`, and `rest` what is left of the cooldown.
    """
    value = sign * value
    known = value == value  # not NaN
    better = value < best * (1.0 - relative * xp.sign(best)) - absolute
    stale = xp.where(better, 0.0, xp.where(known, stale + 1.0, stale))
    best = xp.where(better, value, best)
    resting = known & (rest > 0.0)
    stale = xp.where(resting, 0.0, stale)
    rest = xp.where(resting, rest - 1.0, rest)
    reduce = stale > patience
    rate = xp.where(reduce, xp.maximum(rate * factor, minimum), rate)
    rest = xp.where(reduce, cooldown, rest)
    return rate, best, xp.where(reduce, 0.0, stale), rest
