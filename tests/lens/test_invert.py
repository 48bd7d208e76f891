"""Images back from what layers make of them."""

import numpy as np
import pytest
from support.small_training import small, stripes

import graphcnn as cnn
from graphcnn.errors import LensError


def test_an_image_comes_back_from_a_layer_that_keeps_it_whole() -> None:
    model, x = small().initialize(2), np.clip(stripes(3).images, 0, 1)
    model.normalisation = cnn.Normalisation((0.4,), (0.5,))
    how = {"steps": 300, "rate": 0.1, "penalties": {"tv": 0.01}}
    one, two = (model.lens(threads=n).invert("c1", x, **how) for n in (1, 2))
    assert all(one[name].tobytes() == two[name].tobytes() for name in one.arrays)
    assert (one["correlation"] > 0.95).all() and np.abs(one["images"] - x).mean() < 0.05
    code = model.activations(one["images"])["c1"] - model.activations(x)["c1"]
    size = np.square(model.activations(x)["c1"]).sum((1, 2, 3))
    np.testing.assert_allclose(one["errors"][-1], np.square(code).sum((1, 2, 3)) / size, rtol=1e-3)
    alone = model.lens().invert("c1", x[0], **how)
    np.testing.assert_allclose(alone["images"][0], one["images"][0], atol=1e-3)
    assert "c1" in one.title and "tv 0.01" in one.caption and one.svg() == two.svg()


def test_deeper_layers_give_less_back() -> None:
    model, x = small().initialize(2), np.clip(stripes(4).images, 0, 1)
    found = model.lens().reconstruct(x, ["c1", "logits"], steps=200)
    assert found["images"].shape == (2, 4, 1, 8, 8) and found["class_kept"].all()
    assert found["correlation"][0].min() > 0.8 > 0.6 > found["correlation"][1].mean()
    every = model.lens().reconstruct(x[0], steps=2)
    assert len(every["images"]) == len(model.lens().maps(x[0]).arrays) - 1


def test_an_empty_code_is_refused() -> None:
    model = small().initialize(0)
    model.set_parameters({"bn1.beta": np.full(4, -100.0)})
    with pytest.raises(LensError, match="the code of 'relu_1' is 0 for image 0"):
        model.lens().invert("relu_1", np.zeros((1, 8, 8), np.float32), steps=1)


def test_names_of_a_network_are_not_in_the_way() -> None:
    image = cnn.input("pixels", (1, 5, 5))
    kernel = cnn.parameter((2, 1, 3, 3), name="weight")
    x = cnn.conv2d(image, 2, 3, weight=kernel, bias=False, name="code")
    lens = cnn.Model(image, cnn.dense(cnn.flatten(x), 2, name="goal")).initialize(0).lens()
    x = np.random.default_rng(0).random((1, 5, 5), np.float32)
    assert lens.invert("code", x, steps=2)["images"].shape == (1, 1, 5, 5)
    assert lens.maximise("code", steps=2)["images"].shape == (2, 1, 5, 5)
    assert lens.adversarial(x, step=0.1)["images"].shape == (1, 1, 5, 5)
