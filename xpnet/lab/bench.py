"""What an experiment is given, and what it returns."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Mapping, Sized
from dataclasses import dataclass, field
from typing import Any, TypeVar

import numpy as np

from .. import checks
from ..device.backend import Backend
from ..device.select import backend
from ..objectives import Objective
from ..training import minimize
from ..training.stopping import after
from .expectations import Expectation

T = TypeVar("T")


@dataclass(frozen=True)
class Lab:
    """Where and how an experiment is run.

    Attributes:
        seed: of all that is random.
        backend: where it is computed, a `Backend` or the name of one; by default as `xpnet.backend()` says.
        progress: whether `each` tells on a terminal how far it is.
    """

    seed: int = 0
    backend: Backend = None  # type: ignore[assignment]  # set below
    progress: bool = False

    def __post_init__(self) -> None:
        object.__setattr__(self, "seed", checks.seed("seed", self.seed))
        object.__setattr__(self, "backend", backend(self.backend))
        object.__setattr__(self, "progress", checks.flag("progress", self.progress))

    def random(self, *key: int) -> np.random.Generator:
        """A random generator of this seed; each key has its own, so that their order does not matter."""
        return np.random.default_rng([self.seed, *key])

    def array(self, values: Any) -> Any:
        """`values` on the device, in double precision, as a new array."""
        return self.backend.xp.asarray(self.backend.asarray(values, "float64"), copy=True)

    def numpy(self, values: Any) -> Any:
        """`values` of the device as an array of NumPy."""
        return self.backend.to_numpy(values)

    def path(self, objective: Objective, method: Any, w: Any, steps: int) -> tuple[Any, Any, Any]:
        """A run from `w`: the points where it took its gradients, the values there, and the gradients.

        All are on the host: points and gradients `(steps, P)` or `(steps, R, P)`, values `(steps,)` or
        `(steps, R)`.
        """
        run = minimize(objective, method, self.array(w), stop=after(steps), keep_path=True, check_every=1)
        path: Any = run.history.path
        gradients = [objective.value_and_gradient(self.array(point))[1] for point in path]
        return path, run.history.value, np.stack([self.numpy(gradient) for gradient in gradients])

    def each(self, items: Iterable[T], what: str) -> Iterator[T]:
        """The items one by one; on a terminal it is said which is at work, if `progress` is wanted."""
        shown = self.progress and sys.stderr.isatty()
        of = f" of {len(items)}" if isinstance(items, Sized) else ""
        for number, item in enumerate(items, 1):
            if shown:
                print(f"\r\x1b[K  {what} {number}{of}", end="", file=sys.stderr, flush=True)
            yield item
        if shown:
            print("\r\x1b[K", end="", file=sys.stderr, flush=True)


@dataclass(frozen=True, eq=False)
class Result:
    """What an experiment returns.

    Attributes:
        numbers: by name, all that `draw` needs: numbers, words, arrays of NumPy, and more of them in
            tuples, dictionaries and results of `xpnet.analysis`. The same seed gives the same.
        expectations: what was expected, beside what was measured.
        seconds: what was timed, by name, which no two runs have in common.
    """

    numbers: Mapping[str, Any]
    expectations: tuple[Expectation, ...]
    seconds: Mapping[str, Any] = field(default_factory=dict[str, Any])

    def __post_init__(self) -> None:
        object.__setattr__(self, "expectations", tuple(self.expectations))

    def __getitem__(self, name: str) -> Any:
        """The numbers of this name."""
        return self.numbers[name]

    @property
    def passed(self) -> bool:
        """Whether nothing was measured that was not expected."""
        return all(expectation.verdict != "fails" for expectation in self.expectations)
