"""What object code in the ELF format asks of others: the names it leaves undefined."""

import struct

SYMBOLS, UNDEFINED = 2, 0  # a section's kind, a symbol's section


def undefined(code: bytes) -> set[str]:
    """The functions that the code calls and does not hold."""
    assert code[:5] == b"\x7fELF\x02", "no 64-bit ELF object"
    (start,) = struct.unpack_from("<Q", code, 0x28)
    size, count = struct.unpack_from("<HH", code, 0x3A)
    sections = [struct.unpack_from("<IIQQQQIIQQ", code, start + i * size) for i in range(count)]
    found = set()
    for _, kind, _, _, offset, length, link, *_ in sections:
        for at in range(offset, offset + length, 24) if kind == SYMBOLS else ():
            name, _, _, section = struct.unpack_from("<IBBH", code, at)
            if name and section == UNDEFINED:
                text = code[sections[link][4] + name :]
                found.add(text[: text.index(0)].decode())
    return found
