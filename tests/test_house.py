"""The rules of the house that a script can check, read from the source."""

from __future__ import annotations

import ast
import importlib
import inspect
import subprocess
import sys
from pathlib import Path

import pytest

import xpnet
from xpnet.objectives import Offers
from xpnet.training.stopping import Rule

ROOT = Path(xpnet.__file__).parent
MODULES = {str(path.relative_to(ROOT)): ast.parse(path.read_text()) for path in sorted(ROOT.rglob("*.py"))}
# the modules that may name an array library
HOST_CODE = ("device/", "rules/")


def imported(tree):
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield "." * node.level + (node.module or "")


@pytest.mark.parametrize("name", MODULES)
def test_array_libraries_are_named_in_few_places(name):
    if name.startswith(HOST_CODE):
        return
    roots = {module.partition(".")[0] for module in imported(MODULES[name])}
    assert not roots & {"numpy", "cupy"}
    options = {
        keyword.arg
        for node in ast.walk(MODULES[name])
        if isinstance(node, ast.Call)
        for keyword in node.keywords
    }
    assert "out" not in options


# each level may import those above it
LEVELS = [
    ["checks.py"],
    ["device"],
    ["rules", "dual.py", "parameters.py"],
    ["layers", "divergences.py", "linear.py"],
    ["network.py"],
    ["objectives"],
    ["problems.py", "optimizers"],
    ["training", "testing.py"],
    ["analysis"],
    ["__main__.py"],
]


def level(part):
    return next(n for n, parts in enumerate(LEVELS) if part in parts or part + ".py" in parts)


@pytest.mark.parametrize("name", [name for name in MODULES if name != "__init__.py"])
def test_imports_point_one_way(name):
    here = Path(name)
    for node in ast.walk(MODULES[name]):
        if not isinstance(node, ast.ImportFrom) or not node.level:
            continue
        base = [*here.parts[: len(here.parts) - node.level], *(node.module or "").split(".")]
        targets = [p for p in base if p][:1] or [alias.name for alias in node.names]
        for target in targets:
            if target != here.parts[0]:
                assert level(target) <= level(here.parts[0]), f"{name} imports {target}"


@pytest.mark.parametrize("name", MODULES)
def test_modules_open_with_a_paragraph(name):
    text = ast.get_docstring(MODULES[name])
    assert text
    assert text[0].isupper() or text.startswith("xpnet")


def public():
    return {
        name: value
        for name, value in vars(xpnet).items()
        if not name.startswith("_") and not inspect.ismodule(value)
    }


@pytest.mark.parametrize("name", public())
def test_public_names_are_documented(name):
    value = public()[name]
    assert inspect.getdoc(value)
    if inspect.isclass(value):
        for method, function in vars(value).items():
            inherited = any(hasattr(base, method) for base in value.__mro__[1:-1])
            if inspect.isfunction(function) and not method.startswith("_") and not inherited:
                assert inspect.getdoc(function), f"{name}.{method}"


def classes():
    for name in MODULES:
        parts = Path(name).with_suffix("").parts
        module = importlib.import_module(".".join(["xpnet", *[p for p in parts if p != "__init__"]]))
        for value in vars(module).values():
            if inspect.isclass(value) and value.__module__ == module.__name__:
                yield value


@pytest.mark.parametrize("kind", list(classes()), ids=lambda kind: kind.__name__)
def test_methods_are_abstract_or_final(kind):
    for name, method in vars(kind).items():
        if not inspect.isfunction(method) or name.startswith("__"):
            continue
        for base in kind.__mro__[1:]:
            inherited = vars(base).get(name)
            if base.__module__.startswith("xpnet") and inherited is not None:
                # what an objective may have, lack, or have derived from the rest
                optional = base is xpnet.Objective and name.upper() in Offers.__members__
                assert optional or getattr(inherited, "__isabstractmethod__", False), f"{base}.{name}"


SETTINGS = (xpnet.Layer, xpnet.Optimizer, xpnet.Penalty, xpnet.schedules.Schedule, Rule)


@pytest.mark.parametrize(
    "kind", [kind for kind in classes() if issubclass(kind, SETTINGS)], ids=lambda kind: kind.__name__
)
def test_settings_are_frozen(kind):
    if not inspect.isabstract(kind):
        assert kind.__dataclass_params__.frozen


def test_import_brings_no_extra():
    wanted = {"array_api_compat", "numpy", "xpnet"}
    program = (
        "import sys; before = set(sys.modules); import numpy, array_api_compat.numpy; "
        "base = set(sys.modules); import xpnet; "
        "print(*sorted({name.partition('.')[0] for name in set(sys.modules) - base}))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    new = set(done.stdout.split()) - set(sys.stdlib_module_names)
    assert new <= wanted


def test_the_package_is_typed():
    assert (ROOT / "py.typed").exists()
