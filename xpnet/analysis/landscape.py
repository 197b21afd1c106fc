"""What an objective is worth along a line and on a plane through its parameters.

Points are evaluated as replicas, many at once where the objective takes them so, and in chunks, so that
memory does not grow with their number.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Literal

from .. import checks
from ..device.arrays import Array
from ..device.backend import Backend
from ..device.select import backend as choose_backend
from ..objectives import Objective, Offers
from .frames import Frame, frame_through, path_coordinates

NUMBERS = 2**20  # parameters of all points that are evaluated at once
ROWS = 256  # the most points at once
MARGIN = 0.15  # of the paths' extent, left free around them

Scale = Literal["log", "linear"]
Limits = tuple[float, float]


@dataclass(frozen=True, eq=False, repr=False)
class Line:
    """An objective along a line.

    Attributes:
        frame: the line.
        positions: the coordinates of the points, `(points,)`, ascending.
        values: the objective there, `(points,)` in float64; infinite or NaN where it is.
    """

    frame: Frame
    positions: Array
    values: Array

    @property
    def chord(self) -> Array:
        """The straight line between the values at both ends, `(points,)`."""
        share = (self.positions - self.positions[0]) / (self.positions[-1] - self.positions[0])
        with choose_backend("numpy").quiet():
            return (1.0 - share) * self.values[0] + share * self.values[-1]

    @property
    def barrier(self) -> float:
        """The most by which the objective is above the chord, 0 where it is nowhere; NaN if a value is, or
        an end infinite (Frankle, Dziugaite, Roy, Carbin 2020; Entezari, Sedghi, Saukh, Neyshabur 2022)."""
        with choose_backend("numpy").quiet():
            return float(choose_backend("numpy").xp.max(self.values - self.chord))

    def __repr__(self) -> str:
        return f"Line({self.frame!r}, {self.positions.size} points, {_extent(self.values)})"


@dataclass(frozen=True, eq=False, repr=False)
class Plane:
    """An objective on a plane.

    Attributes:
        frame: the plane.
        x, y: the coordinates of the grid, `(columns,)` and `(rows,)`, ascending.
        values: the objective there, `(rows, columns)` in float64; infinite or NaN where it is.
    """

    frame: Frame
    x: Array
    y: Array
    values: Array

    def levels(self, count: int = 14, scale: Scale = "log") -> Array:
        """Values at which to draw contours, ascending, `(count,)`; only one where the plane is flat.

        Args:
            count: at least 2.
            scale: "log": their distances from the least value on the grid grow by a factor, from one that a
                few points of the grid are below, to the greatest finite value; "linear": they are evenly
                spaced between both.

        Raises:
            TypeError, ValueError: a count or a scale of the wrong kind or range.
            MemoryError: so many would not fit.
        """
        count = checks.count("count", count, 2)
        choose_backend("numpy").require_room("count", count, 4 * count)
        scale = checks.choice("scale", scale, Scale)
        xp = choose_backend("numpy").xp
        found = xp.sort(self.values[xp.isfinite(self.values)])
        low, span = found[0], found[-1] - found[0]
        if not span > 0.0:
            return found[:1]
        if scale == "linear":
            return xp.linspace(low, found[-1], count)
        above = (found - low)[found > low]
        first = xp.minimum(above[above.size // (4 * count)], 0.1 * span)
        return low + first * (span / first) ** xp.linspace(0.0, 1.0, count)

    def __repr__(self) -> str:
        return f"Plane({self.frame!r}, {self.x.size} x {self.y.size} points, {_extent(self.values)})"


def _extent(values: Array) -> str:
    xp = choose_backend("numpy").xp
    found = values[xp.isfinite(values)]
    return f"values from {float(xp.min(found)):.4g} to {float(xp.max(found)):.4g}"


def line(
    objective: Objective,
    frame: Frame,
    limits: Limits = (-1.0, 1.0),
    *,
    points: int = 101,
    backend: Backend | str | None = None,
) -> Line:
    """The objective at `points` of a line, evenly spaced.

    Args:
        objective: of one `w`, `(P,)`.
        frame: with one direction.
        limits: the first and the last coordinate.
        points: at least 2.
        backend: where an objective computes that has no `backend` of its own; NumPy if not given.

    Raises:
        TypeError, ValueError: an argument of the wrong kind, shape or range; an objective that is
            finite nowhere on the line, or has not one value for each point.
        MemoryError: so many points would not fit.

    >>> from xpnet import Quadratic
    >>> from xpnet.analysis import coordinate_frame, line
    >>> bowl = Quadratic([[2.0, 0.0], [0.0, 4.0]])
    >>> line(bowl, coordinate_frame([0.0, 1.0], 0), (-1, 1), points=3).values.tolist()
    [3.0, 2.0, 3.0]
    """
    _checked(objective, frame, 1)
    ends = checks.interval("limits", limits)
    count = checks.count("points", points, 2)
    choose_backend("numpy").require_room("points", count, 4 * count)
    positions = choose_backend("numpy").xp.linspace(*ends, count)
    return Line(frame, positions, _values(objective, frame, positions[:, None], backend))


def between(
    objective: Objective,
    first: Any,
    second: Any,
    *,
    points: int = 51,
    backend: Backend | str | None = None,
) -> Line:
    """The objective on the straight way from `first` to `second`, `(P,)` each: linear interpolation.

    `barrier` of what comes back says whether there is a mountain between two solutions (Goodfellow,
    Vinyals, Saxe 2015).

    Raises:
        TypeError, ValueError: as `line`; the same point twice.
    """
    return line(objective, frame_through(first, second), (0.0, 1.0), points=points, backend=backend)


def plane(
    objective: Objective,
    frame: Frame,
    limits: tuple[Limits, Limits] | None = None,
    *,
    around: Iterable[Any] = (),
    points: int = 61,
    backend: Backend | str | None = None,
) -> Plane:
    """The objective on a grid of `points` by `points` of a plane, evenly spaced.

    Args:
        objective: of one `w`, `(P,)`.
        frame: with two directions.
        limits: the first and last coordinate of each axis, `((x0, x1), (y0, y1))`; if not given, what holds
            all paths in `around` with a margin, or -1 to 1 without any.
        around: paths, such as `[run.history.path]`.
        points: along each axis, at least 2.
        backend: as for `line`.

    Raises:
        TypeError, ValueError: as `line`; both limits and paths.
        MemoryError: so many points would not fit.

    >>> from xpnet import Quadratic
    >>> from xpnet.analysis import coordinate_frame, plane
    >>> bowl = Quadratic([[2.0, 0.0], [0.0, 4.0]])
    >>> plane(bowl, coordinate_frame([0.0, 0.0], 0, 1), ((-1, 1), (0, 1)), points=2).values.tolist()
    [[1.0, 1.0], [3.0, 3.0]]
    """
    _checked(objective, frame, 2)
    count = checks.count("points", points, 2)
    choose_backend("numpy").require_room("points", count, 6 * count * count)
    paths = [*checks.instance("around", around, Iterable, "paths in a list")]
    if limits is None:
        pairs = _around(frame, paths) if paths else ((-1.0, 1.0), (-1.0, 1.0))
    elif paths:
        raise ValueError("limits must be left out where there are paths to hold, in around")
    else:
        pairs = checks.rectangle("limits", limits)
    xp = choose_backend("numpy").xp
    x, y = xp.linspace(*pairs[0], count), xp.linspace(*pairs[1], count)
    grid = xp.stack(xp.meshgrid(x, y, indexing="xy"), axis=-1)
    values = _values(objective, frame, xp.reshape(grid, (-1, 2)), backend)
    return Plane(frame, x, y, xp.reshape(values, (count, count)))


def _checked(objective: Any, frame: Any, directions: int) -> None:
    checks.instance("objective", objective, Objective, "an Objective")
    checks.instance("frame", frame, Frame, "a Frame, such as random_frame makes")
    count = frame.directions.shape[0]
    if count != directions:
        raise ValueError(f"frame must have {directions} direction{'s'[: directions - 1]}, got {count}")


def _around(frame: Frame, paths: list[Any]) -> tuple[Limits, Limits]:
    """What holds all paths, with a margin; no axis shorter than a twentieth of the other."""
    xp = choose_backend("numpy").xp
    parts = [path_coordinates(frame, f"around[{k}]", path) for k, path in enumerate(paths)]
    found = xp.concat([xp.reshape(part, (-1, 2)) for part in parts])
    lows, highs = xp.min(found, axis=0), xp.max(found, axis=0)
    spans = highs - lows
    spans = xp.maximum(spans, float(xp.max(spans)) / 20.0 or 1.0)
    middles, halves = (lows + highs) / 2.0, spans * (0.5 + MARGIN)
    low, high = middles - halves, middles + halves
    return (float(low[0]), float(high[0])), (float(low[1]), float(high[1]))


def _values(objective: Objective, frame: Frame, coordinates: Array, asked: Backend | str | None) -> Array:
    """The objective at each of the `coordinates` `(points, K)`, on the host."""
    there: Backend = objective.backend or choose_backend(asked or "numpy")
    host, xp = choose_backend("numpy"), there.xp
    size, dtype = frame.origin.shape[0], frame.origin.dtype
    origin = there.asarray(frame.origin, there.dtype(dtype))
    directions = there.asarray(frame.directions, origin.dtype)
    objective.value(origin)  # whatever is wrong with `w` is said before the work
    rows = min(ROWS, max(1, NUMBERS // size)) if Offers.SELECT_REPLICAS in objective.offers else 0
    step, found = rows or 1, list[Array]()
    for start in range(0, coordinates.shape[0], step):
        part = there.asarray(coordinates[start : start + step, :], origin.dtype)
        with there.working():
            points = origin + xp.sum(part[:, :, None] * directions, axis=1)
        values = objective.value(points if rows else points[0, :])
        values = there.to_numpy(values) if there.owns(values) else values
        number = host.asarray(values, "float64", name="the value of objective")
        wanted = (part.shape[0],) if rows else ()
        if tuple(number.shape) != wanted:
            raise ValueError(
                f"objective must have one value for each w, {wanted} here, got shape {number.shape}"
            )
        found.append(host.xp.reshape(number, (-1,)))
    values = host.xp.concat(found)
    if not bool(host.xp.any(host.xp.isfinite(values))):
        raise ValueError("objective must be finite somewhere within limits, and is nowhere")
    return values
