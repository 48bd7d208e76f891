"""A reader of strings: convolutions, a recurrent layer both ways along the width, and CTC."""

import graphcnn as cnn


def crnn(*, width: int = 72, classes: int = 10, units: int = 48) -> cnn.Model:
    """Image (N, 1, 28, width) to logits (N, width / 4, classes + 1); the last class is the blank.

    What the columns of an image show is read as a sequence, left to right and right to left:
    B. Shi et al., "An end-to-end trainable neural network for image-based sequence recognition",
    arXiv:1507.05717, made small. Trained with the loss "ctc"; `cnn.ctc_greedy` reads the
    labels off what it predicts.
    110,699 parameters by default.
    """
    image = cnn.input("image", (1, 28, width))
    x = cnn.conv2d(image, 16, 3, padding=1, activation="relu", name="conv1")
    x = cnn.max_pool2d(x, 2, name="pool1")
    x = cnn.conv2d(x, 32, 3, padding=1, activation="relu", name="conv2")
    x = cnn.max_pool2d(x, 2, name="pool2")
    steps, rows = width // 4, 32 * 7
    columns = cnn.reshape(cnn.transpose(x, (0, 3, 1, 2)), (cnn.N, steps, rows))
    both, _ = cnn.lstm(columns, units, bidirectional=True, name="read")
    logits = cnn.dense(cnn.reshape(both, (steps * cnn.N, 2 * units)), classes + 1, name="logits")
    model = cnn.Model(image, cnn.reshape(logits, (cnn.N, steps, classes + 1)), name="crnn")
    model.objective = "ctc"
    return model
