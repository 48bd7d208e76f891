"""ResNet-18, the smallest of the published residual networks."""

import graphcnn as cnn


def resnet18(*, classes: int = 1000, size: int = 224) -> cnn.Model:
    """ResNet-18: image (N, 3, size, size) to logits (N, classes).

    K. He et al., "Deep Residual Learning for Image Recognition", arXiv:1512.03385, table 1, with
    projection shortcuts where the size changes (option B). 11,689,512 parameters with 1,000
    classes.
    """
    image = cnn.input("image", (3, size, size))
    with cnn.scope("stem"):
        x = cnn.conv2d(image, 64, 7, stride=2, padding=3, bias=False, name="conv")
        x = cnn.relu(cnn.batch_norm(x, name="norm"), name="relu")
        x = cnn.max_pool2d(x, 3, stride=2, padding=1, name="pool")
    x = cnn.flatten(cnn.global_avg_pool2d(four_stages(x)))
    return cnn.Model(image, cnn.dense(x, classes, name="logits"), name="resnet18")


def four_stages(x: cnn.Value) -> cnn.Value:
    """Two blocks each of 64, 128, 256 and 512 channels, the size halved before all but the
    first."""
    for stage, channels in enumerate((64, 128, 256, 512), start=1):
        for block in (1, 2):
            stride = 2 if stage > 1 and block == 1 else 1
            with cnn.scope(f"stage{stage}"), cnn.scope(f"block{block}"):
                x = basic_block(x, channels, stride)
    return x


def basic_block(x: cnn.Value, channels: int, stride: int) -> cnn.Value:
    """relu(x + norm(conv(relu(norm(conv(x)))))); a strided shortcut is a 1×1 convolution."""
    y = cnn.conv2d(x, channels, 3, stride=stride, padding=1, bias=False, name="conv1")
    y = cnn.relu(cnn.batch_norm(y, name="norm1"), name="relu1")
    y = cnn.conv2d(y, channels, 3, padding=1, bias=False, name="conv2")
    y = cnn.batch_norm(y, name="norm2")
    if stride > 1:
        x = cnn.conv2d(x, channels, 1, stride=stride, bias=False, name="shortcut")
        x = cnn.batch_norm(x, name="shortcut_norm")
    return cnn.relu(cnn.add(x, y, name="add"), name="relu2")
