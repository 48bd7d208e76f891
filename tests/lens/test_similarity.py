"""Similarity of layers is CKA by its formula, however the images are cut into blocks."""

import numpy as np
import pytest
from pictures.checks import check_picture
from support.small_training import small, stripes

import graphcnn as cnn
from graphcnn.lens.study import stream
from graphcnn.models import MODELS


def by_formula(x: np.ndarray, y: np.ndarray) -> float:
    x, y = (a.reshape(len(a), -1).astype(np.float64) for a in (x, y))
    x, y = x - x.mean(0), y - y.mean(0)
    norms = np.linalg.norm(x.T @ x) * np.linalg.norm(y.T @ y)
    return float(np.linalg.norm(y.T @ x) ** 2 / norms)


def test_similarity_is_its_formula(monkeypatch: pytest.MonkeyPatch) -> None:
    model, images = MODELS["digits_cnn"]().initialize(0), stripes(23).images
    other = small().initialize(3)
    whole = model.lens().similarity(other, data=images)
    monkeypatch.setattr(stream, "_ITEMS", 5)
    found = model.lens().similarity(other, data=(images, np.zeros(23, np.int64)))
    assert np.allclose(found.array, whole.array, atol=1e-12), "blocks change nothing"
    mine, theirs = model.activations(images), other.activations(images)
    values = other.lens().similarity(data=images)["columns"]
    assert found["columns"].tolist() == values.tolist()
    for row, a in zip(found.array, ("conv1.relu", "conv2.relu", "pool", "logits"), strict=True):
        for cka, b in zip(row, found["columns"].tolist(), strict=True):
            assert cka == pytest.approx(by_formula(mine[a], theirs[b]), abs=1e-5)
    check_picture(found.picture)
    few = model.lens().similarity(data=images, layers=["pool", "conv1"], others=["logits"])
    assert few.array.shape == (2, 1)
    assert few.array[1, 0] == pytest.approx(by_formula(mine["conv1.relu"], mine["logits"]))


def test_a_network_is_similar_to_itself_in_any_number_of_threads() -> None:
    model, data = MODELS["digits_cnn"]().initialize(0), stripes(40)
    one, two = (model.lens(threads=t).similarity(data=data, most=17) for t in (1, 2))
    assert np.allclose(np.diag(one.array), 1) and np.allclose(one.array, one.array.T)
    assert one.svg() == two.svg() and "17 of 40 images, evenly spaced" in one.caption
    check_picture(one.picture)


def test_a_dead_layer_is_similar_to_nothing() -> None:
    model = MODELS["digits_cnn"]().initialize(0)
    with pytest.raises(cnn.LensError, match="similarity is to another model or lens, found str"):
        model.lens().similarity("conv1", data=stripes(9))
    model.set_parameters({"conv2.bias": np.full(32, -99, np.float32)})
    with pytest.raises(cnn.LensError, match="'conv2' of digits_cnn answers the same to all"):
        model.lens().similarity(data=stripes(9))
