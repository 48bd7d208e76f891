"""SqueezeNet: the accuracy of AlexNet with fifty times fewer parameters."""

import graphcnn as cnn
from graphcnn.errors import GraphError

_FIRST, _LAST = ((16, 64), (16, 64)), ((48, 192), (48, 192), (64, 256))
#: Squeeze and expand channels of each fire module, by stage; the stages are split by pooling.
FIRES = {
    "1.1": (_FIRST, ((32, 128), (32, 128)), (*_LAST, (64, 256))),
    "1.0": ((*_FIRST, (32, 128)), ((32, 128), *_LAST), ((64, 256),)),
}


def squeezenet(*, classes: int = 1000, size: int = 224, version: str = "1.1") -> cnn.Model:
    """SqueezeNet 1.1: image (N, 3, size, size) to logits (N, classes).

    F. Iandola et al., "SqueezeNet", arXiv:1602.07360, in the 1.1 form that the authors released
    (smaller first convolution, earlier pooling, 2.4 times less computation). 1,235,496 parameters
    with 1,000 classes. `version="1.0"` is that of the paper, with 1,248,424.

    Raises:
        GraphError: another version.
    """
    version = str(version)
    if version not in FIRES:
        raise GraphError(f"squeezenet: version must be 1.0 or 1.1, found {version!r}")
    filters, kernel = (96, 7) if version == "1.0" else (64, 3)
    image = cnn.input("image", (3, size, size))
    x = cnn.conv2d(image, filters, kernel, stride=2, activation="relu", name="conv1")
    number = 2
    for stage, fires in enumerate(FIRES[version], start=1):
        x = cnn.max_pool2d(x, 3, stride=2, ceil_mode=True, name=f"pool{stage}")
        for squeeze, expand in fires:
            with cnn.scope(f"fire{number}"):
                x = fire(x, squeeze, expand)
            number += 1
    x = cnn.dropout(x, 0.5, name="dropout")
    x = cnn.conv2d(x, classes, 1, activation="relu", name="conv10")
    x = cnn.flatten(cnn.global_avg_pool2d(x))
    return cnn.Model(image, x, name="squeezenet")


def fire(x: cnn.Value, squeeze: int, expand: int) -> cnn.Value:
    """A 1×1 convolution to few channels, then 1×1 and 3×3 ones side by side."""
    x = cnn.conv2d(x, squeeze, 1, activation="relu", name="squeeze")
    one = cnn.conv2d(x, expand, 1, activation="relu", name="expand1x1")
    three = cnn.conv2d(x, expand, 3, padding=1, activation="relu", name="expand3x3")
    return cnn.concat([one, three], axis=1, name="concat")
