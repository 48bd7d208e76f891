"""ScatterND at known places: boxes become a choice, all else rows that are written."""

import numpy as np
import pytest
from onnx import numpy_helper
from support.malformed_models import model, node

from graphcnn.onnx.importing.importer import import_graph
from graphcnn.onnx.importing.known.boxes import IndexBox, box_of
from graphcnn.runtime.reference import Reference

X = np.arange(2 * 3 * 4 * 5, dtype=np.float32).reshape(2, 3, 4, 5)


def grid(*lines):
    return np.stack(np.meshgrid(*lines, indexing="ij"), -1).astype(np.int64)


@pytest.mark.parametrize(
    ("places", "box"),
    [
        (
            grid(range(2), range(3), range(4), (1, 3)),
            IndexBox((0, 0, 0, 1), (2, 3, 4, 2), (1, 1, 1, 2)),
        ),
        (grid((1,), (0, 2)), IndexBox((1, 0), (1, 2), (1, 2))),
        (grid((-2, -1), (-1,)), IndexBox((0, 2), (2, 1), (1, 1))),
        (np.array([[0, 1], [0, 2]]), IndexBox((0, 1), (1, 2), (1, 1))),
        (np.array([[[1]]]), IndexBox((1,), (1,), (1,))),
        (grid(range(2)), IndexBox((0,), (2,), (1,))),
        (np.array([[0, 1], [1, 2]]), None),
        (np.array([[0, 2], [0, 1]]), None),
        (np.array([[0, 0], [0, 1], [0, 0]]), None),
        (np.array([[1, 1], [1, 1]]), None),
        (np.swapaxes(grid(range(2), range(3)), 0, 1), None),
    ],
)
def test_known_places(places, box):
    assert box_of(places % np.array(X.shape[: places.shape[-1]])) == box
    updates = -1 - np.arange(np.prod(places.shape[:-1]) * np.prod(X.shape[places.shape[-1] :]))
    updates = updates.astype(np.float32).reshape(*places.shape[:-1], *X.shape[places.shape[-1] :])
    updates.flat[0] = np.nan
    wanted = X.copy()
    for at in np.ndindex(*places.shape[:-1]):
        wanted[tuple(places[at])] = updates[at]
    stored = [numpy_helper.from_array(places, "i"), numpy_helper.from_array(updates, "u")]
    found = import_graph(
        model([node("ScatterND", "x", "i", "u")], X.shape, stored).SerializeToString()
    )
    assert ("scatter" in {n.op.name for n in found.graph.nodes}) is (box is None)
    (y,) = Reference(found.graph).run({"x": X}, found.states)[0].values()
    np.testing.assert_array_equal(y, wanted)
