"""The example, the README's code, and the package's description."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def test_the_example_reads_digits(tmp_path, monkeypatch, device):
    for package in ("sklearn", "matplotlib", "tqdm"):
        pytest.importorskip(package, reason=f"{package} is not installed")
    monkeypatch.setenv("MPLBACKEND", "Agg")
    monkeypatch.setenv("XPNET_BACKEND", device.name)
    picture = tmp_path / "picture.png"
    command = [sys.executable, ROOT / "examples" / "digits.py", "--output", picture]
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=tmp_path)
    found = re.search(r"test accuracy\s+([\d.]+)%", done.stdout)
    assert float(found.group(1)) >= 97
    assert picture.read_bytes().startswith(b"\x89PNG")
    assert str(picture) in done.stdout
    assert "ms a step" in done.stdout
    assert "value" in done.stderr  # the progress bar
    assert "300/300" in done.stderr


def test_the_example_names_no_backend():
    text = (ROOT / "examples" / "digits.py").read_text()
    code = text.split('"""', 2)[2]
    assert not re.search(r"numpy\b(?<!to_numpy)|cupy|cuda", code)


def test_the_readme_s_code_runs(monkeypatch, device, tmp_path):
    monkeypatch.setenv("XPNET_BACKEND", device.name)
    monkeypatch.chdir(tmp_path)
    text = (ROOT / "README.md").read_text()
    blocks = re.findall(r"^```python\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    assert len(blocks) >= 4
    names = {}
    for block in blocks:  # each goes on from the ones before
        exec(compile(block, "README.md", "exec"), names)


def test_the_package_says_what_it_needs():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    names = {re.match(r"[\w-]+", line).group() for line in project["dependencies"]}
    assert names == {"numpy", "array-api-compat", "threadpoolctl"}
    assert {"cuda12", "cuda13", "plot", "progress", "test", "bench"} <= set(
        project["optional-dependencies"]
    )
    assert project["requires-python"] == ">=3.11"


def flat(lists, names):
    """The requirements of extras or groups, with those that they include."""
    found = set()
    for name in names:
        for line in lists[name]:
            own = line.get("include-group") if isinstance(line, dict) else None
            inner = re.fullmatch(r"xpnet\[(.*)\]", line) if own is None else None
            if own or inner:
                found |= flat(lists, [own] if own else inner.group(1).split(","))
            else:
                found.add(line)
    return found


def test_groups_are_the_extras_of_developers():
    whole = tomllib.loads((ROOT / "pyproject.toml").read_text())
    groups, extras = whole["dependency-groups"], whole["project"]["optional-dependencies"]
    for name in ("test", "oracles", "check", "docs"):
        assert flat(groups, [name]) == flat(extras, [name])
    assert flat(groups, ["dev"]) == flat(groups, ["check", "oracles"])


def test_hints_name_extras_of_a_checkout():
    """It is on no package index."""
    whole = tomllib.loads((ROOT / "pyproject.toml").read_text())
    extras = whole["project"]["optional-dependencies"]
    for path in (ROOT / "xpnet").rglob("*.py"):
        text = path.read_text()
        assert not re.search(r"pip install ['\"]?xpnet", text), path
        for name in re.findall(r"installing\(['\"](\w+)['\"]\)|pip install '\.\[(\w+)\]'", text):
            assert (name[0] or name[1]) in extras, path


@pytest.mark.parametrize("command", ["demo", "test", "check"])
def test_commands_say_what_is_missing(command, tmp_path):
    """In a copy of the repository without an environment, with a Python that is none or too old."""
    for path in ("ci", "pyproject.toml"):
        subprocess.run(["cp", "-r", ROOT / path, tmp_path], check=True)
    old = tmp_path / "old-python"
    old.write_text('#!/bin/sh\n[ "$1" = --version ] && echo "Python 3.9.1"\nexit 1\n')
    old.chmod(0o755)
    for python, message in (
        ("no-such-python", "there is no 'no-such-python'; set PYTHON"),
        (old, "is Python 3.9.1; xpnet needs 3.11 or newer"),
    ):
        done = subprocess.run(
            [tmp_path / "ci" / command],
            env={"PYTHON": str(python), "PATH": "/usr/bin:/bin"},
            capture_output=True,
            text=True,
            cwd="/",
        )
        assert done.returncode == 1
        assert message in done.stderr
        assert not (tmp_path / ".venv").exists()
