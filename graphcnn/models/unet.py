"""A small U-Net for segmentation."""

from collections.abc import Sequence

import graphcnn as cnn
from graphcnn.errors import GraphError


def unet(
    *,
    classes: int = 1,
    size: int = 64,
    in_channels: int = 1,
    channels: Sequence[int] = (16, 32, 64),
) -> cnn.Model:
    """U-Net: image (N, in_channels, size, size) to logits (N, classes, size, size), one per pixel.

    O. Ronneberger et al., "U-Net: Convolutional Networks for Biomedical Image Segmentation",
    arXiv:1505.04597, with padded convolutions so that the output has the size of the input. With
    one class, train it with `loss="binary_cross_entropy"` on masks (n, 1, size, size) of 0.0 and
    1.0; with more, by cross-entropy on class numbers (n, size, size). 116,753 parameters as it
    stands.

    Raises:
        GraphError: `size` cannot be halved once per level.
    """
    *levels, bottom = channels
    if size % 2 ** len(levels):
        raise GraphError(
            f"unet: size must be divisible by {2 ** len(levels)}, because the {len(levels)} "
            f"levels above the bottom each halve it; found {size}"
        )
    image = cnn.input("image", (in_channels, size, size))
    x, skips = image, []
    for i, c in enumerate(levels, start=1):
        with cnn.scope(f"down{i}"):
            skips.append(two_convolutions(x, c))
            x = cnn.max_pool2d(skips[-1], 2, name="pool")
    with cnn.scope("bottom"):
        x = two_convolutions(x, bottom)
    for i, c in reversed(list(enumerate(levels, start=1))):
        with cnn.scope(f"up{i}"):
            x = cnn.conv_transpose2d(x, c, 2, stride=2, name="up")
            x = cnn.concat([skips.pop(), x], axis=1, name="concat")
            x = two_convolutions(x, c)
    return cnn.Model(image, cnn.conv2d(x, classes, 1, name="logits"), name="unet")


def two_convolutions(x: cnn.Value, channels: int) -> cnn.Value:
    x = cnn.conv2d(x, channels, 3, padding=1, activation="relu", name="conv1")
    return cnn.conv2d(x, channels, 3, padding=1, activation="relu", name="conv2")
