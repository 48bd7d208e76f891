"""Which taps of a convolution a tile of pixels needs: those that meet only padding are left out.

Taps that the same columns of a tile use are one strip, a loop of its own. At the left border, where
the first column of a 3×3 kernel finds nothing for the first pixel, a tile has two of them:

    taps of column −1: pixels 1 2 3 ...          taps of columns 0 and 1: pixels 0 1 2 3 ...

In the middle of an image all taps are in the strip of all pixels.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from graphcnn.ir.geometry import Pair
from graphcnn.runtime.native.code.emit import Emitter, Int
from graphcnn.runtime.native.kernels.parts.tiles import table

#: Most strips of a tile: the code of each is compiled.
_STRIPS = 3
#: The part of the multiply-adds that strips must save to be worth their code.
_WORTH = 0.01

#: The number of a tap in the kernel, and the (row, column) that it reads for output pixel (0, 0).
Numbered = tuple[int, Pair]
Columns = tuple[int, ...]


@dataclass(frozen=True)
class BlockedPart:
    """Output pixels start + step · (q, r), (q, r) < sizes, that are computed alike.

    `taps` are pairs (number of the tap in the kernel, (row, column) of the input that it reads for
    output pixel (0, 0) of the part); output pixel (q, r) reads `reading` · (q, r) further.
    """

    start: Pair
    sizes: Pair
    taps: tuple[Numbered, ...]


@dataclass(frozen=True)
class Strip:
    """The taps that some columns of a tile use.

    `ranges` says for each kind of place which of them: first and last + 1.
    """

    columns: Columns
    taps: tuple[Numbered, ...]
    ranges: tuple[Pair, ...]


@dataclass(frozen=True)
class Strips:
    """The strips of a tile, wherever in the image it stands.

    The kind of a place is of_row[q] + of_column[r] for a tile at pixel (q, r).
    """

    strips: tuple[Strip, ...]
    of_row: tuple[int, ...]
    of_column: tuple[int, ...]

    def range(self, e: Emitter, strip: Strip, q: Int, r: Int) -> tuple[Int, Int]:
        """First and last + 1 of the taps of a strip, for the tile at (q, r)."""
        if len(set(strip.ranges)) == 1:
            return strip.ranges[0]
        kind = e.iadd(_look_up(e, "row", self.of_row, q), _look_up(e, "column", self.of_column, r))
        first, last = zip(*strip.ranges, strict=True)
        return _look_up(e, "first", first, kind), _look_up(e, "last", last, kind)


def strips_of(
    part: BlockedPart,
    tile: Pair,
    places: tuple[Sequence[int], Sequence[int]],
    reading: Pair,
    image: Pair,
    least: int = 1,
) -> Strips:
    """The strips of a tile of rows × columns pixels that stands at any of the rows and columns
    `places`. Columns fewer than `least` take no less time than these."""
    taps = sorted(part.taps, key=lambda tap: tap[1])
    rows = {
        q: frozenset(n for n, at in taps if _inside(q, tile[0], reading[0], at[0], image[0]))
        for q in places[0]
    }
    columns = {
        r: tuple(_inside(r, tile[1], reading[1], at[1], image[1]) for _, at in taps)
        for r in places[1]
    }
    full = tuple(range(tile[1]))
    found = sorted({c for kind in columns.values() for c in kind if c}, key=lambda c: -c[0] - c[-1])
    used = [c for kind in columns.values() for c in kind if c]
    cost = sum(max(len(c), least) for c in used)
    if len(found) > _STRIPS or cost > (1 - _WORTH) * len(used) * max(len(full), least):
        columns = {r: tuple(full if c else () for c in kind) for r, kind in columns.items()}
        found = [full] if used else []
    row_kinds, column_kinds = (
        list(dict.fromkeys(rows.values())),
        list(dict.fromkeys(columns.values())),
    )
    strips = []
    for own in found:
        listed: list[Numbered] = []
        ranges = []
        for numbers in row_kinds:
            for kind in column_kinds:
                wanted = [
                    t for t, c in zip(taps, kind, strict=True) if c == own and t[0] in numbers
                ]
                ranges.append(_place(wanted, listed))
        strips.append(Strip(own, tuple(listed), tuple(ranges)))
    return Strips(
        tuple(strips),
        _kinds(rows, row_kinds, len(column_kinds)),
        _kinds(columns, column_kinds, 1),
    )


def _inside(first: int, count: int, step: int, offset: int, size: int) -> Columns:
    """Which of `count` pixels from `first` on read inside."""
    return tuple(i for i in range(count) if 0 <= (first + i) * step + offset < size)


def _place(wanted: list[Numbered], listed: list[Numbered]) -> Pair:
    """Where `wanted` stands in a list; it is added where it does not."""
    for i in range(len(listed) - len(wanted) + 1):
        if listed[i : i + len(wanted)] == wanted:
            return i, i + len(wanted)
    listed += wanted
    return len(listed) - len(wanted), len(listed)


def _kinds(of: Mapping[int, object], kinds: Sequence[object], factor: int) -> tuple[int, ...]:
    """`factor` · the number of the kind of each place; zeros between the places."""
    last = max(of, default=0)
    return tuple(factor * kinds.index(of[i]) if i in of else 0 for i in range(last + 1))


def _look_up(e: Emitter, name: str, numbers: Sequence[int], i: Int) -> Int:
    return numbers[0] if len(set(numbers)) == 1 else table(e, name, numbers)(i)
