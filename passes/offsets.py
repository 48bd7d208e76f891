"""Offsets in an arena for pieces of memory that are needed at different times.

Pieces whose times overlap must not overlap in space, and the arena shall be small: dynamic storage
allocation, which is NP-hard. Here pieces are placed one after the other, each into the tightest gap
that fits. What decides is the order: several are tried, and then what ended on top is placed
earlier, until the arena is as small as the lower bound or the tries are used up.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from graphcnn.plan import ALIGN, BufferRole

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
    beside = {
        s: [t for t in slots if t is not s and t.first <= s.last and s.first <= t.last]
        for s in slots
    }
    orders = [
        sorted(slots, key=lambda s: -s.room),
        sorted(slots, key=lambda s: -s.room * (s.last - s.first + 1)),
        sorted(slots, key=lambda s: s.first - s.last),
        sorted(slots, key=lambda s: (s.first, -s.room)),
        sorted(slots, key=lambda s: (-s.last, -s.room)),
    ]
    best, least = _offsets(orders[0], beside)
    for order in orders[1:]:
        if least > bound:
            offsets, size = _offsets(order, beside)
            best, least = (offsets, size) if size < least else (best, least)
    order = orders[0]
    offsets, size = _offsets(order, beside)
    for _ in range(TRIES):
        if least <= bound:
            break
        high = [s for s in order if offsets[s] + s.room == size]
        order = [*high, *(s for s in order if s not in high)]
        offsets, size = _offsets(order, beside)
        best, least = (offsets, size) if size < least else (best, least)
    for slot, offset in best.items():
        slot.offset = offset
    return least


def _offsets(order: Sequence[Slot], beside: dict[Slot, list[Slot]]) -> tuple[dict[Slot, int], int]:
    """Each slot into the tightest gap between those that it meets in time; and the arena's size."""
    offsets: dict[Slot, int] = {}
    size = 0
    for slot in order:
        taken = sorted((offsets[t], t.room) for t in beside[slot] if t in offsets)
        best, least, end = -1, -1, 0
        for offset, room in taken:
            gap = offset - end
            if gap >= slot.room and (best < 0 or gap < least):
                best, least = end, gap
            end = max(end, offset + room)
        offsets[slot] = end if best < 0 else best
        size = max(size, offsets[slot] + slot.room)
    return offsets, size
