"""Loops: sums, a recurrent cell, several carries, nothing carried, one in another, backwards."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from graphcnn.ir.graph import Graph
from graphcnn.ir.node import Array, Value, build
from graphcnn.ir.sources import Input
from graphcnn.ir.tensor_type import DType, TensorType
from graphcnn.ops.activation import Relu, Sigmoid, Tanh
from graphcnn.ops.broadcast import Sum
from graphcnn.ops.comparison import Where
from graphcnn.ops.conv import Conv2d
from graphcnn.ops.dense import Dense, MatMul
from graphcnn.ops.elementwise import Cast
from graphcnn.ops.loops import Scan
from graphcnn.ops.random import Dropout, RandomUniform
from samples import Draw, ErrorSample, Sample

F16, F32, F64 = DType.FLOAT16, DType.FLOAT32, DType.FLOAT64
I64, BOOL = DType.INT64, DType.BOOL
Types = tuple[TensorType, ...]


def t(shape: tuple[int, ...], dtype: DType = F32) -> TensorType:
    return TensorType(shape, dtype)


def scan_of(
    build_body: Callable[..., Any],
    carries: Types = (),
    slices: Types = (),
    given: Types = (),
    length: int = 3,
    reverse: bool = False,
) -> Scan:
    """The operator whose body `build_body` makes of inputs with these types."""
    groups = {"c": carries, "x": slices, "w": given}
    named = [(f"{word}{i}", kind) for word, ts in groups.items() for i, kind in enumerate(ts)]
    inputs = [Input(name, kind)(name=name) for name, kind in named]
    made = build_body(*inputs)
    results = made if isinstance(made, tuple) else (made,)
    body = Graph.of(inputs, {f"y{i}": v for i, v in enumerate(results)}, name="body")
    return Scan(body, carries=len(carries), scanned=len(slices), length=length, reverse=reverse)


class ScanSample(Sample):
    """A sample of fixed element types: those of the body, whatever the test asks for."""

    def __init__(self, label: str, op: Scan) -> None:
        parts = op.parts([v.type for v in op.body.inputs])
        stacks = tuple(x.with_shape((op.length, *x.shape)) for x in parts.scanned)
        self.fixed = (*parts.carries, *stacks, *parts.given)
        draws = [Draw(k.shape, dtype=k.dtype.numpy.name) for k in self.fixed]  # type: ignore[arg-type]
        super().__init__(op, *draws, label=f"scan-{label}")

    def arrays(self, dtype: Any = np.float64) -> tuple[Array, ...]:
        drawn = super().arrays(np.float64)
        return tuple(a.astype(k.dtype.numpy) for a, k in zip(drawn, self.fixed, strict=True))


def rnn(h: Value, x: Value, w: Value, u: Value, b: Value) -> tuple[Value, Value]:
    new = Tanh()(Dense()(x, w, b) + Dense()(h, u))
    return new, new


def lstm(h: Value, c: Value, x: Value, w: Value, u: Value) -> tuple[Value, Value, Value]:
    gates = Dense()(x, w) + Dense()(h, u)
    i, f, g, o = (gates[:, 3 * k : 3 * k + 3] for k in range(4))
    c = Sigmoid()(f) * c + Sigmoid()(i) * Tanh()(g)
    h = Sigmoid()(o) * Tanh()(c)
    return h, c, h


def rows(h: Value, x: Value, w: Value) -> tuple[Value, Value]:
    """A scan over the columns of each row, which goes on from row to row."""
    columns = scan_of(lambda c, v, a: (Tanh()(c * a + v), c), (t((2,), h.dtype),),
                      (t((2,), h.dtype),), (t((2,), h.dtype),), length=4, reverse=True)  # fmt: skip
    last, before = build(columns, (h, x, w), "columns").outputs
    return last, before


def masked(h: Value, x: Value, on: Value) -> tuple[Value, Value]:
    new = Where()(on, Tanh()(h + x), h)
    return new, new


def counted(n: Value, x: Value) -> tuple[Value, Value]:
    return n + 1, Cast(F32)(n) * x


def samples(dtype: DType) -> list[Sample]:
    def s(*shape: int) -> TensorType:
        return t(shape, dtype)

    rnn_types = ((s(2, 3),), (s(2, 4),), (s(3, 4), s(3, 3), s(3)))
    cases = {
        "sum": scan_of(lambda c, x: c + x, (s(3),), (s(3),)),
        "running": scan_of(lambda c, x: (c + x, c * x), (s(2, 3),), (s(2, 3),), length=5),
        "rnn": scan_of(rnn, *rnn_types, length=4),
        "rnn-reverse": scan_of(rnn, *rnn_types, length=4, reverse=True),
        "rnn-once": scan_of(rnn, *rnn_types, length=1),
        "lstm": scan_of(lstm, (s(2, 3), s(2, 3)), (s(2, 2),), (s(12, 2), s(12, 3)), length=3),
        "map": scan_of(lambda x, w: Tanh()(x * w), (), (s(3),), (s(3),)),
        "no-slices": scan_of(lambda c: (c * 0.5 + 1.0, c), (s(3),), length=4),
        "given-alone": scan_of(lambda c, w: (c + w, w), (s(3),), (), (s(3),)),
        "passed-on": scan_of(lambda a, b, x: (b, a, x, a), (s(3), s(3)), (s(2),), length=3),
        "still": scan_of(lambda c, x, w: (c * Sum((0,))(w * w) + x), (s(3),), (s(3),), (s(4),)),
        "matmul": scan_of(lambda c, x: (MatMul()(c, x), c), (s(2, 3),), (s(3, 3),)),
        "conv": scan_of(
            lambda c, x, w: Conv2d(padding=(1, 1, 1, 1))(c + x, w),
            (s(2, 2, 3, 4),), (s(2, 2, 3, 4),), (s(2, 2, 3, 3),), length=2,
        ),
        "nested": scan_of(rows, (s(2),), (s(4, 2),), (s(2),), length=3),
    }  # fmt: skip
    return [ScanSample(f"{dtype}-{label}", op) for label, op in cases.items()]


SAMPLES = [
    *samples(F32),
    *samples(F64),
    ScanSample("masked", scan_of(masked, (t((2, 3)),), (t((2, 3)), t((2, 1), BOOL)))),
    ScanSample("counted", scan_of(counted, (t((), I64),), (t((3,)),))),
    ScanSample("whole", scan_of(lambda n, x: (n + x, n), (t((3,), I64),), (t((3,), I64),))),
    ScanSample("short", scan_of(lambda c, x: (-c, Relu()(x)), (t((3,), F16),), (t((3,), F16),))),
    ScanSample(
        "drawn",
        scan_of(
            lambda c, seed: (c + RandomUniform((3,))(seed, seed), c), (t((3,)),), (t((), I64),)
        ),
    ),
]  # fmt: skip

_SUM = scan_of(lambda c, x: (c + x, c), (t((3,)),), (t((3,)),), length=4)

ERRORS = [
    ErrorSample(_SUM, (3,), match=r"the body reads 2 tensors \(1 carries, 1 slices, 0 .*, found 1"),
    ErrorSample(_SUM, (2,), (4, 3), match=r"init 0 must be f32\[3\], .* 'c0'.*, found f32\[2\]"),
    ErrorSample(_SUM, (3,), (5, 3), match=r"xs 0 must be f32\[4,3\], .* at each of 4 steps, found"),
    ErrorSample(_SUM, (3,), t((4, 3), F64), match=r"found f64\[4,3\]"),
    ErrorSample(
        scan_of(lambda c, w: c * w, (t((3,)),), (), (t((3,)),)), (3,), (4,),
        match=r"given 0 must be f32\[3\], as the body reads 'w0'",
    ),
    ErrorSample(replace(_SUM, length=0), (3,), (4, 3), match="length must be at least 1, found 0"),
    ErrorSample(
        replace(_SUM, carries=3), (3,), (4, 3),
        match="with 3 carries and 1 slices reads at least 4 tensors and gives 3, this one reads 2",
    ),
    ErrorSample(
        scan_of(lambda c: Cast(F64)(c), (t((3,)),)), (3,),
        match=r"carry 0, 'c0', is f32\[3\] and becomes 'y0': f64\[3\]; a carry keeps its type",
    ),
    ErrorSample(
        scan_of(lambda c: Dropout()(c, name="D"), (t((3,)),)), (3,),
        match='dropout "D" cannot stand in the body: scan over a mask',
    ),
    ErrorSample(
        scan_of(lambda c, n: c + RandomUniform((3,))(n, n), (t((3,)),), (), (t((), I64),)),
        (3,), t((), I64),
        match="random_uniform would draw the same numbers at every step",
    ),
]  # fmt: skip
