"""Compute in types that the processor has arithmetic for.

    op(x: f16) -> y: f16        becomes        cast f16(op(cast f32(x)))

float16, bfloat16 and shorter floats are stored as they are and computed with as float32, integers
of less than a byte as i32; every result is rounded to its type, so that the graph means the same.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar

from graphcnn.ir.graph import Graph
from graphcnn.ir.node import Node, Op, Value, build
from graphcnn.ir.sources import Constant, Input, State
from graphcnn.ir.tensor_type import DType
from graphcnn.ops.elementwise import Cast, Floor, as_type
from graphcnn.ops.random import RandomUniform, kept_bits
from graphcnn.passes.driver.base import Pass, PassLog


@dataclass(frozen=True)
class WidenTypes(Pass):
    """Casts around every operator of a type that is stored only, casts themselves excepted."""

    #: A last place of bfloat16, for sums that are now rounded once instead of at every addition.
    tolerance: ClassVar[float | None] = 2.0**-7

    def run(self, graph: Graph, log: PassLog) -> Graph:
        def widened(old: Node, inputs: tuple[Value, ...]) -> Sequence[Value] | None:
            types = (*(v.type for v in inputs), *old.types)
            if isinstance(old.op, Cast | Input | State | Constant) or not any(
                t.dtype.is_small for t in types
            ):
                return None
            log.fired[old.op.name] += 1
            wide = build(_op(old.op), [as_type(v, _wide(v.dtype)) for v in inputs], old.name)
            if isinstance(old.op, RandomUniform):
                return [as_type(_cut(wide.output, old.op.dtype), old.op.dtype)]
            return [as_type(v, t.dtype) for v, t in zip(wide.outputs, old.types, strict=True)]

        return graph.transform(widened, by=self.name)


def _cut(u: Value, dtype: DType) -> Value:
    """Uniform numbers with so many bits as a type holds: rounding would reach 1."""
    bits = kept_bits(dtype)
    return Floor()(u * 2.0**bits) * 2.0**-bits


def _wide(dtype: DType) -> DType:
    """The type to compute in."""
    if not dtype.is_small:
        return dtype
    return DType.FLOAT32 if dtype.is_float else DType.INT32


def _op(op: Op) -> Op:
    """The operator, making wide elements where it makes small ones out of nothing."""
    dtype: Any = op.attributes.get("dtype")
    if isinstance(dtype, DType) and dtype.is_small:
        return replace(op, **{"dtype": _wide(dtype)})
    return op
