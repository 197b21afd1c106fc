"""Lines and planes in the space of parameters: an origin, one or two directions, coordinates in them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from .. import checks
from ..device.arrays import Array, Vector, frozen, host_generator
from ..device.select import backend
from ..network import Network

SMALL = 1e-12  # two directions whose squared sine is no larger count as one


@dataclass(frozen=True, eq=False, repr=False)
class Frame:
    """A line or a plane `origin + t_1 d_1 (+ t_2 d_2)`; on the host, whatever its points came from.

    Attributes:
        origin: where the coordinates are 0, `(P,)`, float32 or float64.
        directions: `d`, `(1, P)` of a line or `(2, P)` of a plane, of the dtype of `origin`; not zero, and
            two of them not parallel. They need be neither orthogonal nor of length 1.
        names: of the coordinates, as a picture says them; one for each direction.

    Raises:
        TypeError, ValueError: arrays of other shapes or dtypes, or not finite; directions that are zero or
            parallel; names that are no strings, or not as many.

    >>> from xpnet.analysis import Frame
    >>> frame = Frame([1.0, 0.0, 0.0], [[0.0, 2.0, 0.0], [0.0, 1.0, 1.0]], ("a", "b"))
    >>> frame.coordinates([1.0, 3.0, 1.0]).tolist()
    [1.0, 1.0]
    >>> frame.distances([4.0, 3.0, 1.0]).tolist()
    3.0
    """

    origin: Vector
    directions: Array
    names: tuple[str, ...]

    def __post_init__(self) -> None:
        origin = _vectors("origin", self.origin, (1,))
        directions = _vectors("directions", self.directions, (2,), origin.dtype)
        count, size = directions.shape
        if count not in (1, 2) or size != origin.shape[0]:
            raise ValueError(
                f"directions must be (1, {origin.shape[0]}) or (2, {origin.shape[0]}), as origin has "
                f"{origin.shape[0]} parameters, got shape {(count, size)}"
            )
        checks.instance("names", self.names, tuple, "a tuple of strings")
        if len(self.names) != count:
            raise ValueError(
                f"names must be {count}, one for each of directions {(count, size)}, got {self.names}"
            )
        names = tuple(checks.text("each of names", name) for name in self.names)
        products, scale = _gram(directions)
        if bool(backend("numpy").xp.any(scale == 0.0)):
            raise ValueError("directions must not be zero")
        if count == 2 and 1.0 - products[0, 1] ** 2 <= SMALL:
            raise ValueError("directions must not be parallel")
        xp = backend("numpy").xp
        object.__setattr__(self, "origin", frozen(xp, origin))
        object.__setattr__(self, "directions", frozen(xp, directions))
        object.__setattr__(self, "names", names)

    def coordinates(self, points: Any) -> Array:
        """Those of the nearest point of the line or plane, `(..., 1)` or `(..., 2)` in float64.

        Args:
            points: `(P,)`, or with axes in front, such as the `(looks, P)` of `run.history.path`.

        Raises:
            TypeError, ValueError: no numbers, another number of parameters, or not finite.
        """
        return _nearest(self, "points", points)[0]

    def distances(self, points: Any) -> Array:
        """How far `points` lie from the line or plane, `(...,)`: what a picture does not show.

        Raises:
            TypeError, ValueError: as `coordinates`.
        """
        _, rest = _nearest(self, "points", points)
        xp = backend("numpy").xp
        return xp.sqrt(xp.sum(rest * rest, axis=-1))

    def __repr__(self) -> str:
        kind = ("line", "plane")[len(self.names) - 1]
        return f"Frame({kind} of {self.origin.shape[0]} parameters, names {self.names})"


def path_coordinates(frame: Frame, name: str, path: Any) -> Array:
    """Those of a path, `(looks, R, K)`, with R = 1 where it has no replicas; errors say its `name`."""
    points = _path(name, path)
    along, _ = _nearest(frame, name, points)
    return backend("numpy").xp.reshape(along, (points.shape[0], -1, along.shape[-1]))


def _nearest(frame: Frame, name: str, points: Any) -> tuple[Array, Array]:
    """The coordinates of `points`, and what of each is beside the line or plane."""
    host = backend("numpy")
    given = host.asarray(points, "float64", name=name)
    size = frame.origin.shape[0]
    if given.ndim < 1 or given.shape[-1] != size:
        raise ValueError(
            f"{name} must have {size} parameters on the last axis, got shape {tuple(given.shape)}"
        )
    checks.finite(host.xp, name, given)
    offset, directions = given - frame.origin, host.asarray(frame.directions, "float64")
    products, scale = _gram(directions)
    units = directions / scale[:, None]
    with host.working():
        along = host.xp.linalg.solve(products, (offset @ units.T)[..., None])[..., 0]
        return along / scale, offset - along @ units


def coordinate_frame(w: Any, *which: int) -> Frame:
    """The line or plane through `w` along one or two of its parameters, whose values are the coordinates.

    Args:
        w: `(P,)`; the parameters that are not varied keep their values.
        which: the numbers of one or two parameters, 0 of the first.

    Raises:
        TypeError, ValueError: `w` of another kind or shape; numbers of none, the same one, or not 1 or 2.

    >>> from xpnet.analysis import coordinate_frame
    >>> coordinate_frame([1.0, 2.0, 3.0], 0, 2).origin.tolist()
    [0.0, 2.0, 0.0]
    """
    point = _point("w", w)
    found = [checks.count("which", number, 0, point.shape[0] - 1) for number in which]
    if len(found) not in (1, 2) or len({*found}) != len(found):
        raise ValueError(f"which must be one or two different numbers of parameters, got {found}")
    xp = backend("numpy").xp
    directions = xp.zeros((len(found), point.shape[0]), dtype=point.dtype)
    for row, number in enumerate(found):
        directions[row, number] = 1.0
        point[number] = 0.0
    return Frame(point, directions, tuple(f"w[{number}]" for number in found))


def frame_through(*points: Any) -> Frame:
    """The line through two points, or the plane through three.

    The first has the coordinates 0, the second 1 on the first axis, the third 1 on the second axis.

    Args:
        points: two or three, `(P,)` each.

    Raises:
        TypeError, ValueError: not two or three; of other kinds or lengths; all on one point or line.
    """
    if len(points) not in (2, 3):
        raise ValueError(f"points must be 2, for a line, or 3, for a plane, got {len(points)}")
    first, *others = (_point(f"points[{k}]", point) for k, point in enumerate(points))
    for k, point in enumerate(others, 1):
        if point.shape != first.shape or point.dtype != first.dtype:
            kinds = [f"{checks.dtype_name(own.dtype)} {tuple(own.shape)}" for own in (first, point)]
            raise ValueError(f"points[{k}] must be {kinds[0]}, as the first, got {kinds[1]}")
        if not bool(backend("numpy").xp.any(point != first)):
            raise ValueError("the points must differ, got the first one twice")
    if len(others) == 1:
        names = ("from the first point (0) to the second (1)",)
    else:
        names = ("towards the second point", "towards the third point")
    return Frame(first, backend("numpy").xp.stack([point - first for point in others]), names)


def random_frame(w: Any, count: int = 2, *, seed: int = 0, network: Network | None = None) -> Frame:
    """The line or plane through `w` along random directions, with `w` at 0.

    With a `network`, directions are normalized filter by filter (Li, Xu, Taylor, Studer, Goldstein 2018):
    the part of a direction that changes the weights into one unit is made as long as these weights, and
    what is no matrix, biases and the parameters of normalization, is left as it is. So steps mean the same
    for networks whose weights have other scales. Without, each direction has length 1.

    Args:
        w: `(P,)`.
        count: of directions, 1 or 2.
        seed: of normal numbers, drawn on the host.
        network: whose parameters `w` is.

    Raises:
        TypeError, ValueError: an argument of the wrong kind or range; a network whose weights are all zero,
            or that has none.
    """
    point = _point("w", w)
    count = checks.count("count", count, 1, 2)
    random = host_generator(checks.seed("seed", seed))
    host = backend("numpy")
    xp = host.xp
    drawn = host.asarray(random.standard_normal((count, point.shape[0])))
    if network is None:
        drawn = drawn / xp.sqrt(xp.sum(drawn * drawn, axis=-1, keepdims=True))
        names = tuple(f"random direction {k + 1}" for k in range(count))
    else:
        checks.instance("network", network, Network, "a Network").layout.check(point)
        for name, shape in network.layout.shapes.items():
            part = network.layout.slice(name)
            drawn[:, part] = _filters(xp, drawn[:, part], host.asarray(point[part], "float64"), shape)
        names = tuple(f"random direction {k + 1}, by filters" for k in range(count))
        if not bool(xp.any(drawn != 0.0)):
            raise ValueError("w must have weights that are not zero, in a matrix, for directions like them")
    return Frame(point, host.asarray(drawn, point.dtype), names)


def _filters(xp: Any, drawn: Array, weights: Array, shape: Sequence[int]) -> Array:
    """`drawn` `(count, n)` with each row of the matrix as long as the row of weights; zero for vectors."""
    if len(shape) < 2:
        return xp.zeros_like(drawn)
    rows = xp.reshape(drawn, (drawn.shape[0], shape[0], -1))
    own = xp.reshape(weights, (shape[0], -1))
    lengths = xp.sqrt(xp.sum(rows * rows, axis=-1, keepdims=True))
    return xp.reshape(rows / lengths * xp.sqrt(xp.sum(own * own, axis=-1))[:, None], drawn.shape)


def path_frame(*paths: Any, count: int = 2) -> Frame:
    """The line or plane in which one or several paths move most: their principal components.

    The origin is the last point of the first path, the directions have length 1, and their names say what
    share of the points' variance each has, in percent (Lorch 2016; Li and others 2018). Paths of high
    dimension often look like curves in it whatever they are (Antognini, Sohl-Dickstein 2018).

    Args:
        paths: such as `run.history.path`: `(looks, P)`, or `(looks, R, P)` of replicas.
        count: of directions, 1 or 2.

    Raises:
        TypeError, ValueError: no path, other shapes, or not finite; points that span no line or plane.

    >>> from xpnet.analysis import path_frame
    >>> frame = path_frame([[2.0, 0.0, 0.0], [1.0, 0.0, 0.0], [0.0, 0.0, 0.0]], count=1)
    >>> frame.names
    ('principal component 1 (100 %)',)
    """
    count = checks.count("count", count, 1, 2)
    if not paths:
        raise ValueError("paths must be one or more, such as run.history.path, got none")
    host = backend("numpy")
    xp = host.xp
    found = [_path(f"paths[{k}]", path) for k, path in enumerate(paths)]
    sizes = {path.shape[-1] for path in found}
    if len(sizes) > 1:
        raise ValueError(f"paths must have the same number of parameters, got {sorted(sizes)}")
    rows = [xp.reshape(host.asarray(path, "float64"), (-1, path.shape[-1])) for path in found]
    points = xp.concat(rows)
    offsets = points - xp.mean(points, axis=0)
    with host.working():
        _, lengths, directions = xp.linalg.svd(offsets, full_matrices=False)
    shares = [float(own) ** 2 for own in lengths]
    if len(shares) < count or shares[count - 1] <= SMALL**2 * shares[0] or not shares[0]:
        raise ValueError(f"paths must have points that span {'a line' if count == 1 else 'a plane'}")
    directions = directions[:count, :]
    # signs are the solver's choice: the first path begins where coordinates are positive
    turned = xp.where((rows[0][0] - rows[0][-1]) @ directions.T < 0.0, -1.0, 1.0)
    names = tuple(
        f"principal component {k + 1} ({100 * share / sum(shares):.3g} %)"
        for k, share in enumerate(shares[:count])
    )
    dtype = found[0].dtype
    return Frame(host.asarray(rows[0][-1], dtype), host.asarray(turned[:, None] * directions, dtype), names)


def _gram(directions: Array) -> tuple[Array, Array]:
    """The inner products of the directions made unit vectors, in float64, and their lengths."""
    host = backend("numpy")
    xp = host.xp
    own = host.asarray(directions, "float64")
    scale = xp.sqrt(xp.sum(own * own, axis=-1))
    units = own / xp.where(scale > 0.0, scale, 1.0)[:, None]
    return xp.sum(units[:, None, :] * units[None, :, :], axis=-1), scale


def _point(name: str, w: Any) -> Vector:
    """`w` on the host, a new array."""
    return backend("numpy").xp.asarray(_vectors(name, w, (1,)), copy=True)


def _path(name: str, path: Any) -> Array:
    if path is None:
        raise TypeError(f"{name} must be points, got None: minimize with keep_path=True keeps them")
    return _vectors(name, path, (2, 3))


def _vectors(name: str, values: Any, axes: tuple[int, ...], dtype: Any = None) -> Array:
    """`values` on the host, of so many axes, finite; float64, if not float32 or as `dtype` says."""
    host = backend("numpy")
    array = host.asarray(values, dtype, name=name)
    if array.dtype != host.xp.float32:
        array = host.asarray(array, "float64", name=name)
    if array.ndim not in axes or not array.size:
        words = {1: "(P,)", 2: "(looks, P)" if 3 in axes else "(K, P)", 3: "(looks, R, P)"}
        wanted = " or ".join(words[ndim] for ndim in axes)
        raise ValueError(f"{name} must be {wanted} and not empty, got shape {tuple(array.shape)}")
    checks.finite(host.xp, name, array)
    return array
