"""What a network has learned, and a run that is to go on, in one file: `save` and `load`."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from .. import checks
from ..device.arrays import Vector
from ..device.backend import Backend
from ..device.select import backend_of
from ..device.select import chosen as choose_backend
from ..network import Network
from ..optimizers import NAMES, Optimizer, OptimizerName
from ..optimizers.base import State
from ..run import History, Run
from ..version import version
from .codec import Reader, Writer
from .containers import WRITERS, Read, checked_ending, reader
from .errors import CorruptError, StorageError
from .kinds import Parts
from .replacing import replacing

FORMAT = 1  # of the description; one that is higher is not read

Path = str | os.PathLike[str]
Found = TypeVar("Found")


@dataclass(frozen=True, eq=False, repr=False)
class Saved:
    """What `load` returns; what was not saved is None.

    Attributes:
        network: the `Network`.
        w: its parameters, `(P,)` or `(R, P)`; `run.w` where a run was saved.
        optimizer: the `Optimizer`.
        state: what it remembers, for `minimize(..., w, state=state)` to go on.
        history: the `History`, on the host.
        run: the whole `Run`.
        extra: whatever else was saved, a dict.
        backend: the name of the backend that it was computed on, such as "numpy".
        kernels: what ran its rules: "numpy", "numba" or "cuda".
        version: of the xpnet that wrote the file.
    """

    network: Network | None
    w: Vector
    optimizer: Optimizer | None
    state: State | None
    history: History | None
    run: Run | None
    extra: dict[str, Any]
    backend: str
    kernels: str
    version: str

    def __repr__(self) -> str:
        held = ("network", "w", "optimizer", "state", "history", "run")
        names = [name for name in held if getattr(self, name) is not None] + ["extra"] * bool(self.extra)
        wrote = f"by xpnet {self.version} on {self.backend} with kernels of {self.kernels}"
        return f"Saved({', '.join(names)}; {wrote})"


def save(
    path: Path,
    network: Network | None,
    w: Vector | None = None,
    *,
    run: Run | None = None,
    optimizer: Optimizer | OptimizerName | None = None,
    state: State | None = None,
    history: History | None = None,
    extra: Mapping[str, Any] | None = None,
    parts: Iterable[Any] = (),
) -> None:
    """Writes a network and its parameters, or a whole run, to a file that `load` reads.

    Either `w`, with `state` and `history` if they are wanted, or a `run`, which holds all three. Settings
    are written down as JSON, by the names of xpnet's own classes, arrays bit for bit. The file is written
    beside `path`, brought to the disk, and then renamed: whenever the process is killed, `path` is the old
    file or the new one, whole.

    Args:
        path: ends in ".npz", which `numpy.load` reads too, or in ".safetensors".
        network: None where there is none, as for a `Quadratic`.
        w: `(P,)` or `(R, P)`, on any device.
        run: what `minimize` has returned.
        optimizer: the one of the run, by name or as an `Optimizer`.
        state, history: those of `w`.
        extra: what else is wanted, by name, such as the means of the data, or the divergence: numbers,
            text, arrays, None, settings of xpnet's, in tuples, lists and dicts.
        parts: the layers, activations, initializers, optimizers, or functions of your own that the file
            speaks of: frozen dataclasses, or values and functions that have a name. `load` is to be handed
            them again, as the file holds settings and no code.

    Raises:
        TypeError: something that a file cannot hold; the message says where. Before anything is written.
        ValueError: another ending; `w` beside a run, or neither; not as many parameters as the network has.
        OSError: the file cannot be written. The old one, if there is one, is left as it was.

    >>> import os, tempfile
    >>> import xpnet
    >>> network = xpnet.Network(2, xpnet.Dense(3, "tanh"), xpnet.Dense(1))
    >>> w = network.initialize(seed=0)
    >>> path = os.path.join(tempfile.mkdtemp(), "network.npz")
    >>> xpnet.save(path, network, w, extra={"mean": [0.5, 1.5]})
    >>> saved = xpnet.load(path)
    >>> saved.network == network, bool((saved.w == w).all()), saved.extra
    (True, True, {'mean': [0.5, 1.5]})
    """
    name = _path("path", path)
    ending = checked_ending(name)
    if run is None:
        if w is None:
            raise ValueError("w must be given, or a run, which holds it")
    elif w is not None or state is not None or history is not None:
        raise ValueError("run holds w, state and history: give the run, or these, not both")
    point = w if run is None else checks.instance("run", run, Run, "what minimize has returned").w
    backend = backend_of(point)
    if network is not None:
        checks.instance("network", network, Network, "a Network, or None").layout.check(point)
    if optimizer is not None:
        wanted = "an Optimizer such as Nesterov()"
        optimizer = checks.named("optimizer", optimizer, Optimizer, NAMES, wanted)
    if history is not None:
        checks.instance("history", history, History, "a History, as that of a run")
    given = dict(checks.instance("extra", {} if extra is None else extra, Mapping, "a dict"))
    writer = Writer(backend, Parts(parts))
    with backend.quiet():
        content = {
            "network": writer.encode(network, "network"),
            "w": writer.encode(point, "w"),
            "optimizer": writer.encode(optimizer, "optimizer"),
            "state": None if state is None else writer.state(state),
            "history": writer.encode(history, "history", host=True),
            "run": writer.encode(run, "run"),
            "extra": writer.encode(given, "extra", host=True),
        }
    description = {
        "format": FORMAT,
        "xpnet": version(),
        "backend": backend.name,
        "kernels": backend.kernels,
        "content": content,
    }
    text = json.dumps(description, allow_nan=False)
    with replacing(name) as file:
        WRITERS[ending](file, text, writer.arrays)


def load(path: Path, *, backend: Backend | str | None = None, parts: Iterable[Any] = ()) -> Saved:
    """What `save` has written, as a `Saved`.

    Nothing that the file holds is run, and nothing is imported for it: it names settings of xpnet's, which
    are made and checked as ever, and arrays. All of it is checked against its checksums.

    Args:
        path: of a file of either kind.
        backend: where `w`, the state and whatever else was on the device go, whichever it was; by default
            as in `xpnet.backend`.
        parts: what `save` was handed.

    Raises:
        StorageError: no file of xpnet's; one cut short, corrupt, or of a newer format; it needs parts that
            are not here. The message says which. It is a ValueError.
        OSError: the file cannot be opened.
    """
    name = _path("path", path)
    own, place = Parts(parts), choose_backend(backend)
    with open(name, "rb") as file:
        kind = _saying(name, lambda: reader(file))

        def work() -> Saved:
            text, read = kind(file)
            with place.quiet():
                return _saved(text, read, place, own)

        return _saying(name, work)


def _saved(text: str, read: Read, backend: Backend, parts: Parts) -> Saved:
    description = json.loads(text)
    if description["format"] > FORMAT:
        raise StorageError(
            f"is newer: xpnet {description['xpnet']} wrote it in format {description['format']}, "
            f"and xpnet {version()} reads formats up to {FORMAT}; install a newer xpnet"
        )
    content = description["content"]
    reader = Reader(read, backend, parts)
    run: Run | None = reader.decode(content.pop("run"))
    if run is not None:
        content.pop("w")  # which is that of the run
    found = {part: reader.decode(tree) for part, tree in content.items()}
    if run is not None:
        found |= {"w": run.w, "state": run.state, "history": run.history}
    names = {"backend": description["backend"], "kernels": description["kernels"]}
    return Saved(run=run, **found, **names, version=description["xpnet"])


def _saying(name: str, work: Callable[[], Found]) -> Found:
    """What `work()` returns; whatever is wrong with the file is said of it by name."""
    try:
        return work()
    except StorageError as error:
        raise type(error)(f"{name} {error}") from error.__cause__
    except MemoryError:
        raise
    except Exception as error:  # what readers of archives and of JSON raise is of many kinds
        raise CorruptError(f"{name} is corrupt: {type(error).__name__}: {error}") from error


def _path(argument: str, path: Any) -> str:
    try:
        return checks.text(argument, os.fspath(path))
    except TypeError as error:
        raise TypeError(f"{argument} must be a path, got {checks.shown(path)}") from error
