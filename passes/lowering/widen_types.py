"""Compute in types that the processor has arithmetic for.

    op(x: f16) -> y: f16        becomes        cast f16(op(cast f32(x)))

float16, bfloat16 and shorter floats are stored as they are and computed with as float32, integers
of less than a byte as i32; every result is rounded to its type, so that the graph means the same.
"""

from dataclasses import dataclass
from typing import ClassVar

from graphcnn.ir.tensor_type import DType
from graphcnn.passes.lowering.retype import Retype

#: What is computed with, by the type that is stored only.
WIDER = ", ".join(
    f"{d}->{DType.FLOAT32 if d.is_float else DType.INT32}" for d in DType if d.is_small
)


@dataclass(frozen=True)
class WidenTypes(Retype):
    """Casts around every operator of a type that is stored only, casts themselves excepted."""

    types: str = WIDER
    keep: str = "results"

    #: A last place of bfloat16, for sums that are now rounded once instead of at every addition.
    tolerance: ClassVar[float | None] = 2.0**-7
