"""The element types of products: kernels compute by them, and refuse those that they lack."""

import numpy as np
import pytest
from native.run_kernel import run_kernel

from graphcnn.errors import GraphError
from graphcnn.ir.node import Node, build
from graphcnn.ir.sources import Input
from graphcnn.ir.tensor_type import DType, TensorType
from graphcnn.ops.conv import Conv2d
from graphcnn.ops.dense import MatMul
from graphcnn.runtime.native.code.emit import Emitter
from graphcnn.runtime.native.code.kernel import Kernel
from graphcnn.runtime.native.code.registry import lower
from graphcnn.runtime.native.code.target import host
from graphcnn.runtime.native.kernels.conv.depthwise import DepthwiseConv
from graphcnn.runtime.native.kernels.conv.direct import DirectConv
from graphcnn.runtime.native.kernels.conv.geometry import geometry
from graphcnn.runtime.native.kernels.conv.schedule import choose_schedule
from graphcnn.runtime.native.kernels.parts.blocked import pack_kernel
from graphcnn.runtime.native.kernels.parts.numbers import Numbers

HALF = Numbers.of(DType.FLOAT16, DType.FLOAT16, DType.FLOAT16)


@pytest.mark.parametrize("groups", [1, 32])
def test_short_floats_are_summed_in_long_ones(groups: int) -> None:
    """A convolution whose numbers are float16 and whose sums are float32: no other kernel."""
    assert HALF.sums is DType.FLOAT32
    lanes, op = HALF.lanes(host()), Conv2d(padding=(1, 1, 1, 1), groups=groups)
    g = geometry(op, 2, (32, (7, 9)), (32, (7, 9)), (3, 3), lanes)
    rng = np.random.default_rng(0)
    x = rng.standard_normal((2, 32, 7, 9)).astype(np.float16)
    weight = rng.standard_normal((32, 32 // groups, 3, 3)).astype(np.float16)
    schedule = choose_schedule(g, host(), 1)
    code = (DirectConv if groups == 1 else DepthwiseConv)(g, schedule, HALF)
    kernels = pack_kernel(weight, lanes, 1)
    if groups > 1:
        kernels = np.ascontiguousarray(weight.reshape(-1, lanes, 9).transpose(0, 2, 1))
    arrays = [g.x.pack(x), kernels]
    values = [Input(f"x{i}", TensorType(a.shape, DType.FLOAT16))() for i, a in enumerate(arrays)]
    stored = TensorType((2, g.y.blocks, *g.y.grid, lanes), DType.FLOAT16)
    node = Node(op, tuple(values), (stored,))

    def emit(e: Emitter) -> None:
        code.emit(e, *e.operands)

    (found,) = run_kernel(Kernel(f"half {code}", emit, 3, code.units), node, arrays, host(), 3)
    exact = op.evaluate(x.astype(np.float64), weight.astype(np.float64))
    off = np.abs(g.y.unpack(found, 2) - exact)
    assert (off <= 2.0**-11 * np.abs(exact) + 1e-4).all()  # one rounding, and that of the sums


@pytest.mark.parametrize(("op", "shapes"), [
    (Conv2d(), ((1, 3, 4, 4), (8, 3, 3, 3))),
    (MatMul(), ((2, 3), (3, 4))),
])  # fmt: skip
def test_other_numbers_are_refused(op: Conv2d | MatMul, shapes: tuple[tuple[int, ...], ...]):
    values = [Input(f"x{i}", TensorType(s, DType.FLOAT16))() for i, s in enumerate(shapes)]
    with pytest.raises(GraphError, match=f"{op.name} of f16 has no native code: use f32 or f64"):
        lower(build(op, values), host())
