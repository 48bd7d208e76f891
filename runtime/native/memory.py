"""Where the buffers of a plan lie: the arena of one run, the states, and all else outside.

The states lie in a block of their own, which several plans may share: a session has one executable
for each batch size, and one set of states.
"""

import itertools
from collections.abc import Iterable, Mapping
from functools import cached_property

import numpy as np

from graphcnn.graph import state_of
from graphcnn.ir import Array, Value
from graphcnn.layout import pack, storage_bytes
from graphcnn.plan import Buffer, Plan, root
from graphcnn.runtime.native.arena import (
    ALIGNMENT,
    Arena,
    out_of_memory,
    require_memory,
    round_up,
)
from graphcnn.sources import Constant
from graphcnn.tensor_type import TensorType


class States:
    """The states of a plan in one block. Its memory is given when it is first touched.

    Attributes:
        kinds: what there is, by key: shapes, element types and layouts.
    """

    def __init__(self, plan: Plan, guard: bool | None = None) -> None:
        self.kinds = {state_of(v).key: v.type for v in plan.graph.states}
        sizes = [round_up(storage_bytes(kind), ALIGNMENT) for kind in self.kinds.values()]
        starts = itertools.accumulate(sizes, initial=0)
        self._starts = dict(zip(self.kinds, starts, strict=False))
        self.bytes = sum(sizes)
        self._block = Arena(self.bytes, guard)

    def address(self, key: str) -> int:
        return self._block.address + self._starts[key]

    def view(self, key: str, kind: TensorType | None = None) -> Array:
        """The memory of a state as an array."""
        return self._block.view(self._starts[key], kind or self.kinds[key])


class Memory:
    """Three blocks: the plan's arena, its states, and all that lies outside both.

    Raises `GraphCnnError` before anything is allocated if there is not so much memory.
    """

    def __init__(self, plan: Plan, guard: bool | None = None) -> None:
        self.plan = plan
        self.updated = frozenset(plan.states[state_of(s).key] for s in plan.graph.updates)
        self._keys = {buffer: key for key, buffer in plan.states.items()}
        self._places: dict[Buffer, int] = {}
        size = 0
        for buffer in plan.buffers:
            if buffer.offset is None and buffer not in self._keys:
                self._places[buffer] = size
                size += round_up(buffer.bytes, ALIGNMENT)
        states = sum(round_up(b.bytes, ALIGNMENT) for b in self._keys)
        self.bytes = plan.arena_bytes + size + states
        self._allocate(size, guard)
        for value, buffer in plan.constants.items():
            self.view(buffer, value.type).reshape(-1)[...] = pack(_constant(value), value.type)

    def _allocate(self, outside: int, guard: bool | None) -> None:
        def largest() -> list[tuple[str, int]]:
            return [(f"{b.name!r}", b.bytes) for b in self.plan.buffers]

        require_memory(self.bytes, largest)
        try:
            self.outside = Arena(outside, guard)
            self.states = States(self.plan, guard)
            self.arena = Arena(self.plan.arena_bytes, guard)
        except OSError:
            raise out_of_memory(self.bytes, largest) from None
        self.guard = self.arena.guard

    def address(self, buffer: Buffer) -> int:
        if buffer.offset is not None:
            return self.arena.address + buffer.offset
        if buffer in self._keys:
            return self.states.address(self._keys[buffer])
        return self.outside.address + self._places[buffer]

    def view(self, buffer: Buffer, kind: TensorType) -> Array:
        """The memory of a buffer as an array."""
        if buffer.offset is not None:
            return self.arena.view(buffer.offset, kind)
        if buffer in self._keys:
            return self.states.view(self._keys[buffer], kind)
        return self.outside.view(self._places[buffer], kind)

    def poison_before(self, step: int) -> None:
        """Fill with NaN what neither this step nor a later one reads before it is written."""
        self.arena.poison(
            (b.offset, b.offset + b.bytes) for b in self._needed[step] if b.offset is not None
        )

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


def _constant(value: Value) -> Array:
    """The elements of a constant, or of a relayout of one."""
    if value.node.op.name == "relayout":
        value = value.node.inputs[0]
    op = root(value).node.op
    if not isinstance(op, Constant):
        raise AssertionError(f"{value} is no constant")
    return np.asarray(op.array).reshape(tuple(int(d) for d in value.shape if isinstance(d, int)))
