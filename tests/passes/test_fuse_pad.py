"""The graph in text before and after, and who made the nodes."""

import re

from rewrites import graph_of

from graphcnn.ir.node import Value
from graphcnn.ir.tensor_type import N, TensorType
from graphcnn.ops.activation import Relu
from graphcnn.ops.conv import Conv2d
from graphcnn.ops.padding import Pad2d
from graphcnn.passes.driver.base import PassLog
from graphcnn.passes.simplify.fuse_pad import FusePad

IMAGE = TensorType((N, 1, 6, 6))


def padded(x: Value, w: Value) -> Value:
    return Relu()(Conv2d()(Pad2d((1, 1, 1, 1))(x, name="pad"), w, name="C1"), name="R1")


def without_origins(text: str) -> str:
    return re.sub(r"\s+#.*", "", text)


def test_text_before_and_after() -> None:
    graph = graph_of(padded, x=IMAGE, w=TensorType((2, 1, 3, 3)))
    assert without_origins(str(graph)) == (
        'graph "example" (x: f32[N,1,6,6]) {\n'
        "  pad = pad2d(x; padding=(1, 1, 1, 1)) : f32[N,1,8,8]\n"
        "  w = state(initial=constant(value=1.0)) : f32[2,1,3,3]\n"
        "  C1 = conv2d(pad, w) : f32[N,2,6,6]\n"
        "  R1 = relu(C1) : f32[N,2,6,6]\n"
        "  return result = R1\n"
        "}\n"
    )
    assert without_origins(str(FusePad()(graph))) == (
        'graph "example" (x: f32[N,1,6,6]) {\n'
        "  w = state(initial=constant(value=1.0)) : f32[2,1,3,3]\n"
        "  C1 = conv2d(x, w; padding=(1, 1, 1, 1)) : f32[N,2,6,6]\n"
        "  R1 = relu(C1) : f32[N,2,6,6]\n"
        "  return result = R1\n"
        "}\n"
    )


def test_the_pass_is_written_in_the_origin_and_the_line_stays() -> None:
    graph = graph_of(padded, x=IMAGE, w=TensorType((2, 1, 3, 3)))
    before = next(n for n in graph.nodes if n.name == "C1")
    after = next(n for n in FusePad()(graph).nodes if n.name == "C1")
    assert after.origin.passes == ("fuse_pad",)
    assert (after.origin.file, after.origin.line) == (before.origin.file, before.origin.line)


def test_a_padding_used_twice_serves_the_convolution_and_stays_for_the_other() -> None:
    def used_twice(x: Value, w: Value) -> tuple[Value, Value]:
        pad = Pad2d((1, 1, 1, 1))(x)
        return Conv2d()(pad, w), Relu()(pad)

    log = PassLog()
    after = FusePad()(graph_of(used_twice, x=IMAGE, w=TensorType((2, 1, 3, 3))), log)
    assert log.fired == {"pad_into_conv": 1}
    assert sorted(n.op.name for n in after.operations) == ["conv2d", "pad2d", "relu"]
