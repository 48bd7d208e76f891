"""A small problem and a small network, trained in a moment."""

import numpy as np

import graphcnn as cnn


def stripes(n: int = 120, seed: int = 0) -> cnn.data.Dataset:
    """Horizontal and vertical stripes with noise: easy, but not linear in single pixels."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, 2, n)
    phase = rng.integers(0, 2, n)
    line = (np.arange(8) + phase[:, None]) % 2
    images = np.where(labels[:, None, None], line[:, :, None], line[:, None, :])
    noisy = images + rng.normal(0, 0.2, images.shape)
    return cnn.data.arrays(noisy[:, None].astype(np.float32), labels)


def small(name: str = "small") -> cnn.Model:
    image = cnn.input("image", (1, 8, 8))
    x = cnn.conv2d(image, 4, 3, bias=False, name="c1")
    x = cnn.relu(cnn.batch_norm(x, name="bn1"))
    x = cnn.dropout(cnn.flatten(cnn.max_pool2d(x, 2)), 0.2)
    return cnn.Model(image, cnn.dense(x, 2, name="logits"), name=name)


def train(model: cnn.Model, data: cnn.data.Dataset | None = None, **options: object) -> cnn.Model:
    settings = dict(epochs=4, batch_size=16, optimizer=cnn.Adam(0.01), seed=3, progress=False)
    model.history = model.fit(stripes() if data is None else data, **(settings | options))
    return model


def same_bits(a: cnn.Model, b: cnn.Model) -> bool:
    return all(np.array_equal(a.states[k], b.states[k]) for k in a.states)
