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
        linker: the command with which a program is made of the object; NAME is the network.
        emulator: the command that runs such a program where there is no system, but for its name:
            an example brings what starts it.
    """

    name: str
    about: str
    target: Target
    format: str = "elf"
    loadable: bool = False
    linker: str = "cc main.c NAME.o -o NAME"
    emulator: str = ""

    def command(self, name: str) -> str:
        """The command with which a program is made of the object of a network."""
        return self.linker.replace("NAME", name)


def _bare(name: str, triple: str, cpu: str, features: str, **fields: Any) -> Target:
    """A processor without system or library; pointers of 32 bits do not reach beyond 4 GiB."""
    pointers = fields.get("pointer_bytes", 8)
    return Target(
        name, triple, cpu, features, vector_bytes=16, attributes=ATTRIBUTES,
        relocation="static" if pointers == 4 else "pic", **fields,
    )  # fmt: skip


_SIMD = "+simd128,+bulk-memory,+sign-ext,+nontrapping-fptoint"
_WASM = _bare("wasm", "wasm32-unknown-unknown", "generic", _SIMD, registers=16, pointer_bytes=4)
#: Four single registers stand for a vector: half the instructions of code for one number each. What
#: is broadcast is loaded once for its four multiply-adds.
_SINGLE = {"broadcast": 0.25, "l1": 16 << 10}
_CORTEX = {**_SINGLE, "registers": 8, "pointer_bytes": 4, "l2": 64 << 10, "tight": True}
_THUMB = "thumbv7em-unknown-none-eabihf"
#: The command of a compiler for what has no system; libgcc is no library of C, and part of it.
_ALONE = "{} -ffreestanding -nostdlib -Wl,-z,noexecstack -T link.ld main.c NAME.o -lgcc -o NAME.elf"
_ARM_GCC = _ALONE.format("arm-none-eabi-gcc -mcpu={} -mfpu={} -mthumb -mfloat-abi=hard")
_RISCV_GCC = _ALONE.format("riscv64-unknown-elf-gcc -march=rv32imafc -mabi=ilp32f")
_ARM_QEMU = "qemu-system-arm -M {} -nographic -semihosting -icount shift=0 -kernel"
_RISCV_QEMU = (
    "qemu-system-riscv32 -M virt -bios none -nographic -semihosting -icount shift=0 -kernel"
)


def _linux(level: str) -> Target:
    return replace(named(level), attributes=ATTRIBUTES)


def _machines() -> list[Machine]:
    riscv = {**_SINGLE, "registers": 16, "l2": 128 << 10}
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
            linker=_ARM_GCC.format("cortex-m4", "fpv4-sp-d16"),
            emulator=_ARM_QEMU.format("mps2-an386"),
        ),
        Machine(
            "cortex-m7", "microcontrollers with a Cortex-M7 of double precision",
            _bare("cortex-m7", _THUMB, "cortex-m7", "", **_CORTEX),
            linker=_ARM_GCC.format("cortex-m7", "fpv5-d16"),
            emulator=_ARM_QEMU.format("mps2-an500"),
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
                  pointer_bytes=4, tight=True, **riscv),
            linker=_RISCV_GCC, emulator=_RISCV_QEMU,
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
        near = get_close_matches(name.lower(), known, 1, 0.5) if isinstance(name, str) else []
        hint = f"did you mean {near[0]!r}? " if near else ""
        raise GraphCnnError(f"unknown target {name!r}; {hint}known are {', '.join(MACHINES)}")
    return MACHINES[SHORT.get(name, name)]
