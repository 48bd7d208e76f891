"""Small graphs and kernels of their own for tests of the native runtime's machinery."""

from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np

from graphcnn.ir.graph import Graph
from graphcnn.ir.node import Array, Node
from graphcnn.ir.sources import Constant, Input, Role, State
from graphcnn.ir.tensor_type import DType, TensorType
from graphcnn.ops.activation import Relu
from graphcnn.ops.elementwise import Add, Mul
from graphcnn.runtime.native.code.emit import Emitter
from graphcnn.runtime.native.code.kernel import Kernel
from graphcnn.runtime.native.code.registry import LOWERINGS, load_lowerings
from graphcnn.runtime.native.code.target import Target

F32 = DType.FLOAT32


def scale_kernel(factor: float, size: int = 64, key: str = "scale") -> Kernel:
    """y = factor · x, scalar by scalar, one unit for each element."""

    def emit(e: Emitter) -> None:
        x, y = e.operands
        first, last = e.share(size)

        def body(i: object) -> None:
            product = e.mul(e.load(e.at(x, F32, (i, 1)), F32), e.splat(factor, F32))
            e.store(product, e.at(y, F32, (i, 1)))

        e.loop(first, last, body)

    return Kernel(f"{key} {factor} {size}", emit, 2, units=size)


def mean_kernel(size: int, units: int) -> Kernel:
    """Every y is the mean of all x and twice its own: needs all that the step before wrote."""

    def emit(e: Emitter) -> None:
        x, y = e.operands
        first, last = e.share(units)
        each = size // units

        def unit(u: object) -> None:
            def total(i: object, s: object) -> list[object]:
                return [e.add(s, e.load(e.at(x, F32, (i, 1)), F32))]

            (s,) = e.loop(0, size, total, carry=[e.splat(0.0, F32)])
            mean = e.mul(s, e.splat(1 / size, F32))

            def one(i: object) -> None:
                own = e.load(e.at(x, F32, (u, each), (i, 1)), F32)
                value = e.fma(own, e.splat(-0.75, F32), mean)
                e.store(value, e.at(y, F32, (u, each), (i, 1)))

            e.loop(0, each, one)

        e.loop(first, last, unit)

    return Kernel(f"mean {size} {units}", emit, 2, units=units)


@contextmanager
def lowered(name: str, lowering: object) -> Iterator[None]:
    """Another lowering for an operator, for a while."""
    load_lowerings()
    before = LOWERINGS.get(name)
    LOWERINGS[name] = lowering  # type: ignore[assignment]
    try:
        yield
    finally:
        del LOWERINGS[name]
        if before is not None:
            LOWERINGS[name] = before


def mean_lowering(units: int) -> object:
    """Stands in for relu: a kernel whose parts depend on all parts before."""

    def lower(node: Node, target: Target) -> Kernel:
        # Alternating with single-unit steps, so that barriers are tested in all ways.
        wide = node.name != "single"
        return mean_kernel(node.types[0].size, units if wide else 1)

    return lower


def chain(length: int, size: int = 64) -> Graph:
    """relu of relu of relu …, every third step on one thread."""
    x = value = Input("x", TensorType((1, size)))()
    for i in range(length):
        value = Relu()(value, name="single" if i % 3 == 1 else "wide")
    return Graph.of([x], {"y": value})


def counter() -> Graph:
    """y = x · w; w ← w + x, then the old w goes to `before`, and n ← n + 1."""
    kind = TensorType((8,))
    x = Input("x", kind)()
    w = State("w", kind, Role.PARAMETER)()
    before = State("before", kind, Role.SLOT)()
    n = State("n", TensorType((), DType.INT64), Role.COUNTER)()
    one = Constant(np.array(1, np.int64))()
    return Graph.of(
        [x],
        {"y": Mul()(x, w), "w": w},
        {w: Add()(w, x), before: w, n: Add()(n, one)},
    )


def counter_states() -> dict[str, Array]:
    return {
        "w": np.arange(8, dtype=np.float32),
        "before": np.zeros(8, np.float32),
        "n": np.array(3, np.int64),
    }
