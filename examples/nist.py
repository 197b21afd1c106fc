"""Fits NIST's nonlinear regression problems and counts the digits that are right.

The Statistical Reference Datasets of the National Institute of Standards and Technology (public domain)
are nonlinear models with data, two starting points each, of which the first is far away, and parameters
certified to 11 digits. `python examples/nist.py` prints how many digits each method gets right; it is how
ci/results/nist.txt is made.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

import xpnet
from xpnet.lab.nist import SETS, digits, objective


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
