"""Pictures: what the Axes hold are the numbers of the results that they were drawn from."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

from xpnet import (
    Adam,
    CrossEntropy,
    Dense,
    EmpiricalRisk,
    Momentum,
    Network,
    Quadratic,
    after,
    analysis,
    backend,
    minimize,
    plotting,
)

pytest.importorskip("matplotlib", reason="matplotlib is not installed")
import matplotlib.pyplot as plt
from matplotlib.figure import Figure

BOWL = Quadratic(np.diag([1.0, 9.0]), backend="numpy")
W = np.array([3.0, 1.0])
RUN = minimize(BOWL, Momentum(0.05), W, stop=after(30), keep_path=True, held_out=BOWL, held_out_every=10)
REPLICAS = minimize(BOWL, Momentum(0.05), np.array([W, 2 * W, 3 * W]), stop=after(20), keep_path=True)
FRAME = analysis.coordinate_frame(W, 0, 1)
PLANE = analysis.plane(BOWL, FRAME, around=[RUN.history.path], points=15)
AX = Figure().subplots()
UNIT = Network(2, Dense(1))
REGIONS = analysis.decision_regions(UNIT, np.array([1.0, 1.0, -1.0]), ((0, 1), (0, 1)), points=11)


@pytest.fixture(autouse=True)
def _drawn():
    """Every picture can be drawn, without a warning."""
    yield
    for number in plt.get_fignums():
        plt.figure(number).canvas.draw()


def named(ax):
    return ax.get_legend_handles_labels()[1]


def test_a_history():
    ax = plotting.history(RUN)
    value, held_out = ax.lines
    np.testing.assert_array_equal(value.get_ydata(), RUN.history.value)
    assert held_out.get_xdata().tolist() == [0, 10, 20]
    assert named(ax) == ["objective", "held-out risk"]
    assert (ax.get_yscale(), ax.get_xlabel(), ax.get_ylabel()) == (
        "log",
        "step",
        "objective, held-out risk",
    )
    assert value.get_color() != held_out.get_color()
    assert value.get_linestyle() != held_out.get_linestyle()


def test_runs_are_compared_on_axes_that_are_given():
    ax = plt.figure().subplots()
    for label, optimizer in {"momentum": Momentum(0.05), "Adam": Adam(0.1)}.items():
        run = minimize(BOWL, optimizer, W, stop=after(9))
        assert plotting.history(run, ax, label=label, along="seconds", scale="linear") is ax
    assert named(ax) == ["momentum", "Adam"]
    assert len({own.get_color() for own in ax.lines}) == 2
    assert (ax.get_yscale(), ax.get_xlabel()) == ("linear", "time (s)")


def test_replicas_are_a_band():
    ax = plotting.history(REPLICAS, quantiles=(0, 0.5, 1))
    np.testing.assert_array_equal(ax.lines[0].get_ydata(), np.median(REPLICAS.history.value, axis=1))
    edge = ax.collections[0].get_paths()[0].vertices[:, 1]
    assert edge.max() == REPLICAS.history.value.max()
    assert edge.min() == REPLICAS.history.value.min()
    assert ax.get_legend().get_title().get_text() == "median of 3,\nband 0 to 100 %"


def test_values_that_are_not_positive_have_a_linear_axis():
    run = minimize(Quadratic(np.eye(2), [5.0, 5.0], backend="numpy"), Momentum(0.05), W, stop=after(9))
    assert plotting.history(run).get_yscale() == "linear"


def test_an_overview():
    axes = plotting.overview(RUN)
    assert [ax.get_ylabel() for ax in axes] == ["objective, held-out risk", "gradient norm", "rate"]
    np.testing.assert_array_equal(axes[1].lines[0].get_ydata(), RUN.history.gradient_norm)
    given = plt.figure().subplots(1, 3)
    assert plotting.overview(REPLICAS, given) == [*given]


def test_contours_and_the_paths_on_them():
    ax = plotting.contours(PLANE, paths={"one": RUN.history.path, "three": REPLICAS.history.path})
    assert len(ax.lines) == 4
    np.testing.assert_allclose(ax.lines[0].get_xydata(), RUN.history.path, atol=1e-12)
    np.testing.assert_allclose(ax.lines[3].get_xydata(), REPLICAS.history.path[:, 2], atol=1e-12)
    assert named(ax) == ["one", "three"]
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("w[0]", "w[1]")
    assert ax.get_xlim() == (PLANE.x[0], PLANE.x[-1])
    assert ax.figure.axes[1].get_ylabel() == "objective"
    lines = next(own for own in ax.collections if own.get_facecolor().size == 0)
    np.testing.assert_allclose(lines.levels, PLANE.levels())


def test_nowhere_on_the_plane_is_white():
    """Below the lowest level it is darkest."""
    filled = plotting.contours(PLANE, bar=False).collections[0]
    shades = filled.to_rgba([BOWL.value(np.zeros(2)), PLANE.values.max()])
    assert shades[0, 0] < 0.6 < 0.9 < shades[1, 0]


def test_a_flat_plane_and_one_with_holes_can_be_drawn():
    flat = analysis.plane(Quadratic(np.zeros((2, 2)), backend="numpy"), FRAME, points=3)
    assert not plotting.contours(flat).collections
    values = PLANE.values.copy()
    values[0, 0], values[1, 1] = np.nan, np.inf
    plotting.contours(analysis.Plane(PLANE.frame, PLANE.x, PLANE.y, values))


def test_a_line_and_its_chord():
    found = analysis.between(BOWL, W, -W, points=11)
    ax = plotting.line(found, label="training", chord=True)
    curve, chord = ax.lines
    np.testing.assert_array_equal(curve.get_xydata().T, [found.positions, found.values])
    np.testing.assert_array_equal(chord.get_ydata(), found.chord)
    assert named(ax) == ["training", "chord, barrier 0"]
    plotting.line(found, ax, label="again")
    assert ax.lines[2].get_color() != curve.get_color()


def test_a_spectrum():
    objective = Quadratic(np.diag([-1.0, 0.5, 2.0]), backend="numpy")
    ax = plotting.spectrum(analysis.hessian_spectrum(objective, np.zeros(3)))
    above, below = (own.get_offsets().tolist() for own in ax.collections)
    assert above == [[2, 0.5], [1, 2]]
    assert below == [[3, -1]]
    assert named(ax) == ["not negative", "negative"]
    assert ax.get_xlabel() == "number, of 3 (all)"


def test_eigenvalues_of_the_lower_end_are_counted_from_there():
    diagonal = np.concatenate([[-2.0, -1.0], np.zeros(96), [1.0, 5.0]])
    found = analysis.hessian_spectrum(
        Quadratic(np.diag(diagonal), backend="numpy"), np.zeros(100), exact=False
    )
    ax = plotting.spectrum(found)
    below = ax.collections[-1].get_offsets()
    near = below[below[:, 1] < -0.5]
    np.testing.assert_allclose(near, [[100, -2], [99, -1]], atol=1e-9)


def test_densities():
    objective = Quadratic(np.diag([-1.0, 0.5, 2.0]), backend="numpy")
    found = analysis.hessian_density(objective, np.zeros(3))
    ax = plotting.density(found, label="one")
    shown = found.density > 1e-3 * found.density.max()
    np.testing.assert_array_equal(ax.lines[0].get_ydata()[shown], found.density[shown])
    assert plotting.density(found, ax, label="two") is ax
    assert named(ax) == ["one", "two"]


def test_the_legend_of_many_samples_is_not_searched_a_place_for(monkeypatch):
    """It takes a second, of which matplotlib warns."""
    from matplotlib.legend import Legend

    def searched(*_):
        raise AssertionError

    monkeypatch.setattr(Legend, "_find_best_position", searched)
    plotting.regions(REGIONS, X=[[0, 0], [1, 1]], labels=[-1, 1]).figure.canvas.draw()
    other = plotting.regions(REGIONS, X=[[0, 0], [1, 1]], labels=[-1, 1])
    other.legend(loc="best")
    with pytest.raises(AssertionError):  # so that the test can fail
        other.figure.canvas.draw()


def test_regions():
    ax = plotting.regions(REGIONS, X=[[0, 0], [0.2, 0.1], [1, 1]], labels=[-1, -1, 1])
    mesh, boundary, zero, one = ax.collections
    np.testing.assert_array_equal(mesh.get_array(), REGIONS.labels)
    x, y = boundary.get_paths()[0].vertices.T
    np.testing.assert_allclose(x + y, 1.0)
    assert zero.get_offsets().tolist() == [[0, 0], [0.2, 0.1]]
    assert one.get_offsets().tolist() == [[1, 1]]
    assert named(ax) == ["class 0", "class 1"]


def test_pictures_of_what_was_computed_on_a_device(device):
    """All of them, the same as on the host, and of samples that lie on the device."""
    random = np.random.default_rng(0)
    points, labels = random.uniform(-1, 1, (40, 2)), random.integers(0, 3, 40)
    network = Network(2, Dense(4, "tanh"), Dense(3, "softmax"))

    def drawn(backend):
        X, d = backend.asarray(points), backend.asarray(labels)
        risk = EmpiricalRisk(network, CrossEntropy(), X, d, dtype="float64", backend=backend)
        start = network.initialize(0, backend, "float64")
        run = minimize(risk, Momentum(0.5), start, stop=after(20), keep_path=True, check_every=5)
        frame = analysis.path_frame(run.history.path)
        around = analysis.random_frame(run.w, 1, network=network)
        plane = analysis.plane(risk, frame, around=[run.history.path], points=9)
        plotting.overview(run)
        yield plotting.contours(plane, paths={"momentum": run.history.path, "end": run.w[None, :]})
        yield plotting.line(analysis.line(risk, around))
        yield plotting.line(analysis.between(risk, start, run.w), chord=True)
        yield plotting.spectrum(analysis.hessian_spectrum(risk, run.w))
        yield plotting.density(analysis.hessian_density(risk, run.w))
        regions = analysis.decision_regions(network, run.w, X=X, points=21)
        yield plotting.regions(regions, X=X, labels=d)

    for own, wanted in zip(drawn(device), drawn(backend("numpy")), strict=True):
        assert (len(own.lines), len(own.collections)) == (len(wanted.lines), len(wanted.collections))
        for one, other in zip(own.lines, wanted.lines, strict=True):
            np.testing.assert_allclose(one.get_xydata(), other.get_xydata(), atol=1e-7)
        np.testing.assert_allclose(own.axis(), wanted.axis(), atol=1e-6)


@pytest.mark.parametrize(
    ("draw", "message"),
    [
        (lambda: plotting.history([1.0]), "history must be a History or a Run"),
        (lambda: plotting.history(RUN, plt), "ax must be Axes of matplotlib"),
        (lambda: plotting.history(RUN, columns="value"), "columns must be names in a tuple or list"),
        (lambda: plotting.history(RUN, columns=["valu"]), r"unknown columns\[0\] 'valu'"),
        (lambda: plotting.history(RUN, along="time"), "unknown along 'time'"),
        (lambda: plotting.history(REPLICAS, columns=["held_out"]), "history must have a number"),
        (lambda: plotting.overview(RUN, [AX]), r"axes must be 3 Axes of matplotlib, got \[<Axes"),
        (lambda: plotting.contours(REGIONS), "plane must be a Plane"),
        (lambda: plotting.contours(PLANE, paths=[W]), "paths must be a mapping of names"),
        (lambda: plotting.contours(PLANE, paths={"a": None}), "keep_path=True"),
        (
            lambda: plotting.contours(PLANE, paths={"a": np.ones((2, 3))}),
            "must have 2 parameters",
        ),
        (
            lambda: plotting.contours(PLANE, paths={"a": np.ones((0, 2))}),
            "must be .* not empty",
        ),
        (lambda: plotting.contours(PLANE, paths={"a": W}), r"paths\['a'\] must be \(looks, P\)"),
        (lambda: plotting.contours(PLANE, levels=1), "levels must be at least 2"),
        (lambda: plotting.contours(PLANE, levels=10**9), "levels must be at most 1000"),
        (lambda: plotting.overview([1.0]), "history must be a History or a Run"),
        (lambda: plotting.overview(RUN, 3), "axes must be 3 Axes of matplotlib, got 3"),
        (lambda: plotting.regions(REGIONS, X=[[1, np.nan]]), "X contains NaN"),
        (lambda: plotting.regions(REGIONS, X=[["a", "b"]]), "X must hold real numbers"),
        (lambda: plotting.regions(REGIONS, X=[[1, 2]], labels=["cat"]), "labels must hold real numbers"),
        (lambda: plotting.regions(REGIONS, X=[[1, 2]], labels=[0.5]), "labels must be integers"),
        (lambda: plotting.line(PLANE), "line must be a Line"),
        (lambda: plotting.spectrum(PLANE), "spectrum must be a Spectrum"),
        (lambda: plotting.density(PLANE), "density must be a Density"),
        (lambda: plotting.regions(PLANE), "regions must be Regions"),
        (lambda: plotting.regions(REGIONS, labels=[1]), "X must be given where there are labels"),
        (lambda: plotting.regions(REGIONS, X=[1, 2]), r"X must be \(samples, 2\)"),
        (lambda: plotting.regions(REGIONS, X=[[1, 2]], labels=[1, 2]), r"labels must be \(1,\)"),
        (lambda: plotting.regions(REGIONS, X=[[1, 2]], labels=[2]), "labels must be integers from 0 to 1"),
    ],
)
def test_bad_input_is_named_before_a_figure_is_made(draw, message):
    with pytest.raises((TypeError, ValueError), match=message):
        draw()
    assert not plt.get_fignums()


def test_without_matplotlib_the_error_names_the_extra():
    program = (
        "import sys; sys.modules['matplotlib'] = None\n"
        "from xpnet import Quadratic, analysis, backend, plotting\n"
        "w = backend('numpy').asarray([1.0, 1.0])\n"
        "line = analysis.between(Quadratic([[1.0, 0.0], [0.0, 1.0]]), w, -w)\n"
        "try: plotting.line(line)\n"
        "except ImportError as error: print(error)\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert "pictures need matplotlib: install it with" in done.stdout
    assert "[plot]" in done.stdout


def test_matplotlib_is_imported_for_the_first_picture_only():
    program = "import sys; import xpnet.plotting; print('matplotlib' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
