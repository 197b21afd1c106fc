"""The backends that tests run on, and the option that runs the slow ones."""

from __future__ import annotations

import importlib
import importlib.util
import os
import sys
from copy import deepcopy

import hypothesis
import numpy as np
import pytest
from array_api_compat import is_array_api_obj

import xpnet
from xpnet import checks, iterate

os.environ["MPLBACKEND"] = "Agg"  # pictures open no window
hypothesis.settings.register_profile("xpnet", deadline=None)  # machines are shared
hypothesis.settings.load_profile("xpnet")

STRICT = {"strict": 0, "strict-second-device": 1, "strict-without-float64": None}


def pytest_addoption(parser):
    parser.addoption("--slow", action="store_true", help="run the tests marked slow too")


# What CuPy cannot do where its kernels run on the CPU, as they do where XPNET_TEST_COUNTER names a module:
# parts of tests' ids, and why.
NOT_EMULATED: dict[str, str] = {"test_sparse_matrices_of_cupy": "cuSPARSE"}


@pytest.hookimpl(tryfirst=True)  # before -m looks at the marks
def pytest_collection_modifyitems(config, items):
    for item in items:
        parameters = item.callspec.params if hasattr(item, "callspec") else {}
        kinds = [parameters.get(name) for name in ("backend", "device")]
        if "cupy" in kinds or {"cupy_backend", "counter"} & {*getattr(item, "fixturenames", ())}:
            item.add_marker("cupy")
            for part, reason in NOT_EMULATED.items() if os.environ.get("XPNET_TEST_COUNTER") else ():
                if part in item.nodeid:
                    item.add_marker(pytest.mark.skip(reason=f"not emulated: {reason}"))
    if not config.getoption("--slow"):
        for item in items:
            if "slow" in item.keywords:
                item.add_marker(pytest.mark.skip(reason="slow: run with --slow"))


def _strict(kind: str) -> xpnet.Backend:
    if importlib.util.find_spec("array_api_strict") is None:
        pytest.skip("array-api-strict is not installed")
    import array_api_strict as xp

    devices = xp.__array_namespace_info__().devices()
    full = [device for device in devices if _has_float64(xp, device)]
    without = [device for device in devices if not _has_float64(xp, device)]
    if STRICT[kind] is None:
        if not without:
            pytest.skip("this array-api-strict has no device without float64")
        return xpnet.Backend("array_api_strict", xp, without[0])
    return xpnet.Backend("array_api_strict", xp, full[STRICT[kind]])


def _has_float64(xp, device) -> bool:
    return "float64" in xp.__array_namespace_info__().dtypes(device=device)


def _cupy() -> xpnet.Backend:
    try:
        return xpnet.backend("cupy")
    except xpnet.BackendError as error:
        pytest.skip(str(error))


@pytest.fixture(params=["numpy", *STRICT, "cupy"])
def backend(request) -> xpnet.Backend:
    """Every array library and device that xpnet must run on."""
    if request.param == "numpy":
        return xpnet.backend("numpy")
    return _cupy() if request.param == "cupy" else _strict(request.param)


@pytest.fixture(params=["numpy", "cupy"])
def device(request) -> xpnet.Backend:
    """NumPy and CuPy: for tests that say nothing of what the array API allows, and of values only."""
    return xpnet.backend("numpy") if request.param == "numpy" else _cupy()


@pytest.fixture
def dtype(backend) -> str:
    """The most precise floating-point dtype of `backend`."""
    return checks.dtype_name(backend.accumulator)


@pytest.fixture
def tolerance(backend) -> float:
    return 1e-12 if backend.accumulator == backend.xp.float64 else 2e-5


@pytest.fixture
def counter():
    """A module that counts what the device is given to do, by `count()`, and can `forbid(...)` it."""
    name = os.environ.get("XPNET_TEST_COUNTER")
    if not name:
        pytest.skip("XPNET_TEST_COUNTER names no module that counts launches, copies and synchronisations")
    return importlib.import_module(name)


@pytest.fixture(autouse=True)
def _figures_are_closed():
    yield
    if "matplotlib.pyplot" in sys.modules:
        sys.modules["matplotlib.pyplot"].close("all")


@pytest.fixture
def numpy_backend() -> xpnet.Backend:
    return xpnet.backend("numpy")


@pytest.fixture
def cupy_backend() -> xpnet.Backend:
    return _cupy()


@pytest.fixture
def torch():
    return pytest.importorskip("torch", reason="PyTorch, the oracle of this test, is not installed")


def to_numpy(values):
    """`values` on the host if they are an array, of any library."""
    return xpnet.backend("numpy").to_numpy(values) if is_array_api_obj(values) else values


def assert_resumes(objective, method, w) -> None:
    """A run that goes on from a copy of point and state takes the same steps, bit for bit."""
    state = method.initialize(objective, w)
    for _ in range(5):
        method.step(objective, w, state)
    later, later_state = deepcopy((w, state))
    for _ in range(5):
        method.step(objective, w, state)
    steps = iterate(objective, method, later, state=later_state)
    for _ in range(5):
        next(steps)
    assert later.tobytes() == w.tobytes()


def assert_allclose(got, want, **options) -> None:
    """As NumPy's, for arrays of any library."""
    np.testing.assert_allclose(to_numpy(got), to_numpy(want), **options)


def assert_array_equal(got, want, **options) -> None:
    """As NumPy's, for arrays of any library."""
    np.testing.assert_array_equal(to_numpy(got), to_numpy(want), **options)


def read_only(*arrays: np.ndarray) -> tuple[np.ndarray, ...]:
    """Copies of `arrays` that raise when something writes to them."""
    copies = tuple(np.array(array) for array in arrays)
    for copy in copies:
        copy.flags.writeable = False
    return copies
