"""Checks of what users hand over; each error names the argument, what came, and what was wanted."""

from __future__ import annotations

import difflib
import math
from collections.abc import Iterable
from typing import Any


def choice(name: str, value: Any, options: Iterable[str]) -> str:
    """`value`, which must be one of `options`; the error lists the close ones."""
    options = list(options)
    if isinstance(value, str) and value in options:
        return value
    close = difflib.get_close_matches(str(value).lower(), options, n=3, cutoff=0.5)
    hint = f"did you mean {' or '.join(map(repr, close))}?" if close else f"use one of {options}"
    raise ValueError(f"unknown {name} {value!r}; {hint}")


def count(name: str, value: Any, least: int = 1) -> int:
    """`value` as an int of at least `least`."""
    if isinstance(value, bool) or not hasattr(value, "__index__"):
        raise TypeError(f"{name} must be an integer, got {value!r}")
    if int(value) < least:
        raise ValueError(f"{name} must be at least {least}, got {value!r}")
    return int(value)


def flag(name: str, value: Any) -> bool:
    """`value` as a bool; it must be True or False, those of NumPy among them."""
    own = dtype_name(getattr(value, "dtype", None)) == "bool" and getattr(value, "shape", None) == ()
    if not isinstance(value, bool) and not own:
        raise TypeError(f"{name} must be True or False, got {value!r}")
    return bool(value)


def number(
    name: str, value: Any, least: float = -math.inf, most: float = math.inf, *, open: str = ""
) -> float:
    """`value` as a finite float in [least, most]; `open` may hold "(" or ")" to leave an end out."""
    if getattr(value, "ndim", 0):
        shape = tuple(value.shape)
        raise TypeError(f"{name} must be one number, for all replicas, got an array of shape {shape}")
    if isinstance(value, bool | str) or not hasattr(value, "__float__"):
        raise TypeError(f"{name} must be a number, got {value!r}")
    got = float(value)
    low = got > least if "(" in open else got >= least
    high = got < most if ")" in open else got <= most
    if not (math.isfinite(got) and low and high):
        wanted = "finite"
        if least > -math.inf or most < math.inf:
            left = "(" if "(" in open or least == -math.inf else "["
            right = ")" if ")" in open or most == math.inf else "]"
            wanted = f"in {left}{least:g}, {most:g}{right}"
        raise ValueError(f"{name} must be {wanted}, got {value!r}")
    return got


def finite(xp: Any, name: str, array: Any) -> None:
    """Raises ValueError if `array` holds NaN or infinity."""
    # a sum is finite only if every term is, and needs no temporary array
    if array.size == 0 or bool(xp.isfinite(xp.sum(array))):
        return
    if bool(xp.all(xp.isfinite(array))):  # the sum overflowed
        return
    kind = "NaN" if bool(xp.any(xp.isnan(array))) else "infinity"
    raise ValueError(f"{name} contains {kind}; every number must be finite")


def writeable(name: str, array: Any) -> None:
    """Raises ValueError if `array` is read-only."""
    flags = getattr(array, "flags", None)
    if flags is not None and not getattr(flags, "writeable", True):
        raise ValueError(f"{name} is read-only, and the optimizer moves it in place; pass a copy")


def dtype_name(dtype: Any) -> str:
    """The name of a dtype of any library, such as "float32"."""
    name = getattr(dtype, "name", None) or getattr(dtype, "__name__", str(dtype))
    return name.rsplit(".", 1)[-1]


def per_replica(name: str, value: Any, w: Any) -> None:
    """Raises unless `value`, if it is an `(R, 1)` array, is one like `w` with a row for each replica."""
    shape = getattr(value, "shape", ())
    if shape and type(value) is not type(w):
        kinds = [f"{type(array).__module__.split('.')[0]}.{type(array).__name__}" for array in (value, w)]
        raise TypeError(
            f"{name} must be a number or an array like w, got a {kinds[0]} where w is a {kinds[1]}; "
            "move it with backend.asarray"
        )
    if shape and (w.ndim < 2 or shape[0] != w.shape[0]):
        replicas = f"{w.shape[0]} replicas" if w.ndim > 1 else "no replicas"
        raise ValueError(
            f"{name} must be a number or have a row for each replica: w has {replicas}, "
            f"{name} has {shape[0]} rows"
        )
