"""Initializers in a file of their own, beside the model: one message holds at most 2 GiB.

The file is called like the model with ".data" behind it. Arrays begin where a page of memory can
begin, so that they can be mapped; what lies between is zeros. Small arrays stay in the model:
shapes and axes are read from them.
"""

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from onnx import TensorProto

from graphcnn.errors import ExportError, ImportModelError
from graphcnn.ir.node import Array
from graphcnn.onnx.importing.file.load import safe_parts

#: Models of more bytes get a file of data without being asked.
EXTERNAL_ABOVE = 1_932_735_283  # 1.8 GiB

#: Arrays of fewer bytes stay in the model.
SMALL = 1 << 10

#: Arrays begin at multiples of a page, large ones at multiples of what Windows maps at a time.
PAGE, LARGE, GRAIN = 1 << 12, 1 << 20, 1 << 16


@dataclass(frozen=True)
class DataFile:
    """Arrays, in the order of bytes that ONNX stores, and where they lie in the file."""

    location: str
    arrays: Mapping[str, Array]

    @classmethod
    def beside(cls, path: str | Path, arrays: Mapping[str, Array]) -> "DataFile":
        """The file of data for a model written to `path`, with the arrays that are not small."""
        location = f"{Path(path).name}.data"
        try:
            safe = safe_parts(location, "external data") == (location,)
        except ImportModelError:
            safe = False
        if not safe:
            raise ExportError(f"{location!r} is no name for a file of data on every system")
        return cls(location, {key: a for key, a in arrays.items() if a.nbytes >= SMALL})

    def offsets(self) -> Iterator[tuple[str, int]]:
        """Where each array begins."""
        at = 0
        for key, array in self.arrays.items():
            step = GRAIN if array.nbytes >= LARGE else PAGE
            at = -(-at // step) * step
            yield key, at
            at += array.nbytes

    def declare(self, tensor: TensorProto, offset: int) -> None:
        """Say in the model that the bytes of a tensor lie in this file."""
        tensor.data_location = TensorProto.EXTERNAL
        entries = {"location": self.location, "offset": str(offset),
                   "length": str(self.arrays[tensor.name].nbytes)}  # fmt: skip
        for key, value in entries.items():
            tensor.external_data.add(key=key, value=value)

    def pieces(self) -> Iterator[bytes | memoryview]:
        """The content of the file."""
        at = 0
        for key, offset in self.offsets():
            yield b"\0" * (offset - at)
            yield np.ascontiguousarray(self.arrays[key]).reshape(-1).view(np.uint8).data
            at = offset + self.arrays[key].nbytes

    def digest(self) -> str:
        """SHA-256 of the content."""
        found = hashlib.sha256()
        for piece in self.pieces():
            found.update(piece)
        return found.hexdigest()
