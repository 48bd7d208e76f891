"""Graphs in other element types: what changes, what stays, and the states' values with it."""

import numpy as np
import pytest
from rewrites import expression

from graphcnn.errors import ExportError, GraphError
from graphcnn.ir.graph import Graph
from graphcnn.ir.node import Value, constant_of
from graphcnn.ir.sources import Input, State
from graphcnn.ir.tensor_type import DType, N, TensorType
from graphcnn.ops.elementwise import Cast
from graphcnn.ops.integer import Dequantize, Quantize
from graphcnn.passes.driver.base import PassLog, Pipeline
from graphcnn.passes.lowering.retype import IN_FLOAT16, IN_FLOAT64, Retype
from graphcnn.passes.lowering.widen_types import WidenTypes

STATES = {"w": np.float32([1 / 3, 0, 1]), "left": np.float32([1, 2, 3])}


def graph(dtype: DType = DType.FLOAT32) -> Graph:
    x, i = Input("x", TensorType((N, 3), dtype))(), Input("i", TensorType((N, 3), DType.INT64))()
    w, left = (State(key, TensorType((3,), dtype))() for key in STATES)
    y = x * w + Cast(dtype)(i) * constant_of(0.1, dtype)
    return Graph.of([x, i], {"y": y, "left": left, "i": i + i})


def types(values: tuple[Value, ...] | list[Value]) -> str:
    return " ".join(str(v.dtype) for v in values)


@pytest.mark.parametrize(
    ("by", "outside", "states", "inside"),
    [
        (IN_FLOAT64, "f64 i64 f64 f64 i64", "f64 f64", {"f64", "i64"}),
        (IN_FLOAT16, "f32 i64 f32 f32 i64", "f16 f32", {"f16", "f32", "i64"}),
        (Retype("f32->f64", "results"), "f32 i64 f32 f32 i64", "f32 f32", {"f32", "f64", "i64"}),
    ],
    ids=["nothing stays", "ends stay", "results stay"],
)  # fmt: skip
def test_what_stays(by: Retype, outside: str, states: str, inside: set[str]) -> None:
    before = graph()
    log = PassLog()
    after, values = by.apply(before, STATES, log)
    assert types([*after.inputs, *after.outputs.values()]) == outside
    assert types(list(after.states)) == states
    assert " ".join(str(DType.of(values[k].dtype)) for k in STATES) == states
    assert {str(v.dtype) for n in after.nodes for v in n.outputs} == inside
    assert after.outputs["i"] is before.outputs["i"]
    computed = [n for n in after.operations if n.op.name in ("mul", "add")]
    assert {types([*n.inputs]) for n in computed if n.output is not after.outputs["i"]} == {
        "f16 f16" if by is IN_FLOAT16 else "f64 f64"
    }
    became = [log.became.get(v, v) for n in before.nodes for v in n.outputs]
    if by.keep == "nothing":
        assert set(became) == {v for n in after.nodes for v in n.outputs}


def test_nothing_of_the_type_is_nothing_to_do() -> None:
    before = graph(DType.FLOAT64)
    for by in (IN_FLOAT64, IN_FLOAT16, WidenTypes()):
        assert by(before) is before


def test_every_result_is_rounded_once() -> None:
    """Also one that is used twice is cast once for both."""
    x = Input("x", TensorType((3,), DType.BFLOAT16))()
    y = WidenTypes()(Graph.of([x], {"y": x * x}))
    assert expression(y.outputs["y"]) == ("cast(mul(cast(x), cast(x)); dtype=bf16)")
    (product,) = (n for n in y.nodes if n.op.name == "mul")
    assert product.inputs[0] is product.inputs[1]


def test_scales_and_what_lies_between_them_stay() -> None:
    scale, zero = constant_of(0.1, DType.FLOAT32), constant_of(0, DType.INT8)
    x = Input("x", TensorType((3,)))()
    again = Quantize()(Dequantize()(Quantize()(x, scale, zero), scale, zero), scale, zero)
    after = IN_FLOAT16(Graph.of([x], {"y": Dequantize()(again, scale, zero) + 1.0}))
    scales = [n.inputs[1] for n in after.nodes if n.op.name in ("quantize", "dequantize")]
    assert scales == [scale] * 4
    between = [n for n in after.nodes if n.op.name == "quantize"][1].inputs[0]
    assert between.node.op.name == "dequantize"


def test_what_the_other_type_cannot_hold_is_refused() -> None:
    with pytest.raises(ExportError, match="the tensor 'w' holds 100000, float16 at most 65504"):
        IN_FLOAT16.apply(graph(), {**STATES, "w": np.float32([1e5, 0, 0])}, PassLog())


def test_types_are_options() -> None:
    pipeline = Pipeline((IN_FLOAT16,))
    assert str(pipeline) == "retype{types='f32->f16', keep='ends'}"
    assert Pipeline.parse(str(pipeline)) == pipeline
    assert str(WidenTypes()) == "widen_types"
    with pytest.raises(GraphError, match="keep must be one of nothing, ends, results, found 'all'"):
        Pipeline.parse("retype{keep='all'}")
    with pytest.raises(GraphError, match=r'as in "f16->f64, f32->f64", found .f32.'):
        Pipeline.parse("retype{types='f32'}")
