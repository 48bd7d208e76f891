"""What drawn images are worth, beside plain loops over the definitions."""

import json
from pathlib import Path

import numpy as np
import pytest
from support.command_line import done, refused

import graphcnn as cnn
from graphcnn.errors import DataError, GraphError
from graphcnn.generative import judge

K = 3


def classifier() -> cnn.Model:
    """Which of three thirds of an image is the lightest."""
    image = cnn.input("image", (1, 6, 6))
    x = cnn.relu(cnn.dense(cnn.flatten(image), 5, name="hidden"), name="features")
    scores = cnn.reshape(cnn.sum(image, axes=1), (cnn.N, 3, 12))
    scores = cnn.sum(scores, axes=2) + 0.0 * cnn.dense(x, 3, name="last")
    model = cnn.Model(image, {"scores": scores}, "thirds").initialize(3)
    model.classes = ("upper", "middle", "lower")
    model.normalisation = cnn.Normalisation()
    return model


def images(n: int, seed: int, kinds=(0, 1, 2)) -> np.ndarray:
    rng = np.random.default_rng(seed)
    found = rng.random((n, 1, 6, 6)).astype(np.float32) * 0.5
    for i in range(n):
        third = kinds[i % len(kinds)]
        found[i, :, 2 * third : 2 * third + 2] += 0.4
    return found


def data(array: np.ndarray) -> cnn.data.Dataset:
    return cnn.data.Dataset(array, np.zeros(len(array), np.int64))


REAL, TRAINING = images(60, 1), images(150, 2)
DRAWN = np.concatenate([images(40, 3, (0, 1)), images(20, 4)])


def by_hand(points: np.ndarray, others: np.ndarray) -> float:
    """The share of points that some other's third neighbour is not nearer to."""
    far = [sorted(np.linalg.norm(others - o, axis=1))[K] for o in others]
    inside = [
        any(np.linalg.norm(p - o) <= r for o, r in zip(others, far, strict=True)) for p in points
    ]
    return float(np.mean(inside))


def test_every_number_is_that_of_its_definition():
    found = judge(DRAWN, data(REAL), data(TRAINING), classifier(), features="features")
    shares = np.array([26, 26, 8]) / 60  # 20, 20, 0 and of the last twenty 7, 7, 6
    counted = np.bincount(DRAWN.sum(1).reshape(60, 3, 12).sum(2).argmax(1), minlength=3) / 60
    assert abs(counted - shares).max() < 0.05
    np.testing.assert_array_equal(found.shares, counted)
    np.testing.assert_array_equal(found.real_shares, [1 / 3] * 3)
    assert found.divergence == pytest.approx((counted * np.log(counted * 3)).sum())
    assert found.modes == 3
    known = classifier()
    core = cnn.Model(known.graph.inputs, known["features"])
    core.set_parameters({k: known.parameters[k] for k in core.parameters})
    own, others = (core.predict(a).astype(float) for a in (DRAWN, REAL))
    assert found.precision == by_hand(own, others)
    assert found.recall == by_hand(others, own)
    apart = np.sqrt(((DRAWN[:, None] - TRAINING[None]).astype(float) ** 2).sum((2, 3, 4)))
    np.testing.assert_array_equal(found.nearest, apart.argmin(1))
    np.testing.assert_allclose(found.distances, apart.min(1), rtol=1e-6)
    np.testing.assert_array_equal(found.training, TRAINING[found.nearest])


def test_what_is_copied_is_told_and_what_is_missing():
    copied = judge(TRAINING[:60], data(REAL), data(TRAINING), classifier(), features="features")
    assert copied.nearness < 1e-3 and copied.distances.max() < 1e-3
    one = judge(images(60, 5, (1,)), data(REAL), data(TRAINING), classifier(), features="features")
    assert one.modes == 1 and one.divergence == pytest.approx(np.log(3))
    assert one.recall < copied.recall
    assert "classes that are drawn: 1 of 3" in str(one) and "middle" in str(one)
    assert "100.0%" in str(one)


def test_more_training_images_than_are_read_at_a_time(monkeypatch):
    from graphcnn.generative import neighbours

    whole = judge(DRAWN, data(REAL), data(TRAINING), classifier(), features="features")
    monkeypatch.setattr(neighbours, "_AT_ONCE", 64)
    monkeypatch.setattr(neighbours, "_ROWS", 7)
    parts = judge(DRAWN, data(REAL), data(TRAINING), classifier(), features="features")
    np.testing.assert_array_equal(parts.nearest, whole.nearest)
    assert parts.numbers() == whole.numbers()


def test_threads_change_no_bit():
    model = cnn.models.dcgan(size=8, features=4, z=3).initialize(0)
    image = cnn.input("image", (1, 8, 8))
    by = cnn.Model(image, cnn.dense(cnn.flatten(image), 4, name="last")).initialize(0)
    real = data(np.random.default_rng(0).random((40, 1, 8, 8)).astype("f4"))
    train = data(np.random.default_rng(1).random((40, 1, 8, 8)).astype("f4"))
    one, two = (judge(model, real, train, by, n=30, threads=n) for n in (1, 2))
    assert one.numbers() == two.numbers()
    assert one.drawn.tobytes() == two.drawn.tobytes() == model.sample(30).tobytes()


def test_wrong_use_is_told():
    known = classifier()
    with pytest.raises(DataError, match="4 images are too few to judge: each needs 3 neighbours"):
        judge(DRAWN[:4], data(REAL), data(TRAINING), known, features="features")
    with pytest.raises(DataError, match=r"drawn images are \(1, 5, 5\), and the real ones \(1, 6"):
        judge(DRAWN[:, :, :5, :5], data(REAL), data(TRAINING), known, features="features")
    with pytest.raises(DataError, match=r"floats \(n, C, H, W\) in \[0, 1\], found uint8"):
        judge((DRAWN * 255).astype(np.uint8), data(REAL), data(TRAINING), known)
    with pytest.raises(GraphError, match=r"no tensor 'feature'; did you mean 'features'"):
        judge(DRAWN, data(REAL), data(TRAINING), known, features="feature")
    with pytest.raises(GraphError, match=r"several operands: name the features, features="):
        judge(DRAWN, data(REAL), data(TRAINING), known)
    image = cnn.input("image", (1, 6, 6))
    maps = cnn.Model(image, cnn.conv2d(image, 3, 1, name="conv"), "maps").initialize(0)
    with pytest.raises(GraphError, match=r"maps judges by the classes .* \(N, K\), found f32\[N,3"):
        judge(DRAWN, data(REAL), data(TRAINING), maps)
    with pytest.raises(DataError, match=r"60 of 60 real images are training images: .* not train"):
        judge(DRAWN, data(REAL), data(REAL), known, features="features")


def test_the_command_tells_it_and_draws_the_nearest(tmp_path: Path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    source = "xo:n=60,size=12"
    cnn.models.dcgan(size=12, features=4, z=3).initialize(0).save("gan.safetensors")
    image = cnn.input("image", (1, 12, 12))
    by = cnn.Model(image, cnn.dense(cnn.flatten(image), 2, name="last"), "by").initialize(0)
    by.save("by.safetensors")
    given = ("judge", "gan.safetensors", "--by", "by.safetensors", "--data", source, "-n", "6")
    text = done(*given, "--nearest", "near.svg")
    assert "6 drawn images beside as many real ones" in text and "drawn: near.svg" in text
    assert "the nearest training image of each" in Path("near.svg").read_text()
    told = json.loads(done(*given, "--json"))
    assert told["model"] == "dcgan" and told["by"] == "by" and len(told["classes"]) == 2
    assert {"modes", "divergence", "precision", "recall", "nearness"} < told.keys()
    assert "--by" in refused(2, "judge", "gan.safetensors", "--data", source)
    assert "does not say how it draws" in refused(1, "judge", "by.safetensors", *given[2:])
