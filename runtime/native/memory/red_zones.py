"""A test run's watch over memory: no step writes anything but its results and its scratch.

Between guards (see `arena`) all buffers have red zones around them: no two touch, and what lies
between holds 0xFF, NaN to floats, as does all that is not written yet. After every step

- red zones, and memory that nothing lies in, hold what they did;
- so do all other buffers, the step's own inputs too (in networks small enough to be copied);
- the results hold zeros where their layouts have them: in halos, and where sizes are rounded up.

So a kernel that writes into its neighbour is named at once, and one that leaves out a part of its
result or reads too far shows NaN, or fails here.
"""

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import numpy as np

from graphcnn.errors import VerifyError
from graphcnn.ir.node import Array
from graphcnn.ir.plan import Buffer, Copy, Plan
from graphcnn.ir.storage import PLAIN, pack, storage_bytes
from graphcnn.ir.tensor_type import TensorType
from graphcnn.runtime.native.memory.arena import ALIGNMENT, POISON, Arena, round_up
from graphcnn.runtime.native.memory.places import Memory

#: Bytes of memory up to which all of it is compared after a step, and not red zones alone.
MOST_COMPARED = 8 << 20

#: Ranges of bytes: first, last + 1.
Ranges = list[tuple[int, int]]


class RedZones:
    """Watches the steps of one plan in one memory. Raises `VerifyError` at the first fault."""

    def __init__(self, plan: Plan, memory: Memory) -> None:
        self.plan, self.memory = plan, memory
        self._borders: dict[TensorType, Array] = {}

    @contextmanager
    def step(self, number: int, algorithm: str) -> Iterator[None]:
        """Around a step: poison before, look afterwards."""
        step = self.plan.steps[number]
        self.memory.poison_before(number)
        for buffer, kind in zip(step.writes, step.node.types, strict=True):
            if buffer not in step.reads:
                block, first = self.memory.place(buffer)
                block.bytes[first : first + storage_bytes(kind)] = POISON
        written = [(b, storage_bytes(t)) for b, t in zip(step.writes, step.node.types, strict=True)]
        if step.scratch:
            written.append((step.scratch, step.scratch.bytes))
        what = f"step {number}, {step.node.op.name} {step.node.name!r} ({algorithm})"
        with self._only(written, self.memory.live_before(number), what):
            yield
        for i, (buffer, kind) in enumerate(zip(step.writes, step.node.types, strict=True)):
            self._check_border(self.memory.view(buffer, kind), kind, f"{what}, result {i}")

    @contextmanager
    def copy(self, copy: Copy) -> Iterator[None]:
        """Around a copy at the end, which moves whole lines."""
        written = [(copy.target, round_up(copy.source.bytes, ALIGNMENT))]
        with self._only(written, self.plan.buffers, f"the copy to {copy.target}"):
            yield

    @contextmanager
    def _only(
        self,
        written: Sequence[tuple[Buffer, int]],
        live: Sequence[Buffer],
        what: str,
    ) -> Iterator[None]:
        """Nothing but these bytes changes: all other buffers and red zones stay."""
        places = [(*self.memory.place(b), size) for b, size in written]
        watched = []
        if sum(len(block.bytes) for block in self.memory.blocks) > MOST_COMPARED:
            places += [(*self.memory.place(b), b.bytes) for b in live]
        for block in self.memory.blocks:
            free = [(first, first + size) for at, first, size in places if at is block]
            rest = _others(len(block.bytes), free)
            watched.append((block, [(a, b, block.bytes[a:b].copy()) for a, b in rest]))
        yield
        for block, parts in watched:
            for first, last, before in parts:
                after = block.bytes[first:last]
                if not np.array_equal(before, after):
                    at = first + int(np.flatnonzero(before != after)[0])
                    raise VerifyError(f"{what} writes to {self._where(block, at)}")

    def _where(self, block: Arena, at: int) -> str:
        """The place of a byte, for people."""
        found = [
            (first, b) for b in self.plan.buffers for own, first in [self.memory.place(b)]
            if own is block
        ]  # fmt: skip
        found.sort(key=lambda each: each[0])
        place = bisect_right([first for first, _ in found], at)
        if not place:
            return f"the red zone {found[0][0] - at} bytes before {found[0][1]}"
        first, buffer = found[place - 1]
        if at < first + buffer.bytes:
            return f"byte {at - first} of {buffer}"
        return f"the red zone {at - first - buffer.bytes} bytes after the end of {buffer}"

    def _check_border(self, storage: Array, kind: TensorType, what: str) -> None:
        if kind.layout == PLAIN:
            return
        if kind not in self._borders:
            shape = tuple(int(d) for d in kind.shape if isinstance(d, int))
            inside = pack(np.ones(shape, kind.dtype.numpy), kind)
            self._borders[kind] = np.flatnonzero(inside == 0)
        border = self._borders[kind]
        wrong = border[storage.reshape(-1)[border] != 0]
        if wrong.size:
            at = tuple(map(int, np.unravel_index(wrong[0], storage.shape)))
            raise VerifyError(
                f"{what} {kind}: {storage[at]} at {list(at)} of its storage {storage.shape}, "
                f"where the layout has zeros ({wrong.size} such places)"
            )


def _others(size: int, ranges: Ranges) -> Ranges:
    """What these ranges leave of `size` bytes."""
    found, end = [], 0
    for first, last in (*sorted(ranges), (size, size)):
        if first > end:
            found.append((end, first))
        end = max(end, last)
    return found
