"""Files are written whole or not at all."""

import errno
import os
from collections.abc import Iterable, Mapping
from contextlib import ExitStack, suppress
from pathlib import Path

from graphcnn.base.regular_files import is_folder, kind_of
from graphcnn.base.temporary import remove_abandoned, temporary_file
from graphcnn.errors import OutputError

#: Windows renames and removes no file that is open.
_CLOSE_FIRST = os.name == "nt"

Pieces = Iterable[bytes | memoryview]


def atomic_write(path: str | os.PathLike[str], data: bytes | memoryview | str) -> Path:
    """Write `data` (text as UTF-8) to `path`, so that a reader sees the old file or the new one.

    The bytes go to a temporary file in the same folder, reach the disk, and take the name of
    `path` in one step. Links are followed; the permissions of a replaced file are kept. Temporary
    files in that folder whose process was killed are removed.

    Returns:
        The path written.

    Raises:
        OutputError: missing or unwritable folder, full disk, a pipe or a device. What stood at
            `path` is untouched and no temporary file is left behind.
    """
    target = Path(path)
    content = data.encode() if isinstance(data, str) else data
    try:
        _replace({Path(os.path.realpath(target)): (content,)})
    except OSError as error:
        raise OutputError(f"cannot write {target}: {reason(error, target)}") from error
    return target


def atomic_write_together(files: Mapping[Path, Pieces]) -> None:
    """Write files of one folder that belong together. All of them reach the disk before the first
    takes its name; they take their names in the order given. A link is replaced, not followed.

    Raises `OutputError`, and leaves what stood there, like `atomic_write`.
    """
    try:
        _replace(files)
    except OSError as error:
        named = Path(error.filename) if isinstance(error.filename, str) else Path()
        target = named if named in files else next(iter(files))
        raise OutputError(f"cannot write {target}: {reason(error, target)}") from error


def _replace(files: Mapping[Path, Pieces]) -> None:
    temporary: dict[Path, Path] = {}
    for folder in {target.parent for target in files}:
        remove_abandoned(folder)
    with ExitStack() as stack:  # open, and so locked, until they have their names
        try:
            for target, pieces in files.items():
                _check_replaceable(target)
                handle, temporary[target] = temporary_file(target)
                file = stack.enter_context(os.fdopen(handle, "wb"))
                for piece in pieces:
                    file.write(piece)
                file.flush()
                os.fsync(file.fileno())
                temporary[target].chmod(_permissions(target))
                if _CLOSE_FIRST:
                    file.close()
            for target, new in temporary.items():
                new.replace(target)
        except BaseException:
            for new in temporary.values():
                if _CLOSE_FIRST:
                    stack.close()
                with suppress(OSError):
                    new.unlink()
            raise


def _check_replaceable(target: Path) -> None:
    """A folder cannot be replaced by a file; a pipe or device must not be."""
    if is_folder(target):
        raise IsADirectoryError(errno.EISDIR, "it is a folder", str(target))
    if kind := kind_of(target):
        raise OSError(errno.EINVAL, f"it is {kind}, expected a regular file", str(target))


def _permissions(target: Path) -> int:
    """Those of the file to be replaced, else what the process would give a new file."""
    with suppress(OSError):
        return target.stat().st_mode & 0o777
    mask = os.umask(0)
    os.umask(mask)
    return 0o666 & ~mask


def reason(error: OSError, target: Path) -> str:
    """Why the system refused, in words."""
    folder = target.parent
    if isinstance(error, FileNotFoundError) and not folder.exists():
        return f"the folder {folder} does not exist"
    if isinstance(error, NotADirectoryError):
        return f"{folder} is not a folder"
    text = error.strerror or str(error)
    return text[:1].lower() + text[1:]
