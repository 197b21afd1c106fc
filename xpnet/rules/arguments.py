"""What kernels may be called with: checks of arrays and scalars, and which outputs lie on which inputs."""

from __future__ import annotations

import functools
from decimal import Decimal
from numbers import Real
from typing import Any, NoReturn, TypeAlias

import array_api_compat
import numpy as np

from .. import checks
from .rule import Rule

Aliases: TypeAlias = tuple[tuple[int, ...], ...]
"""For each output the positions of the arrays that lie in the same place."""

_HOST: Any = (np.ndarray, np.generic)  # as `isinstance` takes it; of types that are not narrowed further
FLOAT32, FLOAT64 = np.dtype(np.float32), np.dtype(np.float64)
FLOATS = frozenset((FLOAT32, FLOAT64))


@functools.lru_cache(maxsize=16)
def array_type(xp: Any) -> type | None:
    """The arrays of a namespace for which there are kernels, NumPy's or CuPy's; else None."""
    if array_api_compat.is_numpy_namespace(xp):
        return np.ndarray
    return xp.ndarray if array_api_compat.is_cupy_namespace(xp) else None


@functools.lru_cache(maxsize=16)
def wants_loops(xp: Any) -> bool:
    """Whether a namespace of NumPy asks for compiled loops, as that of a `Backend` may."""
    return array_type(xp) is np.ndarray and getattr(xp, "kernels", "numpy") == "numba"


def refuse_names(rule: Rule, arrays: tuple[Any, ...], scalars: dict[str, Any]) -> NoReturn:
    raise TypeError(
        f"{rule.name} takes arrays {', '.join(rule.arrays)} and scalars "
        f"{', '.join(rule.scalars) or 'none'}; got {len(arrays)} arrays and {', '.join(scalars) or 'none'}"
    )


def checked(rule: Rule, kind: type, arrays: tuple[Any, ...], scalars: dict[str, Any]) -> dict[str, Any]:
    """`scalars`, as floats and arrays, in place; raises unless everything is what a kernel takes."""
    if len(arrays) != len(rule.arrays) or scalars.keys() != rule.scalar_names:
        refuse_names(rule, arrays, scalars)
    dtype = getattr(arrays[0], "dtype", None)
    for array in arrays:
        if type(array) is not kind or array.dtype is not dtype:
            check_arrays(rule, kind, arrays)
            break
    if dtype is not FLOAT32 and dtype is not FLOAT64:
        check_arrays(rule, kind, arrays)
    for name, value in scalars.items():
        if type(value) is not float:
            scalars[name] = scalar(rule, kind, name, value)
    return scalars


def check_arrays(rule: Rule, kind: type, arrays: tuple[Any, ...]) -> None:
    """Raises unless `arrays` are of this kind, of one floating-point dtype."""
    names = dict(zip(rule.arrays, arrays, strict=True))
    for name, array in names.items():
        _check_kind(rule, kind, name, array)
        if array.dtype not in FLOATS:
            raise TypeError(f"{rule.name}: {name} must be float32 or float64, got {array.dtype}")
    if len({array.dtype for array in arrays}) > 1:
        dtypes = " and ".join(dict.fromkeys(str(array.dtype) for array in arrays))
        raise TypeError(f"{rule.name}: arrays must share one dtype, got {dtypes} ({', '.join(names)})")


def _check_kind(rule: Rule, kind: type, name: str, array: Any) -> None:
    """NumPy's numbers stand for arrays; of subclasses none that means something else by its operators."""
    good = isinstance(array, kind) or (kind is np.ndarray and isinstance(array, np.generic))
    if not good or isinstance(array, np.ma.MaskedArray | np.matrix):
        raise TypeError(f"{rule.name}: {name} must be {_called(kind)}, as xp is, got {_what(array)}")


def _called(kind: type) -> str:
    return f"an array of {'NumPy' if kind is np.ndarray else 'CuPy'}"


def _what(value: Any) -> str:
    kind = value.__class__
    name = kind.__name__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__name__}"
    return name if hasattr(value, "shape") else f"{checks.shown(value)} ({name})"


def scalar(rule: Rule, kind: type, name: str, value: Any) -> Any:
    """A number as a Python float; an array, unless it is a number on the host, stays what it is."""
    on_host = isinstance(value, _HOST)
    if on_host or isinstance(value, kind):
        if value.dtype.kind not in "iuf":
            raise TypeError(f"{rule.name}: {name} must hold real numbers, got dtype {value.dtype}")
        if on_host and value.ndim == 0:
            return float(value)
        if isinstance(value, kind):
            return value
    if isinstance(value, Real | Decimal) and not isinstance(value, bool):
        try:
            return float(value)
        except OverflowError:
            raise ValueError(
                f"{rule.name}: {name} must be a number that a float can hold, got {checks.shown(value)}"
            ) from None
    raise TypeError(
        f"{rule.name}: {name} must be a number or {_called(kind)}, as xp is, got {_what(value)}"
    )


def broadcast(rule: Rule, arrays: tuple[Any, ...], scalars: dict[str, Any]) -> tuple[int, ...]:
    """The shape of all arrays, broadcast against each other."""
    shape = arrays[0].shape
    for value in (*arrays, *scalars.values()):
        if type(value) is not float and value.shape != shape:
            break
    else:
        return shape
    named = dict(zip(rule.arrays, arrays, strict=True)) | scalars
    shapes = {name: value.shape for name, value in named.items() if type(value) is not float}
    try:
        return _broadcast_shapes(tuple(shapes.values()))
    except ValueError:
        listed = ", ".join(f"{name} {shape}" for name, shape in shapes.items())
        raise ValueError(f"{rule.name}: shapes that do not broadcast: {listed}") from None


@functools.lru_cache(maxsize=4096)
def _broadcast_shapes(shapes: tuple[tuple[int, ...], ...]) -> tuple[int, ...]:
    return np.broadcast_shapes(*shapes)


def check_into(rule: Rule, into: tuple[Any, ...], count: int) -> None:
    """Raises unless `into` has as many as there are results."""
    if not isinstance(into, tuple | list):
        raise TypeError(f"{rule.name}: into must be a tuple of arrays, got {_what(into)}")
    if len(into) != count:
        raise ValueError(f"{rule.name} yields {count} arrays, got {len(into)} to write into")


def aliases(
    rule: Rule,
    xp: Any,
    kind: type,
    into: tuple[Any, ...],
    arrays: tuple[Any, ...],
    shape: tuple[int, ...],
    count: int,
) -> Aliases:
    """Which of `arrays` each of `into` lies on; raises where results cannot be written there."""
    if type(into) is not tuple or len(into) != count:
        check_into(rule, into, count)
    views, dtype, on_host = False, arrays[0].dtype, kind is np.ndarray
    for target in into:
        if type(target) is not kind:
            _check_kind(rule, kind, "into", target)
        if target.shape != shape:
            shapes = ", ".join(str(target.shape) for target in into)
            raise ValueError(f"{rule.name} yields shape {shape}, got {shapes} to write into")
        if target.dtype is not dtype and target.dtype != dtype:
            raise TypeError(
                f"{rule.name}: arrays must share one dtype, got {dtype} and into {target.dtype}"
            )
        if on_host and not target.flags.writeable:
            raise ValueError(f"{rule.name}: into must be writeable, got a read-only array")
        if target.base is not None:
            views = True
    if not views:  # then only a view of one of them can overlap with it
        for array in arrays:
            base = getattr(array, "base", None)
            if base is not None and any([base is target for target in into]):
                views = True
    if views:
        return _aliases_of_views(rule, xp, into, arrays)
    found: list[tuple[int, ...]] = []
    for number, target in enumerate(into):
        for other in into[:number]:
            if other is target:
                raise ValueError(_TWICE.format(rule.name))
        same: tuple[int, ...] = ()
        for k, array in enumerate(arrays):
            if array is target:
                same += (k,)
        found.append(same)
    return tuple(found)


_TWICE = "{}: into must be different arrays, got one twice or two that overlap"


def _aliases_of_views(rule: Rule, xp: Any, into: tuple[Any, ...], arrays: tuple[Any, ...]) -> Aliases:
    """As `aliases`, for arrays that may be views of each other."""
    targets = [(target, _owner(target)) for target in into]
    sources = [(array, _owner(array)) for array in arrays]
    found: list[tuple[int, ...]] = []
    for number, (target, owner) in enumerate(targets):
        for other, its in targets[:number]:
            if its is owner and xp.shares_memory(target, other):
                raise ValueError(_TWICE.format(rule.name))
        same: list[int] = []
        for k, (array, its) in enumerate(sources):
            if array is target or (its is owner and _same(target, array)):
                same.append(k)
            elif its is owner and xp.shares_memory(target, array):
                raise ValueError(
                    f"{rule.name}: into must be arrays of their own or those that are read, "
                    f"got one that overlaps with a part of {rule.arrays[k]}"
                )
        found.append(tuple(same))
    return tuple(found)


def _owner(array: Any) -> Any:
    """The array whose memory it is a part of."""
    base = getattr(array, "base", None)
    while isinstance(base, type(array)):
        array, base = base, getattr(base, "base", None)
    return array


def _same(first: Any, second: Any) -> bool:
    """Whether two views of one array are the same part of it, seen in the same way."""
    if (first.shape, first.strides) != (second.shape, second.strides):
        return False
    if isinstance(first, np.ndarray):
        return bool(first.ctypes.data == second.ctypes.data)
    return bool(first.data.ptr == second.data.ptr)
