"""Values and tangents, of what may be a dual number."""

from __future__ import annotations

from typing import Any, cast

from ..device.arrays import Namespace
from .number import Dual


def value_of(x: Any) -> Any:
    """The value of a dual number; anything else as it is."""
    return x.value if isinstance(x, Dual) else x


def values_of(tree: Any) -> Any:
    """`tree`, tuples, lists and dicts of anything, with the values of the dual numbers in it."""
    if isinstance(tree, tuple | list):
        branches: Any = cast("list[Any]", tree)
        items, kind = [values_of(item) for item in branches], branches.__class__
        return kind(*items) if hasattr(kind, "_fields") else kind(items)  # named tuples take one by one
    if isinstance(tree, dict):
        return {name: values_of(item) for name, item in cast("dict[Any, Any]", tree).items()}
    return value_of(tree)


def tangent_of(xp: Namespace, x: Any, like: Dual) -> Any:
    """The tangent of `x`; zeros, for the directions of `like`, if it does not depend on them."""
    if isinstance(x, Dual):
        return x.tangent
    shape = (*like.tangent.shape[: like.lead], *x.shape)
    return xp.zeros(shape, dtype=like.dtype, device=like.device)
