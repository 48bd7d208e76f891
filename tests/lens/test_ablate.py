"""Ablation: a channel that is set to 0 is a filter without weights."""

import copy

import numpy as np
import pytest
from pictures.checks import check_picture
from support.small_training import small, stripes, train

import graphcnn as cnn


def trained() -> cnn.Model:
    image = cnn.input("image", (1, 8, 8))
    x = cnn.conv2d(image, 6, 3, padding=1, activation="relu", name="c1")
    y = cnn.conv2d(x, 6, 3, padding=1, activation="relu", name="c2")
    x = cnn.max_pool2d(x + y, 2)
    return train(cnn.Model(image, cnn.dense(cnn.flatten(x), 2, name="logits")), epochs=1)


def hard() -> cnn.data.Dataset:
    """Images with so much noise that some are taken for the other class."""
    data = stripes(300, seed=9)
    noise = np.random.default_rng(1).normal(0, 0.9, data.images.shape)
    return cnn.data.arrays((data.images + noise).astype(np.float32), data.labels)


def without(model: cnn.Model, layer: str, channels: list[int], bias: float = 0.0) -> cnn.Model:
    """The same network with filters that answer with one number."""
    other = copy.deepcopy(model)
    weight, shift = (np.array(model.states[f"{layer}.{part}"]) for part in ("weight", "bias"))
    weight[channels], shift[channels] = 0, bias
    other.set_parameters({f"{layer}.weight": weight, f"{layer}.bias": shift})
    return other


def test_ablation_is_a_network_without_these_filters() -> None:
    model, data = trained(), hard()
    lens = model.lens()
    for layer in ("c1", "c2"):  # beside the second the first goes on
        found = lens.ablate(layer, data=data)
        before = model.evaluate(data, metrics="accuracy")
        assert found["baseline"] == pytest.approx(
            [before["accuracy"], before["loss"]], rel=1e-5, abs=1e-6
        )
        for c in range(6):
            after = without(model, layer, [c]).evaluate(data, metrics="accuracy")
            assert found["accuracy"][c] == pytest.approx(after["accuracy"])
            assert found["loss"][c] == pytest.approx(after["loss"], rel=1e-5, abs=1e-6)
        assert np.ptp(found["accuracy"]) > 0, "the channels must differ, or this tells nothing"
    check_picture(found.picture)
    several = lens.ablate("c1", [0, 3, 4], data=data)
    after = without(model, "c1", [0, 3, 4]).evaluate(data, metrics="accuracy")
    assert several["accuracy"] == pytest.approx([after["accuracy"]])
    classes = several["classes"] + several["baseline_classes"]
    share = np.bincount(data.labels) / len(data)
    assert (classes * share).sum() == pytest.approx(several["accuracy"][0])


def test_a_channel_can_become_its_mean() -> None:
    model, data = trained(), stripes(100, seed=4)
    means = np.mean([model.activations(x)["c2.relu"][0] for x in data.images], (0, 2, 3))
    c = int(means.argmax())
    found = model.lens().ablate("c2", c, data=data, fill="mean")
    after = without(model, "c2", [c], float(means[c])).evaluate(data, metrics="accuracy")
    assert means[c] > 0 and found["loss"][0] == pytest.approx(after["loss"], rel=1e-4)


def test_one_compilation_serves_all_channels_and_any_number_of_threads() -> None:
    model, data = trained(), stripes(300, seed=9)
    lens = model.lens(threads=1)
    one = lens.ablate("c1", data=data).svg()
    made = dict(lens._made)
    lens.ablate("c1", 5, data=data)
    assert lens._made == made
    assert model.lens(threads=2).ablate("c1", data=data).svg() == one


def test_an_ablation_that_says_nothing_is_refused() -> None:
    model, data = small().initialize(0), stripes(20)
    lens = model.lens()
    with pytest.raises(cnn.LensError, match="from 0 to 3 among the 4 channels of 'c1', found 4"):
        lens.ablate("c1", [1, 4], data=data)
    with pytest.raises(cnn.LensError, match="fill is 'zero' or 'mean', found 'median'"):
        lens.ablate("c1", fill="median", data=data)
    with pytest.raises(cnn.LensError, match="expected one class number for each image"):
        lens.ablate("c1", data=(data.images, np.zeros((20, 2), np.float32)))
    with pytest.raises(cnn.LensError, match="has the label 2, expected class numbers from 0 to 1"):
        lens.ablate("c1", data=(data.images, np.full(20, 2)))
    image = model.graph.inputs[0]
    beside = cnn.conv2d(image, 2, 3, name="beside")
    two = cnn.Model(image, {"scores": model["logits"], "maps": beside}).initialize(0)
    with pytest.raises(cnn.LensError, match="do not depend on 'beside'"):
        two.lens().ablate("beside", data=data)
