"""What object code leaves undefined, in the formats of Linux, Windows, macOS and WebAssembly.

Sources: System V ABI, chapter 4, "Symbol Table"; Microsoft, "PE Format", "COFF Symbol Table";
Apple, `mach-o/nlist.h`.
"""

import struct
from collections.abc import Iterator

from graphcnn.runtime.native.ahead import wasm
from graphcnn.runtime.native.ahead.elf import ElfObject


def undefined(code: bytes, format: str) -> list[str]:
    """The names that others would have to define."""
    kinds = {"elf": _elf, "coff": _coff, "macho": _macho, "wasm": wasm.undefined}
    found = kinds[format](code)
    return sorted(set(found))


def _elf(code: bytes) -> Iterator[str]:
    for symbol in ElfObject(code).symbols:
        if symbol.name and symbol.section == 0:
            yield symbol.name


def _coff(code: bytes) -> Iterator[str]:
    at, count = struct.unpack_from("<II", code, 8)
    names, i = at + 18 * count, 0
    while i < count:
        zero, offset, _, section, _, kind, more = struct.unpack_from("<IIIhHBB", code, at + 18 * i)
        if section == 0 and kind == 2:  # external
            start = at + 18 * i if zero else names + offset
            end = code.index(b"\0", start) if not zero else start + 8
            yield code[start:end].rstrip(b"\0").decode()
        i += 1 + more


def _macho(code: bytes) -> Iterator[str]:
    (commands,) = struct.unpack_from("<I", code, 16)
    at = 32
    for _ in range(commands):
        kind, size = struct.unpack_from("<II", code, at)
        if kind == 2:  # LC_SYMTAB
            symbols, count, names, _ = struct.unpack_from("<IIII", code, at + 8)
            for i in range(count):
                name, what, _, _, _ = struct.unpack_from("<IBBHQ", code, symbols + 16 * i)
                if what & 0xE == 0 and what & 1:  # undefined, external
                    text = code[names + name : code.index(b"\0", names + name)].decode()
                    yield text.removeprefix("_")  # which every name of C has there
        at += size
