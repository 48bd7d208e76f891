"""Where the buffers of a plan lie: what lives from run to run, and the arena of one run.

A state that the graph updates has two places, which change roles after a step: the step reads the
value in the one and writes the next value to the other. `phase` says which is which.
"""

from collections.abc import Iterable, Mapping
from functools import cached_property

import numpy as np

from graphcnn.graph import state_of
from graphcnn.ir import Array, Value
from graphcnn.layout import pack
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


class Memory:
    """Two blocks: the plan's arena, and all that lies outside it.

    Raises `GraphCnnError` before anything is allocated if there is not so much memory.
    """

    def __init__(self, plan: Plan, two_phases: bool, guard: bool | None = None) -> None:
        self.plan, self.two_phases = plan, two_phases
        self.updated = frozenset(plan.states[state_of(s).key] for s in plan.graph.updates)
        self._places: dict[Buffer, tuple[int, int]] = {}
        size = 0
        for buffer in plan.buffers:
            if buffer.offset is None:
                step = round_up(buffer.bytes, ALIGNMENT)
                again = step if two_phases and buffer in self.updated else 0
                self._places[buffer] = (size, size + again)
                size += step + again
        self.bytes = plan.arena_bytes + size
        self._allocate(size, guard)
        for value, buffer in plan.constants.items():
            self.view(buffer, value.type).reshape(-1)[...] = pack(_constant(value), value.type)

    def _allocate(self, outside: int, guard: bool | None) -> None:
        def largest() -> list[tuple[str, int]]:
            return [(f"{b.name!r}", b.bytes) for b in self.plan.buffers]

        require_memory(self.bytes, largest)
        try:
            self.outside = Arena(outside, guard)
            self.arena = Arena(self.plan.arena_bytes, guard)
        except OSError:
            raise out_of_memory(self.bytes, largest) from None
        self.guard = self.arena.guard

    def address(self, buffer: Buffer, phase: int = 0) -> int:
        if buffer.offset is not None:
            return self.arena.address + buffer.offset
        return self.outside.address + self._places[buffer][phase]

    def view(self, buffer: Buffer, kind: TensorType, phase: int = 0) -> Array:
        """The memory of a buffer as an array."""
        if buffer.offset is not None:
            return self.arena.view(buffer.offset, kind)
        return self.outside.view(self._places[buffer][phase], kind)

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


def phases(plan: Plan, updated: frozenset[Buffer]) -> tuple[list[list[int]], list[tuple[int, int]]]:
    """Which place of a state each operand means, 0 the value, 1 the next value.

    For every step its reads and writes, for every copy source and target.
    """
    written: set[Buffer] = set()
    steps = []
    for step in plan.steps:
        reads = [int(b in written) for b in step.reads]
        written |= updated & set(step.writes)
        steps.append(reads + [int(b in updated) for b in step.writes])
    copies = []
    for copy in plan.copies:
        source = int(copy.source in written)
        written |= updated & {copy.target}
        copies.append((source, int(copy.target in updated)))
    return steps, copies


def _constant(value: Value) -> Array:
    """The elements of a constant, or of a relayout of one."""
    if value.node.op.name == "relayout":
        value = value.node.inputs[0]
    op = root(value).node.op
    if not isinstance(op, Constant):
        raise AssertionError(f"{value} is no constant")
    return np.asarray(op.array).reshape(tuple(int(d) for d in value.shape if isinstance(d, int)))
