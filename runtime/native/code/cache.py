"""Object code on disk, so that a network is compiled once per machine and not once per process.

Code is loaded from here and run, so the folder must belong to the user alone: it is made with mode
0700, and a folder (or file) of somebody else, or one that others can write, is left alone: then
nothing is cached. An entry is the SHA-256 of key and code, followed by the code; one whose hash
does not fit is ignored and made again. The key holds all that code depends on: the kernel, the
processor, the versions, and the source of the code generator itself.

GRAPHCNN_CACHE names the folder ("off": none), else it is $XDG_CACHE_HOME/graphcnn or
~/.cache/graphcnn. GRAPHCNN_CACHE_SIZE is the most it may hold (512M); what was used longest ago
goes first.
"""

import functools
import hashlib
import os
import re
import stat
import sys
import tempfile
import time
from contextlib import suppress
from dataclasses import astuple, dataclass
from pathlib import Path

import llvmlite

from graphcnn.base.regular_files import open_regular
from graphcnn.errors import GraphCnnError
from graphcnn.runtime.native.code.llvm import llvm
from graphcnn.runtime.native.code.target import Target

#: When this process began to read the sources; a file changed later is not what runs.
_STARTED = time.time()
_ENTRY = re.compile(r"[0-9a-f]{64}\.o")
_HASH_BYTES = 32
_DAY = 86400.0


@dataclass
class _Counts:
    hits: int = 0
    misses: int = 0
    unchecked: int | None = None  # bytes stored since the size was looked at; None: never

    def stored(self, size: int, limit: int) -> bool:
        """Count; say whether it is time to look at the size of the folder."""
        due = self.unchecked is None or self.unchecked + size > limit // 16
        self.unchecked = 0 if due else (self.unchecked or 0) + size
        return due


_counts = _Counts()


@dataclass(frozen=True)
class CacheInfo:
    """What `graphcnn cache` shows. `folder` is None where nothing is cached; `why` says why."""

    folder: Path | None
    entries: int
    bytes: int
    limit: int
    hits: int
    misses: int
    why: str = ""

    def __str__(self) -> str:
        if self.folder is None:
            return f"no cache: {self.why}"
        return f"{self.folder}: {self.entries} entries, {_size(self.bytes)} of {_size(self.limit)}"


def entry_key(key: str, target: Target) -> str:
    """Name of the entry for `key`: a hash of all that the code depends on."""
    version = getattr(sys.modules["graphcnn"], "__version__", "")
    text = "\0".join((key, *_words(target), version, _llvm_version(), str(_source_hash())))
    return hashlib.sha256(text.encode()).hexdigest()


def fetch(entry: str) -> bytes | None:
    """The code stored under `entry`, None if there is none that can be trusted."""
    folder, _ = _folder()
    found = None if folder is None else _read(folder / f"{entry}.o", entry)
    if found is None:
        _counts.misses += 1
    else:
        _counts.hits += 1
    return found


def store(entry: str, code: bytes) -> None:
    """Keep `code` under `entry`. A full disk or a read-only folder is not an error."""
    folder, _ = _folder(create=True)
    limit = size_limit()
    if folder is None or len(code) > limit:
        return
    with suppress(OSError):
        _write(folder, f"{entry}.o", _digest(entry, code) + code)
        if _counts.stored(len(code), limit):
            _shrink(folder, limit)


def cache_info() -> CacheInfo:
    """Where the cache is, what it holds, what this process found there."""
    folder, why = _folder()
    sizes = [] if folder is None else [size for _, size, _ in _entries(folder)]
    return CacheInfo(
        folder, len(sizes), sum(sizes), size_limit(), _counts.hits, _counts.misses, why
    )


def clear_cache() -> int:
    """Remove every entry; returns how many there were. Other files in the folder stay."""
    folder, _ = _folder()
    removed = 0
    for _, _, path in _entries(folder) if folder is not None else ():
        with suppress(OSError):
            path.unlink()
            removed += 1
    return removed


def size_limit() -> int:
    """GRAPHCNN_CACHE_SIZE in bytes; K, M and G are understood."""
    text = os.environ.get("GRAPHCNN_CACHE_SIZE", "512M").strip().upper()
    match = re.fullmatch(r"(\d+)([KMG]?)(I?B)?", text)
    if not match:
        raise GraphCnnError(
            f"GRAPHCNN_CACHE_SIZE={text!r} is no size; write bytes, or a number with K, M or G"
        )
    return int(match[1]) << {"": 0, "K": 10, "M": 20, "G": 30}[match[2]]


def _size(count: int) -> str:
    return f"{count / 2**20:.1f} MiB"


def _folder(create: bool = False) -> tuple[Path | None, str]:
    """The folder of the entries, or None and the reason why there is none."""
    named = os.environ.get("GRAPHCNN_CACHE")
    if named is not None and named.strip().lower() in ("", "off", "0"):
        return None, "switched off by GRAPHCNN_CACHE"
    if _source_hash() is None:
        return None, "the sources of graphcnn changed while it ran"
    try:
        folder = (Path(named) if named else _usual()) / "native"
        if create:
            folder.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            folder.mkdir(exist_ok=True, mode=0o700)
        found = folder.lstat()
        if not stat.S_ISDIR(found.st_mode):
            return None, f"{folder} is not a folder"
        doubt = _distrust(folder.parent.stat(), folder.parent) or _distrust(found, folder)
    except FileNotFoundError:
        return None, f"{folder} does not exist yet"
    except (OSError, RuntimeError) as error:  # RuntimeError: no home
        return None, str(error)
    return (None, doubt) if doubt else (folder, "")


def _usual() -> Path:
    """The folder of this program among the user's caches."""
    # An empty or relative $XDG_CACHE_HOME counts as none, says its specification.
    chosen = Path(os.environ.get("XDG_CACHE_HOME", ""))
    return (chosen if chosen.is_absolute() else Path.home() / ".cache") / "graphcnn"


def _distrust(found: os.stat_result, place: Path) -> str:
    """Why a file or folder is not the user's alone, "" where it is."""
    if not hasattr(os, "geteuid"):
        return ""
    if found.st_uid != os.geteuid():
        return f"{place} belongs to another user"
    if found.st_mode & 0o022:
        return f"{place} can be written by others"
    return ""


def _read(path: Path, entry: str) -> bytes | None:
    try:
        with open_regular(path, getattr(os, "O_NOFOLLOW", 0)) as file:
            status = os.fstat(file.fileno())
            if _distrust(status, path):
                return None
            content = file.read()
    except OSError:
        return None
    digest, code = content[:_HASH_BYTES], content[_HASH_BYTES:]
    if digest != _digest(entry, code):
        return None
    if time.time() - status.st_mtime > 60:
        with suppress(OSError):
            os.utime(path)  # used: among the last to go
    return code


def _digest(entry: str, code: bytes) -> bytes:
    return hashlib.sha256(entry.encode() + code).digest()


def _write(folder: Path, name: str, content: bytes) -> None:
    """Whole or not at all. Not forced to the disk: a torn entry fails its hash and is remade."""
    handle, temporary = tempfile.mkstemp(prefix=".", suffix=".tmp", dir=folder)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
        Path(temporary).replace(folder / name)
    except BaseException:
        with suppress(OSError):
            Path(temporary).unlink()
        raise


def _entries(folder: Path) -> list[tuple[float, int, Path]]:
    """(last use, bytes, path) of every entry."""
    found = []
    with suppress(OSError), os.scandir(folder) as scan:
        for item in scan:
            if _ENTRY.fullmatch(item.name):
                with suppress(OSError):
                    status = item.stat(follow_symlinks=False)
                    found.append((status.st_mtime, status.st_size, Path(item.path)))
    return found


def _shrink(folder: Path, limit: int) -> None:
    """Remove the entries used longest ago down to 7/8 of the limit, and what crashes left."""
    entries = sorted(_entries(folder), key=lambda entry: entry[0])
    total = sum(size for _, size, _ in entries)
    if total > limit:
        for _, size, path in entries:
            if total <= limit * 7 // 8:
                break
            with suppress(OSError):
                path.unlink()
                total -= size
    for path in folder.glob(".*.tmp"):
        with suppress(OSError):
            if time.time() - path.stat().st_mtime > _DAY:
                path.unlink()


@functools.cache
def _words(target: Target) -> tuple[str, ...]:
    return tuple(map(str, astuple(target)))


@functools.cache
def _llvm_version() -> str:
    return f"llvmlite {llvmlite.__version__}, LLVM {llvm.llvm_version_info}"


#: The rooms of the package whose source decides what code and plans are made of a graph.
_DECIDING = ("base", "ir", "ops", "analysis", "passes", "compile", "runtime/native")


@functools.cache
def _source_hash() -> str | None:
    """Hash of all source that decides about the code and the plans; None if some changed."""
    package = Path(str(sys.modules["graphcnn"].__file__)).parent
    files = [f for room in _DECIDING for f in (package / room).rglob("*.py")]
    found = hashlib.sha256()
    for path in sorted(files):
        if path.stat().st_mtime > _STARTED:
            return None
        found.update(path.name.encode() + path.read_bytes() + b"\0")
    return found.hexdigest()
