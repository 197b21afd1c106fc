"""Ctrl-C in one of several processes: noted where it comes, so that all can be told of it at one point."""

from __future__ import annotations

import contextlib
import signal
import threading
import time
from collections.abc import Generator
from typing import Any

ECHO = 1.0  # seconds in which another interrupt is the same, as a launcher sends it to one after the other


class Interrupts:
    """Those of this process.

    Attributes:
        noted: whether one has come that has not been told yet.
    """

    def __init__(self) -> None:
        self.noted = False
        self._told = -ECHO

    @contextlib.contextmanager
    def held(self) -> Generator[None]:
        """A context in which they are noted rather than raised, where Python would raise them."""
        mine = threading.current_thread() is threading.main_thread()
        if not mine or signal.getsignal(signal.SIGINT) is not signal.default_int_handler:
            yield
            return
        signal.signal(signal.SIGINT, self._note)
        try:
            yield
        finally:
            signal.signal(signal.SIGINT, signal.default_int_handler)
            self.noted = False

    def told(self) -> None:
        """All processes know of it."""
        self.noted, self._told = False, time.monotonic()

    def _note(self, number: int, frame: Any) -> None:
        if time.monotonic() - self._told > ECHO:
            self.noted = True
