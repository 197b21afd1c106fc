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


def checked_limits(**given: Any) -> tuple[int | None, ...]:
    """Each of them, a positive integer or None."""
    return tuple(None if value is None else checks.count(name, value) for name, value in given.items())


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


def whole(values: Any) -> Any:
    """`values`, read at once if they are such as are read in parts."""
    return values[0 : values.shape[0]] if on_host(values) else values


def normalized_weights(backend: Backend, weights: Any, samples: int, dtype: Any) -> Array:
    """`weights`, `(samples,)`, times what makes their mean 1, found in double precision, in `dtype`.

    Raises:
        TypeError, ValueError: no numbers, another shape, NaN or infinity, negative, or all 0.
    """
    xp = backend.xp
    weights = backend.asarray(whole(weights), name="sample_weight")
    if tuple(weights.shape) != (samples,):
        raise ValueError(
            f"sample_weight must be ({samples},), one for each sample, got shape {tuple(weights.shape)}"
        )
    weights = xp.astype(weights, backend.accumulator, copy=False)
    checks.finite(xp, "sample_weight", weights)
    if bool(xp.any(weights < 0)) or not bool(xp.any(weights > 0)):
        low, high = float(xp.min(weights)), float(xp.max(weights))
        raise ValueError(
            f"sample_weight must not be negative, and not all zero, got values from {low:g} to {high:g}"
        )
    weights = weights / xp.max(weights)  # now they can be added up
    return xp.astype(weights * (samples / xp.sum(weights)), dtype, copy=False)


def check_shape(targets: Any, samples: int, outputs: int) -> None:
    """Raises ValueError unless `targets` are `(samples,)` or `(samples, outputs)`."""
    shape = tuple(targets.shape)
    if len(shape) not in (1, 2) or shape[0] != samples:
        raise ValueError(
            f"targets must be ({samples},) or ({samples}, {outputs}), as X has {samples} samples "
            f"and the network {outputs} outputs, got shape {shape}"
        )
    if len(shape) == 2 and shape[1] != outputs:
        raise ValueError(
            f"targets must be ({samples}, {outputs}), as the network has {outputs} outputs, "
            f"got shape {shape}"
        )


def check_targets(backend: Backend, divergence: Divergence, targets: Array) -> None:
    """Raises ValueError unless `targets`, `(outputs, samples)`, are what `divergence` takes."""
    xp = backend.xp
    checks.finite(xp, "targets", targets)
    if divergence.targets == "distribution" and targets.shape[0] == 1:
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
        off = float(xp.max(xp.abs(xp.sum(targets, axis=0) - 1.0)))
        if off > 1e-5:
            raise ValueError(
                f"targets of {divergence!r} must sum to 1 over the outputs of each sample, "
                f"got a sum that is off by {off:g}"
            )


def check_labels(backend: Backend, labels: Array, outputs: int) -> None:
    """Raises ValueError unless `labels`, `(samples,)`, are integers from 0 to `outputs` - 1."""
    xp, real = backend.xp, f"pass real targets as ({labels.shape[0]}, {outputs})"
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
