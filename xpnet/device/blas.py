"""The host's BLAS, held to one thread while xpnet computes."""

from __future__ import annotations

import functools
import threading
from typing import Any, ClassVar


class hold_blas:
    """A context in which the host's BLAS uses one thread; on exit it gets its threads back.

    The number is a setting of the whole process, so contexts that overlap in time share one hold:
    the first to enter takes it, the last to leave gives it back.
    """

    _lock = threading.Lock()
    _holders = 0
    _holder = 0  # the thread that took the hold
    _previous: ClassVar[list[int]] = []

    def __enter__(self) -> None:
        with hold_blas._lock:
            if hold_blas._holders == 0:
                libraries = _blas_libraries()
                hold_blas._holder = threading.get_ident()
                hold_blas._previous = [library.get_num_threads() for library in libraries]
                for library in libraries:
                    library.set_num_threads(1)
            hold_blas._holders += 1

    def __exit__(self, *_: object) -> None:
        with hold_blas._lock:
            hold_blas._holders -= 1
            if hold_blas._holders == 0:
                same = hold_blas._holder == threading.get_ident()
                for library, number in zip(_blas_libraries(), hold_blas._previous, strict=True):
                    # threadpoolctl lets one thread only set OpenBLAS's number until it lets go
                    let_go = getattr(library, "clear_controlling_thread", None)
                    if let_go and not same:
                        let_go(force=True)
                    library.set_num_threads(number)
                    if let_go:
                        let_go()


@functools.cache
def _blas_libraries() -> list[Any]:
    """The BLAS that NumPy uses: its own where it brings one, else all there are."""
    from threadpoolctl import ThreadpoolController

    libraries = ThreadpoolController().select(user_api="blas").lib_controllers
    return [library for library in libraries if "numpy" in library.filepath] or libraries
