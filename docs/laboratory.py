"""Writes a page for each experiment of the laboratory from its docstring, a quick run, and its source."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from xpnet import lab
from xpnet.lab.experiment import Experiment, experiment
from xpnet.lab.pictures import saved

VERDICTS = {"holds": "as expected", "fails": "**not** as expected", "reported": ""}


def write(app: Any) -> None:
    """Writes the pages that are not there, or are older than the library."""
    folder = Path(app.srcdir) / "lab"
    newest = max(path.stat().st_mtime for path in Path(lab.__file__).parents[1].rglob("*.py"))
    for own in map(experiment, lab.EXPERIMENTS):
        page = folder / f"{own.name}.md"
        if not page.exists() or page.stat().st_mtime < newest:
            _write(own, folder, page)


def _write(own: Experiment, folder: Path, page: Path) -> None:
    result, figure, _ = own.performed(lab.Lab(0, "numpy"), quick=True)
    saved(figure, folder / own.name)
    rows = [
        (one.row, one.what, shown(one.measured), one.wanted, VERDICTS[one.verdict])
        for one in result.expectations
    ]
    table = "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |" for row in rows)
    title, _, text = own.text.partition("\n")
    source = os.path.relpath(own.source, folder)
    page.write_text(
        f"# {own.name}: {title[0].lower()}{title[1:].rstrip('.')}\n{text}\n\n"
        f"```{{image}} {own.name}.png\n:alt: {title}\n```\n\n"
        f"Measured in a quick run, `xpnet lab {own.name} --quick`:\n\n"
        f"| row | what | measured | wanted | |\n| --- | --- | --- | --- | --- |\n{table}\n\n"
        f"The whole experiment, `xpnet/lab/{own.name}.py`:\n\n"
        f"```{{literalinclude}} {source}\n:language: python\n:start-at: from __future__\n```\n"
    )


def setup(app: Any) -> dict[str, bool]:
    app.connect("builder-inited", write)
    return {"parallel_read_safe": True}


def shown(measured: object) -> str:
    return f"{measured:.6g}" if isinstance(measured, float) else str(measured)
