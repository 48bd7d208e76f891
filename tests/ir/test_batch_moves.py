"""Axes of size k·N: where the items of a batch are in them, and arrays cut and joined there."""

import copy
import pickle
from collections.abc import Callable

import numpy as np
import pytest

import graphcnn as cnn
from graphcnn.errors import DataError, GraphError
from graphcnn.ir.batch import Batch, Kind, items
from graphcnn.ir.batch_walk import follow
from graphcnn.ir.graph import Graph
from graphcnn.ir.item_places import count_items, fed_items, fill_items, join_items, take_items
from graphcnn.ir.node import Value
from graphcnn.ir.sources import Input
from graphcnn.ir.tensor_type import BatchSize, N, TensorType
from graphcnn.ops.shape import Concat, Embed, Reshape, Slice, Transpose
from graphcnn.testing.batches import batch, item
from graphcnn.text.parse import parse_graph
from graphcnn.text.write import dump_graph

X = np.random.default_rng(0).normal(size=(5, 4, 4, 2)).astype(np.float32)


def cut(start: object, size: object, step: int = 1) -> Slice:
    return Slice((start, 0), (size, 6), (step, 1))  # type: ignore[arg-type]


def halves(x: Value) -> Value:
    """Of (N, 4, 4, 2) the windows of 2 by 2, as (4·N, 4, 2)."""
    x = Transpose((0, 1, 3, 2, 4, 5))(Reshape((N, 2, 2, 2, 2, 2))(x))
    return Reshape((4 * N, 4, 2))(x)


def whole(x: Value) -> Value:
    """The inverse of `halves`."""
    x = Transpose((0, 1, 3, 2, 4, 5))(Reshape((N, 2, 2, 2, 2, 2))(x))
    return Reshape((N, 4, 4, 2))(x)


def columns(x: Value, k: int) -> Value:
    return Slice((0, 0), (N, k), (1, 1))(x)


PLACES = [
    ((N, 8, 4, 6), [Reshape((4 * N, 2, 24))], items(0, 1, 4)),
    ((N, 8, 4, 6), [Reshape((4 * N, 2, 24)), Reshape((N, 8, 4, 6))], items(0)),
    ((N, 8, 4, 6), [Reshape((4 * N, 48)), Reshape((2 * N, 2, 48))], items(0, 1, 2)),
    ((N, 6), [Reshape((2 * N, 3)), Reshape((3 * N, 2))], items(0, 1, 3)),
    ((N, 6), [Reshape((2 * N, 3)), Reshape((2, 3 * N))], None),
    ((2, N, 6), [Reshape((2 * N, 6))], items(0, 2, 1)),
    ((2, N, 6), [Reshape((4 * N, 3))], items(0, 2, 2)),
    ((2, N, 6), [Reshape((4 * N, 3)), Reshape((2, 2 * N, 3))], items(1, 1, 2)),
    ((2, N, 6), [Reshape((4 * N, 3)), Reshape((2 * N, 2, 3))], items(0, 2, 1)),
    ((2, N, 6), [Reshape((4 * N, 3)), Reshape((4, N, 3))], None),
    ((2, N, 6), [Reshape((2 * N, 6)), cut(0, N)], items(0)),
    ((2, N, 6), [Reshape((2 * N, 6)), cut(N, N)], items(0)),
    ((2, N, 6), [Reshape((2 * N, 6)), cut(1, N, 2)], None),
    ((N, 2, 6), [Reshape((2 * N, 6)), cut(N, N)], None),
    ((N, 2, 6), [Reshape((2 * N, 6)), cut(1, N, 2)], items(0)),
    ((N, 4, 6), [Reshape((4 * N, 6)), cut(1, 2 * N, 2)], items(0, 1, 2)),
    ((3, N, 2, 6), [Reshape((6 * N, 6)), cut(2 * N, 4 * N)], items(0, 2, 2)),
    ((3, N, 2, 6), [Reshape((6 * N, 6)), cut(2 * N, 2 * N, 2)], items(0, 2, 1)),
    ((3, N, 2, 6), [Reshape((6 * N, 6)), cut(N, 4 * N)], None),
    ((3, N, 2, 6), [Reshape((6 * N, 6)), cut(0, 3 * N)], None),
    ((N, 6), [Embed((3 * N, 6), (N, 0), (1, 1))], items(0, 3, 1)),
    ((N, 6), [Embed((3 * N, 6), (1, 0), (3, 1))], items(0, 1, 3)),
    ((N, 2, 6), [Reshape((2 * N, 6)), Embed((4 * N, 6), (N, 0), (1, 1))], None),
    ((N, 6), [lambda x: Concat(0)(x, x, x)], items(0, 3, 1)),
    ((N, 6), [lambda x: Concat(0)(x, x), lambda x: Concat(0)(x, x)], items(0, 4, 1)),
    ((N, 6), [Reshape((2 * N, 3)), lambda x: Concat(0)(x, x)], items(0, 2, 2)),
    (
        (N, 6),
        [lambda x: Concat(0)(*(Reshape((k * N, 1))(columns(x, k)) for k in (2, 1, 3)))],
        None,
    ),
    ((N, 4, 4, 2), [halves], items(0, 1, 4)),
    ((N, 4, 4, 2), [halves, whole], items(0)),
    (
        (N, 8, 2, 3),
        [Reshape((4 * N, 2, 6)), Transpose((1, 0, 2)), Reshape((2, N, 4, 2, 3))],
        items(1),
    ),
]  # fmt: skip


@pytest.mark.parametrize(("shape", "moves", "expected"), PLACES)
def test_where_items_are(
    shape: tuple[int, ...], moves: list[Callable[[Value], Value]], expected: Batch | None
) -> None:
    x = Input("x", TensorType(shape))()
    y = x
    for move in moves:
        y = move(y)
    found = follow(Graph.of([x], {"y": y}).nodes)[y]
    assert found == expected if expected else found.kind is Kind.MIXED


@pytest.mark.parametrize("place", [items(1), items(0, 1, 3), items(1, 2, 1), items(2, 2, 3)])
def test_arrays_of_items(place: Batch) -> None:
    rng = np.random.default_rng(0)
    shape = [2, 3, 4, 5]
    shape[place.axis] = place.outer * place.inner
    alone = [rng.normal(size=shape) for _ in range(4)]
    together = batch(place, alone)
    assert count_items(together.shape, place) == 4
    for i, each in enumerate(alone):
        np.testing.assert_array_equal(item(place, together, i, 4), each)
    np.testing.assert_array_equal(take_items(together, place, 1, 3), batch(place, alone[1:3]))
    parts = [take_items(together, place, *ends) for ends in ((0, 1), (1, 4))]
    np.testing.assert_array_equal(join_items(parts, place), together)
    full = batch(place, [*alone, alone[3], alone[3]])
    np.testing.assert_array_equal(fill_items(together, place, 6), full)


def test_what_is_fed() -> None:
    assert fed_items(TensorType((3, 2 * N, 4))) == items(1, 1, 2)
    assert fed_items(TensorType((3, 4))) is None


@pytest.mark.parametrize("runtime", ["native", "reference"])
def test_pieces_of_a_batch(runtime: str) -> None:
    """Outputs of (2·N, ...) from pieces of the batch, and of sizes that are filled up."""
    x = cnn.input("x", (4, 4, 2))
    windows, both = halves(x), Concat(0)(x, -x)
    model = cnn.Model([x], {"windows": windows, "both": both, "back": whole(cnn.tanh(windows))})
    found = model.predict(X, batch_size=2, runtime=runtime)
    blocks = X.reshape(5, 2, 2, 2, 2, 2).transpose(0, 1, 3, 2, 4, 5).reshape(20, 4, 2)
    for result in (found, model.predict(X, runtime=runtime)):
        np.testing.assert_array_equal(result["windows"], blocks)
        np.testing.assert_array_equal(result["both"], np.concatenate([X, -X]))
        np.testing.assert_allclose(result["back"], np.tanh(X), 1e-6)
    np.testing.assert_array_equal(
        model.predict(X[:3], runtime=runtime)["both"], np.concatenate([X[:3], -X[:3]])
    )


def test_an_input_of_several_elements_for_each_item() -> None:
    x = Input("x", TensorType((2 * N, 3)))(name="x")
    model = cnn.Model(x, Reshape((N, 6))(x))
    rows = np.arange(30, dtype=np.float32).reshape(10, 3)
    np.testing.assert_array_equal(model.predict(rows, batch_size=2), rows.reshape(5, 6))
    with pytest.raises(DataError, match=r"takes f32 \(2\*n, 3\), found \(3, 3\)"):
        model.predict(rows[:3])


def test_training_learns_through_merged_axes() -> None:
    """Every item is two rows of one dense layer: the same as a convolution over both."""
    x = cnn.input("x", (2, 3))
    merged = cnn.dense(cnn.reshape(x, (2 * N, 3)), 1, name="d")
    model = cnn.Model(x, cnn.reshape(merged, (N, 2)))
    rng = np.random.default_rng(0)
    images = rng.normal(size=(40, 2, 3)).astype(np.float32)
    goal = images @ np.array([1, -2, 0.5], np.float32)
    model.fit((images, goal), epochs=60, batch_size=8, loss="mse", optimizer=cnn.SGD(0.1))
    assert model.evaluate((images, goal), loss="mse")["loss"] < 1e-4


def test_predictions_of_several_rows_have_no_targets() -> None:
    x = cnn.input("x", (2, 3))
    model = cnn.Model(x, cnn.dense(cnn.reshape(x, (2 * N, 3)), 2))
    data = np.zeros((4, 2, 3), np.float32), np.zeros(4, np.int64)
    for use in (model.evaluate, model.fit):
        with pytest.raises((DataError, GraphError), match=r"\[2\*N,2\].* one batch axis N"):
            use(data)


def test_sizes() -> None:
    assert 3 * N == N * 3 == BatchSize(3) != N and hash(3 * N) == hash(BatchSize(3))
    assert (4 * N // 2, 4 * N // N) == (2 * N, 4)
    assert (N + 2 * N, 3 * N - N, 2 * N - 2 * N) == (3 * N, 2 * N, 0)
    assert (str(N), repr(4 * N), sum([N, N])) == ("N", "4*N", 2 * N)
    assert np.int64(2) * N == 2 * N and TensorType((2 * N, 3)).bind(5).shape == (10, 3)
    assert copy.deepcopy(N) == N and pickle.loads(pickle.dumps(3 * N)) == 3 * N
    with pytest.raises(AttributeError):
        N.times = 2
    for wrong in (lambda: N // 2, lambda: N + 1, lambda: N - 2 * N, lambda: 0 * N):
        with pytest.raises(GraphError):
            wrong()


def test_text() -> None:
    x = Input("x", TensorType((N, 6)))(name="x")
    y = Slice((N, 0), (2 * N, 2), (1, 1))(Reshape((3 * N, 2))(x))
    text = dump_graph(Graph.of([x], {"y": y}))
    assert "f32[3*N,2]" in text and "sizes=(2*N, 2)" in text and "starts=(N, 0)" in text
    assert dump_graph(parse_graph(text)) == text
    for wrong in ("0*N", "3*M", "2.5*N", "3*"):
        with pytest.raises(GraphError, match="line "):
            parse_graph(text.replace("3*N", wrong))
