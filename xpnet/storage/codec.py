"""Values as JSON and arrays, and back: numbers, text, arrays, lists, dicts, and settings by their names.

Plain JSON stands for None, truth values, integers, finite numbers and text; everything else is an object of
JSON with one key that says what it is, so that Python's own kinds of numbers, tuples and infinities come
back as what they were. Nothing is looked up but in the tables of `kinds.py`: reading a file imports nothing
and runs nothing but the checks of the library's own settings.
"""

from __future__ import annotations

import inspect
import math
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, cast

from .. import checks
from ..device.backend import Backend
from ..network import Network
from ..optimizers import Outcome
from ..optimizers.settings import is_array
from ..run import History, Run
from .containers import DTYPES, HostArray, Read, as_scalar, contiguous, is_scalar
from .errors import CorruptError, StorageError
from .kinds import CLASSES, MAKERS, NAMED, Parts, fields, made, named

# what states keep on the host, as they do with truth values, where the rest of them is on the device
ON_HOST = (
    *("control", "earlier", "fresh", "high", "idle", "largest", "least"),
    *("length", "level", "low", "most", "next", "order", "steepest", "unit"),
)
RECORDS = {"History": History, "Run": Run}
MOVING = ("w", "best_w", "state")  # of a run, what is not on the host


class Writer:
    """Takes values apart.

    Attributes:
        arrays: those that were met, by their names in the file, in row-major order.
    """

    def __init__(self, backend: Backend, parts: Parts) -> None:
        self.backend, self.parts = backend, parts
        self.arrays: dict[str, HostArray] = {}
        self._known: dict[int, tuple[Any, dict[str, Any]]] = {}  # by identity, kept alive

    def encode(self, value: Any, where: str, *, host: bool = False) -> Any:
        """`value` as JSON; `where` names it, and with `host` its arrays of NumPy's belong on the host.

        Raises:
            TypeError: something that a file cannot hold; the message says where.
        """
        if value is None or type(value) in (bool, int, str):
            return value
        if type(value) is float:
            return value if math.isfinite(value) else {"float": str(value)}
        if is_scalar(value) or is_array(value):
            return self._array(value, where, host)
        if type(value) is list:
            return self._items(cast("list[Any]", value), where, host)
        if type(value) is tuple:
            return {"tuple": self._items(cast("tuple[Any, ...]", value), where, host)}
        if type(value) is dict:
            return {"dict": self._dict(cast("dict[Any, Any]", value), where, host)}
        if isinstance(value, Outcome):
            return {"outcome": value.name}
        return self._object(value, where, host)

    def state(self, state: Any, where: str = "state") -> Any:
        """An optimizer's state, of which some arrays belong on the host."""
        own = checks.instance(where, state, dict, "a dict that an optimizer has made")
        return {
            "dict": {
                checks.text(f"each name in {where}", name): self.encode(
                    value, f"{where}.{name}", host=_is_kept_on_host(name, value)
                )
                for name, value in own.items()
            }
        }

    def _items(self, own: Sequence[Any], where: str, host: bool) -> list[Any]:
        return [self.encode(item, f"{where}.{k}", host=host) for k, item in enumerate(own)]

    def _dict(self, own: dict[Any, Any], where: str, host: bool) -> dict[str, Any]:
        for key in own:
            checks.text(f"each key of {where}", key)
        return {key: self.encode(value, f"{where}.{key}", host=host) for key, value in own.items()}

    def _object(self, value: Any, where: str, host: bool) -> dict[str, Any]:
        part = self.parts.name_of(value)
        if part is not None:
            return self._part(part, value, where, host)
        if isinstance(value, History | Run):
            return self._record(value, where)
        if type(value) is Network:
            inner = {"inputs": value.inputs, "layers": list(value.layers)}
            return {"class": "Network", "settings": self._dict(inner, where, host)}
        found = named(value)
        if found is not None:
            return {found[0]: found[1]}
        maker = made(value)
        if maker is not None:
            return {"maker": maker[0], "settings": self._dict(maker[1], where, host)}
        kind = cast("type[Any]", type(value))
        if CLASSES.get(kind.__name__) is kind:
            return {"class": kind.__name__, "settings": self._dict(fields(value), where, host)}
        raise TypeError(
            f"{where} must be a number, text, an array, a list, a dict, or settings of xpnet's to be "
            f"saved, got {checks.shown(value)}; a part of your own is to be handed over as parts=[...], "
            "to save and to load"
        )

    def _part(self, name: str, value: Any, where: str, host: bool) -> dict[str, Any]:
        part = self.parts.by_name[name]
        if part is not type(value):
            return {"part": name}
        settings = fields(value)
        if part(**settings) != value:
            raise TypeError(f"{where} must be equal to what its settings make, got {checks.shown(value)}")
        return {"part": name, "settings": self._dict(settings, where, host)}

    def _record(self, value: History | Run, where: str) -> dict[str, Any]:
        settings: dict[str, Any] = {}
        for name, own in fields(value).items():
            if name == "state":
                settings[name] = self.state(own, f"{where}.state")
            else:
                moving = isinstance(value, Run) and name in MOVING
                settings[name] = self.encode(own, f"{where}.{name}", host=not moving)
        return {"record": type(value).__name__, "settings": settings}

    def _array(self, value: Any, where: str, host: bool) -> dict[str, Any]:
        if id(value) in self._known:
            return self._known[id(value)][1]
        axes = _order(value)
        array = self.backend.to_numpy(value)
        if array.dtype.name not in DTYPES:
            got = checks.dtype_name(value.dtype)
            raise TypeError(f"{where} must hold real numbers or truth values, got an array of {got}")
        name = re.sub(r"[^\w.\-]", "_", where, flags=re.ASCII)
        while name in self.arrays:
            name += "_"
        self.arrays[name] = contiguous(array.transpose(axes))
        kept: dict[str, Any] = {"scalar" if is_scalar(value) else "array": name}
        if axes != sorted(axes):
            kept["axes"] = axes
        if host if self.backend.name == "numpy" else not self.backend.owns(value):
            kept["host"] = True
        self._known[id(value)] = value, kept
        return kept


class Reader:
    """Puts values together again.

    Args:
        read: an array by its name.
        backend: where arrays go that do not belong on the host.
        parts: what the user hands over.
    """

    def __init__(self, read: Read, backend: Backend, parts: Parts) -> None:
        self.read, self.backend, self.parts = read, backend, parts
        self._kinds: Mapping[str, Callable[[Any, dict[str, Any]], Any]] = {
            "float": lambda text, own: float(text),
            "tuple": lambda items, own: tuple(self.decode(items)),
            "dict": lambda items, own: self._settings(items),
            "outcome": lambda name, own: Outcome[name],
            "array": self._array,
            "scalar": lambda name, own: as_scalar(self.read(name)),
            "class": lambda name, own: self._make({**CLASSES, "Network": network}, name, own, "class"),
            "record": lambda name, own: self._make(RECORDS, name, own, "record"),
            "maker": lambda name, own: self._make(MAKERS, name, own, "function"),
            "activation": lambda name, own: self._known(NAMED["activation"], name, "activation"),
            "initializer": lambda name, own: self._known(NAMED["initializer"], name, "initializer"),
            "part": self._part,
        }

    def decode(self, tree: Any) -> Any:
        """The value that `Writer.encode` has taken apart.

        Raises:
            StorageError: a name that is not known here, or settings that do not fit it.
        """
        if isinstance(tree, list):
            return [self.decode(item) for item in cast("list[Any]", tree)]
        if not isinstance(tree, dict):
            return tree
        own = cast("dict[str, Any]", tree)
        for kind, make in self._kinds.items():
            if kind in own:
                return make(own[kind], own)
        raise CorruptError(f"is corrupt: it speaks of {checks.shown(own)}")

    def _settings(self, items: dict[str, Any]) -> dict[str, Any]:
        return {name: self.decode(item) for name, item in items.items()}

    def _known(self, table: Mapping[str, Any], name: str, kind: str) -> Any:
        if name not in table:
            raise StorageError(f"needs the {kind} {name!r}, which this version of xpnet does not have")
        return table[name]

    def _make(self, table: Mapping[str, Any], name: str, own: dict[str, Any], kind: str) -> Any:
        make = self._known(table, name, kind)
        settings = self._settings(own["settings"])
        try:
            return make(**settings)
        except (TypeError, ValueError) as error:
            raise StorageError(
                f"has settings of {name} that this version of xpnet does not take: {error}"
            ) from error

    def _part(self, name: str, own: dict[str, Any]) -> Any:
        part = self.parts.by_name.get(name)
        if part is None:
            raise StorageError(
                f"needs {name!r}, a part of the user's own: hand it over as parts=[{name}]"
                if name.isidentifier()
                else f"needs {name!r}, a part of the user's own: hand it over in parts=[...]"
            )
        if "settings" not in own:
            return part
        if not inspect.isclass(part):
            raise StorageError(f"needs the class {name!r} in parts, got {checks.shown(part)}")
        return self._make({name: part}, name, own, "part")

    def _array(self, name: str, own: dict[str, Any]) -> Any:
        array: Any = self.read(name)
        here = own.get("host") or self.backend.name == "numpy"
        if not here:
            array = self.backend.asarray(array, name=name)
        if "axes" not in own:
            return array
        axes: list[int] = own["axes"]
        back = tuple(sorted(range(len(axes)), key=axes.__getitem__))
        return array.transpose(back) if here else self.backend.xp.permute_dims(array, back)


def network(inputs: int, layers: list[Any]) -> Network:
    """A network of its settings."""
    return Network(inputs, *layers)


def _order(array: Any) -> list[int]:
    """The axes of an array as they lie in memory, the one with the longest strides first.

    So that it comes back with them as they were, as rounding in products with a matrix may depend on it.
    """
    strides: Any = getattr(array, "strides", None)
    axes = list(range(array.ndim))
    return axes if strides is None else sorted(axes, key=lambda axis: -abs(strides[axis]))


def _is_kept_on_host(name: str, value: Any) -> bool:
    """Whether an array of NumPy's in a state would be one of NumPy's on every device."""
    if not is_array(value) or value.ndim > 1:
        return False
    return name in ON_HOST or checks.dtype_name(value.dtype) == "bool"
