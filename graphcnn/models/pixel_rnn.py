"""Networks that draw pixel after pixel, with a memory: the row LSTM and the diagonal BiLSTM.

A. van den Oord, N. Kalchbrenner and K. Kavukcuoglu, "Pixel recurrent neural networks",
arXiv:1601.06759.
"""

from collections.abc import Callable

import graphcnn as cnn
from graphcnn.errors import GraphError
from graphcnn.ir.node import Value

State = tuple[Value, Value]


def row_lstm(
    *,
    channels: int = 1,
    size: int = 28,
    levels: int = 2,
    components: int = 0,
    features: int = 24,
    layers: int = 4,
) -> cnn.Model:
    """Image (N, channels, size, size) to how each of its numbers is distributed given those before.

    The row LSTM of A. van den Oord et al., arXiv:1601.06759. Each layer goes down the image with a
    state for every pixel of a row. It takes from the states of the row above what lies a pixel to
    the left, above, and to the right, so that layer by layer a triangle above a pixel is seen, and
    from its own row, by a masked kernel, what lies to the left. Between layers there are twice as
    many features as in the states, with residual connections.

    Trained with `cnn.losses.PixelNLL(levels=levels, components=components)`, the target being the
    image. 92,929 parameters by default.

    Args:
        channels: 1, or 3 for red, green and blue, of which each sees those before it.
        levels: how many values a number has: 2 for black and white, 256 for bytes.
        components: of a mixture of logistic numbers, as in `pixelcnn`.
        features: of the states; of colours a multiple of their number.
        layers: how many.
    """

    def layer(x: Value, name: str) -> Value:
        reads = cnn.conv2d(
            x, 4 * features, (1, 3), padding=(0, 0, 1, 1), mask="B", mask_groups=channels,
            name=f"{name}.input",
        )  # fmt: skip

        def step(before: State, row: Value) -> tuple[State, Value]:
            above = cnn.reshape(before[0], (cnn.N, features, 1, size))
            kept = cnn.conv2d(
                above, 4 * features, (1, 3), padding=(0, 0, 1, 1), bias=False, name="state"
            )
            h, c = _cell(row + cnn.reshape(kept, (cnn.N, 4 * features, size)), before[1], channels)
            return (h, c), h

        nothing = cnn.zeros((cnn.N, features, size))
        states: Value
        _, states = cnn.scan(step, (nothing, nothing), reads, axis=2, name=name)
        return states

    return _network("row_lstm", layer, channels, size, (levels, components), features, layers)


def diagonal_lstm(
    *,
    channels: int = 1,
    size: int = 28,
    levels: int = 2,
    components: int = 0,
    features: int = 16,
    layers: int = 3,
) -> cnn.Model:
    """Image (N, channels, size, size) to how each of its numbers is distributed given those before.

    The diagonal BiLSTM of A. van den Oord et al., arXiv:1601.06759. Each layer goes through the
    image twice, from the upper left corner and from the upper right one. A state takes from those
    of the pixel beside it and of the one above, so that all before a pixel is seen in one layer.
    The pixels of a diagonal are computed together: row i is moved i places, which makes a column of
    each diagonal. What comes from the right is moved down by a row before the two are added, so
    that no pixel sees one that is drawn later.

    Trained with `cnn.losses.PixelNLL(levels=levels, components=components)`, the target being the
    image. 29,281 parameters by default.

    Args:
        channels: 1, or 3 for red, green and blue, of which each sees those before it.
        levels: how many values a number has: 2 for black and white, 256 for bytes.
        components: of a mixture of logistic numbers, as in `pixelcnn`.
        features: of the states; of colours a multiple of their number.
        layers: how many.

    Raises:
        GraphError: `size` is 1.
    """
    if size < 2:
        raise GraphError(f"diagonal_lstm: size must be at least 2, found {size}")

    def one_way(x: Value, name: str, back: bool) -> Value:
        reads = cnn.conv2d(x, 4 * features, 1, mask="B", mask_groups=channels, name=f"{name}.input")
        image = cnn.zeros((1, 1, size, size)) + 1.0
        inside = _skewed(image, size, back)  # 1 where there is a pixel, 0 beside it

        def step(before: State, column: State) -> tuple[State, Value]:
            row, there = column
            above = cnn.reshape(before[0], (cnn.N, features, size, 1))
            kept = cnn.conv2d(
                above, 4 * features, (2, 1), padding=(1, 0, 0, 0), bias=False, name="state"
            )
            h, c = _cell(row + cnn.reshape(kept, (cnn.N, 4 * features, size)), before[1], channels)
            h, c = h * there, c * there  # beside the image there are no states
            return (h, c), h

        nothing = cnn.zeros((cnn.N, features, size))
        columns = _skewed(reads, size, back), inside
        _, states = cnn.scan(step, (nothing, nothing), columns, axis=3, reverse=back, name=name)
        return _straight(states, size, back)

    def layer(x: Value, name: str) -> Value:
        left, right = one_way(x, f"{name}.left", False), one_way(x, f"{name}.right", True)
        return left + cnn.pad2d(right, (1, 0, 0, 0))[:, :, :-1]

    return _network("diagonal_lstm", layer, channels, size, (levels, components), features, layers)


def _network(
    name: str,
    layer: Callable[[Value, str], Value],
    channels: int,
    size: int,
    of_number: tuple[int, int],
    features: int,
    layers: int,
) -> cnn.Model:
    """A convolution without the pixel itself, layers with what goes around them, and two more."""
    image, wide = cnn.input("image", (channels, size, size)), 2 * features
    x = cnn.conv2d(image, wide, 7, padding=3, mask="A", mask_groups=channels, name="first")
    for i in range(layers):
        states = layer(x, f"layer{i + 1}")
        x = x + cnn.conv2d(states, wide, 1, mask="B", mask_groups=channels, name=f"layer{i + 1}.up")
    x = cnn.conv2d(cnn.relu(x), wide, 1, mask="B", mask_groups=channels, name="head")
    levels, components = of_number
    each = cnn.distributions.of_levels(levels, components)
    logits = cnn.conv2d(
        cnn.relu(x), channels * each.per_channel, 1, mask="B", mask_groups=channels, name="logits"
    )
    model = cnn.Model(image, {"logits": logits}, name=name)
    model.sampler = cnn.samplers.Pixels(each)
    model.objective = cnn.losses.PixelNLL(levels=levels, components=components)
    return model


def _cell(gates: Value, c: Value, channels: int) -> State:
    """New h and c (N, F, S) of the gates (N, 4·F, S): those of each colour lie together."""
    parts = cnn.split(gates, 4 * channels, axis=1)
    i, f, g, o = (cnn.concat(parts[k::4], axis=1) for k in range(4))
    c = cnn.sigmoid(f) * c + cnn.sigmoid(i) * cnn.tanh(g)
    return cnn.sigmoid(o) * cnn.tanh(c), c


def _skewed(x: Value, size: int, back: bool) -> Value:
    """Row i of (N, C, S, S) moved i places to the right, or S - 1 - i: (N, C, S, 2·S - 1).

    Rows that are longer by one are as many numbers in a line, each begun a place later.
    """
    n, channels, _, _ = x.shape
    apart = size - 2 if back else size
    x = cnn.reshape(cnn.pad2d(x, (0, 0, 0, apart)), (n, channels, 1, size * (size + apart)))
    x = cnn.pad2d(x, (0, 0, size - 1, 1)) if back else x[:, :, :, :-size]
    return cnn.reshape(x, (n, channels, size, 2 * size - 1))


def _straight(x: Value, size: int, back: bool) -> Value:
    """What `_skewed` moved, moved back: (N, C, S, S)."""
    _, channels, _, _ = x.shape
    x = cnn.reshape(x, (cnn.N, channels, 1, size * (2 * size - 1)))
    x = x[:, :, :, size - 1 : -1] if back else cnn.pad2d(x, (0, 0, 0, size))
    apart = size - 2 if back else size
    return cnn.reshape(x, (cnn.N, channels, size, size + apart))[:, :, :, :size]
