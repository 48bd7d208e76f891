"""Reading files that others name: only regular ones, so that no pipe or device is waited for.

What a name stands for is looked at before and after opening, and opening does not wait. So a pipe
that nobody writes to, a terminal, a socket or an endless device is an error like any other.
"""

import errno
import os
import stat
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO

_FLAGS = (
    os.O_RDONLY
    | getattr(os, "O_NONBLOCK", 0)
    | getattr(os, "O_NOCTTY", 0)
    | getattr(os, "O_CLOEXEC", 0)
    | getattr(os, "O_BINARY", 0)
)
_KINDS = {
    stat.S_IFDIR: "a folder",
    stat.S_IFIFO: "a pipe",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
}


def open_regular(path: str | os.PathLike[str], flags: int = 0) -> BinaryIO:
    """The file, opened for reading bytes. Links are followed, unless `flags` forbid it.

    Raises:
        OSError: it cannot be opened, or it is no regular file; `strerror` says in words what it is.
    """
    if found := _status(path):
        _check(found, path)
    try:
        descriptor = os.open(path, _FLAGS | flags)
    except ValueError:
        raise OSError(errno.EINVAL, "it has a zero byte in its name", str(path)) from None
    try:
        _check(os.fstat(descriptor), path)
        return os.fdopen(descriptor, "rb")
    except BaseException:
        os.close(descriptor)
        raise


def read_regular(path: str | os.PathLike[str], limit: int | None = None) -> bytes:
    """All bytes of the file. Raises `OSError` like `open_regular`, and for more than `limit`."""
    with open_regular(path) as file:
        size = os.fstat(file.fileno()).st_size
        # read(n) would make room for n bytes, however short the file; None: nothing to be had yet
        data = b"" if limit is not None and size > limit else file.read() or b""
        found = max(size, len(data))  # it may have grown meanwhile
        if limit is not None and found > limit:
            raise OSError(errno.EFBIG, f"it is too large: {found} bytes, limit {limit}", str(path))
        return data


def kind_of(path: str | os.PathLike[str]) -> str:
    """What stands at `path`, in words: "a folder", "a pipe"; "" for a regular file or nothing."""
    found = _status(path)
    return _kind(found) if found else ""


def is_folder(path: str | os.PathLike[str]) -> bool:
    """Whether it is a folder. False also for what cannot be the name of anything."""
    found = _status(path)
    return found is not None and stat.S_ISDIR(found.st_mode)


def is_regular(path: str | os.PathLike[str]) -> bool:
    """Whether it is a regular file. False also for what cannot be the name of anything."""
    found = _status(path)
    return found is not None and stat.S_ISREG(found.st_mode)


def is_link(path: str | os.PathLike[str]) -> bool:
    """Whether it is a symbolic link, wherever that leads."""
    with suppress(OSError, ValueError):  # a name that is too long, or has a zero byte
        return Path(path).is_symlink()
    return False


def _status(path: str | os.PathLike[str]) -> os.stat_result | None:
    with suppress(OSError, ValueError):  # ValueError: a zero byte in the name
        return Path(path).stat()
    return None


def _kind(found: os.stat_result) -> str:
    regular = stat.S_ISREG(found.st_mode)
    return "" if regular else _KINDS.get(stat.S_IFMT(found.st_mode), "no regular file")


def _check(found: os.stat_result, path: str | os.PathLike[str]) -> None:
    if kind := _kind(found):
        code = errno.EISDIR if stat.S_ISDIR(found.st_mode) else errno.EINVAL
        raise OSError(code, f"it is {kind}, expected a regular file", str(path))
