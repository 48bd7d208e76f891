"""Arrays of NumPy files that stay in the file: mapped into memory, and read where they are wanted.

An array in an `.npz` file can be mapped where it is stored as it is (`numpy.savez`), and not where
it is compressed (`numpy.savez_compressed`): then there are no bytes of it to map.
"""

import struct
import zipfile
from pathlib import Path
from typing import IO

import numpy as np

from graphcnn.base.regular_files import open_regular
from graphcnn.errors import DataError
from graphcnn.ir.node import Array

_LOCAL_HEADER = struct.Struct("<4s22xHH")


def mapped_npy(path: Path) -> Array:
    """The array of an `.npy` file, mapped.

    Raises:
        DataError: no such file, or none of NumPy's of plain numbers.
    """
    try:
        with open_regular(path) as file:
            return _mapped(path, file, 0, path.name)
    except OSError as error:
        raise DataError(f"cannot read {path}: {error.strerror or error}") from None


def mapped_member(path: Path, name: str) -> Array:
    """The array `name` of an `.npz` file, mapped.

    Raises:
        DataError: it is compressed, or no array of plain numbers.
    """
    with open_regular(path) as file, zipfile.ZipFile(file) as archive:
        info = archive.getinfo(f"{name}.npy")
        if info.compress_type != zipfile.ZIP_STORED:
            raise DataError(
                f"{path}: the array {name!r} is compressed, so it cannot be mapped; numpy.savez "
                "stores it as it is, numpy.savez_compressed does not"
            )
        file.seek(info.header_offset)
        mark, name_length, extra_length = _LOCAL_HEADER.unpack(file.read(_LOCAL_HEADER.size))
        if mark != b"PK\x03\x04":
            raise DataError(f"{path}: the zip directory is wrong about {name!r}")
        start = info.header_offset + _LOCAL_HEADER.size + name_length + extra_length
        array = _mapped(path, file, start, name)
    if array.offset + array.nbytes > start + info.file_size:  # type: ignore[attr-defined]
        raise DataError(f"{path}: the array {name!r} is longer than its part of the file")
    return array


def _mapped(path: Path, file: IO[bytes], start: int, name: str) -> Array:
    """The array whose NumPy file begins at `start`."""
    file.seek(start)
    try:
        version = np.lib.format.read_magic(file)
        read = {
            (1, 0): np.lib.format.read_array_header_1_0,
            (2, 0): np.lib.format.read_array_header_2_0,
        }[version]
        shape, fortran, dtype = read(file)
        if dtype.hasobject:
            raise ValueError("pickled objects are never loaded")
        return np.memmap(path, dtype, "r", file.tell(), shape=shape, order="F" if fortran else "C")
    except (ValueError, KeyError, EOFError, OverflowError) as error:
        raise DataError(f"{path} is no NumPy file that can be mapped ({name}): {error}") from None
