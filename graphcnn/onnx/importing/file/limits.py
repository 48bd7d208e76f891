"""How much a model file may ask for. Everything is counted in Python integers before any array is
made, so that a file of a hundred bytes cannot take the memory of the machine.
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass

from graphcnn.errors import ImportModelError
from graphcnn.ir.tensor_type import Dim, times_n

#: Sizes of axes and attributes of windows have to fit 32 bits with a sign.
MAX_DIM = (1 << 31) - 1


@dataclass(frozen=True)
class Limits:
    """Bounds for reading a model. The defaults let every published network pass.

    Attributes:
        file_bytes: of the file.
        external_bytes: of all arrays that lie in other files, together.
        nodes: of the graph, its subgraphs and the functions it calls, written out.
        rank: axes of one tensor.
        elements: of one tensor, with the batch counted as 1.
        edge_bytes: of all results together, with the batch counted as 1.
        folded_bytes: of all tensors that are computed while importing.
        nesting: of subgraphs and of functions that call functions.
        window: kernel, stride, dilation and padding along one axis.
        pieces: parts that one operator may be cut into, and turns of a loop.
    """

    file_bytes: int = (1 << 31) - 1
    external_bytes: int = 1 << 32
    nodes: int = 100_000
    rank: int = 8
    elements: int = 1 << 28
    edge_bytes: int = 1 << 35
    folded_bytes: int = 1 << 30
    nesting: int = 32
    window: int = 1 << 16
    pieces: int = 1024

    def check_shape(self, sizes: Iterable[Dim | None], what: str) -> int:
        """Number of elements of a shape; N, and what is unknown (None), counts as 1."""
        dims = tuple(sizes)
        if len(dims) > self.rank:
            raise ImportModelError(
                f"{what}: {len(dims)} axes, expected at most {self.rank} (limits.rank)"
            )
        numbers = [times_n(d) for d in dims if d is not None]
        for d in numbers:
            if not 0 <= d <= MAX_DIM:
                raise ImportModelError(f"{what}: size {d}, expected 0 to {MAX_DIM}")
        count = math.prod(numbers)
        if count > self.elements:
            raise ImportModelError(
                f"{what}: {'·'.join(map(str, numbers))} = {count:,} elements, expected at most "
                f"{self.elements:,} (limits.elements)"
            )
        return count
