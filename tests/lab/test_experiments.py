"""Every experiment in its quick form: what was expected holds, and the same seed repeats it."""

from __future__ import annotations

import json
import re
import sys

import numpy as np
import pytest

from xpnet import __main__ as command
from xpnet.lab import EXPERIMENTS, Lab, Result, components, digits, panels
from xpnet.lab.experiment import experiment
from xpnet.lab.pictures import saved
from xpnet.lab.report import as_json, as_text

pytest.importorskip("matplotlib", reason="matplotlib is not installed").use("Agg")
pytest.importorskip("sklearn", reason="scikit-learn is not installed")

DONE = {}


def done(name):
    """What comes out with seed 0; found once."""
    if name not in DONE:
        own, lab = experiment(name), Lab(0, "numpy")
        result, figure, seconds = own.performed(lab, quick=True)
        DONE[name] = (
            result,
            figure,
            as_json(own, lab, True, result, seconds),
            as_text(own, lab, True, result),
        )
    return DONE[name]


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_what_is_expected_holds(name):
    result, _, _, text = done(name)
    assert isinstance(result, Result)
    assert result.passed, text
    assert any(one.verdict == "holds" for one in result.expectations)


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_every_row_is_looked_at(name):
    own = experiment(name)
    assert {one.row for one in done(name)[0].expectations} == set(own.rows)
    assert len(set(own.rows)) == len(own.rows)


@pytest.mark.slow  # as long as all of the others together
@pytest.mark.parametrize("name", EXPERIMENTS)
def test_the_same_seed_gives_the_same(name):
    own, lab = experiment(name), Lab(0, "numpy")
    result = own.run(lab, **own.settings(quick=True))
    again = json.loads(as_json(own, lab, True, result, {"run": 1.0}))
    first = json.loads(done(name)[2])
    assert first.pop("seconds") != again.pop("seconds")
    assert first == again


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_the_picture_is_complete_and_none_is_left_open(name, tmp_path):
    from matplotlib import pyplot

    _, figure, _, _ = done(name)
    assert pyplot.get_fignums() == []
    files = saved(figure, tmp_path / name)
    assert [file.name for file in files] == [f"{name}.png", f"{name}.svg"]
    assert all(file.stat().st_size > 10_000 for file in files)
    for axes in figure.axes:  # a lecturer need not say what is on an axis; those of a colour bar aside
        if axes.axison and axes.get_label() != "<colorbar>":
            assert axes.get_xlabel(), axes.get_title()
            assert axes.get_ylabel(), axes.get_title()


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_it_reads_as_a_lesson(name):
    own = experiment(name)
    assert len(own.title) <= 100
    for part in ("**The claim.**", "**The prediction.**", "**Exercises.**"):
        assert own.text.count(part) == 1
    assert len(re.findall(r"^\d\. ", own.text, re.MULTILINE)) >= 2
    assert len(own.source.read_text().splitlines()) <= 175
    assert set(own.quick) <= set(own.settings(quick=False))
    assert set(own.rows) <= {str(number) for number in range(5, 51)} | {"7b"}


@pytest.mark.slow
@pytest.mark.parametrize("name", EXPERIMENTS)
def test_it_runs_on_cupy(name, cupy_backend):
    own = experiment(name)
    result = own.run(Lab(0, cupy_backend), **own.settings(quick=True))
    assert result.passed
    assert not any(type(value).__module__.startswith("cupy") for value in result.numbers.values())


def test_a_lab_has_a_generator_for_each_key():
    lab = Lab(3, "numpy")
    first = lab.random(0).standard_normal(3)
    assert (first == Lab(3, "numpy").random(0).standard_normal(3)).all()
    assert (first != lab.random(1).standard_normal(3)).all()
    assert (first != Lab(4, "numpy").random(0).standard_normal(3)).all()
    values = np.ones(2)
    assert lab.array(values) is not values
    assert Lab(3, "numpy") == lab
    for wrong in (-1, 0.5, "seed"):
        with pytest.raises((TypeError, ValueError), match="seed"):
            Lab(wrong, "numpy")


def test_digits_come_in_an_order_of_the_seed():
    from sklearn.datasets import load_digits

    X, labels = digits(Lab(0, "numpy"), (3, 9))
    every = load_digits()
    assert X.shape == (np.isin(every.target, (3, 9)).sum(), 64)
    assert (X.min(), X.max()) == (0.0, 1.0)
    assert np.bincount(labels).tolist() == [(every.target == 3).sum(), (every.target == 9).sum()]
    assert (X[0] * 16 == every.data).all(axis=1).any()
    again, other = digits(Lab(0, "numpy"), (3, 9))[0], digits(Lab(1, "numpy"), (3, 9))[0]
    assert (again == X).all()
    assert (other != X).any()
    Z = components(X, 5)
    np.testing.assert_allclose(Z.T @ Z / len(Z), np.eye(5), atol=1e-12)
    np.testing.assert_allclose(Z.mean(axis=0), 0.0, atol=1e-12)


def test_it_is_said_how_far_it_is(monkeypatch, capsys):
    monkeypatch.setattr("sys.stderr.isatty", lambda: True, raising=False)
    assert [*Lab(0, "numpy", progress=True).each("ab", "letter")] == ["a", "b"]
    shown = capsys.readouterr().err
    assert "  letter 1 of 2" in shown
    assert "  letter 2 of 2" in shown
    assert shown.endswith("\x1b[K")
    assert [*Lab(0, "numpy").each(iter("ab"), "letter")] == ["a", "b"]
    assert capsys.readouterr().err == ""


def test_what_is_missing_is_named(monkeypatch, capsys, tmp_path):
    monkeypatch.setitem(sys.modules, "sklearn.datasets", None)
    with pytest.raises(ImportError, match=r"the digits need scikit-learn: .*\[lab\]"):
        digits(Lab(0, "numpy"))
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(ImportError, match=r"the laboratory needs matplotlib: .*\[lab\]"):
        panels()
    with pytest.raises(SystemExit, match="^2$"):
        command.main(["lab", "momentum", "--output", str(tmp_path / "out")])
    assert "the laboratory needs matplotlib" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
