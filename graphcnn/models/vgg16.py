"""VGG-16, thirteen 3×3 convolutions and three wide dense layers."""

from collections.abc import Sequence

import graphcnn as cnn
from graphcnn.errors import GraphError

#: Convolutions of each stage; a pooling that halves the image ends it.
DEPTHS = (2, 2, 3, 3, 3)
#: Rows and columns that the dense layers read, at any size of the image.
READ = 7


def vgg16(
    *,
    classes: int = 1000,
    size: int = 224,
    batch_norm: bool = False,
    channels: Sequence[int] = (64, 128, 256, 512, 512),
    hidden: int = 4096,
) -> cnn.Model:
    """VGG-16: image (N, 3, size, size) to logits (N, classes).

    K. Simonyan, A. Zisserman, "Very Deep Convolutional Networks for Large-Scale Image Recognition",
    arXiv:1409.1556, configuration D; with `batch_norm` the later form that normalises before every
    ReLU of a convolution. At other sizes than 224 the last maps are averaged to 7×7, as in
    torchvision. 138,357,544 parameters with 1,000 classes.

    Args:
        channels: of the five stages; `hidden`: units of both hidden dense layers. Less of them
            make a thin network of the same shape.

    Raises:
        GraphError: an image that cannot be halved five times, or not five stages.
    """
    if len(channels) != len(DEPTHS):
        raise GraphError(f"vgg16: channels must be those of {len(DEPTHS)} stages, found {channels}")
    if size < 2 ** len(DEPTHS):
        raise GraphError(f"vgg16: size must be at least {2 ** len(DEPTHS)}, found {size}")
    image = cnn.input("image", (3, size, size))
    x = image
    for stage, (width, depth) in enumerate(zip(channels, DEPTHS, strict=True), start=1):
        with cnn.scope(f"stage{stage}"):
            for i in range(1, depth + 1):
                x = cnn.conv2d(x, width, 3, padding=1, init="he", name=f"conv{i}")
                if batch_norm:
                    x = cnn.batch_norm(x, name=f"norm{i}")
                x = cnn.relu(x, name=f"relu{i}")
            x = cnn.max_pool2d(x, 2, name="pool")
    x = cnn.flatten(averaged(averaged(x, 2), 3))
    for i in (1, 2):
        x = cnn.dense(x, hidden, activation="relu", name=f"dense{i}")
        x = cnn.dropout(x, 0.5, name=f"dropout{i}")
    return cnn.Model(image, cnn.dense(x, classes, name="logits"), name="vgg16")


def averaged(x: cnn.Value, axis: int) -> cnn.Value:
    """Seven means along an axis of d numbers: the i-th is of those from ⌊i·d/7⌋ to ⌈(i+1)·d/7⌉."""
    d = int(x.shape[axis])  # type: ignore[arg-type]
    if d == READ:
        return x
    ranges = [(i * d // READ, -(-(i + 1) * d // READ)) for i in range(READ)]
    parts = [cnn.slice(x, axis, start, stop) for start, stop in ranges]
    means = [cnn.mean(part, axis, keepdims=True) for part in parts]
    return cnn.concat(means, axis)
