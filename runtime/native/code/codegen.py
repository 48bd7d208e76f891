"""The LLVM IR of a kernel, for the process itself (`jit`) and for other machines (`ahead`)."""

import hashlib
from typing import Any

from graphcnn.runtime.native.code.emit import Emitter
from graphcnn.runtime.native.code.kernel import Kernel
from graphcnn.runtime.native.code.llvm import llvm
from graphcnn.runtime.native.code.target import Target


def entry_of(kernel: Kernel) -> str:
    """Name of the function in the object code of a kernel: another for every code."""
    return f"kernel_{hashlib.sha256(code_key(kernel).encode()).hexdigest()[:32]}"


def code_key(kernel: Kernel) -> str:
    """What the code of a kernel depends on besides the target."""
    return f"{kernel.key}/{kernel.operands}/{kernel.inplace}"


def kernel_text(kernel: Kernel, target: Target, entry: bool = True) -> str:
    """Its function; without `entry` the body alone, which takes the operands and not a table."""
    e = Emitter(entry_of(kernel), target, kernel.operands, entry=entry)
    for operand in overlapping(kernel):
        e.operands[operand].attributes.discard("noalias")
    kernel.emit(e)
    return str(e.finish())


def overlapping(kernel: Kernel) -> set[int]:
    """The operands that LLVM may not take for memory of their own: the inputs that may lie where a
    result does, and all operands behind the last of them, among which the results are."""
    inputs = {i for i, _ in kernel.inplace}
    return inputs | set(range(max(inputs, default=kernel.operands) + 1, kernel.operands))


def parsed(text: str, context: Any = None) -> Any:
    """LLVM's module of a text, in a context of its own unless one is given."""
    try:
        module = llvm.parse_assembly(text, context or llvm.create_context())
        module.verify()
    except RuntimeError as error:
        raise AssertionError(f"invalid LLVM IR: {error}\n{text}") from None
    return module
