"""The check of an objective: its gradient, and its Hessian products where it has them."""

from __future__ import annotations

from typing import Any

from .. import checks
from ..device.arrays import Array, Vector, host_generator
from ..objectives import Objective, Offers
from ..objectives.matrices import point_backend
from .differences import close, compare_gradient, compare_products, epsilon, require, tolerance_for


def check_gradient(objective: Objective, w: Vector, *, tolerance: float | None = None) -> None:
    """Checks `objective.value_and_gradient` at `w`, `(P,)` or `(R, P)`, by central differences.

    Also that `value` agrees with it, that the gradient is a new array of the shape and dtype of `w`,
    that `w` is left alone, and `hessian_product` by differences of gradients, if the objective has it.

    Args:
        objective: what to check.
        w: where; away from kinks and from minima, where all there is to see is rounding.
        tolerance: the largest error, relative to the largest entry of the gradient; 1e-7 in float64
            and 1e-3 in float32 if not given. What differences lose by rounding is allowed beside it.

    Raises:
        AssertionError: something does not hold; the message names the worst coordinate.
        TypeError, ValueError: arguments of the wrong kind.

    >>> import xpnet
    >>> from xpnet.testing import check_gradient
    >>> bowl = xpnet.Quadratic([[2.0, 1.0], [1.0, 3.0]], backend="numpy")
    >>> check_gradient(bowl, xpnet.backend("numpy").asarray([0.5, -1.0]))
    """
    checks.instance("objective", objective, Objective, "an Objective")
    place = point_backend(w)
    host = place.host
    checks.finite(place.xp, "w", w)
    allowed = tolerance_for(w.dtype, tolerance)

    before = host.asarray(place.to_numpy(w), copy=True)
    value, gradient = objective.value_and_gradient(w)
    require(bool(host.all(place.to_numpy(w) == before)), "w was written to")
    _require_like("gradient", gradient, w)
    require(gradient is not w, "gradient is w itself")
    shape = tuple(getattr(value, "shape", ()))
    require(shape == tuple(w.shape[:-1]), f"value has shape {shape}, not {tuple(w.shape[:-1])}")

    def value_at(x: Array) -> Array:
        return _double(host, place.to_numpy(objective.value(place.asarray(x, w.dtype))))

    require(
        close(host, value_at(before), host.asarray(place.to_numpy(value), dtype=before.dtype)),
        "value and value_and_gradient give different values",
    )
    analytic = _double(host, place.to_numpy(gradient))
    compare_gradient(host, "gradient", value_at, before, analytic, allowed, per_row=True)

    if Offers.HESSIAN_PRODUCT not in objective.offers:
        return
    direction = host.asarray(host_generator(0).standard_normal(tuple(w.shape)), dtype=before.dtype)
    product = objective.hessian_product(w, place.asarray(direction, w.dtype))
    require(bool(host.all(place.to_numpy(w) == before)), "hessian_product writes to w")
    _require_like("hessian_product", product, w)

    def gradient_at(step: float) -> Array:
        moved = place.asarray(before + step * direction, w.dtype)
        return place.to_numpy(objective.value_and_gradient(moved)[1])

    compare_products(
        host,
        "hessian_product",
        gradient_at,
        _double(host, place.to_numpy(product)),
        allowed,
        size=float(host.max(host.abs(before))),
        eps=epsilon(host, before.dtype),
    )


def _double(host: Any, array: Any) -> Array:
    return host.asarray(array, dtype=host.float64)


def _require_like(what: str, array: Any, w: Vector) -> None:
    shape = getattr(array, "shape", None)
    require(shape is not None, f"{what} must be an array, got {checks.shown(array)}")
    require(tuple(array.shape) == tuple(w.shape), f"{what} has shape {shape}, not {tuple(w.shape)}")
    require(array.dtype == w.dtype, f"{what} is {array.dtype}, w {w.dtype}")
