"""Which evaluations of a risk are recorded, and how: values and gradients, from the second of a kind on.

The first of each kind is plain, so that a risk that is evaluated once, such as that of a minibatch, costs
nothing more. What cannot be recorded stays plain, and the log says why.
"""

from __future__ import annotations

import functools
import logging
import os
from collections.abc import Sequence
from typing import Any, Literal, TypeAlias, cast

from ...distributed.tree import added
from ...recording import Differs, Function, Recording, Replay
from .chunks import Chunks
from .passes import Passes
from .penalties import Penalties

logger = logging.getLogger("xpnet")

Kind: TypeAlias = Literal["value", "gradient"]
Key: TypeAlias = tuple[Kind, tuple[int, ...], int]  # with the shape of `w`, and the samples in a chunk

_MOST = 4  # evaluations of different kinds that are remembered
_UNKNOWN: Any = object()


class Replays:
    """The recordings of one risk.

    They are no part of its value: a copy, or what is pickled, begins anew. Where the environment says
    `XPNET_RECORD=0` when the risk is made, there are none.

    Attributes:
        found: by kind of evaluation its recording, or None if there can be none.
    """

    def __init__(self) -> None:
        self.found: dict[Key, Replay | None] = {}
        self._met: list[Key] = []
        self._wanted = _wanted()

    def __reduce__(self) -> tuple[type[Replays], tuple[()]]:
        return Replays, ()

    def evaluate(
        self, key: Key, passes: Passes, penalties: Penalties, chunks: Chunks, w: Any
    ) -> tuple[Any, ...] | None:
        """The value at `w`, and the gradient if that is wanted; None where it must be evaluated plainly.

        Of the samples of this process, and these penalties.
        """
        replay = self.found.get(key, _UNKNOWN)
        if replay is _UNKNOWN:
            replay = self._made(key, passes, penalties, chunks, w)
        if replay is None:
            return None
        try:
            return replay(w, chunks.threads)
        except Differs:
            self._refuse(key, "a replay is not the same, so a layer or divergence does more than it says")
        except MemoryError:
            self._refuse(key, "there is too little memory")
        except Exception as error:  # of what a recorded array cannot do, in the words of anyone
            self._refuse(
                key, f"it takes {error}" if type(error).__name__ == "NotRecordable" else str(error)
            )
        return None

    def _made(
        self, key: Key, passes: Passes, penalties: Penalties, chunks: Chunks, w: Any
    ) -> Replay | None:
        """What is to record evaluations of this kind, if they are met again and can be recorded."""
        if key not in self._met:
            self._met = [key, *self._met[: 2 * _MOST]]
            return None
        if passes.backend.name != "numpy" or not self._wanted:
            return None
        if passes.data.streamed or not chunks.samples:
            return None
        reason = unsettled(passes, penalties)
        if reason is not None:
            self._refuse(key, reason)
            return None
        while len(self.found) >= _MOST:
            self.found.pop(next(iter(self.found)), None)
        made = self.found[key] = Replay(_function(key, passes, penalties, chunks), w.shape, w.dtype)
        return made

    def _refuse(self, key: Key, reason: str) -> None:
        self.found[key] = None
        _say(key[0], reason)


def _wanted() -> bool:
    """Whether `XPNET_RECORD` lets evaluations be recorded."""
    asked = os.environ.get("XPNET_RECORD", "").strip()
    if asked not in ("", "0", "1"):
        raise ValueError(f"XPNET_RECORD must be 0 or 1, got {asked!r}")
    return asked != "0"


@functools.lru_cache(maxsize=64)
def _say(kind: Kind, reason: str) -> None:
    """Once for each reason."""
    logger.warning("the risk's %s is not recorded, and takes longer: %s", kind, reason)


def _function(key: Key, passes: Passes, penalties: Penalties, chunks: Chunks) -> Function:
    """The evaluation as a function that can be recorded."""
    kind, shape, chunk = key
    places: list[tuple[tuple[int, ...], Any]] = [(shape[:-1], passes.backend.accumulator)]
    if kind == "gradient":
        places.append((shape, passes.data.dtype))
    evaluate = _gradient if kind == "gradient" else _value
    parts = [functools.partial(evaluate, passes, group) for group in chunks.groups(chunk)]
    return Function(passes.backend.xp, places, parts, functools.partial(_whole, penalties))


def _value(passes: Passes, group: Sequence[slice], xp: Any, w: Any, places: list[Any]) -> None:
    own = passes.recorded(xp) if isinstance(xp, Recording) else passes
    (value,) = own.value(own.network.parameters(w, xp), tuple(w.shape), group)
    places[0][...] = value


def _gradient(passes: Passes, group: Sequence[slice], xp: Any, w: Any, places: list[Any]) -> None:
    own = passes.recorded(xp) if isinstance(xp, Recording) else passes
    value, _ = own.gradient(own.network.parameters(w, xp), tuple(w.shape), group, places[1])
    places[0][...] = value


def _whole(penalties: Penalties, xp: Any, w: Any, parts: list[list[Any]]) -> tuple[Any, ...]:
    value, *gradient = [added(own) for own in zip(*parts, strict=True)]
    if gradient:
        penalties.add_gradient(xp, gradient[0], w)
    return penalties.with_value(xp, value, w), *gradient


def unsettled(passes: Passes, penalties: Penalties) -> str | None:
    """Why evaluations cannot be recorded, on whichever device; None if they can."""
    if passes.data.streamed:
        return "its samples are read from the host"
    layers = passes.network.layers
    activations = [layer.activation for layer in layers if layer.activation is not None]
    for part in (*layers, *activations, passes.terms.divergence, *penalties.items):
        if not _is_settled(part):
            return f"the settings of {type(part).__name__} may change, as it is no frozen dataclass"
    return None


def _is_settled(part: Any) -> bool:
    """Whether nothing can be assigned to it that would change what it computes."""
    parameters: Any = getattr(cast("Any", type(part)), "__dataclass_params__", None)
    return bool(parameters.frozen) if parameters is not None else not getattr(part, "__dict__", True)
