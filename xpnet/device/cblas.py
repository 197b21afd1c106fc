"""The matrix products of the OpenBLAS that NumPy has loaded, by their addresses in memory.

Compiled code calls them there, without the interpreter, and gets the bits that NumPy gets.
"""

from __future__ import annotations

import ctypes
import functools
from typing import Any, NamedTuple, cast

import numpy as np


class Cblas(NamedTuple):
    """Addresses of CBLAS functions by their plain names, such as "sgemm", and the bits of its integers."""

    addresses: dict[str, int]
    bits: int


FUNCTIONS = ("sgemm", "dgemm", "sgemv", "dgemv")


@functools.cache
def cblas() -> Cblas | None:
    """What NumPy calls; None where that is another library than OpenBLAS, or cannot be told."""
    from threadpoolctl import ThreadpoolController

    found: list[Any] = cast(Any, ThreadpoolController()).select(user_api="blas").lib_controllers
    found = [library for library in found if "numpy" in str(library.filepath)] or found
    if len(found) != 1 or found[0].internal_api != "openblas" or _is_apples():
        return None
    try:
        return _functions(ctypes.CDLL(str(found[0].filepath)))
    except OSError:
        return None


def _is_apples() -> bool:
    """Whether NumPy calls Apple's Accelerate, which is not found, while an OpenBLAS of others may be."""
    said: Any = np.show_config(mode="dicts")
    return said.get("Build Dependencies", {}).get("blas", {}).get("name") == "accelerate"


def _functions(library: Any) -> Cblas | None:
    for prefix in ("scipy_", ""):
        for suffix in ("64_", "_64", ""):
            try:
                config = getattr(library, f"{prefix}openblas_get_config{suffix}")
                functions = [getattr(library, f"{prefix}cblas_{name}{suffix}") for name in FUNCTIONS]
            except AttributeError:
                continue
            config.argtypes, config.restype = [], ctypes.c_char_p
            bits = 64 if b"USE64BITINT" in config() else 32
            places = [cast(int, ctypes.cast(own, ctypes.c_void_p).value) for own in functions]
            return Cblas(dict(zip(FUNCTIONS, places, strict=True)), bits)
    return None
