"""Coordinates that are no place: NaN, infinity, numbers that no integer holds.

They come out of networks that diverge, and have to give the same result everywhere.
"""

from itertools import product

import numpy as np
import pytest
from onnx import TensorProto
from support.evaluate import evaluate
from support.exported_networks import Net

from graphcnn.compile.native import Prepared
from graphcnn.onnx.importing.importer import import_graph

FAR = np.array([np.nan, np.inf, -np.inf, 1e19, -1e19, 3e38, 3e9, -3e9, 2.0, -1.3], np.float32)
IMAGE = np.arange(1, 13, dtype=np.float32).reshape(1, 1, 3, 4)


def both(net, feeds):
    """The result of the definition, which native code shares."""
    found = import_graph(net.model().SerializeToString())
    with np.errstate(all="ignore"):
        (y,) = evaluate(found.graph, feeds, found.states).values()
    prepared = Prepared(found.graph)
    prepared.bind_states(found.states)
    (native,) = prepared.run(feeds)[0].values()
    np.testing.assert_allclose(native, y, 1e-5, 1e-5)
    return y.reshape(-1)


WAYS = list(product(("nearest", "linear", "cubic"), ("zeros", "border", "reflection"), (0, 1)))


@pytest.mark.parametrize(("mode", "edges", "corners"), WAYS)
def test_a_grid(mode, edges, corners):
    net = Net(opset=20)
    x, grid = net.input("x", 1, 1, 3, 4), net.input("g", 1, 1, len(FAR), 2)
    how = {"mode": mode, "padding_mode": edges, "align_corners": corners}
    net.output(net.op("GridSample", x, grid, **how))
    points = np.zeros((1, 1, len(FAR), 2), np.float32)
    points[..., 0] = FAR
    y = both(net, {"x": IMAGE, "g": points})
    points[0, 0, :3, 0] = -1, 9, -9
    near = both(net, {"x": IMAGE, "g": points})
    assert np.isfinite(y).all() and y[0] == near[0]
    if edges != "reflection":
        np.testing.assert_array_equal(y[1:8], near[[1, 2, 1, 2, 1, 1, 2]])


def test_offsets_of_a_deformable_convolution():
    net = Net(opset=19)
    x, offset = net.input("x", 1, 1, 3, 4), net.input("o", 1, 2, 1, 4)
    net.output(net.op("DeformConv", x, net.const(np.ones((1, 1, 1, 1), np.float32)), offset,
                      strides=[3, 1], kernel_shape=[1, 1]))  # fmt: skip
    for far in FAR[:8]:
        moved = np.zeros((1, 2, 1, 4), np.float32)
        moved[0, 1, 0, 1] = far
        assert both(net, {"x": IMAGE, "o": moved}).tolist() == [1, 0, 3, 4]


def test_boxes_to_align():
    net = Net(opset=16)
    x, boxes = net.input("x", 1, 1, 3, 4), net.input("b", 2, 4)
    net.output(net.op("RoiAlign", x, boxes, net.const([0, 0], np.int64), sampling_ratio=1,
                      output_height=1, output_width=1))  # fmt: skip
    for far in FAR[:8]:
        y = both(net, {"x": IMAGE, "b": np.array([[0, 0, 2, 2], [far, 0, far, 2]], np.float32)})
        assert y.tolist() == [3.5, 0.0]


@pytest.mark.parametrize("kind", ["UINT8", "INT8", "UINT16", "INT32", "UINT32", "INT64", "UINT64"])
def test_a_folded_cast_is_a_computed_one(kind):
    to = getattr(TensorProto, kind)
    net, folded = Net(), Net()
    net.output(net.op("Cast", net.input("x", len(FAR)), to=to), to)
    unused = folded.op("Mul", folded.input("x", len(FAR)), folded.const(np.zeros(1, np.float32)))
    cast = folded.op("Cast", folded.const(FAR), to=to)
    folded.output(folded.op("Add", cast, folded.op("Cast", unused, to=to)), to)
    computed = both(net, {"x": FAR})
    np.testing.assert_array_equal(computed, both(folded, {"x": np.zeros(len(FAR), np.float32)}))
