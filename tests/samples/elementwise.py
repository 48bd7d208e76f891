"""Samples of arithmetic and of functions of single elements."""

import numpy as np

from graphcnn.ir.tensor_type import DType, N, TensorType
from graphcnn.ops.elementwise import (
    Abs,
    Add,
    Cast,
    Ceil,
    Div,
    Erf,
    Exp,
    Floor,
    Log,
    Maximum,
    Minimum,
    Mul,
    Neg,
    Pow,
    Quotient,
    Remainder,
    Round,
    Sign,
    Sqrt,
    Sub,
)
from graphcnn.ops.trigonometry import Atan, Cos, Sin
from samples import Draw, ErrorSample, Sample

# Pairs of shapes that broadcast.
SHAPES = [
    ((2, 3), (2, 3)),
    ((2, 3, 4), (3, 1)),
    ((3, 1, 2), (2, 1, 4, 1)),
    ((4,), ()),
    ((), (2, 2)),
    ((1, 3), (2, 1)),
]

SAMPLES = [Sample(op, a, b) for op in (Add(), Sub(), Mul()) for a, b in SHAPES]
SAMPLES += [Sample(Div(), Draw(a), Draw(b, 0.5, 2.0), label=f"div-{a};{b}") for a, b in SHAPES] + [
    Sample(Div(), Draw(a), Draw(b, -2.0, -0.5), label=f"div-negative-{a};{b}")
    for a, b in SHAPES[:2]
]
SAMPLES += [
    Sample(Pow(), Draw(a, 0.3, 2.0), Draw(b, -2.0, 2.5), label=f"pow-{a};{b}") for a, b in SHAPES
]
# The shapes are drawn at two distances, so that no pair of elements ties.
SAMPLES += [
    Sample(
        op, Draw(a, distinct=True), Draw(b, -1.7, 1.9, distinct=True), label=f"{op.name}-{a};{b}"
    )
    for op in (Maximum(), Minimum())
    for a, b in SHAPES
]
SAMPLES += [
    Sample(op, Draw(shape, low, 2.0), label=f"{op.name}-{shape}")
    for op, low in [
        (Neg(), -2.0), (Exp(), -2.0), (Log(), 0.2), (Sqrt(), 0.2), (Erf(), -2.0), (Sin(), -2.0),
        (Cos(), -2.0), (Atan(), -2.0),
    ]
    for shape in ((2, 3), (), (1, 2, 3, 2))
]  # fmt: skip
SAMPLES += [
    Sample(op, Draw(shape, -2.0, 2.1, distinct=True), label=f"{op.name}-{shape}")
    for op in (Abs(), Sign(), Floor(), Ceil(), Round())
    for shape in ((2, 3), (3, 1, 2))
]
SAMPLES += [Sample(Erf(), Draw((3, 5), -8.0, 8.0), label="erf-wide")]
_INT = Draw((2, 3), -5, 6, "int64")
SAMPLES += [
    Sample(op, _INT, Draw((3,), -5, 6, "int64"), label=f"{op.name}-int64")
    for op in (Add(), Sub(), Mul(), Maximum(), Minimum())
]
SAMPLES += [Sample(op, _INT, label=f"{op.name}-int64") for op in (Neg(), Abs(), Sign())]
SAMPLES += [Sample(op, Draw((3, 5), -90.0, 90.0), label=f"{op.name}-wide") for op in (Sin(), Cos())]
# Quotients that lie between whole numbers: there the rest jumps.
SAMPLES += [
    Sample(
        op, np.array([[2.3, -3.4, 7.1], [-0.4, 5.6, 1.7]]), np.array([1.5, -1.5, 2.0]), label=label
    )
    for op, label in ((Remainder(), "remainder"), (Remainder(True), "remainder-truncated"))
]
_NAMED = {"int8": (-100, 100), "int16": (-900, 900), "int32": (-900, 900), "int64": (-900, 900),
          "uint8": (0, 200), "uint32": (0, 900), "uint64": (0, 900)}  # fmt: skip
SAMPLES += [
    Sample(op, Draw((3, 4), *ends, name), Draw((4,), 1, 9, name), label=f"{label}-{name}")
    for name, ends in _NAMED.items()
    for op, label in (
        (Quotient(), "quotient"), (Remainder(), "remainder"), (Remainder(True), "truncated"),
    )
]  # fmt: skip
SAMPLES += [
    Sample(Pow(), Draw((3, 4), -5, 6, name), Draw((4,), 0, 6, name), label=f"pow-{name}")
    for name in ("int32", "int64")
]
SAMPLES += [
    Sample(Cast(dtype), Draw((2, 3), 0, 100, source), label=f"cast-{source}-to-{dtype}")
    for source, dtype in (
        ("int64", DType.INT8), ("int32", DType.INT16), ("uint8", DType.UINT16),
        ("int64", DType.UINT32), ("int32", DType.UINT64), ("float32", DType.INT8),
        ("uint16", DType.FLOAT32), ("int8", DType.FLOAT32), ("uint64", DType.FLOAT32),
    )
]  # fmt: skip
SAMPLES += [
    Sample(Cast(DType.FLOAT64), (2, 3)),
    Sample(Cast(DType.INT64), Draw((2, 3), -9.0, 9.0), label="cast-to-int64"),
    Sample(Cast(DType.BOOL), np.array([0.0, -0.5, 2.0]), label="cast-to-bool"),
    Sample(Cast(DType.FLOAT32), Draw((4,), 0, 256, "uint8"), label="cast-from-uint8"),
    Sample(Cast(DType.FLOAT32), np.array([True, False]), label="cast-from-bool"),
]

_I64 = TensorType((2, 3), DType.INT64)
_BOOL = TensorType((2, 3), DType.BOOL)
ERRORS = [
    ErrorSample(Add(), (2, 3), (2,), match=r"a \(2, 3\) and b \(2,\) do not broadcast"),
    ErrorSample(
        Mul(), (4, 16, 7, 7), (6, 7, 1), match=r"axis -3\n.*a 4  16  7  7\n.*b     6  7  1\n"
    ),
    ErrorSample(Mul(), (4, 16, 7, 7), (6, 7, 1), match=r"  b     6  7  1\n       \^\^$"),
    ErrorSample(
        Sub(), TensorType((N, 3)), TensorType((5, 3)), match=r"differ at axis -2\n  a N  3"
    ),
    ErrorSample(Add(), (2, 3), _I64, match="one element type, found a f32.2,3., b i64"),
    ErrorSample(Div(), _I64, _I64, match="a must be of a float type"),
    ErrorSample(Quotient(), (2, 3), (2, 3), match="a must be of an integer type"),
    ErrorSample(Pow(), _BOOL, _BOOL, match="a must be of a number type"),
    ErrorSample(Add(), _BOOL, _BOOL, match="a must be of a number type, found bool"),
    ErrorSample(Exp(), _I64, match="x must be of a float type, found i64"),
    ErrorSample(Neg(), _BOOL, match="x must be of a number type"),
    ErrorSample(Add(), (2, 3), match=r"takes the inputs \(a, b\), found 1"),
]
