"""A network that other processes find by its name."""

import graphcnn as cnn


def net(classes: int, width: int = 4) -> cnn.Model:
    image = cnn.input("image", (1, 6, 6))
    x = cnn.conv2d(image, width, 3, activation="relu")
    return cnn.Model(image, cnn.dense(cnn.flatten(cnn.max_pool2d(x, 2)), classes), name="net")
