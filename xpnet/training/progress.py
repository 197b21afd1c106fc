"""The progress bar."""

from __future__ import annotations

import math
from typing import Any

from .. import checks
from .rule import Rule
from .run import Look
from .stopping import after


class Bar:
    """A bar of steps, with the value, the rate and the held-out risk beside it.

    Raises:
        ImportError: tqdm is not installed.
    """

    def __init__(self, stop: Rule) -> None:
        try:
            from tqdm.auto import tqdm
        except ImportError as error:
            raise ImportError(f"progress=True needs tqdm: {checks.installing('progress')}") from error
        steps = [rule.steps for rule in stop.parts() if isinstance(rule, after)]
        self._bar: Any = tqdm(total=min(steps, default=None), unit="step")
        self._held_out = ""

    def show(self, steps: int, look: Look) -> None:
        """Moves the bar to `steps`, the number taken, of which `look` is the last read."""
        held_out = _numbers(look.held_out)
        if held_out:
            self._held_out = f", held out {min(held_out):.4g}"
        rate = max(_numbers(look.rate), default=math.nan)
        value = min(_numbers(look.value), default=math.nan)
        self._bar.set_postfix_str(f"value {value:.4g}, rate {rate:.3g}{self._held_out}", refresh=False)
        self._bar.update(steps - self._bar.n)

    def close(self) -> None:
        """Leaves the bar as it is, on a line of its own."""
        self._bar.close()


def _numbers(values: Any) -> list[float]:
    """`values`, a number or an array of the host, without NaN."""
    listed = values.reshape(-1).tolist() if getattr(values, "ndim", 0) else [float(values)]
    return [value for value in listed if not math.isnan(value)]
