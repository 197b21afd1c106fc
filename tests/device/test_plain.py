"""Users' data: what is taken as numbers, and what is refused, with what it is and what to do."""

from __future__ import annotations

import numpy as np
import pytest

import xpnet
from xpnet.device.host_data import on_host
from xpnet.device.plain import plain_array

TABLE = {"a": [1.0, 2.0, 3.0], "dtype": [4.0, 5.0, 6.0], "shape": [7.0, 8.0, 9.0]}


@pytest.fixture
def pandas():
    return pytest.importorskip("pandas", reason="pandas is not installed")


def refused(values, error, message, place="numpy"):
    backend = xpnet.backend(place)
    for take in (backend.asarray, backend.admit):
        with pytest.raises(error, match=message):
            take(values, name="X")


@pytest.mark.parametrize(
    "values",
    [
        np.array([1.0, 2.0, 3.0], ">f8"),
        np.array([1.0, 2.0, 3.0], ">f4"),
        np.array([1, 2, 3], ">i2"),
        np.array([1.0, 9.0, 2.0, 9.0, 3.0])[::2],
        np.array([3.0, 2.0, 1.0])[::-1],
        np.ma.array([1.0, 2.0, 3.0]),
        np.ma.array([1.0, 2.0, 3.0], mask=False),
        [np.float32(1), np.int8(2), 3],
        [np.array(1.0), np.array(2.0), np.array(3.0)],
        np.longdouble([1, 2, 3]),
        memoryview(np.array([1.0, 2.0, 3.0])),
        range(1, 4),
    ],
    ids=lambda values: f"{type(values).__name__}-{getattr(values, 'dtype', '')}",
)
def test_numbers_of_every_kind(values, backend):
    for dtype in (None, "float32"):
        array = backend.asarray(values, dtype)
        assert backend.owns(array)
        got = backend.to_numpy(array)
        assert got.tolist() == [1, 2, 3]
        assert got.dtype.isnative
    assert np.asarray(backend.to_numpy(backend.admit(values))).tolist() == [1, 2, 3]


def test_no_dimension_and_booleans(backend):
    assert float(backend.asarray(np.float64(0.5))) == float(backend.asarray(0.5)) == 0.5
    assert backend.asarray(np.array(0.5)).shape == ()
    flags = backend.asarray(np.array([True, False]), "float32")
    assert backend.to_numpy(flags).tolist() == [1, 0]
    assert backend.to_numpy(backend.asarray([True, False])).dtype == bool


def test_matrices_become_arrays(numpy_backend):
    matrix = np.ones((1, 2)).view(np.matrix)
    assert type(numpy_backend.asarray(matrix)) is np.ndarray
    assert not numpy_backend.owns(matrix)  # its product is another
    assert not numpy_backend.owns(np.ma.array([1.0]))
    with pytest.raises(TypeError, match="w must be an array of backend 'numpy' on cpu, got a numpy.matrix"):
        numpy_backend.check("w", matrix, matrix.dtype)


@pytest.mark.parametrize(
    ("values", "place", "more"),
    [
        (np.ma.array([1, 2, 90, 3, 1], mask=[0, 0, 1, 0, 0]), r"X\[2\]", 0),
        (np.ma.array(np.zeros((3, 2)), mask=[[0, 0], [0, 1], [1, 1]]), r"X\[1, 1\]", 2),
        ([np.ma.array([1.0, 2.0]), np.ma.array([1.0, 2.0], mask=[0, 1])], r"X\[1, 1\]", 0),
        (([[1.0], np.ma.array([1.0], mask=True)],), r"X\[0, 1, 0\]", 0),
        ([1.0, np.ma.masked], r"X\[1\]", 0),
        (np.ma.masked, "X", 0),
    ],
    ids=["one", "two", "list", "nested", "constant", "alone"],
)
def test_masked_numbers_are_refused_with_their_place(values, place, more):
    others = f", and so are {more} more" if more else ""
    refused(values, ValueError, f"{place} is masked{others}: leave what is masked out")


def test_masked_numbers_of_a_file(tmp_path):
    mapped = np.memmap(tmp_path / "X", float, "w+", shape=(4,))
    refused(np.ma.array(mapped, mask=[0, 0, 0, 1]), ValueError, r"X\[3\] is masked")


def test_a_masked_point_is_refused(numpy_backend):
    f = xpnet.Quadratic(np.eye(2), backend=numpy_backend)
    with pytest.raises(TypeError, match="w must be an array"):
        xpnet.minimize(f, xpnet.Momentum(), np.ma.array([1.0, 2.0], mask=[0, 1]), stop=xpnet.after(1))


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (["a", "b"], "an array of strings; encode class names as integers 0, 1, ..."),
        ([b"a"], "an array of bytes; convert"),
        ([1j], "an array of complex numbers; pass its real part"),
        (np.array(["2020-01-01"], "M8[D]"), "an array of dates"),
        (np.array([1], "m8[s]"), "an array of time spans"),
        (np.zeros(2, [("a", float)]), "an array of records"),
        (np.array([[1.0, "a"]], object), r"an array of objects; X\[0, 1\] is 'a', of type str"),
        ([1.0, None], r"an array of objects; X\[1\] is None, of type NoneType"),
        (np.array([1.0, 2], object), r"objects; all of them are numbers: pass X.astype\(float\)"),
        ([2**70], r"objects; all of them are numbers: pass X.astype\(float\)"),
        ({1.0}, r"objects; X is \{1.0\}, of type set"),
        (object(), "objects; X is <object object"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_is_no_number_says_what_it_is(values, message):
    refused(values, TypeError, f"X must hold real numbers, got .*{message}")


def test_complex_numbers_of_a_device_are_refused(backend):
    if not hasattr(backend.xp, "complex64") or backend.accumulator != backend.xp.float64:
        pytest.skip("this device has no complex numbers")
    values = backend.xp.asarray([1j], device=None if backend.name == "cupy" else backend.device)
    with pytest.raises(TypeError, match="X must hold real numbers, got an array of complex numbers"):
        backend.asarray(values, name="X")


@pytest.mark.parametrize("kind", ["csr_array", "csc_matrix", "coo_array", "dok_matrix"])
def test_sparse_matrices_are_no_arrays(kind, numpy_backend):
    sparse = pytest.importorskip("scipy.sparse", reason="SciPy is not installed")
    values = getattr(sparse, kind)(np.eye(3))
    with pytest.raises(TypeError, match=rf"A is a SciPy sparse matrix \({kind}\); pass A.toarray\(\)"):
        numpy_backend.asarray(values, name="A")


def test_tensors(torch):
    refused(torch.ones(3, requires_grad=True), TypeError, r"X is a tensor .*; pass X.detach\(\)")
    refused([torch.ones(3, requires_grad=True)], TypeError, "X cannot be made an array .*detach")
    refused(torch.eye(3).to_sparse(), TypeError, "X cannot be made an array of numbers: .*to_dense")
    refused(torch.ones(3, dtype=torch.complex64), TypeError, "an array of complex numbers")
    for dtype in (torch.float32, torch.float64, torch.int64, torch.uint8, torch.bool):
        assert plain_array(torch.ones(3, dtype=dtype), "X").tolist() == [1, 1, 1]
    assert plain_array(torch.ones(3, 2).T, "X").shape == (2, 3)


def test_a_series_is_never_sliced_by_its_labels(pandas):
    """Of 0.5, 1.5, ... the labels from 0 to 3 are three, the samples from 0 to 3 others."""
    random = np.random.default_rng(0)
    X, index = random.standard_normal((8, 2)), np.arange(8)[::-1] + 0.5
    targets = random.standard_normal(8)
    network = xpnet.Network(2, xpnet.Dense(1))
    w = network.initialize(0, "numpy")
    want = xpnet.EmpiricalRisk(network, xpnet.SquaredError(), X, targets, backend="numpy").value(w)
    frame, series = pandas.DataFrame(X, index=index), pandas.Series(targets, index=index)
    assert not on_host(series)
    assert not on_host(frame)
    for resident in (True, False, "auto"):
        got = xpnet.EmpiricalRisk(
            network, xpnet.SquaredError(), frame, series, backend="numpy", chunk=3, resident=resident
        )
        assert got.value(w) == pytest.approx(float(want), rel=1e-6)
    assert plain_array(series, "X").tolist() == targets.tolist()


def test_columns_may_have_any_name(pandas, backend):
    table = pandas.DataFrame(TABLE, index=[0.5, 1.5, 2.5])
    want = np.array(list(TABLE.values())).T
    assert not on_host(table)
    np.testing.assert_array_equal(backend.to_numpy(backend.asarray(table)), want)
    np.testing.assert_array_equal(np.asarray(backend.to_numpy(backend.admit(table))), want)
    names = ("iloc", "columns", "__array__", "requires_grad", "toarray", "nnz", "values", "ndim", "name")
    more = pandas.DataFrame({name: [1.0, 2.0] for name in names})
    np.testing.assert_array_equal(plain_array(more, "X"), np.outer([1.0, 2.0], np.ones(len(names))))


def test_tables_of_several_kinds(pandas):
    table = pandas.DataFrame(
        {
            "real": [1.5, 2.5],
            "whole": [1, 2],
            "flag": [True, False],
            "nullable": pandas.array([3, 4], dtype="Int64"),
            "class": pandas.Categorical([5, 6]),
        }
    )
    np.testing.assert_array_equal(plain_array(table, "X"), [[1.5, 1, 1, 3, 5], [2.5, 2, 0, 4, 6]])
    np.testing.assert_array_equal(plain_array(table["nullable"], "X"), [3, 4])
    np.testing.assert_array_equal(plain_array(table[["nullable"]], "X"), [[3], [4]])


def test_tables_that_hold_no_numbers_name_the_column(pandas):
    table = pandas.DataFrame({"age": [1.0, 2.0], "city": ["Bern", "Ulm"]})
    refused(table, TypeError, "X: column 'city' holds strings; encode class names as integers 0, 1, ...")
    refused(table["city"], TypeError, "X holds strings; encode class names")
    refused(table["city"].astype("category"), TypeError, "X holds strings; encode class names")
    missing = pandas.DataFrame({"age": pandas.array([1, None], dtype="Int64"), "n": [1, 2]})
    refused(missing, ValueError, "X: column 'age' has no value in row 1: fill it in, or leave the row out")
    refused(missing["age"], ValueError, "X has no value in row 1")
    missing["age"] = [2.0, np.nan]
    refused(missing, ValueError, "X: column 'age' has no value in row 1")
    missing["age"] = [None, "x"]
    refused(missing, TypeError, "X: column 'age' holds strings")
    missing["age"] = np.array([3, None], object)
    refused(missing, ValueError, "X: column 'age' has no value in row 1")
    refused(pandas.DataFrame({"day": pandas.to_datetime(["2020-01-01"])}), TypeError, "holds dates")


def test_tables_of_polars():
    polars = pytest.importorskip("polars", reason="polars is not installed")
    table = polars.DataFrame({"a": [1.0, 2.0], "dtype": [3, 4], "flag": [True, False]})
    np.testing.assert_array_equal(plain_array(table, "X"), [[1, 3, 1], [2, 4, 0]])
    assert plain_array(table["a"], "X").tolist() == [1, 2]
    refused(polars.DataFrame({"a": [1.0], "city": ["Ulm"]}), TypeError, "X: column 'city' holds strings")
    refused(polars.DataFrame({"a": [1, None], "b": [1, 2]}), ValueError, "column 'a' has no value in row 1")
    refused(polars.Series([1, None]), ValueError, "X has no value in row 1")


def test_tables_of_pyarrow():
    pyarrow = pytest.importorskip("pyarrow", reason="pyarrow is not installed")
    table = pyarrow.table({"a": [1.0, 2.0], "dtype": [3, 4]})
    np.testing.assert_array_equal(plain_array(table, "X"), [[1, 3], [2, 4]])
    refused(pyarrow.table({"a": [1.0], "city": ["Ulm"]}), TypeError, "X: column 'city' holds strings")
