"""Checks of what the public functions of linear algebra are handed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

from .. import checks
from ..device.arrays import Array, Vector
from ..device.backend import Backend
from ..device.select import backend_of

Product: TypeAlias = Callable[[Any], Any]
"""`A v`, of the shape and dtype of `v`."""


def checked_vectors(name: str, v: Vector, axes: tuple[int, ...] = (1, 2)) -> Backend:
    """Where `v` lives; raises unless it is `(P,)` or, where `axes` allow, `(R, P)`, real and finite."""
    backend = backend_of(v, name=name)
    shape = tuple(v.shape)
    if v.ndim not in axes or 0 in shape:
        wanted = " or ".join({1: "(P,)", 2: "(R, P)"}[ndim] for ndim in axes)
        raise ValueError(f"{name} must be {wanted} and not empty, got shape {shape}")
    kind = checks.dtype_name(v.dtype)
    if kind not in ("float32", "float64"):
        raise TypeError(f"{name} must be float32 or float64, got {kind}")
    with backend.quiet():
        checks.finite(backend.xp, name, v)
    return backend


def not_zero(backend: Backend, name: str, v: Vector) -> None:
    """Raises ValueError where a row of `v` is zero."""
    if not bool(backend.xp.all(backend.xp.any(v != 0.0, axis=-1))):
        raise ValueError(f"{name} must not be zero" + (", in any row" if v.ndim > 1 else ""))


def column(backend: Backend, name: str, value: Any, v: Vector) -> Any:
    """`value`, finite and not negative: as a float, or as an array, 0-d or with a row for each of `v`."""
    if not backend.owns(value):
        return checks.number(name, value, 0.0)
    shape = tuple(value.shape)
    if shape not in (((), (v.shape[0], 1)) if v.ndim > 1 else ((), (1,))):
        wanted = f"({v.shape[0]}, 1)" if v.ndim > 1 else "(1,)"
        raise ValueError(f"{name} must be a number, 0-d or {wanted}, got shape {shape}")
    if not backend.xp.isdtype(value.dtype, "real floating"):
        raise TypeError(f"{name} must be real numbers, got {checks.dtype_name(value.dtype)}")
    if not bool(backend.xp.all(backend.xp.isfinite(value) & (value >= 0.0))):
        raise ValueError(f"{name} must be finite and at least 0, got {value}")
    return value


def checked_product(backend: Backend, product: Product) -> Product:
    """`product`, whose results are looked at: arrays like those that it is given."""
    checks.function("product", product, "a vector")

    def function(v: Array) -> Array:
        result = product(v)
        if not backend.owns(result):
            raise TypeError(
                f"product must return an array of backend {backend.name!r}, as it is given, "
                f"got {type(result).__name__}"
            )
        if tuple(result.shape) != tuple(v.shape) or result.dtype != v.dtype:
            wanted, got = (f"{checks.dtype_name(a.dtype)} of shape {tuple(a.shape)}" for a in (v, result))
            raise ValueError(f"product must return an array like the one it is given, {wanted}, got {got}")
        return result

    return function


def sound(backend: Backend, *results: Array) -> None:
    """Raises ValueError where what was computed from products is not finite."""
    if not all(bool(backend.xp.all(backend.xp.isfinite(result))) for result in results):
        raise ValueError("product returned NaN or infinity, or numbers whose squares are too large")
