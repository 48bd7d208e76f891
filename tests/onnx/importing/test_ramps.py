"""Assignments to slices of an open batch, which exporters write as indices that count the items."""

import numpy as np
import pytest
from onnx import numpy_helper
from support.malformed_models import model, node

from graphcnn.analysis.batch_axis import batch_axes
from graphcnn.errors import ImportModelError
from graphcnn.ir.graph import Graph
from graphcnn.ir.node import constant_of
from graphcnn.ir.sources import Input
from graphcnn.ir.tensor_type import DType, N, TensorType
from graphcnn.model import import_onnx
from graphcnn.onnx.importing.known.boxes import IndexBox
from graphcnn.onnx.importing.known.ramps import Ramp, columns_of, ramp_box, ramp_of
from graphcnn.ops.broadcast import BroadcastTo
from graphcnn.ops.shape import Concat, Reshape, Transpose
from graphcnn.runtime.reference import Reference

ITEMS = np.random.default_rng(0).normal(size=(5, 4, 3)).astype(np.float32)
COUNTER = Input("places", TensorType((N,), DType.INT64))()
COUNTED = {COUNTER: "counter"}


def grid(*numbers):
    return constant_of(np.array(numbers, np.int64))


COLUMN = Reshape((N, 1))(COUNTER)


@pytest.mark.parametrize(
    "value",
    [
        COUNTER, COUNTER * grid(3) + grid(2), grid(7) - COUNTER, COLUMN,
        BroadcastTo((N, 2))(COLUMN), COLUMN + grid([4, 6, 8]), COLUMN * grid([5]),
        Transpose((1, 0))(COLUMN + grid([1, 0])), Reshape((N, 1, 2))(COLUMN + grid([0, 1])),
        Reshape((1, 4, 1))(grid([2, 2], [2, 2])), BroadcastTo((2, N))(grid(3)),
        BroadcastTo((2, N))(COUNTER), COUNTER - grid(7),
    ],
)  # fmt: skip
def test_ramps_are_what_is_computed(value):
    ramp = ramp_of(value, COUNTED)
    assert ramp is not None and ramp.shape == value.shape
    for n in (1, 2, 5):
        graph = Graph.of([COUNTER], {"y": value}).bind(N=n)
        wanted = Reference(graph).run({"places": np.arange(n)})[0]["y"]
        places = np.indices(wanted.shape)
        steps = np.reshape(ramp.steps, (-1, *[1] * wanted.ndim))
        np.testing.assert_array_equal(wanted, ramp.base + (steps * places).sum(0))


@pytest.mark.parametrize(
    "value",
    [
        COUNTER * COUNTER, grid(0, 1, 3), COUNTER - Reshape((N, 1))(COUNTER) * COUNTER,
        Reshape((4,))(grid([0, 1], [5, 6])), Input("x", TensorType((N,), DType.INT64))(),
    ],
)  # fmt: skip
def test_what_is_no_ramp(value):
    assert ramp_of(value, COUNTED) is None


@pytest.mark.parametrize(
    ("columns", "box"),
    [
        ([((N, 1), 0, (1, 0)), ((N, 1), 2, (0, 0))], IndexBox((0, 2), (N, 1), (1, 1))),
        ([((N, 1), 0, (1, 0)), ((N, 1), -1, (0, 0))], IndexBox((0, 3), (N, 1), (1, 1))),
        ([((N, 2), 0, (1, 0)), ((N, 2), 1, (0, 2))], IndexBox((0, 1), (N, 2), (1, 2))),
        ([((N,), 0, (1,))], IndexBox((0,), (N,), (1,))),
        ([((N, 2), 0, (1, 0)), ((N, 2), 2, (0, 2))], None),  # 4 lies outside
        ([((N, 2), 0, (1, 0)), ((N, 2), 2, (0, -1))], None),
        ([((2, N), 0, (0, 1)), ((2, N), 1, (1, 0))], None),  # in another order
        ([((N, 2), 0, (1, 0)), ((N, 2), 1, (0, 0))], None),  # each twice
        ([((N,), 0, (1,)), ((N,), 0, (1,))], None),  # a diagonal
        ([((N, 1), 1, (1, 0)), ((N, 1), 0, (0, 0))], None),
        ([((N, 1), 0, (2, 0)), ((N, 1), 0, (0, 0))], None),
        ([((2 * N, 1), 0, (1, 0)), ((2 * N, 1), 0, (0, 0))], None),
        ([((N, 4), 0, (1, 1)), ((N, 4), 0, (0, 1))], None),
        ([((1, 1), 0, (0, 0)), ((1, 1), 0, (0, 0))], None),  # one item of N
    ],
)
def test_boxes_of_an_open_batch(columns, box):
    assert ramp_box([Ramp(*each) for each in columns], (N, 4, 3)) == box


def test_columns_are_joined_or_beside_each_other():
    pair = Concat(1)(COLUMN, COLUMN * grid(0))
    assert columns_of(pair, COUNTED) == [Ramp((N,), 0, (1,)), Ramp((N,), 0, (0,))]
    assert columns_of(COLUMN + grid([4, 6]), COUNTED) == [Ramp((N,), 4, (1,)), Ramp((N,), 6, (1,))]
    assert columns_of(Concat(1)(COLUMN, COLUMN * COLUMN), COUNTED) is None


def file(*nodes, limit="n", step="one"):
    """x, its batch size n, the numbers r of Range, and the nodes."""
    before = [node("Shape", "x", outputs=("shape",)),
              node("Gather", "shape", "zero", outputs=("n",)),
              node("Mul", "n", "two", outputs=("2n",)), node("Add", "n", "one", outputs=("n+1",)),
              node("Range", "zero", limit, step, outputs=("r",), name="counter")]  # fmt: skip
    numbers = {"zero": 0, "one": 1, "two": 2, "column": [-1, 1], "third": [[2]], "cube": [-1, 1, 1]}
    stored = [numpy_helper.from_array(np.array(a, np.int64), k) for k, a in numbers.items()]
    return model([*before, *nodes], ("N", 4, 3), stored).SerializeToString()


def assigned(**options):
    """`y = x; y[:, 2] = x[:, 0]`."""
    nodes = [node("Reshape", "r", "column", outputs=("c",)),
             node("Shape", "c", outputs=("size",)),
             node("Expand", "third", "size", outputs=("k",)),
             node("Concat", "c", "k", axis=-1, outputs=("i",)),
             node("Gather", "x", "zero", axis=1, outputs=("u",)),
             node("ScatterND", "x", "i", "u")]  # fmt: skip
    return file(*nodes, **options)


def test_a_slice_of_every_item():
    ort = pytest.importorskip("onnxruntime")
    made, session = import_onnx(assigned()), ort.InferenceSession(assigned())
    assert "scatter" not in {n.op.name for n in made.graph.nodes}
    assert batch_axes(made.graph).mixing is None
    for n in (1, 2, 5):
        wanted = ITEMS[:n].copy()
        wanted[:, 2] = ITEMS[:n, 0]
        np.testing.assert_array_equal(made.predict(ITEMS[:n]), wanted)
        np.testing.assert_array_equal(session.run(None, {"x": ITEMS[:n]})[0], wanted)


def test_a_known_range_is_an_array():
    content = assigned(limit="two")
    fixed = import_onnx(content, inputs={"x": (2, 4, 3)})
    wanted = ITEMS[:2].copy()
    wanted[:, 2] = ITEMS[:2, 0]
    np.testing.assert_array_equal(fixed.predict(ITEMS[:2]), wanted)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (assigned(limit="2n"), r"ScatterND.*size must be known"),
        (assigned(limit="n+1"), r"\"counter\" \(Range\): how many .* to N \+ 1 in steps of 1"),
        (assigned(step="two"), r"\"counter\" \(Range\): how many .* to N in steps of 2 must be"),
        (assigned(limit="2n", step="two"), r"ScatterND.*size must be known"),
        (
            file(
                node("Cast", "r", outputs=("f",), to=1),
                node("Reshape", "f", "cube", outputs=("g",)),
                node("Add", "x", "g"),
            ),
            r"\"counter\" \(Range\): numbers that count the items .* give a fixed batch size",
        ),
    ],
)  # fmt: skip
def test_what_counts_in_another_way_is_refused(content, words):
    with pytest.raises(ImportModelError, match=words):
        import_onnx(content)
