"""What a matrix product is to the code that computes it: sizes, strides, how B lies.

y[m, n] = bias[n] + sum over k of A[m, k] · B[k, n]
"""

from dataclasses import dataclass, field
from typing import cast

from graphcnn.ir.storage import Kernels, parse_layout
from graphcnn.ir.tensor_type import Shape, TensorType
from graphcnn.ops.dense import MatMul
from graphcnn.runtime.native.code.target import Target
from graphcnn.runtime.native.kernels.parts.epilogue import FusedGroup
from graphcnn.runtime.native.kernels.parts.numbers import PLAIN_TYPES, Numbers
from graphcnn.runtime.native.kernels.parts.tiles import Tile, choose_tile


@dataclass(frozen=True)
class Product:
    """Sizes and strides of a batch of products. `batch` broadcasts: a stride of 0 repeats.

    `packed` says how B lies, where it is not row-major.
    """

    m: int
    n: int
    k: int
    a_row: int
    a_step: int
    b_transposed: bool
    numbers: Numbers
    bias: bool = False
    batch: tuple[int, ...] = ()
    a_batch: tuple[int, ...] = field(default=())
    b_batch: tuple[int, ...] = field(default=())
    packed: Kernels | None = None

    def tile(self, target: Target) -> Tile:
        """The sums that are in registers at once."""
        vectors = -(-self.n // self.numbers.lanes(target))
        tile = choose_tile(target, self.m, vectors)
        if self.packed is None or self.packed.vectors == tile.vectors:
            return tile
        wide = self.packed.vectors
        return Tile(max(1, min(self.m, (target.sums - wide) // wide)), wide)


def dense_product(group: FusedGroup) -> Product:
    """The product of a dense layer."""
    x, weight, *bias = group.types
    (m, k), n = cast(tuple[int, int], x.shape), cast(int, weight.shape[0])
    numbers = group.numbers.require(group.op.name, PLAIN_TYPES)
    return Product(m, n, k, k, 1, True, numbers, bool(bias), packed=_panels_of(weight))


def matmul_product(group: FusedGroup) -> Product:
    """The products of two stacks of matrices."""
    op, (a, b) = cast(MatMul, group.op), group.types
    *batch, m, n = cast(tuple[int, ...], op.infer(a, b).shape)
    k = cast(int, a.shape[-2] if op.transpose_a else a.shape[-1])
    return Product(
        m, n, k,
        *((1, m) if op.transpose_a else (k, 1)),
        op.transpose_b, group.numbers.require(op.name, PLAIN_TYPES), False, tuple(batch),
        batch_strides(a.shape[:-2], len(batch), m * k),
        batch_strides(b.shape[:-2], len(batch), k * n), _panels_of(b),
    )  # fmt: skip


def _panels_of(t: TensorType) -> Kernels | None:
    """How the right operand lies, where it is packed."""
    layout = parse_layout(t.layout)
    assert layout is None or isinstance(layout, Kernels)
    return layout


def batch_strides(shape: Shape, rank: int, matrix: int) -> tuple[int, ...]:
    """The stride along each batch axis, 0 where it broadcasts."""
    strides, stride = [], matrix
    for size in reversed(cast(tuple[int, ...], shape)):
        strides.append(stride if size > 1 else 0)
        stride *= size
    return (*[0] * (rank - len(strides)), *reversed(strides))
