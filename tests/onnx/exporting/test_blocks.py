"""Channels as blocks of pixels in ONNX, and in the language."""

import numpy as np
import onnx
import pytest

import graphcnn as cnn
from graphcnn.errors import GraphError
from graphcnn.ops.blocks import DepthToSpace, SpaceToDepth


def test_the_pixel_shuffle_is_that_of_pytorch():
    """What torch.nn.functional.pixel_shuffle(torch.arange(8.0).view(1, 8, 1, 1), 2) prints."""
    x = np.arange(8.0).reshape(1, 8, 1, 1)
    shuffled = [[[0, 1], [2, 3]], [[4, 5], [6, 7]]]
    assert DepthToSpace(2, "CRD").evaluate(x)[0].tolist() == shuffled
    assert DepthToSpace(2).evaluate(x)[0].tolist() == [[[0, 2], [4, 6]], [[1, 3], [5, 7]]]
    for mode in ("DCR", "CRD"):
        assert np.array_equal(SpaceToDepth(2, mode).evaluate(DepthToSpace(2, mode).evaluate(x)), x)


def test_it_is_written_as_the_operator_and_comes_back(tmp_path):
    image = cnn.input("image", (2, 6, 6))
    x = cnn.space_to_depth(image, 3, name="down")
    x = cnn.depth_to_space(cnn.conv2d(x, 36, 1, name="c"), name="up")
    x = cnn.pixel_shuffle(x, 3, name="shuffled")
    model = cnn.Model(image, x).initialize(0)
    assert model.export_onnx(tmp_path / "m.onnx", verify=True).passed
    file = onnx.load(tmp_path / "m.onnx")
    kinds = [n.op_type for n in file.graph.node]
    assert kinds == ["SpaceToDepth", "Conv", "DepthToSpace", "DepthToSpace"]
    del file.metadata_props[:]  # our own note of the graph
    again = cnn.import_onnx(file.SerializeToString())
    found = [n.op for n in again.graph.operations if n.op.family == "shape"]
    assert found == [SpaceToDepth(3), DepthToSpace(2), DepthToSpace(3, "CRD")]
    images = np.random.default_rng(0).random((3, 2, 6, 6), np.float32)
    assert np.array_equal(again.predict(images), model.predict(images))
    assert np.array_equal(model.predict(images), model.predict(images, runtime="reference"))


def test_super_resolution_trains_through_the_shuffle():
    """The same bits with one thread and two."""
    small = cnn.input("small", (1, 5, 5))
    x = cnn.conv2d(small, 8, 3, padding=1, activation="prelu")
    x = cnn.pixel_shuffle(cnn.conv2d(x, 4, 3, padding=1))
    large = np.random.default_rng(0).random((8, 1, 10, 10), np.float32)
    data, found = (large[:, :, ::2, ::2], large), []
    for threads in (1, 2):
        model = cnn.Model(small, x).initialize(0)
        model.fit(data, loss="mse", epochs=2, seed=0, threads=threads, progress=False)
        found.append(model.states.snapshot())
    assert all(np.array_equal(found[0][key], found[1][key]) for key in found[0])


def test_the_language_refuses_blocks_that_do_not_fit():
    image = cnn.input("image", (6, 4, 4))
    with pytest.raises(GraphError, match=r"depth_to_space .*squared must divide the 6 channels"):
        cnn.depth_to_space(image)
    with pytest.raises(GraphError, match="factor must be an int of at least 1, found 0"):
        cnn.pixel_shuffle(image, 0)
