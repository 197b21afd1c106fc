"""How the documentation is built: by `ci/docs`, from what is installed, without a network."""

import sys
from pathlib import Path
from typing import Any

import xpnet

sys.path.insert(0, str(Path(__file__).parent))  # for the laboratory's pages

project = "xpnet"
author = "the xpnet developers"
version = release = xpnet.__version__
extensions = [
    "laboratory",
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.napoleon",
    "sphinx_gallery.gen_gallery",
]
exclude_patterns = ["gallery"]  # from which the pages in pictures/ are made
templates_path = ["_templates"]
default_role = "code"  # docstrings write `w` for code

myst_enable_extensions = ["colon_fence"]
myst_heading_anchors = 3

autosummary_generate = True
autosummary_ignore_module_all = False
autodoc_class_signature = "mixed"
autodoc_member_order = "bysource"
autodoc_preserve_defaults = True
autodoc_typehints = "none"  # signatures stay short; the text gives kinds and shapes
napoleon_numpy_docstring = False
napoleon_custom_sections = [("Attributes", "params_style")]  # which may name several at once
napoleon_use_rtype = False

sphinx_gallery_conf = {
    "examples_dirs": "gallery",
    "gallery_dirs": "pictures",
    "within_subsection_order": "FileNameSortKey",
    "image_srcset": ["2x"],
    "capture_repr": (),  # pictures, and what is printed
    "download_all_examples": False,
    "min_reported_time": 60,
    "notebook_extensions": set(),
    "run_stale_examples": True,  # the library may have changed
    "show_signature": False,
    "write_computation_times": False,
}

suppress_warnings = ["ref.python"]  # attributes of several classes have the same name

html_theme = "furo"
html_title = f"xpnet {version}"
html_static_path = []
html_copy_source = False


def _foreign(app: Any, what: str, name: str, member: Any, skip: bool, options: Any) -> bool | None:
    """Leaves out what estimators have from scikit-learn, whose pages its references lead to."""
    module = str(getattr(member, "__module__", ""))
    if module.startswith("sklearn.") or (name.startswith("set_") and name.endswith("_request")):
        return True
    return None


def setup(app: Any) -> None:
    app.connect("autodoc-skip-member", _foreign)
