"""What the measured processes run on: versions, which instructions each library may use, and the processor.

Run as a program it writes this as JSON; so it can be asked for in a contestant's own environment.
"""

import contextlib
import datetime
import importlib
import json
import os
import platform
from importlib import metadata
from pathlib import Path

PACKAGES = ("numpy", "numba", "llvmlite", "scipy", "scikit-learn", "torch", "jax", "jaxlib", "optax")


def versions() -> dict[str, str]:
    found = {}
    for name in PACKAGES:
        with contextlib.suppress(metadata.PackageNotFoundError):
            found[name] = metadata.version(name)
    return found


def processor() -> str:
    """Its name, family and model, as two generations may share a name."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor()
    fields = dict(reversed([map(str.strip, line.split(":", 1)) for line in lines if ":" in line]))
    return (
        f"{fields.get('model name', '?')} (family {fields.get('cpu family')}, model {fields.get('model')})"
    )


def instructions() -> dict[str, str]:
    """The widest instructions that each library says it uses."""
    found = {}
    with contextlib.suppress(ImportError, AttributeError):
        features = importlib.import_module("numpy._core._multiarray_umath").__cpu_features__
        found["numpy"] = next((n for n in ("X86_V4", "X86_V3", "ASIMD") if features.get(n)), "baseline")
    with contextlib.suppress(ImportError):
        config = importlib.import_module("numba").config
        host = importlib.import_module("llvmlite.binding").get_host_cpu_name()
        found["numba"] = config.CPU_NAME or host
    with contextlib.suppress(ImportError, AttributeError):
        found["torch"] = importlib.import_module("torch").backends.cpu.get_cpu_capability()
    if os.environ.get("XLA_FLAGS"):
        found["jax"] = os.environ["XLA_FLAGS"]
    return found


def machine() -> dict:
    import numpy  # so that its BLAS is loaded  # noqa: F401
    from threadpoolctl import threadpool_info

    import xpnet

    blas = [f"{each['internal_api']} {each.get('architecture', '')}".strip() for each in threadpool_info()]
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    backend = xpnet.backend("numpy")
    return {
        "date": datetime.date.today().isoformat(),
        "device": backend.describe(),
        "processor": processor(),
        "cores": os.cpu_count(),
        "memory_gb": round(memory, 1),
        "system": platform.platform(),
        "python": platform.python_version(),
        "versions": versions(),
        "blas": ", ".join(blas),
        "kernels": getattr(backend, "kernels", "numpy"),
        "instructions": instructions(),
    }


if __name__ == "__main__":
    print(json.dumps(machine()))
