"""What users hand over, as a plain NumPy array of real numbers, or an error that says what it is.

A thing is known by its type, never by an attribute of its own, as a column of a table may have any name.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import Any, cast

import numpy as np

from .. import checks

HostArray = np.ndarray[Any, np.dtype[Any]]

HINTS = {
    "U": "strings; encode class names as integers 0, 1, ..., and convert numbers by .astype(float)",
    "S": "bytes; convert them to numbers first",
    "c": "complex numbers; pass its real part, its imaginary part, or both as columns",
    "M": "dates; convert them to numbers first, such as days since the first",
    "m": "time spans; divide them by their unit first",
    "V": "records; pass its fields as columns of one array",
}


def plain_array(values: Any, name: str) -> HostArray:
    """`values`, of any library on the host, as a NumPy array of numbers in this machine's byte order.

    Raises:
        TypeError: they are none, or in half precision.
        ValueError: some are masked or missing.
    """
    if type(values) is not np.ndarray:
        values = _converted(values, name)
    array: HostArray = values
    require_numbers(array, name)
    return array if array.dtype.isnative else array.astype(array.dtype.newbyteorder("="))


def require_numbers(array: HostArray, name: str) -> None:
    """Raises TypeError unless `array` holds real numbers, in more than half precision."""
    if array.dtype.kind in "biuf":
        refuse_half(array.dtype, name)
        return
    got = HINTS.get(array.dtype.kind, str(array.dtype))
    if array.dtype.kind == "O":
        got = f"objects; {_first_object(array, name)}"
    raise TypeError(f"{name} must hold real numbers, got an array of {got}")


def refuse_half(dtype: Any, name: str) -> None:
    """Raises TypeError for the dtypes of half precision, of any library."""
    kind = checks.dtype_name(dtype).split(" ")[0]
    if kind in ("float16", "bfloat16"):
        raise TypeError(
            f"{name} must not be in half precision, got {kind}: convert it to float32, which xpnet "
            "computes in, such as by .astype('float32')"
        )


def is_masked(values: Any) -> bool:
    """Whether `values` are one of NumPy's masked arrays; that module is not loaded to see it."""
    ma = sys.modules.get("numpy.ma")
    return ma is not None and isinstance(values, ma.MaskedArray)


def has_another_meaning(array: object) -> bool:
    """Whether it is of a kind of NumPy's arrays whose numbers may not count, or whose `*` is another."""
    return type(array) is not np.ndarray and (is_masked(array) or isinstance(array, np.matrix))


def is_sparse(values: Any) -> bool:
    """Whether `values` are a sparse matrix, as those of SciPy and CuPy are."""
    return _offers(values, "toarray") and _offers(values, "nnz")


def is_table(values: Any) -> bool:
    """Whether `values` are a data frame or a series, which are indexed by labels."""
    return any(_offers(values, name) for name in ("iloc", "__dataframe__", "__arrow_c_stream__"))


def _offers(values: object, name: str) -> bool:
    return hasattr(cast(type, type(values)), name)


def _converted(values: Any, name: str) -> HostArray:
    if is_sparse(values):
        kind = type(cast(object, values))
        library = {"scipy": "SciPy ", "cupyx": "CuPy "}.get(kind.__module__.split(".")[0], "")
        raise TypeError(
            f"{name} is a {library}sparse matrix ({kind.__name__}); pass {name}.toarray(), as xpnet "
            "computes with dense arrays"
        )
    if is_table(values):
        return _table(values, name)
    if isinstance(values, np.ndarray):
        _refuse_masked(values, name)
        return np.asarray(cast(HostArray, values))
    if getattr(values, "requires_grad", False) is True:
        raise TypeError(f"{name} is a tensor that requires its gradient; pass {name}.detach()")
    if hasattr(values, "dtype"):
        refuse_half(values.dtype, name)
    for place, part in _parts(values, ()):
        _refuse_masked(part, name, place)
    try:
        if _offers(values, "__dlpack__") and not _offers(values, "__array__"):
            return np.from_dlpack(values)
        return np.asarray(values)
    except (ValueError, TypeError, RuntimeError, BufferError) as error:
        raise TypeError(f"{name} cannot be made an array of numbers: {error}") from error


def _refuse_masked(values: Any, name: str, place: tuple[int, ...] = ()) -> None:
    if not is_masked(values):
        return
    mask = np.asarray(values.mask)
    if mask.dtype.names is None and mask.any():
        first = (*place, *(int(k) for k in np.unravel_index(int(np.argmax(mask)), mask.shape)))
        at, more = f"{name}{list(first)}" if first else name, int(mask.sum()) - 1
        raise ValueError(
            f"{at} is masked{f', and so are {more} more' if more else ''}: leave what is masked out, "
            "or put numbers there by .filled(...)"
        )


def _parts(values: Any, place: tuple[int, ...]) -> Iterator[tuple[tuple[int, ...], Any]]:
    """The arrays in nested lists and tuples, each with its place."""
    if isinstance(values, list | tuple):
        for number, part in enumerate(cast("list[Any]", values)):
            yield from _parts(part, (*place, number))
    elif isinstance(values, np.ndarray):
        yield place, values


def _table(values: Any, name: str) -> HostArray:
    """A data frame or series, column by column where their kinds differ."""
    whole = np.asarray(values)
    if whole.ndim == 1:
        return _column(whole, name)
    if whole.dtype.kind in "biu" or (whole.dtype.kind == "f" and not np.isnan(whole).any()):
        return whole
    labels, columns = _columns(values)
    arrays = [
        _column(np.asarray(column), f"{name}: column {label!r}")
        for label, column in zip(labels, columns, strict=True)
    ]
    return np.stack(arrays, axis=1) if arrays else whole


def _columns(table: Any) -> tuple[list[Any], list[Any]]:
    """The labels and the columns of a data frame of pandas, polars, or pyarrow."""
    if _offers(table, "iloc"):
        labels = list(table.columns)
        return labels, [table.iloc[:, k] for k in range(len(labels))]
    if _offers(table, "get_columns"):
        return list(table.columns), list(table.get_columns())
    return list(table.column_names), list(table.columns)


def _column(array: HostArray, name: str) -> HostArray:
    if array.dtype.kind == "O":
        entries: list[Any] = array.tolist()
        missing = [entry is None or type(entry).__name__ in ("NAType", "NaTType") for entry in entries]
        if not any(missing) and all(_is_number(entry) for entry in entries):
            array = np.array(entries)
        elif any(isinstance(entry, str) for entry in entries):
            array = np.array(list(map(str, entries)))
    else:
        missing = np.isnan(array) if array.dtype.kind == "f" else np.zeros(0)
    if array.dtype.kind in "Of" and any(missing):
        row = list(missing).index(True)
        raise ValueError(f"{name} has no value in row {row}: fill it in, or leave the row out")
    if array.dtype.kind not in "biuf":
        got = HINTS.get(array.dtype.kind, f"an array of {array.dtype}")
        raise TypeError(f"{name} holds {got}; it must hold real numbers")
    return array


def _first_object(array: HostArray, name: str) -> str:
    """What an array of objects holds, and what to do about it."""
    for number, entry in enumerate(array.flat):
        if not _is_number(entry):
            at = list(map(int, np.unravel_index(number, array.shape)))
            kind = f"{type(entry).__module__}.{type(entry).__qualname__}".removeprefix("builtins.")
            return f"{name}{at if at else ''} is {checks.shown(entry)}, of type {kind}"
    return f"all of them are numbers: pass {name}.astype(float)"


def _is_number(entry: Any) -> bool:
    return isinstance(entry, int | float | np.integer | np.floating)
