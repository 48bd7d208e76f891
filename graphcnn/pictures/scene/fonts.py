"""How wide a text will be, before any program has drawn it.

Advance widths in thousandths of the font size, those of DejaVu Sans: it is among the widest of
the common sans-serif fonts, so what fits by this table fits in Helvetica, Arial, Verdana and
Segoe too.
"""

import unicodedata
from functools import lru_cache
from typing import Final

from graphcnn.base.words import printable as printable

#: Fonts in the order in which a reader's machine is asked for them.
FAMILY: Final = "Helvetica, Arial, 'DejaVu Sans', sans-serif"

_REGULAR: Final = """
    318 401 460 838 636 950 780 275 390 390 500 838 318 361 318 337 636 636 636 636 636 636 636
    636 636 636 337 337 838 838 838 531 1000 684 686 698 770 632 575 775 752 295 295 656 557
    863 748 787 603 787 695 635 611 732 684 989 685 611 685 390 337 390 838 500 500 613 635 550
    635 615 352 635 634 278 278 579 278 974 634 612 635 635 411 521 392 634 592 818 592 592 525
    636 337 636 838 401 636 636 636 636 337 500 500 1000 471 612 838 361 1000 500 500 838 401
    401 500 636 636 318 500 401 471 612 969 969 969 531 684 684 684 684 684 684 974 698 632 632
    632 632 295 295 295 295 775 748 787 787 787 787 787 838 787 732 732 732 732 611 605 630 613
    613 613 613 613 613 982 550 615 615 615 615 278 278 278 278 612 634 612 612 612 612 612 838
    612 634 634 634 634 592 635 592 684 686 557 684 632 685 752 787 295 656 684 863 748 632 787
    752 603 632 611 611 787 685 787 764 295 611 659 541 634 338 579 659 638 592 612 541 544 634
    612 338 589 592 636 559 558 612 602 635 587 634 602 579 660 578 660 837 1000 838 838 838
    838 838 500 1000 838 838 637 517 838 838 871 833 838
"""
_BOLD: Final = """
    348 456 521 838 696 1002 872 306 457 457 523 838 380 415 380 365 696 696 696 696 696 696
    696 696 696 696 400 400 838 838 838 580 1000 774 762 734 830 683 683 821 837 372 372 775
    637 995 837 850 733 850 770 720 682 812 774 1103 771 724 725 457 365 457 838 500 500 675
    716 593 716 678 435 716 712 343 343 665 343 1042 712 687 716 716 493 595 478 712 652 924
    645 652 582 712 365 712 838 456 696 696 636 696 365 500 500 1000 564 646 838 415 1000 500
    500 838 438 438 500 736 636 380 500 438 564 646 1035 1035 1035 580 774 774 774 774 774 774
    1085 734 683 683 683 683 372 372 372 372 838 837 850 850 850 850 850 838 850 812 812 812
    812 724 738 719 675 675 675 675 675 675 1048 593 678 678 678 678 343 343 343 343 687 712
    687 687 687 687 687 838 687 712 712 712 712 652 716 652 774 762 637 774 683 725 837 850 372
    775 774 995 837 632 850 837 733 683 682 724 850 771 850 850 372 724 687 557 712 390 675 687
    716 681 687 557 591 712 687 390 710 633 736 681 591 687 791 716 593 779 638 675 782 645 794
    869 1000 838 838 838 838 838 500 1000 838 838 667 544 838 838 856 833 838
"""
#: What the tables hold: letters as they are typed, Latin, Greek, arrows and signs.
_KNOWN: Final = (
    *map(chr, (*range(0x20, 0x7F), *range(0xA1, 0x100), *range(0x391, 0x3A2))),
    *map(chr, range(0x3A3, 0x3CA)),
    *"…→←↑↓−–—≤≥√∂↻⊂∅∞≈",
)
_OTHER, _WIDE, _EMOJI = 1000, 1000, 1300
_WIDTHS: Final[tuple[dict[str, int], ...]] = tuple(
    dict(zip(_KNOWN, map(int, table.split()), strict=True)) for table in (_REGULAR, _BOLD)
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
    if unicodedata.combining(c):
        return 0
    base = unicodedata.normalize("NFD", c)[0]
    if base != c and base in _WIDTHS[bold]:
        return _WIDTHS[bold][base]
    if ord(c) >= 0x1F000:
        return _EMOJI
    wide = unicodedata.east_asian_width(c) in "WF"
    return _WIDE if wide else _OTHER + 150 * bold


def is_measured(text: str) -> bool:
    """Whether the tables know every letter, and so the font of PNG files has it."""
    return all(c in _WIDTHS[0] for c in printable(text))


def at_commas(text: str, size: float, most: float) -> list[str]:
    """Lines of at most `most` pixels, where commas allow it; each but the last ends in one."""
    first, *pieces = text.split(", ")
    lines = [first]
    for left, piece in zip(range(len(pieces), 0, -1), pieces, strict=True):
        longer = f"{lines[-1]}, {piece}"
        if text_width(longer + "," * (left > 1), size) <= most:
            lines[-1] = longer
        else:
            lines[-1] += ","
            lines.append(piece)
    return lines


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
