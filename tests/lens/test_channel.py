"""Scores of one channel for each item, with no other channel computed."""

import numpy as np
import pytest
from support.evaluate import run

import graphcnn as cnn
from graphcnn.ir.graph import topological_order
from graphcnn.lens.synthesis.channel import one_channel
from graphcnn.ops.conv import Conv2d


def layers() -> dict[str, cnn.Value]:
    """Ends of layers, of a batch of 3 images, by how they end."""
    image = cnn.constant(np.random.default_rng(0).random((3, 2, 8, 8), np.float32))
    x = cnn.conv2d(image, 4, 3, padding=1, activation="relu", name="first")
    plain = cnn.conv2d(x, 5, 3, stride=2, activation="relu", name="plain")
    y = cnn.batch_norm(cnn.conv2d(x, 6, 3, bias=False, name="normed"), name="norm")
    pooled = cnn.max_pool2d(cnn.relu(y) * 0.5, 2)
    block = cnn.relu(cnn.conv2d(x, 4, 3, padding=1, name="residual") + x)
    grouped = cnn.conv2d(x, 4, 3, groups=2, name="grouped")
    units = cnn.dense(cnn.flatten(pooled), 7, activation="tanh", name="units")
    means = cnn.flatten(cnn.global_avg_pool2d(cnn.conv2d(x, 5, 1, name="means")))
    return dict(means=means, plain=plain, pooled=pooled, block=block, grouped=grouped, units=units)


@pytest.mark.parametrize("name", ["plain", "pooled", "block", "grouped", "units", "means"])
def test_one_channel_of_each_item_is_that_of_all_channels(name: str) -> None:
    value, index = layers()[name], np.array([3, 0, 2])
    rng, known = np.random.default_rng(1), {}
    for node in topological_order([value.node]):
        if node.op.name == "state":
            known[node.output] = rng.uniform(0.02, 0.1, node.output.shape)
    found, whole = run([one_channel(value, cnn.constant(index)), value], known)
    np.testing.assert_allclose(found, whole[range(3), index][:, None], rtol=1e-5, atol=1e-6)
    nodes = topological_order([one_channel(value, cnn.constant(index)).node])
    convolutions = [n for n in nodes if isinstance(n.op, Conv2d)]
    filters = [n.output.shape[:2] for n in convolutions if n.name in (name, "normed", "residual")]
    assert [n.name for n in convolutions].count("first") == 1, "nothing is computed twice"
    if name in ("plain", "pooled", "block", "means"):
        assert filters == [(1, 3)], "no other filter is computed"
