"""Fusion: what is merged, what is not and why, and that no bit changes."""

import re
from random import Random

import numpy as np
import pytest
from rewrites import arrays_for, graph_of
from support.random_models import random_model

import graphcnn as cnn
from graphcnn.analysis.verify import verify
from graphcnn.compile.pipelines import inference_graph, run_reference, training_graph
from graphcnn.ir.graph import Graph, state_of
from graphcnn.ir.node import Node, Value, build, constant_of
from graphcnn.ir.tensor_type import DType, N, TensorType
from graphcnn.models import MODELS
from graphcnn.models import build as build_model
from graphcnn.ops.activation import Relu, Sigmoid, Tanh
from graphcnn.ops.broadcast import BroadcastTo, Sum
from graphcnn.ops.comparison import Equal, Where
from graphcnn.ops.comparison import masked as chosen
from graphcnn.ops.conv import Conv2d
from graphcnn.ops.dense import Dense, MatMul
from graphcnn.ops.elementwise import Cast, Exp
from graphcnn.ops.fused import Fused
from graphcnn.ops.reduce import Mean
from graphcnn.ops.shape import Flatten
from graphcnn.passes.driver.base import PassLog, Pipeline
from graphcnn.passes.driver.observers import random_feeds, random_states
from graphcnn.passes.lowering.fuse_ops import FuseOps, inline
from graphcnn.passes.simplify.eliminate import merge_equal
from graphcnn.testing.structure import structural_difference

IMAGE = TensorType((N, 2, 5, 5))
CONV = {"x": IMAGE, "w": TensorType((3, 2, 3, 3))}
F64 = DType.FLOAT64


def steps(graph: Graph) -> list[str]:
    """`fused(conv2d relu)` for every operation, in order."""
    return [_words(n) for n in graph.operations]


def _words(node: Node) -> str:
    if not isinstance(node.op, Fused):
        return node.op.name
    return f"fused({' '.join(n.op.name for n in node.op.body.operations)})"


def fuse(build_graph, log: PassLog | None = None, by: FuseOps | None = None, **sources) -> Graph:  # type: ignore[no-untyped-def]
    """The graph after the pass, checked against the one before."""
    before = graph_of(build_graph, **sources)
    after = (by or FuseOps())(before, log)
    verify(after, "fused")
    small = before.bind(N=3)
    arrays = arrays_for(small)
    expected, found = (run_reference(g.bind(N=3), arrays, arrays) for g in (before, after))
    assert_same_bits(expected, found)
    assert_same_bits(expected, run_reference(inline(after).bind(N=3), arrays, arrays))
    return after


def assert_same_bits(expected, found) -> None:  # type: ignore[no-untyped-def]
    assert expected.keys() == found.keys()
    for key, array in expected.items():
        assert array.dtype == found[key].dtype and array.tobytes() == found[key].tobytes(), key


def test_anchor_and_epilogue() -> None:
    def residual(x: Value, w: Value, r: Value) -> Value:
        return Relu()(Conv2d()(x, w, name="C1") + r)

    after = fuse(residual, **CONV, r=TensorType((3, 1, 1)))
    assert steps(after) == ["fused(conv2d add relu)"]
    (node,) = after.operations
    assert node.name == "C1" and node.origin.passes == ("fuse_ops",)
    assert node.op.anchor_node.op.name == "conv2d"  # type: ignore[attr-defined]
    assert [v.node.name for v in node.inputs] == ["x", "w", "r"]


def test_a_group_without_an_anchor_is_called_after_its_last_operator() -> None:
    def chain(x: Value, last: str) -> Value:
        return Tanh()(Exp()(Sigmoid()(x), name="first"), name=last)

    for last, name in (("last", "last"), ("", "first")):
        after = fuse(lambda x, last=last: chain(x, last), x=TensorType((N, 4)))
        (node,) = after.operations
        before = graph_of(lambda x, last=last: chain(x, last), x=TensorType((N, 4)))
        tanh = next(n for n in before.nodes if n.op.name == "tanh")
        assert (node.name, node.origin.line) == (name, tanh.origin.line)


@pytest.mark.parametrize("anchor", [Dense(), MatMul(transpose_b=True)])
def test_matrix_products_are_anchors(anchor) -> None:  # type: ignore[no-untyped-def]
    after = fuse(lambda x, w: Tanh()(anchor(x, w)), x=TensorType((N, 4)), w=TensorType((5, 4)))
    assert steps(after) == [f"fused({anchor.name} tanh)"]


def test_the_mask_of_relu_belongs_to_the_epilogue() -> None:
    def masked(x: Value, w: Value, y: Value) -> Value:
        return chosen(y > 0.0, Conv2d()(x, w))

    after = fuse(masked, **CONV, y=TensorType((N, 3, 3, 3)))
    assert steps(after) == ["fused(greater conv2d where)"]
    # The anchor's operands come first, whatever stands before it in the graph.
    assert [v.node.name for v in after.operations[0].inputs] == ["x", "w", "y"]


def test_a_result_read_twice_stays_a_result() -> None:
    def twice(x: Value, w: Value) -> tuple[Value, Value]:
        y = Relu()(Conv2d()(x, w))
        return Sum((0,))(y), Mean((0,))(y)

    assert steps(fuse(twice, **CONV)) == ["fused(conv2d relu)", "sum", "mean"]


def test_an_anchor_has_one_result_unless_more_are_allowed() -> None:
    def silu(x: Value, w: Value) -> tuple[Value, Value]:
        y = Conv2d()(x, w, name="C1")
        return Sigmoid()(y), Sum((0,))(y)

    log = PassLog()
    assert steps(fuse(silu, log, **CONV)) == ["conv2d", "sigmoid", "sum"]
    assert re.search(
        r'epilogue: conv2d "C1" .*: with sigmoid it would have 2 results, allowed are 1',
        "\n".join(map(str, log.refused)),
    )
    after = fuse(silu, None, FuseOps(anchor_results=2), **CONV)
    assert steps(after) == ["fused(conv2d sigmoid)", "sum"]
    assert len(after.operations[0].outputs) == 2


def test_a_result_used_twice_inside_is_no_result() -> None:
    def silu(x: Value, w: Value) -> Value:
        y = Conv2d()(x, w)
        return y * Sigmoid()(y)

    after = fuse(silu, **CONV)
    assert steps(after) == ["fused(conv2d sigmoid mul)"]
    assert len(after.operations[0].outputs) == 1


def test_elementwise_operators_never_come_before_the_anchor() -> None:
    def residual(x: Value, w: Value) -> Value:
        y = Relu()(x)
        return y + Conv2d(padding=(1, 1, 1, 1))(y, w)

    after = fuse(residual, x=IMAGE, w=TensorType((2, 2, 3, 3)))
    assert steps(after) == ["relu", "fused(conv2d add)"]


def test_groups_have_one_shape() -> None:
    def mixed(x: Value, w: Value) -> Value:
        scale = Exp()(Tanh()(w))
        return Relu()(x * scale)

    after = fuse(mixed, x=(4, 3), w=(3,))
    assert steps(after) == ["fused(tanh exp)", "fused(mul relu)"]


def test_all_results_of_an_update_are_made_at_once() -> None:
    def sgd(w: Value, v: Value, x: Value, s: Value) -> tuple[Value, Value]:
        new = v * 0.9 + x
        return w - s * new, new

    after = fuse(sgd, w=(4,), v=(4,), x=(4,), s=())
    assert steps(after) == ["fused(mul add mul sub)"]
    assert len(after.operations[0].outputs) == 2


def test_numbers_and_broadcasts_are_copied_into_every_body() -> None:
    two = constant_of(2.0, F64)

    def build_graph(x: Value, y: Value) -> tuple[Value, Value]:
        wide = BroadcastTo((4, 3))(y)
        return Sum((0,))(Tanh()(x * wide) * two), Mean((0,))(Exp()(x + wide) * two)

    after = fuse(build_graph, x=(4, 3), y=(3,))
    assert steps(after) == [
        "fused(broadcast_to mul tanh mul)", "sum", "fused(broadcast_to add exp mul)", "mean",
    ]  # fmt: skip
    assert not any(n.op.name == "constant" for n in after.nodes)


def test_large_constants_are_operands() -> None:
    after = fuse(lambda x: Relu()(x + constant_of(np.arange(3.0))), x=(4, 3))
    assert [n.op.name for n in after.nodes] == ["input", "constant", "fused"]


def test_a_single_operator_takes_its_number_with_it() -> None:
    assert steps(fuse(lambda x: Sum((0,))(x * 2.0), x=(4,))) == ["fused(mul)", "sum"]
    unchanged = graph_of(lambda x: Sum((0,))(Relu()(x)), x=(4,))
    assert FuseOps()(unchanged) is unchanged


def test_no_cycle_is_made() -> None:
    def around(x: Value) -> Value:
        y = Relu()(x)
        return Tanh()(y) + Sum((0,), keepdims=True)(y)  # the sum needs all of y first

    log = PassLog()
    after = fuse(around, log, x=(4, 3))
    assert steps(after) in (["fused(relu tanh)", "sum", "add"], ["relu", "sum", "fused(tanh add)"])
    assert "reaches" in str(log.refused[0]) and "through sum" in str(log.refused[0])


def test_no_cycle_is_made_through_another_group() -> None:
    def crossed(x: Value, y: Value) -> tuple[Value, Value]:
        a, b = Relu()(x), Relu()(y)
        c, d = Sum((1,), True)(a), Sum((1,), True)(b)
        return Tanh()(a) * d, Tanh()(b) * c  # each group would wait for the other's sum

    after = fuse(crossed, x=(4, 3), y=(4, 3))
    assert len(after.operations) == 5  # one group takes its relu in, the other cannot


def test_views_and_other_operators_stand_between() -> None:
    after = fuse(lambda x, w: Relu()(Flatten()(Tanh()(x + 1.0))), x=IMAGE, w=TensorType((1,)))
    assert steps(after) == ["fused(add tanh)", "flatten", "relu"]


def test_switches() -> None:
    def both(x: Value, w: Value) -> Value:
        return Sum((0,))(Tanh()(Relu()(Conv2d()(Exp()(-x), w))))

    assert steps(fuse(both, **CONV)) == ["fused(neg exp)", "fused(conv2d relu tanh)", "sum"]
    only = steps(fuse(both, None, FuseOps(epilogues=False), **CONV))
    assert only == ["fused(neg exp)", "conv2d", "fused(relu tanh)", "sum"]
    only = steps(fuse(both, None, FuseOps(elementwise=False), **CONV))
    assert only == ["neg", "exp", "fused(conv2d relu tanh)", "sum"]
    text = "fuse_ops{epilogues=False, most_operands=4}"
    assert str(Pipeline.parse(text)) == text


def test_limits() -> None:
    def long(x: Value) -> Value:
        for _ in range(10):
            x = Tanh()(x)
        return x

    assert len(fuse(long, None, FuseOps(most_nodes=4), x=(3,)).operations) == 3

    def wide(**values: Value) -> Value:
        return Relu()(sum(values.values()))

    log = PassLog()
    names = {name: (3,) for name in "xyabcdef"}
    after = fuse(wide, log, FuseOps(most_operands=5), **names)
    assert all(len(n.inputs) + len(n.outputs) <= 5 for n in after.operations)
    assert any("operands, allowed are 5" in str(r) for r in log.refused)


@pytest.mark.parametrize("dtype", [DType.INT32, DType.INT64, DType.BOOL, F64, DType.FLOAT16])
def test_any_element_type(dtype: DType) -> None:
    def build_graph(x: Value, y: Value) -> Value:
        return Cast(dtype)(Where()(Equal()(x, y), Cast(F64)(x), Cast(F64)(y)))

    after = fuse(build_graph, x=TensorType((3, 4), dtype), y=TensorType((3, 4), dtype))
    assert steps(after) == ["fused(equal cast cast where cast)"]


def test_an_epilogue_ends_in_the_element_type_of_the_sums() -> None:
    def quantised(x: Value, w: Value) -> Value:
        whole = Cast(DType.INT32)(Conv2d(padding=(1, 1, 1, 1))(x, w))
        return Cast(DType.UINT8)(Cast(DType.FLOAT32)(whole) * 0.5)

    log = PassLog()
    assert steps(fuse(quantised, log, **CONV)) == ["conv2d", "fused(cast cast mul cast)"]
    assert any("another element type than the sums" in str(r) for r in log.refused)


def test_equal_blocks_share_their_operator() -> None:
    def blocks(x: Value, w: Value) -> Value:
        for i in range(3):
            x = Relu()(Conv2d(padding=(1, 1, 1, 1))(x, w, name=f"C{i}") * 2.0)
        return x

    after = fuse(blocks, x=IMAGE, w=TensorType((2, 2, 3, 3)))
    assert len({n.op for n in after.operations}) == 1 and len(after.operations) == 3


def _training(name: str) -> Graph:
    loss = {"autoencoder": "mse", "unet": "binary_cross_entropy"}.get(name, "cross_entropy")
    return training_graph(build_model(name).graph, loss, cnn.SGD(0.05, momentum=0.9))


@pytest.mark.parametrize("name", MODELS)
def test_built_in_models(name: str) -> None:
    """Valid, much smaller, and unfused the same graph as before."""
    for graph in (_training(name), inference_graph(build_model(name).graph)):
        graph = graph.bind(N=2)
        log = PassLog()
        after = FuseOps()(graph, log)
        verify(after, "fused+bound")
        if name not in (
            "crnn",
            "row_lstm",
            "diagonal_lstm",
        ):  # much of which is in the bodies of loops, that are fused when lowered
            assert len(after.operations) <= 0.75 * len(graph.operations)
        assert keys(after) == keys(graph)
        back = merge_equal(inline(after), PassLog())
        assert structural_difference(merge_equal(graph, PassLog()), back) in (
            "",
            *_reordered(graph, back),
        )


def keys(graph: Graph) -> list[str]:
    return sorted(state_of(s).key for s in graph.states)


def _reordered(a: Graph, b: Graph) -> list[str]:
    """What `difference` may say where only the order of independent nodes changed."""
    names = [sorted(n.op.name for n in g.operations) for g in (a, b)]
    return [structural_difference(a, b)] if names[0] == names[1] else []


@pytest.mark.parametrize("name", ["lenet5", "vgg_cifar", "digits_cnn"])
def test_training_steps_keep_their_bits(name: str) -> None:
    graph = _training(name).bind(N=2)
    feeds, states = random_feeds(graph), random_states(graph)
    after = FuseOps()(graph)
    assert_same_bits(run_reference(graph, feeds, states), run_reference(after, feeds, states))


@pytest.mark.parametrize("seed", range(12))
def test_random_models_keep_their_bits(seed: int) -> None:
    model = random_model(Random(seed), 4)
    graph = training_graph(model.graph, "cross_entropy", cnn.Adam(0.01)).bind(N=2)
    feeds, states = random_feeds(graph, seed), random_states(graph, seed)
    after = FuseOps(anchor_results=1 + seed % 3, most_operands=6 + seed)(graph)
    verify(after, "fused+bound")
    with np.errstate(all="ignore"):
        assert_same_bits(run_reference(graph, feeds, states), run_reference(after, feeds, states))


def test_inline_keeps_names_and_origins() -> None:
    before = graph_of(lambda x, w: Relu()(Conv2d()(x, w, name="C1"), name="R1"), **CONV)
    after = inline(FuseOps()(before))
    assert [n.name for n in after.operations] == ["C1", "R1"]
    assert [n.origin for n in after.operations] == [n.origin for n in before.operations]
    assert inline(before) is before
    assert build(Relu(), before.inputs).op == Relu()
