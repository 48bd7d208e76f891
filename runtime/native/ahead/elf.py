"""Object files of Linux and of processors without a system, read: sections, symbols, relocations.

Source: System V ABI, chapters 4 and 5.
"""

import struct
from dataclasses import dataclass
from functools import cached_property

#: Kinds of sections.
PROGBITS, SYMTAB, RELA, REL = 1, 2, 4, 9
#: Flags of sections.
WRITE, ALLOC, EXECUTE = 1, 2, 4


@dataclass(frozen=True)
class Section:
    kind: int
    flags: int
    content: bytes
    align: int
    #: Of relocations: the section that they are of. Of symbols: that of their names.
    link: int
    info: int


@dataclass(frozen=True)
class Symbol:
    name: str
    section: int
    value: int
    size: int
    information: int

    @property
    def is_global(self) -> bool:
        return self.information >> 4 == 1


@dataclass(frozen=True)
class Relocation:
    """The place of `symbol` + `addend` is to be written at `offset`, in the manner of `kind`."""

    section: int
    offset: int
    kind: int
    symbol: int
    addend: int


class ElfObject:
    """An object file of little-endian machines.

    Attributes:
        processor: 62 is x86-64, 183 aarch64, 40 ARM, 243 RISC-V.
    """

    def __init__(self, code: bytes) -> None:
        if code[:4] != b"\x7fELF" or code[5] != 1:
            raise AssertionError("no little-endian ELF object")
        self._code, self._wide = code, code[4] == 2
        (self.processor,) = struct.unpack_from("<H", code, 18)

    @cached_property
    def sections(self) -> list[Section]:
        wide = self._wide
        (start,) = struct.unpack_from("<Q" if wide else "<I", self._code, 40 if wide else 32)
        size, count = struct.unpack_from("<HH", self._code, 58 if wide else 46)
        found = []
        for i in range(count):
            header = struct.unpack_from(
                "<IIQQQQIIQQ" if wide else "<IIIIIIIIII", self._code, start + i * size
            )
            _, kind, flags, _, at, length, link, info, align, _ = header
            content = b"" if kind == 8 else self._code[at : at + length]
            found.append(Section(kind, flags, content, max(align, 1), link, info))
        return found

    @cached_property
    def symbols(self) -> list[Symbol]:
        found = []
        for section in self.sections:
            if section.kind == SYMTAB:
                names = self.sections[section.link].content
                size = 24 if self._wide else 16
                for at in range(0, len(section.content), size):
                    found.append(self._symbol(section.content, at, names))
        return found

    def _symbol(self, content: bytes, at: int, names: bytes) -> Symbol:
        if self._wide:
            name, info, _, section, value, size = struct.unpack_from("<IBBHQQ", content, at)
        else:
            name, value, size, info, _, section = struct.unpack_from("<IIIBBH", content, at)
        text = names[name : names.index(b"\0", name)].decode()
        return Symbol(text, section, value, size, info)

    @cached_property
    def relocations(self) -> list[Relocation]:
        """Those of 64-bit machines, which have their addends beside them."""
        found = []
        for section in self.sections:
            if section.kind == RELA and self._wide:
                for at in range(0, len(section.content), 24):
                    offset, info, addend = struct.unpack_from("<QQq", section.content, at)
                    kind, symbol = info & 0xFFFFFFFF, info >> 32
                    found.append(Relocation(section.info, offset, kind, symbol, addend))
        return found
