"""The transform of kernels for Winograd's convolution, G g Gᵀ, as a relayout."""

from typing import cast

import llvmlite.ir as ir

from graphcnn.errors import GraphError
from graphcnn.ir.storage import KERNEL_TRANSFORM, Kernels, TransformedKernels, parse_layout
from graphcnn.ir.tensor_type import TensorType
from graphcnn.runtime.native.code.emit import Emitter, Int
from graphcnn.runtime.native.code.kernel import Kernel
from graphcnn.runtime.native.code.target import Target
from graphcnn.runtime.native.kernels.conv.packing import own_scratch, scratch_bytes
from graphcnn.runtime.native.kernels.layout.relayout_kernels import KernelSquares, move
from graphcnn.runtime.native.kernels.parts.math import constant
from graphcnn.runtime.native.kernels.parts.numbers import BLOCKED_TYPES


def transformed(key: str, source: TensorType, result: TensorType, target: Target) -> Kernel:
    """From a kernel (O, C, 3, 3), plain or in blocks, to [points][O/(L·b)][C][L·b].

    A square of L × L numbers is brought into the orientation of the result tap by tap, then each
    of its vectors is transformed.
    """
    read, layout = parse_layout(source.layout), parse_layout(result.layout)
    assert isinstance(layout, TransformedKernels)
    dtype, lanes, wide = (
        source.dtype,
        layout.kernels.lanes,
        layout.kernels.lanes * layout.kernels.vectors,
    )
    fits = read is None or (isinstance(read, Kernels) and read.lanes == lanes)
    if not fits or lanes != target.lanes(dtype) or dtype not in BLOCKED_TYPES:
        raise GraphError(f"no relayout on {target.name} from {source} to {result}")
    _, panels, depth, _ = cast(tuple[int, ...], layout.storage(source.shape))
    turned = Kernels(lanes, 1, layout.kernels.transposed)
    a = KernelSquares(source, lanes)
    b = KernelSquares(TensorType((lanes, lanes, 3, 3), dtype, str(turned)), lanes)
    outer, inner = panels * layout.kernels.vectors, depth // lanes
    scratch = scratch_bytes(9 * lanes * lanes * dtype.bytes)

    def emit(e: Emitter) -> None:
        x, y, _ = e.operands
        own = own_scratch(e, e.operands[-1], scratch)

        def unit(u: Int) -> None:
            row, column = e.divmod(u, inner)
            ob, ib = (column, row) if turned.transposed else (row, column)

            def tap(t: Int) -> None:
                move(e, dtype, x, b.square(e, own, dtype, 0, 0, t), a, b, (ob, ib, t))

            e.loop(0, 9, tap)
            panel, v = e.divmod(row, layout.kernels.vectors)
            to = e.at(y, dtype, (panel, depth * wide), (column, lanes * wide), (v, lanes))

            def vector(k: Int) -> None:
                taps = [
                    [
                        e.load(e.at(own, dtype, (k, lanes), (t * lanes * lanes, 1)), dtype, lanes)
                        for t in range(i, i + 3)
                    ]
                    for i in (0, 3, 6)
                ]
                half = [kernel_transform(e, layout.tile, line) for line in taps]
                edge = len(half[0])
                for q in range(edge):
                    done = kernel_transform(e, layout.tile, [half[r][q] for r in range(3)])
                    for r, value in enumerate(done):
                        point = (r * edge + q) * panels * depth * wide
                        e.store(value, e.at(to, dtype, (k, wide), (point, 1)))

            e.loop(0, lanes, vector)

        e.loop(*e.share(outer * inner), unit)

    return Kernel(key, emit, 3, outer * inner, scratch, algorithm=f"transform F{layout.tile}")


def kernel_transform(e: Emitter, m: int, g: list[ir.Value]) -> list[ir.Value]:
    """G g along one axis."""
    return [_combined(e, [float(x) for x in row], g) for row in KERNEL_TRANSFORM[m]]


def _combined(e: Emitter, factors: list[float], values: list[ir.Value]) -> ir.Value:
    """Σ factor · value."""
    total: ir.Value | None = None
    for factor, value in zip(factors, values, strict=True):
        if factor == 0:
            continue
        by = constant(value.type, factor)
        if total is None:
            total = value if factor == 1 else e.mul(value, by)
        else:
            total = e.fma(value, by, total)
    assert total is not None
    return total
