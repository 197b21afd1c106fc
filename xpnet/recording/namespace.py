"""The namespace whose arrays are `Recorded`: what its functions do is done, and kept to be done again."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, cast

import numpy as np

from ..device.products import Places
from ..rules import arguments
from ..rules.operations import CONSTANTS, OPERATIONS
from ..rules.products import multiplied
from ..rules.rule import Carrier
from .recorded import NotRecordable, Recorded
from .tape import Tape, assign, elementwise, product

# beside the operations of rules, what makes one array, of a shape that no number of an array changes
_FUNCTIONS = frozenset(
    [
        "sum",
        "prod",
        "max",
        "min",
        "mean",
        "var",
        "std",
        "cumulative_sum",
        "all",
        "any",
        "argmax",
        "argmin",
        "argsort",
        "sort",
        "take",
        "tril",
        "triu",
        "concat",
        "stack",
        "reshape",
        "squeeze",
        "expand_dims",
        "permute_dims",
        "moveaxis",
        "matrix_transpose",
        "flip",
        "roll",
        "broadcast_to",
        "astype",
        "asarray",
        "vecdot",
        "tensordot",
        "empty_like",
        "bitwise_and",
        "bitwise_or",
        "bitwise_xor",
        "bitwise_invert",
        "repeat",
        "tile",
        "bitwise_left_shift",
        "bitwise_right_shift",
    ]
)
_MAKERS = frozenset(["zeros", "ones", "full", "arange", "eye", "linspace"])
_AS_THEY_ARE = frozenset(
    [
        "bool",
        "float32",
        "float64",
        "int8",
        "int16",
        "int32",
        "int64",
        "uint8",
        "uint16",
        "uint32",
        "uint64",
        "newaxis",
        "finfo",
        "iinfo",
        "isdtype",
        "__array_namespace_info__",
        "kernels",
    ]
) | frozenset(CONSTANTS)
_ARRAYS: Any = (np.ndarray, np.generic)


class Recording(Carrier, Places):
    """The functions of the namespace `xp`, of NumPy, on the arrays of a tape.

    Every other function raises NotRecordable.
    """

    __name__ = "xpnet.recording"  # which libraries look at

    def __init__(self, xp: Any, tape: Tape) -> None:
        self.xp, self.tape = xp, tape
        self._loops = arguments.wants_loops(xp)

    def __getattr__(self, name: str) -> Any:
        if name in _AS_THEY_ARE:
            return getattr(self.xp, name)
        if name not in OPERATIONS and name not in _FUNCTIONS and name not in _MAKERS:
            if name.startswith("__"):
                raise AttributeError(name)
            raise NotRecordable(f"xp.{name}")
        return functools.partial(self.apply, getattr(self.xp, name))

    def empty(self, shape: Any, *, dtype: Any, device: Any = None) -> Recorded:
        return Recorded(self, *self.tape.empty((shape,) if isinstance(shape, int) else tuple(shape), dtype))

    def place(self, array: Any) -> Recorded:
        """An array that stays where it is, whatever its numbers are when the tape runs."""
        return Recorded(self, array, array)

    def given(self, array: Any) -> Recorded:
        """Such an array that is not written to."""
        view = array[...]
        view.flags.writeable = False
        return Recorded(self, view, array)

    def apply(self, function: Callable[..., Any], *values: Any, **options: Any) -> Recorded:
        """The new array, or the view, that a function makes."""
        plain, named = self._plain(values), {name: self._plain(value) for name, value in options.items()}
        result = function(*plain, **named)
        if not isinstance(result, _ARRAYS):
            raise NotRecordable(f"{getattr(function, '__name__', function)}, which makes no array")
        for value in values:
            array = value.array if isinstance(value, Recorded) else value
            if isinstance(array, _ARRAYS) and np.may_share_memory(result, array):
                return Recorded(self, result, value.owner if isinstance(value, Recorded) else array)
        made = self._like(result)
        if isinstance(function, np.ufunc) and not named:
            self.tape.call(elementwise(function, plain, made.array))
        else:
            self.tape.call((assign, (function, made.array, plain, named)))
        return made

    def change(self, function: Callable[..., Any], *values: Any) -> None:
        """A function that writes to one of its arguments."""
        self.tape.call((function, self._plain(values)))

    def matmul(self, left: Any, right: Any, /, *, out: Any = None) -> Any:
        a, b = self._plain((left, right))
        if out is None:
            like = np.matmul(a, b)
            out = self.empty(like.shape, dtype=like.dtype)
        self.tape.call(product(a, b, *self._plain((out,))))
        return out

    def product(self, left: Any, right: Any, into: Any = None) -> Any:
        if self._loops:
            made: list[Recorded] = []
            a, b, place = self._plain((left, right, into))
            if multiplied(a, b, place, self._made(made), self.tape.call) is not None:
                return into if into is not None else made[0]
        return self.matmul(left, right, out=into)

    def multiply(self, left: Any, right: Any, /, *, out: Any = None) -> Any:
        if out is None:
            return self.apply(np.multiply, left, right)
        self.change(np.multiply, left, right, out)
        return out

    def compute(self, rule: Any, arrays: tuple[Any, ...], scalars: dict[str, Any]) -> Any:
        made = list[Recorded]()
        plain, numbers = self._plain(arrays), _numbers(scalars)
        rule.computed(self.xp, np.ndarray, self._made(made), plain, numbers, self.tape.call)
        return tuple(made) if len(made) > 1 else made[0]

    def compute_with_sum(self, rule: Any, arrays: tuple[Any, ...], scalars: dict[str, Any]) -> Any:
        if not self._loops:
            return self.compute(rule, arrays, scalars), None
        made = list[Recorded]()  # the results, and then the sum
        plain, numbers = self._plain(arrays), _numbers(scalars)
        outputs, total = rule.computed_with_sum(self.xp, self._made(made), plain, numbers, self.tape.call)
        own = made[: len(outputs)]
        return tuple(own) if len(own) > 1 else own[0], None if total is None else made[len(outputs)]

    def write(
        self, rule: Any, into: tuple[Any, ...], arrays: tuple[Any, ...], scalars: dict[str, Any]
    ) -> None:
        places = self._plain(into)
        plain, numbers = self._plain(arrays), _numbers(scalars)
        rule.written(self.xp, np.ndarray, places, plain, numbers, self.tape.call)

    def total(
        self, rule: Any, arrays: tuple[Any, ...], scalars: dict[str, Any], factor: float, dtype: Any
    ) -> Any:
        if not self._loops:
            return None
        made = list[Recorded]()
        plain = self._plain(arrays)
        numbers = arguments.checked(rule, np.ndarray, plain, _numbers(scalars))
        found = rule.summed(plain, numbers, factor, dtype, self._made(made), self.tape.call)
        return None if found is None else made[0]

    def samplewise(
        self, rule: Any, arrays: tuple[Any, ...], numbers: dict[str, Any], *, summed: bool = False
    ) -> Any:
        if not self._loops:
            return None
        made = list[Recorded]()  # the results, and then what the loop works in
        plain, empty = self._plain(arrays), self._made(made)
        found = rule.computed(plain, _numbers(numbers), empty, self.tape.call, summed=summed)
        return None if found is None else made[: len(found)]

    def _like(self, array: Any) -> Recorded:
        """A new array with its axes in memory in the same order, on which the order of sums depends."""
        order = sorted(range(array.ndim), key=lambda axis: -abs(array.strides[axis]))
        if order == sorted(order):
            return self.empty(array.shape, dtype=array.dtype)
        made = self.empty([array.shape[axis] for axis in order], dtype=array.dtype)
        return Recorded(self, made.array.transpose(np.argsort(order)), made.owner)

    def _made(self, made: list[Recorded]) -> Callable[..., Any]:
        """What makes arrays for a rule, and keeps them in `made`."""

        def empty(shape: tuple[int, ...], dtype: Any) -> Any:
            made.append(self.empty(shape, dtype=dtype))
            return made[-1].array

        return empty

    def _plain(self, value: Any) -> Any:
        """`value` with arrays of NumPy for those of this tape, in tuples and lists too."""
        if isinstance(value, Recorded):
            if value.recorder is not self or not self.tape.open:
                raise NotRecordable("an array of another evaluation")
            return value.array
        if isinstance(value, tuple | list):
            parts = [self._plain(part) for part in cast("list[Any]", value)]
            return tuple(parts) if isinstance(value, tuple) else parts
        return value


def _numbers(scalars: dict[str, Any]) -> dict[str, Any]:
    """A copy of `scalars`, which become numbers of the tape."""
    for name, value in scalars.items():
        if isinstance(value, Recorded):
            raise NotRecordable(f"a rule's scalar {name!r} that is computed")
    return dict(scalars)
