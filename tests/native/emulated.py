"""Runs a kernel for another processor: a program of its own, linked and run under qemu-user.

Needed are `qemu-aarch64` and the assembler and linker of that architecture (Debian: qemu-user and
binutils-aarch64-linux-gnu); without them such kernels are only compiled, and so are the few that
call the C library (exp of float64). The program reads its memory from stdin, calls the kernel once
for each part, and writes its memory to stdout.
"""

import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from functools import cache
from pathlib import Path

import numpy as np

from graphcnn.runtime.native.code import jit
from graphcnn.runtime.native.code.codegen import entry_of
from graphcnn.runtime.native.code.kernel import Kernel
from graphcnn.runtime.native.code.target import Target

#: Names of the architecture of a triple in the names of the tools.
TOOLS = {"aarch64": ("qemu-aarch64", "aarch64-linux-gnu-as", "aarch64-linux-gnu-ld")}


class NeedsLibraryError(Exception):
    """A kernel calls functions of the C library."""


PROGRAM = """
.bss
.balign 64
memory: .skip {total}
.data
.balign 8
table: .quad {places}
.text
.global _start, memset, memcpy
_start:
  mov x8, 63              // read all
  mov x0, 0
  bl all
{calls}
  mov x8, 64              // write all
  mov x0, 1
  bl all
  mov x8, 93              // exit
  mov x0, 0
  svc 0
all:                      // system call x8 on file x0 until the whole memory is done
  mov x4, x0
  ldr x1, =memory
  ldr x2, ={total}
more:
  mov x0, x4
  svc 0
  add x1, x1, x0
  subs x2, x2, x0
  b.gt more
  ret
memset:                   // what LLVM may call
  mov x3, x0
  cbz x2, set
byte:
  strb w1, [x3], 1
  subs x2, x2, 1
  b.ne byte
set:
  ret
memcpy:
  mov x3, x0
  cbz x2, copied
next:
  ldrb w4, [x1], 1
  strb w4, [x3], 1
  subs x2, x2, 1
  b.ne next
copied:
  ret
"""

CALL = """  ldr x0, =table
  mov x1, {part}
  mov x2, {parts}
  bl {entry}"""


@cache
def can_emulate(target: Target) -> bool:
    """Whether the tools for this processor are installed."""
    tools = TOOLS.get(target.triple.split("-")[0], ())
    return bool(tools) and all(map(shutil.which, tools))


def emulate(kernel: Kernel, target: Target, blocks: Sequence[np.ndarray], parts: int) -> None:
    """Call the kernel for all parts; each block of bytes has its operand 64 bytes after its begin.

    The blocks are changed in place.
    """
    sizes = [-(-len(block) // 64) * 64 for block in blocks]
    starts = np.cumsum([0, *sizes]).tolist()
    memory = np.full(starts[-1], 0xFF, np.uint8)
    for start, block in zip(starts, blocks, strict=False):
        memory[start : start + len(block)] = block
    places = ", ".join(f"memory + {start + 64}" for start in starts[:-1])
    entry = entry_of(kernel)
    calls = "\n".join(CALL.format(entry=entry, part=part, parts=parts) for part in range(parts))
    program = PROGRAM.format(total=starts[-1], places=places, calls=calls)
    qemu, assembler, link = TOOLS[target.triple.split("-")[0]]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "kernel.o").write_bytes(jit.compile_object(kernel, target))
        subprocess.run(
            [assembler, "-o", "program.o", "-"], cwd=folder, check=True, input=program, text=True
        )
        objects = ["program.o", "kernel.o"]
        linked = subprocess.run(
            [link, "-o", "program", *objects], cwd=folder, capture_output=True, text=True
        )
        if "undefined reference" in linked.stderr:
            raise NeedsLibraryError(linked.stderr)
        linked.check_returncode()
        done = subprocess.run(
            [qemu, "program"], cwd=folder, input=memory.tobytes(), capture_output=True, check=False
        )
    assert done.returncode == 0, f"{kernel.key}: {done.returncode} {done.stderr.decode()}"
    found = np.frombuffer(done.stdout, np.uint8)
    assert len(found) == len(memory), f"{kernel.key}: {len(found)} of {len(memory)} bytes"
    for start, block in zip(starts, blocks, strict=False):
        block[:] = found[start : start + len(block)]
