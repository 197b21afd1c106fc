"""NIST's nonlinear regression problems: models with data, and parameters certified to 11 digits.

The Statistical Reference Datasets of the National Institute of Standards and Technology (public domain).
Each has two starting points, of which the first is far away.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from ..device.backend import Backend
from ..device.select import backend as choose_backend
from ..objectives import LeastSquares


def _two_peaks(xp: Any, b: Any, x: Any) -> Any:
    hill = b[2] * xp.exp(-(((x - b[3]) / b[4]) ** 2)) + b[5] * xp.exp(-(((x - b[6]) / b[7]) ** 2))
    return b[0] * xp.exp(-b[1] * x) + hill


def _lanczos(xp: Any, b: Any, x: Any) -> Any:
    return sum(b[k] * xp.exp(-b[k + 1] * x) for k in (0, 2, 4))


def _cubics(xp: Any, b: Any, x: Any) -> Any:
    above = b[0] + x * (b[1] + x * (b[2] + x * b[3]))
    return above / (1.0 + x * (b[4] + x * (b[5] + x * b[6])))


def _enso(xp: Any, b: Any, x: Any) -> Any:
    def wave(cosine: Any, sine: Any, period: Any) -> Any:
        angle = (2 * math.pi * x) / period
        return cosine * xp.cos(angle) + sine * xp.sin(angle)

    return b[0] + wave(b[1], b[2], 12.0 + 0.0 * b[0]) + wave(b[4], b[5], b[3]) + wave(b[7], b[8], b[6])


def _power(xp: Any, base: Any, exponent: Any) -> Any:
    return xp.exp(exponent * xp.log(base))


MODELS: dict[str, Callable[[Any, Any, Any], Any]] = {
    "Bennett5": lambda xp, b, x: b[0] * _power(xp, b[1] + x, -1.0 / b[2]),
    "BoxBOD": lambda xp, b, x: b[0] * (1.0 - xp.exp(-b[1] * x)),
    "Chwirut1": lambda xp, b, x: xp.exp(-b[0] * x) / (b[1] + b[2] * x),
    "Chwirut2": lambda xp, b, x: xp.exp(-b[0] * x) / (b[1] + b[2] * x),
    "DanWood": lambda xp, b, x: b[0] * xp.exp(b[1] * xp.log(x)),
    "ENSO": _enso,
    "Eckerle4": lambda xp, b, x: b[0] / b[1] * xp.exp(-0.5 * ((x - b[2]) / b[1]) ** 2),
    "Gauss1": _two_peaks,
    "Gauss2": _two_peaks,
    "Gauss3": _two_peaks,
    "Hahn1": _cubics,
    "Kirby2": lambda xp, b, x: (b[0] + x * (b[1] + x * b[2])) / (1.0 + x * (b[3] + x * b[4])),
    "Lanczos1": _lanczos,
    "Lanczos2": _lanczos,
    "Lanczos3": _lanczos,
    "MGH09": lambda xp, b, x: b[0] * (x**2 + x * b[1]) / (x**2 + x * b[2] + b[3]),
    "MGH10": lambda xp, b, x: b[0] * xp.exp(b[1] / (x + b[2])),
    "MGH17": lambda xp, b, x: b[0] + b[1] * xp.exp(-x * b[3]) + b[2] * xp.exp(-x * b[4]),
    "Misra1a": lambda xp, b, x: b[0] * (1.0 - xp.exp(-b[1] * x)),
    "Misra1b": lambda xp, b, x: b[0] * (1.0 - (1.0 + b[1] * x / 2.0) ** -2),
    "Misra1c": lambda xp, b, x: b[0] * (1.0 - (1.0 + 2.0 * b[1] * x) ** -0.5),
    "Misra1d": lambda xp, b, x: b[0] * b[1] * x / (1.0 + b[1] * x),
    "Nelson": lambda xp, b, x: b[0] - b[1] * x[0] * xp.exp(-b[2] * x[1]),  # of log y
    "Rat42": lambda xp, b, x: b[0] / (1.0 + xp.exp(b[1] - b[2] * x)),
    "Rat43": lambda xp, b, x: b[0] / _power(xp, 1.0 + xp.exp(b[1] - b[2] * x), 1.0 / b[3]),
    "Roszman1": lambda xp, b, x: b[0] - b[1] * x - xp.atan(b[2] / (x - b[3])) / math.pi,
    "Thurber": _cubics,
}
SETS: dict[str, Any] = json.loads((Path(__file__).parent / "nist.json").read_text(encoding="utf-8"))


def objective(name: str, backend: Backend | str | None = "numpy") -> LeastSquares:
    """Half the sum of squares of a set's residuals; of "Nelson" those of the logarithm of y."""
    device, own = choose_backend(backend), SETS[name]
    x = device.asarray(own["x"], "float64")
    y = device.asarray(np.log(own["y"]) if name == "Nelson" else own["y"], "float64")

    def residuals(xp: Any, w: Any) -> Any:
        return MODELS[name](xp, [w[..., k : k + 1] for k in range(w.shape[-1])], x) - y

    return LeastSquares(residuals, backend=device)


def digits(name: str, w: Any) -> float:
    """The digits of the worst of the parameters `w`, on the host, that are right; at most 11."""
    certified = np.array(SETS[name]["parameters"])
    error = float(np.max(np.abs(w - certified) / np.abs(certified)))
    return 0.0 if not error < 1 else min(11.0, -math.log10(max(error, 1e-11)))
