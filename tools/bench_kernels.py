"""`python -m graphcnn.tools.bench_kernels [WORD...]`: how fast the kernels of convolutions are.

Every shape is run by every algorithm that its operator offers, on one thread, and the fastest of
many runs counts. GFLOP/s count the multiply-adds of the definition, so Winograd's can exceed the
peak, which is measured with a loop of independent multiply-adds; its kernels come transformed.
Words choose: `forward`, `input`, `weight`, `first`, or an algorithm.
"""

import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from graphcnn.ir.geometry import Pair
from graphcnn.ir.node import Node, Op, build
from graphcnn.ir.sources import Input
from graphcnn.ir.storage import Choice, storage_bytes
from graphcnn.ir.tensor_type import DType, TensorType
from graphcnn.ops.conv import Conv2d, Conv2dWeightGrad, ConvTranspose2d
from graphcnn.ops.layout import Placed
from graphcnn.runtime.execution import NATIVE
from graphcnn.runtime.native.code.registry import choices, lower
from graphcnn.runtime.native.machine import measure, peak

F32 = DType.FLOAT32


@dataclass(frozen=True)
class Shape:
    """A convolution: batch, channels, image size, filters, kernel, padding, stride."""

    n: int
    c: int
    size: int
    o: int
    k: int
    padding: int = 0
    stride: int = 1

    def __str__(self) -> str:
        stride = f"/{self.stride}" if self.stride > 1 else ""
        return f"{self.n}×{self.c}×{self.size}² → {self.o}, {self.k}×{self.k}{stride}"

    @property
    def flops(self) -> int:
        return 2 * self.n * self.c * self.o * self.k**2 * self.output**2

    @property
    def output(self) -> int:
        return (self.size + 2 * self.padding - self.k) // self.stride + 1

    def op(self) -> Conv2d:
        return Conv2d((self.stride,) * 2, (self.padding,) * 4)


LAYERS = [
    Shape(1, 64, 56, 64, 3, 1), Shape(1, 128, 28, 128, 3, 1), Shape(1, 256, 14, 256, 3, 1),
    Shape(1, 512, 7, 512, 3, 1), Shape(1, 64, 56, 256, 1), Shape(1, 256, 56, 64, 1),
    Shape(8, 64, 56, 64, 3, 1), Shape(8, 128, 28, 128, 3, 1), Shape(8, 256, 14, 256, 3, 1),
    Shape(8, 512, 7, 512, 3, 1), Shape(8, 64, 56, 128, 3, 1, 2), Shape(64, 64, 8, 64, 3, 1),
    Shape(64, 32, 16, 32, 3, 1), Shape(64, 32, 32, 32, 3, 1), Shape(128, 32, 13, 64, 3, 0),
]  # fmt: skip
FIRST = [
    Shape(64, 1, 28, 6, 5, 2), Shape(64, 1, 28, 32, 3), Shape(64, 6, 14, 16, 5),
    Shape(64, 3, 32, 32, 3, 1), Shape(8, 3, 224, 64, 7, 3, 2),
]  # fmt: skip


def cases() -> Iterator[tuple[str, Shape, Op, list[tuple[int, ...]]]]:
    """(what, shape, operator, shapes of its operands)."""
    for shape in (*LAYERS, *FIRST):
        op, kernel = shape.op(), (shape.k, shape.k)
        x, w = (shape.n, shape.c, shape.size, shape.size), (shape.o, shape.c, *kernel)
        y = (shape.n, shape.o, shape.output, shape.output)
        what = "first" if shape in FIRST else "forward"
        yield what, shape, op, [x, w]
        if what != "first":
            unread: Pair = ((shape.size + 2 * shape.padding - shape.k) % shape.stride,) * 2
            back = ConvTranspose2d(**op.attributes, output_padding=unread)
            yield "input gradient", shape, back, [y, w]
        grad = Conv2dWeightGrad(**op.attributes, kernel=kernel)
        yield "weight gradient", shape, grad, [x, y]


def node_of(op: Op, shapes: Sequence[tuple[int, ...]], choice: Choice) -> Node:
    """A node in the layouts of a choice."""
    values = [
        Input(f"x{i}", TensorType(s, F32, layout))()
        for i, (s, layout) in enumerate(zip(shapes, choice.reads, strict=True))
    ]
    return build(Placed(op, choice.reads, choice.writes, choice.algorithm), values)


def main(words: Sequence[str]) -> None:
    target = NATIVE.machine
    limit = peak(target)
    print(f"{target.name}: peak {limit / 1e9:.0f} GFLOP/s in float32, one thread")
    for what, shape, op, shapes in cases():
        plain = build(op, [Input(f"x{i}", TensorType(s))() for i, s in enumerate(shapes)])
        seen: set[str] = set()
        for choice in choices(plain, target):
            name = choice.algorithm or "plain"
            wanted = not words or any(w in f"{what} {name}" for w in words)
            if name in seen or not wanted:
                continue
            seen.add(name)
            node = node_of(op, shapes, choice)
            kernel = lower(node, target)
            sizes = [storage_bytes(t) for t in (*(v.type for v in node.inputs), *node.types)]
            seconds = measure(kernel, sizes, target)
            speed = shape.flops / seconds
            print(
                f"{what:16} {shape!s:28} {kernel.algorithm:26} {speed / 1e9:5.0f} GFLOP/s"
                f" {speed / limit:5.0%} {seconds * 1e6:8.0f} us"
                f"  expected {choice.cost * 1e6:8.0f} us",
                flush=True,
            )


if __name__ == "__main__":
    main(sys.argv[1:])
