"""Confusion and mistakes: counted as scikit-learn counts, refused where there are no classes."""

import numpy as np
import pytest
from pictures.checks import check_picture, check_texts, words

import graphcnn as cnn
from graphcnn.lens.attribution.responses import probabilities
from graphcnn.pictures.raster.colors import image_pixels
from graphcnn.pictures.results.mistakes import errors_picture


def classifier(classes: int = 5) -> cnn.Model:
    image = cnn.input("image", (1, 6, 6))
    x = cnn.conv2d(image, 4, 3, activation="relu", name="C1")
    return cnn.Model(
        image, cnn.dense(cnn.flatten(x), classes, name="logits"), name="net"
    ).initialize(3)


def images(n: int) -> np.ndarray:
    return np.random.default_rng(1).random((n, 1, 6, 6), dtype=np.float32)


def labels(n: int, classes: int = 5) -> np.ndarray:
    return np.random.default_rng(2).integers(0, classes, n)


def test_counts_are_those_of_scikit_learn() -> None:
    metrics = pytest.importorskip("sklearn.metrics")
    model, x, y = classifier(), images(700), labels(700)
    found = model.lens().confusion((x, y))
    scores = model.predict(x, precision="strict")
    predicted = scores.argmax(1)
    np.testing.assert_array_equal(
        found["confusion"], metrics.confusion_matrix(y, predicted, labels=range(5))
    )
    precision, recall, _, _ = metrics.precision_recall_fscore_support(
        y, predicted, labels=range(5), zero_division=np.nan
    )
    np.testing.assert_allclose(found["recall"], recall, rtol=1e-12)
    np.testing.assert_allclose(found["precision"], precision, rtol=1e-12)
    check_picture(found.picture)
    check_texts(found.picture.scene)


def test_the_surest_mistakes_come_first_with_their_probabilities() -> None:
    model, x, y = classifier(), images(300), labels(300)
    found = model.lens().errors((x, y), most=10)
    scores = np.float64(model.predict(x, precision="strict"))
    shares = np.exp(scores) / np.exp(scores).sum(1, keepdims=True)
    wrong = [i for i in range(300) if scores[i].argmax() != y[i]]
    expected = sorted(wrong, key=lambda i: -shares[i].max())[:10]
    assert found["items"].tolist() == expected
    np.testing.assert_allclose(found["probability"], shares[expected].max(1), rtol=1e-6)
    np.testing.assert_allclose(found["probability_true"], shares[expected, y[expected]], rtol=1e-6)
    np.testing.assert_array_equal(found["images"], x[expected])
    tiles = [g for g in found.picture.scene.groups("card")]
    assert len(tiles) == 10
    first = tiles[0].label
    taken, share = scores[expected[0]].argmax(), shares[expected[0]].max()
    assert f"{y[expected[0]]} as {taken}" in first and f"{taken}: {share:.2%}" in first
    assert image_pixels(x[expected[0]]).shape == (6, 6)
    check_picture(found.picture)
    # The same for any number of threads, bit for bit.
    lenses = [model.lens(threads=n) for n in (1, 2)]
    one, two = (lens.errors((x, y), most=10) for lens in lenses)
    assert all(np.array_equal(one[key], two[key]) for key in one.arrays)
    assert one.svg() == two.svg()


def test_names_of_classes_are_written_out() -> None:
    names = ["automobile", "container ship"]
    picture = errors_picture(images(24), [0] * 24, [1] * 24, [0.5] * 24, names)
    assert words(picture.scene).count("automobile as container ship") == 24
    check_picture(picture)


def test_classes_are_called_by_name_and_ignored_labels_left_out() -> None:
    model, x = classifier(3), images(40)
    model.classes = ("cat", "dog", "eel")
    y = labels(40, 3)
    y[:4] = 255
    data = cnn.data.Dataset(x, y, ("cat", "dog", "eel"), name="pets", ignored=(255,))
    found = model.lens().confusion(data, order="error")
    assert found["confusion"].sum() == 36 and found["items"][0] == 4
    assert "36 items (4 without a class left out)" in found.caption
    assert all(name in found.picture.text() for name in model.classes)
    # Names of the data in another order are found by name.
    other = cnn.data.Dataset(
        x, np.where(y == 255, 255, 2 - y), ("eel", "dog", "cat"), ignored=(255,)
    )
    np.testing.assert_array_equal(model.lens().confusion(other)["confusion"], found["confusion"])


def test_one_sigmoid_tells_two_classes_apart() -> None:
    image = cnn.input("image", (1, 6, 6))
    score = cnn.dense(cnn.flatten(image), 1, name="score")
    model = cnn.Model(image, cnn.sigmoid(score), name="two").initialize(1)
    x, y = images(90), labels(90, 2)
    shares = model.predict(x, precision="strict")[:, 0]
    found = model.lens().confusion((x, y[:, None].astype(np.float32)))
    expected = [[np.sum((y == i) & ((shares > 0.5) == j)) for j in (0, 1)] for i in (0, 1)]
    assert found["confusion"].tolist() == expected
    worst = model.lens().errors((x, y), most=1)
    item = worst["items"][0]
    assert worst["probability"][0] == pytest.approx(max(shares[item], 1 - shares[item]), rel=1e-6)
    with pytest.raises(cnn.LensError, match="one number that no sigmoid reads"):
        cnn.Model(image, score, name="number").lens().confusion((x, y))
    with pytest.raises(cnn.LensError, match="are numbers, no classes"):
        model.lens().confusion((x, np.full((90, 1), 0.5, np.float32)))


def test_without_classes_there_is_no_confusion() -> None:
    x = images(8)
    model = classifier()
    lens = model.lens()
    with pytest.raises(cnn.LensError, match=r"are numbers, no classes: \(n, 5\) float32"):
        lens.confusion((x, np.zeros((8, 5), np.float32)))
    with pytest.raises(cnn.LensError, match="tells 5 classes apart, found label 7"):
        lens.confusion((x, np.full(8, 7)))
    best = model.predict(x).argmax(1)
    assert lens.confusion((x, best))["confusion"].trace() == 8
    with pytest.raises(cnn.LensError, match="makes no mistake among 8 items"):
        lens.errors((x, best))
    image = model.graph.inputs[0]
    logits = model.value("logits")
    several = cnn.Model(image, cnn.sigmoid(logits), name="several")
    with pytest.raises(cnn.LensError, match="do not exclude each other"):
        several.lens().confusion((x, best))
    with pytest.raises(cnn.LensError, match="expected scores"):
        cnn.Model(image, model.value("C1"), name="maps").lens().errors((x, best))
    for loss in ("mse", "huber"):
        model.fit((x, np.zeros((8, 5), np.float32)), loss=loss)
        with pytest.raises(cnn.LensError, match=f"trained with {loss}: it predicts numbers"):
            model.lens().confusion((x, best))
    broken = classifier()
    broken.set_parameters({"logits.bias": np.full(5, np.nan, np.float32)})
    with pytest.raises(cnn.LensError, match="scores of 'logits' are not finite for item 0"):
        broken.lens().confusion((x, best))


@pytest.mark.parametrize("loss", ["binary_cross_entropy", "binary_focal"])
def test_scores_are_read_by_the_sigmoids_that_were_trained(loss: str) -> None:
    model, scores = classifier(), np.array([[0.0, 2.0, 2.0, -1.0, 0.5]], np.float32)
    model.fit((images(8), np.eye(5, dtype=np.float32)[labels(8)]), loss=loss)
    np.testing.assert_allclose(probabilities(model.lens(), scores), 1 / (1 + np.exp(-scores)), 1e-6)
    with pytest.raises(cnn.LensError, match="do not exclude each other"):
        model.lens().confusion((images(8), labels(8)))
