"""The network of airbench94, which learns CIFAR-10 in few steps."""

import graphcnn as cnn


def cifar_fast(*, classes: int = 10, width: int = 64) -> cnn.Model:
    """Whitened patches and three pairs of 3×3 convolutions: image (N, 3, 32, 32) to logits
    (N, classes).

    The network of K. Jordan, "94% on CIFAR-10 in 3.29 Seconds on a Single GPU", arXiv:2404.00498,
    section 2: a 2×2 convolution that is frozen at the whitening of the patches of the training
    images (`cnn.whiten(model, "whiten", images)` sets it; only its bias is trained), GELU, batch
    norms that shift and do not scale, and kernels that pass their input on at first. Its first
    layer has 24 filters, the blocks have `width`, 4 · width and 4 · width channels. 1,972,792
    parameters with 10 classes; `graphcnn train cifar_fast --recipe cifar10` trains it.
    """
    image = cnn.input("image", (3, 32, 32))
    x = cnn.conv2d(image, 24, 2, init="orthogonal", activation="gelu", name="whiten")
    for stage, channels in enumerate((width, 4 * width, 4 * width), start=1):
        with cnn.scope(f"stage{stage}"):
            x = cnn.max_pool2d(_conv(x, channels, "conv1"), 2, name="pool")
            x = _conv(_norm(x, "norm1"), channels, "conv2")
            x = _norm(x, "norm2")
    x = cnn.flatten(cnn.max_pool2d(x, 3))
    logits = cnn.dense(x, classes, bias=False, init=cnn.Normal(0.25 / width), name="logits")
    model = cnn.Model(image, logits, name="cifar_fast")
    model.freeze("whiten.weight")
    return model


def _conv(x: cnn.Value, channels: int, name: str) -> cnn.Value:
    return cnn.conv2d(x, channels, 3, padding=1, bias=False, init="identity", name=name)


def _norm(x: cnn.Value, name: str) -> cnn.Value:
    return cnn.batch_norm(x, epsilon=1e-12, momentum=0.4, scale=False, activation="gelu", name=name)
