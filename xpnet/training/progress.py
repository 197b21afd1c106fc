"""The progress bar, in a terminal or in a notebook."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from .. import checks
from ..run import Run
from .callbacks import Begun, Callback, Step, Watcher
from .rule import Rule
from .stopping import after


@dataclass(frozen=True)
class ProgressBar(Callback):
    """A bar of steps, up to the limit that `stop` has, if it has one.

    Raises:
        ImportError: tqdm is not installed.
    """

    once = True
    stop: Rule

    def start(self, begun: Begun) -> Watcher:
        return Bar(self.stop)


class Bar(Watcher):
    """A bar of steps, with the value, the rate and the held-out risk beside it."""

    def __init__(self, stop: Rule) -> None:
        try:
            from tqdm.auto import tqdm
        except ImportError as error:
            raise ImportError(f"progress=True needs tqdm: {checks.installing('progress')}") from error
        steps = [rule.steps for rule in stop.parts() if isinstance(rule, after)]
        self._bar: Any = tqdm(total=min(steps, default=None), unit="step")
        self._held_out = ""

    def see(self, step: Step) -> None:
        """Moves the bar to the steps taken."""
        held_out = _numbers(step.held_out)
        if held_out:
            self._held_out = f", held out {min(held_out):.4g}"
        rate = max(_numbers(step.rate), default=math.nan)
        value = min(_numbers(step.value), default=math.nan)
        self._bar.set_postfix_str(f"value {value:.4g}, rate {rate:.3g}{self._held_out}", refresh=False)
        self._bar.update(step.steps - self._bar.n)

    def close(self, run: Run) -> None:
        """Leaves the bar as it is, on a line of its own."""
        self._bar.close()


def _numbers(values: Any) -> list[float]:
    """`values`, a number or an array of the host, without NaN."""
    listed = values.reshape(-1).tolist() if getattr(values, "ndim", 0) else [float(values)]
    return [value for value in listed if not math.isnan(value)]
