"""Networks that the pictures are tried on, besides the built-in ones."""

import graphcnn as cnn
from graphcnn.ir.node import Value


def chain(length: int) -> cnn.Model:
    """Convolutions and activations in a row, no two convolutions alike."""
    x = image = cnn.input("image", (8, 16, 16))
    for i in range(length):
        if i % 2:
            x = cnn.relu(x, name=f"r{i}")
        else:
            x = cnn.conv2d(x, 8 + i % 13, 3, padding=1, name=f"c{i}")
    return cnn.Model(image, x, name="chain")


def residual(blocks: int) -> cnn.Model:
    """Seven operators a block, all blocks alike."""
    x = image = cnn.input("image", (8, 16, 16))
    for b in range(blocks):
        with cnn.scope(f"block{b}"):
            y = cnn.conv2d(x, 8, 3, padding=1, bias=False, name="conv1")
            y = cnn.relu(cnn.batch_norm(y, name="norm1"), name="relu1")
            y = cnn.conv2d(y, 8, 3, padding=1, bias=False, name="conv2")
            y = cnn.batch_norm(y, name="norm2")
            x = cnn.relu(cnn.add(x, y, name="add"), name="relu2")
    return cnn.Model(image, x, name="residual")


def recurrent() -> cnn.Model:
    """One LSTM, and what is made of its last state."""
    sequence = cnn.input("sequence", (12, 3))
    _, (h, _) = cnn.lstm(sequence, 8, name="lstm")
    return cnn.Model(sequence, cnn.dense(h, 2, name="out"), name="recurrent")


def both_ways(layer: str = "lstm") -> cnn.Model:
    """A recurrent layer that goes both ways, sequences of several lengths."""
    sequence, count = cnn.input("sequence", (6, 3)), cnn.input("count", (), dtype="int64")
    make = {"lstm": cnn.lstm, "gru": cnn.gru}[layer]
    ys, _ = make(sequence, 4, lengths=count, bidirectional=True, name=layer)
    return cnn.Model([sequence, count], {"ys": ys}, name="both ways")


def nested() -> cnn.Model:
    """A loop over rows, in it one over the columns of a row."""
    x = cnn.input("x", (5, 4, 3))

    def column(c: Value, pixel: Value) -> tuple[Value, tuple[()]]:
        new = cnn.dense(pixel, 6, name="in") + cnn.dense(c, 6, bias=False, name="again")
        return cnn.tanh(new), ()

    def row(c: Value, pixels: Value) -> tuple[Value, Value]:
        last, _ = cnn.scan(column, cnn.zeros((cnn.N, 6)), pixels, name="columns")
        c = c + last
        return c, cnn.max(c, axes=1)

    last, best = cnn.scan(row, cnn.zeros((cnn.N, 6)), x, name="rows")
    return cnn.Model(x, {"last": last, "best": best}, name="nested")


def inception() -> cnn.Model:
    """Module 3a of GoogLeNet (C. Szegedy et al., arXiv:1409.4842, table 1)."""
    image = cnn.input("image", (192, 28, 28))

    def conv(x: Value, channels: int, kernel: int, name: str) -> Value:
        return cnn.conv2d(x, channels, kernel, padding=kernel // 2, activation="relu", name=name)

    one = conv(image, 64, 1, "1x1")
    three = conv(conv(image, 96, 1, "3x3_reduce"), 128, 3, "3x3")
    five = conv(conv(image, 16, 1, "5x5_reduce"), 32, 5, "5x5")
    pool = conv(cnn.max_pool2d(image, 3, stride=1, padding=1, name="pool"), 32, 1, "pool_proj")
    return cnn.Model(image, cnn.concat([one, three, five, pool], axis=1, name="concat"))


def densenet(layers: int = 4) -> cnn.Model:
    """Every layer reads all before it."""
    image = cnn.input("image", (3, 16, 16))
    features = [cnn.conv2d(image, 8, 3, padding=1, name="first")]
    for i in range(layers):
        with cnn.scope(f"layer{i}"):
            x = cnn.concat(features, axis=1, name="concat") if i else features[0]
            x = cnn.relu(cnn.batch_norm(x, name="norm"), name="relu")
            features.append(cnn.conv2d(x, 4, 3, padding=1, name="conv"))
    return cnn.Model(image, cnn.concat(features, axis=1, name="out"), name="densenet")


def vgg16() -> cnn.Model:
    """Configuration D of K. Simonyan, A. Zisserman, arXiv:1409.1556."""
    x = image = cnn.input("image", (3, 224, 224))
    for stage, (channels, count) in enumerate(
        ((64, 2), (128, 2), (256, 3), (512, 3), (512, 3)), start=1
    ):
        for i in range(1, count + 1):
            name = f"conv{stage}_{i}"
            x = cnn.conv2d(x, channels, 3, padding=1, activation="relu", name=name)
        x = cnn.max_pool2d(x, 2, name=f"pool{stage}")
    x = cnn.flatten(x, name="flatten")
    x = cnn.dense(x, 4096, activation="relu", name="fc6")
    x = cnn.dense(x, 4096, activation="relu", name="fc7")
    return cnn.Model(image, cnn.dense(x, 1000, name="fc8"), name="vgg16")


def alexnet() -> cnn.Model:
    """A. Krizhevsky et al., NIPS 2012, in its form for one device."""
    image = cnn.input("image", (3, 227, 227))
    x = cnn.conv2d(image, 96, 11, stride=4, activation="relu", name="conv1")
    x = cnn.max_pool2d(x, 3, stride=2, name="pool1")
    x = cnn.conv2d(x, 256, 5, padding=2, activation="relu", name="conv2")
    x = cnn.max_pool2d(x, 3, stride=2, name="pool2")
    for i, channels in ((3, 384), (4, 384), (5, 256)):
        x = cnn.conv2d(x, channels, 3, padding=1, activation="relu", name=f"conv{i}")
    x = cnn.flatten(cnn.max_pool2d(x, 3, stride=2, name="pool5"), name="flatten")
    x = cnn.dense(x, 4096, activation="relu", name="fc6")
    x = cnn.dense(x, 4096, activation="relu", name="fc7")
    return cnn.Model(image, cnn.dense(x, 1000, name="fc8"), name="alexnet")


def hostile() -> tuple[cnn.Model, list[str]]:
    """Names that break drawings that trust them."""
    names = [
        '<script>alert("x")</script>',
        "a\"b'c&d;--><!--]]>",
        "line\nbreak\ttab\x00\x1b[31m",
        "\u202eright to left\u202c",
        "x" * 10_000,
        "卷积层的名字" * 3,
        "שלום עולם",
        "$x_1^2$ \\input{/etc/passwd} %",
        "e\u0301\u0301\u0301 🙂🙂",
        "\ud800 half a character",
    ]
    x = image = cnn.input("image <b>", (1, 8, 8))
    for name in names:
        x = cnn.conv2d(x, 2, 3, padding=1, name=name)
    return cnn.Model(image, x, name='model </title><script src="http://x">'), names
