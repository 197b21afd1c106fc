"""Fits NIST's nonlinear regression problems and counts the digits that are right.

The Statistical Reference Datasets of the National Institute of Standards and Technology (public domain)
are nonlinear models with data, two starting points each, of which the first is far away, and parameters
certified to 11 digits. `python examples/nist.py` prints how many digits each method gets right; it is how
ci/results/nist.txt is made.
"""

from __future__ import annotations

import argparse
import json
import math
from pathlib import Path

import numpy as np

import xpnet


def two_peaks(xp, b, x):
    hill = b[2] * xp.exp(-(((x - b[3]) / b[4]) ** 2)) + b[5] * xp.exp(-(((x - b[6]) / b[7]) ** 2))
    return b[0] * xp.exp(-b[1] * x) + hill


def lanczos(xp, b, x):
    return sum(b[k] * xp.exp(-b[k + 1] * x) for k in (0, 2, 4))


def cubics(xp, b, x):
    above = b[0] + x * (b[1] + x * (b[2] + x * b[3]))
    return above / (1.0 + x * (b[4] + x * (b[5] + x * b[6])))


def enso(xp, b, x):
    def wave(cosine, sine, period):
        angle = (2 * math.pi * x) / period
        return cosine * xp.cos(angle) + sine * xp.sin(angle)

    return b[0] + wave(b[1], b[2], 12.0 + 0.0 * b[0]) + wave(b[4], b[5], b[3]) + wave(b[7], b[8], b[6])


def power(xp, base, exponent):
    return xp.exp(exponent * xp.log(base))


MODELS = {
    "Bennett5": lambda xp, b, x: b[0] * power(xp, b[1] + x, -1.0 / b[2]),
    "BoxBOD": lambda xp, b, x: b[0] * (1.0 - xp.exp(-b[1] * x)),
    "Chwirut1": lambda xp, b, x: xp.exp(-b[0] * x) / (b[1] + b[2] * x),
    "Chwirut2": lambda xp, b, x: xp.exp(-b[0] * x) / (b[1] + b[2] * x),
    "DanWood": lambda xp, b, x: b[0] * xp.exp(b[1] * np.log(x)),
    "ENSO": enso,
    "Eckerle4": lambda xp, b, x: b[0] / b[1] * xp.exp(-0.5 * ((x - b[2]) / b[1]) ** 2),
    "Gauss1": two_peaks,
    "Gauss2": two_peaks,
    "Gauss3": two_peaks,
    "Hahn1": cubics,
    "Kirby2": lambda xp, b, x: (b[0] + x * (b[1] + x * b[2])) / (1.0 + x * (b[3] + x * b[4])),
    "Lanczos1": lanczos,
    "Lanczos2": lanczos,
    "Lanczos3": lanczos,
    "MGH09": lambda xp, b, x: b[0] * (x**2 + x * b[1]) / (x**2 + x * b[2] + b[3]),
    "MGH10": lambda xp, b, x: b[0] * xp.exp(b[1] / (x + b[2])),
    "MGH17": lambda xp, b, x: b[0] + b[1] * xp.exp(-x * b[3]) + b[2] * xp.exp(-x * b[4]),
    "Misra1a": lambda xp, b, x: b[0] * (1.0 - xp.exp(-b[1] * x)),
    "Misra1b": lambda xp, b, x: b[0] * (1.0 - (1.0 + b[1] * x / 2.0) ** -2),
    "Misra1c": lambda xp, b, x: b[0] * (1.0 - (1.0 + 2.0 * b[1] * x) ** -0.5),
    "Misra1d": lambda xp, b, x: b[0] * b[1] * x / (1.0 + b[1] * x),
    "Nelson": lambda xp, b, x: b[0] - b[1] * x[0] * xp.exp(-b[2] * x[1]),  # of log y
    "Rat42": lambda xp, b, x: b[0] / (1.0 + xp.exp(b[1] - b[2] * x)),
    "Rat43": lambda xp, b, x: b[0] / power(xp, 1.0 + xp.exp(b[1] - b[2] * x), 1.0 / b[3]),
    "Roszman1": lambda xp, b, x: b[0] - b[1] * x - xp.atan(b[2] / (x - b[3])) / math.pi,
    "Thurber": cubics,
}
SETS = json.loads((Path(__file__).parent / "nist.json").read_text())


def objective(name: str) -> xpnet.LeastSquares:
    """The sum of squares of a set."""
    x, y = np.array(SETS[name]["x"]), np.array(SETS[name]["y"])
    y = np.log(y) if name == "Nelson" else y

    def residuals(xp, w):
        b = [w[..., k : k + 1] for k in range(w.shape[-1])]
        return MODELS[name](xp, b, x) - y

    return xpnet.LeastSquares(residuals, backend="numpy")


def digits(name: str, w: np.ndarray) -> float:
    """The digits of the worst parameter that are right, at most 11."""
    certified = np.array(SETS[name]["parameters"])
    error = np.max(np.abs(w - certified) / np.abs(certified))
    return 0.0 if not error < 1 else min(11.0, -math.log10(max(error, 1e-11)))


def fit(name: str, start: int, optimizer: xpnet.Optimizer | str) -> xpnet.Run:
    w = np.array(SETS[name]["starts"][start])
    return xpnet.minimize(objective(name), optimizer, w, stop=xpnet.evaluations(5000) | xpnet.after(5000))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--output", type=Path, help="a file to write the table to as well")
    arguments = parser.parse_args()
    methods = {
        "LM": xpnet.LevenbergMarquardt(),
        "LM, 1e-3 and 10": xpnet.LevenbergMarquardt(damping=1e-3, factor=10.0),
        "LM, identity": xpnet.LevenbergMarquardt(scaling="identity"),
        "trust region": xpnet.TrustRegion(),
        "BFGS": xpnet.BFGS(),
    }
    lines = [f"{'digits right / evaluations':26}" + "".join(f"{method:>18}" for method in methods)]
    right = dict.fromkeys(methods, 0)
    for name in SETS:
        for start in (0, 1):
            cells = []
            for method, optimizer in methods.items():
                run = fit(name, start, optimizer)
                found = digits(name, run.w)
                right[method] += found >= 6
                cells.append(f"{found:8.1f} /{sum(run.evaluations.values()):6}")
            lines.append(f"{name:9} start {start + 1:<10}" + "".join(f"{cell:>18}" for cell in cells))
    total = 2 * len(SETS)
    lines.append(f"{'at least 6 digits':26}" + "".join(f"{f'{n} of {total}':>18}" for n in right.values()))
    print("\n".join(lines))
    if arguments.output:
        arguments.output.write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
