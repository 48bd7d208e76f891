"""Where the buffers of a plan lie: the arena of one run, the states, and all else outside.

Between guards red zones lie between all of them (see `red_zones`).

The states lie in a block of their own, which several plans may share: a session has one executable
for each batch size, and one set of states.
"""

from collections.abc import Iterable, Mapping
from functools import cached_property

import numpy as np

from graphcnn.ir.graph import state_of
from graphcnn.ir.node import Array, Value
from graphcnn.ir.plan import Buffer, Plan, root
from graphcnn.ir.sources import Constant
from graphcnn.ir.storage import pack, storage_bytes
from graphcnn.ir.tensor_type import TensorType
from graphcnn.ops.parts.tree import rows
from graphcnn.runtime.native.memory.arena import (
    ALIGNMENT,
    RED_ZONE,
    Arena,
    guards_wanted,
    out_of_memory,
    require_memory,
    round_up,
)
from graphcnn.runtime.native.memory.rows import Rows


class States:
    """The states of a plan in one block. Its memory is given when it is first touched.

    Attributes:
        kinds: what there is, by key: shapes, element types and layouts.
    """

    def __init__(self, plan: Plan, guard: bool | None = None) -> None:
        self.kinds = {state_of(v).key: v.type for v in plan.graph.states}
        zone = _zone(guard)
        self.starts: dict[str, int] = {}
        size = zone
        for key, kind in self.kinds.items():
            self.starts[key] = size
            size += round_up(storage_bytes(kind), ALIGNMENT) + zone
        self.bytes = size
        self.block = Arena(size, guard)
        if zone:
            self.block.poison()

    def address(self, key: str) -> int:
        return self.block.address + self.starts[key]

    def view(self, key: str, kind: TensorType | None = None) -> Array:
        """The memory of a state as an array."""
        return self.block.view(self.starts[key], kind or self.kinds[key])


class Memory:
    """Three blocks: the plan's arena, its states, and all that lies outside both. And the rows of
    what is added up over the shards of a batch, where there is such: `row` is the one in use.

    Raises `GraphCnnError` before anything is allocated if there is not so much memory.
    """

    def __init__(self, plan: Plan, guard: bool | None = None) -> None:
        self.plan = plan
        self.updated = frozenset(plan.states[state_of(s).key] for s in plan.graph.updates)
        self._keys = {buffer: key for key, buffer in plan.states.items()}
        self._reduced = {b: name for name, (_, b) in plan.reduced.items()}
        self.row = 0
        zone = _zone(guard)
        self._places = _places_in_arena(plan, zone)
        arena = plan.arena_bytes + zone * (1 + len(set(self._places.values())))
        size = zone
        for buffer in plan.buffers:
            if buffer.offset is None and buffer not in self._keys and buffer not in self._reduced:
                self._places[buffer] = size
                size += round_up(buffer.bytes, ALIGNMENT) + zone
        states = sum(round_up(b.bytes, ALIGNMENT) for b in self._keys)
        summed = sum(round_up(b.bytes, ALIGNMENT) for b in self._reduced) * rows(plan.shards)
        self.bytes = arena + size + states + summed
        self._allocate(arena, size, guard)
        for value, buffer in plan.constants.items():
            self.view(buffer, value.type).reshape(-1)[...] = pack(constant_array(value), value.type)

    def _allocate(self, arena: int, outside: int, guard: bool | None) -> None:
        def largest() -> list[tuple[str, int]]:
            return [(f"{b.name!r}", b.bytes) for b in self.plan.buffers]

        require_memory(self.bytes, largest)
        try:
            self.outside = Arena(outside, guard)
            self.states = States(self.plan, guard)
            self.rows = Rows(self.plan, _zone(guard)) if self._reduced else None
            self.arena = Arena(arena, guard)
        except OSError:
            raise out_of_memory(self.bytes, largest) from None
        self.guard = self.arena.guard
        if self.guard:
            self.outside.poison()

    @property
    def blocks(self) -> tuple[Arena, ...]:
        summed = () if self.rows is None else (self.rows.block,)
        return self.outside, self.states.block, self.arena, *summed

    def place(self, buffer: Buffer) -> tuple[Arena, int]:
        """The block in which a buffer lies, and where it begins there."""
        if buffer in self._keys:
            return self.states.block, self.states.starts[self._keys[buffer]]
        if self.rows is not None and buffer in self._reduced:
            return self.rows.block, self.rows.start(self.row, self._reduced[buffer])
        return self.outside if buffer.offset is None else self.arena, self._places[buffer]

    def address(self, buffer: Buffer) -> int:
        block, start = self.place(buffer)
        return block.address + start

    def view(self, buffer: Buffer, kind: TensorType) -> Array:
        """The memory of a buffer as an array."""
        block, start = self.place(buffer)
        return block.view(start, kind)

    def poison_before(self, step: int) -> None:
        """Fill with NaN what neither this step nor a later one reads before it is written."""
        needed = (
            (self._places[b], b.bytes) for b in self.live_before(step) if b.offset is not None
        )
        self.arena.poison((start, start + size) for start, size in needed)

    def live_before(self, step: int) -> list[Buffer]:
        """What may hold something that this step or a later one reads."""
        outside = (b for b in self.plan.buffers if b.offset is None)
        return [*self._needed[step], *outside]

    @cached_property
    def _needed(self) -> Mapping[int, frozenset[Buffer]]:
        """For every step the buffers that hold something still to be read."""
        copied = {c.target for c in self.plan.copies}
        needed: Iterable[Buffer] = {c.source for c in self.plan.copies} - copied
        found = {}
        for i, step in reversed(list(enumerate(self.plan.steps))):
            scratch = {step.scratch} if step.scratch else set()
            needed = frozenset(needed) - set(step.writes) - scratch | set(step.reads)
            found[i] = needed
        return found


def _zone(guard: bool | None) -> int:
    """Bytes between buffers."""
    return RED_ZONE if (guards_wanted() if guard is None else guard) else 0


def _places_in_arena(plan: Plan, zone: int) -> dict[Buffer, int]:
    """Where buffers begin in the arena: as planned, drawn apart by a zone before every begin.

    What lies apart in the plan lies apart by a zone at least, what shares memory still does.
    """
    inside = [(b, b.offset) for b in plan.buffers if b.offset is not None]
    number = {offset: i for i, offset in enumerate(sorted({offset for _, offset in inside}))}
    return {b: offset + zone * (1 + number[offset]) for b, offset in inside}


def constant_array(value: Value) -> Array:
    """The elements of a constant, or of a relayout of one."""
    if value.node.op.name == "relayout":
        value = value.node.inputs[0]
    op = root(value).node.op
    if not isinstance(op, Constant):
        raise AssertionError(f"{value} is no constant")
    return np.asarray(op.array).reshape(tuple(int(d) for d in value.shape if isinstance(d, int)))
