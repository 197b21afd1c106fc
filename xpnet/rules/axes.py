"""How arrays are indexed in the loops of a compiled rule: which loops there are, where an element is."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Argument:
    """An array that a loop reads or writes.

    Attributes:
        name: `A0` of the first array, `O0` of the first output, `U3` of the array that node 3 is.
        mask: for each axis of the whole "1", or "0" where it is broadcast.
        ndim: its own number of axes.
        double: whether it is of float64 whatever the others are.
        layout: "C" contiguous; "R" only along the last axis; "S" with strides.
    """

    name: str
    mask: str
    ndim: int
    written: bool = False
    double: bool = False
    layout: str = "C"

    @property
    def own(self) -> list[int]:
        """Its own axes, among those of the whole: the last; of results the sums over an axis lack that."""
        shared = [axis for axis, bit in enumerate(self.mask) if bit == "1"]
        return shared if len(shared) == self.ndim else [*range(len(self.mask))][-self.ndim :]


class Axes:
    """The loops over the axes of the whole, and how each argument is indexed in them.

    Where all arguments are contiguous, axes that each of them has, or lacks, together are one loop; the
    last `apart` stay alone. Loop `k` goes round `nk` times and is at `ik`.
    """

    def __init__(self, arguments: Sequence[Argument], apart: int = 0) -> None:
        self.arguments = {own.name: own for own in arguments}
        self.groups: list[list[int]] = []
        ndim = len(arguments[0].mask)
        whole = all(own.layout == "C" for own in arguments)
        for axis in range(ndim):
            alike = whole and all(own.mask[axis - 1 : axis] == own.mask[axis] for own in arguments)
            if self.groups and alike and axis < ndim - apart:
                self.groups[-1].append(axis)
            else:
                self.groups.append([axis])

    def dtypes(self, dtype: str) -> list[str]:
        return ["float64" if own.double else dtype for own in self.arguments.values()]

    def prologue(self) -> list[str]:
        """The lines that make lengths of loops, and strides in numbers instead of bytes."""
        lines = [f"n{k} = {self._length(k)}" for k in range(len(self.groups))]
        for name, own in self.arguments.items():
            size = "8" if own.double else "SIZE"
            for axis in range(len(own.mask)):
                step = self._step(own, axis)
                if own.mask[axis] == "1" and step[0] == "s":
                    lines.append(f"{step} = s{name}[{own.own.index(axis)}] // {size}")
        return lines

    def _length(self, loop: int) -> str:
        group = self.groups[loop]
        for own in self.arguments.values():
            if group[0] in own.own and own.mask[group[0]] == "1":
                return " * ".join(f"n{own.name}[{own.own.index(axis)}]" for axis in group)
        return "1"

    def _step(self, own: Argument, axis: int) -> str:
        """By how much the place of an element changes along an axis."""
        if own.layout == "S" or (own.layout == "R" and axis < len(own.mask) - 1):
            return f"s{own.name}_{axis}"
        later = [k for k, group in enumerate(self.groups) if group[0] > axis and own.mask[group[0]] == "1"]
        return " * ".join(f"n{k}" for k in later) or "1"

    def place(self, name: str, **places: str) -> str:
        """Where in an argument an element is, where loop `k` is at `ik`, or at `places["ik"]`."""
        own = self.arguments[name]
        parts: list[str] = []
        for k, group in enumerate(self.groups):
            if own.mask[group[0]] == "1":
                at, step = places.get(f"i{k}", f"i{k}"), self._step(own, group[-1])
                parts.append(at if step == "1" else f"{at} * {step}")
        return " + ".join(parts) or "0"

    def index(self, name: str) -> str:
        """The element of an argument."""
        return f"{name}[{self.place(name)}]"

    def along(self, name: str, base: str) -> str:
        """The element that is `j` further than place `base` along the last axis."""
        step = self._step(self.arguments[name], len(self.arguments[name].mask) - 1)
        return f"{name}[{base} + j]" if step == "1" else f"{name}[{base} + j * {step}]"

    def depth(self, name: str) -> int:
        """How many of the loops must be open before its element is known."""
        used = [k for k, group in enumerate(self.groups) if self.arguments[name].mask[group[0]] == "1"]
        return used[-1] + 1 if used else 0


def parameters(names: Iterable[str]) -> list[str]:
    """The parameters of a kernel that stand for arrays: of each its data, lengths and strides."""
    return [part for name in names for part in (name, f"n{name}", f"s{name}")]
