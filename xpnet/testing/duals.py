"""Compares what comes of dual numbers with differences; and what such checks need beside it."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Generator
from typing import Any

from .. import checks
from ..device.arrays import Array, Namespace, host_generator
from ..device.select import backend
from ..dual import Dual, value_of
from .differences import close, compare_products, epsilon, require

DIRECTIONS = 2  # along which second derivatives are taken, both at once


def compare_duals(
    host: Namespace,
    names: tuple[str, ...],
    moved: Callable[[float, int], tuple[Array, ...]],
    duals: tuple[Any, ...],
    values: tuple[Any, ...],
    tolerance: float,
    *,
    size: float,
) -> None:
    """Compares what came of dual numbers with `values`, and its tangents with differences of `moved`.

    `moved(t, k)` gives the values `t` times the direction `k` from where they are.
    """
    for place, (name, dual, value) in enumerate(zip(names, duals, values, strict=True)):
        own = host.broadcast_to(host.asarray(value_of(dual)), value.shape)
        require(close(host, own, value), f"{name}: dual numbers have another value than arrays")
        # what is no dual number does not depend on what the directions move
        tangent = dual.tangent if isinstance(dual, Dual) else host.zeros_like(value)
        tangent = host.broadcast_to(tangent, (DIRECTIONS, *value.shape))
        for k in range(DIRECTIONS):
            compare_products(
                host,
                name,
                lambda step, k=k, place=place: moved(step, k)[place],
                tangent[k, ...],
                tolerance,
                size=size,
                eps=epsilon(host, host.float64),
            )


def require_kind(name: str, value: Any, kind: type, example: str) -> None:
    article = "an" if kind.__name__[0] in "AEIOU" else "a"
    checks.instance(name, value, kind, f"{article} {kind.__name__} such as {example}")


def matrix(name: str, values: Any) -> Array:
    """`values` as a read-only float64 array `(units, samples)` of finite numbers."""
    place = backend("numpy")
    array: Any = place.asarray(values, "float64", name=name)
    if array.ndim != 2 or 0 in array.shape:
        raise ValueError(f"{name} must be (units, samples), and not empty, got shape {tuple(array.shape)}")
    checks.finite(place.xp, name, array)
    return frozen(place.host, array)


def copied(host: Namespace, values: Any) -> Any:
    return host.asarray(values, dtype=host.float64, copy=True)


def frozen(host: Namespace, values: Any) -> Any:
    """A read-only copy, in float64."""
    copy = copied(host, values)
    copy.flags.writeable = False
    return copy


def freeze(tree: Any) -> None:
    """Makes the arrays in tuples, lists and dicts read-only."""
    if isinstance(tree, dict):
        tree = tuple(tree.values())  # pyright: ignore[reportUnknownVariableType, reportUnknownArgumentType]
    if isinstance(tree, tuple | list):
        for part in tree:  # pyright: ignore[reportUnknownVariableType]
            freeze(part)
    elif getattr(tree, "flags", None) is not None:
        tree.flags.writeable = False


@contextlib.contextmanager
def only_reads(what: str) -> Generator[None]:
    """Turns NumPy's refusal to write to a read-only array into an AssertionError."""
    try:
        yield
    except ValueError as error:
        if "read-only" not in str(error):
            raise
        raise AssertionError(f"{what} writes to an array that it was given: {error}") from error


def directions(host: Namespace, seed: int, *arrays: Array) -> list[Array]:
    """For each array some of its shape, on an axis in front, of numbers of about 1."""
    random = host_generator((seed, DIRECTIONS))
    return [frozen(host, random.standard_normal((DIRECTIONS, *array.shape))) for array in arrays]


def largest(host: Namespace, *arrays: Array) -> float:
    return max(float(host.max(host.abs(array))) for array in arrays)
