"""The host's BLAS, held to one thread while xpnet computes.

The number of threads is a setting of the whole process, and a hold must end whatever happens: a Ctrl-C may
come in any byte code, of an `__exit__` too, and a process may fork while another thread holds. So nothing
is counted. A hold is an object that lives as long as anybody looks at it, each holder has a `memoryview` of
it, and when the last of these is released the object goes and BLAS gets its threads back. Leaving, and all
that follows from it, is C code, in which no interrupt comes.
"""

from __future__ import annotations

import contextlib
import ctypes
import functools
import os
import threading
import weakref
from collections.abc import Callable
from typing import Any, NamedTuple, cast


class _Hold(bytearray):
    """BLAS at one thread for as long as there is a view of this."""

    __slots__ = ("__weakref__",)


class _Library(NamedTuple):
    get: Callable[[], int]
    set: Callable[..., Any]  # takes the number, and what it does not look at


class _Process:
    """What there is once for each process; a forked child makes its own."""

    def __init__(self) -> None:
        self.lock = threading.RLock()
        self.hold: weakref.ref[_Hold] | None = None
        self.ends: list[tuple[_Library, int, weakref.ref[_Hold]]] = []  # which give the numbers back


_process = _Process()


def hold_blas() -> contextlib.AbstractContextManager[Any]:
    """A context in which the host's BLAS uses one thread; on exit it gets its threads back.

    Contexts that overlap in time share one hold: the first to enter takes it, the last to leave ends it.
    """
    hold, views = None, list[Any]()
    try:
        with _process.lock:
            hold = _process.hold and _process.hold()
            if hold is None:
                hold = _Hold()
                _process.hold, _process.ends = weakref.ref(hold), []
                for library in _libraries():
                    number = library.get()
                    end = weakref.ref(hold, functools.partial(library.set, number))
                    _process.ends.append((library, number, end))
                    library.set(1, None)
            views.append(cast(Any, memoryview)(hold))
        hold = None  # and nothing else may keep it: neither this frame, which an error's traceback keeps
        return views.pop()
    except BaseException:
        hold, views = None, []
        with contextlib.suppress(RuntimeError):  # this thread has given the lock back already
            _process.lock.release()
        raise


def blas_threads() -> list[int]:
    """The number of threads of each BLAS that is held."""
    return [library.get() for library in _libraries()]


@functools.cache
def _libraries() -> list[_Library]:
    """The BLAS that NumPy uses: its own where it brings one, else all there are."""
    from threadpoolctl import ThreadpoolController

    found: list[Any] = cast(Any, ThreadpoolController()).select(user_api="blas").lib_controllers
    own = [library for library in found if "numpy" in str(library.filepath)]
    return [_library(library) for library in own or found]


def _library(controller: Any) -> _Library:
    """The functions of a BLAS itself, called without giving up the interpreter's lock.

    Those of `threadpoolctl` are byte code, in which an interrupt may come, and some let one thread only set
    the number; they are for libraries that have none of these names.
    """
    library = ctypes.PyDLL(str(controller.filepath))
    names = [
        (f"{prefix}openblas_get_num_threads{suffix}", f"{prefix}openblas_set_num_threads{suffix}")
        for prefix in ("", "scipy_")
        for suffix in ("", "64_", "_64")
    ]
    for get, set in [*names, ("MKL_Get_Max_Threads", "MKL_Set_Num_Threads")]:
        if hasattr(library, get) and hasattr(library, set):
            getter, setter = getattr(library, get), getattr(library, set)
            getter.argtypes, getter.restype = [], ctypes.c_int
            setter.argtypes, setter.restype = [ctypes.c_int, ctypes.py_object], None
            return _Library(getter, setter)
    return _Library(controller.get_num_threads, functools.partial(_set, controller))


def _set(controller: Any, number: int, _: Any) -> None:
    controller.set_num_threads(number)


def _forked() -> None:
    """In a forked child: whoever held has not come along, so BLAS gets its threads back."""
    global _process
    before, _process = _process, _Process()
    for library, number, _ in before.ends:
        if before.hold is not None and before.hold() is not None:
            library.set(number, None)


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forked)
