"""The updates of the first-order optimizers, each one kernel over all parameters."""

from ..elementwise import elementwise


@elementwise
def gradient_descent(xp, w, gradient, *, rate):
    return w - rate * gradient


@elementwise
def momentum(xp, w, gradient, velocity, *, rate, momentum):
    velocity = momentum * velocity - rate * gradient
    return w + velocity, velocity


@elementwise
def nesterov(xp, ahead, gradient, velocity, *, rate, momentum):
    """From the look-ahead point `ahead = w + momentum * velocity` to the next `w` and `ahead`."""
    w = ahead - rate * gradient
    velocity = momentum * velocity - rate * gradient
    return w, velocity, w + momentum * velocity
