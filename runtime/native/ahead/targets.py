"""For what networks are built: processors, and the files that others take code in.

`Target` tells what code is generated for, as ever; here it has no system around it and no C
library, so that nothing may be left for a linker to find.
"""

from dataclasses import dataclass, replace
from difflib import get_close_matches
from typing import Any

from graphcnn.errors import GraphCnnError
from graphcnn.runtime.native.code.target import Target, named

#: Of every function: it throws nothing, no loop of it becomes a call of memcpy or memset, and LLVM
#: tells what it takes of the stack.
ATTRIBUTES = ("nounwind", '"no-builtins"', '"warn-stack-size"="0"')


@dataclass(frozen=True)
class Machine:
    """What a network is built for.

    Attributes:
        name: as people ask for it.
        about: what it runs on.
        target: the processor.
        format: of the object code: "elf", "wasm", "coff" or "macho".
        loadable: there is a shared library, made without a linker.
        firmware: there is no system; an example brings what starts it.
        linker: the command with which a program is made of the object; NAME is the network.
    """

    name: str
    about: str
    target: Target
    format: str = "elf"
    loadable: bool = False
    firmware: bool = False
    linker: str = "cc main.c NAME.o -o NAME"


def _bare(name: str, triple: str, cpu: str, features: str, **fields: Any) -> Target:
    """A processor without system or library; pointers of 32 bits do not reach beyond 4 GiB."""
    pointers = fields.get("pointer_bytes", 8)
    return Target(
        name, triple, cpu, features, vector_bytes=16, attributes=ATTRIBUTES,
        relocation="static" if pointers == 4 else "pic", **fields,
    )  # fmt: skip


_SIMD = "+simd128,+bulk-memory,+sign-ext,+nontrapping-fptoint"
_WASM = _bare("wasm", "wasm32-unknown-unknown", "generic", _SIMD, registers=16, pointer_bytes=4)
#: Four single registers stand for a vector: half the instructions of code for one number each.
_CORTEX = {"registers": 8, "pointer_bytes": 4, "l1": 16 << 10, "l2": 64 << 10}
_THUMB = "thumbv7em-unknown-none-eabihf"
_ARM_GCC = "arm-none-eabi-gcc -mthumb -mfloat-abi=hard main.c NAME.o -o NAME.elf"


def _linux(level: str) -> Target:
    return replace(named(level), attributes=ATTRIBUTES)


def _machines() -> list[Machine]:
    riscv = {"registers": 16, "l1": 16 << 10, "l2": 128 << 10}
    return [
        Machine(
            "wasm", "browsers, Node, Deno and other WebAssembly, vectors of 128 bits", _WASM,
            "wasm", linker="",
        ),
        Machine(
            "wasm-relaxed", "the same with fused multiply-adds: faster, and rounded by each "
            "processor as it does", replace(_WASM, name="wasm-relaxed", relaxed=True,
            features=_SIMD + ",+relaxed-simd"), "wasm", linker="",
        ),
        *(
            Machine(
                f"linux-x86-64-{level}", f"64-bit PCs with {what}", _linux(level), loadable=True,
            )
            for level, what in (
                ("sse2", "SSE2: all of them"), ("avx2", "AVX2 and FMA, from about 2013 on"),
                ("avx512", "AVX-512"),
            )
        ),
        Machine(
            "linux-aarch64", "64-bit ARM", _linux("neon"), loadable=True,
            linker="aarch64-linux-gnu-gcc main.c NAME.o -o NAME",
        ),
        Machine(
            "cortex-m4", "microcontrollers with a Cortex-M4F",
            _bare("cortex-m4", _THUMB, "cortex-m4", "", **_CORTEX),
            firmware=True, linker=f"{_ARM_GCC} -mcpu=cortex-m4 -mfpu=fpv4-sp-d16",
        ),
        Machine(
            "cortex-m7", "microcontrollers with a Cortex-M7 of double precision",
            _bare("cortex-m7", _THUMB, "cortex-m7", "", **_CORTEX),
            firmware=True, linker=f"{_ARM_GCC} -mcpu=cortex-m7 -mfpu=fpv5-d16",
        ),
        Machine(
            "riscv64", "64-bit RISC-V with floats, RV64GC",
            _bare("riscv64", "riscv64-unknown-linux-gnu", "generic-rv64", "+m,+a,+f,+d,+c",
                  **riscv),
            linker="riscv64-linux-gnu-gcc main.c NAME.o -o NAME",
        ),
        Machine(
            "riscv32", "32-bit RISC-V with floats, RV32IMFC",
            _bare("riscv32", "riscv32-unknown-none-elf", "generic-rv32", "+m,+f,+c",
                  pointer_bytes=4, **riscv),
            linker="riscv32-unknown-elf-gcc -march=rv32imfc -mabi=ilp32f main.c NAME.o -o NAME.elf",
        ),
        Machine(
            "windows-x86-64", "Windows on 64-bit PCs, SSE2",
            replace(_linux("sse2"), name="windows", triple="x86_64-pc-windows-gnu"), "coff",
            linker="cl main.c NAME.obj",
        ),
        Machine(
            "macos-arm64", "Apple silicon",
            replace(_linux("neon"), name="macos", triple="arm64-apple-macosx11.0", cpu="apple-m1"),
            "macho", linker="cc main.c NAME.o -o NAME",
        ),
    ]  # fmt: skip


MACHINES = {machine.name: machine for machine in _machines()}
#: Names that stand for another: what runs everywhere.
SHORT = {"linux-x86-64": "linux-x86-64-sse2"}


def machine_named(name: str) -> Machine:
    """Raises `GraphCnnError` for a name that is none, with the nearest."""
    known = [*MACHINES, *SHORT]
    if name not in known:
        near = get_close_matches(name, known, 1, 0.4)
        hint = f"did you mean {near[0]!r}? " if near else ""
        raise GraphCnnError(f"unknown target {name!r}; {hint}known are {', '.join(MACHINES)}")
    return MACHINES[SHORT.get(name, name)]
