"""The updates of the first-order optimizers, each one kernel over all parameters."""

from ..rules import elementwise


@elementwise
def gradient_descent(xp, w, gradient, *, rate):
    return w - rate * gradient


@elementwise
def momentum(xp, w, gradient, velocity, *, rate, momentum):
    velocity = momentum * velocity - rate * gradient
    return w + velocity, velocity


@elementwise
def momentum_outside(xp, w, gradient, velocity, *, rate, momentum):
    """The rate is outside the velocity."""
    velocity = momentum * velocity - gradient
    return w + rate * velocity, velocity


@elementwise
def nesterov(xp, ahead, gradient, velocity, *, rate, momentum):
    """From the look-ahead point `ahead = w + momentum * velocity` to the next `w` and `ahead`."""
    w = ahead - rate * gradient
    velocity = momentum * velocity - rate * gradient
    return w, velocity, w + momentum * velocity


@elementwise
def nesterov_outside(xp, ahead, gradient, velocity, *, rate, momentum):
    """The rate is outside the velocity: from `ahead = w + rate * momentum * velocity`."""
    w = ahead - rate * gradient
    velocity = momentum * velocity - gradient
    return w, velocity, w + rate * (momentum * velocity)


@elementwise
def rmsprop(xp, w, gradient, square, *, rate, decay, inside, outside):
    square = decay * square + (1.0 - decay) * gradient * gradient
    return w - rate * (gradient / (xp.sqrt(square + inside) + outside)), square


@elementwise
def adagrad(xp, w, gradient, square, *, rate, inside, outside):
    square = square + gradient * gradient
    return w - rate * (gradient / (xp.sqrt(square + inside) + outside)), square


@elementwise
def adam(xp, w, gradient, mean, square, *, rate, beta1, beta2, decay, seen1, seen2, inside, outside):
    """`seen1 = 1 - beta1^k`, `seen2 = 1 - beta2^k` at step k; `decay` is decoupled from the gradient."""
    mean = beta1 * mean + (1.0 - beta1) * gradient
    square = beta2 * square + (1.0 - beta2) * gradient * gradient
    # as move = (mean / seen1) / (sqrt(square / seen2 + inside) + outside), in fewer passes
    root = seen2**0.5
    move = mean / (xp.sqrt(square + seen2 * inside) + root * outside)
    return (1.0 - rate * decay) * w - rate * root / seen1 * move, mean, square


@elementwise
def adadelta(xp, w, gradient, square, moved, *, rate, decay, epsilon):
    square = decay * square + (1.0 - decay) * gradient * gradient
    move = xp.sqrt(moved + epsilon) / xp.sqrt(square + epsilon) * gradient
    return w - rate * move, square, decay * moved + (1.0 - decay) * move * move


def _step_sizes(xp, agreement, size, up, down, smallest, largest):
    """Rprop's step sizes: larger where a derivative kept its sign, smaller where it changed."""
    factor = xp.where(agreement > 0.0, up, xp.where(agreement < 0.0, xp.ones_like(size) * down, 1.0))
    return xp.minimum(xp.maximum(size * factor, smallest), largest)


@elementwise
def rprop_minus(xp, w, gradient, last, size, *, up, down, smallest, largest):
    """RPROP-: every step has the sign of the derivative."""
    size = _step_sizes(xp, gradient * last, size, up, down, smallest, largest)
    return w - xp.sign(gradient) * size, gradient, size


@elementwise
def irprop_minus(xp, w, gradient, last, size, *, up, down, smallest, largest):
    """iRprop-: no step where the derivative has changed its sign, and that is forgotten at once."""
    agreement = gradient * last
    size = _step_sizes(xp, agreement, size, up, down, smallest, largest)
    gradient = xp.where(agreement < 0.0, 0.0, gradient)
    return w - xp.sign(gradient) * size, gradient, size


@elementwise
def rprop_plus(xp, w, gradient, last, size, move, *, up, down, smallest, largest):
    """RPROP+: where the derivative has changed its sign, the last step is taken back."""
    agreement = gradient * last
    size = _step_sizes(xp, agreement, size, up, down, smallest, largest)
    turned = agreement < 0.0
    move = xp.where(turned, -move, -xp.sign(gradient) * size)
    return w + move, xp.where(turned, 0.0, gradient), size, move


@elementwise
def irprop_plus(xp, w, gradient, last, size, move, *, value, before, up, down, smallest, largest):
    """iRprop+: the last step is taken back only if the value has risen."""
    agreement = gradient * last
    size = _step_sizes(xp, agreement, size, up, down, smallest, largest)
    turned = agreement < 0.0
    back = xp.where(value > before, -move, xp.zeros_like(move))
    move = xp.where(turned, back, -xp.sign(gradient) * size)
    return w + move, xp.where(turned, 0.0, gradient), size, move


@elementwise
def secant(xp, w, gradient, last, move, *, rate):
    """QuickProp's plain secant step; a gradient step where there is no secant yet."""
    change = gradient - last
    usable = (change != 0.0) & (move != 0.0)
    quotient = -gradient / xp.where(usable, change, 1.0)
    move = xp.where(usable, quotient * move, -rate * gradient)
    return w + move, gradient, move


@elementwise
def quickprop(xp, w, gradient, last, move, *, rate, growth, decay):
    """Fahlman's QuickProp: the secant step, at most `growth` times the last one, and a gradient term."""
    slope = gradient + decay * w
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
