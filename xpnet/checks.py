"""Checks of what users hand over; each error names the argument, what came, and what was wanted.

A check returns what is to be used from then on: a Python int for NumPy's, a float for a fraction. It knows
an array by what every library's arrays have, so that no library is named here.
"""

from __future__ import annotations

import contextlib
import difflib
import math
import operator
from collections.abc import Iterable
from typing import Any, TypeVar, cast, get_args, overload

Option = TypeVar("Option", bound=str)


@overload
def choice(name: str, value: Any, options: Iterable[Option]) -> Option: ...
@overload
def choice(name: str, value: Any, options: Any) -> Any: ...
def choice(name: str, value: Any, options: Any) -> Any:
    """`value`, which must be one of `options`, words or a `Literal`; the error lists the close ones."""
    words: list[str] = list(get_args(options) or options)
    if isinstance(value, str) and value in words:
        return words[words.index(value)]  # a plain string, whatever kind of string came
    close = difflib.get_close_matches(shown(value).strip("'").lower(), words, n=3, cutoff=0.5)
    hint = f"did you mean {' or '.join(map(repr, close))}?" if close else f"use one of {words}"
    raise ValueError(f"unknown {name} {shown(value)}; {hint}")


def count(name: str, value: Any, least: int = 1, most: int = 2**63 - 1) -> int:
    """`value` as an int of at least `least`, and at most `most`; an integer of any library is one."""
    got = None
    if not _is_flag(value) and not _axes(value):
        with contextlib.suppress(TypeError):
            got = operator.index(value)
    if got is None:
        raise TypeError(f"{name} must be an integer, got {shown(value)}")
    if got < least:
        raise ValueError(f"{name} must be at least {least}, got {shown(got)}")
    if got > most:
        raise ValueError(f"{name} must be at most {most}, got {shown(got)}")
    return got


def seed(name: str, value: Any) -> int:
    """`value` as the seed of a random generator, an int of up to 128 bits."""
    return count(name, value, 0, 2**128 - 1)


def flag(name: str, value: Any) -> bool:
    """`value`, which must be True or False, as a bool; one of NumPy's, or an array of one, is taken."""
    if not _is_flag(value):
        raise TypeError(f"{name} must be True or False, got {shown(value)}")
    return bool(value)


def number(
    name: str,
    value: Any,
    least: float = -math.inf,
    most: float = math.inf,
    *,
    open: str = "",
    infinite: bool = False,
) -> float:
    """`value` as a finite float in [least, most]; `open` may hold "(" or ")" to leave an end out.

    With `infinite` it may be infinite too, where the interval allows it.
    Takes real numbers of every kind: of NumPy, fractions, decimals, arrays and tensors of no dimension.
    """
    if _axes(value):
        shape = tuple(value.shape)
        raise TypeError(f"{name} must be one number, for all replicas, got an array of shape {shape}")
    if not _is_real(value):
        raise TypeError(f"{name} must be a number, got {shown(value)}")
    try:
        got = float(value)
    except OverflowError:
        got, infinite = math.copysign(math.inf, 1 if value > 0 else -1), False
    except (TypeError, ValueError, RuntimeError) as error:
        raise TypeError(f"{name} must be a number, got {shown(value)}: {error}") from error
    low = got > least if "(" in open else got >= least
    high = got < most if ")" in open else got <= most
    if not (low and high and (math.isfinite(got) or (infinite and math.isinf(got)))):
        wanted = "a number" if infinite else "finite"
        if least > -math.inf or most < math.inf:
            left = "(" if "(" in open or least == -math.inf else "["
            right = ")" if ")" in open or most == math.inf else "]"
            wanted = f"in {left}{least:g}, {most:g}{right}"
        raise ValueError(f"{name} must be {wanted}, got {shown(value)}")
    return got


def interval(name: str, value: Any) -> tuple[float, float]:
    """`value`, two finite numbers of which the second is the larger, as floats."""
    if not isinstance(value, tuple | list) or len(cast("list[Any]", value)) != 2:
        raise TypeError(f"{name} must be two numbers, got {shown(value)}")
    low, high = (number(f"{name}[{k}]", end) for k, end in enumerate(cast("list[Any]", value)))
    if not low < high:
        raise ValueError(f"{name} must ascend, got {shown(value)}")
    return low, high


def rectangle(name: str, value: Any) -> tuple[tuple[float, float], tuple[float, float]]:
    """`value`, the ends of two axes, `((x0, x1), (y0, y1))`, as floats."""
    if not isinstance(value, tuple | list) or len(cast("list[Any]", value)) != 2:
        raise TypeError(f"{name} must be ((x0, x1), (y0, y1)), got {shown(value)}")
    x, y = cast("list[Any]", value)
    return interval(f"{name}[0]", x), interval(f"{name}[1]", y)


def instance(name: str, value: Any, kind: type[Any], wanted: str) -> Any:
    """`value`, which must be of this `kind`; `wanted` says so in words, such as "a Network"."""
    if not isinstance(value, kind):
        raise TypeError(f"{name} must be {wanted}, got {shown(value)}")
    return value


def function(name: str, value: Any, of: str) -> Any:
    """`value`, which can be called; `of` says with what, such as "a vector"."""
    if not callable(value):
        raise TypeError(f"{name} must be a function of {of}, got {shown(value)}")
    return value


def text(name: str, value: Any) -> str:
    """`value`, which must be a string and not empty, as one of Python's."""
    if not instance(name, value, str, "a string"):
        raise ValueError(f"{name} must not be empty, got {value!r}")
    return str(value)


def installing(extra: str) -> str:
    """How to install what the library does without unless it is asked for; it is on no package index."""
    return f"install it with \"pip install '.[{extra}]'\" in a checkout of xpnet"


def finite(xp: Any, name: str, array: Any) -> None:
    """Raises ValueError if `array` holds NaN or infinity."""
    # both ends are finite only if all between are, and cannot overflow, as a sum can
    if array.size == 0 or bool(xp.isfinite(xp.max(array)) & xp.isfinite(xp.min(array))):
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
    name: Any = getattr(dtype, "name", None) or getattr(dtype, "__name__", None) or shown(dtype)
    swapped = " of the other byte order" if getattr(dtype, "isnative", True) is False else ""
    return str(name).rsplit(".", 1)[-1] + swapped


def shape_of(value: Any) -> tuple[int, ...] | None:
    """The shape of an array; of anything else None, whatever it calls `shape`."""
    shape: Any = getattr(value, "shape", None)
    return tuple(cast("tuple[int, ...]", shape)) if isinstance(shape, tuple) else None


def per_replica(name: str, value: Any, w: Any) -> None:
    """Raises unless `value`, if it is an array, is one like `w`: `(P,)`, or with replicas `(R, 1)`.

    A number for each parameter is `(P,)`, the same for all replicas; one for each replica is `(R, 1)`. So
    the two differ where R = P too.
    """
    shape = tuple(getattr(value, "shape", ()))
    if shape and type(value) is not type(w):
        kinds = [f"{type(array).__module__.split('.')[0]}.{type(array).__name__}" for array in (value, w)]
        raise TypeError(
            f"{name} must be a number or an array like w, got a {kinds[0]} where w is a {kinds[1]}; "
            "move it with backend.asarray"
        )
    wanted = [(w.shape[-1],), *([(w.shape[0], 1)] if w.ndim > 1 else [])]
    if shape and shape not in wanted:
        replicas = f"{w.shape[0]} replicas" if w.ndim > 1 else "no replicas"
        raise ValueError(
            f"{name} must be a number, {' or '.join(map(str, wanted[::-1]))}, got shape {shape}: "
            f"w has {replicas} and {w.shape[-1]} parameters, {name} has {shape[0]} rows"
        )


def shown(value: Any) -> str:
    """`value` as errors show it: its `repr`, of at most 100 characters, whatever that may raise.

    An array of several numbers by its shape, and on one line.
    """
    if _axes(value):
        kind = f"{type(value).__module__.split('.')[0]}.{type(value).__name__}"
        return f"a {kind} of shape {tuple(value.shape)}"
    try:
        text = " ".join(repr(value).split())
    except Exception:  # such as of an int of more than 4300 digits
        text = f"a {type(value).__module__}.{type(value).__qualname__}"
    return text if len(text) <= 100 else f"{text[:60]}...{text[-20:]}"


def _axes(value: Any) -> int:
    """The number of axes of an array; 0 of anything else, whatever it calls `ndim`."""
    axes = getattr(value, "ndim", 0)
    return axes if isinstance(axes, int) and shape_of(value) is not None else 0


def _is_flag(value: Any) -> bool:
    return isinstance(value, bool) or (_kind(value) == "bool" and not _axes(value))


def _is_real(value: Any) -> bool:
    kind = _kind(value)
    if kind:
        return kind.startswith(("float", "bfloat", "int", "uint", "longdouble"))
    return hasattr(value, "__float__") and not isinstance(value, bool | str | bytes | complex)


def _kind(value: Any) -> str:
    """The name of an array's or a NumPy scalar's dtype; of anything else nothing."""
    return dtype_name(value.dtype) if hasattr(value, "dtype") and hasattr(value, "ndim") else ""
