"""Images in which a layer sees more of what it sees, and images in the style of others."""

import numpy as np
import pytest
from support.evaluate import run
from support.small_training import small, stripes

import graphcnn as cnn
from graphcnn.errors import LensError
from graphcnn.lens.synthesis.dream import EvenSteps, resized


def test_a_dream_has_more_of_the_layer_the_same_bytes_for_any_threads() -> None:
    model, x = small().initialize(1), np.clip(stripes(3).images, 0, 1)
    one, two = (
        model.lens(threads=n).dream(x, "c1", octaves=2, steps=8, jitter=1, seed=3) for n in (1, 2)
    )
    assert all(one[name].tobytes() == two[name].tobytes() for name in one.arrays)
    assert one.svg() == two.svg() and "octaves of 6×6, 8×8" in one.caption
    assert (one["energy"][-1] > 1.1 * one["energy"][0]).all()
    values = model.activations(one["images"])["c1"].reshape(3, -1)
    np.testing.assert_allclose(one["energy"][-1], (values**2).mean(1), rtol=1e-4)
    assert one["images"].min() >= 0 and one["images"].max() <= 1
    assert np.array_equal(one["frames"][0], x) and np.array_equal(one["frames"][-1], one["images"])
    alone = model.lens().dream(x[1], "c1", octaves=2, steps=8, jitter=1, seed=3)
    np.testing.assert_allclose(alone["images"][0], one["images"][1], atol=1e-3)
    with pytest.raises(LensError, match="cannot be computed of an image of 6×6"):
        model.lens().dream(x, "logits", octaves=2)
    assert model.lens().dream(x, "logits", octaves=1, steps=2)["energy"].shape == (2, 3)


def test_even_steps_move_each_item_alike_and_stay_inside() -> None:
    rng = np.random.default_rng(0)
    p, g = rng.random((2, 1, 3, 3)), rng.standard_normal((2, 1, 3, 3)) * [[[[1e-3]]], [[[10]]]]
    rate, step = cnn.constant(0.3), cnn.constant(1)
    new, _ = EvenSteps(0.3).update(*map(cnn.constant, (p, g)), {}, rate, step)
    expected = np.clip(p - 0.3 * g / np.abs(g).mean((1, 2, 3), keepdims=True), 0, 1)
    np.testing.assert_allclose(run([new], {})[0], expected, rtol=1e-6)


def test_sizes_change_without_changing_the_mean_of_a_plain_image() -> None:
    x = np.full((1, 2, 6, 9), 0.3, np.float32)
    for size in ((3, 4), (6, 9), (11, 20)):
        np.testing.assert_allclose(resized(x, size), np.full((1, 2, *size), 0.3), rtol=1e-6)
    ramp = np.arange(8, dtype=np.float32)[None, None, None].repeat(2, 2)
    np.testing.assert_allclose(resized(ramp, (2, 16))[0, 0, 0, 1:-1], np.arange(0.25, 7, 0.5))
    assert np.array_equal(resized(ramp, (2, 8)), ramp)


def test_style_is_which_channels_occur_together() -> None:
    model = small().initialize(1)
    x, other = np.clip(stripes(12).images, 0, 1), stripes(12)
    down, across = (x[other.labels == k][:2] for k in (0, 1))
    found = [
        model.lens(threads=n).style(down, across[:1], style_layers=["c1"], steps=150, weight=10)
        for n in (1, 2)
    ]
    one, two = found
    assert all(one[name].tobytes() == two[name].tobytes() for name in one.arrays)
    assert (one["style_errors"][1] < 0.6 * one["style_errors"][0]).all()
    maps = model.activations(one["images"])["c1"].reshape(2, 4, -1)
    wanted = model.activations(across[:1])["c1"].reshape(1, 4, -1)
    gram, goal = (f @ f.transpose(0, 2, 1) / (4 * 36) for f in (maps, wanted))
    error = np.square(gram - goal).sum((1, 2)) / np.square(goal).sum()
    np.testing.assert_allclose(one["style_errors"][1, :, 0], error, rtol=1e-3)
    kept = model.lens().style(down, across[:1], style_layers=["c1"], steps=150, weight=0)
    assert np.abs(kept["images"] - down).max() < 0.02 and kept["content_error"].max() < 1e-3
    with pytest.raises(LensError, match="in maps"):
        model.lens().style(down, across[:1], layer="logits")
    with pytest.raises(LensError, match="2 images of style for 1 of content"):
        model.lens().style(down[0], across)
