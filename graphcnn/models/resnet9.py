"""The residual network that won DAWNBench's CIFAR-10."""

import graphcnn as cnn


def resnet9(*, classes: int = 10) -> cnn.Model:
    """ResNet-9: image (N, 3, 32, 32) to logits (N, classes).

    Four convolutions of 64, 128, 256 and 512 channels, the size halved after all but the first,
    and pairs of them beside a shortcut where there are 128 and 512; then the largest number of each
    channel. Logits are an eighth of what the last layer gives. D. Page, "How to train your ResNet",
    2018, whose program was the fastest to 94 % on CIFAR-10 in Stanford's DAWNBench. 6,573,120
    parameters with 10 classes.
    """
    image = cnn.input("image", (3, 32, 32))
    x = _layer(image, 64, "prepare")
    for stage, channels in enumerate((128, 256, 512), start=1):
        with cnn.scope(f"stage{stage}"):
            x = cnn.max_pool2d(_layer(x, channels, "widen"), 2, name="pool")
            if channels != 256:
                y = _layer(_layer(x, channels, "residual1"), channels, "residual2")
                x = cnn.add(x, y, name="add")
    x = cnn.flatten(cnn.max_pool2d(x, 4, name="pool"))
    scores = cnn.dense(x, classes, bias=False, name="head")
    return cnn.Model(image, cnn.mul(scores, 0.125, name="logits"), name="resnet9")


def _layer(x: cnn.Value, channels: int, name: str) -> cnn.Value:
    """relu(norm(conv(x)))."""
    with cnn.scope(name):
        x = cnn.conv2d(x, channels, 3, padding=1, bias=False, name="conv")
        return cnn.batch_norm(x, activation="relu", name="norm")
