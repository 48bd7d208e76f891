"""Random valid networks for property tests: every draw can be built, run and trained."""

from random import Random

import graphcnn as cnn
from graphcnn.ir.node import Value

ACTIVATIONS = (
    "relu",
    "leaky_relu",
    "elu",
    "sigmoid",
    "tanh",
    "softplus",
    "silu",
    "gelu",
    "hard_swish",
    "hard_sigmoid",
)


def random_model(random: Random, size: int = 5) -> cnn.Model:
    """A classifier of small images with up to `size` blocks: chains, residuals, branches."""
    shape = (random.randint(1, 3), random.randint(4, 9), random.randint(4, 9))
    image = cnn.input("image", shape)
    x = image
    for _ in range(random.randint(1, size)):
        x = random.choice((_conv, _conv, _pool, _norm, _act, _residual, _branch, _pad, _grow))(
            x, random
        )
    if random.random() < 0.5:
        x = cnn.global_avg_pool2d(x)
    x = cnn.dropout(cnn.flatten(x), random.choice((0.0, 0.3)))
    if random.random() < 0.5:
        x = cnn.dense(x, random.randint(1, 7), activation=random.choice(ACTIVATIONS))
    return cnn.Model(image, cnn.dense(x, random.randint(2, 4), name="logits"), "random")


def _sizes(x: Value) -> tuple[int, int, int]:
    _, c, h, w = x.shape
    return int(c), int(h), int(w)


def _kernel(random: Random, h: int, w: int) -> tuple[int, int]:
    return random.randint(1, min(4, h)), random.randint(1, min(4, w))


def _conv(x: Value, random: Random) -> Value:
    c, h, w = _sizes(x)
    groups = random.choice([g for g in (1, 1, 2, 3, c) if c % g == 0])
    kernel = _kernel(random, h, w)
    padding = random.choice((0, 1, "same", (0, 1), (1, 0, 2, 1)))
    options = dict(
        stride=random.choice((1, 1, 2, (2, 1))),
        groups=groups,
        bias=random.random() < 0.7,
        flip_kernel=random.random() < 0.2,
    )
    if random.random() < 0.2 and min(h, w) < 8:
        return cnn.conv_transpose2d(x, groups * random.randint(1, 3), kernel, **options)
    dilation = 2 if random.random() < 0.2 and max(kernel) * 2 - 1 <= min(h, w) else 1
    return cnn.conv2d(
        x,
        groups * random.randint(1, 4),
        kernel,
        padding=padding,
        dilation=dilation,
        activation=random.choice((None, *ACTIVATIONS)),
        **options,
    )


def _pool(x: Value, random: Random) -> Value:
    _, h, w = _sizes(x)
    kernel = _kernel(random, h, w)
    options = dict(stride=random.choice((1, 2)), ceil_mode=random.random() < 0.3)
    padding = random.randint(0, min(kernel) - 1)
    if random.random() < 0.5:
        return cnn.max_pool2d(x, kernel, padding=padding, **options)
    count = random.random() < 0.5
    return cnn.avg_pool2d(x, kernel, padding=padding, count_include_pad=count, **options)


def _norm(x: Value, random: Random) -> Value:
    return cnn.batch_norm(x, epsilon=random.choice((1e-5, 1e-3)))


def _act(x: Value, random: Random) -> Value:
    return getattr(cnn, random.choice(ACTIVATIONS))(x)


def _residual(x: Value, random: Random) -> Value:
    c, _, _ = _sizes(x)
    y = cnn.conv2d(x, c, random.choice((1, 3)), padding="same", bias=False)
    return cnn.relu(x + y) if random.random() < 0.5 else y * 0.5 - x


def _branch(x: Value, random: Random) -> Value:
    a = cnn.conv2d(x, random.randint(1, 3), 1)
    b = cnn.conv2d(x, random.randint(1, 3), 3, padding="same", activation="relu")
    return cnn.concat([a, b])


def _pad(x: Value, random: Random) -> Value:
    _, h, w = _sizes(x)
    if max(h, w) > 12:
        return x
    mode = random.choice(("constant", "constant", "edge"))
    return cnn.pad2d(x, random.choice((1, (1, 0), (0, 2, 1, 0))), mode=mode)


def _grow(x: Value, random: Random) -> Value:
    _, h, w = _sizes(x)
    if max(h, w) > 6:
        return x
    return cnn.upsample2d(x, 2, mode=random.choice(("nearest", "bilinear")))
