"""Settings: checked once, kept as plain numbers, and compared by what they hold.

They may be arrays, with a number for each replica, `(R, 1)`, or for each parameter, `(P,)`.
"""

from __future__ import annotations

import math
from typing import Any

import array_api_compat

from .. import checks
from ..device.select import backend_of


class Settings:
    """Settings that may be arrays, as a value: equal, and of one hash, where all their numbers are equal.

    For dataclasses with `frozen=True, eq=False, repr=False`; their own comparison would fail on arrays.
    """

    __repr__ = checks.described

    def __eq__(self, other: object) -> bool:
        return type(other) is type(self) and _parts(self) == _parts(other)

    def __hash__(self) -> int:
        return hash((type(self), _parts(self)))


def keep(settings: object, **checked: Any) -> None:
    """Puts what has been `checked` in the place of what was handed over, in a `__post_init__`."""
    for name, value in checked.items():
        object.__setattr__(settings, name, value)


def is_array(value: Any) -> bool:
    return array_api_compat.is_array_api_obj(value) is True  # pyright: ignore[reportUnknownMemberType]


def numbers(name: str, value: Any, least: float, most: float = math.inf, *, open: str = "") -> Any:
    """`value` as a float; or, if it is an array `(R, 1)` or `(P,)`, a copy of floating-point numbers.

    Raises:
        TypeError, ValueError: as `checks.number`, for each of the numbers; an array of another shape.
    """
    if not is_array(value) or value.ndim == 0:
        return checks.number(name, value, least, most, open=open)
    shape = tuple(value.shape)
    if not (len(shape) == 1 or shape[1:] == (1,)) or 0 in shape:
        raise ValueError(f"{name} must be a number, (R, 1) or (P,), got shape {shape}")
    backend = backend_of(value, name=name)
    xp = backend.xp
    if not xp.isdtype(value.dtype, ("integral", "real floating")):
        raise TypeError(f"{name} must hold real numbers, got {checks.dtype_name(value.dtype)}")
    dtype = value.dtype if value.dtype in (xp.float32, xp.float64) else backend.accumulator
    array = xp.asarray(backend.asarray(value, dtype, name=name), copy=True)
    low = array > least if "(" in open else array >= least
    high = array < most if ")" in open else array <= most
    good = low & high & xp.isfinite(array)
    if not bool(xp.all(good)):
        checks.number(name, float(array[~good][0]), least, most, open=open)
    return array


def _parts(settings: Settings) -> tuple[tuple[str, Any], ...]:
    """Names and values, arrays as tuples of their numbers."""
    return tuple((name, _comparable(value)) for name, value in sorted(vars(settings).items()))


def _comparable(value: Any) -> Any:
    if not is_array(value):
        return value
    flat = backend_of(value).to_numpy(value).reshape(-1)
    return (*value.shape, *flat.tolist())
