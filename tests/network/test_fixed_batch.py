"""Models whose batch size is a number: any number of items in pieces, and the same model for N.

A family makes one graph for every batch size. What it makes for n is the truth for n items of the
graph that it makes for b.
"""

import numpy as np
import pytest

import graphcnn as cnn
from graphcnn.analysis.batch_choices import fixed_batch
from graphcnn.errors import DataError, GraphError
from graphcnn.ir.node import constant_of
from graphcnn.ir.sources import Input, State
from graphcnn.ir.tensor_type import DType, N, TensorType
from graphcnn.ops.broadcast import BroadcastTo, Sum
from graphcnn.ops.comparison import Where
from graphcnn.ops.dense import MatMul
from graphcnn.ops.reduce import Max, Mean
from graphcnn.ops.shape import Concat, Embed, Reshape, Slice, Transpose
from graphcnn.ops.softmax import Softmax
from graphcnn.passes.exchange.open_batch import open_batch
from graphcnn.runtime.reference import Reference

ITEMS = np.random.default_rng(0).normal(size=(7, 4, 6)).astype(np.float32)
ROW = np.arange(6, dtype=np.float32)


def part(x, axis, start, size):
    starts = [start if a == axis else 0 for a in range(x.type.rank)]
    sizes = [size if a == axis else d for a, d in enumerate(x.shape)]
    return Slice(tuple(starts), tuple(sizes), (1,) * x.type.rank)(x)


def flat(x, b):
    return Reshape((b, 24))(x)


def heads(x, b):
    return Reshape((b, 4, 6))(Softmax(2)(Reshape((2 * b, 2, 6))(x)))


def windows(x, b):
    """The rows of an item in pairs, each a batch of its own, and back."""
    y = Transpose((0, 3, 1, 2))(Reshape((b, 2, 2, 6))(x))
    return Softmax(1)(Reshape((6 * b, 4))(y))


def merged(x, b):
    return Reshape((6 * b, 4))(x)


def attention(x, b):
    scores = Softmax(2)(MatMul(transpose_b=True)(x, x))
    return MatMul()(scores, x)


def time_major(x, b):
    return Transpose((1, 0, 2))(x) * constant_of(ROW)


def token(x, b):
    """A token that is the same for every item, in front of each."""
    first = BroadcastTo((b, 1, 6))(constant_of(ROW))
    return Concat(1)(first, x)


def stored_token(x, b):
    return Concat(1)(constant_of(np.stack([ROW[None]] * b)), x)


def joined(x, b):
    """Each item and its negative as a batch of twice the size, cut apart again."""
    both = Concat(0)(x, -x)
    return part(both, 0, 0, b) - part(both, 0, b, b) * part(both, 0, b, b)


def framed(x, b):
    return Embed((b, 6, 8), (0, 1, 1), (1, 1, 1))(x)


def second_half(x, b):
    """Behind the first of two batches there are zeros, which are cut off."""
    return part(Embed((3 * b, 4, 6), (b, 0, 0), (1, 1, 1))(x), 0, b, 2 * b)


def queries(x, b):
    """Numbers that are repeated for every item, and computed with before they meet it."""
    q = MatMul()(
        BroadcastTo((b, 4, 6))(constant_of(np.stack([ROW] * 4))),
        constant_of(np.eye(6, dtype=np.float32) * 3),
    )
    scores = MatMul(transpose_b=True)(Reshape((2 * b, 2, 6))(q), Reshape((2 * b, 2, 6))(x))
    return Reshape((b, 8))(scores)


def stored_queries(x, b):
    """The same, where a file holds them b times."""
    q = MatMul()(constant_of(np.stack([ROW] * b)), constant_of(np.eye(6, dtype=np.float32) * 3))
    return x * Reshape((b, 1, 6))(q)


def chosen(x, b):
    return Where()(constant_of(np.arange(6) > 2), x, -x)


def priors(x, b):
    fixed = constant_of(np.stack([ROW]))
    return {"boxes": x * fixed, "priors": fixed * 2.0}


FAMILIES = [
    flat, heads, windows, merged, attention, time_major, token, stored_token, joined, framed,
    second_half, queries, stored_queries, chosen,
    priors,
]  # fmt: skip


def made(family, b, item=(4, 6)):
    x = Input("x", TensorType((b, *item)))()
    return cnn.Model(x, family(x, b), name=family.__name__)


def truth(family, items):
    model = made(family, len(items))
    return Reference(model.graph).run({"x": items}, {})[0]


def named(found, model):
    return found if isinstance(found, dict) else {next(iter(model.graph.outputs)): found}


@pytest.mark.parametrize("b", [1, 2, 3])
@pytest.mark.parametrize("family", FAMILIES)
def test_pieces_give_what_the_whole_batch_gives(family, b):
    model = made(family, b)
    for n in (1, 2, 7):
        wanted = truth(family, ITEMS[:n])
        found = named(model.predict(ITEMS[:n], runtime="reference"), model)
        for key, array in wanted.items():
            np.testing.assert_allclose(found[key], array, rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize("b", [1, 2, 3])
@pytest.mark.parametrize("family", FAMILIES)
def test_the_open_model_gives_it_too(family, b):
    graph = made(family, b).graph
    opened = open_batch(fixed_batch(graph, {graph.inputs[0]: 0}, b))
    assert opened.inputs[0].shape == (N, 4, 6)
    for n in (1, 2, 7):
        bound = opened.bind(N=n)
        assert [v.type for v in bound.outputs.values()] == [
            v.type for v in made(family, n).graph.outputs.values()
        ]
        found = Reference(bound).run({"x": ITEMS[:n]}, {})[0]
        for key, array in truth(family, ITEMS[:n]).items():
            np.testing.assert_allclose(found[key], array, rtol=1e-6, atol=1e-7)


def unsqueezed(x, b):
    """A new axis in front of the items, which is brought behind them again."""
    y = Transpose((3, 1, 2, 0))(Reshape((1, b, 4, 6))(x))
    return Sum((0, 2))(y)


def without_batch(x, b):
    """The axis of one item is left out, as by a squeeze: its elements follow each other."""
    return Reshape((24 * b,))(x) * constant_of(np.tile(np.arange(24, dtype=np.float32), b))


def stacked(x, b):
    """Two views of each item along an axis of their own, in front, of which the mean is taken."""
    return Mean((0,))(Concat(0)(Reshape((1, b, 4, 6))(x), Reshape((1, b, 4, 6))(-x * x)))


def places_first(x, b):
    """Rows (place, item), merged for a matrix product, as attention in torch has them."""
    y = Reshape((4 * b, 6))(Reshape((4, b, 2, 3))(Transpose((1, 0, 2))(x)))
    y = MatMul()(y, constant_of(np.arange(36, dtype=np.float32).reshape(6, 6)))
    return Mean((0,))(Reshape((4, b, 6))(y))


@pytest.mark.parametrize("family", [unsqueezed, without_batch, stacked, places_first])
def test_one_item_may_be_along_any_axis_of_one_element(family):
    model = made(family, 1)
    (wanted,) = truth(family, ITEMS).values()
    np.testing.assert_allclose(model.predict(ITEMS, runtime="reference"), wanted, rtol=1e-6)
    opened = open_batch(fixed_batch(model.graph, {model.graph.inputs[0]: 0}, 1))
    (found,) = Reference(opened.bind(N=7)).run({"x": ITEMS}, {})[0].values()
    np.testing.assert_allclose(found, wanted, rtol=1e-6)


def largest(x, b):
    return x - Max((0, 1, 2))(x)


def mean(x, b):
    return Mean((0,))(x)


def across(x, b):
    """Rows of several items in one softmax."""
    return Softmax(0)(x)


def mean_of_rows(x, b):
    """No way around a mean over the batch, though one item is along the other axis as well."""
    return Mean((0,))(Reshape((b, 24))(x))


def others(x, b):
    return MatMul()(Reshape((b, 24))(x), Transpose((1, 0))(Reshape((b, 24))(x)))


def repeated(x, b):
    return BroadcastTo((5 * b, 4, 6))(x) if b == 1 else Max((0,))(x)


@pytest.mark.parametrize("b", [1, 2])
@pytest.mark.parametrize("family", [largest, mean, mean_of_rows, across, others, repeated])
def test_items_that_meet_are_refused_where_pieces_have_no_axis_to_be_joined_along(family, b):
    model = made(family, b)
    with pytest.raises(GraphError, match=r"batch|items"):
        open_batch(fixed_batch(model.graph, {model.graph.inputs[0]: 0}, b))
    model.predict(ITEMS[:b])
    other = 2 if b == 1 else 4
    if b == 1 and family in (largest, across, others):  # whose outputs have a first axis of 1
        assert model.predict(ITEMS[:other]).shape[0] == other
        return
    words = rf"batches of {b}.* and {other} items cannot run.*; feed exactly {b}$"
    with pytest.raises(DataError, match=words):
        model.predict(ITEMS[:other])


def standardised(x, b):
    """As a file for one image has it: over all of its numbers."""
    return x - Mean((0, 1, 2), keepdims=True)(x)


def without_its_axis(x, b):
    """Attention of what was squeezed, whose first axis is no batch, and an axis again."""
    rows = Reshape((4, 6))(x)
    return Reshape((1, 4, 4))(Softmax(1)(MatMul(transpose_b=True)(rows, rows)))


def norms_and_rows(x, b):
    """(1, 1), and the items along another axis, and what is the same for all."""
    row = Reshape((b, 24))(x)
    norm = MatMul()(row, Transpose((1, 0))(row))
    return {"n": norm, "t": Transpose((1, 0, 2))(x), "r": constant_of(NUMBERS[:1])}


@pytest.mark.parametrize("family", [standardised, without_its_axis, norms_and_rows, others, across])
def test_a_piece_of_one_item_is_whole_whatever_is_computed_of_it(family):
    x = Input("x", TensorType((1, 4, 6)))()
    model = cnn.Model(x, family(x, 1))
    alone = [model.predict(ITEMS[i : i + 1]) for i in range(len(ITEMS))]
    found = model.predict(ITEMS)
    if family is not norms_and_rows:
        np.testing.assert_array_equal(found, np.concatenate(alone))
        return
    for key, axis in (("n", 0), ("t", 1)):
        np.testing.assert_array_equal(found[key], np.concatenate([a[key] for a in alone], axis))
    np.testing.assert_array_equal(found["r"], NUMBERS[:1])


def test_an_output_that_repeats_one_item_is_not_joined_beside_others_that_meet():
    x = Input("x", TensorType((1, 4, 6)))()
    outputs = {"a": across(x, 1), "n": others(x, 1), "five": BroadcastTo((5, 4, 6))(x)}
    with pytest.raises(DataError, match="cannot run in pieces"):
        cnn.Model(x, outputs).predict(ITEMS)


def test_items_have_an_axis_of_their_own_where_one_is_left():
    """Stacked twice, one item may be half of the first axis, or all of the second."""
    x = Input("x", TensorType((1, 4, 6)))()
    model = cnn.Model(x, Concat(0)(*[Reshape((1, 1, 4, 6))(x)] * 2))
    np.testing.assert_array_equal(model.predict(ITEMS), np.stack([ITEMS, ITEMS]))


NUMBERS = np.arange(48, dtype=np.float32).reshape(2, 4, 6)


def test_numbers_of_their_own_for_each_of_two_items_are_refused():
    x = Input("x", TensorType((2, 4, 6)))()
    model = cnn.Model(x, Concat(1)(x, constant_of(NUMBERS)))
    assert model.predict(ITEMS[:2]).shape == (2, 8, 6)
    with pytest.raises(DataError, match="joins items with what is no item"):
        model.predict(ITEMS)


def test_states_are_the_same_for_all_items_as_long_as_they_are():
    x, own = Input("x", TensorType((2, 4, 6)))(), State("p", TensorType((2, 4, 6)))()
    model = cnn.Model(x, Concat(1)(x, own * 2.0))
    for numbers in (NUMBERS, np.stack([NUMBERS[1]] * 2), NUMBERS + 1, np.stack([NUMBERS[0]] * 2)):
        model.set_parameters({"p": numbers})
        if np.array_equal(numbers[0], numbers[1]):
            wanted = np.concatenate([ITEMS, np.stack([2 * numbers[0]] * 7)], 1)
            for _ in range(2):
                np.testing.assert_array_equal(model.predict(ITEMS), wanted)
            proof = fixed_batch(model.graph, {model.graph.inputs[0]: 0}, 2, model.states.snapshot())
            opened = open_batch(proof).bind(N=7)
            (found,) = Reference(opened).run({"x": ITEMS}, model.states.snapshot())[0].values()
            np.testing.assert_array_equal(found, wanted)
        else:
            with pytest.raises(DataError, match="joins items with what is no item"):
                model.predict(ITEMS)


def test_every_piece_has_the_bits_that_it_has_alone():
    image = Input("x", TensorType((2, 3, 9, 9)))()
    y = cnn.relu(cnn.conv2d(image, 8, 3))
    model = cnn.Model(image, cnn.dense(Reshape((2, 392))(y), 5)).initialize(0)
    images = np.random.default_rng(1).integers(0, 256, (5, 3, 9, 9)).astype(np.uint8)
    full = np.concatenate([images, images[-1:]])
    alone = np.concatenate([model.predict(full[i : i + 2], raw=True) for i in (0, 2, 4)])[:5]
    for options in ({}, {"batch_size": 1}, {"batch_size": 3}, {"threads": 1}, {"threads": 3}):
        np.testing.assert_array_equal(model.predict(images, raw=True, **options), alone)
    floats = images.astype(np.float32) / 255
    np.testing.assert_allclose(model.predict(floats), alone, rtol=1e-5, atol=1e-6)


def test_grey_images_come_without_their_channel():
    image = Input("x", TensorType((2, 1, 4, 6)))()
    model = cnn.Model(image, cnn.sum(image, (1, 2, 3)))
    np.testing.assert_allclose(model.predict(ITEMS), ITEMS.sum((1, 2)), rtol=1e-5, atol=1e-6)


def pair(b, size):
    x, z = Input("x", TensorType((b, 4, 6)))(), Input("z", TensorType((size, 6)))()
    return cnn.Model([x, z], Sum((1, 2))(x * Reshape((size, 1, 6))(z)), name="pair")


def test_an_input_that_is_given_as_it_is_declared_is_whole():
    z = ITEMS[:, 0]
    whole = pair(1, 1).predict({"x": ITEMS, "z": z[:1]})
    np.testing.assert_allclose(whole, (ITEMS * z[0]).sum((1, 2)), rtol=1e-5, atol=1e-5)
    for b in (1, 2):
        each = pair(b, b).predict({"x": ITEMS, "z": z})
        np.testing.assert_allclose(each, (ITEMS * z[:, None]).sum((1, 2)), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(
    ("b", "size", "given", "words"),
    [
        (1, 1, (7, 3), "equally many items, found 7 of x, 3 of z"),
        (2, 1, (7, 7), "takes 2 of x, 1 of z, no batches of one size: found 7 of x, 7 of z"),
        (2, 2, (7, 2), "combines each place along axis 0 with another number"),
    ],
)
def test_inputs_that_do_not_agree(b, size, given, words):
    with pytest.raises(DataError, match=words):
        pair(b, size).predict({"x": ITEMS[: given[0]], "z": ITEMS[: given[1], 0]})


@pytest.mark.parametrize(
    ("images", "words"),
    [
        (np.zeros((0, 3, 8, 8)), "no images: expected .* n of at least 1"),
        (np.zeros((5, 3, 8, 7)), r"images must be \(n, 3, 8, 8\), found \(5, 3, 8, 7\)"),
        (np.zeros((3, 8, 8)), r"a single image is passed as image\[None\]"),
        (np.zeros((5, 8, 8, 3)), "transpose"),
        (np.full((5, 3, 8, 8), np.nan), "image 0 holds NaN"),
    ],
)
def test_what_is_no_batch_is_told_as_ever(images, words):
    image = Input("x", TensorType((2, 3, 8, 8)))()
    with pytest.raises(DataError, match=words):
        cnn.Model(image, image * 2.0).predict(images.astype(np.float32))


def test_items_that_are_no_images():
    rows = Input("x", TensorType((2, 3), DType.INT64))()
    model = cnn.Model(rows, rows + rows)
    given = np.arange(15).reshape(5, 3)
    np.testing.assert_array_equal(model.predict(given), 2 * given)
    with pytest.raises(DataError, match=r"takes i64 \(2, 3\), found \(5, 4\)"):
        model.predict(np.zeros((5, 4), np.int64))


@pytest.mark.parametrize("b", [1, 2])
def test_a_fixed_batch_is_measured_item_by_item(b):
    def network(size):
        x = Input("x", TensorType((size, 4, 6)))()
        return cnn.Model(x, cnn.dense(Reshape((size, 24))(x), 3), name="net").initialize(0)

    labels, open_ = np.arange(7) % 3, network(N)
    fixed = network(b)
    fixed.replace_states(open_.states.snapshot())
    wanted = open_.evaluate((ITEMS, labels))
    assert fixed.evaluate((ITEMS, labels), batch_size=3) == pytest.approx(wanted)
    with pytest.raises(DataError, match="largest is made for batches of 1, which cannot be cut"):
        made(largest, 1).evaluate((ITEMS, ITEMS), loss="mse")
    with pytest.raises(DataError, match=r"one batch axis N; an ONNX .*\{'x': \('N', 4, 6\)\}"):
        fixed.fit((ITEMS, labels), epochs=1)
