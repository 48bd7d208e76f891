"""Dead code and common subexpressions; the identities are tested in test_rules.py."""

import numpy as np
import pytest
from rewrites import arrays_for, expression, graph_of
from support.evaluate import evaluate

from graphcnn.ir.graph import Graph
from graphcnn.ir.node import Value, build, constant_of
from graphcnn.ir.sources import Input, State
from graphcnn.ir.tensor_type import DType, TensorType
from graphcnn.ops.activation import Relu
from graphcnn.ops.comparison import Where
from graphcnn.ops.elementwise import Maximum, Neg
from graphcnn.ops.padding import Pad2d
from graphcnn.ops.pool import MaxPool2d
from graphcnn.ops.random import RandomUniform
from graphcnn.passes.driver.base import PassLog
from graphcnn.passes.driver.patterns import filled_with
from graphcnn.passes.simplify.eliminate import Eliminate


def test_equal_nodes_become_one_and_the_first_keeps_its_name() -> None:
    def twice(x: Value) -> Value:
        return Relu()(x, name="first") * Relu()(x, name="second")

    graph, log = graph_of(twice, x=(2, 3)), PassLog()
    after = Eliminate()(graph, log)
    assert [n.name for n in after.operations] == ["first", ""]
    assert log.fired == {"common_subexpression": 1}
    assert Eliminate()(after) is after
    arrays = arrays_for(graph)
    np.testing.assert_array_equal(
        evaluate(graph, arrays)["result"], evaluate(after, arrays)["result"]
    )


def test_operands_in_another_order_are_equal_only_where_they_commute() -> None:
    def sums(x: Value, y: Value) -> Value:
        return (x + y) * (y + x)

    def differences(x: Value, y: Value) -> Value:
        return (x - y) * (y - x)

    def larger(x: Value, y: Value) -> Value:  # gradients of ties go to the first
        return Maximum()(x, y) * Maximum()(y, x)

    for made, operations in ((sums, 2), (differences, 3), (larger, 3)):
        graph = graph_of(made, x=(2, 3), y=(2, 3))
        assert len(Eliminate()(graph).operations) == operations, made


def test_constants_are_equal_when_their_bits_are() -> None:
    def same(x: Value) -> Value:
        return (x + 2.0) * (x + 2.0)

    def signed(x: Value) -> Value:
        zero, minus = constant_of(0.0, DType.FLOAT64), constant_of(-0.0, DType.FLOAT64)
        return Maximum()(x / zero, x / minus)

    assert len(Eliminate()(graph_of(same, x=(2,))).operations) == 2
    assert len(Eliminate()(graph_of(signed, x=(2,))).operations) == 3


def test_attributes_that_differ_in_the_sign_of_zero_are_different() -> None:
    def padded(x: Value) -> Value:
        one = (1, 1, 1, 1)
        return Maximum()(1.0 / Pad2d(one, value=0.0)(x), 1.0 / Pad2d(one, value=-0.0)(x))

    graph = graph_of(padded, x=(1, 1, 2, 2))
    assert len(Eliminate()(graph).operations) == len(graph.operations)


def test_states_are_never_merged_and_random_numbers_only_with_equal_streams() -> None:
    scalar = TensorType((), DType.INT64)

    def both(x: Value, w: Value, b: Value) -> tuple[Value, Value]:
        u, v, s = (RandomUniform((2,), i)(x, x) for i in (1, 2, 1))
        return w * b, u * v * s

    graph = graph_of(both, x=scalar, w=(2,), b=(2,))
    after = Eliminate()(graph)
    assert len(after.states) == 2
    assert sum(n.op.name == "random_uniform" for n in after.nodes) == 2


def test_states_that_have_no_key_yet_stay_apart() -> None:
    t = TensorType((2,))
    graph = Graph.of([], {"y": State("", t)() * State("", t)()})
    assert Eliminate()(graph) is graph


def test_indices_that_somebody_reads_stay() -> None:
    def pooled(x: Value) -> tuple[Value, Value]:
        pool = build(MaxPool2d((2, 2), (2, 2), indices=True), (x * 1.0,))
        return pool.outputs[0], pool.outputs[1]

    after = Eliminate()(graph_of(pooled, x=(1, 1, 4, 4)))
    assert expression(after.outputs["result1"]).endswith("indices=True):1")


@pytest.mark.parametrize("numbers", [[-0.0, 0.0, -0.0], [1.0, 2.0, 1.0], []])
def test_only_the_same_number_everywhere_is_a_number(numbers: list[float]) -> None:
    values = constant_of(np.array(numbers), DType.FLOAT64)
    assert filled_with(values) is None
    if numbers:
        graph = graph_of(lambda x: (x + values) * values, x=(3,))
        assert Eliminate()(graph) is graph


def test_dead_code_is_gone_and_unused_inputs_stay() -> None:
    t = TensorType((2, 3))
    x, unused = Input("x", t)(name="x"), Input("unused", t)(name="unused")

    def build(x: Value) -> Value:
        return Where()(constant_of(np.array(True)), x, Relu()(x))

    after = Eliminate()(Graph.of([x, unused], {"y": build(x)}))
    assert [v.node.op.key for v in after.inputs] == ["x", "unused"]
    assert not after.operations
    assert after.outputs["y"] is after.inputs[0]


def test_merging_and_identities_help_each_other() -> None:
    def either(x: Value) -> Value:
        return Where()(x > 0.0, Neg()(Neg()(x)) * 2.0, x * 2.0)

    assert expression(Eliminate()(graph_of(either, x=(2,))).outputs["result"]) == "mul(x, 2.0)"


def test_a_graph_with_nothing_to_eliminate_is_the_same_object() -> None:
    graph, log = graph_of(lambda x: Relu()(x) + x, x=(2, 3)), PassLog()
    assert Eliminate()(graph, log) is graph
    assert not log.fired and not log.refused
