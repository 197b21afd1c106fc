"""The array of a recording: a place in memory that every replay writes anew."""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterator
from typing import Any, NoReturn, Protocol, cast

import numpy as np


class NotRecordable(TypeError):
    """What a recording does not know, or cannot do without a number of an array."""


class Recorder(Protocol):
    """What keeps the operations of arrays."""

    def apply(self, function: Callable[..., Any], *values: Any, **options: Any) -> Any:
        """The new array, or the view, that a function makes."""
        ...

    def change(self, function: Callable[..., Any], *values: Any) -> None:
        """A function that writes to one of its arguments."""
        ...

    def matmul(self, left: Any, right: Any, /, *, out: Any = None) -> Any:
        """A product of matrices."""
        ...


class Recorded:
    """An array whose numbers are those of the evaluation that is under way.

    Nothing takes it for a constant: it becomes no array of NumPy and no number of Python, and has no truth
    value.

    Attributes:
        recorder: of what is done to it.
        array: where its numbers lie.
        owner: keeps the memory from being used otherwise.
    """

    __array_ufunc__ = None  # arrays on the left leave the work to the operators below
    __slots__ = ("array", "owner", "recorder")
    __hash__ = None  # pyright: ignore[reportAssignmentType]  # as arrays have it

    def __init__(self, recorder: Recorder, array: Any, owner: Any) -> None:
        self.recorder, self.array, self.owner = recorder, array, owner

    @property
    def shape(self) -> tuple[int, ...]:
        return self.array.shape

    @property
    def dtype(self) -> Any:
        return self.array.dtype

    @property
    def ndim(self) -> int:
        return self.array.ndim

    @property
    def size(self) -> int:
        return self.array.size

    @property
    def device(self) -> str:
        return "cpu"

    @property
    def mT(self) -> Recorded:
        return Recorded(self.recorder, self.array.mT, self.owner)

    @property
    def T(self) -> Recorded:
        return Recorded(self.recorder, self.array.T, self.owner)

    def __len__(self) -> int:
        return len(self.array)

    def __iter__(self) -> Iterator[Recorded]:
        return (self[k] for k in range(len(self.array)))

    def __getitem__(self, key: Any) -> Any:
        if not _is_view(key):
            return self.recorder.apply(operator.getitem, self, _static(key))
        keys = _parts(key)
        keys = keys if any(part is ... for part in keys) else (*keys, ...)  # never a number
        return Recorded(self.recorder, self.array[keys], self.owner)

    def __setitem__(self, key: Any, value: Any) -> None:
        if not _is_view(key):
            self.recorder.change(operator.setitem, self, _static(key), value)
        elif getattr(value, "dtype", self.dtype) == self.dtype:
            self.recorder.change(np.copyto, self[key], value)
        else:
            self.recorder.change(operator.setitem, self[key], ..., value)

    def __matmul__(self, other: Any) -> Any:
        return self.recorder.matmul(self, other)

    def __rmatmul__(self, other: Any) -> Any:
        return self.recorder.matmul(other, self)

    def __getattr__(self, name: str) -> NoReturn:
        if name.startswith("__"):  # by which other libraries ask what it is
            raise AttributeError(name)
        raise NotRecordable(f"'.{name}' of an array")

    def _refuse(self, *_: Any, **__: Any) -> NoReturn:
        raise NotRecordable("a number, a truth value or an array of NumPy made of one of the recording")

    __bool__ = __float__ = __int__ = __complex__ = __index__ = __array__ = __round__ = _refuse
    __copy__ = __deepcopy__ = __reduce__ = _refuse

    def __repr__(self) -> str:
        return f"<recorded array of shape {self.shape}, {self.dtype}>"


def _parts(key: Any) -> tuple[Any, ...]:
    return cast("tuple[Any, ...]", key) if isinstance(key, tuple) else (key,)


def _is_view(key: Any) -> bool:
    return all(part is None or part is ... or type(part) in (int, slice) for part in _parts(key))


def _static(key: Any) -> Any:
    """`key`, unless what it chooses depends on numbers that are recorded."""
    for part in _parts(key):
        if isinstance(part, Recorded) and part.dtype == np.bool:
            raise NotRecordable("indexing by a condition; use xp.where")
    return key


def _operator(function: Callable[..., Any], *, reflected: bool = False) -> Any:
    def method(self: Recorded, *others: Any) -> Any:
        values = (*others, self) if reflected else (self, *others)
        return self.recorder.apply(function, *values)

    return method


def _in_place(function: Callable[..., Any]) -> Any:
    def method(self: Recorded, other: Any) -> Recorded:
        values = (self, other, self) if isinstance(function, np.ufunc) else (self, other)
        self.recorder.change(function, *values)
        return self

    return method


_OF_TWO: dict[str, tuple[Callable[..., Any], Callable[..., Any]]] = {
    "add": (np.add, np.add),
    "sub": (np.subtract, np.subtract),
    "mul": (np.multiply, np.multiply),
    "truediv": (np.divide, np.divide),
    "floordiv": (np.floor_divide, np.floor_divide),
    "mod": (np.remainder, np.remainder),
    "pow": (cast("Any", operator).pow, cast("Any", operator).ipow),  # which know a square
    "and": (np.bitwise_and, np.bitwise_and),
    "or": (np.bitwise_or, np.bitwise_or),
    "xor": (np.bitwise_xor, np.bitwise_xor),
    "lshift": (np.left_shift, np.left_shift),
    "rshift": (np.right_shift, np.right_shift),
}
_OF_ONE: dict[str, Callable[..., Any]] = {
    "lt": np.less,
    "le": np.less_equal,
    "gt": np.greater,
    "ge": np.greater_equal,
    "eq": np.equal,
    "ne": np.not_equal,
    "neg": np.negative,
    "abs": np.absolute,
    "invert": np.invert,
    "pos": np.positive,
}
for _name, (_function, _own) in _OF_TWO.items():
    setattr(Recorded, f"__{_name}__", _operator(_function))
    setattr(Recorded, f"__r{_name}__", _operator(_function, reflected=True))
    setattr(Recorded, f"__i{_name}__", _in_place(_own))
for _name, _function in _OF_ONE.items():
    setattr(Recorded, f"__{_name}__", _operator(_function))
