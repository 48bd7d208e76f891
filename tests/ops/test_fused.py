"""Fused operators: a graph inside an operator, compared by structure, written as text."""

import numpy as np
import pytest
from samples.fused import SAMPLES, BodySample, body, t
from support.evaluate import arrays_of

from graphcnn.analysis.cost import multiply_adds
from graphcnn.analysis.verify import verify
from graphcnn.errors import GradientError, GraphError, VerifyError
from graphcnn.ir.evaluate import as_tuple
from graphcnn.ir.graph import Graph
from graphcnn.ir.node import Node, Value, build, constant_of
from graphcnn.ir.sources import Input
from graphcnn.ir.tensor_type import N, TensorType
from graphcnn.ops.activation import Relu
from graphcnn.ops.broadcast import Sum
from graphcnn.ops.conv import Conv2d
from graphcnn.ops.dense import Dense
from graphcnn.ops.elementwise import Add
from graphcnn.ops.fused import Fused, fused
from graphcnn.ops.parts.body import inlined
from graphcnn.passes.training.backward import gradients
from graphcnn.text.parse import parse_graph
from graphcnn.text.write import dump_graph


def applied(op: Fused, name: str = "step") -> Graph:
    inputs = [Input(f"a{i}", v.type)(name=f"a{i}") for i, v in enumerate(op.body.inputs)]
    node = build(op, inputs, name)
    return Graph.of(inputs, {f"r{i}": v for i, v in enumerate(node.outputs)}, name="whole")


def conv_relu(x: Value, w: Value, r: Value) -> Value:
    return Relu()(Conv2d()(x, w, name="C1") * 2.0 + r)


CONV = (TensorType((N, 2, 4, 4)), t((3, 2, 3, 3)), TensorType((N, 3, 2, 2)))


@pytest.mark.parametrize("sample", SAMPLES, ids=repr)
def test_it_is_its_body(sample: BodySample) -> None:
    """Evaluated, and put in the operator's place: the same bits."""
    arrays = sample.arrays()
    op = sample.op
    assert isinstance(op, Fused)
    known = arrays_of(op.body.results, dict(zip(op.body.inputs, arrays, strict=True)))
    found = as_tuple(op.evaluate(*arrays))
    for value, array in zip(op.body.outputs.values(), found, strict=True):
        assert known[value].tobytes() == array.tobytes()
    inputs = tuple(Input(f"a{i}", v.type)() for i, v in enumerate(op.body.inputs))
    new = inlined(op.body.nodes, dict(zip(op.body.inputs, inputs, strict=True)))
    assert all(new[v].type == v.type for v in op.body.outputs.values())


def test_equal_bodies_are_equal_whatever_their_names() -> None:
    def renamed(x: Value, w: Value, r: Value) -> Value:
        return Relu()(Conv2d()(x, w, name="other") * 2.0 + r, name="last")

    one, two = body(conv_relu, *CONV), body(renamed, *CONV)
    assert one == two and hash(one) == hash(two) and repr(one) == repr(two)
    assert {one: 1}[two] == 1


def other_constant(x: Value, w: Value, r: Value) -> Value:
    return Relu()(Conv2d()(x, w) * 3.0 + r)


def other_order(x: Value, w: Value, r: Value) -> Value:
    return Relu()(r + Conv2d()(x, w) * 2.0)


def other_attribute(x: Value, w: Value, r: Value) -> Value:
    return Relu()(Conv2d(flip_kernel=True)(x, w) * 2.0 + r)


def negative_zero(x: Value, w: Value, r: Value) -> Value:
    return Relu()(Conv2d()(x, w) * 2.0 + constant_of(-0.0) * r)


@pytest.mark.parametrize(
    "build_other", [other_constant, other_order, other_attribute, negative_zero]
)
def test_other_bodies_are_not_equal(build_other) -> None:  # type: ignore[no-untyped-def]
    one, two = body(conv_relu, *CONV), body(build_other, *CONV)
    assert one != two and repr(one) != repr(two)
    assert one != Relu()


def test_other_types_are_not_equal() -> None:
    assert body(Relu(), t((2,))) != body(Relu(), t((3,)))
    assert body(Relu(), TensorType((N, 3))) != body(Relu(), t((2, 3)))


def test_anchor_and_epilogue() -> None:
    op = body(conv_relu, *CONV)
    assert op.anchor is not None and op.body.nodes[op.anchor] is op.anchor_node
    assert op.anchor_node is not None and op.anchor_node.name == "C1"
    assert [n.op.name for n in op.epilogue] == ["mul", "add", "relu"]
    assert body(Relu(), t((2,))).anchor_node is None
    with pytest.raises(GraphError, match="at most one heavy operator, found dense, dense"):
        body(lambda x, w: Dense()(x, w) + Dense()(x, w), t((2, 3)), t((3, 3)))


def test_costs_are_those_of_the_body() -> None:
    (node,) = applied(body(conv_relu, *CONV)).bind(2).operations
    assert multiply_adds(node) == 2 * 3 * 2 * 2 * 2 * 9


def test_bind_binds_the_body() -> None:
    graph = applied(body(conv_relu, *CONV))
    verify(graph)
    bound = graph.bind(5)
    verify(bound, "bound+fused")
    (node,) = bound.operations
    assert node.op == body(conv_relu, *(kind.bind(5) for kind in CONV))
    assert node.op.bind(3) is node.op


def test_text_round_trip() -> None:
    for graph in (applied(body(conv_relu, *CONV)), applied(body(conv_relu, *CONV)).bind(3)):
        text = dump_graph(graph)
        assert "body=graph" in text and "    C1 = conv2d(x0, x1)" in text
        back = parse_graph(text)
        assert dump_graph(back) == text
        assert [n.op for n in back.operations] == [n.op for n in graph.operations]


def test_text_as_a_person_writes_it() -> None:
    graph = parse_graph(
        """graph "g" (x: f32[N,3]) {
          y = fused(x; # all of it
            body=graph "b" (a: f32[N,3]) {
              half = constant({
                0.5}) : f32[]  # a number

              b = mul(a, half)
              return r = b
            }
          )
          return out = y
        }"""
    )
    (node,) = graph.operations
    half = body(lambda x: x * 0.5, TensorType((N, 3)))
    assert node.op == half


@pytest.mark.parametrize(
    "inner, message",
    [
        ("return r = c", "line 3: 'c' is not defined"),
        ("c = relux(a)\n return r = c", "line 3: unknown operator 'relux'"),
        ("return r = a", r"line 2: fused \"?'?y'?.*the text says f32\[4\]"),
    ],
)
def test_mistakes_inside_name_their_line(inner: str, message: str) -> None:
    text = (
        'graph "g" (x: f32[3]) {\n y = fused(x; body=graph "b" (a: f32[3]) {\n'
        f" {inner}\n }}) : f32[4]\n return out = y\n}}"
    )
    with pytest.raises(GraphError, match=message):
        parse_graph(text)


def test_graphs_inside_graphs_have_an_end() -> None:
    text = 'graph "g" (x: f32[3]) { y = fused(x; body=' * 40
    with pytest.raises(GraphError, match="at most 16 graphs inside each other"):
        parse_graph(text)


def test_verify_looks_inside() -> None:
    good = body(lambda x: Relu()(x) + 1.0, t((2, 3)))
    relu = next(n for n in good.body.nodes if n.op.name == "relu")
    bad = Node(relu.op, relu.inputs, (t((2, 4)),), "R")
    broken = Graph(good.body.inputs, {"y0": bad.output}, {}, (relu.inputs[0].node, bad), "b")
    x = Input("x", t((2, 3)))(name="x")
    node = build(Fused(broken), (x,), "F")
    graph = Graph((x,), {"y": node.output}, {}, (x.node, node))
    with pytest.raises(VerifyError, match=r'fused "F".*, body: relu "R" has the type f32\[2,4\]'):
        verify(graph)


def test_stage_fused_knows_what_a_body_holds() -> None:
    op = body(lambda x: Sum((0,))(x), t((2, 3)))
    verify(applied(op))
    with pytest.raises(VerifyError, match=r"holds sum.*, expected elementwise operators"):
        verify(applied(op), "fused")


def test_it_has_no_derivative() -> None:
    x = Input("x", t((2, 3)))(name="x")
    loss = Sum((0, 1))(body(Relu(), t((2, 3)))(x))
    with pytest.raises(GradientError, match="fused has no derivative"):
        gradients(loss, [x])


def test_one_value_read_twice_and_results_that_are_inputs() -> None:
    op = body(lambda x, y: (Add()(x, x), y), t((2,)), t((2,)))
    a, b = np.float32([1, 2]), np.float32([3, 4])
    first, second = op.evaluate(a, b)
    np.testing.assert_array_equal(first, 2 * a)
    np.testing.assert_array_equal(second, b)
    assert fused(op.body) == op
