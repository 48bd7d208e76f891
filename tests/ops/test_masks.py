"""Masked convolutions: what depends on what, exactly; weights that learn nothing; formats."""

import numpy as np
import pytest

import graphcnn as cnn
from graphcnn.analysis.cost import total_multiply_adds
from graphcnn.compile.pipelines import run_reference
from graphcnn.errors import GraphError
from graphcnn.ir.geometry import kernel_mask
from graphcnn.ir.node import Array, Value
from graphcnn.text.parse import parse_graph


def masked(colors: int, mask: str, c: int, o: int, kernel: int = 3) -> cnn.Model:
    x = cnn.input("x", (c, 6, 7))
    y = cnn.conv2d(x, o, kernel, padding="same", mask=mask, mask_groups=colors, init="he", name="C")
    return cnn.Model(x, y, name="masked").initialize(0)


def influence(model: cnn.Model, x: Array) -> Array:
    """|dy[o, i, j] / dx[c, u, v]| for each pair, (O·H·W, C·H·W), by gradients."""
    (inp,), (y,) = model.graph.inputs, model.graph.outputs.values()
    rows = []
    dy = cnn.input("dy", tuple(int(d) for d in y.shape[1:]))  # type: ignore[arg-type]
    (dx,) = cnn.gradients(cnn.sum(y * dy), [inp])
    graph = cnn.Model([inp, dy], dx).graph
    size = int(np.prod(y.shape[1:]))  # type: ignore[arg-type]
    feeds = np.eye(size, dtype=np.float32).reshape(size, *dy.shape[1:])  # type: ignore[arg-type]
    found = run_reference(graph.bind(N=size), {"x": np.repeat(x, size, 0), "dy": feeds},
                          model.states)  # fmt: skip
    rows = np.abs(next(iter(found.values())))
    return rows.reshape(size, -1)


@pytest.mark.parametrize("colors", [1, 3])
@pytest.mark.parametrize("mask", ["A", "B"])
def test_exactly_what_comes_before_is_seen(mask: str, colors: int) -> None:
    c, o = 2 * colors, 4 * colors
    model = masked(colors, mask, c, o)
    x = np.random.default_rng(0).standard_normal((1, c, 6, 7)).astype(np.float32)
    seen = influence(model, x).reshape(o, 6, 7, c, 6, 7)
    for color in range(colors):
        for i, j in ((0, 0), (2, 3), (5, 6)):
            mine = seen[color * 4 : color * 4 + 4, i, j].sum(0)
            for other in range(colors):
                for u in range(6):
                    for v in range(7):
                        near = abs(u - i) <= 1 and abs(v - j) <= 1
                        here = other < color or (mask == "B" and other == color)
                        before = (u, v) < (i, j) or ((u, v) == (i, j) and here)
                        found = mine[2 * other : 2 * other + 2, u, v]
                        assert (found > 0).all() if near and before else not found.any()


def test_masked_weights_learn_nothing_and_stay_zero() -> None:
    x = cnn.input("x", (3, 6, 6))
    y = cnn.conv2d(x, 6, 3, padding=1, mask="A", mask_groups=3, activation="relu", name="C")
    model = cnn.Model(x, cnn.dense(cnn.flatten(y), 2, name="out"))
    mask = kernel_mask("A", 3, 1, (6, 3, 3, 3))
    rng = np.random.default_rng(0)
    items, labels = rng.standard_normal((32, 3, 6, 6)).astype(np.float32), rng.integers(0, 2, 32)
    for optimizer in ("sgd", cnn.AdamW(0.01, weight_decay=0.1), cnn.SGD(0.1, momentum=0.9)):
        model.fit((items, labels), epochs=2, batch_size=8, seed=0, optimizer=optimizer,
                  progress=False)  # fmt: skip
        weight = model.states["C.weight"]
        assert not weight[~mask].any() and weight[mask].all()


def test_text_says_it_and_reads_it_back() -> None:
    model = masked(3, "A", 3, 6)
    text = str(model.graph)
    assert 'mask="A", mask_groups=3' in text
    assert str(parse_graph(text)) == text
    assert "mask A" in str(model.summary()) or 'mask="A"' in str(model.summary())


def test_work_is_that_of_the_weights_there_are() -> None:
    pixels = 6 * 7
    assert total_multiply_adds(masked(1, "A", 2, 4).graph) == pixels * 4 * 2 * 4
    assert total_multiply_adds(masked(1, "B", 2, 4).graph) == pixels * 4 * 2 * 5
    assert total_multiply_adds(masked(2, "B", 2, 4).graph) == pixels * (4 * 2 * 4 + 2 + 4)


def test_a_wrong_mask_is_told_with_its_line() -> None:
    x = cnn.input("x", (3, 6, 6))
    with pytest.raises(GraphError, match="odd, found 4×4"):
        cnn.conv2d(x, 3, 4, mask="A")
    with pytest.raises(GraphError, match="mask_groups = 2 must divide the 3 input channels"):
        cnn.conv2d(x, 4, 3, mask="A", mask_groups=2)


def gated_layer(
    v: Value, h: Value, channels: int, kernel: int, first: bool, name: str
) -> tuple[Value, Value]:
    """A layer of the gated PixelCNN (arXiv:1606.05328, figure 2): the vertical stack sees all rows
    above, the horizontal one its own row to the left and, through the vertical one, all above.

    The vertical kernel ends in the row of its pixel: rows of padding above only, and the last row
    of the result cut off, so that row i has seen rows before i + 1; the horizontal stack is given
    this one row further down.
    """
    half = kernel // 2
    with cnn.scope(name):
        padding = (half + 1, 0, half, half)
        up = cnn.conv2d(v, 2 * channels, (half + 1, kernel), padding=padding, name="v")
        above = up[:, :, : v.shape[2]]  # row i: rows before i
        with_own = up[:, :, 1 : int(v.shape[2]) + 1]  # row i: rows up to i, for the next layer
        left = cnn.conv2d(
            h, 2 * channels, (1, kernel), padding=(0, 0, half, half), mask="A" if first else "B",
            name="h",
        )  # fmt: skip
        left = left + cnn.conv2d(above, 2 * channels, 1, name="v_to_h")

        def gate(t: Value) -> Value:
            return cnn.tanh(t[:, :channels]) * cnn.sigmoid(t[:, channels:])

        return gate(with_own), gate(left)


@pytest.mark.parametrize("layers", [1, 3])
def test_two_stacks_have_no_blind_spot_and_no_leak(layers: int) -> None:
    """The blind spot of one stack of masked convolutions (figure 1, right) is right above."""
    x = cnn.input("x", (1, 6, 7))
    v = h = x
    for i in range(layers):
        v, h = gated_layer(v, h, 4, 5, i == 0, f"layer{i}")
    model = cnn.Model(x, cnn.conv2d(h, 1, 1, name="out")).initialize(3)
    items = np.random.default_rng(0).standard_normal((1, 1, 6, 7)).astype(np.float32)
    seen = influence(model, items).reshape(6, 7, 6, 7)
    reach = 2 * layers
    for i, j, u, w in np.ndindex(6, 7, 6, 7):
        before = (u, w) < (i, j)
        near = i - u <= reach and abs(j - w) <= reach
        if not before:
            assert seen[i, j, u, w] == 0, f"pixel {(i, j)} sees {(u, w)}"
        elif near and u < i:
            assert seen[i, j, u, w] > 0, f"pixel {(i, j)} is blind to {(u, w)}"


def test_one_stack_has_a_blind_spot() -> None:
    """So the test above can fail."""
    x = cnn.input("x", (1, 6, 7))
    y = x
    for i in range(3):
        y = cnn.tanh(cnn.conv2d(y, 1 if i == 2 else 4, 3, padding=1, mask="B" if i else "A"))
    model = cnn.Model(x, y).initialize(3)
    items = np.random.default_rng(0).standard_normal((1, 1, 6, 7)).astype(np.float32)
    seen = influence(model, items).reshape(6, 7, 6, 7)
    assert seen[5, 2, 4, 3] > 0 and seen[5, 2, 4, 5] == 0
