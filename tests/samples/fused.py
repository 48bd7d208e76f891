"""Bodies of elementwise operators in several types, and heavy operators with an epilogue."""

from collections.abc import Callable
from typing import Any

import numpy as np

from graphcnn.ir.graph import Graph
from graphcnn.ir.node import Array, Value, constant_of
from graphcnn.ir.sources import Input
from graphcnn.ir.tensor_type import DType, TensorType
from graphcnn.ops.activation import Relu, Sigmoid, Tanh
from graphcnn.ops.broadcast import BroadcastTo
from graphcnn.ops.comparison import And, Greater, Less, Where
from graphcnn.ops.conv import Conv2d, Conv2dWeightGrad, ConvTranspose2d
from graphcnn.ops.dense import Dense, MatMul
from graphcnn.ops.elementwise import Cast, Exp, Sqrt
from graphcnn.ops.fused import Fused, fused
from samples import Draw, ErrorSample, Sample

F32, F64, I32, I64, BOOL = (
    DType.FLOAT32, DType.FLOAT64, DType.INT32, DType.INT64, DType.BOOL
)  # fmt: skip
Shape = tuple[int, ...]


def body(build: Callable[..., Any], *types: TensorType) -> Fused:
    """The operator whose body `build` makes of inputs with these types."""
    inputs = [Input(f"x{i}", t)(name=f"x{i}") for i, t in enumerate(types)]
    made = build(*inputs)
    results = made if isinstance(made, tuple) else (made,)
    return fused(Graph.of(inputs, {f"y{i}": v for i, v in enumerate(results)}, name="fused"))


class BodySample(Sample):
    """A sample of fixed element types: those of the body, whatever the test asks for."""

    def __init__(self, label: str, build: Callable[..., Any], *inputs: Any) -> None:
        types = [i if isinstance(i, TensorType) else TensorType(i) for i in inputs]
        self.fixed = types
        draws = [Draw(t.shape, dtype=t.dtype.numpy.name) for t in types]  # type: ignore[arg-type]
        super().__init__(body(build, *types), *draws, label=f"fused-{label}")

    def arrays(self, dtype: Any = np.float64) -> tuple[Array, ...]:
        drawn = super().arrays(np.float64)
        return tuple(a.astype(t.dtype.numpy) for a, t in zip(drawn, self.fixed, strict=True))


def sgd(w: Value, v: Value, g: Value, rate: Value) -> tuple[Value, Value]:
    new = v * 0.9 + g
    return w - rate * new, new


def masked(y: Value, dy: Value) -> Value:
    return Where()(y > 0.0, dy, constant_of(0.0, dy.dtype))


def t(shape: Shape, dtype: DType = F32) -> TensorType:
    return TensorType(shape, dtype)


def adam(w: Value, m: Value, v: Value, g: Value) -> tuple[Value, Value, Value]:
    m, v = m * 0.9 + g * 0.1, Where()(v > 0.0, v, -v) * 0.99 + g * g * 0.01
    return w - m * 0.1 / (Sqrt()(v) + 1e-3), m, v


SAMPLES = [
    *(
        sample
        for dtype in (F32, F64)
        for sample in (
            BodySample(f"{dtype}-chain", lambda x: Relu()(x * 2.0 + 1.0), t((3, 5, 7), dtype)),
            BodySample(f"{dtype}-sgd", sgd, *[t((33,), dtype)] * 3, t((), dtype)),
            BodySample(f"{dtype}-adam", adam, *[t((4, 9), dtype)] * 4),
            BodySample(f"{dtype}-mask", masked, t((2, 3, 4, 5), dtype), t((2, 3, 4, 5), dtype)),
            BodySample(
                f"{dtype}-channels",
                lambda x, scale, shift: Tanh()(x * scale + shift),
                t((2, 3, 4, 5), dtype), t((3, 1, 1), dtype), t((1, 3, 1, 1), dtype),
            ),
            BodySample(
                f"{dtype}-broadcast",
                lambda x, y: Sigmoid()(x) * BroadcastTo((2, 3, 17))(y),
                t((2, 3, 17), dtype), t((3, 1), dtype),
            ),
            BodySample(
                f"{dtype}-rows-and-columns",
                lambda x, y: (x + y, Exp()(x - y)),
                t((1, 19), dtype), t((6, 19), dtype),
            ),
            BodySample(
                f"{dtype}-anchor-conv2d",
                lambda x, w, b, r: Relu()(Conv2d(padding=(1, 1, 1, 1))(x, w, b) + r),
                t((2, 3, 5, 6), dtype), t((4, 3, 3, 3), dtype), t((4,), dtype),
                t((2, 4, 5, 6), dtype),
            ),
            BodySample(
                f"{dtype}-anchor-dense",
                lambda x, w, b: Relu()(Dense()(x, w, b)),
                t((3, 20), dtype), t((18, 20), dtype), t((18,), dtype),
            ),
            BodySample(
                f"{dtype}-anchor-masked",
                lambda x, w, y: masked(y, ConvTranspose2d(stride=(2, 2))(x, w)),
                t((2, 3, 3, 3), dtype), t((3, 2, 3, 3), dtype), t((2, 2, 7, 7), dtype),
            ),
            BodySample(
                f"{dtype}-anchor-momentum",
                lambda x, dy, v: v * 0.9 + Conv2dWeightGrad(kernel=(3, 3))(x, dy),
                t((2, 3, 6, 5), dtype), t((2, 4, 4, 3), dtype), t((4, 3, 3, 3), dtype),
            ),
            BodySample(
                f"{dtype}-anchor-matmul-two-results",
                lambda a, b: (lambda y: (y, Tanh()(y)))(MatMul(transpose_a=True)(a, b)),
                t((5, 7), dtype), t((5, 18), dtype),
            ),
        )
    ),
    BodySample(
        "mixed-types",
        lambda x, n: (Cast(I64)(x) + n, And()(Greater()(n, Cast(I64)(x)), Less()(x, -x))),
        t((4, 11)), t((4, 11), I64),
    ),
    BodySample("whole-numbers", lambda n, k: -(n * k) + 3, t((13,), I32), t((13,), I32)),
    BodySample("truth", lambda a, b: Where()(a, b, And()(a, b)), t((7,), BOOL), t((7,), BOOL)),
    BodySample("scalar", lambda n: n + 1, t((), I64)),
    BodySample("through", lambda x, y: (x, x + y), t((5,)), t((5,))),
]  # fmt: skip

_RELU = body(Relu(), t((2, 3)))

ERRORS = [
    ErrorSample(_RELU, (2, 4), match=r"the body reads \(f32\[2,3\]\), found \(f32\[2,4\]\)"),
    ErrorSample(_RELU, (2, 3), (2, 3), match=r"the body reads .*, found \(f32.*, f32"),
    ErrorSample(_RELU, t((2, 3), F64), match="found .f64"),
    ErrorSample(Fused(_RELU.body, anchor=0), (2, 3), match=r"anchor is 0, .* anchors at \[\]"),
    ErrorSample(
        body(lambda x, w: Dense()(Relu()(x), w), t((2, 3)), t((4, 3))),
        (2, 3), (4, 3),
        match="dense must read inputs of the body only",
    ),
]  # fmt: skip
