"""Small files that ask for much: refused in words, or done with work that fits their size."""

import numpy as np
import pytest
from onnx import TensorProto
from support.exported_networks import Net

from graphcnn.errors import ImportModelError
from graphcnn.onnx.importing.importer import import_graph
from graphcnn.onnx.importing.rules.image.interpolation import Axis, matrix


def imported(net):
    return import_graph(net.model().SerializeToString())


def boxes(ratio, cells=1, count=1, mode="avg"):
    net = Net(opset=18)
    x, rois = net.input("x", 1, 1, 3, 4), net.input("b", count, 4)
    net.output(net.op("RoiAlign", x, rois, net.const([0] * count, np.int64), mode=mode,
                      sampling_ratio=ratio, output_height=cells, output_width=cells))  # fmt: skip
    return net


@pytest.mark.parametrize(("ratio", "cells", "message"), [
    (65535, 1, "'sampling_ratio' = 65535, expected at most 1024"),
    (2**31 - 1, 1, "'sampling_ratio' = 2147483647"),
    (1024, 65, "the points of the boxes: 1·65·1024·65·1024·1"),
    (1, -1, "size -1"),
])  # fmt: skip
def test_too_many_points_of_boxes_are_refused(ratio, cells, message):
    with pytest.raises(ImportModelError, match=message):
        imported(boxes(ratio, cells))


@pytest.mark.parametrize("mode", ["avg", "max"])
def test_the_nodes_for_boxes_do_not_depend_on_the_points(mode):
    few, many = (len(imported(boxes(r, 2, mode=mode)).graph.nodes) for r in (1, 500))
    assert few == many


def test_boxes_and_regions_are_numbers():
    net = Net(opset=18)
    rois = net.const([[0, 0, np.inf, 2]], np.float32)
    net.output(net.op("RoiAlign", net.input("x", 1, 1, 3, 4), rois, net.const([0], np.int64)))
    with pytest.raises(ImportModelError, match="must be finite"):
        imported(net)
    for roi, message in (([0, np.nan], "roi must be finite"), ([0], "roi must have two numbers")):
        net = Net(opset=13)
        sizes = net.const([5], np.int64)
        net.output(net.op("Resize", net.input("x", 4), net.const(roi, np.float32), "", sizes,
                          coordinate_transformation_mode="tf_crop_and_resize"))  # fmt: skip
        with pytest.raises(ImportModelError, match=message):
            imported(net)


def test_classes_of_a_one_hot_vector_are_counted():
    net = Net(opset=18)
    labels = net.input("x", 1, kind=TensorProto.INT64)
    net.output(net.op("OneHot", labels, net.const(2**27), net.const([0, 1], np.float32)))
    with pytest.raises(ImportModelError, match="limits"):
        imported(net)


def test_a_long_row_is_averaged_at_once():
    """The weights of all pixels under one are computed together, and their sum is 1."""
    how = {"mode": "linear", "antialias": 1, "exclude_outside": 1}
    row = matrix(Axis(100_000, 1, np.float32(1e-5)), how)[0]
    assert row.sum() == pytest.approx(1) and row.argmax() in (49_999, 50_000)
    assert row[0] < row[25_000] < row[49_999]
