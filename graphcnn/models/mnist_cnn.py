"""A two-layer convolutional network for MNIST."""

import graphcnn as cnn


def mnist_cnn(*, classes: int = 10) -> cnn.Model:
    """Two 3×3 convolutions: image (N, 1, 28, 28) to logits (N, classes).

    The usual first network of tutorials, for example "Simple MNIST convnet" of the Keras examples
    (F. Chollet, 2015), here without dropout. 34,826 parameters with 10 classes. The second pooling
    leaves one row and one column of its 11×11 input unread.
    """
    image = cnn.input("image", (1, 28, 28))
    x = cnn.conv2d(image, 32, 3, activation="relu", name="conv1")
    x = cnn.max_pool2d(x, 2, name="pool1")
    x = cnn.conv2d(x, 64, 3, activation="relu", name="conv2")
    x = cnn.max_pool2d(x, 2, name="pool2")
    x = cnn.flatten(x)
    return cnn.Model(image, cnn.dense(x, classes, name="logits"), name="mnist_cnn")
