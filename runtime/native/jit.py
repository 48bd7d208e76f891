"""From a kernel to the address of its machine code: LLVM IR, object code, linked.

Object code is kept on disk (see `cache`), loaded code for the life of the process: equal kernels
are compiled once. LLVM is entered by one thread at a time.
"""

import functools
import itertools
import os
import platform
import threading
from collections.abc import Callable
from typing import Any

import llvmlite.binding as llvm

from graphcnn.errors import GraphCnnError
from graphcnn.runtime.native import cache
from graphcnn.runtime.native.emit import Emitter
from graphcnn.runtime.native.kernel import Kernel
from graphcnn.runtime.native.target import Target

#: Name of the function in every object.
ENTRY = "kernel"

_lock = threading.RLock()
_loaded: dict[tuple[str, int, Target], int] = {}
_libraries: list[Any] = []  # keep the code mapped
_numbers = itertools.count()

# A child must not inherit a lock that another thread of its parent holds, nor LLVM half-way.
if hasattr(os, "register_at_fork"):
    os.register_at_fork(
        before=_lock.acquire, after_in_parent=_lock.release, after_in_child=_lock.release
    )


def compile_kernel(kernel: Kernel, target: Target) -> int:
    """Address of `void kernel(ptr table, i64 part, i64 parts)`, valid while the process lives.

    Raises:
        GraphCnnError: this machine cannot run code for `target`.
    """
    with _lock:
        key = (kernel.key, kernel.operands, target)
        if key not in _loaded:
            check_runnable(target)
            _loaded[key] = load(compile_object(kernel, target), ENTRY)[0]
        return _loaded[key]


def compile_object(kernel: Kernel, target: Target) -> bytes:
    """Object code of a kernel, from the disk or from LLVM. Any target."""
    key = f"{kernel.key}/{kernel.operands}/{kernel.inplace}"
    return cached_object(key, lambda: _text(kernel, target), target)


def cached_object(key: str, make: Callable[[], str], target: Target) -> bytes:
    """The object code for the LLVM IR that `make` gives, if the disk does not hold it."""
    with _lock:
        entry = cache.entry_key(key, target)
        found = cache.fetch(entry)
        if found is None:
            found = bytes(_machine(target).emit_object(_parsed(make())))
            cache.store(entry, found)
        return found


def _text(kernel: Kernel, target: Target) -> str:
    e = Emitter(ENTRY, target, kernel.operands)
    for operand in {i for pair in kernel.inplace for i in pair}:
        e.operands[operand].attributes.discard("noalias")
    kernel.emit(e)
    return str(e.finish())


def _parsed(text: str) -> Any:
    """LLVM's module of a text.

    No optimisation of the IR follows: kernels are written the way they shall run, and measured as
    fast without it; the code generator still chooses instructions, hoists, schedules and allocates.
    That takes a quarter of the time.
    """
    try:
        module = llvm.parse_assembly(text, llvm.create_context())  # goes with the module
        module.verify()
    except RuntimeError as error:
        raise AssertionError(f"invalid LLVM IR: {error}\n{text}") from None
    return module


def assembly(kernel: Kernel, target: Target) -> str:
    """The machine code of a kernel as text, to be read by people."""
    with _lock:
        return str(_machine(target).emit_assembly(_parsed(_text(kernel, target))))


def load(code: bytes, *entries: str) -> tuple[int, ...]:
    """Addresses of the functions `entries` in object code for this machine."""
    with _lock:
        builder = llvm.JITLibraryBuilder().add_object_img(code).add_current_process()
        for entry in entries:
            builder.export_symbol(entry)
        library = builder.link(_linker(), f"library{next(_numbers)}")
        _libraries.append(library)
        return tuple(int(library[entry]) for entry in entries)


def check_runnable(target: Target) -> None:
    """Raises `GraphCnnError` where this machine cannot run code for `target`."""
    if not can_run(target):
        raise GraphCnnError(f"code for {target.name} ({target.triple}) cannot run on this machine")


@functools.cache
def can_run(target: Target) -> bool:
    """Whether this machine runs code for `target`: its architecture, its vector instructions."""
    if not _is_native(target):
        return False
    if target.name == "host" or platform.machine() not in ("x86_64", "AMD64"):
        return True
    features = llvm.get_host_cpu_features()
    needed = (f[1:] for f in target.features.split(",") if f.startswith("+"))
    return all(features.get(f) for f in needed)


def _is_native(target: Target) -> bool:
    """Whether code for `target` is code for this machine's architecture."""
    return bool(target.triple.split("-")[0] == llvm.get_default_triple().split("-")[0])


@functools.cache
def _machine(target: Target) -> Any:
    if _is_native(target):
        llvm.initialize_native_target()
        llvm.initialize_native_asmprinter()
    else:
        llvm.initialize_all_targets()
        llvm.initialize_all_asmprinters()
    found = llvm.Target.from_triple(target.triple)
    return found.create_target_machine(
        cpu=target.cpu, features=target.features, opt=3, reloc="pic", codemodel="default"
    )


@functools.cache
def _linker() -> Any:
    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    machine = llvm.Target.from_default_triple().create_target_machine(opt=3)
    # JITLink puts code and constants of an object into one block. The other linker may put them
    # more than 2 GiB apart, which their 32-bit distances cannot say, and ends the process.
    return llvm.create_lljit_compiler(machine, use_jit_link=True)
