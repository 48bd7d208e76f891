"""A convolutional autoencoder."""

import graphcnn as cnn
from graphcnn.errors import GraphError


def autoencoder(*, in_channels: int = 1, size: int = 28) -> cnn.Model:
    """Image (N, in_channels, size, size) to 8 maps of a quarter of the size, and back to [0, 1].

    Train it with `loss="mse"` against its own input. After J. Masci et al., "Stacked Convolutional
    Auto-Encoders for Hierarchical Feature Extraction", ICANN 2011. 1,913 parameters with one
    channel.

    Raises:
        GraphError: `size` is not divisible by 4.
    """
    if size % 4:
        raise GraphError(f"autoencoder: size must be divisible by 4, found {size}")
    image = cnn.input("image", (in_channels, size, size))
    with cnn.scope("encoder"):
        x = cnn.conv2d(image, 16, 3, padding=1, activation="relu", name="conv1")
        x = cnn.max_pool2d(x, 2, name="pool1")
        x = cnn.conv2d(x, 8, 3, padding=1, activation="relu", name="conv2")
        code = cnn.max_pool2d(x, 2, name="pool2")
    with cnn.scope("decoder"):
        x = cnn.conv_transpose2d(code, 16, 2, stride=2, activation="relu", name="up1")
        x = cnn.conv_transpose2d(x, in_channels, 2, stride=2, activation="sigmoid", name="up2")
    return cnn.Model(image, x, name="autoencoder")
