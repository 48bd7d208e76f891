"""The content of a file that may be compressed by gzip, piece by piece and never whole.

What a file is called does not matter: some programs unpack a file and keep its name.
"""

import os
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from graphcnn.base.regular_files import open_regular
from graphcnn.errors import DataError

_PIECE = 1 << 20
#: No gzip stream is more than this much longer than its file: 258 bytes are at least 2 bits.
_RATIO = 1032


class Unpacked:
    """Reads the content; `most` is as long as it can be, `complete` whether it ended well."""

    def __init__(self, path: Path, file: BinaryIO, limit: int) -> None:
        self.path, self._file, self._limit = path, file, limit
        size = os.fstat(file.fileno()).st_size
        self.packed = file.read(2) == b"\x1f\x8b"
        file.seek(0)
        self._stream = zlib.decompressobj(wbits=31) if self.packed else None
        self.most = min(limit, _RATIO * size) if self.packed else size
        self.length = 0
        self._rest = b""

    @property
    def complete(self) -> bool:
        """Whether all was read, to the check sum at the end."""
        return self._stream is None or self._stream.eof

    def read(self, count: int) -> bytes:
        """The next `count` bytes, fewer at the end."""
        found = bytearray(count)
        return bytes(found[: self.read_into(memoryview(found))])

    def read_into(self, target: "memoryview") -> int:
        """Fill `target`; returns how many bytes there were."""
        at = 0
        while at < len(target):
            piece = self._piece(min(_PIECE, len(target) - at))
            if not piece:
                break
            target[at : at + len(piece)] = piece
            at += len(piece)
        return at

    def skip(self) -> int:
        """Read to the end and keep nothing; returns how many bytes there were."""
        before = self.length
        while self._piece(_PIECE):
            pass
        return self.length - before

    def _piece(self, most: int) -> bytes:
        piece = self._file.read(most) if self._stream is None else self._unpack(most)
        self.length += len(piece)
        if self.packed and self.length > self._limit:
            raise DataError(f"{self.path} decompresses to more than {self._limit} bytes")
        return piece

    def _unpack(self, most: int) -> bytes:
        assert self._stream is not None
        try:
            while not self._stream.eof:
                raw = self._rest or self._file.read(_PIECE)
                if not raw:
                    return b""
                piece = self._stream.decompress(raw, most)
                self._rest = self._stream.unconsumed_tail
                if piece:
                    return piece
        except zlib.error as error:
            raise DataError(f"{self.path}: the gzip data is damaged: {error}") from None
        behind = len(self._stream.unused_data) + len(self._file.read(_PIECE))
        if behind:
            raise DataError(f"{self.path}: {behind} bytes follow the gzip stream")
        return b""


@contextmanager
def unpacked(path: Path, limit: int) -> Iterator[Unpacked]:
    """The content of a file, of at most `limit` bytes where it is compressed.

    Raises `DataError` for what cannot be read or is no regular file.
    """
    try:
        with open_regular(path) as file:
            yield Unpacked(path, file, limit)
    except OSError as error:
        raise DataError(f"cannot read {path}: {error.strerror or error}") from None
