"""Moving bytes from place to place by a step of its own, as a plan's copies ask for, and loops."""

from graphcnn.ir.plan import ALIGN, Copy
from graphcnn.ir.tensor_type import DType
from graphcnn.runtime.native.code.emit import Emitter
from graphcnn.runtime.native.code.kernel import Kernel

_ELEMENTS = ALIGN // DType.FLOAT32.bytes


def lines_of(copy: Copy) -> int:
    """Pieces of `ALIGN` bytes that a copy moves. Buffers have room for whole ones."""
    return -(-copy.source.bytes // ALIGN)


def copy_kernel() -> Kernel:
    """Copies whole lines. Its third operand is no address, but how many lines."""

    def emit(e: Emitter) -> None:
        source, target, count = e.operands
        lines = e.b.ptrtoint(count, e.index)
        first = e.b.udiv(e.b.mul(e.part, lines), e.parts)
        last = e.b.udiv(e.b.mul(e.b.add(e.part, e.int(1)), lines), e.parts)

        def line(i: object) -> None:
            def one(j: object) -> None:
                at = ((i, _ELEMENTS), (j, 1))
                value = e.load(e.at(source, DType.INT32, *at), DType.INT32, lanes)
                e.store(value, e.at(target, DType.INT32, *at))

            e.loop(0, _ELEMENTS, one, step=lanes)

        lanes = e.target.lanes(DType.FLOAT32)
        e.loop(first, last, line)

    return Kernel("copy lines", emit, 3)


def copy_bytes_kernel() -> Kernel:
    """Copies so many bytes as its third operand says, and touches no other."""

    def emit(e: Emitter) -> None:
        source, target, count = e.operands
        size = e.b.ptrtoint(count, e.index)
        lines = e.b.udiv(size, e.int(ALIGN))
        first = e.b.udiv(e.b.mul(e.part, lines), e.parts)
        last = e.b.udiv(e.b.mul(e.b.add(e.part, e.int(1)), lines), e.parts)
        lanes = e.target.lanes(DType.FLOAT32)

        def line(i: object) -> None:
            def some(j: object) -> None:
                at = ((i, _ELEMENTS), (j, 1))
                value = e.load(e.at(source, DType.INT32, *at), DType.INT32, lanes)
                e.store(value, e.at(target, DType.INT32, *at))

            e.loop(0, _ELEMENTS, some, step=lanes)

        def byte(i: object) -> None:
            value = e.load(e.at(source, DType.UINT8, (i, 1)), DType.UINT8)
            e.store(value, e.at(target, DType.UINT8, (i, 1)))

        e.loop(first, last, line)
        ends = e.b.icmp_unsigned("==", e.b.add(e.part, e.int(1)), e.parts)
        e.loop(e.b.select(ends, e.b.mul(lines, e.int(ALIGN)), size), size, byte)

    return Kernel("copy bytes", emit, 3)
