"""What shards made is added up: row by row, in place, in the order of the tree.

A shard writes into a row, which the steps of the plan are pointed to before it runs. Two rows are
added in one native call, like any step divided among the threads. With the tree walked depth first
a row is free again when it was added to the one before it.
"""

from graphcnn.ir.plan import ALIGN
from graphcnn.ir.tensor_type import DType
from graphcnn.ops.parts.tree import middle
from graphcnn.runtime.native.addresses import Entries, Moving
from graphcnn.runtime.native.code.emit import Emitter
from graphcnn.runtime.native.code.jit import compile_kernels
from graphcnn.runtime.native.code.kernel import Kernel
from graphcnn.runtime.native.code.target import Target
from graphcnn.runtime.native.driver import Driver
from graphcnn.runtime.native.memory.places import Memory
from graphcnn.runtime.native.memory.rows import Rows
from graphcnn.runtime.native.program import LEAST_LINES, Record
from graphcnn.runtime.native.threads import run_steps


class Sums:
    """The rows of one executable: which is written, and their sums."""

    def __init__(
        self, memory: Memory, entries: Entries, target: Target, driver: Driver, parts: int
    ) -> None:
        assert memory.rows is not None
        self._memory, self._target, self._driver, self._parts = memory, target, driver, parts
        reduced = memory.plan.reduced.items()
        starts = {buffer: memory.rows.start(0, name) for name, (_, buffer) in reduced}
        self._moving = Moving(entries, starts)
        self.use(memory.rows)

    def use(self, rows: Rows) -> None:
        """Let the rows lie elsewhere."""
        self.rows = self._memory.rows = rows
        self._records, self._each = self._adding(rows)
        self.into(0)

    def into(self, row: int) -> None:
        """Let the steps find a row."""
        self._memory.row = row
        self._moving.point(self.rows.block.address + row * self.rows.bytes)

    def add(self, row: int) -> None:
        """Add the row after it to a row."""
        run_steps(self._driver, self._records.record(row * self._each), self._each, self._parts)

    def alike(self, shards: int) -> None:
        """The sum of so many rows that are all as the first one is, in its place."""
        size, block = self.rows.bytes, self.rows.block.bytes
        one = block[:size].copy()

        def over(first: int, last: int, row: int) -> None:
            if last - first == 1:
                block[row * size : (row + 1) * size] = one
                return
            half = middle(first, last)
            over(first, half, row)
            over(half, last, row + 1)
            self.add(row)

        over(0, shards, 0)

    def _adding(self, rows: Rows) -> tuple[Entries, int]:
        """The calls that add to each row the next one, so many to a row."""
        base, pieces = rows.block.address, [*rows.pieces()]
        records = []
        for row in range(rows.count - 1):
            for dtype, first, size in pieces:
                left, lines = base + row * rows.bytes + first, size // ALIGN
                shares = min(self._parts, -(-lines // LEAST_LINES))
                records.append(Record(add_kernel(dtype), (left, left + rows.bytes, lines), shares))
        codes = compile_kernels([record.kernel for record in records], self._target)
        return Entries(records, codes, lambda buffer: 0), len(pieces)


def add_kernel(dtype: DType) -> Kernel:
    """Adds whole lines to others. Its third operand is no address, but how many lines."""

    def emit(e: Emitter) -> None:
        total, more, count = e.operands
        lines = e.b.ptrtoint(count, e.index)
        first = e.b.udiv(e.b.mul(e.part, lines), e.parts)
        last = e.b.udiv(e.b.mul(e.b.add(e.part, e.int(1)), lines), e.parts)
        elements = ALIGN // dtype.bytes
        lanes = min(e.target.lanes(dtype), elements)
        plus = e.add if dtype.is_float else e.b.add

        def line(i: object) -> None:
            def one(j: object) -> None:
                at = ((i, elements), (j, 1))
                place = e.at(total, dtype, *at)
                left = e.load(place, dtype, lanes)
                right = e.load(e.at(more, dtype, *at), dtype, lanes)
                e.store(plus(left, right), place)

            e.loop(0, elements, one, step=lanes)

        e.loop(first, last, line)

    return Kernel(f"add lines {dtype}", emit, 3)
