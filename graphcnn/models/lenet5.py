"""LeNet-5, the first convolutional network in wide use."""

import graphcnn as cnn


def lenet5(*, classes: int = 10) -> cnn.Model:
    """LeNet-5 for grey 28×28 images: image (N, 1, 28, 28) to logits (N, classes).

    The layers and names of Y. LeCun et al., "Gradient-Based Learning Applied to Document
    Recognition", Proc. IEEE 86(11), 1998, with today's ReLU, max pooling and a C3 that reads all
    six maps. 61,706 parameters with 10 classes.
    """
    image = cnn.input("image", (1, 28, 28))
    x = cnn.conv2d(image, 6, 5, padding=2, activation="relu", name="C1")
    x = cnn.max_pool2d(x, 2, name="S2")
    x = cnn.conv2d(x, 16, 5, activation="relu", name="C3")
    x = cnn.max_pool2d(x, 2, name="S4")
    x = cnn.flatten(x)
    x = cnn.dense(x, 120, activation="relu", name="C5")
    x = cnn.dense(x, 84, activation="relu", name="F6")
    return cnn.Model(image, cnn.dense(x, classes, name="logits"), name="lenet5")
