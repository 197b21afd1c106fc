"""Files that hold a description and named arrays: `.npz`, a zip of NumPy's, and `.safetensors`.

Both hold numbers as they lie in memory and run no code when they are read. A zip guards each entry by a
checksum; in a `.safetensors` file there is one for each array, and one for the description.
"""

from __future__ import annotations

import json
import math
import os
import struct
import zipfile
import zlib
from collections.abc import Callable, Mapping
from typing import Any, BinaryIO, TypeAlias, cast

import numpy as np

from .. import checks
from .errors import CorruptError, StorageError

HostArray: TypeAlias = np.ndarray[Any, Any]
Read: TypeAlias = Callable[[str], HostArray]  # an array by its name

DESCRIPTION = "xpnet.json"  # the entry of a zip
# what both can hold, by NumPy's names and those of safetensors
DTYPES = {
    "bool": "BOOL",
    "int8": "I8",
    "int16": "I16",
    "int32": "I32",
    "int64": "I64",
    "uint8": "U8",
    "uint16": "U16",
    "uint32": "U32",
    "uint64": "U64",
    "float16": "F16",
    "float32": "F32",
    "float64": "F64",
}


def write_npz(file: BinaryIO, description: str, arrays: Mapping[str, HostArray]) -> None:
    """Writes what `numpy.load` reads, with the description as an entry of its own."""
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr(zipfile.ZipInfo(DESCRIPTION), description)
        for name, array in arrays.items():
            with archive.open(zipfile.ZipInfo(f"{name}.npy"), "w", force_zip64=True) as entry:
                np.lib.format.write_array(entry, array, allow_pickle=False)


def read_npz(file: BinaryIO) -> tuple[str, Read]:
    """The description of an open file, and what reads its arrays; all of it is checked first."""
    size = file.seek(0, os.SEEK_END)
    file.seek(max(0, size - 22))
    if not file.read().startswith(b"PK\5\6"):
        raise CorruptError("is cut short: a zip archive begins, and does not end")
    archive = zipfile.ZipFile(file)
    names = archive.namelist()
    if DESCRIPTION not in names:
        raise StorageError(
            f"is no file of xpnet's, but a zip archive of {', '.join(names[:5]) or 'nothing'}"
        )
    bad = archive.testzip()
    if bad is not None:
        raise CorruptError(f"is corrupt: the checksum of {bad!r} is another")

    def read(name: str) -> HostArray:
        with archive.open(f"{name}.npy") as entry:
            return cast("HostArray", np.lib.format.read_array(entry, allow_pickle=False))

    return archive.read(DESCRIPTION).decode(), read


def write_safetensors(file: BinaryIO, description: str, arrays: Mapping[str, HostArray]) -> None:
    """Writes the format that huggingface/safetensors describes; the description is in its metadata."""
    entries: dict[str, Any] = {}
    sums = {DESCRIPTION: zlib.crc32(description.encode())}
    start = 0
    for name, array in arrays.items():
        kind, shape = DTYPES[array.dtype.name], list(array.shape)
        sums[name] = _checksum(name, kind, shape, _bytes(array))
        entries[name] = {"dtype": kind, "shape": shape, "data_offsets": [start, start + array.nbytes]}
        start += array.nbytes
    metadata = {DESCRIPTION: description, "crc32": json.dumps(sums)}
    header = json.dumps({"__metadata__": metadata, **entries}).encode()
    header += b" " * (-len(header) % 8)
    file.write(struct.pack("<Q", len(header)) + header)
    for array in arrays.values():
        file.write(_bytes(array))


def read_safetensors(file: BinaryIO) -> tuple[str, Read]:
    """The description of an open file, and what reads its arrays."""
    size = file.seek(0, os.SEEK_END)
    file.seek(0)
    (length,) = struct.unpack("<Q", file.read(8))
    if 8 + length > size:
        raise CorruptError("is cut short: it ends in its header")
    try:
        entries: dict[str, Any] = json.loads(file.read(length))
    except ValueError as error:
        raise CorruptError("is corrupt: its header cannot be read") from error
    metadata = entries.pop("__metadata__", {})
    if DESCRIPTION not in metadata or "crc32" not in metadata:
        raise StorageError(f"is no file of xpnet's, but tensors called {', '.join([*entries][:5])}")
    end = max((int(entry["data_offsets"][1]) for entry in entries.values()), default=0)
    if 8 + length + end > size:
        raise CorruptError(f"is cut short: {8 + length + end - size} bytes are missing")
    sums, description = json.loads(metadata["crc32"]), metadata[DESCRIPTION]
    if zlib.crc32(description.encode()) != sums[DESCRIPTION]:
        raise CorruptError("is corrupt: the checksum of its description is another")
    names = {kind: name for name, kind in DTYPES.items()}

    def read(name: str) -> HostArray:
        entry = entries[name]
        start, stop = entry["data_offsets"]
        dtype = np.dtype(names[entry["dtype"]]).newbyteorder("<")
        if stop - start != math.prod(entry["shape"]) * dtype.itemsize:
            raise CorruptError(f"is corrupt: {name!r} has no room for its shape")
        file.seek(8 + length + start)
        data = bytearray(file.read(stop - start))  # which can be written to
        if _checksum(name, entry["dtype"], entry["shape"], data) != sums[name]:
            raise CorruptError(f"is corrupt: the checksum of {name!r} is another")
        array = np.frombuffer(data, dtype).reshape(entry["shape"])
        return array.astype(dtype.newbyteorder("="), copy=False)

    return description, read


def _bytes(array: HostArray) -> Any:
    """What a contiguous array holds, without a copy."""
    return array.reshape(-1).view(np.uint8)


def _checksum(name: str, kind: str, shape: list[int], data: Any) -> int:
    return zlib.crc32(data, zlib.crc32(f"{name} {kind} {shape}".encode()))


WRITERS = {".npz": write_npz, ".safetensors": write_safetensors}


def reader(file: BinaryIO) -> Callable[[BinaryIO], tuple[str, Read]]:
    """What reads an open file, by how it begins.

    Raises:
        StorageError: it begins as no file of xpnet's does.
    """
    begin = file.read(10)
    if not begin:
        raise StorageError("is empty")
    if begin.startswith(b"PK"):
        return read_npz
    if begin[8:9] == b"{":
        return read_safetensors
    pickled = "it is a pickle, which could run any code"
    kind = pickled if begin.startswith(b"\x80") else f"it begins with {begin!r}"
    raise StorageError(f"is no file of xpnet's: {kind}")


def contiguous(array: HostArray) -> HostArray:
    """`array` in row-major order and the machine's own byte order."""
    return np.ascontiguousarray(array, array.dtype.newbyteorder("=")).reshape(array.shape)


def is_scalar(value: Any) -> bool:
    """Whether it is a number of NumPy's own, as its arrays yield."""
    return isinstance(value, np.generic)


def as_scalar(array: HostArray) -> Any:
    """The number in an array of no dimension, of NumPy's own kind."""
    return array[()]


def checked_ending(path: str) -> str:
    """The ending of a path, which says what container its file is.

    Raises:
        ValueError: it is of none.
    """
    ending = os.path.splitext(path)[1].lower()
    if ending not in WRITERS:
        raise ValueError(f"path must end in {' or '.join(WRITERS)}, got {checks.shown(path)}")
    return ending
