"""MobileNetV2: depthwise convolutions between thin layers."""

import graphcnn as cnn

#: Expansion, output channels, blocks and first stride of each stage (table 2 of the paper).
STAGES = (
    (1, 16, 1, 1),
    (6, 24, 2, 2),
    (6, 32, 3, 2),
    (6, 64, 4, 2),
    (6, 96, 3, 1),
    (6, 160, 3, 2),
    (6, 320, 1, 1),
)


def mobilenet_v2(*, classes: int = 1000, size: int = 224, width: float = 1.0) -> cnn.Model:
    """MobileNetV2: image (N, 3, size, size) to logits (N, classes).

    M. Sandler et al., "MobileNetV2: Inverted Residuals and Linear Bottlenecks", arXiv:1801.04381.
    3,504,872 parameters with 1,000 classes.

    Args:
        width: multiplies the channels of all layers, rounded to multiples of 8; the last layer
            before the classes has 1280, or more where `width` is greater than 1.
    """
    image = cnn.input("image", (3, size, size))
    x = convolved(image, rounded(32 * width), 3, stride=2, name="stem")
    for stage, (expansion, channels, blocks, first) in enumerate(STAGES, start=1):
        for block in range(1, blocks + 1):
            with cnn.scope(f"stage{stage}"), cnn.scope(f"block{block}"):
                stride = first if block == 1 else 1
                x = inverted_residual(x, rounded(channels * width), expansion, stride)
    x = convolved(x, rounded(1280 * max(1.0, width)), 1, name="last")
    x = cnn.flatten(cnn.global_avg_pool2d(x))
    x = cnn.dropout(x, 0.2, name="dropout")
    return cnn.Model(image, cnn.dense(x, classes, name="logits"), name="mobilenet_v2")


def inverted_residual(x: cnn.Value, channels: int, expansion: int, stride: int) -> cnn.Value:
    """Wide in the middle: 1×1 to `expansion` times the channels, 3×3 on each by itself, and 1×1
    to few, without activation; added to the input where sizes are equal."""
    wide = int(x.shape[1]) * expansion  # type: ignore[arg-type]
    y = convolved(x, wide, 1, name="expand") if expansion > 1 else x
    y = convolved(y, wide, 3, stride=stride, groups=wide, name="depthwise")
    y = convolved(y, channels, 1, activated=False, name="project")
    same = stride == 1 and x.shape[1] == channels
    return cnn.add(x, y, name="add") if same else y


def convolved(
    x: cnn.Value,
    channels: int,
    kernel: int,
    *,
    stride: int = 1,
    groups: int = 1,
    activated: bool = True,
    name: str,
) -> cnn.Value:
    """min(max(norm(conv(x)), 0), 6), the activation that the paper calls ReLU6; or without it."""
    with cnn.scope(name):
        y = cnn.conv2d(
            x, channels, kernel, stride=stride, padding=kernel // 2, groups=groups, bias=False,
            name="conv",
        )  # fmt: skip
        y = cnn.batch_norm(y, name="norm")
        return cnn.clip(y, 0.0, 6.0, name="relu6") if activated else y


def rounded(channels: float) -> int:
    """The nearest multiple of 8, at least 8, and not less than 90 % of what was asked for."""
    found = max(8, int(channels + 4) // 8 * 8)
    return found + 8 if found < 0.9 * channels else found
