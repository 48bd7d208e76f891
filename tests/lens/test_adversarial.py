"""Images changed by little so that they are read as another class."""

import numpy as np
import pytest
from support.small_training import small, stripes

import graphcnn as cnn
from graphcnn.errors import LensError


def linear(seed: int = 0) -> tuple[cnn.Model, np.ndarray]:
    """A linear classifier, and the difference of the weights of its two classes."""
    image = cnn.input("image", (1, 4, 5))
    model = cnn.Model(image, cnn.dense(cnn.flatten(image), 2, name="out")).initialize(seed)
    model.normalisation = cnn.Normalisation((0.5,), (0.25,))
    weight = model.parameters["out.weight"]
    return model, (weight[1] - weight[0]).reshape(1, 4, 5) / 0.25


def test_one_step_of_a_linear_model_is_the_sign_of_its_weights() -> None:
    model, w = linear()
    x = np.random.default_rng(0).uniform(0.4, 0.6, (6, 1, 4, 5)).astype(np.float32)
    scores = model.predict(x, raw=True)
    margin = scores[:, 1] - scores[:, 0]
    found = model.lens().adversarial(x, step=0.1)
    expected = x - 0.1 * np.sign(w) * np.sign(margin).reshape(-1, 1, 1, 1)
    np.testing.assert_allclose(found["images"], expected, atol=1e-6)
    np.testing.assert_allclose(found["before"], softmax(scores), atol=1e-6)
    np.testing.assert_allclose(
        found["after"], softmax(model.predict(expected, raw=True)), atol=1e-5
    )
    smallest = np.abs(margin) / np.abs(w).sum()
    least = model.lens().adversarial(x)
    assert least["changed"].all()
    np.testing.assert_allclose(least["step"], smallest, rtol=1 / 128, atol=2e-5)
    several = model.lens().adversarial(x, steps=10)
    np.testing.assert_allclose(several["step"], smallest, rtol=1 / 50, atol=2e-5)
    named = model.lens().adversarial(x, to=1, step=0.1)
    assert (named["after"][:, 1] > named["before"][:, 1]).all()


def softmax(scores: np.ndarray) -> np.ndarray:
    e = np.exp(scores - scores.max(1, keepdims=True))
    return e / e.sum(1, keepdims=True)


def test_same_seed_same_bytes_and_no_pixel_goes_too_far() -> None:
    model, x = small().initialize(1), np.clip(stripes(5).images, 0, 1)
    one, two = (model.lens(threads=n).adversarial(x, step=0.07, steps=7, seed=2) for n in (1, 2))
    assert all(one[name].tobytes() == two[name].tobytes() for name in one.arrays)
    assert one.svg() == two.svg() and "PGD, 7 steps" in one.caption
    assert np.abs(one["images"] - x).max() <= 0.07 + 1e-6
    assert one["images"].min() >= 0 and one["images"].max() <= 1
    classes = one["before"].argmax(1)
    assert (one["after"][range(5), classes] < one["before"][range(5), classes]).all()
    other = model.lens().adversarial(x, step=0.07, steps=7, seed=3)
    assert not np.array_equal(one["images"], other["images"])
    alone = model.lens().adversarial(x[0], step=0.07, steps=7, seed=2)
    np.testing.assert_allclose(alone["images"][0], one["images"][0], atol=1e-6)


def test_what_cannot_be_reached_is_said() -> None:
    model, x = small().initialize(1), np.clip(stripes(2).images, 0, 1)
    model.set_parameters({"logits.weight": np.zeros((2, 36)), "logits.bias": [1.0, 0.0]})
    found = model.lens().adversarial(x)
    assert np.isnan(found["step"]).all() and not found["changed"].any()
    assert "none up to white" in found.facts["step"] and "0 of 2" in found.facts["changed"]
    done = model.lens().adversarial(x, to=0)
    assert (done["step"] == 0).all() and np.array_equal(done["images"], x)
    for wrong, message in (
        ({"step": 0}, "must be in"),
        ({"steps": 0}, "steps must be"),
        ({"label": 2}, "0 to 1 among the 2 classes"),
        ({"label": 0, "to": 1}, "name the class"),
        ({"to": [0, 1, 0]}, "3 classes for 2 images"),
    ):
        with pytest.raises(LensError, match=message):
            model.lens().adversarial(x, **wrong)
