"""LLVM's library, and what is asked before it is entered: without memory it ends the process."""

import ctypes
import mmap
import os

from graphcnn.errors import GraphCnnError
from graphcnn.runtime.native.memory.limits import address_room

#: Bytes of addresses that the library takes (measured: 160 MiB), and what one kernel takes while it
#: is compiled, with all that other threads of the program take meanwhile (10 MiB).
LIBRARY, ROOM = 192 << 20, 96 << 20


def require_room(needed: int, what: str) -> None:
    """Raises `GraphCnnError` where this process may not take so many bytes more."""
    room = address_room()
    if room is not None and room < needed:
        raise GraphCnnError(
            f"{what} the native runtime wants {needed >> 20} MiB of memory, but the limit of this "
            f'process (ulimit -v) leaves {room >> 20} MiB: raise it, or take runtime="reference"'
        )


def require_executable_memory() -> None:
    """Raises `GraphCnnError` where the system lets no written memory become code.

    So do services with MemoryDenyWriteExecute, and some policies of SELinux. Tried is what LLVM
    does, which ends the process when it fails.
    """
    if os.name != "posix":
        return
    page = mmap.mmap(-1, mmap.PAGESIZE)
    first = ctypes.c_char.from_buffer(page)
    protect = ctypes.CDLL(None, use_errno=True).mprotect
    protect.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int]
    failed = protect(ctypes.addressof(first), mmap.PAGESIZE, mmap.PROT_READ | mmap.PROT_EXEC)
    reason = os.strerror(ctypes.get_errno())
    del first  # the page is given back
    if failed:
        raise GraphCnnError(
            "this system forbids programs to make machine code while they run "
            f'(mprotect: {reason}): allow it, or take runtime="reference"'
        )


require_room(LIBRARY, "to load LLVM")
try:
    import llvmlite.binding as llvm
except OSError as error:
    raise GraphCnnError(
        f'the native runtime cannot load LLVM ({error}); runtime="reference" needs none'
    ) from None

__all__ = ["LIBRARY", "ROOM", "llvm", "require_executable_memory", "require_room"]
