"""A small network for the 8×8 digits that come with scikit-learn."""

import graphcnn as cnn


def digits_cnn(*, classes: int = 10) -> cnn.Model:
    """Two 3×3 convolutions: image (N, 1, 8, 8) to logits (N, classes).

    Made for the quickstart: over 97 % on unseen digits after a few epochs, seconds on one core.
    Data: E. Alpaydin, C. Kaynak, "Optical Recognition of Handwritten Digits", UCI, 1998.
    9,930 parameters with 10 classes.
    """
    image = cnn.input("image", (1, 8, 8))
    x = cnn.conv2d(image, 16, 3, padding=1, activation="relu", name="conv1")
    x = cnn.conv2d(x, 32, 3, padding=1, activation="relu", name="conv2")
    x = cnn.max_pool2d(x, 2, name="pool")
    x = cnn.flatten(x)
    return cnn.Model(image, cnn.dense(x, classes, name="logits"), name="digits_cnn")
