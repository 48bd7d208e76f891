"""Numbers as they stand in pictures: short, with their unit, the same everywhere."""

from collections.abc import Iterable
from typing import Any, Final

from graphcnn.analysis.words import dimensions

__all__ = ["counted", "dimensions", "in_bytes", "joined", "seconds", "short"]

_BINARY: Final = ("B", "KiB", "MiB", "GiB", "TiB")
_DECIMAL: Final = ("", " k", " M", " G", " T")


def short(count: float) -> str:
    """`416 k`, `1.8 G`: three digits. Exact up to 9,999."""
    if abs(count) < 10_000:
        return f"{count:,.0f}"
    power = 0
    while abs(count) >= 999.5 and power < len(_DECIMAL) - 1:
        count, power = count / 1000, power + 1
    return f"{_three(count)}{_DECIMAL[power]}"


def in_bytes(count: float) -> str:
    """`512 B`, `18.4 KiB`: a KiB is 1024 bytes."""
    power = 0
    while abs(count) >= 1023.5 and power < len(_BINARY) - 1:
        count, power = count / 1024, power + 1
    return f"{count:.0f} B" if power == 0 else f"{_three(count)} {_BINARY[power]}"


def seconds(value: float) -> str:
    """`1.25 ms`."""
    for unit, size in (("s", 1.0), ("ms", 1e-3), ("µs", 1e-6)):
        if value >= size:
            return f"{_three(value / size)} {unit}"
    return f"{value * 1e9:.0f} ns"


def _three(x: float) -> str:
    digits = 0 if abs(x) >= 99.95 else 1 if abs(x) >= 9.995 else 2
    text = f"{x:.{digits}f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def counted(count: int, what: str) -> str:
    """`1 operator`, `12 operators`."""
    return f"{count:,} {what}" + ("" if count == 1 else "s")


def joined(parts: Iterable[Any]) -> str:
    """The parts that say something, with dots between."""
    return " · ".join(str(part) for part in parts if part)
