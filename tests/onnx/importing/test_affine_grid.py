"""Spatial transformers: grids of affine maps, and images read at them."""

import numpy as np
import pytest
from onnx import TensorProto, helper, numpy_helper
from support.agreement import check_agreement
from support.malformed_models import model, node

from graphcnn.compile.runner import Runner
from graphcnn.errors import ImportModelError
from graphcnn.onnx.importing.importer import import_graph
from graphcnn.runtime.execution import Execution


def transformer(space, aligned, by_shape, size=None):
    """The grid as wide as the image, by its shape or by given numbers."""
    rank, batch = len(space), "N" if by_shape else 2
    sizes = numpy_helper.from_array(np.array(size or (2, 3, *space)), "size")
    nodes = [node("Shape", "x", outputs=("size",))] if by_shape else []
    nodes += [
        node("AffineGrid", "theta", "size", outputs=("grid",), align_corners=aligned),
        node("GridSample", "x", "grid", mode="linear", align_corners=aligned),
    ]
    stored = [] if by_shape else [sizes]
    made = model(nodes, (batch, 3, *space), stored, ("y", "grid"), opset=20)
    info = helper.make_tensor_value_info("theta", TensorProto.FLOAT, (batch, rank, rank + 1))
    made.graph.input.append(info)
    return made.SerializeToString()


@pytest.mark.parametrize("aligned", [0, 1])
@pytest.mark.parametrize("space", [(5, 6), (2, 4), (3, 4, 2)])
def test_as_onnx_runtime(space, aligned):
    rank = len(space)

    def feeds(n):
        r = np.random.default_rng(n)
        theta = np.eye(rank, rank + 1) + 0.3 * r.normal(size=(n, rank, rank + 1))
        return {
            "x": r.normal(size=(n, 3, *space)).astype(np.float32),
            "theta": theta.astype(np.float32),
        }

    check_agreement(transformer(space, aligned, True), feeds)


def test_a_single_place_is_the_middle_or_aligned_the_first_end():
    """As the standard's own function has it; ONNX Runtime takes the other end."""
    for aligned, y in ((0, 0), (1, -1)):
        graph = import_graph(transformer((1, 3), aligned, True)).graph
        feeds = {
            "x": np.zeros((1, 3, 1, 3), np.float32), "theta": np.eye(2, 3, dtype=np.float32)[None]
        }  # fmt: skip
        grid = Runner(graph, Execution("reference")).run(feeds, {})[0]["grid"]
        np.testing.assert_array_equal(grid[..., 1], np.full((1, 1, 3), y))


def test_other_sizes_are_refused():
    with pytest.raises(ImportModelError, match="AffineGrid"):
        import_graph(transformer((5, 6), 0, False, (3, 3, 5, 6)))
