"""The rules of the house that a script can check, read from the source."""

from __future__ import annotations

import ast
import importlib
import inspect
import subprocess
import sys
from importlib import metadata
from pathlib import Path

import pytest

import xpnet
from xpnet.objectives import Offers
from xpnet.training.rule import Rule

ROOT = Path(xpnet.__file__).parent
MODULES = {str(path.relative_to(ROOT)): ast.parse(path.read_text()) for path in sorted(ROOT.rglob("*.py"))}
# the rooms that may name an array library
HOST_CODE = (
    *("device/", "distributed/", "rules/", "recording/", "storage/", "export/", "sklearn/"),
    *("plotting/", "lab/"),
)
EXTRAS = {"sklearn": "scikit-learn"}  # rooms that need a package which may be missing

# What each room may import beside itself: imports point one way.
BASE = {"checks", "device", "glossary"}
LAYERS = BASE | {"rules", "dual", "parameters"}
OBJECTIVES = LAYERS | {"distributed", "layers", "divergences", "network", "linear", "recording"}
OPTIMIZERS = OBJECTIVES | {"objectives"}
TRAINING = OPTIMIZERS | {"optimizers"}
ALL = TRAINING | {"run", "training"}
ROOMS = {
    "checks": {"glossary"},
    "version": set(),
    "device": {"checks", "glossary"},
    "distributed": BASE,
    "glossary": set(),
    "rules": BASE,
    "dual": BASE | {"rules"},
    "parameters": BASE,
    "linear": BASE,
    "recording": BASE | {"rules"},
    "layers": LAYERS,
    "divergences": LAYERS | {"layers"},
    "network": LAYERS | {"layers"},
    "objectives": OBJECTIVES,
    "problems": OPTIMIZERS,
    "optimizers": OPTIMIZERS,
    "run": TRAINING,
    "training": TRAINING | {"run", "storage"},
    "testing": OPTIMIZERS,
    "storage": TRAINING | {"run", "version"},
    "export": OBJECTIVES | {"sklearn", "storage", "version"},
    "analysis": ALL,
    "sklearn": ALL,
    "plotting": ALL | {"analysis"},
    "lab": ALL | {"analysis", "plotting", "version"},
    "__main__": ALL | {"testing", "analysis", "lab", "problems", "version", "__init__"},
}


def room(name):
    """The room that a module, by its path, is in."""
    return Path(name).parts[0].removesuffix(".py")


def imports(name, *, at_start=False):
    """The modules, by their paths, that the module `name` imports: at its start, or at any time."""
    tree, here = MODULES[name], Path(name)
    for node in tree.body if at_start else ast.walk(tree):
        if isinstance(node, ast.Import):
            assert not any(alias.name.startswith("xpnet.") for alias in node.names), name
        if not isinstance(node, ast.ImportFrom) or not node.level:
            continue
        base = here.parents[node.level - 1].joinpath(*(node.module or "").split("."))
        for alias in node.names:
            own = str(base / alias.name)
            places = (f"{own}.py", f"{own}/__init__.py", f"{base}.py", str(base / "__init__.py"))
            yield next(path for path in places if path in MODULES)


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


def test_the_libraries_have_no_other_names_outside():
    """What a room with array libraries hands on is no such library."""
    for name in MODULES:
        if name.startswith(HOST_CODE):
            continue
        package = ".".join(["xpnet", *Path(name).parts[:-1]])
        for node in ast.walk(MODULES[name]):
            if isinstance(node, ast.ImportFrom) and node.level:
                module = importlib.import_module("." * node.level + (node.module or ""), package)
                for alias in node.names:
                    kind = getattr(getattr(module, alias.name, None), "__name__", "")
                    assert kind.partition(".")[0] not in ("numpy", "cupy"), f"{name}: {alias.name}"


@pytest.mark.parametrize("name", [name for name in MODULES if name != "__init__.py"])
def test_imports_point_one_way(name):
    for target in imports(name):
        assert room(target) in ROOMS[room(name)] | {room(name)}, f"{name} imports {target}"


def test_imports_make_no_circle():
    """Within a room too; a package's `__init__` stands for what it imports."""
    waiting = {name: {*imports(name, at_start=True)} - {name} for name in MODULES}
    while waiting:
        free = [name for name, needed in waiting.items() if not needed & waiting.keys()]
        assert free, f"a circle among {sorted(waiting)}"
        for name in free:
            del waiting[name]


@pytest.mark.parametrize("name", MODULES)
def test_private_names_stay_in_their_file(name):
    tree = MODULES[name]
    own = {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.ClassDef)}
    own |= {
        node.id if isinstance(node, ast.Name) else node.attr
        for node in ast.walk(tree)
        if isinstance(node, ast.Name | ast.Attribute) and isinstance(node.ctx, ast.Store)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom):
            used = [alias.name for alias in node.names]
        elif isinstance(node, ast.Attribute):
            used = [node.attr]
        else:
            continue
        for used_name in used:
            if used_name.startswith("_") and not used_name.startswith("__"):
                assert used_name in own or used_name in OF_OTHER_LIBRARIES, f"{name}: {used_name}"


# private by their look only
OF_OTHER_LIBRARIES = {"_asdict", "_fields", "_getframe"}


@pytest.mark.parametrize("name", MODULES)
def test_no_module_is_a_hall(name):
    assert len((ROOT / name).read_text().splitlines()) <= 310


@pytest.mark.parametrize("name", MODULES)
def test_what_an_object_can_do_is_said_by_a_type(name):
    """Only whether a value is an array or a tuple of names is asked of the value itself."""
    if name.startswith(("device/", "checks")):  # where strangers' values come in
        return
    for node in ast.walk(MODULES[name]):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "hasattr":
            assert ast.literal_eval(node.args[1]) in ("shape", "_fields"), f"{name}, line {node.lineno}"


@pytest.mark.parametrize("name", MODULES)
def test_modules_open_with_a_paragraph(name):
    text = ast.get_docstring(MODULES[name])
    assert text
    assert text[0].isupper() or text.startswith("xpnet")


def installed(name):
    """Whether the package that the module's room needs is there."""
    needed = EXTRAS.get(room(name))
    return needed is None or any(metadata.distributions(name=needed))


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
    for name in filter(installed, MODULES):
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
