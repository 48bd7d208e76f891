"""From a module to object code with the weights in it."""

import os
import re
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np

from graphcnn.runtime.native.ahead.module import MARK, Program
from graphcnn.runtime.native.code.codegen import kernel_text, parsed
from graphcnn.runtime.native.code.kernel import Kernel
from graphcnn.runtime.native.code.target import Target, llvm_lock, machine

#: How LLVM tells what a function takes of the stack.
_FRAME = re.compile(rb"stack frame size \((\d+)\) exceeds limit \(\d+\) in function '([^']+)'")
#: Bytes of a return address and of what keeps the stack aligned, of each call.
_CALL = 32


@dataclass(frozen=True)
class Object:
    """Object code.

    Attributes:
        stack: bytes of the stack that a run takes at most.
    """

    code: bytes
    stack: int


def object_of(module: Any, *programs: Program) -> Object:
    """The object code of the module of these programs.

    The weights never pass through LLVM, which takes seconds for millions of numbers: where they are
    inside, it lays down zeros behind a mark, and here the weights take their place.
    """
    program = programs[0]
    with llvm_lock:
        with _errors() as told:
            code = bytes(machine(program.target).emit_object(module))
    frames = {found[2].decode(): int(found[1]) for found in _FRAME.finditer(told())}
    own = max(frames.pop(each.function, 0) for each in programs)
    stack = own + max(frames.values(), default=0) + 2 * _CALL
    filled = program.weights == "inside" and program.places.weights
    return Object(_filled(code, program) if filled else code, stack)


def object_of_kernel(kernel: Kernel, target: Target) -> bytes:
    """The object code of one kernel, to see what it calls."""
    with llvm_lock, _errors():
        return bytes(machine(target).emit_object(parsed(kernel_text(kernel, target))))


def _filled(code: bytes, program: Program) -> bytes:
    mark, weights = program.mark, program.places.weights
    if code.count(mark) != 1:
        raise AssertionError(f"the place of the weights is found {code.count(mark)} times")
    start = code.index(mark)
    end = start + len(weights)
    if np.frombuffer(code, np.uint8)[start + MARK : end].any():
        raise AssertionError("something else lies where the weights are to lie")
    whole = memoryview(code)
    return b"".join((whole[:start], weights, whole[end:]))


_capturing = threading.Lock()


@contextmanager
def _errors() -> Iterator[Any]:
    """What the process writes to its standard error meanwhile: LLVM tells of frames there."""
    with _capturing, tempfile.TemporaryFile() as file:
        before = os.dup(2)
        os.dup2(file.fileno(), 2)
        content = b""

        def read() -> bytes:
            return content

        try:
            yield read
        finally:
            os.dup2(before, 2)
            os.close(before)
            file.seek(0)
            content = file.read()
