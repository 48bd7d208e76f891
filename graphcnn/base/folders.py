"""Folders are written whole or not at all, like files."""

import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from graphcnn.base.files import atomic_write, atomic_write_together, reason
from graphcnn.base.regular_files import is_folder, is_regular, kind_of
from graphcnn.base.temporary import remove_abandoned, temporary_folder
from graphcnn.errors import OutputError

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]


def atomic_folder(
    path: str | os.PathLike[str], files: Mapping[str, bytes | memoryview], *, new: bool = False
) -> Path:
    """Write a folder of files. A new folder appears whole, by one rename. In one that exists, the
    files are replaced, in the order given, once all of them have reached the disk, and all others
    stay; unless it is to be `new`.

    Raises `OutputError` where that is impossible; a new folder is not left half done.
    """
    target = Path(path)
    if not new and is_folder(target):
        atomic_write_together(
            {Path(os.path.realpath(target / name)): (data,) for name, data in files.items()}
        )
        return target
    if is_regular(target) or kind_of(target):
        raise OutputError(f"cannot write {target}: it is a file, expected a folder")
    remove_abandoned(target.parent)
    lock, temporary = None, None
    try:
        lock, temporary = temporary_folder(target)
        for name, data in files.items():
            atomic_write(temporary / name, data)
        temporary.rename(target)
    except BaseException as error:
        if temporary is not None:
            shutil.rmtree(temporary, ignore_errors=True)
        if isinstance(error, OSError):
            raise OutputError(f"cannot write {target}: {reason(error, target)}") from error
        raise
    finally:
        if lock is not None:
            os.close(lock)
    return target


@contextmanager
def locked_folder(path: Path) -> Iterator[None]:
    """Keep a folder for this process; where it ends, however it ends, another may have it.

    Raises `BlockingIOError` where another has it. Where the system has no such locks, nobody does.
    """
    if fcntl is None:
        yield
        return
    descriptor = os.open(path, os.O_RDONLY)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise
        except OSError:
            pass  # a file system without locks
        yield
    finally:
        os.close(descriptor)
