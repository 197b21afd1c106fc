"""Generated calls: odd values for every argument, and how the outcome of a call is judged.

A call is right if its result is, or if it raises on purpose, by a `raise` of this package, an error that
names an argument that was odd and says what came.
"""

from __future__ import annotations

import ast
import copy
import functools
import math
import operator
import re
import types
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np

import xpnet
from xpnet import checks
from xpnet.optimizers import schedules

PACKAGE = str(Path(xpnet.__file__).parent)
BACKEND = xpnet.backend("numpy")

ERRORS = (
    TypeError,
    ValueError,
    xpnet.BackendError,
    MemoryError,
    NotImplementedError,
    xpnet.TraceError,
    xpnet.NonFiniteError,
)


class Wrong(AssertionError):
    """A call whose outcome is neither a right result nor a clear error."""


@dataclass(frozen=True)
class Odd:
    """A value that an argument may get, and what it stands for where it stands for something."""

    text: str
    make: Callable[[], Any]
    number: float | None = None
    integer: int | None = None
    flag: bool | None = None


def scalar(value: Any) -> Odd:
    """`value` with its meanings, which are found here by other means than the package's."""
    own = value.item() if isinstance(value, np.ndarray | np.generic) and not value.ndim else value
    if type(own) is bool:
        return Odd(repr(value), lambda: value, flag=own)
    integer = own if type(own) is int else None
    number = None
    if type(own) in (int, float, Fraction, Decimal) or isinstance(value, np.floating):
        try:
            number = float(own)
        except (OverflowError, ValueError):
            number = None
        number = number if number is not None and math.isfinite(number) else None
    text = repr(value) if not isinstance(value, int) or abs(value) < 1e50 else "huge"
    return Odd(text, lambda: copy.copy(value), number, integer)


def _strict(value: Any) -> list[Odd]:
    try:
        import array_api_strict as strict
    except ImportError:
        return []
    number = float(value) if np.ndim(value) == 0 else None
    return [Odd(f"strict {value}", lambda: strict.asarray(value, dtype=strict.float64), number)]


def nonsense(*arguments: Any, **options: Any) -> str:
    """A function of whatever there is."""
    return "nonsense"


def nothing(*arguments: Any, **options: Any) -> None:
    """Another."""


class Anything:
    """A class that is made of whatever there is."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        pass


def _masked() -> Any:
    return np.ma.array(np.ones(3), mask=[0, 1, 0])


def pandas() -> Any:
    try:
        import pandas
    except ImportError:
        return None
    return pandas


def scipy_sparse() -> Any:
    try:
        import scipy.sparse
    except ImportError:
        return None
    return scipy.sparse


SCALARS = [
    *[scalar(value) for value in (True, False, np.True_, np.array(True))],
    *[scalar(value) for value in (0, -1, 1, 2, 7, 2.7, 3.0, -0.5, 0.25, -0.0, 1e-320, 1e308, -1e308)],
    *[scalar(value) for value in (math.nan, math.inf, -math.inf, 10**12, 10**400, -(10**400), 10**5000)],
    *[scalar(np.float32(0.5)), scalar(np.float64(0.25)), scalar(np.int64(3)), scalar(np.int32(-2))],
    *[scalar(np.uint8(2)), scalar(np.array(0.5)), scalar(np.array(2)), scalar(np.float32("nan"))],
    *[scalar(np.longdouble("0.5")), scalar(np.float16(0.5)), scalar(np.array(2, ">i4"))],
    *[scalar(Fraction(1, 3)), scalar(Fraction(4)), scalar(Decimal("0.3")), scalar(Decimal("NaN"))],
    *_strict(0.5),
]

_THINGS: dict[str, Callable[[], Any]] = {
    "None": lambda: None,
    "'False'": lambda: "False",
    "'0.1'": lambda: "0.1",
    "''": lambda: "",
    "b'1'": lambda: b"1",
    "1j": lambda: 1j,
    "complex64": lambda: np.complex64(1 + 1j),
    "array 1j": lambda: np.array(1j),
    "datetime64": lambda: np.datetime64("2020-01-01"),
    "timedelta64": lambda: np.timedelta64(3, "s"),
    "ones (3,)": lambda: np.ones(3),
    "ones (1,)": lambda: np.ones(1),
    "ones (2, 1)": lambda: np.ones((2, 1)),
    "int (2, 2)": lambda: np.ones((2, 2), int),
    "zeros (2, 2, 2, 2)": lambda: np.zeros((2, 2, 2, 2)),
    "empty": lambda: np.zeros(0),
    "empty (0, 2)": lambda: np.zeros((0, 2)),
    "empty (2, 0)": lambda: np.zeros((2, 0)),
    "objects": lambda: np.array([None, 1.0], object),
    "numbers as objects": lambda: np.array([0.5, 1.0], object),
    "strings": lambda: np.array(["a", "b"]),
    "complex": lambda: np.array([1j, 2.0]),
    "bools": lambda: np.array([True, False]),
    "float16": lambda: np.ones(3, "float16"),
    "big-endian": lambda: np.ones(3, ">f8"),
    "negative": lambda: -np.ones(3),
    "nan (3,)": lambda: np.array([0.5, math.nan, 0.5]),
    "inf (2, 1)": lambda: np.array([[0.5], [math.inf]]),
    "masked": _masked,
    "matrix": lambda: np.matrix([[1.0, 0.0], [0.0, 1.0]]),
    "records": lambda: np.zeros(3, [("a", float), ("b", int)]),
    "dates": lambda: np.array(["2020-01-01"], "M8[D]"),
    "[]": lambda: [],
    "[nan]": lambda: [math.nan],
    "['a']": lambda: ["a"],
    "[None]": lambda: [None],
    "ragged": lambda: [[1.0, 2.0], [3.0]],
    "tuple": lambda: (0.1, 0.2),
    "(3, 2)": lambda: (3, 2),
    "set": lambda: {1, 2},
    "dict": lambda: {"kind": 1},
    "{}": lambda: {},
    "range": lambda: range(3),
    "generator": lambda: (k for k in range(3)),
    "iterator": lambda: iter([1.0]),
    "slice": lambda: slice(0, 2),
    "Ellipsis": lambda: ...,
    "object": lambda: object(),
    "Anything": lambda: Anything,
    "Exception": lambda: ValueError("x"),
    "nonsense": lambda: nonsense,
    "nothing": lambda: nothing,
    "module": lambda: np,
    "Nesterov()": lambda: xpnet.Nesterov(),
    "Dense(2)": lambda: xpnet.Dense(2),
    "CrossEntropy()": lambda: xpnet.CrossEntropy(),
    "after(3)": lambda: xpnet.after(3),
    "L2": lambda: xpnet.L2(0.1),
    "Quadratic": lambda: xpnet.Quadratic(np.eye(2), backend="numpy"),
    "Network": lambda: xpnet.Network(2, xpnet.Dense(1)),
    "backend": lambda: BACKEND,
    "Cosine": lambda: schedules.Cosine(0.1, 10),
    "Plateau": lambda: schedules.Plateau(0.1, watch="held_out"),
    "Backtracking()": lambda: xpnet.Backtracking(),
    "Outcome": lambda: xpnet.Outcome.STALLED,
    "leaky_relu(0.3)": lambda: xpnet.leaky_relu(0.3),
    "uniform(0.3)": lambda: xpnet.uniform(0.3),
    **{
        repr(word): (lambda word=word: word)
        for word in ("thanh", "numpi", "lbfsg", "float16", "pr", "cupy:x")
    },
}
if pandas():
    _THINGS["Series"] = lambda: pandas().Series([0.5, 1.5, 2.5], index=[2.0, 1.0, 0.0])
    _THINGS["DataFrame"] = lambda: pandas().DataFrame({"dtype": [1.0, 2.0], "b": [3.0, 4.0]})
    _THINGS["strings Series"] = lambda: pandas().Series(["a", "b"])
    _THINGS["missing Series"] = lambda: pandas().Series([1.0, None])
if scipy_sparse():
    _THINGS["sparse"] = lambda: scipy_sparse().csr_array(np.eye(2))

POOL = SCALARS + [Odd(text, make) for text, make in _THINGS.items()]


def _with(value: float) -> Callable[[Any], Any]:
    def change(array: Any) -> Any:
        changed = np.array(array, float)
        changed.flat[-1] = value
        return changed if array.dtype.kind != "f" else changed.astype(array.dtype)

    return change


def _read_only(array: Any) -> Any:
    array = array.copy()
    array.flags.writeable = False
    return array


CHANGES: dict[str, Callable[[Any], Any]] = {
    "as a list": lambda a: a.tolist(),
    "big-endian": lambda a: a.astype(a.dtype.newbyteorder(">")),
    "every other of more": lambda a: np.repeat(a, 2, axis=-1)[..., ::2] if a.ndim else a,
    "in Fortran's order": np.asfortranarray,
    "read-only": _read_only,
    "none masked": lambda a: np.ma.array(a, mask=False),
    "one masked": lambda a: np.ma.array(a, mask=np.arange(a.size).reshape(a.shape) == 0),
    "float16": lambda a: a.astype("float16"),
    "other precision": lambda a: a.astype("float32" if a.dtype == np.float64 else "float64"),
    "longdouble": lambda a: a.astype("longdouble"),
    "complex": lambda a: a + 0j,
    "objects": lambda a: a.astype(object),
    "strings": lambda a: a.astype(str),
    "integers": lambda a: a.astype(int),
    "unsigned": lambda a: np.abs(a).astype("uint8"),
    "bools": lambda a: a.astype(bool),
    "a NaN": _with(math.nan),
    "an infinity": _with(-math.inf),
    "huge": lambda a: (1e38 * a.astype(float)).astype(a.dtype) if a.dtype.kind == "f" else a + 2**40,
    "tiny": lambda a: (1e-42 * a.astype(float)).astype(a.dtype) if a.dtype.kind == "f" else a,
    "fewer": lambda a: a[:-1] if a.ndim else a,
    "fewer columns": lambda a: a[..., :-1] if a.ndim else a,
    "more": lambda a: np.concatenate([a, a]) if a.ndim else a,
    "transposed": lambda a: a.T,
    "an axis more": lambda a: a[None],
    "a last axis more": lambda a: a[..., None],
    "flat": lambda a: a.reshape(-1),
    "three replicas": lambda a: np.stack([a, a, a]),
    "none": lambda a: a[:0] if a.ndim else a,
    "negative": lambda a: -a if a.dtype.kind in "if" else a,
    "twice": lambda a: 2 * a if a.dtype.kind in "if" else a,
    "a matrix": lambda a: np.matrix(a) if a.ndim == 2 else a,
    "a table": lambda a: pandas().DataFrame(a) if pandas() and a.ndim == 2 else a.tolist(),
    "a series": lambda a: pandas().Series(a, index=a[::-1]) if pandas() and a.ndim == 1 else a.tolist(),
    "sparse": lambda a: scipy_sparse().csr_array(a) if scipy_sparse() and a.ndim == 2 else a.tolist(),
    "a subclass": lambda a: a.view(Ours),
}


class Ours(np.ndarray):
    """A user's own kind of array, which means what NumPy's mean."""


def plain(value: Any) -> np.ndarray | None:
    """What `value` is as an array of real numbers in double precision; None if it is none."""
    if value is None or isinstance(value, str | bytes | set | dict):
        return None
    if isinstance(value, np.ma.MaskedArray):
        if value.mask.any():
            return None
        value = value.data
    if scipy_sparse() is not None and scipy_sparse().issparse(value):
        return None
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            array = np.asarray(value.to_numpy() if hasattr(value, "to_numpy") else value)
    except Exception:
        return None
    if array.dtype.kind not in "biuf" or array.dtype == np.float16:
        return None
    return array.astype(float)


@dataclass(frozen=True)
class Argument:
    """An argument: valid choices for it, what it stands for, and how errors may call it."""

    choices: Sequence[Any]
    meaning: str = ""  # "number", "integer", "flag", "word" or "": which field of `Odd` it is kept as
    words: tuple[str, ...] = ()
    odd: tuple[Any, ...] = ()  # more odd values
    fixed: bool = False  # never odd: what the library hands over itself, such as a namespace

    def made(self, index: int) -> Any:
        value = self.choices[index]
        value = value.make() if isinstance(value, Odd) else value
        return copy.deepcopy(value) if isinstance(value, np.ndarray | list | dict) else value

    @functools.cached_property
    def odds(self) -> list[Odd]:
        first = self.choices[0]
        own = [Odd(repr(value)[:40], lambda value=value: copy.copy(value)) for value in self.odd]
        if isinstance(first, np.ndarray):
            changed = [
                Odd(text, lambda change=change: change(self.made(0))) for text, change in CHANGES.items()
            ]
            return [*own, *changed, *changed, *POOL]
        if self.meaning in ("number", "integer", "flag"):
            return [*own, *SCALARS, *POOL]
        return [*own, *POOL]


def number(*values: float, words: tuple[str, ...] = ()) -> Argument:
    """One that is a number: Python's, NumPy's, fractions and others."""
    forms: list[Any] = [scalar(value) for value in values]
    for value in values:
        forms += [scalar(np.float64(value)), scalar(np.float32(value)), scalar(np.array(value))]
        forms += [scalar(Fraction(value)), scalar(Decimal(value))]
    return Argument(forms, "number", words)


def integer(*values: int, words: tuple[str, ...] = ()) -> Argument:
    forms: list[Any] = [scalar(value) for value in values]
    for value in values:
        forms += [scalar(np.int64(value)), scalar(np.array(value)), scalar(np.uint16(value))]
    return Argument(forms, "integer", words)


def flag(words: tuple[str, ...] = ()) -> Argument:
    return Argument([scalar(value) for value in (True, False, np.True_, np.array(False))], "flag", words)


def word(*options: str, words: tuple[str, ...] = ()) -> Argument:
    odd = (*tuple(option[:-1] for option in options), options[0].upper() + "x")
    return Argument([*options, np.str_(options[0])], "word", words, odd)


def optional(argument: Argument) -> Argument:
    """Which may also be None."""
    return Argument([None, *argument.choices], argument.meaning, argument.words, argument.odd)


Right = Callable[[Any, dict[str, Any]], None]


@dataclass(frozen=True)
class Call:
    """A public callable.

    Attributes:
        function: called with the arguments by name.
        arguments: what they may be.
        right: raises AssertionError unless the result is right for these arguments.
        errors: more that it may raise.
        keeps: whether the result keeps the arguments as attributes.
    """

    function: Callable[..., Any]
    arguments: Mapping[str, Argument] = field(default_factory=dict)
    right: Right | None = None
    errors: tuple[type[Exception], ...] = ()
    keeps: bool = False
    left_out: Mapping[str, Any] = field(default_factory=dict)


def attempt(name: str, call: Call, chosen: Mapping[str, int], odd: Mapping[str, int]) -> str:
    """Makes one call, with these of the choices and of the odd values; says how it ended.

    Raises:
        Wrong: the outcome is neither a right result nor a clear error.
    """
    given: dict[str, Any] = {}
    meanings: dict[str, Odd] = {}
    texts: dict[str, str] = {}
    for key, argument in call.arguments.items():
        if key in odd:
            own = argument.odds[odd[key] % len(argument.odds)]
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # NumPy's, of matrices
                given[key] = own.make()
            meanings[key], texts[key] = own, own.text
        else:
            place = chosen[key] % len(argument.choices)
            given[key] = argument.made(place)
            choice = argument.choices[place]
            if isinstance(choice, Odd):
                meanings[key] = choice
            elif isinstance(choice, str):
                meanings[key] = Odd(choice, lambda: None)
    what = f"{name} with odd {texts}" if texts else f"{name} with {given!r:.300}"
    kept = {key: snapshot(value) for key, value in given.items()}
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            result = call.function(**given)
    except Exception as error:
        _judge_error(what, call, given, texts, error)
        return "error"
    moves = "in_place" in given and bool(given["in_place"])
    try:
        for key, value in given.items():
            assert moves or same(kept[key], snapshot(value)), f"{key} was changed"
        if call.keeps:
            _judge_kept(call, result, given, meanings)
        if call.right is not None:
            with warnings.catch_warnings():
                warnings.simplefilter("error")
                call.right(result, given)
    except Exception as error:
        text = " ".join(str(error).split())[:300]
        raise Wrong(
            f"{what}: wrong result {checks.shown(result)}: {type(error).__name__}: {text}"
        ) from error
    return "result"


def snapshot(value: Any) -> Any:
    """What arrays, lists and dicts hold, to see that they are left alone."""
    if isinstance(value, np.ndarray):
        return value.tobytes() if value.dtype.kind != "O" else repr(value)
    return repr(value) if type(value) in (list, dict, set, tuple) else None


def same(before: Any, after: Any) -> bool:
    return bool(before == after)


@functools.cache
def _raises(path: str) -> tuple[tuple[int, int], ...]:
    """The lines of the `raise` statements of a file."""
    tree = ast.parse(Path(path).read_text())
    return tuple(
        (node.lineno, node.end_lineno or node.lineno)
        for node in ast.walk(tree)
        if isinstance(node, ast.Raise) and node.exc is not None
    )


def in_own_function(error: BaseException) -> bool:
    """Whether a user's own function, somewhere on the way, was what failed."""
    place = error.__traceback__
    while place is not None:
        if place.tb_frame.f_code.co_qualname in OWN_FUNCTIONS:
            return True
        place = place.tb_next
    return False


def _innermost(error: BaseException) -> types.TracebackType:
    place = error.__traceback__
    assert place is not None
    while place.tb_next is not None:
        place = place.tb_next
    return place


def on_purpose(error: BaseException) -> bool:
    """Whether a `raise` of the package raised it."""
    place = _innermost(error)
    path, line = place.tb_frame.f_code.co_filename, place.tb_lineno
    return path.startswith(PACKAGE) and any(low <= line <= high for low, high in _raises(path))


RETURN = ("Returns", "OwnLayer", "Nonsense")
OWN_FUNCTIONS = (
    *("Line.residuals", "valley", "curved", "total_of_fourths", "times", "Bowl.value_and_gradient"),
    "rule_function",
)


SAYS = (
    "NaN",
    "infinity",
    "masked",
    "empty",
    "strings",
    "objects",
    "complex",
    "bytes",
    "sparse",
    "half precision",
    "dates",
    "records",
    "no value",
    "inhomogeneous",
    "read-only",
    "fractions",
    "got values from",
    "got labels from",
    "not finite",
    "non-finite",
    "is zero",
    "GB",
    "margin of",
    "time spans",
    "identity",
    "yields",
    "for this w, got",
    "must be an array of backend",
    "must be at least 0, got",
    "4 rows",
    "unknown kind None",
    "has Dropout",
    "held_out must be given",
    "CuPy",
    "got None",
    "Given(",
    "must not be zero",
    "it has no",
    "must return",
    "NoneType",
    "nonsense",
    "rate(0)",
    "rate(1)",
)


def came(value: Any) -> list[str]:
    """Texts of which an error has one, if it says that `value` came."""
    texts = [type(value).__name__, str(getattr(value, "dtype", ""))]
    for show in (repr, str):
        try:
            texts.append(" ".join(show(value).split())[:30])
        except Exception:
            continue
    texts += [str(own.shape) for own in [plain(value)] if own is not None]
    if isinstance(value, np.ndarray) and 0 < value.size <= 40:
        own = value.reshape(-1).tolist()
        texts += [str(part) for part in own if not isinstance(part, int)]
        texts += [f" {part}" for part in own if isinstance(part, int)]
    if isinstance(value, list | tuple):
        texts += [" ".join(repr(part).split())[:30] for part in value]
        texts += [text for part in value for text in came(part)]
    if isinstance(value, dict):
        texts += [text for part in (*value, *value.values()) for text in came(part)]
    if callable(value) and hasattr(value, "__name__"):
        texts.append(value.__name__)
    shape = getattr(value, "shape", None)
    if isinstance(shape, tuple):
        texts.append(str(shape))
    if hasattr(value, "dtype"):
        texts += [getattr(value.dtype, "name", str(value.dtype))]
    elif isinstance(value, list | tuple):
        try:
            texts.append(str(np.shape(value)))
        except ValueError:
            texts.append("inhomogeneous")
    if isinstance(value, float | int) and not isinstance(value, bool):
        try:
            texts.append(f"{value:g}")
        except OverflowError:
            texts.append("int")
    return [text for text in texts if isinstance(text, str) and text]


def _judge_error(
    what: str, call: Call, given: dict[str, Any], odd: dict[str, str], error: Exception
) -> None:
    text = " ".join(str(error).split())
    shown = f"{what}: {type(error).__name__}: {text[:300]}"
    if in_own_function(error):
        return  # what a user's own function raises is its own
    if not isinstance(error, ERRORS + call.errors):
        raise Wrong(f"{shown} (of another kind)") from error
    if not on_purpose(error):
        raise Wrong(f"{shown} (not on purpose)") from error
    if not odd:
        raise Wrong(f"{shown} (valid arguments refused)") from error
    names = [(key, *call.arguments[key].words) for key in odd]
    if not any(re.search(rf"(?<![\w]){re.escape(own)}(?![\w])", text) for group in names for own in group):
        raise Wrong(f"{shown} (names no odd argument)") from error
    if any(callable(given[key]) or type(given[key]).__name__ in RETURN for key in odd):
        return  # what came is what the function returned
    if not any(own in text for value in given.values() for own in (*came(value), *SAYS)):
        raise Wrong(f"{shown} (does not say what came)") from error


def _judge_kept(call: Call, result: Any, given: dict[str, Any], meanings: dict[str, Odd]) -> None:
    """Settings are kept as Python's numbers, of the value that was handed over."""
    for key, argument in call.arguments.items():
        if not argument.meaning or (given[key] is None and argument.choices[0] is None):
            continue
        kept = getattr(result, key)
        if argument.meaning == "word":
            assert type(kept) is str, f"{key} is kept as a {type(kept).__name__}"
            assert kept == given[key], f"{key} is kept as {kept!r}"
            continue
        wanted = getattr(meanings[key], argument.meaning) if key in meanings else None
        assert wanted is not None, f"{key} is no {argument.meaning}, but was taken and kept as {kept!r}"
        kind = {"number": float, "integer": int, "flag": bool}[argument.meaning]
        assert type(kept) is kind, f"{key} is kept as a {type(kept).__name__}"
        assert kept == wanted, f"{key} is kept as {kept!r}"


def accepted(value: Any, meaning: str) -> Any:
    """What an integer or number that was taken stands for; raises where it should not have been."""
    if meaning == "integer":
        assert not isinstance(value, bool | np.bool_), "a truth value was taken for an integer"
        return operator.index(value)
    assert not isinstance(value, bool | np.bool_ | str | bytes), "no number, but was taken"
    return float(value)
