"""What a step adds up over the shards of a batch: a row for each partial sum that lives at a time.

In a row lies all that `all_reduce` takes, next to each other, in the order in which it is ready:
gradients in the layouts of the optimiser, statistics, loss and metrics. So a row is one piece of
memory, and two of them are added up, or sent to another process, as a whole.
"""

from collections.abc import Iterator

import numpy as np

from graphcnn.ir.node import Array
from graphcnn.ir.plan import Plan
from graphcnn.ir.storage import PLAIN, pack, storage_bytes, unpack
from graphcnn.ir.tensor_type import DType
from graphcnn.ops.parts.tree import rows
from graphcnn.runtime.native.memory.arena import ALIGNMENT, Arena, round_up


class Rows:
    """The rows of a plan in one block, whose memory is given when it is first touched.

    Attributes:
        kinds: what lies in a row, in order, by name.
        count, bytes: of the rows, how many and how large.
    """

    def __init__(self, plan: Plan, zone: int = 0) -> None:
        self.kinds = {name: value.type for name, (value, _) in plan.reduced.items()}
        self.starts: dict[str, int] = {}
        size = zone
        for name, (_, buffer) in plan.reduced.items():
            self.starts[name] = size
            size += round_up(buffer.bytes, ALIGNMENT) + zone
        self.bytes, self.count = size, rows(plan.shards)
        self.block = Arena(self.bytes * self.count, bool(zone))
        if zone:
            self.block.poison()

    def start(self, row: int, name: str) -> int:
        """Where in the block something begins."""
        return row * self.bytes + self.starts[name]

    def view(self, row: int, name: str) -> Array:
        """It as an array, of its storage."""
        return self.block.view(self.start(row, name), self.kinds[name])

    def values(self, row: int) -> dict[str, Array]:
        """A copy of all that lies in a row, plain."""
        views = {name: self.view(row, name).reshape(-1) for name in self.kinds}
        return {name: np.array(unpack(view, self.kinds[name])) for name, view in views.items()}

    def take(self, row: int, other: "Rows", theirs: int) -> None:
        """Copy a row of rows in which the same things lie in other layouts, or another order."""
        for name, kind in self.kinds.items():
            found, view = other.view(theirs, name), self.view(row, name)
            plain = unpack(found.reshape(-1), other.kinds[name])
            view.reshape(-1)[...] = plain.reshape(-1) if kind.layout == PLAIN else pack(plain, kind)

    def same(self, other: "Rows") -> bool:
        """Whether everything lies in both at the same place."""
        return [*self.kinds.items()] == [*other.kinds.items()] and self.bytes == other.bytes

    def pieces(self) -> Iterator[tuple[DType, int, int]]:
        """What is added up in one go: element type, begin in a row, bytes in whole lines."""
        found: list[tuple[DType, int, int]] = []
        for name, kind in self.kinds.items():
            size = round_up(storage_bytes(kind), ALIGNMENT)
            if found and found[-1][0] is kind.dtype and sum(found[-1][1:]) == self.starts[name]:
                dtype, first, before = found.pop()
                found.append((dtype, first, before + size))
            else:
                found.append((kind.dtype, self.starts[name], size))
        yield from found
