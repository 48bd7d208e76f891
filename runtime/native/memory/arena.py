"""Memory for a plan: one block, reserved once, its pages given by the system when first touched.

A test run asks for guards: the block then stands between pages that cannot be touched, as tight as
alignment allows, and `poison` fills the parts that hold nothing with 0xFF, which is NaN to floats.
Between the buffers in it lie red zones (see `red_zones`).
"""

import ctypes
import functools
import mmap
import os
from collections.abc import Callable, Iterable
from contextlib import suppress

import numpy as np

from graphcnn.errors import GraphCnnError
from graphcnn.ir.node import Array
from graphcnn.ir.storage import storage_bytes, storage_shape
from graphcnn.ir.tensor_type import TensorType
from graphcnn.runtime.native.memory.limits import available_memory

ALIGNMENT = 64  # a cache line, the widest vector
READABLE = 64  # bytes after the end of every buffer that a kernel may read, never write
RED_ZONE = 256  # bytes between buffers in a test run, which nothing may write
POISON = 0xFF  # in every byte: NaN to floats, -1 to integers
_HUGE_PAGE = 2 << 20

Buffers = Callable[[], Iterable[tuple[str, int]]]


class Arena:
    """`size` bytes, 64-byte aligned, zero at first, and 64 more that may be read.

    Private to the process: a forked child has its own copy. `bytes` is all of it as an array.
    """

    def __init__(self, size: int, guard: bool | None = None) -> None:
        self.size = size
        self.guard = guards_wanted() if guard is None else guard
        room = round_up(size + READABLE, ALIGNMENT)
        edge = mmap.PAGESIZE if self.guard else 0
        inside = round_up(room, mmap.PAGESIZE)
        self._map = _reserve(inside + 2 * edge)
        base = ctypes.addressof(ctypes.c_char.from_buffer(self._map))
        #: Address of the first byte: with guards, such that the last ones touch the guard.
        self.address = base + (edge + inside - room if self.guard else 0)
        if self.guard:
            _protect(base, edge)
            _protect(base + edge + inside, edge)
        elif size >= 2 * _HUGE_PAGE and hasattr(mmap, "MADV_HUGEPAGE"):
            with suppress(OSError):  # a wish: fewer, larger pages
                self._map.madvise(mmap.MADV_HUGEPAGE)
        self.bytes = _bytes_at(self.address, room, self)

    def view(self, offset: int, kind: TensorType) -> Array:
        """The memory of a value as an array (of its storage), which keeps the block alive."""
        size = storage_bytes(kind)
        if offset < 0 or offset + size > self.size:
            raise ValueError(f"{kind} at {offset} does not lie within {self.size} bytes")
        shape = tuple(int(d) for d in storage_shape(kind) if isinstance(d, int))
        found = self.bytes[offset : offset + size]
        return found.view(kind.dtype.numpy).reshape(shape)

    def poison(self, live: Iterable[tuple[int, int]] = ()) -> None:
        """Fill all bytes with NaN but those of `live`, pairs (first, last + 1)."""
        free = 0
        for first, last in (*sorted(live), (self.size, self.size)):
            self.bytes[free : max(free, first)] = POISON
            free = max(free, last)
        self.bytes[self.size :] = POISON


def aligned_empty(kind: TensorType) -> Array:
    """A fresh array at an aligned address with 64 readable bytes after it: a kernel may use it."""
    shape = tuple(int(d) for d in kind.shape if isinstance(d, int))
    size = kind.bytes
    block = np.empty(size + ALIGNMENT + READABLE, np.uint8)
    start = -block.__array_interface__["data"][0] % ALIGNMENT
    return block[start : start + size].view(kind.dtype.numpy).reshape(shape)


def usable_in_place(array: Array) -> bool:
    """Whether a kernel may read `array` where it lies: contiguous, aligned, its surroundings too.

    The 64 bytes after its end must not lie on another page, which may not be there.
    """
    if not array.flags.c_contiguous:
        return False
    address = int(array.__array_interface__["data"][0])
    end = address + array.nbytes
    same_page = (end - 1) // mmap.PAGESIZE == (end + READABLE - 1) // mmap.PAGESIZE
    return address % ALIGNMENT == 0 and same_page


def guards_wanted() -> bool:
    """GRAPHCNN_ARENA=guard: run between guard pages, with NaN wherever nothing was written."""
    mode = os.environ.get("GRAPHCNN_ARENA", "")
    if mode not in ("", "guard"):
        raise GraphCnnError(f"GRAPHCNN_ARENA={mode!r} is unknown; it is empty or 'guard'")
    return mode == "guard"


def round_up(size: int, step: int) -> int:
    return -(-size // step) * step


def require_memory(
    needed: int,
    buffers: Buffers,
    available: int | None = None,
) -> None:
    """Raises `GraphCnnError` before anything is allocated that the machine does not have.

    Args:
        needed: bytes in all.
        buffers: gives pairs (what, bytes), of which the largest three are named.
        available: bytes; asked from the system if not given.
    """
    available = available_memory() if available is None else available
    if available is not None and needed > available:
        raise GraphCnnError(_refusal(needed, buffers, f"{format_bytes(available)} are available"))


def out_of_memory(needed: int, buffers: Buffers) -> GraphCnnError:
    """The error for memory that the system refused to give."""
    return GraphCnnError(_refusal(needed, buffers, "the system refuses to give as much"))


def _refusal(needed: int, buffers: Buffers, but: str) -> str:
    largest = sorted(buffers(), key=lambda buffer: -buffer[1])[:3]
    named = ", ".join(f"{what} {format_bytes(size)}" for what, size in largest)
    return (
        f"a run needs {format_bytes(needed)} of memory, {but}. "
        f"The largest tensors: {named}. A smaller batch or smaller images need less."
    )


def format_bytes(size: int) -> str:
    """12345678 -> "11.8 MiB"."""
    number, unit = float(size), 0
    while number >= 1024 and unit < 4:
        number, unit = number / 1024, unit + 1
    return f"{number:.1f} {'KMGT'[unit - 1]}iB" if unit else f"{size} bytes"


def _reserve(size: int) -> mmap.mmap:
    if hasattr(mmap, "MAP_PRIVATE"):
        return mmap.mmap(-1, size, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    return mmap.mmap(-1, size)


def _protect(address: int, size: int) -> None:
    none = 0
    if _libc().mprotect(address, size, none) != 0:
        raise OSError(ctypes.get_errno(), "mprotect")


def give_back() -> None:
    """Give freed memory back to the system, which the GNU library keeps for later requests."""
    with suppress(OSError, AttributeError, TypeError):  # another library, another system
        _libc().malloc_trim(0)


@functools.cache
def _libc() -> ctypes.CDLL:
    libc = ctypes.CDLL(None, use_errno=True)
    libc.mprotect.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int]
    return libc


def _bytes_at(address: int, size: int, owner: Arena) -> Array:
    """The memory as an array of bytes; the arrays made from it keep `owner` alive."""
    buffer = (ctypes.c_uint8 * size).from_address(address)
    buffer.owner = owner._map  # type: ignore[attr-defined]
    return np.asarray(memoryview(buffer).cast("B"))
