"""Offsets in an arena for pieces of memory that are needed at different times.

Pieces whose times overlap must not overlap in space, and the arena shall be small: dynamic storage
allocation, which is NP-hard. Here pieces are placed one after the other, each into the tightest gap
that fits, or at an end of the arena where one is free, so that what is left is in one piece. What
decides is the order: several are tried, and then what ended on top is placed earlier, until the
arena is as small as the lower bound or the tries are used up.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from graphcnn.ir.plan import ALIGN, BufferRole

#: Orders tried beyond the first ones, while the arena is larger than the lower bound.
TRIES = 24


def rounded(size: int) -> int:
    """Bytes, rounded up so that what follows is aligned."""
    return -(-size // ALIGN) * ALIGN


@dataclass(eq=False)
class Slot:
    """A piece of the arena, needed from step `first` to step `last`."""

    name: str
    bytes: int
    first: int
    last: int
    role: BufferRole = BufferRole.ACTIVATION
    offset: int = 0

    @property
    def room(self) -> int:
        return rounded(self.bytes)


def most_alive(slots: Sequence[Slot]) -> int:
    """The largest sum of bytes needed at one time: no arena can be smaller."""
    changes: dict[int, int] = {}
    for slot in slots:
        changes[slot.first] = changes.get(slot.first, 0) + slot.room
        changes[slot.last + 1] = changes.get(slot.last + 1, 0) - slot.room
    alive = most = 0
    for time in sorted(changes):
        alive += changes[time]
        most = max(most, alive)
    return most


def place_slots(slots: Sequence[Slot]) -> int:
    """Give every slot its offset; returns the size of the arena. Deterministic."""
    bound = most_alive(slots)
    rooms = [s.room for s in slots]
    spans = [(s.first, s.last) for s in slots]
    beside = [
        [j for j, (first, last) in enumerate(spans) if j != i and first <= b and a <= last]
        for i, (a, b) in enumerate(spans)
    ]

    def ordered(key: Callable[[Slot], int | tuple[int, int]]) -> list[int]:
        return sorted(range(len(slots)), key=lambda i: key(slots[i]))

    orders = [
        ordered(lambda s: -s.room),
        ordered(lambda s: -s.room * (s.last - s.first + 1)),
        ordered(lambda s: s.first - s.last),
        ordered(lambda s: (s.first, -s.room)),
        ordered(lambda s: (-s.last, -s.room)),
    ]
    best, least = _offsets(orders[0], rooms, beside)
    for order in orders[1:]:
        if least > bound:
            offsets, size = _offsets(order, rooms, beside)
            best, least = (offsets, size) if size < least else (best, least)
    for order in orders[:3]:
        if least > bound:
            offsets, size = _offsets(order, rooms, beside, bound)
            best, least = (offsets, size) if size < least else (best, least)
    order = orders[0]
    offsets, size = _offsets(order, rooms, beside)
    for _ in range(TRIES):
        if least <= bound:
            break
        high = [i for i in order if offsets[i] + rooms[i] == size]
        order = [*high, *(i for i in order if i not in high)]
        offsets, size = _offsets(order, rooms, beside)
        best, least = (offsets, size) if size < least else (best, least)
    for slot, offset in zip(slots, best, strict=True):
        slot.offset = offset
    return least


def _offsets(
    order: Sequence[int],
    rooms: Sequence[int],
    beside: Sequence[Sequence[int]],
    ends: int | None = None,
) -> tuple[list[int], int]:
    """Each slot into the tightest gap between those that it meets in time; and the arena's size.

    With `ends`, a size that is wished, each slot goes to an end of it where one is free.
    """
    offsets = [-1] * len(rooms)
    size = 0
    for i in order:
        room = rooms[i]
        taken = sorted([(offsets[j], rooms[j]) for j in beside[i] if offsets[j] >= 0])
        best, least, end = -1, -1, 0
        for offset, length in taken:
            gap = offset - end
            if gap >= room and (best < 0 or gap < least):
                best, least = end, gap
            if offset + length > end:
                end = offset + length
        offsets[i] = end if best < 0 else best
        if ends is not None and taken and taken[0][0] >= room:
            offsets[i] = 0
        elif ends is not None and taken and end + room <= ends:
            offsets[i] = ends - room
        size = max(size, offsets[i] + room)
    return offsets, size
