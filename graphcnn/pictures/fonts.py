"""How wide a text will be, before any program has drawn it.

Advance widths in thousandths of the font size, those of DejaVu Sans: it is among the widest of
the common sans-serif fonts, so what fits by this table fits in Helvetica, Arial, Verdana and
Segoe too.
"""

import unicodedata
from functools import lru_cache
from typing import Final

#: Fonts in the order in which a reader's machine is asked for them.
FAMILY: Final = "Helvetica, Arial, 'DejaVu Sans', sans-serif"

_REGULAR: Final = """
    318 401 460 838 636 950 780 275 390 390 500 838 318 361 318 337 636 636 636 636 636 636 636
    636 636 636 337 337 838 838 838 531 1000 684 686 698 770 632 575 775 752 295 295 656 557 863
    748 787 603 787 695 635 611 732 684 989 685 611 685 390 337 390 838 500 500 613 635 550 635
    615 352 635 634 278 278 579 278 974 634 612 635 635 411 521 392 634 592 818 592 592 525 636
    337 636 838
"""
_BOLD: Final = """
    348 456 521 838 696 1002 872 306 457 457 523 838 380 415 380 365 696 696 696 696 696 696 696
    696 696 696 400 400 838 838 838 580 1000 774 762 734 830 683 683 821 837 372 372 775 637 995
    837 850 733 850 770 720 682 812 774 1103 771 724 725 457 365 457 838 500 500 675 716 593 716
    678 435 716 712 343 343 665 343 1042 712 687 716 716 493 595 478 712 652 924 645 652 582 712
    365 712 838
"""
_FIRST: Final = 32  # the tables start at the space and end at "~"
_COMMON: Final = dict(zip("×·…→←↑↓−–—≤≥²µ√", (
    838, 318, 1000, 838, 838, 838, 838, 838, 500, 1000, 838, 838, 401, 636, 637), strict=True,
))  # fmt: skip
_OTHER, _WIDE, _EMOJI = 1000, 1000, 1300
_WIDTHS: Final = tuple(
    {chr(_FIRST + i): int(w) for i, w in enumerate(table.split())} for table in (_REGULAR, _BOLD)
)


@lru_cache(maxsize=4096)
def text_width(text: str, size: float, bold: bool = False) -> float:
    """Width of one line in pixels."""
    return sum(_advance(c, bold) for c in text) * size / 1000


@lru_cache(maxsize=4096)
def _advance(c: str, bold: bool) -> int:
    known = _WIDTHS[bold].get(c)
    if known is not None:
        return known
    if c in _COMMON:
        return _COMMON[c] + 70 * bold
    if unicodedata.combining(c):
        return 0
    base = unicodedata.normalize("NFD", c)[0]
    if base != c and base in _WIDTHS[bold]:
        return _WIDTHS[bold][base]
    if ord(c) >= 0x1F000:
        return _EMOJI
    wide = unicodedata.east_asian_width(c) in "WF"
    return _WIDE if wide else _OTHER + 150 * bold


def printable(text: str) -> str:
    """The text on one line: what cannot be printed becomes "·", spaces of all kinds a space.

    Marks that change the direction of what follows are among the first.
    """
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else " " if c.isspace() else "·" for c in text)


def elide(text: str, size: float, most: float, bold: bool = False) -> str:
    """`text` on one line of at most `most` pixels; longer ones lose their middle."""
    text = printable(text if len(text) <= 400 else f"{text[:200]}…{text[-199:]}")
    if text_width(text, size, bold) <= most:
        return text
    low, high = 0, len(text) - 1  # characters kept
    while low < high:
        kept = (low + high + 1) // 2
        if text_width(_without_middle(text, kept), size, bold) <= most:
            low = kept
        else:
            high = kept - 1
    return _without_middle(text, low)


def _without_middle(text: str, kept: int) -> str:
    tail = kept // 2
    return f"{text[: kept - tail]}…{text[len(text) - tail :]}"
