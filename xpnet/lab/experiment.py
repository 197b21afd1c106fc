"""An experiment as the command knows it: a module with a claim, a function that runs and one that draws."""

from __future__ import annotations

import importlib
import importlib.util
import inspect
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

from .. import checks
from . import EXPERIMENTS
from .bench import Lab, Result
from .pictures import looks


@dataclass(frozen=True)
class Experiment:
    """What a module of the laboratory says of itself.

    Attributes:
        name: that of the module.
        text: its docstring, the first line of which is the claim.
        rows: `ROWS`, of the lecture's table.
        quick: `QUICK`, what `run` is given by name for a quick run.
        run: `run(lab, ...)`, which returns a `Result`; what it takes by name has defaults, for a full run.
        draw: `draw(result)`, which returns a figure.
        source: its file.
    """

    name: str
    text: str
    rows: tuple[str, ...]
    quick: Mapping[str, Any]
    run: Callable[..., Result]
    draw: Callable[[Result], Any]
    source: Path

    @property
    def title(self) -> str:
        """The claim in one line."""
        return self.text.partition("\n")[0].rstrip(".")

    def settings(self, quick: bool) -> dict[str, Any]:
        """What `run` is given by name."""
        full = {
            name: parameter.default
            for name, parameter in inspect.signature(self.run).parameters.items()
            if parameter.default is not inspect.Parameter.empty
        }
        return full | (dict(self.quick) if quick else {})

    def performed(self, lab: Lab, quick: bool) -> tuple[Result, Any, dict[str, float]]:
        """Its result, its figure, and the seconds that both took."""
        start = time.perf_counter()
        result = self.run(lab, **self.settings(quick))
        middle = time.perf_counter()
        with looks():
            figure = self.draw(result)
            figure.suptitle(self.title)
        return result, figure, {"run": middle - start, "draw": time.perf_counter() - middle}


def experiment(name: str) -> Experiment:
    """The experiment of this name, one of `EXPERIMENTS`; or that of a file, whose name ends with ".py".

    Raises:
        ValueError: there is none of this name.
        OSError: there is no such file.
        TypeError: the module lacks what an experiment has.
    """
    if not name.endswith(".py"):
        name = checks.choice("experiment", name, EXPERIMENTS)
        return _of(importlib.import_module(f"{__package__}.{name}"), name)
    path = Path(name)
    if not path.is_file():
        raise FileNotFoundError(f"there is no file {name}")
    spec: Any = importlib.util.spec_from_file_location(path.stem, path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return _of(module, path.stem)


def _of(module: ModuleType, name: str) -> Experiment:
    has = vars(module)
    text = inspect.getdoc(module)
    missing = [part for part in ("ROWS", "QUICK", "run", "draw") if part not in has]
    if missing or not text:
        lacks = ", ".join(missing) or "a docstring"
        raise TypeError(f"{name} must have a docstring, ROWS, QUICK, run and draw; it lacks {lacks}")
    rows = tuple(map(str, has["ROWS"]))
    return Experiment(name, text, rows, has["QUICK"], has["run"], has["draw"], Path(has["__file__"]))
