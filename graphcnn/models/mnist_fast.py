"""A small network that reads MNIST better than 99.5 % after a few epochs."""

import graphcnn as cnn


def mnist_fast(*, classes: int = 10) -> cnn.Model:
    """Five 3×3 convolutions with batch norm: image (N, 1, 28, 28) to logits (N, classes).

    The pattern of VGG (K. Simonyan, A. Zisserman, arXiv:1409.1556) at the size of MNIST: 16, 32 and
    64 channels, of which the convolutions without padding cut the empty border off. The recipe
    "mnist" trains it. 37,594 parameters with 10 classes.
    """
    image = cnn.input("image", (1, 28, 28))
    x = image
    for stage, (channels, padding) in enumerate(((16, (0, 0)), (32, (1, 1)), (64, (0,))), start=1):
        with cnn.scope(f"stage{stage}"):
            for i, border in enumerate(padding, start=1):
                x = cnn.conv2d(x, channels, 3, padding=border, bias=False, name=f"conv{i}")
                x = cnn.relu(cnn.batch_norm(x, name=f"norm{i}"), name=f"relu{i}")
            x = cnn.max_pool2d(x, 2, name="pool")
    return cnn.Model(image, cnn.dense(cnn.flatten(x), classes, name="logits"), name="mnist_fast")
