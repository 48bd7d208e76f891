"""Costs, parameters and receptive fields, against numbers worked out by hand."""

from fractions import Fraction

import numpy as np
import pytest
from samples import all_samples, library
from support.cases import each

from graphcnn.analysis.cost import COST, multiply_adds, total_multiply_adds
from graphcnn.analysis.counts import (
    activation_bytes,
    count_parameters,
    graph_parameters,
    node_parameters,
    unread_pixels,
)
from graphcnn.analysis.receptive_field import FIELDS, ReceptiveField, receptive_fields
from graphcnn.ir.graph import Graph
from graphcnn.ir.node import OPS, Op, Value
from graphcnn.ir.sources import Input, Role, State
from graphcnn.ir.tensor_type import DType, N, TensorType
from graphcnn.ops.activation import Relu
from graphcnn.ops.conv import Conv2d, Conv2dWeightGrad, ConvTranspose2d
from graphcnn.ops.dense import Dense, MatMul
from graphcnn.ops.elementwise import Add, Mul
from graphcnn.ops.fused import fused
from graphcnn.ops.gather import Gather
from graphcnn.ops.layout import Placed
from graphcnn.ops.padding import Pad2d
from graphcnn.ops.pool import AvgPool2d, GlobalAvgPool2d, MaxPool2d
from graphcnn.ops.reduce import Mean
from graphcnn.ops.resample import Upsample2d, ZeroInsert2d
from graphcnn.ops.shape import Concat, Flatten, Slice, Transpose
from graphcnn.ops.softmax import Softmax


def image(c: int = 1, h: int = 28, w: int = 28) -> Value:
    return Input("image", TensorType((N, c, h, w)))(name="image")


def state(*shape: int, trainable: bool = True, role: Role = Role.PARAMETER) -> Value:
    return State("", TensorType(shape), role, trainable)()


def conv(x: Value, o: int, k: int, stride: int = 1, pad: int = 0, dilation: int = 1) -> Value:
    op = Conv2d((stride, stride), (pad,) * 4, (dilation, dilation))  # type: ignore[arg-type]
    return op(x, state(o, int(x.shape[1]), k, k))  # type: ignore[arg-type]


def field(y: Value, x: Value) -> ReceptiveField:
    return receptive_fields(Graph.of([x], {"y": y}))[y]


def lenet() -> Graph:
    x = image()
    y = Conv2d(padding=(2, 2, 2, 2))(x, state(6, 1, 5, 5), state(6), name="C1")
    y = MaxPool2d((2, 2), (2, 2))(Relu()(y), name="S2")
    y = Conv2d()(y, state(16, 6, 5, 5), state(16), name="C3")
    y = Flatten()(MaxPool2d((2, 2), (2, 2))(Relu()(y), name="S4"))
    for units, features, name in ((120, 400, "C5"), (84, 120, "F6"), (10, 84, "logits")):
        y = Dense()(y, state(units, features), state(units), name=name)
    return Graph.of([x], {"logits": y}, name="lenet5")


def test_lenet_by_hand() -> None:
    g = lenet()
    by_name = {n.name: n for n in g.operations if n.name}
    assert {k: multiply_adds(n) for k, n in by_name.items()} == {
        "C1": 28 * 28 * 6 * 25,  # 117600
        "S2": 0,
        "C3": 10 * 10 * 16 * 6 * 25,  # 240000
        "S4": 0,
        "C5": 400 * 120,
        "F6": 120 * 84,
        "logits": 84 * 10,
    }
    assert total_multiply_adds(g) == 416_520
    assert node_parameters(by_name["C1"]).total == 6 * 25 + 6
    assert graph_parameters(g).trainable == 61_706 and graph_parameters(g).frozen == 0
    outputs = 2 * 6 * 784 + 6 * 196 + 2 * 1600 + 400 + 120 + 84 + 10  # flatten is a view
    assert activation_bytes(g) == 4 * outputs
    sizes = {k: f.size for k, n in by_name.items() if (f := receptive_fields(g)[n.output])}
    assert sizes == {
        "C1": (5, 5), "S2": (6, 6), "C3": (14, 14), "S4": (16, 16),
        "C5": (28, 28), "F6": (28, 28), "logits": (28, 28),
    }  # fmt: skip


def test_bound_graphs_cost_the_whole_batch() -> None:
    g = lenet()
    assert total_multiply_adds(g.bind(3)) == 3 * total_multiply_adds(g)
    assert activation_bytes(g.bind(3)) == 3 * activation_bytes(g)
    assert graph_parameters(g.bind(3)) == graph_parameters(g)


def test_groups_divide_the_cost() -> None:
    x = image(8, 10, 10)
    assert multiply_adds(Conv2d(groups=8)(x, state(8, 1, 3, 3)).node) == 8 * 8 * 8 * 9
    assert multiply_adds(Conv2d()(x, state(8, 8, 3, 3)).node) == 8 * 8 * 8 * 9 * 8


def test_the_three_convolutions_cost_the_same() -> None:
    x, w = image(4, 9, 9), state(6, 2, 3, 3)
    shared = dict(stride=(2, 2), padding=(1, 1, 1, 1), groups=2)
    y = Conv2d(**shared)(x, w)  # type: ignore[arg-type]
    back = ConvTranspose2d(**shared)(y, w)  # type: ignore[arg-type]
    dw = Conv2dWeightGrad(**shared, kernel=(3, 3))(x, y)  # type: ignore[arg-type]
    costs = {multiply_adds(v.node) for v in (y, back, dw)}
    assert costs == {6 * 5 * 5 * 2 * 9}


def test_matrix_products() -> None:
    a, b = state(2, 3, 4), state(4, 5)
    assert multiply_adds(MatMul()(a, b).node) == 2 * 3 * 4 * 5
    assert multiply_adds(MatMul(transpose_a=True)(state(4, 3), b).node) == 3 * 4 * 5
    x = Input("x", TensorType((N, 7)))()
    assert multiply_adds(MatMul(transpose_a=True)(x, x).node) == 49  # N counts as 1
    assert multiply_adds(Dense()(x, state(3, 7)).node) == 21


def test_costs_name_operators() -> None:
    assert {op for op in OPS.values() if op.anchor} <= set(COST)


def test_shared_parameters_count_once() -> None:
    w, x = state(4, 4, 3, 3), image(4)
    first = Conv2d(padding=(1, 1, 1, 1))(x, w)
    second = Conv2d(padding=(1, 1, 1, 1))(first, w)
    g = Graph.of([x], {"y": second})
    assert graph_parameters(g).total == node_parameters(second.node).total == 144


def test_frozen_parameters_and_other_states() -> None:
    kept, learned = state(3, trainable=False), state(2)
    count = count_parameters([kept, learned, kept, state(9, role=Role.STATISTIC), image()])
    assert (count.trainable, count.frozen, count.total) == (2, 3, 5)


@pytest.mark.parametrize(
    ("op", "unread"),
    [
        (MaxPool2d((3, 3), (3, 3)), (1, 1)),
        (MaxPool2d((3, 3), (2, 2)), (0, 0)),
        (MaxPool2d((3, 3), (1, 1)), (0, 0)),
        (AvgPool2d((2, 3), (2, 3)), (1, 1)),
        (MaxPool2d((2, 2), (2, 2), ceil_mode=True), (0, 0)),
        (MaxPool2d((2, 2), (2, 2), (1, 0, 0, 0)), (0, 1)),
        (Relu(), (0, 0)),
    ],
    ids=str,
)
def test_unread_pixels(op: Op, unread: tuple[int, int]) -> None:
    assert unread_pixels(op(image(1, 7, 7)).node) == unread


def test_unread_pixels_of_a_convolution() -> None:
    assert unread_pixels(conv(image(1, 7, 8), 1, 3, stride=3).node) == (1, 2)


def test_receptive_field_of_stacked_convolutions() -> None:
    x = image()
    y = conv(conv(conv(x, 2, 3, pad=1), 2, 3, stride=2, pad=1), 2, 3, dilation=2)
    f = field(y, x)
    assert f.size == (3 + 2 + 4 * 2,) * 2 and f.jump == (2, 2) and f.start == (-2, -2)


def test_receptive_field_of_pads_slices_and_transposes() -> None:
    x = image(1, 10, 12)
    y = Slice((0, 0, 3, 1), (N, 1, 4, 5), (1, 1, 2, 1))(Pad2d((1, 0, 2, 0))(x))
    f = field(y, x)
    assert f.size == (1, 1) and f.start == (2, -1) and f.jump == (2, 1)
    assert field(Transpose((0, 1, 3, 2))(y), x).start == (-1, 2)
    assert field(Transpose((0, 2, 1, 3))(y), x).size == (10, 12)


def test_receptive_field_of_branches_is_their_union() -> None:
    x = image()
    for y in (Concat(1)(conv(x, 2, 5, pad=2), conv(x, 2, 1)), Add()(conv(x, 1, 5, pad=2), x)):
        assert field(y, x).size == (5, 5) and field(y, x).start == (-2, -2)
    shifted = Add()(Pad2d((2, 0, 0, 0))(x), Pad2d((0, 2, 0, 0))(x))
    assert field(shifted, x).size == (3, 1) and field(shifted, x).start == (-2, 0)


def test_whole_image() -> None:
    x = image(3, 8, 6)
    pooled = GlobalAvgPool2d()(x)
    for y in (pooled, Dense()(Flatten()(x), state(2, 144)), Softmax(2)(x), Mul()(x, pooled),
              Mean((2, 3))(x), Mean((1,), True)(Softmax(3)(x))):  # fmt: skip
        assert field(y, x).size == (8, 6)
    for y in (Softmax(1)(x), Flatten()(x), Mean((1,), True)(x), Relu()(x)):
        assert field(y, x).size == (1, 1)


def test_weights_made_of_the_image_see_all_of_it() -> None:
    x = image(1, 5, 5)
    kernel = Slice((0, 0, 0, 0), (1, 1, 3, 3), (1, 1, 1, 1))
    bound = Input("image", TensorType((1, 1, 5, 5)))()
    y = Conv2d()(bound, kernel(bound))
    assert field(y, bound).size == (5, 5) and field(conv(x, 1, 3), x).size == (3, 3)


def test_values_without_the_image_have_no_field() -> None:
    x = image()
    g = Graph.of([x], {"y": conv(x, 1, 3), "z": Relu()(state(3))})
    assert g.outputs["z"] not in receptive_fields(g)
    vector = Input("v", TensorType((N, 3)))()
    assert receptive_fields(Graph.of([vector], {"y": Relu()(vector)})) == {}


def _seen(op: Op, size: int) -> tuple[list[set[int]], ReceptiveField]:
    """The columns that each output column of an operator reads, by trying, and the prediction."""
    weights = [(1, 1, 3, 3)] if "weight" in op.operands else []
    x = Input("x", TensorType((1, 1, size, size)))()
    f = field(op(x, *(state(*w) for w in weights)), x)
    reads: list[set[int]] = []
    for column in range(size):
        pixel = np.zeros((1, 1, size, size))
        pixel[0, 0, :, column] = 1.0
        y = op.evaluate(pixel, *(np.ones(w) for w in weights))[0, 0]
        reads = reads or [set() for _ in range(y.shape[1])]
        for i in np.flatnonzero(np.abs(y).max(axis=0)):
            reads[i].add(column)
    return reads, f


@pytest.mark.parametrize(
    "op",
    [
        Conv2d(), Conv2d((2, 2), (1, 1, 1, 1)), Conv2d(dilation=(2, 2)),
        AvgPool2d((3, 3), (2, 2), (1, 1, 1, 1)), Upsample2d((3, 3)), Upsample2d((2, 2), "bilinear"),
        ConvTranspose2d((2, 2)), ConvTranspose2d((2, 2), (1, 1, 1, 1), output_padding=(1, 1)),
        ConvTranspose2d((1, 1), (2, 2, 2, 2)), ConvTranspose2d((3, 3)), ZeroInsert2d((2, 2)),
        ZeroInsert2d((2, 2), (1, 1, 1, 1)), Pad2d((1, 1, 2, 2)),
    ],
    ids=str,
)  # fmt: skip
def test_no_element_reads_outside_its_field(op: Op) -> None:
    reads, f = _seen(op, 8)
    for i, columns in enumerate(reads):
        first = f.width.start + i * f.width.jump
        last = first + f.width.size - 1
        for column in columns:
            assert np.floor(float(first)) <= column <= np.ceil(float(last))
    widest = max(max(columns) - min(columns) + 1 for columns in reads if columns)
    assert widest <= f.size[1] <= widest + 1


def test_size_rounds_up() -> None:
    x = image()
    y = conv(Upsample2d((2, 2))(x), 1, 3, pad=1)
    assert field(y, x).width.size == Fraction(2) and field(y, x).jump == (Fraction(1, 2),) * 2
    y = conv(Upsample2d((3, 3))(x), 1, 3, pad=1)
    assert field(y, x).width.size == Fraction(5, 3) and field(y, x).size == (2, 2)


@each(all_samples())
def test_every_operator_has_a_cost_and_a_field(sample) -> None:  # type: ignore[no-untyped-def]
    inputs = [Input(f"x{i}", t)() for i, t in enumerate(sample.types(np.float32))]
    graph = Graph.of(inputs, {"y": sample.op(*inputs)})
    assert total_multiply_adds(graph) >= 0 and activation_bytes(graph) >= 0
    fields = receptive_fields(graph)
    if any(v.type.rank == 4 for v in inputs[:1]):
        assert min(fields[graph.outputs["y"]].size) >= 1
    assert min(unread_pixels(graph.outputs["y"].node)) >= 0


def test_fields_of_groups_and_of_chosen_channels() -> None:
    x, w = image(4, 9, 9), state(4, 4, 3, 3)
    inside = [Input(key, v.type)() for key, v in (("x", x), ("w", w))]
    conv = Conv2d(padding=(1, 1, 1, 1))
    group = fused(Graph.of(inside, {"y": Relu()(conv(*inside))}))
    assert field(group(x, w), x).size == (3, 3)
    assert field(Placed(group, ("plain", "plain"), ("plain",))(x, w), x).size == (3, 3)
    channels = Input("channels", TensorType((N, 2), DType.INT64))()
    y = Gather(1)(conv(x, w), channels)
    assert receptive_fields(Graph.of([x, channels], {"y": y}))[y].size == (3, 3)


def test_who_sees_the_whole_image() -> None:
    """Of operators without a rule all but those that are elementwise or slide windows."""
    ours = library().values()
    whole = {op for op in ours if not (op in FIELDS or op.elementwise or op.has("sliding"))}
    losses = {op for op in whole if op.family == "loss"}
    backward = {op for op in whole if op.name.endswith(("_grad", "_pick"))}
    others = {op.name for op in whole - losses - backward if op.operands}
    assert others == {
        "dense", "global_avg_pool2d", "matmul", "matmul_integer", "max_unpool2d", "one_hot",
        "own_gradient", "random_uniform", "scan", "scatter", "top_k",
    }  # fmt: skip
