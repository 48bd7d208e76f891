"""Files are written whole or not at all."""

import os
import tempfile
from contextlib import suppress
from pathlib import Path

from graphcnn.errors import OutputError


def atomic_write(path: str | os.PathLike[str], data: bytes | str) -> Path:
    """Write `data` (text as UTF-8) to `path`, so that a reader sees the old file or the new one.

    The bytes go to a temporary file in the same folder, reach the disk, and take the name of
    `path` in one step. Links are followed; the permissions of a replaced file are kept.

    Returns:
        The path written.

    Raises:
        OutputError: missing or unwritable folder, full disk. What stood at `path` is untouched
            and no temporary file is left behind.
    """
    target = Path(path)
    content = data.encode() if isinstance(data, str) else data
    try:
        _replace(Path(os.path.realpath(target)), content)
    except OSError as error:
        raise OutputError(f"cannot write {target}: {reason(error, target)}") from error
    return target


def _replace(target: Path, content: bytes) -> None:
    if target.is_dir():
        raise IsADirectoryError("it is a folder")
    handle, name = tempfile.mkstemp(
        prefix=f".{target.name[:40]}.", suffix=".tmp", dir=target.parent
    )
    temporary = Path(name)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        temporary.chmod(_permissions(target))
        temporary.replace(target)
    except BaseException:
        with suppress(OSError):
            temporary.unlink()
        raise


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
