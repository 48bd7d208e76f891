"""The picture files below a folder or inside a zip file, listed and read without unpacking."""

import os
import stat
import zipfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TypeVar

from graphcnn.base.regular_files import is_folder, kind_of, open_regular, read_regular
from graphcnn.data.folders.image_files import FORMATS
from graphcnn.errors import DataError, GraphCnnError

#: Bytes of one picture file; larger ones are refused.
MAX_FILE = 1 << 26

#: A path below the root, in its parts.
Name = tuple[str, ...]
Sizes = dict[Name, int]
T = TypeVar("T")

#: Folders that systems make for themselves, with pictures of their own in them.
_PASSED_OVER = ("__MACOSX", "@eaDir", "$RECYCLE.BIN", "System Volume Information", "lost+found")


class Members:
    """Picture files by name; hidden files and other kinds are passed over.

    Attributes:
        archives: zip files among them, which are not looked into.
    """

    def __init__(self, root: Path, sizes: Mapping[Name, int], archive: zipfile.ZipFile | None):
        self.root, self._sizes, self._archive = root, sizes, archive
        self.archives = sorted(name for name in sizes if _is_archive(name))
        self.names = sorted(name for name in sizes if not _is_archive(name))

    def label(self, name: Name) -> str:
        """How a message names the file."""
        return f"{self.root}{':' if self._archive else '/'}{'/'.join(name)}"

    def size(self, name: Name) -> int:
        """Bytes of the file."""
        return self._sizes[name]

    def read(self, name: Name) -> bytes:
        """All bytes of a file. Raises `DataError` where it cannot be read or is too large."""

        def whole() -> bytes:
            if self._archive is None:
                return read_regular(self.root.joinpath(*name), MAX_FILE)
            return self._archive.read("/".join(name))

        return self._reading(name, whole)

    def begun(self, name: Name, look: Callable[[IO[bytes]], T]) -> T:
        """What `look` makes of the beginning of a file, of which it reads as much as it wants."""

        def part() -> T:
            inside = self._archive
            path = self.root.joinpath(*name)
            with open_regular(path) if inside is None else inside.open("/".join(name)) as file:
                return look(file)

        return self._reading(name, part)

    def _reading(self, name: Name, read: Callable[[], T]) -> T:
        if self._sizes[name] > MAX_FILE:
            raise DataError(
                f"{self.label(name)} is too large: {self._sizes[name]} bytes, limit {MAX_FILE}"
            )
        try:
            return read()
        except GraphCnnError:
            raise
        except OSError as error:
            raise DataError(f"cannot read {self.label(name)}: {error.strerror or error}") from None
        except Exception as error:  # zipfile: bad CRC, encryption, compression it lacks, ...
            raise DataError(f"cannot read {self.label(name)}: {error}") from None


@contextmanager
def members(root: Path) -> Iterator[Members]:
    """The files of a folder or of a zip file, which stays open meanwhile."""
    if is_folder(root):
        yield Members(root, _folder(root), None)
        return
    try:
        file = open_regular(root)
    except FileNotFoundError:
        raise DataError(f"{root} does not exist; expected a folder or a zip file") from None
    except OSError as error:
        raise DataError(f"cannot read {root}: {error.strerror or error}") from None
    with file:
        try:
            archive = zipfile.ZipFile(file)
        except (OSError, zipfile.BadZipFile, ValueError) as error:
            raise DataError(f"{root} is neither a folder nor a whole zip file: {error}") from None
        with archive:
            yield Members(root, _zip(root, archive), archive)


def _folder(root: Path) -> dict[Name, int]:
    found: dict[Name, int] = {}
    _walk(root, (), frozenset(), found)
    return found


def _walk(root: Path, below: Name, inside: frozenset[tuple[int, int]], found: Sizes) -> None:
    """Add the pictures below a folder. Links are followed, unless they lead to where they are."""
    folder = root.joinpath(*below)
    try:
        status = folder.stat()
        here = (status.st_dev, status.st_ino)
        if here in inside and status.st_ino:
            return
        with os.scandir(folder) as entries:
            for entry in entries:
                name = (*below, entry.name)
                if _is_hidden(entry.name):
                    continue
                if entry.is_dir():
                    _walk(root, name, inside | {here}, found)
                elif _is_archive(name):
                    found[name] = 0
                elif _is_picture(name):
                    found[name] = _size(entry)
    except OSError as error:
        place = error.filename or folder
        raise DataError(f"cannot read {place}: {error.strerror or error}") from None


def _size(entry: "os.DirEntry[str]") -> int:
    status = entry.stat()
    if not stat.S_ISREG(status.st_mode):
        kind = kind_of(entry.path)
        raise DataError(f"cannot read {entry.path}: it is {kind}, expected a regular file")
    return status.st_size


def _zip(root: Path, archive: zipfile.ZipFile) -> dict[Name, int]:
    found = {}
    for info in archive.infolist():
        name = tuple(info.filename.split("/"))
        # Nothing is ever unpacked, so such names can do no harm here; an archive that has them
        # was made to do harm elsewhere.
        if ".." in name or name[0] == "" or "\\" in info.filename:
            raise DataError(f"{root}: unsafe name {info.filename!r} in the zip file")
        if _is_picture(name) or (_is_archive(name) and not any(map(_is_hidden, name))):
            found[name] = info.file_size
    return found


def _is_picture(name: Name) -> bool:
    return not any(map(_is_hidden, name)) and Path(name[-1]).suffix.lower() in FORMATS


def _is_archive(name: Name) -> bool:
    return name[-1].lower().endswith(".zip")


def _is_hidden(part: str) -> bool:
    return part.startswith(".") or part in _PASSED_OVER
