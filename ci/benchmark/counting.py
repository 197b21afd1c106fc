"""Counts what a step gives a GPU to do.

PyTorch's profiler counts where it sees the GPU. Else a module that counts for CuPy does, if the environment
names one, as for the tests: XPNET_TEST_COUNTER names a module with a context `count()` whose result has
`launches` (of kernels) and `calls` (of libraries, by library and name).
"""

import importlib
import os
import re

HOST = re.compile(r"cu(da)?(Graph)?Launch")  # what CUDA's two interfaces call their launches


def counter():
    """The module that `XPNET_TEST_COUNTER` names, or None."""
    name = os.environ.get("XPNET_TEST_COUNTER")
    return importlib.import_module(name) if name else None


def count(steps):
    """What one step launches, and the kernels that the device runs for it; None where nobody can count.

    A call of a library such as cuBLAS counts as one launch where the counter sees no further.
    """
    module = counter()
    if module is not None:
        with module.count() as counted:
            steps(1)
        calls = sum(sum(names.values()) for names in counted.calls.values())
        launches = counted.launches + calls
        return {"launches": launches or None, "kernels": None}
    try:
        from torch.profiler import ProfilerActivity, profile, supported_activities
    except ImportError:
        return {"launches": None, "kernels": None}
    if ProfilerActivity.CUDA not in supported_activities():
        return {"launches": None, "kernels": None}
    for _ in range(2):  # the first time it may begin too late
        with profile(activities=[ProfilerActivity.CPU, ProfilerActivity.CUDA]) as profiled:
            steps(1)
    events = profiled.events()
    on_device = [e for e in events if str(e.device_type).endswith("CUDA")]
    kernels = sum(not event.name.startswith(("Memcpy", "Memset")) for event in on_device)
    launches = sum(HOST.match(event.name) is not None for event in events)
    return {"launches": launches or None, "kernels": kernels or None}
