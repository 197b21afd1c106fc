"""Where kernels are kept, on each system."""

from __future__ import annotations

from pathlib import Path

import pytest

from xpnet.rules import cache


@pytest.mark.parametrize(
    ("platform", "variables", "wanted"),
    [
        ("linux", {}, ".cache/xpnet/kernels"),
        ("linux", {"XDG_CACHE_HOME": "/x"}, "/x/xpnet/kernels"),
        ("darwin", {"XDG_CACHE_HOME": "/x"}, "Library/Caches/xpnet/kernels"),
        ("win32", {"LOCALAPPDATA": "/local"}, "/local/xpnet/kernels"),
        ("win32", {}, "AppData/Local/xpnet/kernels"),
        ("win32", {"LOCALAPPDATA": ""}, "AppData/Local/xpnet/kernels"),
        ("win32", {"XPNET_CACHE": " /mine "}, "/mine"),
    ],
)
def test_each_system_has_its_place(platform, variables, wanted, monkeypatch):
    for name in ("XPNET_CACHE", "XDG_CACHE_HOME", "LOCALAPPDATA"):
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(cache.sys, "platform", platform)
    assert cache.directory() == Path.home() / wanted


def test_a_system_without_fork_has_a_store_too(monkeypatch):
    monkeypatch.delattr(cache.os, "register_at_fork", raising=False)
    cache.Store()
