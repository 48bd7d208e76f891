"""Matrix products whose right operand lies packed in panels, for those that read it many times.

A loop is given the same weight at every step: packed once before it begins, in the order in which
registers read it, it costs no transposition and no jumps through memory any more. The sums are
those of the plain product, in the same order.
"""

from collections.abc import Callable

from graphcnn.errors import GraphError
from graphcnn.ir.node import Node, Op
from graphcnn.ir.storage import PLAIN, Choice, Kernels
from graphcnn.runtime.native.code.kernel import Kernel
from graphcnn.runtime.native.code.registry import packs, passes, places
from graphcnn.runtime.native.code.target import Target
from graphcnn.runtime.native.kernels.parts.epilogue import FusedGroup, group_of
from graphcnn.runtime.native.kernels.parts.numbers import BLOCKED_TYPES
from graphcnn.runtime.native.kernels.tensor.gemm import product_kernel
from graphcnn.runtime.native.kernels.tensor.product import Product, dense_product, matmul_product

#: Vector multiply-adds in a second, about, of any processor.
RATE = 3.5e9
#: What a vector costs to be transposed, and to be read out of rows that lie far apart: of the
#: latter a share of every multiply-add.
_TRANSPOSED, _APART = 5.0, 0.3
#: Rows from which on panels are read by tiles. Below, products are as fast as memory is.
_ROWS = 3


def _choices(group: FusedGroup, product: Product, target: Target) -> list[Choice]:
    """Plain, and with the right operand in panels."""
    plain = tuple(PLAIN for _ in group.node.inputs)
    steps = product.m * product.n * product.k / product.numbers.lanes(target)
    extra = steps / product.m * _TRANSPOSED if product.b_transposed else steps * _APART
    found = [Choice(plain, (PLAIN,), cost=(steps + extra) / RATE)]
    if product.batch or product.m < _ROWS or not product.numbers.are(BLOCKED_TYPES):
        return found
    place = group.places[1]
    if group.read_again & {1} or group.places.count(place) > 1:
        return found
    vectors = product.tile(target).vectors
    lanes = product.numbers.lanes(target)
    layout = str(Kernels(lanes, vectors, not product.b_transposed))
    reads = tuple(layout if i == place else PLAIN for i in range(len(plain)))
    return [*found, Choice(reads, (PLAIN,), "packed", steps / RATE)]


def _packed(node: Node, of: Callable[[FusedGroup], Product], target: Target) -> Kernel:
    group = group_of(node)
    product = of(group)
    layout, lanes = product.packed, product.numbers.lanes(target)
    if layout is None or layout.lanes != lanes or layout.transposed == product.b_transposed:
        raise GraphError(f"{group.op.name} cannot read its right operand as {group.types[1]}")
    return product_kernel(product, group, target)


@packs("dense")
def packed_dense(node: Node, target: Target) -> list[Choice]:
    """x · wᵀ with w in panels."""
    group = group_of(node)
    return _choices(group, dense_product(group), target)


@packs("matmul")
def packed_matmul(node: Node, target: Target) -> list[Choice]:
    """A · B with one matrix B in panels, for all rows of A."""
    group = group_of(node)
    if group.types[1].rank != 2 or group.types[0].rank != 2:
        return []
    return _choices(group, matmul_product(group), target)


@places("dense")
def place_dense(node: Node, target: Target) -> Kernel:
    """A dense layer whose weight lies in panels."""
    return _packed(node, dense_product, target)


@places("matmul")
def place_matmul(node: Node, target: Target) -> Kernel:
    """A product whose right operand lies in panels."""
    return _packed(node, matmul_product, target)


@passes("dense", "matmul")
def stays(op: Op, layout: str) -> bool:
    """Rows and columns are no images: neither works in the layout of its neighbours."""
    return False
