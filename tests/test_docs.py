"""The documentation: its code runs, its links lead somewhere, and every public name has a page."""

from __future__ import annotations

import importlib.util
import re
import runpy
import sys
import types
from pathlib import Path

import pytest

import xpnet
from xpnet import analysis, distributed, export, linear, plotting, schedules, testing

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
PAGES = sorted(DOCS.rglob("*.md"))
GALLERY = sorted((DOCS / "gallery").glob("plot_*.py"))

# what a block needs, code that readers do not see, and the block
BLOCK = re.compile(
    r"(?:^<!-- before\n(?P<before>.*?)^-->\n)?"
    r"(?:^<!-- needs: (?P<needs>.*?) -->\n)?"
    r"^```python\n(?P<code>.*?)^```",
    re.MULTILINE | re.DOTALL,
)


def blocks(page):
    """The line that each block of a page begins in, the packages that it needs, and its code."""
    text = page.read_text()
    found = []
    for match in BLOCK.finditer(text):
        line = text.count("\n", 0, match.start("code"))
        needs = [name.strip() for name in (match["needs"] or "").split(",") if name.strip()]
        found.append((line + 1, needs, (match["before"] or "") + match["code"]))
    assert len(found) == len(re.findall(r"^```python$", text, re.MULTILINE))
    return found


@pytest.mark.parametrize(
    "page", [page for page in PAGES if blocks(page)], ids=lambda page: str(page.relative_to(DOCS))
)
def test_the_code_runs(page, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XPNET_BACKEND", "numpy")
    module = types.ModuleType("page")  # in which classes are looked for by files and dataclasses
    monkeypatch.setitem(sys.modules, "page", module)
    names = vars(module)
    skipped = []
    for line, needs, code in blocks(page):  # each goes on from the ones before
        missing = [name for name in needs if importlib.util.find_spec(name) is None]
        if missing:
            skipped.append(f"line {line} needs {', '.join(missing)}")
            continue
        exec(compile("\n" * line + code, str(page), "exec"), names)
    if skipped:
        pytest.skip(f"all else has run, but {'; '.join(skipped)}")


@pytest.mark.parametrize("page", [*PAGES, ROOT / "README.md"], ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page):
    text = re.sub(r"^```python\n.*?^```", "", page.read_text(), flags=re.MULTILINE | re.DOTALL)
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        path, _, anchor = target.partition("#")
        if path.startswith("http"):
            continue
        found = page.parent / path if path else page
        assert found.exists(), target
        if anchor:
            heads = re.findall(r"^#+ (.*)$", found.read_text(), re.MULTILINE)
            assert anchor in [re.sub(r"[^\w -]", "", head).lower().replace(" ", "-") for head in heads]


def test_every_public_name_has_a_page():
    text = "\n".join(page.read_text() for page in sorted((DOCS / "api").glob("*.*")))
    named = set(re.findall(r"^   (\w+)$", text, re.MULTILINE)) | set(re.findall(r"`xpnet\.(\w+)", text))
    modules = {"analysis", "linear", "optimizers", "schedules"}
    assert set(xpnet.__all__) - modules <= named
    helpers = {"KINDS", "Rate", "as_schedule", "checked_rate", "checked_schedule"}
    for module in (analysis, distributed, export, linear, plotting, schedules, testing):
        assert set(module.__all__) - helpers <= named, module.__name__


@pytest.mark.parametrize("script", GALLERY, ids=lambda script: script.stem)
def test_the_gallery_is_drawn(script, monkeypatch):
    """Every picture of it: its axes have names, and nothing warns of anything."""
    pyplot = pytest.importorskip("matplotlib.pyplot", reason="matplotlib is not installed")
    monkeypatch.setenv("XPNET_BACKEND", "numpy")
    runpy.run_path(str(script))
    figures = [pyplot.figure(number) for number in pyplot.get_fignums()]
    assert figures
    for figure in figures:
        figure.canvas.draw()
        for ax in figure.axes:
            assert ax.get_ylabel()
            assert ax.get_xlabel() or ax.get_label() == "<colorbar>"
    assert len(script.read_text().splitlines()) <= 40


def test_the_gallery_shows_every_picture():
    text = "".join(script.read_text() for script in GALLERY)
    assert {*plotting.__all__} == {*re.findall(r"plotting\.(\w+)\(", text)}
    guide = (DOCS / "guides" / "pictures.md").read_text()
    assert {*re.findall(r"pictures/(\w+)>", guide)} == {script.stem for script in GALLERY}


def test_every_page_says_that_it_is_on_no_index():
    for page in (*PAGES, ROOT / "README.md"):
        text = page.read_text()
        assert not re.search(r"pip install ['\"]?xpnet", text), page
        if "pip install" in text:
            assert "checkout" in text, page


def test_the_readme_is_short():
    assert len((ROOT / "README.md").read_text().splitlines()) <= 130
