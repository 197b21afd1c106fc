"""A file is the old one or the new one, whole, on systems that rename in other ways too."""

from __future__ import annotations

import os
import stat
import sys

import numpy as np
import pytest

import xpnet
from xpnet.storage import replacing as module
from xpnet.storage.replacing import replacing


def write(path, content):
    with replacing(str(path)) as file:
        file.write(content)


def refusing(monkeypatch, times):
    """`os.replace` as on Windows where somebody has the old file open for as many tries; how many came."""
    tries, replace = [], os.replace

    def attempt(old, new):
        tries.append(new)
        if len(tries) <= times:
            raise PermissionError(13, "The process cannot access the file", new)
        replace(old, new)

    monkeypatch.setattr(module.os, "replace", attempt)
    monkeypatch.setattr(module.time, "sleep", lambda seconds: None)
    return tries


def test_windows_is_asked_again(tmp_path, monkeypatch):
    path = tmp_path / "a"
    write(path, b"old")
    monkeypatch.setattr(sys, "platform", "win32")
    tries = refusing(monkeypatch, 3)
    write(path, b"new")
    assert len(tries) == 4
    assert path.read_bytes() == b"new"
    assert os.listdir(tmp_path) == ["a"]


@pytest.mark.parametrize(("platform", "most"), [("win32", 6), ("darwin", 1), ("linux", 1)])
def test_not_for_ever_and_not_elsewhere(platform, most, tmp_path, monkeypatch):
    path = tmp_path / "a"
    write(path, b"old")
    monkeypatch.setattr(sys, "platform", platform)
    tries = refusing(monkeypatch, 99)
    with pytest.raises(PermissionError):
        write(path, b"new")
    assert len(tries) == most
    assert path.read_bytes() == b"old"
    assert os.listdir(tmp_path) == ["a"]


def test_what_is_read_only_leaves_nothing_behind(tmp_path, monkeypatch):
    """Windows replaces no such file, and removes none."""
    path = tmp_path / "a"
    write(path, b"old")
    path.chmod(stat.S_IREAD)
    refusing(monkeypatch, 99)
    remove = os.remove

    def removing(name):
        if not os.stat(name).st_mode & stat.S_IWRITE:
            raise PermissionError(13, "Access is denied", name)
        remove(name)

    monkeypatch.setattr(module.os, "remove", removing)
    with pytest.raises(PermissionError, match="cannot access"):
        write(path, b"new")
    assert os.listdir(tmp_path) == ["a"]


def test_a_directory_that_is_not_there_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match="there is no such directory: .*nowhere'"):
        xpnet.save(tmp_path / "nowhere" / "a.npz", None, np.ones(2))
    quadratic, path = xpnet.Quadratic(np.eye(2)), tmp_path / "nowhere" / "a.npz"
    with pytest.raises(FileNotFoundError, match="there is no such directory: .*nowhere'"):
        xpnet.minimize(quadratic, "adam", np.ones(2), callback=xpnet.Checkpoint(path))
