"""The summary table."""

import json

import pytest

import graphcnn as cnn
from graphcnn.analysis.summary import describe, summarize
from graphcnn.ir.graph import Graph
from graphcnn.ir.sources import Input, State
from graphcnn.ir.tensor_type import N, TensorType
from graphcnn.ops.activation import LeakyRelu
from graphcnn.ops.conv import Conv2d, ConvTranspose2d
from graphcnn.ops.dense import Dense
from graphcnn.ops.pool import AvgPool2d, MaxPool2d
from graphcnn.ops.shape import Flatten


def state(*shape: int, trainable: bool = True) -> State:
    return State("", TensorType(shape), trainable=trainable)


def graph() -> Graph:
    x = Input("image", TensorType((N, 1, 9, 9)))()
    y = Conv2d(padding=(1, 1, 1, 1))(x, state(4, 1, 3, 3)(), state(4)(), name="C1")
    y = MaxPool2d((2, 2), (2, 2))(LeakyRelu(0.1)(y), name="S2")
    y = Dense()(Flatten()(y), state(10, 64, trainable=False)(), name="my logits")
    return Graph.of([x], {"y": y}, name="tiny")


TABLE = """\
tiny
--------------------------------------------------------------------------------------------------
layer         operator              output        parameters  multiply-adds  sees  unused
--------------------------------------------------------------------------------------------------
C1            conv2d 3×3 pad 1      (N, 4, 9, 9)          40          2,916   3×3
leaky_relu_1  leaky_relu alpha=0.1  (N, 4, 9, 9)                              3×3
S2            max_pool2d 2×2 /2     (N, 4, 4, 4)                              4×4  1 row, 1 column
flatten_1     flatten               (N, 64)                                   4×4
"my logits"   dense                 (N, 10)              640            640   9×9
--------------------------------------------------------------------------------------------------
sees: receptive field, in pixels of the image
unused: input pixels at the bottom and right that no window reads

parameters      680 (40 trainable, 640 frozen)
multiply-adds 3,556 per image
activations   2,888 bytes per image"""


def test_table() -> None:
    assert str(summarize(graph())) == TABLE


def test_rows_and_json() -> None:
    summary = summarize(graph())
    assert [row.name for row in summary.rows][:1] == ["C1"]
    assert summary.rows[2].unread == (1, 1) and summary.rows[0].shape == (N, 4, 9, 9)
    assert (summary.parameters, summary.trainable, summary.frozen) == (680, 40, 640)
    data = json.loads(summary.to_json())
    assert data["multiply_adds"] == 81 * 9 * 4 + 640 == summary.multiply_adds
    assert data["rows"][0]["shape"] == ["N", 4, 9, 9]
    assert data["rows"][0]["receptive_field"] == [3, 3] and data["rows"][4]["name"] == "my logits"


def test_bound_graphs_are_measured_per_batch() -> None:
    text = str(summarize(graph().bind(2)))
    assert "7,112 per batch of 2" in text and "680 (40 trainable" in text


def test_columns_without_entries_are_left_out() -> None:
    x = Input("x", TensorType((N, 3)))()
    text = str(summarize(Graph.of([x], {"y": LeakyRelu()(x)})))
    assert "receptive" not in text and "unused" not in text and "(all trainable)" in text
    assert all(len(line) < 60 for line in text.splitlines())


@pytest.mark.parametrize(
    ("op", "text"),
    [
        (Conv2d((2, 2), (1, 1, 1, 1)), "conv2d 3×3 /2 pad 1"),
        (Conv2d((2, 1), (1, 1, 2, 2)), "conv2d 3×3 /2×1 pad 1×2"),
        (Conv2d(padding=(0, 1, 0, 1), dilation=(2, 2)), "conv2d 3×3 pad 0,1,0,1 dilation 2"),
        (Conv2d(padding=(1, 1, 0, 2)), "conv2d 3×3 pad 1,1,0,2"),
        (Conv2d(dilation=(1, 2), groups=2), "conv2d 3×3 dilation 1×2 groups=2"),
        (ConvTranspose2d((2, 2), output_padding=(1, 1)),
         "conv_transpose2d 3×3 /2 output_padding=(1, 1)"),
        (AvgPool2d((2, 3), (2, 3)), "avg_pool2d 2×3 /2×3"),
        (MaxPool2d((3, 3), (1, 1), ceil_mode=True), "max_pool2d 3×3 ceil_mode=True"),
    ],
    ids=lambda x: str(x),
)  # fmt: skip
def test_operators_in_few_words(op, text: str) -> None:  # type: ignore[no-untyped-def]
    x = Input("x", TensorType((N, 4, 9, 9)))()
    weight = [state(4, 4 // getattr(op, "groups", 1), 3, 3)()] if "weight" in op.operands else []
    assert describe(op(x, *weight).node) == text


def test_convolutions_are_counted_as_the_dense_layers_that_they_are() -> None:
    """LeNet-5's C3: 16 maps of 10×10 from 6 maps of 14×14, each output reading 6 patches of 5×5."""
    notes = cnn.models.build("lenet5").summary(dense=True).notes
    assert notes[1].startswith("C3: 2,400 parameters = a dense layer of 1,881,600 weights, ")
    assert notes[1].endswith("the other 240,000 shared")
