"""An object file to a shared library of Linux, and to an archive: no linker is needed.

With one module, position-independent code and no undefined symbol all relocations are distances
inside the file, and are settled here. The loader has nothing to relocate: it needs `.dynsym`,
`.dynstr`, `.hash` and `.dynamic`. Three segments are mapped: constants to be read, code to be run,
and `.dynamic`. The section headers at the end are for linkers.

Sources: System V ABI, chapters 4 and 5, and its supplements for x86-64 and AArch64.
"""

import struct
from dataclasses import dataclass, field

from graphcnn.runtime.native.ahead.elf import ALLOC, EXECUTE, PROGBITS, WRITE, ElfObject, Symbol

X86_64, AARCH64 = 62, 183
_HEADER, _SEGMENT, _SECTION, _SYMBOL = 64, 56, 64, 24
_SEGMENTS, _TAGS = 4, 7


def shared_library(code: bytes, soname: str) -> bytes:
    """The shared library of an object file for x86-64 or AArch64."""
    return _Library(ElfObject(code), soname).content()


def archive(name: str, code: bytes, symbols: list[str]) -> bytes:
    """A static library (`ar`) of one object file that defines these symbols."""
    names = b"".join(s.encode() + b"\0" for s in symbols)
    names += bytes(len(names) % 2)
    index_bytes = 4 + 4 * len(symbols) + len(names)
    first = len(b"!<arch>\n") + 60 + index_bytes
    index = struct.pack(f">{1 + len(symbols)}I", len(symbols), *[first] * len(symbols)) + names
    return b"!<arch>\n" + _member("/", index) + _member(f"{name}/", code)


def _member(name: str, content: bytes) -> bytes:
    head = f"{name:<16}{0:<12}{0:<6}{0:<6}{0o644:<8o}{len(content):<10}`\n"
    return head.encode() + content + b"\n" * (len(content) % 2)


@dataclass
class _Library:
    source: ElfObject
    soname: str
    #: Where each section of the object lies in the library.
    places: dict[int, int] = field(default_factory=dict)
    end: int = _HEADER + _SEGMENT * _SEGMENTS

    def content(self) -> bytes:
        source, page = self.source, 1 << 16 if self.source.processor == AARCH64 else 1 << 12
        kept = [i for i, s in enumerate(source.sections)
                if s.flags & ALLOC and s.kind == PROGBITS and s.content]  # fmt: skip
        if any(source.sections[i].flags & WRITE for i in kept):
            raise AssertionError("the object has data that is written")
        exported = [s for s in source.symbols if s.is_global and s.section]
        names = b"\0" + b"".join(s.name.encode() + b"\0" for s in exported)
        soname_at = len(names)
        names += self.soname.encode() + b"\0"
        hash_at = self._place(4 * (4 + len(exported)), 8)
        symbols_at = self._place(_SYMBOL * (1 + len(exported)), 8)
        names_at = self._place(len(names), 1)
        for i in kept:
            if not source.sections[i].flags & EXECUTE:
                self._keep(i)
        constants_end = self.end
        self.end = code_at = _up(self.end, page)
        for i in kept:
            if source.sections[i].flags & EXECUTE:
                self._keep(i)
        code_end = self.end
        dynamic_at = _up(self.end, page)
        out = bytearray(dynamic_at + 16 * _TAGS)
        for i, at in self.places.items():
            content = source.sections[i].content
            out[at : at + len(content)] = content
        self._relocate(out)
        self._tables(out, hash_at, symbols_at, names_at, exported, names)
        tags = ((14, soname_at), (4, hash_at), (5, names_at), (6, symbols_at), (10, len(names)),
                (11, _SYMBOL), (0, 0))  # fmt: skip
        for k, tag in enumerate(tags):
            struct.pack_into("<QQ", out, dynamic_at + 16 * k, *tag)
        segments = (
            (1, 4, 0, constants_end, page),
            (1, 5, code_at, code_end - code_at, page),
            (1, 6, dynamic_at, 16 * _TAGS, page),
            (2, 6, dynamic_at, 16 * _TAGS, 8),
        )
        for k, (kind, flags, at, size, align) in enumerate(segments):
            row = (kind, flags, at, at, at, size, size, align)
            struct.pack_into("<IIQQQQQQ", out, _HEADER + _SEGMENT * k, *row)
        sections = (
            (b".text", 1, 6, code_at, code_end - code_at, 0, 0, 16, 0),
            (b".dynstr", 3, 2, names_at, len(names), 0, 0, 1, 0),
            (b".dynsym", 11, 2, symbols_at, _SYMBOL * (1 + len(exported)), 2, 1, 8, _SYMBOL),
            (b".dynamic", 6, 3, dynamic_at, 16 * _TAGS, 2, 0, 8, 16),
        )
        headers_at = _section_headers(out, sections)
        struct.pack_into(
            "<16sHHIQQQIHHHHHH", out, 0, b"\x7fELF\2\1\1", 3, source.processor, 1, 0, _HEADER,
            headers_at, 0, _HEADER, _SEGMENT, _SEGMENTS, _SECTION, len(sections) + 2,
            len(sections) + 1,
        )  # fmt: skip
        return bytes(out)

    def _place(self, size: int, align: int) -> int:
        at = _up(self.end, align)
        self.end = at + size
        return at

    def _keep(self, section: int) -> None:
        found = self.source.sections[section]
        self.places[section] = self._place(len(found.content), found.align)

    def _address(self, symbol: Symbol) -> int:
        return self.places[symbol.section] + symbol.value

    def _relocate(self, out: bytearray) -> None:
        for r in self.source.relocations:
            if r.section in self.places:
                value = self._address(self.source.symbols[r.symbol]) + r.addend
                at = self.places[r.section] + r.offset
                settle = _settle_x86 if self.source.processor == X86_64 else _settle_aarch64
                settle(out, r.kind, at, value)

    def _tables(
        self,
        out: bytearray,
        hash_at: int,
        symbols_at: int,
        names_at: int,
        exported: list[Symbol],
        names: bytes,
    ) -> None:
        """`.hash` of one bucket, a chain of all symbols; `.dynsym`; `.dynstr`."""
        count, start = len(exported), 1
        chain = [*range(2, count + 1), 0][:count]
        struct.pack_into(f"<{4 + count}I", out, hash_at, 1, 1 + count, min(count, 1), 0, *chain)
        for k, s in enumerate(exported, start=1):
            row = (start, s.information, 0, 1, self._address(s), s.size)
            struct.pack_into("<IBBHQQ", out, symbols_at + _SYMBOL * k, *row)
            start += len(s.name.encode()) + 1
        out[names_at : names_at + len(names)] = names


def _section_headers(
    out: bytearray, sections: tuple[tuple[bytes, int, int, int, int, int, int, int, int], ...]
) -> int:
    """Append the headers and the names of the sections; where the headers begin."""
    names = b"\0" + b"".join(s[0] + b"\0" for s in sections) + b".shstrtab\0"
    names_at = len(out)
    out += names
    out += bytes(-len(out) % 8)
    headers_at = len(out)
    out += bytes(_SECTION)
    own = (b".shstrtab", 3, 0, names_at, len(names), 0, 0, 1, 0)
    for name, kind, flags, at, *rest in (*sections, own):
        address = at if flags & ALLOC else 0
        out += struct.pack(
            "<IIQQQQIIQQ", names.index(name + b"\0"), kind, flags, address, at, *rest
        )
    return headers_at


def _settle_x86(out: bytearray, kind: int, at: int, value: int) -> None:
    if kind not in (2, 4):  # R_X86_64_PC32, R_X86_64_PLT32
        raise AssertionError(f"relocation {kind} of x86-64")
    struct.pack_into("<i", out, at, value - at)


def _settle_aarch64(out: bytearray, kind: int, at: int, value: int) -> None:
    (word,) = struct.unpack_from("<I", out, at)
    shifts = {277: 0, 278: 0, 284: 1, 285: 2, 286: 3, 299: 4}  # ADD, LDST8, 16, 32, 64, 128
    if kind == 261:  # R_AARCH64_PREL32
        word = (value - at) & 0xFFFFFFFF
    elif kind == 275:  # R_AARCH64_ADR_PREL_PG_HI21
        pages = (value >> 12) - (at >> 12) & 0x1FFFFF
        word |= (pages & 3) << 29 | pages >> 2 << 5
    elif kind in shifts:
        word |= (value & 0xFFF) >> shifts[kind] << 10
    elif kind in (282, 283):  # JUMP26, CALL26
        word |= (value - at >> 2) & 0x3FFFFFF
    else:
        raise AssertionError(f"relocation {kind} of aarch64")
    struct.pack_into("<I", out, at, word)


def _up(n: int, to: int) -> int:
    return -(-n // to) * to
