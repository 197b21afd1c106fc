"""Checks of what a risk is made of, before any of it is cast: settings, targets, weights, samples."""

from __future__ import annotations

from numbers import Real
from typing import Any, Literal, cast

from ... import checks
from ...device.arrays import Array, Namespace
from ...device.backend import Backend
from ...device.host_data import on_host
from ...divergences import NAMES, Divergence
from ...network import Network
from .penalties import Penalty


def checked_model(network: Any, divergence: Any) -> tuple[Network, Divergence]:
    """A `Network` and a `Divergence`, which may be given by its name.

    Raises:
        TypeError, ValueError: something else; an unknown name.
    """
    wanted = "a Divergence such as CrossEntropy()"
    return (
        checks.instance("network", network, Network, "a Network"),
        checks.named("divergence", divergence, Divergence, NAMES, wanted),
    )


def checked_training(network: Network, training: Any) -> bool:
    """Whether the layers draw something; `training` must be said where one can.

    Raises:
        TypeError, ValueError: it is neither True nor False; None although the network is `random`.
    """
    if training is None and network.random:
        raise ValueError(
            "training must be given as the network has Dropout: True to train with it, "
            "False for a held-out risk without"
        )
    return training is not None and checks.flag("training", training) and network.random


def checked_penalties(penalty: Any) -> list[Penalty]:
    """`penalty`, one or several or None, as a list."""
    items: Any = [penalty] if isinstance(penalty, Penalty) else [] if penalty is None else penalty
    if not isinstance(items, list | tuple) or not all(
        isinstance(item, Penalty) for item in cast(list[Any], items)
    ):
        hint = "; it has a strength, as in L2(1e-4)" if isinstance(penalty, str | Real) else ""
        raise TypeError(f"penalty must be L2, L1, or a sequence of them, got {checks.shown(penalty)}{hint}")
    return list(cast(list[Penalty], items))


def checked_resident(resident: Any) -> bool | Literal["auto"]:
    """`resident`, which must be True, False or "auto"."""
    if not isinstance(resident, str):
        return checks.flag("resident", resident)
    if resident != "auto":
        raise ValueError(f"resident must be True, False or 'auto', got {resident!r}")
    return "auto"


def checked_walk(chunk: Any, threads: Any) -> tuple[int | None, int | None]:
    """Samples in a chunk, and the most threads, where they are said."""
    return (
        None if chunk is None else checks.count("chunk", chunk),
        None if threads is None else checks.count("threads", threads),
    )


def whole(values: Any) -> Any:
    """`values`, read at once if they are such as are read in parts."""
    return values[0 : values.shape[0]] if on_host(values) else values


def normalized_weights(backend: Backend, weights: Any, samples: int, dtype: Any) -> Array:
    """`weights`, `(samples,)` or `(R, samples)`, times what makes their mean 1, that of each replica.

    It is found in double precision; they are in `dtype`.

    Raises:
        TypeError, ValueError: no numbers, another shape, NaN or infinity, negative, or all 0; where
            replicas have their own the message names the first of which that is so.
    """
    xp = backend.xp
    weights = backend.asarray(whole(weights), name="sample_weight")
    shape = tuple(weights.shape)
    if len(shape) not in (1, 2) or shape[-1] != samples:
        raise ValueError(
            f"sample_weight must be ({samples},), one for each sample, or (R, {samples}) with those of "
            f"each of R replicas, got shape {shape}"
        )
    weights = xp.astype(weights, backend.accumulator, copy=False)
    sound = xp.isfinite(weights) & (weights >= 0)
    bad = ~(xp.all(sound, axis=-1) & xp.any(weights > 0, axis=-1))
    if bool(xp.any(bad)):
        name = "sample_weight"
        if len(shape) == 2:
            r = int(xp.argmax(xp.astype(bad, xp.int8)))
            name, weights = f"sample_weight of replica {r}", weights[r, :]
        checks.finite(xp, name, weights)
        low, high = float(xp.min(weights)), float(xp.max(weights))
        raise ValueError(
            f"{name} must not be negative, and not all zero, got values from {low:g} to {high:g}"
        )
    weights = weights / xp.max(weights, axis=-1, keepdims=True)  # now they can be added up
    return xp.astype(weights * (samples / xp.sum(weights, axis=-1, keepdims=True)), dtype, copy=False)


def check_shape(targets: Any, lead: tuple[int, ...], samples: int, outputs: int) -> None:
    """Raises ValueError unless `targets` are such as fit the `samples`; `lead` is `(R,)` if X has that.

    Then they are `(R, samples)` or `(R, samples, outputs)`. Else they are `(samples,)`,
    `(samples, outputs)`, or `(R, samples, outputs)` all the same.
    """
    shape, vector = tuple(targets.shape), (*lead, samples)
    whole = (*vector, outputs)
    own = shape[-len(whole) :] if not lead and len(shape) == 3 else shape
    if own in (vector, whole):
        return
    if len(own) == len(whole) and own[:-1] == vector:
        raise ValueError(
            f"targets must be {whole}, as the network has {outputs} outputs, got shape {shape}"
        )
    replicas = f" of {lead[0]} replicas" if lead else ""
    raise ValueError(
        f"targets must be {vector} or {whole}, as X has {samples} samples{replicas} "
        f"and the network {outputs} outputs, got shape {shape}"
    )


def common_replicas(counts: dict[str, int]) -> int | None:
    """Of how many replicas the parts of the data are that have `counts` of them; None if none has.

    Raises:
        ValueError: they are not of as many.
    """
    if len(set(counts.values())) > 1:
        found = ", ".join(f"{name} of {count}" for name, count in counts.items())
        raise ValueError(f"what replicas have of their own must be of as many replicas, got {found}")
    return next(iter(counts.values()), None)


def check_targets(backend: Backend, divergence: Divergence, targets: Array) -> None:
    """Raises ValueError unless `targets`, `(..., outputs, samples)`, are what `divergence` takes."""
    if not targets.size:  # a process may hold none
        return
    xp = backend.xp
    checks.finite(xp, "targets", targets)
    if divergence.targets == "distribution" and targets.shape[-2] == 1:
        raise ValueError(
            f"{divergence!r} needs a network of at least 2 outputs; "
            "for one output use BinaryCrossEntropy() with 'sigmoid'"
        )
    if divergence.targets != "real":
        low, high = float(xp.min(targets)), float(xp.max(targets))
        if low < 0.0 or high > 1.0:
            raise ValueError(
                f"targets of {divergence!r} must lie in [0, 1], got values from {low:g} to {high:g}"
            )
    if divergence.targets == "distribution":
        off = float(xp.max(xp.abs(xp.sum(targets, axis=-2) - 1.0)))
        if off > 1e-5:
            raise ValueError(
                f"targets of {divergence!r} must sum to 1 over the outputs of each sample, "
                f"got a sum that is off by {off:g}"
            )


def check_labels(backend: Backend, labels: Array, outputs: int) -> None:
    """Raises ValueError unless `labels`, `(..., samples)`, are integers from 0 to `outputs` - 1."""
    if not labels.size:  # a process may hold none
        return
    xp, real = backend.xp, f"pass real targets as {(*labels.shape, outputs)}"
    hint = ""
    if xp.isdtype(labels.dtype, "bool"):
        labels = xp.astype(labels, xp.int32)
    if xp.isdtype(labels.dtype, "real floating"):
        checks.finite(xp, "targets", labels)
        hint = f"; {real}"
        if not bool(xp.all(labels == xp.floor(labels))):
            raise ValueError(
                f"targets of shape (samples,) are class labels for a network of {outputs} outputs and "
                f"must be integers, got fractions; {real}"
            )
    low, high = int(xp.min(labels)), int(xp.max(labels))
    if low < 0 or high >= outputs:
        raise ValueError(
            f"targets must be labels from 0 to {outputs - 1}, as the network has {outputs} "
            f"outputs, got labels from {low} to {high}{hint}"
        )


def sample_numbers(backend: Backend, chosen: Any, samples: int) -> Array:
    """The numbers of the samples that `chosen` stands for, on the device: `(n,)` int64.

    `chosen` are such numbers, or a mask of booleans; what lies on the host is checked there, so that
    nothing waits for the device.

    Raises:
        TypeError: neither.
        ValueError: none; another shape; numbers outside 0 to `samples` - 1.
    """
    numbers = whole(backend.admit(chosen, name="samples"))
    here = backend.owns(numbers)
    xp = backend.xp if here else backend.host
    if numbers.ndim != 1 or not numbers.shape[0]:
        raise ValueError(f"samples must be (n,) with at least one, got shape {tuple(numbers.shape)}")
    if not xp.isdtype(numbers.dtype, "integral"):
        numbers = _from_mask(xp, numbers, samples)
    low, high = int(xp.min(numbers)), int(xp.max(numbers))
    if low < 0 or high >= samples:
        raise ValueError(f"samples must be numbers from 0 to {samples - 1}, got {low} to {high}")
    numbers = xp.astype(numbers, xp.int64, copy=False)
    return numbers if here else backend.asarray(numbers)


def _from_mask(xp: Namespace, mask: Array, samples: int) -> Array:
    if not xp.isdtype(mask.dtype, "bool"):
        kind = checks.dtype_name(mask.dtype)
        raise TypeError(f"samples must be integers, or a mask of booleans, got numbers of {kind}")
    if mask.shape[0] != samples:
        shape = tuple(mask.shape)
        raise ValueError(
            f"samples must be numbers, or a mask of shape ({samples},), got one of shape {shape}"
        )
    numbers = xp.nonzero(mask)[0]
    if not numbers.shape[0]:
        raise ValueError("samples must be at least one, got a mask that is False everywhere")
    return numbers
