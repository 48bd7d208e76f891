"""A network that draws pixel after pixel: the gated PixelCNN."""

from functools import partial

import graphcnn as cnn
from graphcnn.ir.node import Value

#: How far apart the taps of kernels lie, layer by layer behind the first: together they reach
#: across the image.
DILATIONS = 1, 2, 4


def pixelcnn(
    *,
    channels: int = 1,
    size: int = 28,
    levels: int = 2,
    features: int = 24,
    layers: int = 7,
    components: int = 0,
    classes: int = 0,
) -> cnn.Model:
    """Image (N, channels, size, size) to how each of its numbers is distributed given those before.

    A. van den Oord et al., "Conditional image generation with PixelCNN decoders", arXiv:1606.05328.
    Two stacks of convolutions go through the network. The vertical one sees the rows above, all of
    them, and the horizontal one what is to the left in its own row, and what the vertical one tells
    it of the rows above: so nothing before a pixel is out of sight, as it is with masked kernels
    alone. Each layer is tanh(a) · sigmoid(b), with a residual connection in the horizontal stack.

    Trained with `cnn.losses.PixelNLL(levels=levels, components=components)`, the target being the
    image. 85,513 parameters by default.

    Args:
        channels: 1, or 3 for red, green and blue, of which each sees those before it.
        levels: how many values a number has: 2 for black and white, 256 for bytes.
        components: of a mixture of logistic numbers, `cnn.distributions.LogisticMixture`, in place
            of a softmax over all levels.
        features: of each stack; of colours a multiple of their number.
        layers: how many.
        classes: with classes it draws for a label: a second input `label`, i64 (N,).
    """
    image = cnn.input("image", (channels, size, size))
    label = cnn.input("label", (), dtype="i64") if classes else None
    known = cnn.one_hot(label, classes) if label is not None else None
    masked = partial(cnn.conv2d, mask_groups=channels)  # of colours, each sees those before it

    def gate(x: Value, name: str) -> Value:
        """tanh of the first half of the features, of each colour, times sigmoid of the other."""
        if known is not None:
            told = cnn.dense(known, 2 * features, bias=False, name=f"{name}.label")
            x = x + cnn.reshape(told, (cnn.N, 2 * features, 1, 1))
        if channels == 1:
            a, b = cnn.split(x, 2)
        else:
            halves = cnn.split(x, 2 * channels)
            a, b = cnn.concat(halves[::2]), cnn.concat(halves[1::2])
        return cnn.tanh(a) * cnn.sigmoid(b)

    def layer(above: Value, left: Value, i: int) -> tuple[Value, Value]:
        first, name = i == 0, f"layer{i + 1}"
        kernel, apart = (7, 1) if first else (3, DILATIONS[(i - 1) % len(DILATIONS)])
        reach = kernel // 2
        far = reach * apart
        rows = cnn.conv2d(
            above, 2 * features, (reach + 1, kernel), padding=(far, 0, far, far), dilation=apart,
            name=f"{name}.rows",
        )  # fmt: skip
        # What is above a pixel ends in the row before its own.
        shifted = cnn.pad2d(rows, (1, 0, 0, 0))[:, :, :-1]
        pixels = masked(
            left, 2 * features, (1, kernel), padding=(0, 0, far, far), dilation=apart,
            mask="A" if first else "B", name=f"{name}.pixels",
        )  # fmt: skip
        pixels = pixels + cnn.conv2d(shifted, 2 * features, 1, bias=False, name=f"{name}.down")
        new = masked(gate(pixels, name), features, 1, mask="B", name=f"{name}.out")
        return gate(rows, f"{name}.rows"), new if first else left + new

    above, left = image, image
    for i in range(layers):
        above, left = layer(above, left, i)
    x = cnn.relu(masked(cnn.relu(left), features, 1, mask="B", name="head"))
    each = cnn.distributions.of_levels(levels, components)
    logits = masked(x, channels * each.per_channel, 1, mask="B", name="logits")
    model = cnn.Model(
        image if label is None else [image, label], {"logits": logits}, name="pixelcnn"
    )
    model.sampler = cnn.samplers.Pixels(each)
    model.objective = cnn.losses.PixelNLL(levels=levels, components=components)
    return model
