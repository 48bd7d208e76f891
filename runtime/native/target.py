"""What code is generated for: a processor's vectors, registers and caches."""

import functools
import os
from dataclasses import dataclass
from pathlib import Path

import llvmlite.binding as llvm

from graphcnn.errors import GraphCnnError
from graphcnn.tensor_type import DType


@dataclass(frozen=True)
class Target:
    """A processor. `features` is LLVM's list; sizes of caches are in bytes per core."""

    name: str
    triple: str
    cpu: str
    features: str
    vector_bytes: int
    registers: int
    l1: int = 32 << 10
    l2: int = 1 << 20
    l3: int = 8 << 20

    def lanes(self, dtype: DType) -> int:
        """Elements of one vector."""
        return self.vector_bytes // dtype.bytes

    @property
    def accumulators(self) -> int:
        """Vector registers for sums, a few left for operands: 28 of 32, 12 of 16."""
        return self.registers - 4


#: Targets by instruction set: LLVM features, bytes of a vector, vector registers.
_X86 = {
    "sse2": ("x86-64", "+sse2", 16, 16),
    "avx2": ("x86-64-v3", "+avx2,+fma", 32, 16),
    "avx512": ("x86-64-v4", "+avx512f,+avx512vl,+avx512dq,+avx512bw,-prefer-256-bit", 64, 32),
}


def named(name: str) -> Target:
    """A generic processor of an instruction set: "sse2", "avx2", "avx512" or "neon"."""
    if name == "neon":
        return Target(name, "aarch64-unknown-linux-gnu", "generic", "+neon", 16, 32)
    if name not in _X86:
        raise GraphCnnError(f"unknown target {name!r}; known are {', '.join(_X86)}, neon")
    cpu, features, width, registers = _X86[name]
    return Target(name, "x86_64-unknown-linux-gnu", cpu, features, width, registers)


@functools.cache
def host() -> Target:
    """The processor of this machine. `GRAPHCNN_TARGET` names a generic one instead."""
    wanted = os.environ.get("GRAPHCNN_TARGET")
    if wanted:
        return named(wanted)
    features = llvm.get_host_cpu_features()
    triple = llvm.get_default_triple()
    if triple.startswith(("aarch64", "arm64")):
        width, registers = 16, 32
    elif features.get("avx512f"):
        width, registers = 64, 32
    else:
        width, registers = (32 if features.get("avx2") and features.get("fma") else 16), 16
    text = features.flatten()
    if width == 64:
        text += ",-prefer-256-bit"  # or LLVM splits our 512-bit vectors in two
    l1, l2, l3 = (
        _cache_bytes(i, default) for i, default in ((1, 32 << 10), (2, 1 << 20), (3, 8 << 20))
    )
    return Target("host", triple, llvm.get_host_cpu_name(), text, width, registers, l1, l2, l3)


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
