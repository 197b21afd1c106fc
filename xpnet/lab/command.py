"""The command `xpnet lab`: lists the experiments, or runs some and writes what came out."""

from __future__ import annotations

import argparse
import traceback
from pathlib import Path

from ..device.backend import BackendError
from . import EXPERIMENTS
from .bench import Lab
from .experiment import Experiment, experiment
from .pictures import matplotlib, saved
from .report import as_json, as_text

TEXT = "the lecture's claims as experiments: a picture, numbers, and measured beside expected"
OUTPUT = "xpnet-lab"


def add(own: argparse.ArgumentParser) -> None:
    """Adds what the command takes to its parser."""
    own.description = (
        f"Runs {TEXT}. Without a name it lists the experiments. Writes NAME.png, NAME.svg, NAME.json and "
        "NAME.txt. 1 if something is not as expected."
    )
    own.epilog = "All together take some minutes. The same seed gives the same numbers."
    own.add_argument(
        "names",
        nargs="*",
        metavar="NAME",
        help='an experiment; "all"; or a file of your own that holds one, such as mine.py',
    )
    own.add_argument("--quick", action="store_true", help="smaller sizes, a few seconds each")
    own.add_argument("--seed", type=int, default=0, help="of all that is random (default 0)")
    own.add_argument("--backend", help='"numpy", "cupy" or "cupy:1" (default: what XPNET_BACKEND says)')
    own.add_argument(
        "--output", type=Path, default=Path(OUTPUT), metavar="DIR", help=f"a folder (default {OUTPUT})"
    )

    def command(options: argparse.Namespace) -> int:
        return _lab(own, options)

    own.set_defaults(command=command)


def _lab(parser: argparse.ArgumentParser, options: argparse.Namespace) -> int:
    """Lists the experiments or runs those that `options` name; the exit status."""
    if not options.names:
        for own in map(experiment, EXPERIMENTS):
            print(f"{own.name:14} rows {', '.join(own.rows)}\n               {own.title}")
        return 0
    names = [own for name in options.names for own in (EXPERIMENTS if name == "all" else [name])]
    try:  # all that can be is checked before the first runs
        chosen = [experiment(name) for name in dict.fromkeys(names)]
        bench = Lab(options.seed, options.backend, progress=True)
        matplotlib()
        options.output.mkdir(parents=True, exist_ok=True)
    except (BackendError, ImportError, OSError, TypeError, ValueError) as error:
        parser.error(str(error))
    bad = [own.name for own in chosen if not _perform(own, bench, options)]
    if len(chosen) > 1:
        print(f"NOT as expected: {', '.join(bad)}" if bad else f"all {len(chosen)} as expected")
    return 1 if bad else 0


def _perform(own: Experiment, bench: Lab, options: argparse.Namespace) -> bool:
    """Whether it went as expected; its files are written and what came out is printed."""
    path = options.output / own.name
    try:
        result, figure, seconds = own.performed(bench, options.quick)
        content = as_json(own, bench, options.quick, result, seconds)
        text = as_text(own, bench, options.quick, result)
        print(text, end="", flush=True)
        path.with_suffix(".json").write_text(content, encoding="utf-8")
        path.with_suffix(".txt").write_text(text, encoding="utf-8")
        picture, _ = saved(figure, path)
    except Exception as error:  # whatever went wrong: say so, and go on to the next
        traceback.print_exc()
        print(f"{own.name} FAILED: {type(error).__name__}: {error}\n")
        return False
    print(f"  {sum(seconds.values()):.1f} s, {picture}\n", flush=True)
    return result.passed
