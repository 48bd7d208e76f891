"""Layouts, decided with the costs of a runtime of the imagination."""

from collections import Counter
from collections.abc import Sequence

import numpy as np
import pytest
from rewrites import graph_of
from samples.fused import adam, body, masked, sgd, t
from support.layout_costs import choose
from support.run_plan import run_plan

import graphcnn as cnn
from graphcnn.analysis.verify import verify
from graphcnn.compile.pipelines import inference_graph, training_graph
from graphcnn.errors import GraphError
from graphcnn.ir import node as ir
from graphcnn.ir.graph import Graph, state_of
from graphcnn.ir.node import Node, Value, constant_of
from graphcnn.ir.sources import Input
from graphcnn.ir.storage import Choice, without_halo
from graphcnn.ir.tensor_type import DType, TensorType
from graphcnn.models import MODELS, build
from graphcnn.ops.activation import Relu, Sigmoid
from graphcnn.ops.broadcast import Sum
from graphcnn.ops.comparison import Where
from graphcnn.ops.conv import Conv2d
from graphcnn.ops.elementwise import Div, Exp, Sqrt
from graphcnn.ops.layout import Placed, inner
from graphcnn.ops.pool import GlobalAvgPool2d, MaxPool2d
from graphcnn.ops.shape import Flatten
from graphcnn.passes.driver.base import PassLog
from graphcnn.passes.driver.observers import random_feeds, random_states
from graphcnn.passes.layout.assign_layout import AssignLayout, _Problem
from graphcnn.passes.layout.cancel_relayout import CancelRelayout
from graphcnn.passes.layout.layout_choices import Layouts, keeps_zeros, passing_choices
from graphcnn.passes.lowering.fuse_ops import FuseOps
from graphcnn.passes.memory.plan_memory import plan_memory
from graphcnn.passes.memory.schedule import Schedule
from graphcnn.runtime.native.code.registry import passes_on
from graphcnn.runtime.reference import Reference

SAME = Conv2d(padding=(1, 1, 1, 1))
IMAGE = TensorType((2, 32, 28, 28))
SQUARE = TensorType((32, 32, 3, 3))


def placed(graph: Graph, log: PassLog | None = None) -> Graph:
    after = AssignLayout(choose, passes_on)(graph, log)
    verify(after, "placed+bound")
    return after


def layouts(graph: Graph) -> list[str]:
    """`relu c16` for every operation."""
    return [f"{inner(n.op).name} {n.output.type.layout}" for n in graph.operations]


def test_a_block_of_convolutions_is_placed_whole() -> None:
    def block(x: Value, w: Value, v: Value) -> Value:
        y = MaxPool2d((2, 2), (2, 2))(Relu()(SAME(x, w)))
        return SAME(Relu()(y + SAME(y, v)), w)

    after = placed(graph_of(block, x=IMAGE, w=SQUARE, v=SQUARE))
    assert layouts(after) == [
        "relayout c16", "conv2d c16", "relu c16", "max_pool2d c16", "conv2d c16", "add c16",
        "relu c16", "conv2d c16", "relayout plain",
    ]  # fmt: skip
    assert {v.type.layout for v in after.states} == {"o16i16x1"}
    convolutions = [n.op for n in after.operations if inner(n.op).name == "conv2d"]
    assert all(isinstance(op, Placed) and op.algorithm == "blocks" for op in convolutions)


def test_nothing_moves_where_it_does_not_pay() -> None:
    small = graph_of(
        lambda x, w: SAME(x, w), x=TensorType((1, 16, 2, 2)), w=TensorType((16, 16, 3, 3))
    )
    by = AssignLayout(choose, passes_on, call=1.0)
    after = by(small)
    assert layouts(after) == ["conv2d plain"]
    assert after.operations[0].op.attributes["algorithm"] == "rows"
    graph = graph_of(lambda x: Relu()(x), x=IMAGE)
    assert AssignLayout(choose, passes_on)(graph) is graph
    assert AssignLayout()(small) is small


def test_operators_that_cannot_pass_on_stay_plain() -> None:
    def net(x: Value, w: Value) -> Value:
        y = Sigmoid()(SAME(x, w))
        return SAME(Exp()(Sum((3,), True)(y)) * y, w)

    after = placed(graph_of(net, x=IMAGE, w=SQUARE))
    assert "sum plain" in layouts(after) and "exp plain" in layouts(after)
    assert Counter(layouts(after))["conv2d c16"] == 2


def test_a_relayout_is_shared() -> None:
    def net(x: Value, w: Value, v: Value) -> tuple[Value, Value]:
        return Sum((0, 2, 3))(SAME(x, w)), Sum((0, 2, 3))(SAME(x, v))

    after = placed(graph_of(net, x=IMAGE, w=SQUARE, v=SQUARE))
    assert layouts(after).count("relayout c16") == 1
    assert layouts(after).count("sum plain") == 2


def test_constants_are_packed_when_loaded() -> None:
    weight = constant_of(np.ones((32, 32, 3, 3), np.float32))
    after = placed(graph_of(lambda x: SAME(x, weight), x=IMAGE))
    plan = plan_memory(after)
    (packed,) = plan.constants
    assert packed.type.layout == "o16i16x1"
    assert [s.node.op.name for s in plan.steps] == ["relayout", "placed", "relayout"]


def test_packing_a_constant_costs_nothing() -> None:
    def offers(node: Node) -> Sequence[Choice] | None:
        if node.op.name != "conv2d":
            return None
        return [
            Choice(("plain", "plain"), ("plain",), cost=1e-5),
            Choice(("plain", "o16i16x1"), ("plain",), cost=0.9e-5),
        ]

    weight = constant_of(np.ones((256, 32, 3, 3), np.float32))
    after = AssignLayout(offers, passes_on)(graph_of(lambda x: SAME(x, weight), x=IMAGE))
    assert "relayout o16i16x1" in layouts(after)
    frozen = graph_of(lambda x, w: SAME(x, Relu()(w)), x=IMAGE, w=TensorType((256, 32, 3, 3)))
    after = AssignLayout(offers, no_pass)(frozen)
    assert "relayout o16i16x1" in layouts(after), "what depends on states alone is prepared"
    (w,) = frozen.states
    learning = Graph.of(frozen.inputs, frozen.outputs, {w: w * 0.5})
    after = AssignLayout(offers, no_pass)(learning)
    assert not any("relayout" in words for words in layouts(after))


def no_pass(node: Node, layout: str) -> bool:
    return False


def test_a_region_moves_where_no_single_node_would() -> None:
    """From everything plain: each step alone would cost two relayouts and gain one."""

    def offers(node: Node) -> Sequence[Choice] | None:
        if node.op.name != "conv2d":
            return None
        gain = IMAGE.bytes * 2 / 10e9 + 1e-6  # one relayout
        return [
            Choice(("plain", "plain"), ("plain",), cost=2 * gain),
            Choice(("c16", "plain"), ("c16",), cost=0.8 * gain),
        ]

    def net(x: Value, w: Value) -> Value:
        for _ in range(4):
            x = Relu()(SAME(x, w))
        return x

    graph = graph_of(net, x=IMAGE, w=SQUARE)
    offered = {node: offers(node) for node in graph.operations}
    problem = _Problem(graph, offered, AssignLayout(offers, passes_on))
    start = problem.plain()
    assert problem.total(problem.improved(start)) < 0.8 * problem.total(start)


def test_single_pixels_are_flattened_for_nothing() -> None:
    def net(x: Value, w: Value) -> Value:
        return Flatten()(GlobalAvgPool2d()(SAME(x, w)))

    plan = plan_memory(placed(graph_of(net, x=IMAGE, w=SQUARE)))
    names = [inner(s.node.op).name for s in plan.steps]
    assert names == ["relayout", "conv2d", "global_avg_pool2d"]


def test_channels_that_do_not_fill_blocks() -> None:
    def offers(node: Node) -> Sequence[Choice] | None:
        if node.op.name != "conv2d":
            return None
        return [Choice(("c16", "o16i16x1"), ("c16",), "blocks", 1e-6)]

    def net(x: Value, w: Value) -> Value:
        return SAME(Relu()(SAME(Sigmoid()(SAME(x, w)), w)), w)

    sizes = {"x": TensorType((2, 3, 28, 28)), "w": TensorType((3, 3, 3, 3))}
    after = AssignLayout(offers, passes_on)(graph_of(net, **sizes))
    verify(after, "placed+bound")
    assert "sigmoid plain" in layouts(after) and "relu c16" in layouts(after)


def with_halo(node: Node) -> Sequence[Choice] | None:
    """Convolutions that read their padding from memory and are given no other way."""
    if node.op.name != "conv2d":
        return None
    kernel = "o16i16x1"
    return [
        Choice(("c16+1,1,1,1", kernel), (written,), "direct", 1e-6)
        for written in ("c16", "c16+1,1,1,1")
    ]


def test_who_passes_on_writes_the_halo_that_the_next_one_reads() -> None:
    def net(x: Value, w: Value) -> Value:
        y = SAME(x, w)
        z = Relu()(MaxPool2d((3, 3), (1, 1), (1, 1, 1, 1))(y))
        return SAME(SAME(z, w), w) + z  # z with its halo is read by the sum as well

    after = AssignLayout(with_halo, passes_on)(graph_of(net, x=IMAGE, w=SQUARE))
    verify(after, "placed+bound")
    assert layouts(after) == [
        "relayout c16+1,1,1,1", "conv2d c16", "max_pool2d c16", "relu c16+1,1,1,1",
        "conv2d c16+1,1,1,1", "conv2d c16", "add c16", "relayout plain",
    ]  # fmt: skip
    (add,) = (n.op for n in after.operations if inner(n.op).name == "add")
    assert add.attributes["reads"] == ("c16", "c16+1,1,1,1")


def test_the_runtime_says_who_can_pass_on() -> None:
    def net(x: Value, w: Value) -> Value:
        return SAME(Relu()(MaxPool2d((3, 3), (1, 1), (1, 1, 1, 1))(SAME(x, w))), w)

    def no_pools(node: Node, layout: str) -> bool:
        assert without_halo(layout) == "c16"
        return node.op.name != "max_pool2d"

    after = AssignLayout(with_halo, no_pools)(graph_of(net, x=IMAGE, w=SQUARE))
    verify(after, "placed+bound")
    assert "max_pool2d plain" in layouts(after)


def test_a_choice_may_follow_the_halo_of_an_operand() -> None:
    def offers(node: Node) -> Sequence[Choice] | None:
        if node.op.name == "conv2d":
            return with_halo(node)
        if node.op.name == "add":
            return [Choice(("c16", "c16"), ("c16",), "sum", 0.0, follows=(1,))]
        return None

    def net(x: Value, w: Value) -> Value:
        y = Relu()(SAME(x, w))
        return SAME(y, w) + y

    after = AssignLayout(offers, passes_on)(graph_of(net, x=IMAGE, w=SQUARE))
    (add,) = (n.op for n in after.operations if inner(n.op).name == "add")
    assert add.attributes["reads"] == ("c16", "c16+1,1,1,1")
    assert layouts(after).count("relayout c16") == 0


def test_the_cheapest_of_equal_layouts_is_taken() -> None:
    def offers(node: Node) -> Sequence[Choice] | None:
        costs = {"slow": 3.0, "fast": 1.0, "medium": 2.0}
        places = (("plain", "plain"), ("plain",))
        return [Choice(*places, name, cost) for name, cost in costs.items()]

    after = AssignLayout(offers, passes_on)(graph_of(lambda x, w: SAME(x, w), x=IMAGE, w=SQUARE))
    assert after.operations[0].op.attributes["algorithm"] == "fast"


def test_the_graph_must_be_bound() -> None:
    with pytest.raises(GraphError, match="unknown batch size"):
        AssignLayout(choose, passes_on)(build("lenet5").graph)


@pytest.mark.parametrize(
    "op, zeros, kept",
    [
        (body(Relu(), t((4,))), [True], True),
        (body(Sigmoid(), t((4,))), [True], False),
        (body(lambda x: x + 1.0, t((4,))), [True], False),
        (body(lambda x: x + 0.0, t((4,))), [True], True),
        (body(sgd, *[t((4,))] * 3, t(())), [True] * 3 + [False], True),
        (body(sgd, *[t((4,))] * 3, t(())), [True, True, False, False], False),
        (body(adam, *[t((4,))] * 4), [True] * 4, True),
        (body(masked, t((4,)), t((4,))), [True, True], True),
        (body(lambda x: Div()(x, Sqrt()(x)), t((4,))), [True], False),
        (Where(), [False, True, True], True),
        (Where(), [True, True, False], False),
    ],
)
def test_zeros_that_stay_zeros(op, zeros: list[bool], kept: bool) -> None:  # type: ignore[no-untyped-def]
    if isinstance(op, Where):
        kinds = (DType.BOOL, DType.FLOAT32, DType.FLOAT32)
        values = [Input(k, TensorType((4,), d))() for k, d in zip("cab", kinds, strict=True)]
    else:
        values = [Input(v.node.op.key, v.type)() for v in op.body.inputs]
    assert keeps_zeros(ir.build(op, values), zeros) is kept


def test_pools_with_indices_and_other_axes_are_plain() -> None:
    known = Layouts({"c16": ("c16",)}, {})
    x = Input("x", IMAGE)()
    for op, count in (
        (MaxPool2d((2, 2), (2, 2)), 2), (MaxPool2d((2, 2), (2, 2), indices=True), 1),
        (Sum((0, 2, 3)), 2), (Sum((0, 2, 3), True), 1), (Sum((1,)), 1), (Relu(), 2),
    ):  # fmt: skip
        assert len(list(passing_choices(op(x).node, known, passes_on))) == count


@pytest.mark.parametrize(
    ("channels", "other", "count"),
    [(32, (32, 1, 1), 2), (3, (3, 1, 1), 1), (3, (1, 1, 1), 2), (3, (2, 3, 8, 8), 2)],
)
def test_an_operand_of_each_channel_needs_whole_blocks(
    channels: int, other: tuple[int, ...], count: int
) -> None:
    """It is read as it lies, and has no number for the channels that only fill a block."""
    known = Layouts({"c16": ("c16",)}, {})
    x = Input("x", TensorType((2, channels, 8, 8)))()
    factor = Input("factor", TensorType(other))()
    assert len(list(passing_choices((x * factor).node, known, passes_on))) == count


@pytest.mark.parametrize(
    ("other", "count"), [((32, 1, 1, 1), 1), ((3, 1), 1), ((1, 1, 1, 1), 2), ((32, 32, 3, 3), 2)]
)
def test_an_operand_of_each_kernel_is_plain(other: tuple[int, ...], count: int) -> None:
    """In the layouts of kernels whole operands and single numbers are read, and no others."""
    known = Layouts({}, {SQUARE.shape: ("o16i16x2",)})
    w, factor = Input("w", SQUARE)(), Input("factor", TensorType(other))()
    assert len(list(passing_choices((w * factor).node, known, passes_on))) == count


def training(name: str, n: int) -> Graph:
    loss = {"autoencoder": "mse", "unet": "binary_cross_entropy"}.get(name, "cross_entropy")
    return training_graph(build(name).graph, loss, cnn.SGD(0.05, momentum=0.9)).bind(N=n)


@pytest.mark.parametrize("name", MODELS)
def test_built_in_models(name: str) -> None:
    """Much cheaper than plain, parameters and their slots packed, and a valid plan."""
    model = build(name)
    for graph in (training(name, 4), inference_graph(model.graph, model.states).bind(N=4)):
        log = PassLog()
        after = placed(FuseOps()(graph), log)
        cost, plain = (float(word.split()[-2]) for word in log.notes[0].split(", "))
        assert cost <= plain
        if name in ("vgg_cifar", "resnet18", "unet"):
            assert cost < 0.4 * plain
        rest = CancelRelayout(passes_on)(after)
        verify(rest, "placed+bound")
        for state, value in after.updates.items():
            assert state.type == value.type, state_of(state).key
        plan = plan_memory(Schedule()(rest))
        assert plan.arena_bytes <= 1.15 * plan.lower_bound


@pytest.mark.parametrize("name", ["digits_cnn", "vgg_cifar"])
def test_training_on_packed_bytes(name: str) -> None:
    """The step that lies in blocks, run on its bytes, gives the numbers of the plain one."""
    graph = training(name, 2)
    after = CancelRelayout(passes_on)(placed(FuseOps()(graph)))
    packed = {state_of(s).key for s in after.states if s.type.layout != "plain"}
    heavy = "conv2.weight" if name == "digits_cnn" else "stage2.conv1.weight"
    assert {heavy, heavy + ".velocity"} <= packed
    feeds, states = random_feeds(graph), random_states(graph)
    expected = Reference(graph).run(feeds, states)
    found = run_plan(plan_memory(Schedule()(after)), feeds, states)
    for want, got in zip(expected, found, strict=True):
        assert want.keys() == got.keys()
        for key, array in want.items():
            scale = np.abs(array).max() or 1.0
            np.testing.assert_allclose(got[key], array, rtol=0, atol=2e-6 * scale, err_msg=key)


def test_it_is_deterministic() -> None:
    graph = FuseOps()(training("vgg_cifar", 2))
    assert str(placed(graph)) == str(placed(graph))
