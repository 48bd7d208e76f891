"""From a kernel to the address of its machine code: LLVM IR, object code, linked.

No optimisation of the IR lies between: kernels are written the way they shall run, and measured as
fast without it; the code generator still chooses instructions, hoists, schedules and allocates.
That takes a quarter of the time.

Object code is kept on disk (see `cache`), loaded code for the life of the process: equal kernels
are compiled once. LLVM is entered by one thread at a time.
"""

import functools
import itertools
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from graphcnn.base.garbage import drop_young
from graphcnn.errors import GraphCnnError
from graphcnn.runtime.native.code import cache
from graphcnn.runtime.native.code.codegen import code_key, entry_of, kernel_text, parsed
from graphcnn.runtime.native.code.kernel import Kernel
from graphcnn.runtime.native.code.llvm import ROOM, llvm, require_executable_memory, require_room
from graphcnn.runtime.native.code.target import Target, can_run, llvm_lock, machine

_loaded: dict[tuple[str, Target], int] = {}  # addresses by entry and target
_libraries: list[Any] = []  # keep the code mapped
_numbers = itertools.count()


def compile_kernels(kernels: Sequence[Kernel], target: Target) -> list[int]:
    """Addresses of `void kernel(ptr table, i64 part, i64 parts)`, valid while the process lives.

    What is not loaded yet is linked at once: that takes a third of the time of one by one.

    Raises:
        GraphCnnError: this machine cannot run code for `target`.
    """
    with llvm_lock:
        entries = [entry_of(kernel) for kernel in kernels]
        new = {e: k for e, k in zip(entries, kernels, strict=True) if (e, target) not in _loaded}
        if new:
            check_runnable(target)
            codes = [compile_object(kernel, target) for kernel in new.values()]
            for entry, address in zip(new, load(codes, *new), strict=True):
                _loaded[entry, target] = address
        return [_loaded[entry, target] for entry in entries]


def compile_kernel(kernel: Kernel, target: Target) -> int:
    """The address of one kernel, as `compile_kernels`."""
    return compile_kernels([kernel], target)[0]


def compile_object(kernel: Kernel, target: Target) -> bytes:
    """Object code of a kernel, from the disk or from LLVM. Any target."""
    return cached_object(code_key(kernel), lambda: kernel_text(kernel, target), target)


def cached_object(key: str, make: Callable[[], str], target: Target) -> bytes:
    """The object code for the LLVM IR that `make` gives, if the disk does not hold it."""
    with llvm_lock:
        entry = cache.entry_key(key, target)
        found = cache.fetch(entry)
        if found is None:
            require_room(ROOM, "to compile a kernel")
            found = bytes(machine(target).emit_object(parsed(make())))
            cache.store(entry, found)
            drop_young()  # the IR
        return found


def assembly(kernel: Kernel, target: Target) -> str:
    """The machine code of a kernel as text, to be read by people."""
    with llvm_lock:
        return str(machine(target).emit_assembly(parsed(kernel_text(kernel, target))))


def load(codes: Iterable[bytes], *entries: str) -> tuple[int, ...]:
    """Addresses of the functions `entries` in object code for this machine.

    Raises:
        GraphCnnError: the system gives no memory for it, forbids to run what was written, or lacks
            a function that it calls.
    """
    with llvm_lock:
        require_room(ROOM, "to load compiled code")
        require_executable_memory()
        builder = llvm.JITLibraryBuilder().add_current_process()
        for code in codes:
            builder.add_object_img(code)
        for entry in entries:
            builder.export_symbol(entry)
        try:
            library = builder.link(_linker(), f"library{next(_numbers)}")
            found = tuple(int(library[entry]) for entry in entries)
        except RuntimeError as error:
            raise GraphCnnError(f"generated code cannot be loaded: {error}") from None
        _libraries.append(library)
        return found


def check_runnable(target: Target) -> None:
    """Raises `GraphCnnError` where this machine cannot run code for `target`."""
    if not can_run(target):
        raise GraphCnnError(f"code for {target.name} ({target.triple}) cannot run on this machine")


@functools.cache
def _linker() -> Any:
    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    machine = llvm.Target.from_default_triple().create_target_machine(opt=3)
    # JITLink puts code and constants of an object into one block. The other linker may put them
    # more than 2 GiB apart, which their 32-bit distances cannot say, and ends the process.
    return llvm.create_lljit_compiler(machine, use_jit_link=True)
