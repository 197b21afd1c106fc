"""The products of NumPy's BLAS are found, and are those that NumPy calls."""

from __future__ import annotations

import copy
import ctypes

import numpy as np
import pytest
from threadpoolctl import ThreadpoolController

from xpnet.device import cblas as own
from xpnet.device.cblas import FUNCTIONS, cblas


def test_products_by_address_are_those_of_numpy():
    found = cblas()
    if found is None:
        pytest.skip("NumPy's BLAS is not OpenBLAS")
    assert set(found.addresses) == set(FUNCTIONS)
    integer = ctypes.c_int64 if found.bits == 64 else ctypes.c_int32
    word, place = ctypes.c_int, ctypes.c_void_p
    kinds = [word] * 3 + [integer] * 3 + [ctypes.c_double, place, integer, place, integer]
    gemm = ctypes.CFUNCTYPE(None, *kinds, ctypes.c_double, place, integer)(found.addresses["dgemm"])
    a, b = np.random.default_rng(0).standard_normal((2, 30, 30))
    c = np.empty((30, 30))
    places = [array.ctypes.data for array in (a, b, c)]
    gemm(101, 111, 111, 30, 30, 30, 1.0, places[0], 30, places[1], 30, 0.0, places[2], 30)
    np.testing.assert_array_equal(c, a @ b)


def test_other_libraries_are_not_called(monkeypatch):
    class Controller:
        def __init__(self, *libraries):
            self.lib_controllers = libraries

        def select(self, **_):
            return self

    class Library:
        def __init__(self, filepath, internal_api="openblas"):
            self.filepath, self.internal_api = filepath, internal_api

    (real, *_) = [lib for lib in ThreadpoolController().lib_controllers if lib.user_api == "blas"]
    cases = [(), [Library(real.filepath, "mkl")], [Library("a.so"), Library("b.so")], [Library("/none.so")]]
    for libraries in cases:
        monkeypatch.setattr(
            "threadpoolctl.ThreadpoolController", lambda found=libraries: Controller(*found)
        )
        own.cblas.cache_clear()
        assert cblas() is None
    own.cblas.cache_clear()


def test_apple_s_library_is_not_mistaken_for_another(monkeypatch):
    """NumPy calls Accelerate, and SciPy has brought an OpenBLAS along."""
    if cblas() is None:
        pytest.skip("NumPy's BLAS is not OpenBLAS")
    said = copy.deepcopy(np.show_config(mode="dicts"))  # which is NumPy's own
    said["Build Dependencies"]["blas"]["name"] = "accelerate"
    monkeypatch.setattr(np, "show_config", lambda mode: said)
    own.cblas.cache_clear()
    assert cblas() is None
    own.cblas.cache_clear()
