"""The command `xpnet`, or `python -m xpnet`: what it finds on this machine, and whether it computes there.

`xpnet info` shows versions and devices, and checks on each of them that it computes what it should;
`xpnet lab` runs the experiments of the laboratory.
"""

from __future__ import annotations

import argparse
import importlib
import os
import pkgutil
import platform
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from importlib import metadata
from typing import Any, cast

import xpnet

from . import testing
from .device.arrays import Array, host_generator
from .device.backend import Backend
from .device.select import backend, backends
from .lab import command as lab
from .layers import ElementwiseActivation
from .rules import Elementwise
from .version import version

PACKAGES = (
    "xpnet",
    "numpy",
    "array-api-compat",
    "threadpoolctl",
    "numba",
    "cupy",
    "cupy-cuda12x",
    "cupy-cuda13x",
)
COMPILED = ("tanh_forward", "softplus_forward", "leaky_relu_backward", "nesterov", "adam", "rprop_minus")
NETWORK = xpnet.Network(3, xpnet.Dense(5, "tanh"), xpnet.Dense(3, "softmax"))


def rules() -> dict[str, Elementwise]:
    """Every elementwise rule of the library by name, wherever it is: in a module, in an activation."""
    found: dict[str, Elementwise] = {}
    for module in pkgutil.walk_packages(xpnet.__path__, "xpnet."):
        if module.name == "xpnet.__main__":
            continue
        try:
            names = vars(importlib.import_module(module.name))
        except ImportError:  # an extra that is not installed; none of them has rules
            continue
        for value in _parts(names):
            if isinstance(value, Elementwise):
                found[value.graph.name] = value
            elif isinstance(value, ElementwiseActivation):
                kinds = ("forward", "biased_forward", "backward")
                found |= {
                    f"{value.name}_{kind}": rule for kind, rule in zip(kinds, value.rules, strict=True)
                }
    return found


def _parts(names: Mapping[str, object]) -> Iterator[object]:
    """What a module holds, and what its dictionaries hold."""
    for value in names.values():
        if isinstance(value, dict):
            yield from cast("dict[Any, object]", value).values()
        else:
            yield value


def check_rules(place: Backend) -> None:
    """Every elementwise rule gives what its reference gives."""
    _check_rules(place, rules())


def check_compiled_rules(place: Backend) -> None:
    """Some elementwise rules, compiled, give what their references give."""  # all would take long
    every = rules()
    _check_rules(place, {name: every[name] for name in COMPILED})


def _check_rules(place: Backend, some: Mapping[str, Elementwise]) -> None:
    numpy = backend("numpy")
    for name, rule in some.items():
        random = host_generator(0)
        arrays = [random.standard_normal((3, 7)).astype("float32") for _ in rule.arrays]
        scalars = {scalar: 0.3 + 0.2 * k for k, scalar in enumerate(rule.scalars)}
        want = rule(numpy.xp, *arrays, **scalars)
        got = rule.compute(place.xp, *[place.asarray(array) for array in arrays], **scalars)
        for ours, theirs in zip(_tuple(got), _tuple(want), strict=True):
            if not _close(place.to_numpy(ours), theirs, 1e-5, 1e-6):
                raise AssertionError(f"{name} differs from its reference")


def check_gradient(place: Backend) -> None:
    """The gradient of a small network's risk is the one by central differences."""
    testing.check_gradient(_risk(place), NETWORK.initialize(0, place, "float64"))


def check_training(place: Backend) -> None:
    """A short training run lowers the risk."""
    run = _train(place)
    if not run.value < 0.5 * run.history.value[0]:
        raise AssertionError(f"a risk of {run.history.value[0]:g} has become {run.value:g}")


def check_same(place: Backend) -> None:
    """The same training run ends where it ends on NumPy."""
    ours, theirs = place.to_numpy(_train(place).w), _train(backend("numpy", kernels="numpy")).w
    if not _close(ours, theirs, 1e-8, 1e-8):
        most = float(backend("numpy").xp.max(backend("numpy").xp.abs(ours - theirs)))
        raise AssertionError(f"parameters differ by {most:g}")


def _tuple(values: Any) -> tuple[Any, ...]:
    return cast("tuple[Any, ...]", values) if isinstance(values, tuple) else (values,)


def _close(ours: Array, theirs: Array, relative: float, absolute: float) -> bool:
    """Whether arrays on the host agree, NaN with NaN."""
    xp = backend("numpy").xp
    both_nan = xp.isnan(ours) & xp.isnan(theirs)
    near = xp.abs(ours - theirs) <= absolute + relative * xp.abs(theirs)
    return bool(xp.all(near | both_nan | (ours == theirs)))


def _risk(place: Backend) -> xpnet.EmpiricalRisk:
    X = host_generator(0).standard_normal((60, 3))
    labels: Array = X.argmax(axis=1)
    return xpnet.EmpiricalRisk(NETWORK, xpnet.CrossEntropy(), X, labels, backend=place, dtype="float64")


def _train(place: Backend) -> xpnet.Run:
    w = NETWORK.initialize(0, place, "float64")
    return xpnet.minimize(_risk(place), xpnet.Nesterov(0.3), w, stop=xpnet.after(60))


def show() -> bool:
    """Prints versions, devices, and what `XPNET_BACKEND` chooses; whether that can be had."""
    print(f"python {platform.python_version()} on {platform.platform()}")
    for package in PACKAGES:
        try:
            print(f"{package} {metadata.version(package)}")
        except metadata.PackageNotFoundError:
            continue
    print("\nbackends")
    for place in backends():
        print(f"  {place.describe()}, {place.free_memory() / 1e9:.1f} GB free, kernels of {place.kernels}")
    try:
        backend("cupy")
    except xpnet.BackendError as error:
        print(f"  no CuPy: {error}")
    kernels = os.environ.get("XPNET_KERNELS")
    print(f"\nXPNET_KERNELS {'is not set' if kernels is None else '= ' + repr(kernels)}")
    variable = os.environ.get("XPNET_BACKEND")
    print(f"XPNET_BACKEND {'is not set' if variable is None else '= ' + repr(variable)}: ", end="")
    try:
        print(f"xpnet.backend() is {backend().describe()}")
    except xpnet.BackendError as error:
        print(f"FAILED: {error}")
        return False
    return True


def check(what: Callable[[Backend], None], place: Backend) -> bool:
    """Prints whether `what` holds on `place`."""
    start = time.perf_counter()
    try:
        with place.quiet():
            what(place)
    except Exception as error:  # whatever is wrong here: say so, and go on to the next
        print(f"  FAILED  {what.__doc__} {type(error).__name__}: {error}")
        return False
    print(f"  ok      {what.__doc__} ({time.perf_counter() - start:.1f} s)")
    return True


def main(arguments: list[str] | None = None) -> int:
    """The command; returns its exit status. Without a command it is `info`."""
    given = sys.argv[1:] if arguments is None else arguments
    options = parser().parse_args(["info", *given] if not given or given == ["--no-check"] else given)
    return options.command(options)


def parser() -> argparse.ArgumentParser:
    """What the command takes."""
    own = argparse.ArgumentParser(
        prog="xpnet",
        description=f"xpnet {version()}: feed-forward networks trained by the full gradient.",
        epilog="`python -m xpnet` is the same. Without a command it is `xpnet info`. "
        "XPNET_BACKEND and XPNET_KERNELS choose what computes.",
    )
    own.add_argument("--version", action="version", version=f"xpnet {version()}")
    commands = own.add_subparsers(title="commands", metavar="command", required=True)
    text = "versions, backends, devices, what the environment chooses, and a self-check of some seconds"
    command = commands.add_parser("info", help=text, description=f"Shows {text}; 1 if something fails.")
    command.add_argument("--no-check", action="store_true", help="versions and devices only")
    command.set_defaults(command=info)
    lab.add(commands.add_parser("lab", help=lab.TEXT))
    return own


def info(options: argparse.Namespace) -> int:
    """Versions and devices, and unless told not to a check of each; 1 if something fails."""
    good = show()
    if not options.no_check:
        for place in backends():
            print(f"\nchecks on {place.describe()}")
            whats = [check_compiled_rules if place.kernels == "numba" else check_rules]
            whats += [check_gradient, check_training, *[check_same] * (place.kernels != "numpy")]
            good &= all([check(what, place) for what in whats])
        print("\nall is well" if good else "\nsomething FAILED, see above")
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
