"""The network that draws pixel after pixel: what it sees, and that it learns."""

import numpy as np
import pytest

import graphcnn as cnn

RNG = np.random.default_rng(0)
SIZE = 7


def small(**options) -> cnn.Model:
    made = cnn.models.pixelcnn(size=SIZE, layers=3, **{"features": 6, **options}).initialize(0)
    made.set_parameters({k: v + RNG.normal(size=v.shape) * 0.2 for k, v in made.parameters.items()
                         if not np.any(v == 0) or k.endswith("bias")})  # fmt: skip
    return made


def seen(model: cnn.Model, channels: int) -> np.ndarray:
    """[i, j]: whether number i, in the order of reading, depends on number j."""
    count = SIZE * SIZE * channels
    image = RNG.random((1, channels, SIZE, SIZE)).astype(np.float32)
    # Channel by channel in a pixel.
    order = np.arange(count).reshape(channels, SIZE, SIZE).transpose(1, 2, 0).ravel()
    changed = np.repeat(image, count, 0).reshape(count, count)
    changed[np.arange(count), order] += 1.0
    both = np.concatenate([image, changed.reshape(count, channels, SIZE, SIZE)])
    logits = model.predict(both, raw=True, batch_size=len(both))
    per = logits.shape[1] // channels
    of = logits.reshape(len(both), channels, per, SIZE, SIZE).transpose(0, 3, 4, 1, 2)
    of = of.reshape(len(both), count, per)
    return (of[1:] != of[:1]).any(2).T


@pytest.mark.parametrize(
    ("channels", "options"),
    [(1, {}), (1, {"levels": 5}), (3, {}), (3, {"levels": 4}), (3, {"levels": 9, "components": 2})],
    ids=str,
)
def test_a_number_depends_on_all_before_it_and_on_none_behind(channels, options):
    """To the bit, in the image that is changed number by number; nothing near is out of sight."""
    found = seen(small(channels=channels, features=12 * channels, **options), channels)
    assert not np.triu(found).any()  # none behind, nor itself
    y, x, _ = np.unravel_index(np.arange(len(found)), (SIZE, SIZE, channels))
    up, aside = y[:, None] - y[None], np.abs(x[:, None] - x[None])
    near = (up <= 3) & (aside <= 3) & (np.arange(len(found))[:, None] > np.arange(len(found)))
    assert found[near].all()


def test_gradients_behind_are_zero():
    model = small()
    image = model.graph.inputs[0]
    logits = model.graph.outputs["logits"]
    mask = np.zeros((1, 1, SIZE, SIZE), np.float32)
    mask[..., 3, 2] = 1.0
    (slope,) = cnn.gradients(cnn.sum(logits * cnn.constant(mask)), [image])
    found = cnn.Model(image, slope).predict(RNG.random((2, 1, SIZE, SIZE)).astype(np.float32))
    behind = np.arange(SIZE * SIZE).reshape(SIZE, SIZE) >= 3 * SIZE + 2
    assert (found[..., behind] == 0).all()
    assert (found[..., 2, :5] != 0).all()


def test_it_draws_for_a_label():
    model = small(classes=3)
    images = model.sample(6, label=[0, 0, 1, 1, 2, 2], seed=1)
    assert images.shape == (6, 1, SIZE, SIZE)
    assert not np.array_equal(model.sample(1, label=0), model.sample(1, label=1))


def test_it_learns_what_images_are_like():
    pytest.importorskip("sklearn")
    train, test = (cnn.data.binarised(d) for d in cnn.data.digits())
    model = cnn.models.pixelcnn(size=8, features=8, layers=3)
    x, t = np.float32(train.images), np.float32(test.images)
    p = x.mean(0).clip(1e-3, 1 - 1e-3)  # each pixel by itself
    alone = -(t * np.log(p) + (1 - t) * np.log(1 - p)).sum((1, 2, 3)).mean()
    history = model.fit(
        x, x, epochs=6, loss=model.objective, optimizer=cnn.Adam(0.01), progress=False, threads=1
    )
    assert history.columns == ["loss", "bits_per_dim"]
    found = model.evaluate((t, t))
    assert found["loss"] < 0.94 * alone
    assert found["bits_per_dim"] == pytest.approx(found["loss"] / 64 / np.log(2), rel=1e-6)
    drawn = model.sample(300, seed=2)
    assert np.abs(drawn.mean(0) - x.mean(0)).mean() < 0.08


def test_classes_are_told_from_labels_beside_the_images():
    """Two kinds of images, all white and all black: with the label nothing is left to guess."""
    labels = RNG.integers(0, 2, 256)
    images = np.broadcast_to(labels[:, None, None, None], (256, 1, 4, 4)).astype(np.float32)
    model = cnn.models.pixelcnn(size=4, features=4, layers=2, classes=2)
    data = cnn.data.Dataset({"image": images, "label": labels}, images)
    model.fit(
        data, epochs=20, loss=model.objective, optimizer=cnn.Adam(0.02), progress=False, threads=1
    )
    assert model.evaluate(data)["loss"] < 0.2  # without: ln 2 for the first pixel
    assert model.sample(20, label=1).mean() > 0.95
    assert model.sample(20, label=0).mean() < 0.05
