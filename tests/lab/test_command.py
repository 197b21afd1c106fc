"""The command `xpnet lab`: what it lists, writes, says and returns."""

from __future__ import annotations

import json

import pytest

import xpnet
from xpnet import __main__ as command
from xpnet.lab import EXPERIMENTS

pytest.importorskip("matplotlib", reason="matplotlib is not installed").use("Agg")

FAKE = '''"""A fake.

**The claim.** None.
"""
import math
import numpy as np
from xpnet.lab import Result, at_most, panels, reported

ROWS = ("5",)
QUICK = {"size": 2}

def run(lab, size=3):
    for item in lab.each(range(size), "item"):
        pass
    noise = lab.random().standard_normal(size)
    numbers = {"noise": noise, "odd": (math.nan, math.inf), "seconds": 0.5}
    found = [at_most("5", "size", size, LEAST), reported("5", "seed", lab.seed)]
    return Result(numbers, found, {"own": 0.5})

def draw(result):
    figure, axes = panels()
    axes[0, 0].plot(result["noise"])
    return figure
'''


@pytest.fixture
def fake(tmp_path):
    def write(least=9, **changes):
        text = FAKE.replace("LEAST", str(least))
        for old, new in changes.items():
            text = text.replace(old, new)
        path = tmp_path / "fake.py"
        path.write_text(text)
        return str(path)

    return write


def lab(*arguments, output):
    return command.main(["lab", *arguments, "--backend", "numpy", "--output", str(output)])


def test_it_lists_the_experiments(capsys):
    assert command.main(["lab"]) == 0
    shown = capsys.readouterr().out
    for name in EXPERIMENTS:
        assert name in shown


def test_it_runs_a_file_and_writes_what_came_out(fake, tmp_path, capsys):
    output = tmp_path / "deep" / "out"
    assert lab(fake(), "--quick", "--seed", "7", output=output) == 0
    shown = capsys.readouterr().out
    assert "fake (rows 5; quick, seed 7, " in shown
    assert "ok      row 5   size: 2, wanted at most 9" in shown
    assert "1 of 1 as expected" in shown
    assert sorted(file.name for file in output.iterdir()) == [
        "fake.json",
        "fake.png",
        "fake.svg",
        "fake.txt",
    ]
    written = json.loads((output / "fake.json").read_text())
    assert written["settings"] == {
        "seed": 7,
        "quick": True,
        "backend": "numpy",
        "kernels": xpnet.backend("numpy").kernels,
        "size": 2,
    }
    assert written["passed"] is True
    assert written["figures"]["odd"] == ["nan", "inf"]
    assert len(written["figures"]["noise"]) == 2
    assert "seconds" not in written["figures"]
    assert set(written["seconds"]) == {"run", "draw", "own"}
    assert {"python", "xpnet", "numpy"} <= set(written["versions"])
    assert (output / "fake.txt").read_text() in shown


def test_the_same_seed_gives_the_same_files(fake, tmp_path):
    files = []
    for number in range(2):
        lab(fake(), output=tmp_path / str(number))
        content = json.loads((tmp_path / str(number) / "fake.json").read_text())
        del content["seconds"]
        files.append((content, (tmp_path / str(number) / "fake.svg").read_bytes()))
    assert files[0] == files[1]


def test_what_is_not_as_expected_is_an_error(fake, tmp_path, capsys):
    assert lab(fake(least=1), output=tmp_path / "out") == 1
    assert "FAILED  row 5   size: 3, wanted at most 1" in capsys.readouterr().out
    assert json.loads((tmp_path / "out" / "fake.json").read_text())["passed"] is False


def test_a_broken_experiment_does_not_stop_the_others(fake, tmp_path, capsys):
    broken = fake(**{"noise = ": "raise RuntimeError('tilted')  # "})
    good = tmp_path / "good.py"
    good.write_text(FAKE.replace("LEAST", "9"))
    assert lab(broken, str(good), output=tmp_path / "out") == 1
    shown = capsys.readouterr()
    assert "fake FAILED: RuntimeError: tilted" in shown.out
    assert "Traceback" in shown.err
    assert "1 of 1 as expected" in shown.out
    assert shown.out.endswith("NOT as expected: fake\n")


def test_a_folder_that_cannot_be_is_an_error_before_the_first(fake, tmp_path, capsys):
    file = tmp_path / "file"
    file.write_text("no folder")
    with pytest.raises(SystemExit):
        lab(fake(), output=file / "out")
    shown = capsys.readouterr()
    assert not shown.out
    assert f"Not a directory: '{file}" in shown.err


def test_what_cannot_be_written_is_printed(fake, tmp_path, capsys):
    (tmp_path / "fake.json").mkdir()
    assert lab(fake(), output=tmp_path) == 1
    shown = capsys.readouterr().out
    assert "1 of 1 as expected" in shown
    assert "fake FAILED: IsADirectoryError" in shown


def test_a_name_beside_all_is_checked_too(tmp_path, capsys):
    with pytest.raises(SystemExit):
        lab("all", "nope", output=tmp_path)
    assert "unknown experiment 'nope'" in capsys.readouterr().err


def test_numbers_that_a_file_cannot_hold_are_named(fake, tmp_path, capsys):
    assert lab(fake(**{'"seconds": 0.5': '"odder": object()'}), output=tmp_path / "out") == 1
    assert "figures, odder must be numbers, words, or arrays of NumPy" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("momentun", "unknown experiment 'momentun'; did you mean 'momentum'?"),
        ("none.py", "there is no file none.py"),
    ],
)
def test_what_there_is_not(name, said, tmp_path, capsys):
    with pytest.raises(SystemExit, match="^2$"):
        lab(name, output=tmp_path / "out")
    assert said in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_what_is_no_experiment(fake, tmp_path, capsys):
    with pytest.raises(SystemExit, match="^2$"):
        lab(fake(**{"def draw": "def paint"}), output=tmp_path / "out")
    assert "it lacks draw" in capsys.readouterr().err
    for arguments, words in (
        (["--backend", "none"], "none"),
        (["--seed", "-1"], "seed must be at least 0"),
    ):
        with pytest.raises(SystemExit, match="^2$"):
            command.main(["lab", fake(), *arguments])
        assert words in capsys.readouterr().err


def test_help_is_complete(capsys):
    with pytest.raises(SystemExit, match="^0$"):
        command.main(["lab", "--help"])
    shown = capsys.readouterr().out
    for word in ("--quick", "--seed", "--backend", "--output", "NAME.json", "mine.py", "xpnet-lab"):
        assert word in shown
