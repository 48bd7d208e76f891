"""Temporary files and folders beside their targets, and the end of those that killed runs left.

Each is locked from its first moment until it has its final name, and the system drops the locks of
a process that ends, however it ends. So whoever gets the lock of such a file knows that its maker
is gone. Some network file systems keep locks from other machines; therefore the name says on which
machine, since which start of it, a file was made, and others are left alone. So are all files of
other names or owners, and everything where the system has no such locks.
"""

import functools
import hashlib
import os
import platform
import re
import secrets
import shutil
import stat
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import TypeVar

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

_D = TypeVar("_D", int, int | None)
_FLAGS = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_NOFOLLOW", 0)


def temporary_file(target: Path) -> tuple[int, Path]:
    """A new file beside `target`, open for writing and locked until its descriptor is closed."""
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0)
    return _made(target, lambda path: os.open(path, flags | getattr(os, "O_NOFOLLOW", 0), 0o600))


def temporary_folder(target: Path) -> tuple[int | None, Path]:
    """A new folder beside `target`, and a descriptor that keeps it locked, where there is such."""

    def make(path: Path) -> int | None:
        path.mkdir()
        return os.open(path, _FLAGS) if fcntl else None

    return _made(target, make)


def remove_abandoned(folder: Path) -> None:
    """Remove what killed processes left in `folder`. What cannot be removed stays, silently."""
    if fcntl is None:
        return
    name = re.compile(rf"\..*\.{_mark()}-[0-9a-f]{{8}}\.tmp", re.DOTALL)
    with suppress(OSError), os.scandir(folder) as entries:
        for path in [Path(entry.path) for entry in entries if name.fullmatch(entry.name)]:
            with suppress(OSError):
                _remove_if_abandoned(path)


def _made(target: Path, make: Callable[[Path], _D]) -> tuple[_D, Path]:
    while True:
        name = f".{target.name[:40]}.{_mark()}-{secrets.token_hex(4)}.tmp"
        path = target.parent / name
        try:
            descriptor = make(path)
        except FileExistsError:
            continue
        if descriptor is None or _keep(descriptor):
            return descriptor, path
        os.close(descriptor)  # somebody found it before it was locked, and removes it


def _keep(descriptor: int) -> bool:
    """Lock what was just made. False if it was taken for abandoned in the moment before."""
    try:
        if fcntl is not None:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        pass  # no locks here, so nobody removes it either
    return os.fstat(descriptor).st_nlink > 0


def _remove_if_abandoned(path: Path) -> None:
    descriptor = os.open(path, _FLAGS | os.O_CLOEXEC)
    try:
        found = os.fstat(descriptor)
        folder = stat.S_ISDIR(found.st_mode)
        if found.st_uid != os.geteuid() or not (folder or stat.S_ISREG(found.st_mode)):
            return
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if not os.path.samestat(found, path.lstat()):
            return  # it got its final name, and another one this name
        if folder:
            shutil.rmtree(path)
        else:
            path.unlink()
    finally:
        os.close(descriptor)


@functools.cache
def _mark() -> str:
    """Of this program on this machine since its start, where the system says when that was."""
    try:
        since = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        since = platform.node()
    return f"graphcnn-{hashlib.sha256(since.encode()).hexdigest()[:8]}"
