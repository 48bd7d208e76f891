"""The picture files below a folder or inside a zip file, listed and read without unpacking."""

import os
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from graphcnn.errors import DataError
from graphcnn.runtime.data.pictures import FORMATS

#: Bytes of one picture file; larger ones are refused.
MAX_FILE = 1 << 26

#: A path below the root, in its parts.
Name = tuple[str, ...]


class Members:
    """Picture files by name; hidden files and other kinds are passed over."""

    def __init__(self, root: Path, sizes: Mapping[Name, int], archive: zipfile.ZipFile | None):
        self.root, self._sizes, self._archive = root, sizes, archive
        self.names = sorted(sizes)

    def label(self, name: Name) -> str:
        """How a message names the file."""
        return f"{self.root}{':' if self._archive else '/'}{'/'.join(name)}"

    def read(self, name: Name) -> bytes:
        if self._sizes[name] > MAX_FILE:
            raise DataError(
                f"{self.label(name)} is too large: {self._sizes[name]} bytes, limit {MAX_FILE}"
            )
        try:
            if self._archive is None:
                return self.root.joinpath(*name).read_bytes()
            return self._archive.read("/".join(name))
        except Exception as error:  # zipfile: bad CRC, encryption, compression it lacks, ...
            raise DataError(f"cannot read {self.label(name)}: {error}") from None


@contextmanager
def members(root: Path) -> Iterator[Members]:
    """The files of a folder or of a zip file, which stays open meanwhile."""
    if root.is_dir():
        yield Members(root, _folder(root), None)
        return
    try:
        archive = zipfile.ZipFile(root)
    except FileNotFoundError:
        raise DataError(f"{root} does not exist; expected a folder or a zip file") from None
    except (OSError, zipfile.BadZipFile, ValueError) as error:
        raise DataError(f"{root} is neither a folder nor a whole zip file: {error}") from None
    with archive:
        yield Members(root, _zip(root, archive), archive)


def _folder(root: Path) -> dict[Name, int]:
    found = {}
    for folder, _, files in os.walk(root):
        for file in files:
            path = Path(folder, file)
            name = path.relative_to(root).parts
            if _is_picture(name):
                found[name] = path.stat().st_size
    return found


def _zip(root: Path, archive: zipfile.ZipFile) -> dict[Name, int]:
    found = {}
    for info in archive.infolist():
        name = tuple(info.filename.split("/"))
        # Nothing is ever unpacked, so such names can do no harm here; an archive that has them
        # was made to do harm elsewhere.
        if ".." in name or name[0] == "" or "\\" in info.filename:
            raise DataError(f"{root}: unsafe name {info.filename!r} in the zip file")
        if _is_picture(name):
            found[name] = info.file_size
    return found


def _is_picture(name: Name) -> bool:
    hidden = any(part.startswith(".") or part == "__MACOSX" for part in name)
    return not hidden and Path(name[-1]).suffix.lower() in FORMATS
