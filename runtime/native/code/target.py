"""What code is generated for: a processor's vectors, registers, instructions and caches.

What a processor can do is asked by feature and never by name: "host" is a new server as well as an
old laptop, or a virtual machine that hides half of what its processor has.
"""

import functools
import os
import platform
import threading
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from graphcnn.errors import GraphCnnError
from graphcnn.ir.tensor_type import DType
from graphcnn.runtime.native.code.llvm import ROOM, llvm, require_room

#: What a number in every lane costs beside a multiply-add of vectors, as measured: as an operand in
#: memory of the multiply-add itself, as an instruction of its own.
EMBEDDED, LOADED = 0.1, 0.5

#: LLVM is entered by one thread at a time.
llvm_lock = threading.RLock()

# A child must not inherit a lock that another thread of its parent holds, nor LLVM half-way.
if hasattr(os, "register_at_fork"):
    os.register_at_fork(
        before=llvm_lock.acquire,
        after_in_parent=llvm_lock.release,
        after_in_child=llvm_lock.release,
    )


@dataclass(frozen=True)
class Target:
    """A processor, and what surrounds code for it: all that kernels and driver ask about a machine.

    Attributes:
        name: for people; no code depends on it.
        triple, cpu, features: what LLVM is told.
        vector_bytes, registers: width and number of vector registers.
        l1, l2, l3: bytes of the caches, per core.
        spare: vector registers that are left for operands, beside those of sums.
        broadcast: what a number from memory in every lane costs, in multiply-adds of vectors.
        masks: comparisons give a bit for each lane, in registers of their own.
        pointer_bytes: the size of an address, and of a word of a table of operands.
        relocation: LLVM's model of it, "pic" or "static".
        relaxed: a · b + c of vectors is rounded once or twice, as the processor likes it.
        tight: memory is short: an algorithm that takes much of it beside images is not chosen.
        attributes: those of every function, as LLVM IR: without a C library `"no-builtins"`.
        pause: the instruction by which a processor is told that a loop only waits, as LLVM IR.
        futex: the number of the system call by which threads wait, where there is one.
        posix: there is `sched_yield`, and `usleep` to wait with.
    """

    name: str
    triple: str
    cpu: str
    features: str
    vector_bytes: int
    registers: int
    l1: int = 32 << 10
    l2: int = 1 << 20
    l3: int = 8 << 20
    spare: int = 4
    broadcast: float = LOADED
    masks: bool = False
    pointer_bytes: int = 8
    relocation: str = "pic"
    relaxed: bool = False
    tight: bool = False
    attributes: tuple[str, ...] = ()
    pause: str = ""
    futex: int | None = None
    posix: bool = False

    def lanes(self, dtype: DType) -> int:
        """Elements of one vector."""
        return self.vector_bytes // dtype.bytes

    @property
    def accumulators(self) -> int:
        """Vector registers for sums, a few left for operands: 28 of 32, 12 of 16."""
        return self.registers - self.spare

    @functools.cached_property
    def sums(self) -> int:
        """Vector registers for sums beside a broadcast, and a product where it is not fused."""
        return self.registers - 1 - (not self.fused)

    @functools.cached_property
    def fused(self) -> bool:
        """Whether a · b + c is one instruction, of float32. Without it a fused one calls the C
        library; a processor whose float64 alone lacks it computes no float64 at all."""
        return self.relaxed or "fmaf" not in _calls(self)

    @functools.cached_property
    def rounds(self) -> bool:
        """Whether floats are rounded to whole numbers by one instruction: floor, ceil, rint."""
        return _calls(self).isdisjoint(("floor", "ceil", "rint"))

    @property
    def sleeps(self) -> bool:
        """Whether a thread can wait asleep."""
        return self.futex is not None or self.posix

    @functools.cached_property
    def data_layout(self) -> str:
        """What LLVM must be told of sizes in memory; nothing where addresses have 8 bytes."""
        return "" if self.pointer_bytes == 8 else str(machine(self).target_data)

    @functools.cached_property
    def is_native(self) -> bool:
        """Whether its code is code for this machine's architecture."""
        return _architecture(self.triple) == _architecture(llvm.get_default_triple())


_AVX512 = "+avx512f,+avx512vl,+avx512dq,+avx512bw,-prefer-256-bit"
#: Targets by instruction set: LLVM's processor and features, bytes of a vector, vector registers,
#: what a broadcast costs, masks.
_X86 = {
    "sse2": ("x86-64", "+sse2", 16, 16, LOADED, False),
    "avx2": ("x86-64-v3", "+avx2,+fma", 32, 16, LOADED, False),
    "avx512": ("x86-64-v4", _AVX512, 64, 32, EMBEDDED, True),
}

#: How a processor is told that a loop only waits, and the number of Linux' system call futex.
_YIELD = 'call void asm sideeffect "yield", ""()'
_PAUSE = {"x86_64": "call void @llvm.x86.sse2.pause()", "aarch64": _YIELD, "arm64": _YIELD}
_FUTEX = {"x86_64": 202, "aarch64": 98, "riscv64": 98}


def _architecture(triple: str) -> str:
    return triple.split("-")[0]


def _surrounded(target: Target) -> Target:
    """The target with what its triple tells: how threads wait, on this processor and system."""
    kind, linux = _architecture(target.triple), "linux" in target.triple
    return replace(
        target,
        pause=_PAUSE.get(kind, ""),
        futex=_FUTEX.get(kind) if linux else None,
        posix="windows" not in target.triple,
    )


def named(name: str) -> Target:
    """A generic processor of an instruction set: "sse2", "avx2", "avx512" or "neon"."""
    if name == "neon":
        triple = "aarch64-unknown-linux-gnu"
        return _surrounded(Target(name, triple, "generic", "+neon", 16, 32))
    if name not in _X86:
        raise GraphCnnError(f"unknown target {name!r}; known are {', '.join(_X86)}, neon")
    cpu, features, width, registers, broadcast, masks = _X86[name]
    made = Target(name, "x86_64-unknown-linux-gnu", cpu, features, width, registers)
    return _surrounded(replace(made, broadcast=broadcast, masks=masks))


@functools.cache
def host() -> Target:
    """The processor of this machine. `GRAPHCNN_TARGET` names a generic one instead."""
    wanted = os.environ.get("GRAPHCNN_TARGET")
    if wanted:
        return named(wanted)
    caches = (
        _cache_bytes(i, default) for i, default in ((1, 32 << 10), (2, 1 << 20), (3, 8 << 20))
    )
    triple, cpu = llvm.get_default_triple(), llvm.get_host_cpu_name()
    return described("host", triple, cpu, llvm.get_host_cpu_features(), *caches)


def described(
    name: str, triple: str, cpu: str, features: Mapping[str, bool], *caches: int
) -> Target:
    """The processor that has these of LLVM's features, and caches of so many bytes."""
    # What is missing stands last: it takes away all that is built on it.
    text = ",".join(
        f"{'-+'[features[f]]}{f}" for f in sorted(features, key=lambda f: not features[f])
    )
    fused, broadcast, masks = features.get("fma", False), LOADED, False
    if triple.startswith(("aarch64", "arm64")):
        width, registers = 16, 32
    elif features.get("avx512f") and fused:
        width, registers, broadcast, masks = 64, 32, EMBEDDED, True
        text += ",-prefer-256-bit"  # or LLVM splits our 512-bit vectors in two
    else:
        width, registers = (32 if features.get("avx2") and fused else 16), 16
    sizes: dict[str, Any] = dict(zip(("l1", "l2", "l3"), caches, strict=False))
    return _surrounded(
        Target(name, triple, cpu, text, width, registers, broadcast=broadcast, masks=masks, **sizes)
    )


@functools.cache
def can_run(target: Target) -> bool:
    """Whether this machine runs code for `target`: its architecture, its vector instructions."""
    if not target.is_native:
        return False
    if platform.machine() not in ("x86_64", "AMD64"):
        return True
    features = llvm.get_host_cpu_features()
    needed = (f[1:] for f in target.features.split(",") if f.startswith("+"))
    return all(features.get(f) for f in needed)


@functools.cache
def machine(target: Target) -> Any:
    """LLVM's code generator for a target."""
    require_room(ROOM, "to generate code")
    if target.is_native:
        llvm.initialize_native_target()
        llvm.initialize_native_asmprinter()
    else:
        llvm.initialize_all_targets()
        llvm.initialize_all_asmprinters()
    found = llvm.Target.from_triple(target.triple)
    return found.create_target_machine(
        cpu=target.cpu, features=target.features, opt=3, reloc=target.relocation,
        codemodel="default",
    )  # fmt: skip


_PROBE = """
declare {kind} @llvm.{name}.{short}({kinds})
define {kind} @"{number}"({arguments}) {{
  %y = call {kind} @llvm.{name}.{short}({arguments})
  ret {kind} %y
}}
"""


@functools.cache
def _calls(target: Target) -> frozenset[str]:
    """The intrinsics of which LLVM makes no instructions but calls of the C functions so named.

    Only LLVM knows for all processors: so it is asked, for vectors of both types of floats.
    """
    operands = {"fma": 3, "floor": 1, "ceil": 1, "rint": 1}
    text = f'target triple = "{target.triple}"'
    for number, (name, count) in enumerate(operands.items()):
        for element, letter, size in (("float", "f32", 4), ("double", "f64", 8)):
            lanes = target.vector_bytes // size
            kind = f"<{lanes} x {element}>"
            text += _PROBE.format(
                name=name,
                number=f"{number}{letter}",
                kind=kind,
                short=f"v{lanes}{letter}",
                kinds=", ".join([kind] * count),
                arguments=", ".join(f"{kind} %x{i}" for i in range(count)),
            )
    with llvm_lock:
        module = llvm.parse_assembly(text, llvm.create_context())
        code = machine(target).emit_object(module)
    return frozenset(name for name in ("fmaf", "floor", "ceil", "rint") if name.encode() in code)


def _cache_bytes(level: int, default: int) -> int:
    """Size of the data cache of a level, as Linux tells it."""
    for index in Path("/sys/devices/system/cpu/cpu0/cache").glob("index*"):
        try:
            kind = (index / "type").read_text().strip()
            if kind != "Instruction" and int((index / "level").read_text()) == level:
                size = (index / "size").read_text().strip()
                return int(size.rstrip("KM")) << (20 if size.endswith("M") else 10)
        except (OSError, ValueError):
            continue
    return default
