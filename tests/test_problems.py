"""The classic test problems, and the tables that examples/ makes of them and of NIST's."""

from __future__ import annotations

import numpy as np
import pytest
from conftest import to_numpy
from oracles import ROOT, example

import xpnet
from xpnet import PROBLEMS, LevenbergMarquardt, after, evaluations, minimize
from xpnet.testing import check_gradient

NAMES = [problem.name for problem in PROBLEMS]


nist, table = example("nist"), example("problems")


@pytest.mark.parametrize("problem", PROBLEMS, ids=NAMES)
def test_derivatives(problem, device):
    objective = problem.objective(device)
    w = device.asarray(np.array(problem.start) * 1.01 + 0.01)
    check_gradient(objective, w, tolerance=1e-5)
    H, differences = objective.hessian(w), xpnet.difference_hessian(objective, w)
    assert abs(H - differences).max() <= 1e-5 * abs(H).max()


VALUES = {  # at the starts, by hand
    "rosenbrock": 24.2,
    "freudenstein-roth": 400.5,
    "beale": 14.203125,
    "helical valley": 2500,
    "powell singular": 215,
    "wood": 19192,
    "watson": 30,
    "variably dimensioned": 2198551.1625,
    "extended rosenbrock": 121,
    "extended powell singular": 645,
    "brown badly scaled": 999998000003,
    "himmelblau": 170,
    "penalty one": 148032.5653,
}


@pytest.mark.parametrize("name", VALUES)
def test_values_at_the_starts(name):
    problem = PROBLEMS[NAMES.index(name)]
    value = float(problem.objective("numpy").value(np.array(problem.start)))
    assert value == pytest.approx(VALUES[name], rel=1e-6)


@pytest.mark.parametrize("problem", PROBLEMS, ids=NAMES)
def test_scipy_finds_a_minimum_that_is_known(problem, device):
    optimize = pytest.importorskip("scipy.optimize", reason="SciPy, the oracle, is not installed")
    objective = problem.objective(device)
    found = optimize.least_squares(
        lambda w: to_numpy(objective.residuals(device.asarray(w))),
        np.array(problem.start),
        jac=lambda w: to_numpy(objective.jacobian(device.asarray(w))),
        xtol=1e-15,
        ftol=1e-15,
        gtol=1e-15,
        method="lm",
        max_nfev=5000,
    )
    assert problem.solved(found.cost)
    assert not problem.solved(found.cost + 0.5)


@pytest.mark.parametrize("name", ["L-BFGS", "BFGS", "CG PR+", "Newton"])
def test_every_problem_is_solved(name):
    """L-BFGS: row 24, where SciPy's L-BFGS-B solves 15 of 17 and PyTorch's 17."""
    solved = [table.evaluations(problem, table.OTHERS[name]) is not None for problem in PROBLEMS]
    assert all(solved)


def test_every_backend_has_the_same_values(backend, dtype, tolerance):
    for problem in PROBLEMS:
        start = backend.asarray(problem.start, dtype)
        value, gradient = problem.objective(backend, dtype).value_and_gradient(start)
        want, slope = problem.objective("numpy").value_and_gradient(np.array(problem.start))
        assert float(value) == pytest.approx(float(want), rel=50 * tolerance)
        scale = abs(slope).max()
        np.testing.assert_allclose(backend.to_numpy(gradient), slope, atol=50 * tolerance * scale)


def test_the_table_in_the_repository_is_what_the_command_makes():
    lines = (ROOT / "ci/results/problems.txt").read_text().splitlines()
    heads = [line.split() for line in lines if line.startswith(" " * 26)]
    assert len(lines) == 2 * len(table.PROBLEMS) + 7
    assert len(heads) == 2
    # a few of its cells
    for name, problem in (("L-BFGS", "rosenbrock"), ("LM", "bard"), ("trust", "wood"), ("CG HZ", "beale")):
        optimizer = table.OTHERS[name]
        count = table.evaluations(PROBLEMS[NAMES.index(problem)], optimizer)
        row = next(line for line in lines if line.startswith(problem))
        column = 26 + 10 * list(table.OTHERS).index(name)
        assert int(row[column : column + 10]) == pytest.approx(count, rel=0.1)  # other BLAS, other digits


def test_nist_by_levenberg_marquardt():
    """Row 25: at least 51 of the 52 that have one predictor, and Nelson's."""
    right = {
        (name, start): nist.digits(name, nist.fit(name, start, LevenbergMarquardt()).w) >= 6
        for name in nist.SETS
        for start in (0, 1)
    }
    assert sum(right[name, start] for name, start in right if name != "Nelson") >= 51
    assert right["Nelson", 0]
    assert right["Nelson", 1]
    last = (ROOT / "ci/results/nist.txt").read_text().splitlines()[-1]
    assert last.split()[4:7] == [str(sum(right.values())), "of", "54"]


def test_nist_s_difficult_starts_end_cleanly():
    run = nist.fit("MGH10", 0, LevenbergMarquardt())
    assert run.reason == "5000 evaluations made"
    assert np.isfinite(run.w).all()
    run = minimize(
        nist.objective("BoxBOD"), "bfgs", np.array([1e4, -800.0]), stop=after(50) | evaluations(90)
    )
    assert "non-finite" in run.reason  # exp overflows at the start
    np.testing.assert_array_equal(run.w, [1e4, -800.0])
