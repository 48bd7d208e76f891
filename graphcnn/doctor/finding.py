"""What a check finds: what was seen, what it means, and what to do."""

from dataclasses import asdict, dataclass
from typing import Final

#: From the best to the worst.
GRADES: Final = ("fine", "look", "wrong")


@dataclass(frozen=True)
class Finding:
    """One thing that a check saw.

    Attributes:
        check: which: "pixels", "labels", "rate", ...
        grade: "fine"; "look" for what may be meant so; "wrong" for what keeps a network from
            learning, or its numbers from being true.
        seen: one sentence with the numbers, what was expected and what was found.
        means: one sentence; "" where all is fine.
        do: one sentence with the option or the line of code.
    """

    check: str
    grade: str
    seen: str
    means: str = ""
    do: str = ""

    def to_dict(self) -> dict[str, str]:
        return asdict(self)


def fine(check: str, seen: str) -> Finding:
    return Finding(check, "fine", seen)


def look(check: str, seen: str, means: str, do: str) -> Finding:
    return Finding(check, "look", seen, means, do)


def wrong(check: str, seen: str, means: str, do: str) -> Finding:
    return Finding(check, "wrong", seen, means, do)


def short(x: float) -> str:
    """A number in three digits."""
    return f"{x:.3g}"


def listed(names: list[str], most: int = 4) -> str:
    """Names in one line, of many the first."""
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more


def share(part: int, whole: int) -> str:
    """`12 of 360 (3.3 %)`"""
    return f"{part:,} of {whole:,} ({100 * part / max(whole, 1):.3g} %)"
