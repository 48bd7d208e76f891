"""LLVM's object code for WebAssembly to a finished module: no linker is needed.

With one module in which every function is defined, no number of a function, type or global in the
code changes. What is left to do: addresses of data are written (numbers of five bytes, patched in
place), the memory and the stack pointer that are imported become the module's own, data gets its
places, and what others call is exported. The memory never grows: a view of it stays good.

    0                 nothing, so that no address is 0
    .. the stack      which grows downwards; where it is used
    .. data           the constants, the weights
    .. spaces         zeroed memory for inputs, outputs, the arena

Sources: WebAssembly Core Specification, "Binary Format"; WebAssembly tool conventions, "Linking".
"""

import struct
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

PAGE = 1 << 16
#: The name of data that an object may leave undefined.
WEIGHTS = "weights"
#: Bytes that no data lies in, and of the stack, as a multiple of these.
NOTHING = 1024
_TYPE, _IMPORT, _FUNCTION, _MEMORY, _GLOBAL, _EXPORT, _CODE, _DATA = 1, 2, 3, 5, 6, 7, 10, 11
_I32 = b"\x7f"


class Undefined(Exception):
    """The code calls what it does not hold; the argument is the name of that."""


def undefined(code: bytes) -> list[str]:
    """What an object needs of others to be linked, but for data of ours: the first such name."""
    try:
        parts = _Parts(code)
        _imports(parts)
        _Data(parts, {WEIGHTS: memoryview(b"")})
    except Undefined as error:
        return [str(error)]
    return []


def link(
    code: bytes,
    functions: Sequence[str],
    spaces: Mapping[str, int],
    stack: int,
    weights: memoryview | None = None,
) -> bytes:
    """The module.

    Args:
        functions: names of those that are exported.
        spaces: bytes of zeroed memory by name, whose addresses are exported as globals.
        stack: bytes that are enough for it.
        weights: what the code knows as `WEIGHTS`.
    """
    parts = _Parts(code)
    stacked = _imports(parts)
    data = _Data(parts, {} if weights is None else {WEIGHTS: weights})
    top = _up(NOTHING + stack, 64) if stacked else NOTHING
    bottom = top
    for segment in data.segments:
        segment.place = _up(top, segment.align)
        top = segment.place + len(segment.content)
    text = bytearray(parts.sections[_CODE])
    data.relocate(text)
    made, exports = ([_I32 + b"\1" + _constant(bottom)] if stacked else []), []
    for name, size in spaces.items():
        top = _up(top, 64)
        exports.append(_text(name) + b"\3" + _number(len(made)))
        made.append(_I32 + b"\0" + _constant(top))
        top += size
    exports += [_text(n) + b"\0" + _number(data.functions[n]) for n in functions]
    pages = _number(-(-top // PAGE))
    exports.append(_text("memory") + b"\2\0")
    filled = [s for s in data.segments if any(s.content)]
    sections: dict[int, list[bytes | bytearray | memoryview]] = {
        _TYPE: [parts.sections[_TYPE]],
        _FUNCTION: [parts.sections[_FUNCTION]],
        _MEMORY: [b"\1\1" + pages + pages],
        _GLOBAL: [_vector(made)],
        _EXPORT: [_vector(exports)],
        _CODE: [text],
        _DATA: [_number(len(filled))],
    }
    for s in filled:
        sections[_DATA] += [b"\0" + _constant(s.place) + _number(len(s.content)), s.content]
    pieces: list[bytes | bytearray | memoryview] = [b"\0asm\1\0\0\0"]
    for kind, body in sections.items():
        pieces += [bytes([kind]) + _number(sum(map(len, body))), *body]
    return b"".join(pieces)


class _Reader:
    def __init__(self, data: bytes, at: int = 0, end: int | None = None) -> None:
        self.data, self.at, self.end = data, at, len(data) if end is None else end

    def more(self) -> bool:
        return self.at < self.end

    def byte(self) -> int:
        self.at += 1
        return self.data[self.at - 1]

    def bytes(self, count: int) -> bytes:
        self.at += count
        return self.data[self.at - count : self.at]

    def number(self, signed: bool = False) -> int:
        """In LEB128: seven bits in each byte, the lowest first."""
        found = shift = 0
        while True:
            byte = self.byte()
            found |= (byte & 127) << shift
            shift += 7
            if byte < 128:
                return found - (1 << shift) if signed and byte & 64 else found

    def text(self) -> str:
        return self.bytes(self.number()).decode()

    def each(self, read: "Callable[[_Reader], None]") -> None:
        for _ in range(self.number()):
            read(self)


class _Parts:
    """The sections of an object: by number, and those of linkers by name."""

    def __init__(self, code: bytes) -> None:
        self.sections: dict[int, bytes] = {}
        self.custom: dict[str, bytes] = {}
        reader = _Reader(code, 8)
        while reader.more():
            kind, size = reader.byte(), reader.number()
            end = reader.at + size
            if kind == 0:
                name = reader.text()
                self.custom[name] = code[reader.at : end]
            else:
                self.sections[kind] = code[reader.at : end]
            reader.at = end


def _imports(parts: _Parts) -> bool:
    """Whether a stack pointer is imported. All else but the memory is refused."""
    reader, found = _Reader(parts.sections.get(_IMPORT, b"\0")), False
    for _ in range(reader.number()):
        _, name, kind = reader.text(), reader.text(), reader.byte()
        if kind == 2:
            bounded = reader.byte() & 1
            reader.number()
            if bounded:
                reader.number()
        elif kind == 3 and name == "__stack_pointer":
            reader.bytes(2)
            found = True
        else:
            raise Undefined(name)
    return found


@dataclass
class _Segment:
    """Constants, where they begin in the section of data, and at what they are to be aligned.
    Those that are given from outside begin nowhere there."""

    content: bytearray | memoryview
    start: int | None
    align: int = 16
    place: int = 0


@dataclass(frozen=True)
class _Symbol:
    """A place in a segment."""

    segment: int
    offset: int


class _Data:
    """The segments of an object, and what refers to places in them; `given` is data by name that
    it leaves undefined."""

    def __init__(self, parts: _Parts, given: Mapping[str, memoryview]) -> None:
        self._parts, self._given = parts, given
        self.segments: list[_Segment] = []
        self.functions: dict[str, int] = {}
        self._symbols: list[_Symbol | None] = []
        _Reader(parts.sections.get(_DATA, b"\0")).each(self._segment)
        reader = _Reader(parts.custom["linking"])
        if reader.number() != 2:
            raise AssertionError("a linking section of another version")
        while reader.more():
            kind, size = reader.byte(), reader.number()
            end = reader.at + size
            if kind == 5:
                for i in range(reader.number()):
                    reader.text()
                    self.segments[i].align = 1 << reader.number()
                    reader.number()
            elif kind == 8:
                reader.each(self._symbol)
            reader.at = end

    def _segment(self, reader: _Reader) -> None:
        if reader.number() != 0 or reader.byte() != 0x41:  # active, at i32.const
            raise AssertionError("a passive segment")
        reader.number(signed=True)
        reader.byte()
        size = reader.number()
        start = reader.at
        self.segments.append(_Segment(bytearray(reader.bytes(size)), start))

    def _symbol(self, reader: _Reader) -> None:
        kind, flags = reader.byte(), reader.number()
        undefined, named = flags & 16, flags & 64
        found = None
        if kind == 1:  # data
            name = reader.text()
            if not undefined:
                found = _Symbol(reader.number(), reader.number())
                reader.number()
            elif name in self._given:
                found = _Symbol(len(self.segments), 0)
                self.segments.append(_Segment(self._given[name], None, 64))
            else:
                raise Undefined(name)
        elif kind == 3:  # a section
            reader.number()
        else:
            number = reader.number()
            name = reader.text() if named or not undefined else ""
            if kind == 0:
                if undefined:
                    raise Undefined(name or str(number))
                self.functions[name] = number
        self._symbols.append(found)

    def relocate(self, code: bytearray) -> None:
        """Write the addresses of data into the code and the data."""
        for name in ("reloc.CODE", "reloc.DATA"):
            reader = _Reader(self._parts.custom.get(name, b"\0\0"))
            reader.number()
            for _ in range(reader.number()):
                kind, at, symbol = reader.byte(), reader.number(), reader.number()
                addend = reader.number(signed=True) if kind in (3, 4, 5, 8, 9) else 0
                if kind in (0, 6, 7):  # of functions, types and globals: final already
                    continue
                found = self._symbols[symbol]
                if kind not in (3, 4, 5) or found is None:
                    raise AssertionError(f"relocation {kind} of WebAssembly")
                value = self.segments[found.segment].place + found.offset + addend
                into, at = (code, at) if name == "reloc.CODE" else self._within(at)
                if kind == 5:
                    into[at : at + 4] = struct.pack("<I", value)
                else:
                    into[at : at + 5] = _padded(value)

    def _within(self, at: int) -> tuple[bytearray, int]:
        """The segment in which a place of the section of data lies, and where there."""
        for segment in reversed(self.segments):
            if segment.start is not None and segment.start <= at:
                assert isinstance(segment.content, bytearray)
                return segment.content, at - segment.start
        raise AssertionError(f"no data at {at}")


def _number(n: int) -> bytes:
    out = bytearray()
    while True:
        n, low = n >> 7, n & 127
        out.append(low | (128 if n else 0))
        if not n:
            return bytes(out)


def _padded(n: int) -> bytes:
    """A number in five bytes, whatever its size."""
    return bytes(n >> s & 127 | (128 if s < 28 else 0) for s in range(0, 35, 7))


def _constant(n: int) -> bytes:
    """An expression: i32.const n, end."""
    out = bytearray(b"\x41")
    while n > 63:
        out.append(n & 127 | 128)
        n >>= 7
    return bytes(out) + bytes([n, 0x0B])


def _text(text: str) -> bytes:
    return _number(len(text.encode())) + text.encode()


def _vector(items: Iterable[bytes]) -> bytes:
    given = list(items)
    return _number(len(given)) + b"".join(given)


def _up(n: int, to: int) -> int:
    return -(-n // to) * to
